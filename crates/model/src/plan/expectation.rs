//! What must hold before a step, and what holds after it.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::hand_work::DoneWhen;
use crate::id::{DatastoreName, MigrationId, RunId, ServiceName};
use crate::observed::ImagePin;
use crate::stack::{ObjectsAt, Snapshot, StackIs};
use crate::version::Version;

/// Something that can be looked at, and must be so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "that")]
pub enum Expectation {
    /// The image is here and is the pinned one.
    ImageHere {
        /// The image.
        image: ImagePin,
    },
    /// These services run.
    Running {
        /// Which.
        services: Vec<ServiceName>,
    },
    /// Nothing of these services runs.
    Stopped {
        /// Which.
        services: Vec<ServiceName>,
    },
    /// The service's containers were made from this image, running or not.
    Runs {
        /// Which.
        service: ServiceName,
        /// The image.
        image: ImagePin,
    },
    /// The file's bytes have this digest.
    File {
        /// Absolute path.
        path: String,
        /// Digest of its bytes.
        digest: Digest,
    },
    /// The datastore answers.
    Reachable {
        /// Which.
        datastore: DatastoreName,
    },
    /// The datastore's server has this version, major part compared.
    Engine {
        /// Which.
        datastore: DatastoreName,
        /// As observed when planning.
        version: String,
    },
    /// No session but ours is connected and could write. A server that does not run has no sessions: it holds.
    NoWriters {
        /// Which.
        datastore: DatastoreName,
    },
    /// The backup of this run (or of `run`) has come at least this far.
    Backup {
        /// Which datastore.
        datastore: DatastoreName,
        /// How far.
        state: BackupState,
        /// The run that makes or made it; the current one where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
    },
    /// What a server of another version will run on is complete beside the data, or already in its place, and
    /// nothing was written to the data since it was read.
    Carried {
        /// Which datastore.
        datastore: DatastoreName,
        /// The other version.
        version: String,
    },
    /// This run's one-off container of the migration ended with exit code 0.
    Migrated {
        /// Which migration.
        migration: MigrationId,
        /// Version of the image.
        version: Version,
    },
    /// A person's work is done. Where only a person can say so, nobody can see it.
    DoneByHand {
        /// Name of the work.
        work: String,
        /// How it is known.
        done: DoneWhen,
    },
    /// The datastore holds what the backup of `run` holds.
    Restored {
        /// Which.
        datastore: DatastoreName,
        /// The run that sealed the backup.
        run: RunId,
    },
    /// Nothing is left of what a restore moved aside.
    Released {
        /// Which.
        datastore: DatastoreName,
        /// The run that sealed the backup.
        run: RunId,
    },
    /// The old instance holds the parcel as it did when planning.
    Original {
        /// Id of the parcel.
        parcel: String,
    },
    /// Where the parcel goes to, there is nothing but what the parcel itself brings.
    Room {
        /// Id of the parcel.
        parcel: String,
    },
    /// What arrived is, piece by piece, what the old instance holds.
    Arrived {
        /// Id of the parcel.
        parcel: String,
    },
    /// The stack is steady, and is this.
    Stack {
        /// What it is.
        is: StackIs,
    },
    /// The stack is half way back from an update, and this is what could not be brought back.
    HalfWay {
        /// Its name.
        stack: String,
        /// Its ARN.
        id: String,
        /// Names of the resources.
        stuck: Vec<String>,
    },
    /// The update of the stack was taken back.
    TakenBack {
        /// Its name.
        stack: String,
        /// Its ARN.
        id: String,
    },
    /// There is no stack of this name.
    NoStack {
        /// Its name.
        stack: String,
    },
    /// What this run keeps of a store is complete: its snapshot, or all that automated backups need for its mark.
    Snapshotted {
        /// The stack of the store.
        stack: String,
        /// The store's name in that stack's template.
        logical: String,
    },
    /// The snapshot that an earlier run took is there, and complete.
    Kept {
        /// Which.
        snapshot: Snapshot,
    },
    /// The snapshot of what a store held at a mark is complete, and nothing is left of what it was made from.
    Recalled {
        /// The mark.
        mark: Snapshot,
    },
    /// Every object that a bucket held at a moment is what it was then.
    Rewound {
        /// Which, and when.
        objects: ObjectsAt,
    },
    /// The machine is gone for good.
    Terminated {
        /// Its id.
        machine: String,
    },
    /// Every machine of a group was made from what the next one will be made from.
    Renewed {
        /// The stack of the group.
        stack: String,
        /// The group's name in that stack's template.
        logical: String,
    },
    /// No instance refresh of a group is under way.
    NoRefresh {
        /// The stack of the group.
        stack: String,
        /// The group's name in that stack's template.
        logical: String,
        /// The group's own name.
        group: String,
    },
}

/// How far a backup has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupState {
    /// Begun while the service is up. A shadow follows from here on.
    Prepared,
    /// Only a shadow comes here: read and found equal to the original while both are up, and following.
    Compared,
    /// Complete at one position.
    Sealed,
    /// Read, and equal to the original at that position. A dump comes here by a restore elsewhere; a
    /// shadow that was compared comes here with its seal.
    Proven,
}
