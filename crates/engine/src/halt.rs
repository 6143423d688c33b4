//! Why a run halts, in what state things are (looked at now), what to type next.

use std::collections::BTreeSet;

use switchback_journal::{RunState, StepStatus};
use switchback_model::ServiceName;
use switchback_model::exit::Exit;
use switchback_model::plan::{
    Act, BackupMethod, BackupState, Expectation, Interrupted, Plan, Purpose, Step,
};
use switchback_model::problem::{Citation, State};
use switchback_model::product::Advice;
use switchback_model::{DatastoreName, Problem};

use crate::guard::{self, Guard};
use crate::ports::{Context, Failure, Finding};
use crate::run::Run;
use crate::signal::Urgency;
use crate::words;

/// A step that acted and failed.
pub(crate) fn failed(run: &Run<'_>, step: &Step, failure: &Failure) -> Problem {
    let mut problem = Problem::new(
        Exit::Halted,
        &failure.code,
        format!(
            "step {} {}: {}",
            step.number,
            words::doing(run.plan(), &step.act),
            failure.what
        ),
    );
    problem.causes.clone_from(&failure.causes);
    problem.state.clone_from(&failure.state);
    problem.state.extend(seen(run, step));
    problem.hints.clone_from(&failure.hints);
    if let Interrupted::RestoreFirst { because, .. } = &step.interrupted {
        problem.why = Some(because.clone());
    }
    let known = advice_for(&run.plan().advice, &step.act, failure);
    if let Some(advice) = known {
        problem = problem
            .fact(Citation {
                id: advice.id.clone(),
                text: advice.explanation.clone(),
                source: advice.source.clone(),
            })
            .hint(advice.next.clone());
    }
    with_next_commands(run, problem, Some(step), "fix the cause, then: ")
}

/// What the definition knows of a failure. It is about the product: what our own backups, a registry or
/// the container engine say is not its output, even where the words are the same.
fn advice_for<'a>(advice: &'a [Advice], act: &Act, failure: &Failure) -> Option<&'a Advice> {
    let of_product = matches!(
        act,
        Act::Migrate { .. } | Act::Start { .. } | Act::Verify { .. }
    );
    if !of_product || failure.code.starts_with("docker-engine-") {
        return None;
    }
    let said = format!(
        "{}\n{}\n{}",
        failure.what,
        failure.causes.join("\n"),
        failure.output.as_deref().unwrap_or_default()
    )
    .to_lowercase();
    advice.iter().find(|advice| {
        let mut patterns = advice.patterns.iter();
        patterns.any(|pattern| said.contains(&pattern.to_lowercase()))
    })
}

/// A guard that says *drifted* or *cannot tell*.
pub(crate) fn guarded(run: &Run<'_>, step: &Step, guard: &Guard) -> Problem {
    let doing = words::doing(run.plan(), &step.act);
    let (code, what) = match guard {
        Guard::Drifted { expected, found } => (
            "drifted",
            format!(
                "step {} {doing}: expected {expected}, found {found}",
                step.number
            ),
        ),
        Guard::CannotTell { expected, why } => (
            "cannot-tell",
            format!(
                "step {} {doing}: expected {expected}, cannot tell: {why}",
                step.number
            ),
        ),
        Guard::Ready | Guard::AlreadyDone => {
            ("cannot-tell", format!("step {} {doing}", step.number))
        }
    };
    let acted = run.state.borrow().has_acted();
    let exit = match guard {
        Guard::Drifted { .. } if !acted => Exit::Drifted,
        _ => Exit::Halted,
    };
    let mut problem = Problem::new(exit, code, what);
    problem.state.extend(seen(run, step));
    if exit == Exit::Drifted {
        return problem
            .state("deployment", "nothing was changed")
            .hint(format!("plan again: {}", words::planning(run.plan())));
    }
    with_next_commands(run, problem, Some(step), "put that right, then: ")
}

