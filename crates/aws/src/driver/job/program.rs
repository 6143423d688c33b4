//! Whether what would run is what was planned: the image of a task, the program on a machine.

use std::collections::BTreeMap;

use switchback_engine::ports::{Context, Failure, MigrationCall};
use switchback_model::stack::TaskPlace;

use super::{Job, Runs, words};
use crate::account::Account;
use crate::command::{self, CommandState};
use crate::fault::Fault;
use crate::services;
use crate::waiting::Pace;

impl Job<'_> {
    /// Fails where what would run is not what was planned, or cannot be reached. `name` is that of the step's try.
    pub(in crate::driver) fn fits(
        &self,
        cx: &Context<'_>,
        name: &str,
        call: &MigrationCall<'_>,
    ) -> Result<(), Failure> {
        match &self.runs {
            Runs::Task {
                place, container, ..
            } => is_image(self.account, place, container, &call.image.reference),
            Runs::Command {
                machine,
                program,
                version,
                environment,
                ..
            } => {
                is_reached(self.account, machine)?;
                let asked = words(program, version);
                let said = ask(cx, self.account, machine, (name, environment, &asked))?;
                is_version(&said, call.version.as_str(), machine)
            }
        }
    }
}

/// The container of the task's definition runs the planned image.
fn is_image(
    account: &Account,
    place: &TaskPlace,
    container: &str,
    planned: &str,
) -> Result<(), Failure> {
    let definition = &place.definition;
    let containers = account
        .wait(services::definition(account, definition))
        .map_err(unseen)?;
    let own = containers.iter().find(|one| one.name == container);
    let found = own.map_or("no such container", |one| one.image.as_str());
    if found == planned {
        return Ok(());
    }
    Err(Failure::new(
        "image-differs",
        format!("`{container}` of `{definition}` is not the planned image"),
    )
    .cause(format!("{found}, not {planned}"))
    .state("database", "was not migrated")
    .hint("plan again: the stack was updated with other parameters"))
}

fn is_reached(account: &Account, machine: &str) -> Result<(), Failure> {
    let reached = command::reached(account, &[machine.to_owned()]).map_err(unseen)?;
    if reached.contains(machine) {
        return Ok(());
    }
    Err(Failure::new(
        "machine-unmanaged",
        format!("Systems Manager does not reach `{machine}`"),
    )
    .state("database", "was not migrated")
    .hint("give the machine a role with AmazonSSMManagedInstanceCore and see that its agent runs, then resume")
    .hint("or run the migration by hand over SSH, as the guide says"))
}

/// Runs a command of this try's name that only tells something, and returns what it wrote.
fn ask(
    cx: &Context<'_>,
    account: &Account,
    machine: &str,
    (name, environment, argv): (&str, &BTreeMap<String, String>, &[String]),
) -> Result<String, Failure> {
    let failed = |fault: Fault| fault.failure(format!("cannot ask `{machine}`"));
    let name = format!("{name}-version");
    let id = command::send(account, machine, &name, environment, argv).map_err(failed)?;
    let mut pace = Pace::new(cx.stop);
    loop {
        let seen = command::look(account, machine, &id).map_err(failed)?;
        match seen.map(|seen| seen.state) {
            Some(CommandState::Exited { output, .. }) => return Ok(output),
            Some(CommandState::Lost(why)) => {
                return Err(Failure::new(
                    "machine-unmanaged",
                    format!("`{machine}` did not run `{}`", argv.join(" ")),
                )
                .cause(why)
                .state("database", "was not migrated")
                .hint("see that the agent of Systems Manager works there, then resume"));
            }
            Some(CommandState::Underway(_)) | None => {}
        }
        pace.pause(&format!("`{machine}`"))?;
    }
}

fn unseen(fault: Fault) -> Failure {
    fault.failure("cannot look at what migrations run with")
}

/// The program on the machine must be of the version whose migration it is: another one would do another migration.
fn is_version(said: &str, wanted: &str, machine: &str) -> Result<(), Failure> {
    let mut found = said
        .split_whitespace()
        .map(|word| word.trim_start_matches('v'));
    if found.any(|word| word == wanted) {
        return Ok(());
    }
    let line = said.lines().find(|line| line.contains("ersion"));
    Err(Failure::new(
        "image-differs",
        format!("the program on `{machine}` is not {wanted}"),
    )
    .cause(format!("it says: {}", line.unwrap_or(said).trim()))
    .state("database", "was not migrated")
    .hint(format!(
        "put the program of {wanted} in its place on the machine, as the guide says, then resume"
    )))
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn another_program_than_the_planned_one_migrates_nothing() {
        let said = "The Things Stack\nVersion:             3.32.1\nBuild date: 2024-10-09";
        assert!(is_version(said, "3.32.1", "i-1").is_ok());
        assert!(is_version("version v3.32.1", "3.32.1", "i-1").is_ok());
        let failure = is_version(said, "3.32.0", "i-1").expect_err("another");
        assert_eq!(failure.code, "image-differs");
        assert!(failure.causes[0].contains("3.32.1"), "{failure:?}");
        assert!(is_version("", "3.32.1", "i-1").is_err());
    }
}
