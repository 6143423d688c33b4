//! What else has to be said about an answer itself: how versions were read, what was assumed.

use switchback_model::MigrationId;
use switchback_model::version::Range;

use super::engine;
use super::ground::{Ground, Point, is_unconfirmed};
use super::host::DISTRIBUTION;
use super::legs::Leg;

/// What there is to say about the versions themselves.
pub(super) fn versions(ground: &Ground<'_>) -> Vec<String> {
    let mut remarks = Vec::new();
    let (from, to) = (&ground.from, &ground.to);
    if to.key.is_pre_release() {
        remarks.push(format!(
            "{} is a pre-release: what its final release demands counts only once the path goes there",
            to.version
        ));
    }
    if from.key.is_pre_release() {
        remarks.push(format!(
            "{} is a pre-release: migrations of its final release run again, which they have to bear",
            from.version
        ));
    }
    for point in [from, to] {
        if ground.listed(point).is_none() {
            remarks.push(format!(
                "{} is not listed by the definition, which speaks for it all the same: whether it exists was not checked",
                point.version
            ));
        }
    }
    if let (Some(target), Some(edition)) = (ground.listed(to), ground.edition.as_deref())
        && is_unconfirmed(target, edition)
    {
        remarks.push(format!(
            "{} was announced for {edition}, but no tag or image of it was found when the definition was written",
            to.version
        ));
    }
    if let Some(poisoned) = ground.poisoned(&from.version) {
        remarks.push(format!(
            "{} should not be run: {} [{}]",
            from.version, poisoned.because, poisoned.source
        ));
    }
    remarks.extend(readings(ground));
    remarks.extend(back_in_time(ground));
    remarks
}

/// What the definition says of paths that begin, end and run like this one: what a plan does by itself, or the rest.
pub(super) fn told(ground: &Ground<'_>, legs: &[Leg], done_by_plan: bool) -> Vec<String> {
    let runs = |id: &MigrationId| {
        let mut all = legs.iter().flat_map(|leg| &leg.migrations);
        all.any(|run| run.migration == *id)
    };
    let holds = |range: &Option<Range>, point: &Point| {
        let range = range.as_ref();
        range.is_none_or(|range| ground.range_holds(range, &point.key))
    };
    let all = ground.product.remarks.iter();
    let fitting = all.filter(|remark| {
        remark.done_by_plan == done_by_plan
            && holds(&remark.from, &ground.from)
            && holds(&remark.to, &ground.to)
            && (remark.runs.is_empty() || remark.runs.iter().any(runs))
            && !remark.runs_not.iter().any(runs)
    });
    fitting
        .filter_map(|remark| {
            let truth = ground.when(remark.when.as_ref());
            let assumed = if truth.is_assumed() { ", assumed" } else { "" };
            let text = remark.text.trim_end_matches('.');
            truth
                .applies()
                .then(|| format!("{text}{assumed} [{}]", remark.source))
        })
        .collect()
}

/// `3.8` is read as 3.8.0 and `3.8.1-2` as 3.8.1: what was typed and what it counts as.
fn readings(ground: &Ground<'_>) -> Vec<String> {
    let ends = [
        (&ground.query.from, &ground.from.version),
        (&ground.query.to, &ground.to.version),
    ];
    let read = ends.into_iter().filter(|(typed, read)| typed != read);
    // GitLab's `17.5` names a line, which its definition writes as `17.5.latest`: that is no other release.
    let other = read.filter(|(_, read)| !read.as_str().ends_with(".latest"));
    other
        .map(|(typed, read)| format!("{typed} is read as {read}"))
        .collect()
}

/// A lower number can be a later release: a fix of an old line.
fn back_in_time(ground: &Ground<'_>) -> Option<String> {
    let date = |point| {
        ground
            .listed(point)
            .and_then(|release| release.date.as_ref())
    };
    let (from, to) = (date(&ground.from)?, date(&ground.to)?);
    (from > to).then(|| {
        format!(
            "{} was released on {from}, after {} on {to}: what it fixed may be missing there",
            ground.from.version, ground.to.version
        )
    })
}

/// What nobody said, and how it counts.
pub(super) fn assumptions(ground: &Ground<'_>) -> Vec<String> {
    let product = ground.product;
    let mut remarks = Vec::new();
    let fitting = product.editions.iter();
    let fitting = fitting.filter(|edition| edition.comes_for(&ground.driver));
    if let (None, Some(edition)) = (&ground.query.edition, &ground.edition)
        && fitting.count() > 1
    {
        remarks.push(format!(
            "the edition is assumed to be {edition}: say --edition"
        ));
    }
    if !product.distributions.is_empty() && !ground.host.named {
        let possible = ground.host.possible.iter();
        let possible: Vec<&str> = possible.map(|it| it.id.as_str()).collect();
        remarks.push(format!(
            "the distribution is not known and may be {}: say --fact {DISTRIBUTION}=…",
            possible.join(", ")
        ));
    }
    for position in engine::start(ground) {
        let engine = position.engine;
        if let (true, Some(line)) = (position.assumed, position.name()) {
            remarks.push(format!(
                "{} {line} is assumed, which is what an installation of {} has: say --fact {}=…",
                engine.name, ground.from.version, engine.probe
            ));
        }
    }
    let (there, absent) = ground.unsaid_features();
    if !there.is_empty() {
        remarks.push(format!(
            "assumed to be there: {}; say --feature NAME or --feature NAME=no",
            there.join(", ")
        ));
    }
    if !absent.is_empty() {
        remarks.push(format!(
            "counted as not there, because not named beside the others: {}; say --feature NAME",
            absent.join(", ")
        ));
    }
    remarks
}