/// The operator wanted to stop.
pub(crate) fn stopped(run: &Run<'_>) -> Problem {
    let state = run.state.borrow();
    let open = run
        .plan()
        .steps()
        .map(|(_, step)| step)
        .find(|step| !matches!(state.step(step.number), StepStatus::Finished { .. }));
    let what = match open {
        Some(step) if *state.step(step.number) == StepStatus::NotStarted => {
            format!("stopped by the operator before step {}", step.number)
        }
        Some(step) => format!(
            "stopped by the operator in step {} {}",
            step.number,
            words::doing(run.plan(), &step.act)
        ),
        None => "stopped by the operator".to_owned(),
    };
    drop(state);
    let mut problem = Problem::new(Exit::Halted, "stopped-by-operator", what);
    if let Some(step) = open {
        problem.state.extend(seen(run, step));
    }
    with_next_commands(run, problem, open, "")
}

/// A step that may not be repeated, and that nothing can make repeatable.
pub(crate) fn needs_a_person(run: &Run<'_>, step: &Step, because: &str) -> Problem {
    let mut problem = Problem::new(
        Exit::Halted,
        "needs-a-person",
        format!(
            "step {} {} was begun, did not end well and may not be repeated",
            step.number,
            words::doing(run.plan(), &step.act)
        ),
    )
    .why(because);
    problem.state.extend(seen(run, step));
    with_next_commands(run, problem, Some(step), "put that right by hand, then: ")
}

/// A journal that does not fit its plan.
pub(crate) fn broken_record(run: &Run<'_>, because: &str) -> Problem {
    simple(
        run,
        "journal-and-plan-disagree",
        format!(
            "the journal of run `{}` does not fit its plan",
            run.order.run
        ),
        &[because.to_owned()],
    )
}

/// A halt that no step is to blame for.
pub(crate) fn simple(run: &Run<'_>, code: &str, what: String, causes: &[String]) -> Problem {
    let mut problem = Problem::new(Exit::Halted, code, what);
    problem.causes.extend_from_slice(causes);
    with_next_commands(run, problem, None, "then: ")
}

/// Whether a migration was begun and is not finished.
pub(crate) fn has_open_migration(plan: &Plan, state: &RunState) -> bool {
    plan.steps().any(|(_, step)| {
        matches!(step.act, Act::Migrate { .. })
            && !matches!(
                state.step(step.number),
                StepStatus::NotStarted | StepStatus::Finished { .. }
            )
    })
}

fn with_next_commands(
    run: &Run<'_>,
    problem: Problem,
    step: Option<&Step>,
    first: &str,
) -> Problem {
    let id = run.order.run;
    let begun =
        step.is_some_and(|step| *run.state.borrow().step(step.number) != StepStatus::NotStarted);
    let restores = match step.map(|step| &step.interrupted) {
        Some(Interrupted::RestoreFirst { datastore, .. }) if begun => {
            format!(" (brings {datastore} back from its backup first, where the migration has run)")
        }
        _ => String::new(),
    };
    let problem = problem.hint(format!("{first}switchback resume {id}{restores}"));
    if let Purpose::RollOver(content) = &run.plan().purpose {
        return problem.hint(format!(
            "or leave it there: the old instance at {} was only read",
            content.from.api
        ));
    }
    or_back(run, problem)
}

/// Adds how to go back, where that would be an ordinary way.
pub(crate) fn or_back(run: &Run<'_>, problem: Problem) -> Problem {
    let recovers = matches!(run.plan().purpose, Purpose::Recovery { .. });
    if run.taken_back().is_none() && !recovers && run.state.borrow().has_acted() {
        let (from, id) = (&run.plan().from, run.order.run);
        problem.hint(format!("or go back to {from}: switchback rollback {id}"))
    } else {
        problem
    }
}

