//! Reasons why stacks have no way back, in three parts.

use switchback_model::exit::Exit;
use switchback_model::stack::{Account, KeepBy, Stack, Store};
use switchback_model::{Problem, RunId, Version};

/// Everything is as it was when the product ran last.
pub(super) fn nothing(run: &RunId, base: &Version) -> Problem {
    Problem::new(
        Exit::Refused,
        "nothing-to-take-back",
        format!("there is nothing to go back to: {base} ran last, and what `{run}` changed since is as it was then"),
    )
    .state("stacks", format!("as they were when {base} ran"))
    .hint(format!("see what it did: switchback log {run}"))
}

pub(super) fn of_another_account(run: &RunId, planned: &Account, found: &Account) -> Problem {
    if (&planned.id, &planned.partition) == (&found.id, &found.partition) {
        let region = &planned.region;
        return Problem::new(
            Exit::Drifted,
            "aws-region-differs",
            format!(
                "`{run}` changed region {region}, and this is {} of the same account",
                found.region
            ),
        )
        .state("AWS", "nothing was changed")
        .hint(format!(
            "set region = \"{region}\" under [aws] in switchback.toml, or AWS_REGION"
        ));
    }
    Problem::new(
        Exit::Drifted,
        "aws-account",
        format!(
            "`{run}` changed account {} in {}, and this is {} in {}",
            planned.id, planned.region, found.id, found.region
        ),
    )
    .state("AWS", "nothing was changed")
    .hint("check `profile`, `role` and `region` under [aws] in switchback.toml")
}

/// The stack is nothing that the run made of it.
pub(super) fn changed(run: &RunId, stack: &Stack) -> Problem {
    let name = &stack.name;
    Problem::new(
        Exit::Drifted,
        "stack-changed",
        format!("stack `{name}` is neither as `{run}` found it nor as it left it"),
    )
    .state(
        format!("stack {name}"),
        format!("{}, template {}", stack.status, stack.body.short()),
    )
    .why("to take it back would undo what somebody else did since")
    .hint(format!(
        "see what: aws cloudformation describe-stack-events --stack-name {name}"
    ))
    .hint(format!(
        "bring it to one of both, then: switchback rollback {run}"
    ))
}

pub(super) fn gone(run: &RunId, stack: &str) -> Problem {
    Problem::new(
        Exit::Drifted,
        "stack-missing",
        format!("`{run}` changed stack `{stack}`, which is not here"),
    )
    .unknown(format!("stack {stack}"))
    .why("it was removed, or nothing tells which template it was made from")
    .hint("say it under [aws.stacks] in switchback.toml, each stack with its template")
}

pub(super) fn removed(stack: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "no-way-back",
        format!("stack `{stack}` was removed by the run, and what was in it does not come back"),
    )
    .state("stacks", "unchanged by this command")
    .hint(format!(
        "make it anew first: aws cloudformation create-stack --stack-name {stack}, with the template and the parameters that it had"
    ))
}

pub(super) fn snapshot_gone(run: &RunId, store: &Store, by: KeepBy) -> Problem {
    let gone = match by {
        KeepBy::Snapshot => "its snapshot is gone",
        KeepBy::Mark => {
            "its mark is not noted any more, or its automated backups do not reach back to it"
        }
    };
    Problem::new(
        Exit::Refused,
        "no-way-back",
        format!(
            "the {} `{}` of stack `{}` was migrated by `{run}`, and {gone}",
            store.kind.word(),
            store.logical,
            store.stack
        ),
    )
    .state("stacks", "unchanged by this command")
    .why("the version before would run on data that it does not know")
    .hint(format!("go forward instead: switchback resume {run}"))
    .hint("or bring it back from a snapshot of your own: name that in the parameter of its stack, then give the other stacks their old templates by hand")
}

pub(super) fn template_lost(run: &RunId, stack: &str, digest: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "no-way-back",
        format!("the template that stack `{stack}` had before `{run}` ({digest}) is not here"),
    )
    .state("stacks", "unchanged by this command")
    .why("it is kept beside the run's journal, and somebody removed it from there")
    .hint("update the stack back by hand, with the template of its release and the parameters that the plan shows")
}
