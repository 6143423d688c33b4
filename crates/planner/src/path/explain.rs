//! A path or a refusal in sentences, for people who have to answer for it.

use switchback_model::product::StopKind;

use super::find::Path;
use super::legs::{Leg, Run};
use super::refusal::Refusal;
use super::stops::Verdict;

/// The path as a few lines: the versions, why each stop, what runs where.
pub fn path(path: &Path) -> Vec<String> {
    let subject = subject(path.product.as_str(), path.edition.as_deref());
    if path.is_nothing() {
        return vec![format!("{subject} {}: nothing to do", path.from)];
    }
    let mut lines = vec![format!("{subject} {}", versions(path))];
    for because in &path.because {
        let assumed = if because.assumed {
            "; assumed, nothing could tell"
        } else {
            ""
        };
        lines.push(format!("  {} [{}]{assumed}", because.text, because.source));
    }
    lines.extend(path.legs.iter().map(leg));
    lines
}

/// Why every stop of the definition is on the path or not, one line each.
pub fn derivation(path: &Path) -> Vec<String> {
    let line = |considered: &super::Considered| match &considered.verdict {
        Verdict::Required { at, assumed: false } => {
            format!("{}: required, at {at}", considered.stop)
        }
        Verdict::Required { at, assumed: true } => format!(
            "{}: required, at {at}; its condition could not be known and counts as true",
            considered.stop
        ),
        Verdict::NotCrossed => format!("{}: not crossed by this path", considered.stop),
        Verdict::DoesNotApply => format!("{}: does not apply to this deployment", considered.stop),
    };
    path.considered.iter().map(line).collect()
}

/// The refusal in two or three sentences, each with its source.
pub fn refusal(refusal: &Refusal) -> Vec<String> {
    let facts = refusal.because();
    facts
        .iter()
        .take(SENTENCES)
        .map(|fact| format!("{} [{}]", fact.text, fact.source))
        .collect()
}

/// More than this is a list, not an explanation; the JSON has all of them.
const SENTENCES: usize = 3;

fn subject(product: &str, edition: Option<&str>) -> String {
    match edition {
        Some(edition) => format!("{product} ({edition})"),
        None => product.to_owned(),
    }
}

/// `3.23.2 → 3.24.2 → 3.32.1`.
fn versions(path: &Path) -> String {
    let mut text = path.from.to_string();
    for leg in &path.legs {
        text.push_str(" → ");
        text.push_str(leg.to.as_str());
    }
    text
}

fn leg(leg: &Leg) -> String {
    let kind = match leg.kind {
        StopKind::Migrate => "migrations only",
        StopKind::Run => "runs",
    };
    if leg.migrations.is_empty() {
        return format!("  to {}: {kind}, no migration", leg.to);
    }
    let runs: Vec<String> = leg.migrations.iter().map(run).collect();
    format!("  to {}: {kind}; {}", leg.to, runs.join(", "))
}

fn run(run: &Run) -> String {
    let assumed = if run.assumed { ", assumed" } else { "" };
    let command = run.run.join(" ");
    if run.demanded_by.is_empty() {
        return format!("`{command}` (for the stop{assumed})");
    }
    let demanded: Vec<&str> = run
        .demanded_by
        .iter()
        .map(|version| version.as_str())
        .collect();
    format!("`{command}` (for {}{assumed})", demanded.join(" "))
}
