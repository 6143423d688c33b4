//! What a rehearsal of a plan measured: the document that is kept beside the plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contents::Difference;
use crate::digest::Digest;
use crate::id::{DatastoreName, MigrationId, PlanId, ServiceName, StepNumber};
use crate::observed::Deployment;
use crate::plan::BackupMethod;
use crate::problem::Problem;
use crate::product::NoticeKind;
use crate::structure::StructureChanges;
use crate::version::Version;

/// The version of the report's format that this code writes. It reads this and all older ones.
pub const FORMAT: u32 = 2;

/// Everything that a rehearsal found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rehearsal {
    /// Format of this document, see [`FORMAT`].
    pub format: u32,
    /// Its id: `e-` and eight hex digits.
    pub id: String,
    /// The plan that was rehearsed.
    pub plan: PlanId,
    /// Digest of the plan's shape: what it holds for is every plan of the same steps.
    pub shape: Digest,
    /// The deployment that was copied.
    pub deployment: Deployment,
    /// Version found.
    pub from: Version,
    /// Version wanted.
    pub to: Version,
    /// When it ended, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Milliseconds it took altogether.
    pub took: u64,
    /// Version of switchback.
    pub program: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Milliseconds without service on the copy; `None` where it did not come to its end.
    pub downtime: Option<u64>,
    /// Seconds that the plan's forecast said before, where it said anything.
    pub forecast_downtime: Option<u64>,
    /// Milliseconds that the rehearsal of these steps before this one measured, with its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    /// How each datastore's copy was made.
    pub copies: Vec<Copied>,
    /// What every step took.
    pub steps: Vec<Measured>,
    /// Work for people that the copy came to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_hand: Vec<ByHand>,
    /// Bytes of disk.
    pub space: Space,
    /// What the upgrade changed, by datastore.
    pub changes: Vec<Changes>,
    /// What became of the plan's notices.
    pub notices: Vec<Proof>,
    /// What was seen of production after the rehearsal.
    pub production: Production,
    /// What each update of a stack would change, by its step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<UpdateSeen>,
    /// Migrations that could not be rehearsed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unrehearsed: Vec<Unrehearsed>,
    /// How the copy was kept from taking what production needs.
    pub bounds: Vec<String>,
    /// Services of the deployment that the plan does not need, and that were therefore not started.
    pub left_out: Vec<ServiceName>,
    /// What is different in the copy, one line each.
    pub remarks: Vec<String>,
    /// Where the copy was kept, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

/// What an update of a stack would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UpdateSeen {
    /// The step of the plan.
    pub step: StepNumber,
    /// The stack.
    pub stack: String,
    /// Resources that are or may be made anew.
    pub replaced: Vec<String>,
    /// Resources that go.
    pub removed: Vec<String>,
    /// How many others are touched.
    pub others: usize,
    /// True where the provider computed it; else it is our prediction.
    pub computed: bool,
    /// Resources of which we and the provider say different things.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disputed: Vec<String>,
}

/// A migration that could not be rehearsed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unrehearsed {
    /// Which.
    pub migration: MigrationId,
    /// Of which release.
    pub version: Version,
    /// Why, as half a sentence.
    pub why: String,
}

/// What an earlier rehearsal measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Previous {
    /// Its id.
    pub id: String,
    /// Milliseconds without service.
    pub downtime: u64,
}

/// How a rehearsal ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ended")]
pub enum Outcome {
    /// Every step was done and verified, but for work of people that was passed over.
    Succeeded,
    /// All went well up to work for people that is looked at: what comes behind it was not tried.
    Stopped {
        /// The step that is theirs.
        step: StepNumber,
        /// Steps that were not tried, this one among them.
        left: usize,
    },
    /// The run on the copy halted.
    Failed {
        /// The step that failed, where it was one.
        step: Option<StepNumber>,
        /// Why.
        problem: Problem,
    },
}

/// How a datastore's copy was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Copied {
    /// Which datastore.
    pub datastore: DatastoreName,
    /// How, for people, e.g. `base backup`.
    pub how: String,
    /// Its bytes on disk.
    pub bytes: u64,
    /// Milliseconds it took.
    pub took: u64,
    /// How the plan keeps it.
    pub method: BackupMethod,
}

/// One step on the copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Measured {
    /// Which step.
    pub step: StepNumber,
    /// Its verb, e.g. `migrate`.
    pub act: String,
    /// What it is about, e.g. `is-db (3.32.1)`.
    pub what: String,
    /// True where users are without service meanwhile.
    pub downtime: bool,
    /// Milliseconds it took.
    pub took: u64,
    /// What it said of itself.
    pub summary: String,
    /// Excerpt of what a migration printed, secrets masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// Lines it printed altogether.
    #[serde(default)]
    pub log_lines: usize,
}

/// Work for people, which nobody does on a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ByHand {
    /// Which step.
    pub step: StepNumber,
    /// Its name, as people say it.
    pub name: String,
    /// What they will have to do, in order.
    pub todo: Vec<String>,
    /// True where the steps behind it were tried without it; else the rehearsal ended before it.
    pub passed: bool,
}

/// Bytes of disk that a rehearsal took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Space {
    /// Bytes of the copy itself.
    pub copy: u64,
    /// Bytes at the most, on top of the copy: what the upgrade itself needs.
    pub most: u64,
    /// Bytes that the plan's forecast said the upgrade needs, without the reserve.
    pub forecast: u64,
}

/// What the upgrade changed in one datastore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Changes {
    /// Which datastore.
    pub datastore: DatastoreName,
    /// Tables, columns and indexes; empty for what has none.
    pub structure: StructureChanges,
    /// Collections whose counts differ.
    pub counts: Vec<Difference>,
    /// Objects before and after.
    pub objects: (u64, u64),
    /// Collections that are as they were, by count and checksum.
    pub unchanged: usize,
}

/// What became of a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Proof {
    /// The notice.
    pub id: String,
    /// What it asks.
    pub kind: NoticeKind,
    /// The release that brings it.
    pub version: Version,
    /// What it says.
    pub text: String,
    /// Whether it came true on the copy.
    pub verdict: Verdict,
    /// What was seen.
    pub evidence: Vec<String>,
}

/// Whether a notice came true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It did, and this was seen.
    True,
    /// What it announces did not happen here.
    NotHere,
    /// Nothing in a rehearsal can tell.
    Unseen,
}

/// What was seen of production after the rehearsal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Production {
    /// True where containers, their start times and every file are what they were.
    pub untouched: bool,
    /// How many containers were looked at.
    pub containers: usize,
    /// How many files.
    pub files: usize,
    /// How many stacks, with their services and what holds data.
    #[serde(default, skip_serializing_if = "is_none")]
    pub stacks: usize,
    /// What is different, whoever changed it.
    pub differences: Vec<String>,
}

fn is_none(number: &usize) -> bool {
    *number == 0
}

impl Rehearsal {
    /// Names of the work for people that was passed over.
    pub fn passed_over(&self) -> Vec<&str> {
        let passed = self.by_hand.iter().filter(|work| work.passed);
        passed.map(|work| work.name.as_str()).collect()
    }

    /// True where the plan went through.
    pub fn succeeded(&self) -> bool {
        self.outcome == Outcome::Succeeded
    }

    /// Milliseconds by verb, of steps without service: what the downtime was made of.
    pub fn downtime_by_act(&self) -> BTreeMap<&str, u64> {
        let mut sums = BTreeMap::new();
        for step in self.steps.iter().filter(|step| step.downtime) {
            *sums.entry(step.act.as_str()).or_default() += step.took;
        }
        sums
    }
}
