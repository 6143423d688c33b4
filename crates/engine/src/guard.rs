//! The guard of a step: ready, already done, drifted, cannot tell.

use switchback_model::DatastoreName;
use switchback_model::hand_work::DoneWhen;
use switchback_model::plan::{Act, Expectation, FileEdit, Interrupted, Step};

use crate::ports::{Context, Finding, Site};
use crate::words;

/// What the world says about a step that is about to act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// It may act.
    Ready,
    /// What it is for holds already.
    AlreadyDone,
    /// The world is not what the plan expects.
    Drifted {
        /// What the plan expects.
        expected: String,
        /// What was found.
        found: String,
    },
    /// Nothing could look.
    CannotTell {
        /// What the plan expects.
        expected: String,
        /// Why nobody can tell.
        why: String,
    },
}

/// Whether a step may have acted before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    /// It certainly has not: everything must be as planned.
    No,
    /// It may have: what the step itself changes may be at any point in between.
    Maybe {
        /// Edits of later steps that are done already, where the step is done anew because a later one
        /// brought its datastore back.
        later: Vec<FileEdit>,
    },
}

/// Asks whether the step is done, and if not, whether it may act.
pub(crate) fn ask(site: &Site, cx: &Context<'_>, step: &Step, touched: &Touched) -> Guard {
    match done(site, cx, step) {
        Finding::Holds => return Guard::AlreadyDone,
        // A migration that may have run is never begun on a guess. Everything else may be
        // repeated, and is often the very thing that makes the answer possible (a restore).
        Finding::Unknown { why } if matches!(step.act, Act::Migrate { .. }) => {
            return Guard::CannotTell {
                expected: step
                    .after
                    .iter()
                    .map(words::expected)
                    .collect::<Vec<_>>()
                    .join(", "),
                why,
            };
        }
        Finding::Unknown { .. } | Finding::Differs { .. } => {}
    }
    may_act(site, cx, step, touched)
}

/// Whether the step may act, given that it is not done.
pub(crate) fn may_act(site: &Site, cx: &Context<'_>, step: &Step, touched: &Touched) -> Guard {
    let mut unclear = None;
    let expectations = step.before.iter();
    let expectations: Vec<&Expectation> = expectations
        .filter(|expectation| *touched == Touched::No || !changed_by(step, expectation))
        .collect();
    for (expectation, found) in looks(site, cx, &expectations) {
        let expected = words::expected(expectation);
        match found {
            Finding::Holds => {}
            Finding::Differs { .. } if written_already(site, cx, step, expectation, touched) => {}
            Finding::Differs { found } => return Guard::Drifted { expected, found },
            Finding::Unknown { why } => {
                unclear.get_or_insert(Guard::CannotTell { expected, why });
            }
        }
    }
    unclear.unwrap_or(Guard::Ready)
}

/// Whether everything that holds once the step is done does hold. Never *holds* for a step that has
/// nothing to look at.
pub(crate) fn done(site: &Site, cx: &Context<'_>, step: &Step) -> Finding {
    if step.after.is_empty() {
        return Finding::Differs {
            found: "nothing tells".to_owned(),
        };
    }
    let mut unknown = None;
    let expectations: Vec<&Expectation> = step.after.iter().collect();
    for (expectation, found) in looks(site, cx, &expectations) {
        let expected = words::expected(expectation);
        match found {
            Finding::Holds => {}
            Finding::Differs { found } => {
                return Finding::Differs {
                    found: format!("expected {expected}, found {found}"),
                };
            }
            Finding::Unknown { why } => {
                unknown.get_or_insert(Finding::Unknown { why });
            }
        }
    }
    unknown.unwrap_or(Finding::Holds)
}

/// Asks for one after the other, for as many as somebody wants to hear. What is asked of one datastore in a row is
/// asked together.
fn looks<'a>(
    site: &'a Site,
    cx: &'a Context<'_>,
    expectations: &'a [&'a Expectation],
) -> impl Iterator<Item = (&'a Expectation, Finding)> {
    let of_one =
        |one: &&Expectation, next: &&Expectation| about(one).is_some() && about(one) == about(next);
    expectations.chunk_by(of_one).flat_map(|together| {
        let datastore = about(together[0]).and_then(|name| site.datastores.get(name));
        let _held = datastore.map(|datastore| datastore.hold());
        let found: Vec<_> = together
            .iter()
            .map(|expectation| (*expectation, look(site, cx, expectation)))
            .collect();
        found
    })
}

