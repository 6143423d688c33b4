//! What a step does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::check::Check;
use super::engine_change::EngineChange;
use crate::digest::Digest;
use crate::hand_work::HandWork;
use crate::id::{DatastoreName, MigrationId, RunId, ServiceName};
use crate::observed::ImagePin;
use crate::rollover::Parcel;
use crate::stack::{
    HalfWay, KeepBy, Machine, MachineGroup, ObjectsAt, RenewBy, Snapshot, StackUpdate, Store,
    UpdateMode,
};
use crate::version::Version;

/// What one step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Act {
    /// Bring an image here and check that it is the pinned one.
    Fetch {
        /// The image.
        image: ImagePin,
    },
    /// Begin a datastore's backup while the service is up.
    Prepare {
        /// Which datastore.
        datastore: DatastoreName,
    },
    /// Stop services, and know that they stopped.
    Stop {
        /// Which, in order.
        services: Vec<ServiceName>,
    },
    /// Complete a datastore's backup at one position. No writer may be left.
    Seal {
        /// Which datastore.
        datastore: DatastoreName,
    },
    /// Compare the backup with the original: a dump by restoring it into a scratch place, a shadow while it follows.
    Prove {
        /// Which datastore.
        datastore: DatastoreName,
    },
    /// Write a version into the files that decide it.
    Set {
        /// The edits.
        edits: Vec<FileEdit>,
        /// Version before, for people.
        from: Version,
        /// Version after, for people.
        to: Version,
    },
    /// Run one migration of the product in a one-off container or process.
    Migrate {
        /// Which migration.
        migration: MigrationId,
        /// Version of the image.
        version: Version,
        /// The image.
        image: ImagePin,
        /// The service whose configuration it runs with.
        service: ServiceName,
        /// Arguments to the image's entry point.
        run: Vec<String>,
        /// The datastore it changes.
        datastore: DatastoreName,
        /// Releases that demand it.
        demanded_by: Vec<Version>,
    },
    /// Wait for a person: the run halts here until the work is seen to be done, or said to be.
    HandWork {
        /// What is to be done.
        work: HandWork,
    },
    /// Build beside the data what a server of another version will run on, and compare it with what is there.
    Carry {
        /// The datastore whose server it is; whatever else lives in that server comes along.
        datastore: DatastoreName,
        /// From which version to which.
        engine: EngineChange,
    },
    /// Put what was carried over in the place of the data, which is kept aside, and start the server of the
    /// other version on it.
    Exchange {
        /// Which datastore.
        datastore: DatastoreName,
        /// From which version to which.
        engine: EngineChange,
    },
    /// Put the data that an exchange of `run` kept aside back into its place, and start the server of before on it.
    PutBack {
        /// Which datastore.
        datastore: DatastoreName,
        /// From which version to which it was exchanged.
        engine: EngineChange,
        /// The run that exchanged it.
        run: RunId,
    },
    /// Create and start services with an image.
    Start {
        /// Which, in order.
        services: Vec<ServiceName>,
        /// The image that they must run, by service.
        images: BTreeMap<ServiceName, ImagePin>,
    },
    /// Look from outside.
    Verify {
        /// What to look at.
        checks: Vec<Check>,
    },
    /// Bring a datastore back from the sealed backup of a run; what was there is moved aside, not removed.
    Restore {
        /// Which datastore.
        datastore: DatastoreName,
        /// The run that sealed the backup.
        run: RunId,
    },
    /// Remove what a restore moved aside, after everything was verified.
    Release {
        /// Which datastore.
        datastore: DatastoreName,
        /// The run that sealed the backup.
        run: RunId,
    },
    /// Bring a piece of content from the old instance to the new one, or to where it is kept.
    Bring {
        /// Which.
        parcel: Parcel,
    },
    /// Keep what holds data in the provider's account, while it serves: take a snapshot and wait until it is complete,
    /// or mark a moment and wait until automated backups can bring it back.
    Snapshot {
        /// Of what.
        store: Store,
        /// How.
        #[serde(default, skip_serializing_if = "KeepBy::is_snapshot")]
        by: KeepBy,
    },
    /// Make a snapshot of what a store held at the mark of a run: it is restored beside it to that moment, and removed once
    /// the snapshot of it is complete.
    Recall {
        /// The mark.
        mark: Snapshot,
    },
    /// Bring the objects of a bucket back to what they were at a moment, from the versions that it keeps. What came
    /// later stays, and what takes the place of a version is a version as well.
    Rewind {
        /// Which, and when.
        objects: ObjectsAt,
    },
    /// Bring a stack to another template or other parameters, through a change set that is compared with what
    /// is expected before it is executed, once.
    Update {
        /// What is wanted of it.
        update: StackUpdate,
    },
    /// Go on with an update that the provider could neither finish nor take back, until it is taken back.
    TakeBack {
        /// Which, and what of it is left as it is.
        update: HalfWay,
    },
    /// Remove a stack that the product no longer has.
    Remove {
        /// Its name.
        stack: String,
        /// Its ARN.
        id: String,
    },
    /// End a machine for good, so that its stack makes another one.
    Terminate {
        /// Which.
        machine: Machine,
    },
    /// Replace the machines of a group that were made from something else than the next one will be.
    Renew {
        /// Which group, as it was found.
        group: MachineGroup,
        /// How.
        #[serde(default, skip_serializing_if = "RenewBy::is_one_by_one")]
        by: RenewBy,
    },
    /// End the instance refresh of a group that is under way, so that no machine is replaced any more.
    EndRefresh {
        /// Which group, as it was found.
        group: MachineGroup,
    },
}

