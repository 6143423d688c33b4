//! What a stage consists of where it is made of more than migrations: stop, replace, migrate, register,
//! start, with hand-work in between.

use serde::{Deserialize, Serialize};

use super::Condition;
use crate::hand_work::DoneWhen;
use crate::id::DatastoreName;
use crate::version::{Range, Version};

/// When in a stage something is done. Their order is the order of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Before anything stops: the old release runs.
    Running,
    /// The old release is being stopped.
    Stop,
    /// The old release is down and still installed.
    Stopped,
    /// The new release takes the place of the old one.
    Replace,
    /// The new release is installed and down.
    Replaced,
    /// The new release is being started.
    Start,
    /// The new release runs.
    Started,
}

/// What a driver does in a way of its own, so that an action says only where in a stage it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Stops what runs.
    Stop,
    /// Looks that nothing of it is left, and ends what is.
    CheckStopped,
    /// Replaces the packages.
    Packages,
    /// Starts what was stopped.
    Start,
}

/// Something that is done in a stage, at most once: a command, hand-work, or a part of the driver's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Action {
    /// Stable identifier, e.g. `datastore-scopes`.
    pub id: String,
    /// When in the stage.
    pub moment: Moment,
    /// Its place among those of the same moment: lower comes first, then the release that brings it.
    #[serde(default)]
    pub place: u32,
    /// The release that brings it: done in the stage that crosses it. Left out: done in every stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Only for stages that lead to these releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Range>,
    /// Releases that ship what it runs.
    #[serde(default = "Range::any")]
    pub exists: Range,
    /// What the driver does in a way of its own; [`Action::run`] is then what people would type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The command; `{packages}` stands for the names of the stage's packages. Of a climb it is run once per
    /// rung, and `{line}` stands for the rung.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<String>,
    /// What has to come of a command that only looks, one line; the stage waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// Hand-work in order, where there is no command; else what to know of the command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// How it is known that hand-work is done; where nothing is said, whoever did it says so.
    #[serde(default, skip_serializing_if = "DoneWhen::is_said")]
    pub done: DoneWhen,
    /// The datastore, or the engine of one, that it changes: a proven backup has to be there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datastore: Option<DatastoreName>,
    /// True where the product works without it: offered, not planned.
    #[serde(default)]
    pub optional: bool,
    /// The word for `--accept`, where nobody may be taken by surprise by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// Of all actions with this name only that of the newest release is done in a stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_of: Option<String>,
    /// Actions with this name do the same: the first one stands for all of them in a stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// The rungs of an engine that it climbs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub climbs: Option<Climb>,
    /// Only where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Why, one sentence.
    pub because: String,
    /// Where it was read.
    pub source: String,
}

/// Rungs of an engine's ladder, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Climb {
    /// Which engine.
    pub engine: DatastoreName,
    /// Lines in order: it begins at any of them but the last, and ends at the last.
    pub through: Vec<String>,
    /// Paths to these targets need it, although it is optional for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed_for: Option<Range>,
    /// What people type to have the server of before again, on an empty directory, in order: a way back waits for
    /// it. `{line}` stands for its line, `{version}` for the version that it had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub put_back: Vec<String>,
}

impl Action {
    /// True where people have to do it.
    pub fn is_hand_work(&self) -> bool {
        self.role.is_none() && self.run.is_empty()
    }
}