/// The state of services, datastores and backups, as a look just now tells.
pub(crate) fn seen(run: &Run<'_>, step: &Step) -> Vec<State> {
    run.with_context(step, |cx| {
        let mut lines: Vec<State> = services(run.plan())
            .into_iter()
            .map(|service| service_state(run, cx, service))
            .collect();
        lines.extend(
            run.plan()
                .datastores
                .iter()
                .filter(|(_, plan)| plan.method != BackupMethod::None)
                .map(|(name, plan)| datastore_state(run, cx, name, plan.method)),
        );
        lines
    })
}

fn services(plan: &Plan) -> BTreeSet<&ServiceName> {
    let acted_on = plan.steps().flat_map(|(_, step)| match &step.act {
        Act::Stop { services } | Act::Start { services, .. } => services.as_slice(),
        _ => &[],
    });
    plan.origin.services.iter().chain(acted_on).collect()
}

fn service_state(run: &Run<'_>, cx: &Context<'_>, service: &ServiceName) -> State {
    let runs = Expectation::Running {
        services: vec![service.clone()],
    };
    let seen = match guard::look(run.means.site, cx, &runs) {
        Finding::Holds => Some("running".to_owned()),
        Finding::Differs { .. } => {
            let stopped = Expectation::Stopped {
                services: vec![service.clone()],
            };
            match guard::look(run.means.site, cx, &stopped) {
                Finding::Holds => Some("stopped".to_owned()),
                Finding::Differs { found } => Some(found),
                Finding::Unknown { .. } => None,
            }
        }
        Finding::Unknown { .. } => None,
    };
    State {
        subject: service.to_string(),
        seen,
    }
}

fn datastore_state(
    run: &Run<'_>,
    cx: &Context<'_>,
    name: &DatastoreName,
    method: BackupMethod,
) -> State {
    let reachable = Expectation::Reachable {
        datastore: name.clone(),
    };
    let answers = match guard::look(run.means.site, cx, &reachable) {
        // Where every child is ended at once, nobody was asked.
        _ if cx.stop.urgency() == Urgency::Now => None,
        Finding::Holds => Some("answers".to_owned()),
        Finding::Differs { found } => Some(found),
        Finding::Unknown { .. } => None,
    };
    let backup = |state| {
        let expectation = Expectation::Backup {
            datastore: name.clone(),
            state,
            run: run.taken_back().cloned(),
        };
        guard::look(run.means.site, cx, &expectation)
    };
    let shadowed = method == BackupMethod::Shadow;
    let kept = match (backup(BackupState::Proven), backup(BackupState::Sealed)) {
        (Finding::Holds, _) if shadowed => Some("shadow sealed and proven"),
        (Finding::Differs { .. }, Finding::Differs { .. }) if shadowed => {
            Some("no sealed shadow of this run yet")
        }
        (Finding::Holds, _) => Some("backup proven"),
        (Finding::Differs { .. }, Finding::Holds) => Some("backup not proven yet"),
        (Finding::Differs { .. }, Finding::Differs { .. }) => Some("no backup of this run yet"),
        _ => None,
    };
    let parts: Vec<String> = answers.into_iter().chain(kept.map(str::to_owned)).collect();
    State {
        subject: name.to_string(),
        seen: (!parts.is_empty()).then(|| parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn advice_is_about_what_the_product_says_and_nothing_else() {
        let advice = [Advice {
            id: "no-database".to_owned(),
            patterns: vec!["Connection refused".to_owned()],
            explanation: String::new(),
            next: String::new(),
            source: String::new(),
        }];
        let start = Act::Start {
            services: Vec::new(),
            images: BTreeMap::new(),
        };
        let stop = Act::Stop {
            services: Vec::new(),
        };
        let said = |code: &str| {
            Failure::new(code, "cannot start stack").cause("dial tcp: connect: connection refused")
        };
        let known = |act: &Act, code: &str| advice_for(&advice, act, &said(code)).is_some();
        assert!(known(&start, "start-failed"));
        assert!(!known(&start, "docker-engine-down"));
        assert!(!known(&stop, "stop-failed"));
    }
}
