//! A plan: everything that will be done, decided. Executing it needs no
//! further choice, so the same file does the same thing or refuses.
//!
//! ```text
//! Plan ─┬─ stage 0: preparation  (service up: fetch, prepare, prove shadows)
//!       ├─ stage 1: to 3.24.2    (stop, seal, prove dumps, migrate)
//!       └─ stage 2: to 3.32.1    (set version, migrate, start, verify, release)
//! ```
//!
//! Every [`Step`] carries its guard as two lists of [`Expectation`]: what must
//! hold before it acts, and what holds once it is done. The second list is
//! also how the step is verified.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{DatastoreName, MigrationId, PlanId, ProductId, RunId, ServiceName, StepNumber};
use crate::observed::{DatastoreLocation, Deployment, ImagePin};
use crate::problem::Citation;
use crate::product::{Advice, HttpRequest, NoticeKind};
use crate::rate::Rate;
use crate::rollover::{Parcel, RollOver};
use crate::version::Version;

/// The version of the plan format that this code writes. It reads this and all older ones.
pub const FORMAT: u32 = 1;

/// An immutable, complete description of one upgrade or one way back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Format of this document, see [`FORMAT`].
    pub format: u32,
    /// Derived from the digest of everything else, see [`Plan::seal`].
    pub id: PlanId,
    /// Why it exists.
    pub purpose: Purpose,
    /// The deployment's last run when this was planned: the plan is refused once there is another.
    pub parent: Option<RunId>,
    /// The one deployment it is good for.
    pub deployment: Deployment,
    /// Product of the catalog.
    pub product: ProductId,
    /// Name of the product for people.
    pub product_name: String,
    /// Edition in use.
    pub edition: Option<String>,
    /// Digest of the product definition it was made from.
    pub definition: Digest,
    /// Version found when planning.
    pub from: Version,
    /// Version wanted.
    pub to: Version,
    /// Why the path is as it is: one fact per required stop, with source.
    pub because: Vec<Citation>,
    /// What the operator should know; those with `accept` must be accepted to apply the plan.
    pub notices: Vec<Notice>,
    /// Hand-work, in order.
    pub procedures: Vec<Procedure>,
    /// What ran before, and how to see that it runs well: the way back leads there.
    pub origin: Origin,
    /// Every datastore of the deployment: how it is reached, kept and brought back.
    pub datastores: BTreeMap<DatastoreName, DatastorePlan>,
    /// The legs of the journey.
    pub stages: Vec<Stage>,
    /// What it will cost.
    pub forecast: Forecast,
    /// Known failures, so that a halted run can explain itself.
    pub advice: Vec<Advice>,
    /// Glob patterns of environment variables whose values are secret.
    pub secrets: Vec<String>,
}

/// Why a plan exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To another version.
    Upgrade,
    /// Back to where a run began.
    Rollback {
        /// The run whose effects are taken back.
        run: RunId,
    },
    /// The content of one instance to another one that is new and empty.
    RollOver(RollOver),
}

/// A notice that applies to this path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Stable identifier.
    pub id: String,
    /// What it asks.
    pub kind: NoticeKind,
    /// The release that brings it.
    pub version: Version,
    /// One or two sentences.
    pub text: String,
    /// What was found in this deployment about it, e.g. `1,204 rows here`.
    pub found: Option<String>,
    /// Where it was read.
    pub source: String,
    /// The word for `--accept`, where it must be accepted.
    pub accept: Option<String>,
}

/// Hand-work that applies to this path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Procedure {
    /// Stable identifier.
    pub id: String,
    /// What it is, one line.
    pub title: String,
    /// What to do, in order.
    pub steps: Vec<String>,
    /// True where it can be left out.
    pub optional: bool,
    /// Where it was read.
    pub source: String,
}

/// How a datastore's backup is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupMethod {
    /// A live copy that follows the original until it is sealed: downtime does not grow with the
    /// data, and the way back is an exchange of directories.
    Shadow,
    /// The documented one: custom-format dump (PostgreSQL), copy of the append-only files (Redis), copy (files).
    Dump,
    /// No backup: the operator accepted that there is no way back for this datastore.
    None,
}

/// What ran when the plan was made. Not a promise that all of it ran: a service that had never been
/// created has no image here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The services that a way back starts again, in order.
    pub services: Vec<ServiceName>,
    /// What they were made from.
    pub images: BTreeMap<ServiceName, ImagePin>,
    /// How to see from outside that this version runs well.
    pub checks: Vec<Check>,
}

