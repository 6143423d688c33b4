//! What else a path crosses: notices, hand-work, deletions, changes.

use serde::{Deserialize, Serialize};
use switchback_model::Version;
use switchback_model::product::{
    Deletion, EngineRequirement, NoticeKind, Procedure, ProcedureKind,
};
use switchback_model::version::Range;

use super::ground::{Ground, Point};
use super::templates::PathTemplate;

/// A notice on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathNotice {
    /// Stable identifier.
    pub id: String,
    /// What it asks.
    pub kind: NoticeKind,
    /// The release that brings it.
    pub version: Version,
    /// One or two sentences.
    pub text: String,
    /// Where it was read.
    pub source: String,
    /// The word for `--accept`, where the operator must say so.
    pub accept: Option<String>,
    /// A minimum version of a datastore's server.
    pub requires: Option<EngineRequirement>,
    /// The release that removes what is deprecated.
    pub removed_in: Option<Version>,
    /// True where a condition could not be known.
    pub assumed: bool,
}

/// Hand-work on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathProcedure {
    /// Stable identifier.
    pub id: String,
    /// Whether it can be left out.
    pub kind: ProcedureKind,
    /// The release that brings it.
    pub version: Version,
    /// What it is, one line.
    pub title: String,
    /// What to do, in order.
    pub steps: Vec<String>,
    /// Where it was read.
    pub source: String,
    /// True where a condition could not be known.
    pub assumed: bool,
}

/// A line of release notes on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The release.
    pub version: Version,
    /// The line.
    pub text: String,
}

/// Notices on the way, those that stages tell among them, oldest first.
pub(super) fn notices(ground: &Ground<'_>, mut found: Vec<PathNotice>) -> Vec<PathNotice> {
    let product = ground.product;
    for notice in &product.notices {
        let removed = notice.removed_in.as_ref();
        let crossed = ground.crosses_version(&notice.version)
            || removed.is_some_and(|version| ground.crosses_version(version));
        let target = notice.to.as_ref();
        let is_target = target.is_none_or(|range| ground.range_holds(range, &ground.to.key));
        let truth = ground.when(notice.when.as_ref());
        if crossed && is_target && truth.applies() {
            found.push(PathNotice {
                id: notice.id.clone(),
                kind: notice.kind,
                version: notice.version.clone(),
                text: notice.text.clone(),
                source: notice.source.clone(),
                accept: notice.accept.clone(),
                requires: notice.requires.clone(),
                removed_in: notice.removed_in.clone(),
                assumed: truth.is_assumed(),
            });
        }
    }
    found.sort_by_cached_key(|notice| product.scheme.parse(&notice.version).ok());
    found
}

/// Hand-work on a way that changes `templates` and may have stops.
pub(super) fn procedures(
    ground: &Ground<'_>,
    templates: &[PathTemplate],
    has_stops: bool,
) -> Vec<PathProcedure> {
    let product = ground.product;
    let mut found = Vec::new();
    for procedure in &product.procedures {
        let truth = ground.when(procedure.when.as_ref());
        let reachable = !procedure.at_stops || has_stops;
        let brought = brought_by(ground, procedure, templates);
        if let Some(version) = brought.filter(|_| truth.applies() && reachable) {
            found.push(PathProcedure {
                id: procedure.id.clone(),
                kind: procedure.kind,
                version,
                title: procedure.title.clone(),
                steps: procedure.steps.clone(),
                source: procedure.source.clone(),
                assumed: truth.is_assumed(),
            });
        }
    }
    found.sort_by_cached_key(|procedure| product.scheme.parse(&procedure.version).ok());
    found
}

/// The release on the way that brings a procedure; the target for one that no release brings.
fn brought_by(
    ground: &Ground<'_>,
    procedure: &Procedure,
    templates: &[PathTemplate],
) -> Option<Version> {
    let holds = |range: &Option<Range>, point: &Point| {
        let range = range.as_ref();
        range.is_none_or(|range| ground.range_holds(range, &point.key))
    };
    if !holds(&procedure.from, &ground.from) || !holds(&procedure.to, &ground.to) {
        return None;
    }
    if let Some(wanted) = &procedure.template {
        templates.iter().find(|template| template.id == *wanted)?;
    }
    let mut bringing = procedure.version.iter().chain(&procedure.again).peekable();
    if bringing.peek().is_none() {
        return Some(ground.to.version.clone());
    }
    bringing
        .find(|version| ground.crosses_version(version))
        .cloned()
}

pub(super) fn deletions(ground: &Ground<'_>) -> Vec<Deletion> {
    let all = ground.product.deletions.iter();
    all.filter(|deletion| ground.crosses_version(&deletion.version))
        .cloned()
        .collect()
}

pub(super) fn changes(ground: &Ground<'_>) -> Vec<Change> {
    let mut found = Vec::new();
    for known in ground.crossed() {
        for text in &known.release.changes {
            found.push(Change {
                version: known.release.version.clone(),
                text: text.clone(),
            });
        }
    }
    found
}
