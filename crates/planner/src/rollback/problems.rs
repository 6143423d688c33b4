//! Reasons why there is no way back, in three parts.

use switchback_model::exit::Exit;
use switchback_model::{DatastoreName, Problem, RunId};

pub(crate) fn of_a_way_back(run: &RunId) -> Problem {
    Problem::new(
        Exit::Refused,
        "rollback-of-rollback",
        format!("`{run}` is itself a way back"),
    )
    .state("deployment", "unchanged")
    .hint(format!("let it finish: `switchback resume {run}`"))
    .hint("or upgrade again: `switchback plan`")
}

/// The refusal to take a roll-over back: there is nothing that would need it.
pub fn roll_over_stays(run: &RunId, old: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "rollback-of-roll-over",
        format!("`{run}` rolled content over: there is nothing to take back"),
    )
    .state(
        "old instance",
        format!("{old} was only read and goes on as it was"),
    )
    .hint("go on using the old instance, and provision the new one anew where it is not wanted")
}

pub(super) fn of_a_rehearsal(run: &RunId) -> Problem {
    Problem::new(
        Exit::Refused,
        "rollback-of-rehearsal",
        format!("`{run}` was a rehearsal: it changed copies alone"),
    )
    .state("deployment", "unchanged")
    .hint("remove what it made: `switchback rehearse --clean`")
}

pub(crate) fn of_a_recovery(run: &RunId) -> Problem {
    Problem::new(
        Exit::Refused,
        "rollback-of-recovery",
        format!("`{run}` took an update back that was half way: there is nothing to take back"),
    )
    .state("stacks", "unchanged by this command")
    .hint(format!("let it finish: `switchback resume {run}`"))
    .hint("see where things stand: `switchback status`")
}

pub(super) fn no_backup(run: &RunId, lost: &DatastoreName) -> Problem {
    Problem::new(
        Exit::Refused,
        "no-way-back",
        format!("`{lost}` was migrated by `{run}` and has no backup"),
    )
    .state("deployment", "unchanged by this command")
    .why("the version before would run on data that it does not know")
    .hint(format!("go forward instead: `switchback resume {run}`"))
    .hint(format!(
        "or bring `{lost}` back from a backup of your own, then set the old version by hand"
    ))
}

pub(super) fn file_changed(run: &RunId, path: &str) -> Problem {
    Problem::new(
        Exit::Drifted,
        "file-changed",
        format!("`{path}` is neither as `{run}` found it nor as it left it"),
    )
    .state(path, "changed by someone else")
    .state("deployment", "unchanged by this command")
    .why("to put the old version back would overwrite that change, or fail on it")
    .hint(format!(
        "take the change out of the file, then `switchback rollback {run}`; put it in again afterwards"
    ))
}

pub(super) fn of_another_deployment(run: &RunId, planned: &str, found: &str) -> Problem {
    Problem::new(
        Exit::Drifted,
        "other-deployment",
        format!("`{run}` upgraded `{planned}`, and this is `{found}`"),
    )
    .state("deployment", "unchanged")
    .hint(format!(
        "go there first: `cd {planned}`, or name it with `--deployment`"
    ))
}
