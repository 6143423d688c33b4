//! What else has to be said about an answer itself: how versions were read, what was assumed.

use super::engine;
use super::ground::{Ground, is_unconfirmed};
use super::host::DISTRIBUTION;

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
    if let (None, Some(edition)) = (&ground.query.edition, &ground.edition)
        && product.editions.len() > 1
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