/// What a plan says about one datastore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatastorePlan {
    /// How to reach it.
    pub location: DatastoreLocation,
    /// How its backup is made. A datastore that is kept with another has `none` of its own.
    pub method: BackupMethod,
    /// The datastore whose backup holds this one's data as well, because both live in one place
    /// (one PostgreSQL database for several datastores of the product).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_with: Option<DatastoreName>,
    /// Why that method.
    pub because: String,
    /// How much the first copy of its shadow takes per second at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rate: Option<Rate>,
    /// Bytes it occupied when planning.
    pub size: Option<u64>,
    /// Version of its server when planning.
    pub engine: Option<String>,
    /// Collections whose counts change while the product merely runs; `*` matches any run of characters.
    pub volatile: Vec<String>,
    /// Collections that a migration of this plan empties or removes on purpose.
    pub deleted: Vec<String>,
}

/// The server of a datastore becomes another major version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineChange {
    /// The service that runs the server.
    pub service: ServiceName,
    /// Version that runs before, as observed.
    pub from: String,
    /// Version that runs after, as wanted, e.g. `17`.
    pub to: String,
    /// What the service was made from before: the way back leads there.
    pub was: ImagePin,
    /// What it is made from after.
    pub image: ImagePin,
}

/// What a stage is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageKind {
    /// Everything that can be done while the service is up.
    Preparation,
    /// Servers of datastores become other versions, while the product stays what it is.
    Engines {
        /// The product's version, which is started again and verified.
        to: Version,
    },
    /// One leg of the path: to this version, where only migrations run.
    Migrate {
        /// The version whose image runs them.
        to: Version,
    },
    /// One leg of the path: to this version, where the product is started and verified.
    Run {
        /// The version that runs.
        to: Version,
    },
    /// The way back to this version.
    Return {
        /// The version that ran before.
        to: Version,
    },
    /// Content arrives at an instance that runs this version.
    RollOver {
        /// The version of the new instance.
        to: Version,
    },
}

fn first_round() -> u32 {
    1
}

fn is_first_round(round: &u32) -> bool {
    *round == first_round()
}

/// Steps that belong to one version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// What it is for.
    pub kind: StageKind,
    /// Ids of the stops that demand it; empty for the target itself.
    pub required_by: Vec<String>,
    /// Which backup of the run the stage's steps and expectations speak of: 1 is the first. A later
    /// one begins where the product ran at an intermediate stop, for then writers were active and
    /// the backup before it no longer holds everything. In a way back it counts the backups of the
    /// run that is taken back. Backups of different rounds are kept apart.
    #[serde(default = "first_round", skip_serializing_if = "is_first_round")]
    pub round: u32,
    /// Steps in order.
    pub steps: Vec<Step>,
}

/// The smallest act that is journaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Place in the plan, from 1 through all stages.
    pub number: StepNumber,
    /// What is done.
    pub act: Act,
    /// What must hold for it to act; otherwise the run halts as drifted or unable to tell.
    pub before: Vec<Expectation>,
    /// What holds once it is done: a step whose `after` holds already is not done again. Empty: always done.
    pub after: Vec<Expectation>,
    /// What to do when it started and did not finish.
    pub interrupted: Interrupted,
    /// What brings things back once this step is done.
    pub way_back: WayBack,
    /// True while users are without service.
    pub downtime: bool,
    /// Why it is here, one line, where that is not plain.
    pub because: Option<String>,
}

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

/// What to do with a step that was started and did not finish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "then")]
pub enum Interrupted {
    /// Do it again: it is safe to repeat.
    Repeat,
    /// Bring the datastore back from this run's backup first, then do it again.
    RestoreFirst {
        /// Which datastore.
        datastore: DatastoreName,
        /// Earlier migrations whose effect the restore takes away, because they ran after the backup
        /// was sealed: they are run anew, in this order, before the step itself. A crash in between
        /// begins again with the restore.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        redo: Vec<StepNumber>,
        /// Why it may not simply be repeated.
        because: String,
    },
    /// Nothing can be done without a person.
    Halt {
        /// Why.
        because: String,
    },
}

/// What brings things back once a step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "way")]
pub enum WayBack {
    /// Nothing has changed that would need one.
    NotNeeded,
    /// In seconds, whatever the data's size.
    Instant,
    /// In seconds, whatever the data's size, by putting sealed shadows in the place of the data.
    Shadow {
        /// Which datastores.
        datastores: Vec<DatastoreName>,
        /// How long it holds once the run is over; `None` where the run is not over by then, or where
        /// nothing else keeps the data, so that the shadows stay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holds: Option<Holding>,
    },
    /// By restoring backups.
    Restore {
        /// Which datastores.
        datastores: Vec<DatastoreName>,
        /// Estimated seconds.
        seconds: u64,
    },
    /// There is none.
    None {
        /// Why.
        because: String,
    },
}