/// Asks whoever can answer.
pub(crate) fn look(site: &Site, cx: &Context<'_>, expectation: &Expectation) -> Finding {
    if matches!(expectation, Expectation::DoneByHand { done, .. } if done.is_said()) {
        return Finding::Differs {
            found: "nobody has said that it is done".to_owned(),
        };
    }
    match about(expectation) {
        None => site.driver.look(cx, expectation),
        Some(name) => match site.datastores.get(name) {
            Some(datastore) => datastore.look(cx, expectation),
            None => Finding::Unknown {
                why: format!("datastore `{name}` is not part of this deployment any more"),
            },
        },
    }
}

fn about(expectation: &Expectation) -> Option<&DatastoreName> {
    match expectation {
        Expectation::Reachable { datastore }
        | Expectation::Engine { datastore, .. }
        | Expectation::NoWriters { datastore }
        | Expectation::Backup { datastore, .. }
        | Expectation::Carried { datastore, .. }
        | Expectation::Restored { datastore, .. }
        | Expectation::Released { datastore, .. } => Some(datastore),
        Expectation::DoneByHand {
            done: DoneWhen::Server(is),
            ..
        } => Some(&is.datastore),
        Expectation::ImageHere { .. }
        | Expectation::Running { .. }
        | Expectation::Stopped { .. }
        | Expectation::Runs { .. }
        | Expectation::File { .. }
        | Expectation::Migrated { .. }
        | Expectation::DoneByHand { .. }
        | Expectation::Original { .. }
        | Expectation::Room { .. }
        | Expectation::Arrived { .. }
        | Expectation::Stack { .. }
        | Expectation::NoStack { .. }
        | Expectation::HalfWay { .. }
        | Expectation::TakenBack { .. }
        | Expectation::Snapshotted { .. }
        | Expectation::Kept { .. }
        | Expectation::Recalled { .. }
        | Expectation::Rewound { .. }
        | Expectation::Terminated { .. }
        | Expectation::Renewed { .. }
        | Expectation::NoRefresh { .. } => None,
    }
}

/// Whether a file that is not as expected is as one of the run's own edits leaves it. Edits are
/// atomic: anything else in the file is a person's.
fn written_already(
    site: &Site,
    cx: &Context<'_>,
    step: &Step,
    expectation: &Expectation,
    touched: &Touched,
) -> bool {
    let (Expectation::File { path, .. }, Touched::Maybe { later }) = (expectation, touched) else {
        return false;
    };
    let own = match &step.act {
        Act::Set { edits, .. } => edits.as_slice(),
        _ => &[],
    };
    own.iter()
        .chain(later)
        .filter(|edit| edit.path == *path)
        .any(|edit| {
            let written = Expectation::File {
                path: path.clone(),
                digest: edit.after.clone(),
            };
            look(site, cx, &written) == Finding::Holds
        })
}

/// Whether the step itself, half done, may have made this expectation untrue.
fn changed_by(step: &Step, expectation: &Expectation) -> bool {
    match expectation {
        Expectation::Running { services } | Expectation::Stopped { services } => {
            services.iter().any(|service| acts_on(&step.act, service))
        }
        Expectation::Runs { service, .. } => acts_on(&step.act, service),
        Expectation::Reachable { datastore }
        | Expectation::Engine { datastore, .. }
        | Expectation::NoWriters { datastore } => {
            step.act.datastore() == Some(datastore)
                || matches!(&step.interrupted, Interrupted::RestoreFirst { datastore: of, .. } if of == datastore)
        }
        Expectation::Stack { is } => {
            matches!(&step.act, Act::Update { update } if update.stack == is.stack)
                || matches!(&step.act, Act::Remove { stack, .. } if *stack == is.stack)
        }
        Expectation::HalfWay { stack, .. } => {
            matches!(&step.act, Act::TakeBack { update } if update.stack == *stack)
        }
        Expectation::NoStack { stack } => {
            matches!(&step.act, Act::Update { update } if update.stack == *stack)
        }
        _ => false,
    }
}

fn acts_on(act: &Act, service: &switchback_model::ServiceName) -> bool {
    match act {
        Act::Stop { services } | Act::Start { services, .. } => services.contains(service),
        Act::Exchange { engine, .. } | Act::PutBack { engine, .. } => engine.service == *service,
        _ => false,
    }
}
