//! What is done in a stage beside migrations, as data.

use serde::{Deserialize, Serialize};
use switchback_model::hand_work::DoneWhen;
use switchback_model::product::{Moment, Role};
use switchback_model::{DatastoreName, MigrationId, Version};

/// Something that is done in a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Which action; where a step of a plan does it, the migration of that name.
    pub id: MigrationId,
    /// When in the stage.
    pub moment: Moment,
    /// What the driver does in a way of its own.
    pub role: Option<Role>,
    /// The command, the names of the packages filled in; empty for hand-work.
    pub run: Vec<String>,
    /// What has to come of a command that only looks.
    pub expect: Option<String>,
    /// Hand-work in order, or what to know of the command.
    pub steps: Vec<String>,
    /// How it is known that it is done, where people do it.
    #[serde(default, skip_serializing_if = "DoneWhen::is_said")]
    pub done: DoneWhen,
    /// The datastore, or the engine of one, that it changes.
    pub datastore: Option<DatastoreName>,
    /// The lines that an engine climbs to, one after the other.
    pub rungs: Vec<String>,
    /// Releases that bring it, oldest first; empty for what every stage does.
    pub demanded_by: Vec<Version>,
    /// Why.
    pub because: String,
    /// Where it was read.
    pub source: String,
    /// True where it rests on what could not be known.
    pub assumed: bool,
}

impl Act {
    /// True where people have to do it.
    pub fn is_hand_work(&self) -> bool {
        self.role.is_none() && self.run.is_empty()
    }
}

/// A package that a stage replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagePackage {
    /// Its name.
    pub name: String,
    /// True where nobody said that it is installed.
    pub assumed: bool,
}