/// How long a way back by shadow holds once its run is over, and what there is after that: a repository
/// keeps the data then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Holding {
    /// Seconds for which the shadows stay at least.
    pub seconds: u64,
    /// Estimated seconds of a restore from the repository after that.
    pub then: u64,
}

/// Something to look at from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "look")]
pub enum Check {
    /// HTTP GET answers 200.
    Health {
        /// The service that answers.
        service: ServiceName,
        /// Container port.
        port: u16,
        /// Base URL where the operator gave one.
        url: Option<String>,
        /// Path.
        path: String,
    },
    /// The services' containers run these images and do not restart.
    Stable {
        /// The images, by service.
        images: BTreeMap<ServiceName, ImagePin>,
    },
    /// A write, its read-back and its removal succeed.
    WritePath {
        /// The service that answers.
        service: ServiceName,
        /// Container port.
        port: u16,
        /// Base URL where the operator gave one.
        url: Option<String>,
        /// API key, by reference.
        api_key: crate::config::SecretRef,
        /// Requests with names filled in; `{api-key}` and `{run}` still open.
        requests: Vec<HttpRequest>,
    },
    /// A server of another version can be what this one is: its roles, databases, schemas, extensions and
    /// settings are tried there, without their data. Changes nothing.
    Fits {
        /// Which datastore.
        datastore: DatastoreName,
        /// From which version to which.
        engine: EngineChange,
    },
    /// Nothing shrank against the sealed backup but what the plan names.
    Counts {
        /// Which datastore.
        datastore: DatastoreName,
        /// The run whose backup is compared with; the current one where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
        /// True where contents must be exactly equal (after a rollback, before the service starts).
        exact: bool,
    },
    /// Everything that a roll-over brought is compared once more, piece by piece.
    Content,
}

/// What a plan will cost, as far as can be told before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Estimated seconds without service; `None` where nothing is known.
    pub downtime_seconds: Option<u64>,
    /// What the estimate rests on.
    pub downtime_because: String,
    /// Space needed, by filesystem.
    pub space: Vec<SpaceForecast>,
    /// What keeping each datastore costs, for those that have a backup of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keeping: BTreeMap<DatastoreName, KeepingForecast>,
}

/// What the backup of one datastore costs, and what it is good for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeepingForecast {
    /// Seconds of the downtime that completing and proving it takes.
    pub downtime_seconds: u64,
    /// Bytes that it takes.
    pub space: u64,
    /// Seconds in which the datastore comes back from it.
    pub way_back_seconds: u64,
    /// How long that holds once the run is over; `None` where it holds as long as the backup is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Holding>,
}

/// Space needed on one filesystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceForecast {
    /// A path on it.
    pub path: String,
    /// What it is for.
    pub uses: Vec<String>,
    /// Bytes needed at the most.
    pub needed: u64,
    /// Bytes free when planning.
    pub free: u64,
}

impl Plan {
    /// Gives the plan the id that its content has. Call it last.
    #[must_use]
    pub fn seal(mut self) -> Self {
        self.id = self.id_of_content();
        self
    }

    /// The id that this content has; differs from `id` where a byte was changed.
    pub fn id_of_content(&self) -> PlanId {
        let unsealed = Self {
            id: PlanId::new(""),
            ..self.clone()
        };
        let digest = Digest::of(unsealed.to_json());
        PlanId::new(format!("p-{}", digest.short()))
    }

    /// The document as it is saved: stable, pretty-printed, with a final newline.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Every step, with its stage, in order.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = (&Stage, &Step)> {
        self.stages
            .iter()
            .flat_map(|stage| stage.steps.iter().map(move |step| (stage, step)))
    }

    /// What an act of this plan is called, e.g. `migrate`; a shadow has words of its own.
    pub fn verb(&self, act: &Act) -> &'static str {
        let kept = act.datastore().and_then(|name| self.datastores.get(name));
        let shadowed = kept.is_some_and(|kept| kept.method == BackupMethod::Shadow);
        match act {
            Act::Prepare { .. } if shadowed => "shadow",
            Act::Prove { .. } if shadowed => "compare",
            Act::Seal { .. } if shadowed => "seal",
            _ => act.verb(),
        }
    }

    /// The step with this number.
    pub fn step(&self, number: StepNumber) -> Option<&Step> {
        self.steps()
            .map(|(_, step)| step)
            .find(|step| step.number == number)
    }
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
            Self::Carry { .. } => "carry over",
            Self::Exchange { .. } => "exchange",
            Self::PutBack { .. } => "put back",
            Self::Start { .. } => "start",
            Self::Verify { .. } => "verify",
            Self::Restore { .. } => "restore",
            Self::Release { .. } => "release",
            Self::Bring { .. } => "bring",
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