/// One replacement of text in a file; every other byte stays.
///
/// Several edits to one file are a chain: each one's `before` is the `after` of the one before it,
/// and they go from the end of the file to its beginning, so that an offset is true for the file as
/// it was first and as it is by then. The planner puts one edit into a step, because then a crash
/// never leaves a file that no guard knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEdit {
    /// Absolute path.
    pub path: String,
    /// Byte offset of `old`.
    pub offset: usize,
    /// What is there.
    pub old: String,
    /// What will be there.
    pub new: String,
    /// Digest of the file before.
    pub before: Digest,
    /// Digest of the file after.
    pub after: Digest,
}

impl Act {
    /// One word for tables, e.g. `migrate`.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Fetch { .. } => "fetch",
            Self::Prepare { .. } => "prepare",
            Self::Stop { .. } => "stop",
            Self::Seal { .. } => "back up",
            Self::Prove { .. } => "prove",
            Self::Set { .. } => "set",
            Self::Migrate { .. } => "migrate",
            Self::HandWork { .. } => "by hand",
            Self::Carry { .. } => "carry over",
            Self::Exchange { .. } => "exchange",
            Self::PutBack { .. } => "put back",
            Self::Start { .. } => "start",
            Self::Verify { .. } => "verify",
            Self::Restore { .. } => "restore",
            Self::Release { .. } => "release",
            Self::Bring { .. } => "bring",
            Self::Snapshot { by, .. } => by.word(),
            Self::Recall { .. } => "recall",
            Self::Rewind { .. } => "rewind",
            Self::Update { update } => match update.mode {
                UpdateMode::Update => "update",
                UpdateMode::Create => "make",
            },
            Self::TakeBack { .. } => "take back",
            Self::Remove { .. } => "remove",
            Self::Terminate { .. } => "terminate",
            Self::Renew { .. } => "renew",
            Self::EndRefresh { .. } => "end refresh",
        }
    }

    /// The datastore it is about, where it is about one.
    pub fn datastore(&self) -> Option<&DatastoreName> {
        match self {
            Self::Prepare { datastore }
            | Self::Seal { datastore }
            | Self::Prove { datastore }
            | Self::Migrate { datastore, .. }
            | Self::Carry { datastore, .. }
            | Self::Exchange { datastore, .. }
            | Self::PutBack { datastore, .. }
            | Self::Restore { datastore, .. }
            | Self::Release { datastore, .. } => Some(datastore),
            _ => None,
        }
    }

    /// What it is about, where that is something that stacks made, e.g. `5-2-ecs-ops (3.26.0: OpsImage)`.
    pub fn infrastructure(&self) -> Option<String> {
        Some(match self {
            Self::Snapshot { store, .. } => store.to_string(),
            Self::Recall { mark } => match &mark.at {
                Some(at) => format!("{} as it was at {at}", mark.store),
                None => mark.store.to_string(),
            },
            Self::Rewind { objects } => objects.to_string(),
            Self::Update { update } => update.to_string(),
            Self::TakeBack { update } => update.to_string(),
            Self::Remove { stack, .. } => stack.clone(),
            Self::Terminate { machine } => {
                format!("{} of {} ({})", machine.logical, machine.stack, machine.id)
            }
            Self::Renew {
                group,
                by: RenewBy::Refresh { healthy, .. },
            } => format!(
                "machines of {} in {}, {healthy} % in service",
                group.logical, group.stack
            ),
            Self::Renew { group, .. } | Self::EndRefresh { group } => {
                format!("machines of {} in {}", group.logical, group.stack)
            }
            _ => return None,
        })
    }

    /// The change of a server's version that it serves, where it serves one.
    pub fn engine(&self) -> Option<&EngineChange> {
        match self {
            Self::Carry { engine, .. }
            | Self::Exchange { engine, .. }
            | Self::PutBack { engine, .. } => Some(engine),
            _ => None,
        }
    }
}
