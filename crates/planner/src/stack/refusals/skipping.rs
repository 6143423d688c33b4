//! Why something is not left out of a recovery.

use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::stack::{Stack, Stuck};

fn refused(code: &str, what: String) -> Problem {
    Problem::new(Exit::Refused, code, what).state("stacks", "unchanged")
}

/// No such stack is half way.
pub(in crate::stack) fn unknown(said: &str, half: &[&str]) -> Problem {
    let problem = refused(
        "skip-unknown",
        format!("`--skip {said}` names nothing of a stack that is half way back"),
    );
    match half {
        [] => problem
            .cause("no stack of this deployment is in UPDATE_ROLLBACK_FAILED")
            .hint("plan without it: `switchback plan`"),
        half => problem
            .cause(format!("half way back: {}", half.join(", ")))
            .hint("name stack and resource: `switchback plan --skip STACK/RESOURCE`"),
    }
}

/// CloudFormation leaves out nothing but what it could not bring back.
pub(in crate::stack) fn not_stuck(stack: &Stack, logical: &str, stuck: &[Stuck]) -> Problem {
    let name = &stack.name;
    let problem = refused(
        "skip-not-stuck",
        format!("`{logical}` of stack `{name}` is not what is stuck"),
    )
    .state(format!("stack {name}"), stack.status.as_str())
    .why("only what could not be brought back can be left out");
    stuck
        .iter()
        .fold(problem, |problem, it| problem.cause(it))
        .hint("see what is stuck: `switchback plan`")
}

/// It may well go by itself.
pub(in crate::stack) fn untried(stack: &Stack, logical: &str) -> Problem {
    let name = &stack.name;
    refused(
        "skip-untried",
        format!("nobody has tried yet to take the update of `{name}` back with `{logical}`"),
    )
    .state(format!("stack {name}"), stack.status.as_str())
    .why("what is left out stays half way, and whether it has to be is known once it was tried")
    .hint(
        "repair what its reason names, then without --skip: `switchback plan`, `switchback apply`",
    )
    .hint(format!(
        "where that is stuck again: `switchback plan --skip {name}/{logical}`"
    ))
}
