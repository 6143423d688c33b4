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

mod act;
mod check;
mod engine_change;
mod expectation;
mod forecast;
mod way_back;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::act::{Act, FileEdit};
pub use self::check::Check;
pub use self::engine_change::EngineChange;
pub use self::expectation::{BackupState, Expectation};
pub use self::forecast::{Forecast, KeepingForecast, SpaceForecast};
pub use self::way_back::{Holding, WayBack};
use crate::digest::Digest;
use crate::id::{DatastoreName, PlanId, ProductId, RunId, ServiceName, StepNumber};
use crate::observed::{DatastoreLocation, Deployment, ImagePin};
use crate::problem::Citation;
use crate::product::{Advice, NoticeKind};
use crate::rate::Rate;
use crate::rollover::RollOver;
use crate::stack::Account;
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
    /// The one account it is good for, where it changes something at a provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
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
    /// Stacks at rest that an update left half way, so that plans can be made again.
    Recovery {
        /// The run that met it and waits for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
    },
    /// The migrations of another plan, on copies of databases that it makes itself: nothing else is changed.
    Rehearsal {
        /// The plan whose migrations these are.
        of: PlanId,
    },
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
    /// Stacks come to rest, while the product stays what it is.
    Recovery {
        /// The version that runs, as far as that can be told.
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
