//! The stable JSON of a path or a refusal: `switchback path --format json`.
//!
//! Fields are added, never renamed; a change that breaks readers raises [`FORMAT`].

use serde::{Deserialize, Serialize};
use switchback_model::product::{Moment, NoticeKind, ProcedureKind, Role};
use switchback_model::{MigrationId, ProductId, Version};

use super::answer::Path;
use super::answer::Question;
use super::crossed::Change;
use super::refusal::Refusal;
use super::stops::{Considered, Verdict};
use super::templates::PathTemplate;

/// Version of the document.
pub const FORMAT: u32 = 1;

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// There is a way.
    Path,
    /// The version wanted is in use.
    NothingToDo,
    /// There is no way; `because` says why.
    Refused,
}

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// See [`FORMAT`].
    pub format: u32,
    /// Product of the catalog.
    pub product: ProductId,
    /// Edition in use.
    pub edition: Option<String>,
    /// Kind of deployment.
    pub driver: String,
    /// Version in use, as it was asked.
    pub from: Version,
    /// Version wanted, as it was asked.
    pub to: Version,
    /// What came out.
    pub outcome: Outcome,
    /// One entry per required stop, or per fact that a refusal rests on.
    pub because: Vec<Fact>,
    /// The stages in order, the target last.
    pub stages: Vec<Stage>,
    /// Migrations that a crossed release offers and does not demand.
    pub optional_migrations: Vec<Optional>,
    /// Prerequisites, what cannot be taken back, what works differently.
    pub notices: Vec<Notice>,
    /// Hand-work that is demanded, or that one has to know of.
    pub procedures: Vec<Procedure>,
    /// Templates of the infrastructure that change, by the names they have today, in the order of their
    /// numbers, which `orders` may break. What changes in each is in `template_changes`.
    pub templates: Vec<String>,
    /// What changes in templates, in the images they name, and in all of them together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub template_changes: Vec<PathTemplate>,
    /// What breaks the order of the templates' numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<Fact>,
    /// What is deprecated or removed on the way.
    pub deprecations: Vec<Notice>,
    /// Hand-work that is offered.
    pub optional_procedures: Vec<Procedure>,
    /// What can be done from a release on the way on, at any time: no part of the upgrade.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub possibilities: Vec<Procedure>,
    /// Release notes worth showing.
    pub changes: Vec<Change>,
    /// What else has to be said about the answer itself.
    pub remarks: Vec<String>,
    /// What nobody answered, and what is assumed on the path rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Question>,
    /// Present where nothing leads there in place: content has to be rolled over to a new instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollover: Option<RollOver>,
    /// What to do instead, where it is refused.
    pub hints: Vec<String>,
    /// Every stop of the definition that was looked at and is not on the path, with the reason; for `--explain`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub considered: Vec<Considered>,
}

/// What there is where no way leads in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollOver {
    /// The newest release that can be reached in place; `null` where the one in use is it.
    pub max_in_place: Option<Version>,
    /// Distributions that the version wanted can be installed on.
    pub distributions: Vec<String>,
}

/// A reason with its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Stable identifier of the stop or reason.
    pub id: String,
    /// One sentence.
    pub text: String,
    /// Where it was read.
    pub source: String,
    /// Present and true where a condition could not be known.
    #[serde(default, skip_serializing_if = "is_false")]
    pub assumed: bool,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The release.
    pub to: Version,
    /// `migrate` where only migrations run, `run` where the product runs.
    pub kind: switchback_model::product::StopKind,
    /// Stops that demand it.
    pub required_by: Vec<String>,
    /// Packages that are replaced, where the product comes in packages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Migrations in order; where the definition says what else a stage consists of, all of that.
    pub migrations: Vec<StageMigration>,
    /// Present and true where every stop that demands it was assumed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub assumed: bool,
}

/// One migration of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageMigration {
    /// Which.
    pub id: MigrationId,
    /// Arguments to the image's own entry point.
    pub run: Vec<String>,
    /// Releases that demand it; empty for what only a stop or every stage asks for.
    pub demanded_by: Vec<Version>,
    /// Why, one line per reason.
    pub because: Vec<String>,
    /// When in the stage, where the definition says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment: Option<Moment>,
    /// What the driver does in a way of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Present and true for hand-work; the same is among the procedures.
    #[serde(default, skip_serializing_if = "is_false")]
    pub manual: bool,
    /// Lines that an engine climbs to, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<String>,
    /// Present and true where every reason for it was assumed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub assumed: bool,
}

/// A migration that is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Optional {
    /// Which.
    pub id: MigrationId,
    /// Arguments to the image's own entry point.
    pub run: Vec<String>,
    /// The release that offers it.
    pub version: Version,
    /// What it does.
    pub text: String,
    /// Where it was read.
    pub source: String,
    /// The stage that it belongs to, where it has to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Version>,
    /// Present and true where a condition could not be known.
    #[serde(default, skip_serializing_if = "is_false")]
    pub assumed: bool,
}

/// A notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Stable identifier.
    pub id: String,
    /// The release that brings it.
    pub version: Version,
    /// One or two sentences.
    pub text: String,
    /// What it asks.
    pub kind: NoticeKind,
    /// Where it was read.
    pub source: String,
    /// The word for `--accept`, where the operator must say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// The release that removes what is deprecated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_in: Option<Version>,
    /// Present and true where a condition could not be known.
    #[serde(default, skip_serializing_if = "is_false")]
    pub assumed: bool,
}

/// Hand-work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Procedure {
    /// Stable identifier.
    pub id: String,
    /// The release that brings it.
    pub version: Version,
    /// Whether it can be left out.
    pub kind: ProcedureKind,
    /// What it is, one line.
    pub title: String,
    /// What to do, in order.
    pub steps: Vec<String>,
    /// Where it was read.
    pub source: String,
    /// Present and true where a condition could not be known.
    #[serde(default, skip_serializing_if = "is_false")]
    pub assumed: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

impl Report {
    /// The document of either answer of [`super::find()`].
    pub fn of(answer: &Result<Path, Refusal>) -> Self {
        match answer {
            Ok(path) => path.into(),
            Err(refusal) => refusal.into(),
        }
    }

    /// Adds why every stop of the definition is on the path or not.
    #[must_use]
    pub fn explained(mut self, path: &Path) -> Self {
        let on_the_path = |verdict: &Verdict| matches!(verdict, Verdict::Required { .. });
        self.considered = path
            .considered
            .iter()
            .filter(|considered| !on_the_path(&considered.verdict))
            .cloned()
            .collect();
        self
    }
}
