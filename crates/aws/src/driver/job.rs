//! Where a migration runs, what was started for it, and its end.

use std::collections::BTreeMap;

use switchback_engine::ports::{Context, Failure, MigrationCall};
use switchback_model::plan::Act;
use switchback_model::stack::{Stack, TaskPlace};

use super::{AwsDriver, Operations};
use crate::account::Account;
use crate::command::{self, CommandState};
use crate::fault::Fault;
use crate::logs::Stream;
use crate::notes::{Note, now};
use crate::services;
use crate::stacks::read;
use crate::tasks::{self, TaskCall, TaskState};
use crate::waiting::Pace;

/// Lines of a migration that are kept.
const LINES: usize = 2_000;

/// How a migration is, wherever it runs.
pub(super) enum State {
    Underway(String),
    /// With the words of who ran it, where they say why.
    Exited {
        code: i64,
        why: Option<String>,
    },
    Lost(String),
}

/// Where a migration of this step runs, and what was started for it.
pub(super) struct Job<'a> {
    account: &'a Account,
    runs: Runs<'a>,
}

enum Runs<'a> {
    Task {
        place: TaskPlace,
        container: &'a str,
        program: &'a str,
        log: Option<Stream>,
    },
    Command {
        machine: String,
        program: &'a str,
        environment: &'a BTreeMap<String, String>,
        output: String,
    },
}

impl<'a> Job<'a> {
    /// As the step's act says.
    pub(super) fn of_step(
        cx: &Context<'_>,
        account: &'a Account,
        driver: &'a AwsDriver,
    ) -> Result<Self, Failure> {
        let stack = match cx.plan.step(cx.step).map(|step| &step.act) {
            Some(Act::Migrate { service, .. }) => service.as_str(),
            _ => {
                return Err(Failure::new("internal", "this step runs no migration")
                    .state("AWS", "nothing was changed"));
            }
        };
        let failed = |fault: Fault| {
            fault.failure(format!("cannot tell from `{stack}` where migrations run"))
        };
        let now = read::one(account, stack).map_err(failed)?.ok_or_else(|| {
            Failure::new("stack-missing", format!("there is no stack `{stack}`"))
                .state(stack, "is gone")
                .hint("plan again")
        })?;
        let runs = match &driver.conduct.operations {
            Operations::Task {
                output,
                container,
                program,
            } => Runs::Task {
                place: place(&now, output)?,
                container,
                program,
                log: None,
            },
            Operations::Command {
                program,
                environment,
            } => Runs::Command {
                machine: machine(account, now)?,
                program,
                environment,
                output: String::new(),
            },
        };
        Ok(Self { account, runs })
    }

    /// What was started for the step's present try; its id goes into the note.
    pub(super) fn find(&self, cx: &Context<'_>, note: &mut Note) -> Result<Option<State>, Failure> {
        if note.asked.is_none() {
            return Ok(None);
        }
        let name = note.name(cx);
        let failed = |fault: Fault| fault.failure("cannot look for this step's migration");
        let found = match &self.runs {
            Runs::Task {
                place, container, ..
            } => {
                let seen = match &note.started {
                    Some(arn) => tasks::look(self.account, &place.cluster, arn, container),
                    None => tasks::find(self.account, place, container, &name)
                        .map(|all| all.into_iter().next()),
                };
                seen.map_err(failed)?
                    .map(|seen| (seen.arn, State::from(seen.state)))
            }
            Runs::Command { machine, .. } => {
                let seen = match &note.started {
                    Some(id) => command::look(self.account, machine, id),
                    None => command::find(self.account, machine, &name),
                };
                seen.map_err(failed)?
                    .map(|seen| (seen.id, State::from(seen.state)))
            }
        };
        match found {
            Some((id, state)) => {
                note.started = Some(id);
                Ok(Some(state))
            }
            None if note.started.is_none() && note.is_young(now()) => Ok(None),
            None => Err(forgotten(note)),
        }
    }

    /// Fails where what would run is not the planned image, or cannot be reached.
    pub(super) fn fits(
        &self,
        cx: &Context<'_>,
        name: &str,
        call: &MigrationCall<'_>,
    ) -> Result<(), Failure> {
        let failed = |fault: Fault| fault.failure("cannot look at what migrations run with");
        match &self.runs {
            Runs::Task {
                place, container, ..
            } => {
                let containers = self
                    .account
                    .wait(services::definition(self.account, &place.definition))
                    .map_err(failed)?;
                let own = containers.iter().find(|one| one.name == *container);
                let found = own.map_or("no such container", |one| one.image.as_str());
                if found == call.image.reference {
                    return Ok(());
                }
                Err(Failure::new(
                    "image-differs",
                    format!(
                        "`{container}` of `{}` is not the planned image",
                        place.definition
                    ),
                )
                .cause(format!("{found}, not {}", call.image.reference))
                .state("database", "was not migrated")
                .hint("plan again: the stack was updated with other parameters"))
            }
            Runs::Command {
                machine,
                program,
                environment,
                ..
            } => {
                let reached = command::reached(self.account, std::slice::from_ref(machine))
                    .map_err(failed)?;
                if reached.contains(machine) {
                    let said = self.ask(cx, machine, &format!("{name}-version"), || {
                        let argv = words(program, &["version".to_owned()]);
                        (environment, argv)
                    })?;
                    return is_version(&said, call.version.as_str(), machine);
                }
                Err(Failure::new(
                    "machine-unmanaged",
                    format!("Systems Manager does not reach `{machine}`"),
                )
                .state("database", "was not migrated")
                .hint("give the machine a role with AmazonSSMManagedInstanceCore and see that its agent runs, then resume")
                .hint("or run the migration by hand over SSH, as the guide says"))
            }
        }
    }

    /// Runs a command that only tells something, and returns what it wrote.
    fn ask<'e>(
        &self,
        cx: &Context<'_>,
        machine: &str,
        name: &str,
        command: impl FnOnce() -> (&'e BTreeMap<String, String>, Vec<String>),
    ) -> Result<String, Failure> {
        let failed = |fault: Fault| fault.failure(format!("cannot ask `{machine}`"));
        let (environment, argv) = command();
        let id = command::send(self.account, machine, name, environment, &argv).map_err(failed)?;
        let mut pace = Pace::new(cx.stop);
        loop {
            let seen = command::look(self.account, machine, &id).map_err(failed)?;
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

    pub(super) fn start(&self, name: &str, call: &MigrationCall<'_>) -> Result<String, Failure> {
        let what = format!("cannot start `{}`", call.run.join(" "));
        let started = match &self.runs {
            Runs::Task {
                place,
                container,
                program,
                ..
            } => tasks::start(
                self.account,
                &TaskCall {
                    place,
                    container,
                    command: &words(program, call.run),
                    name,
                },
            ),
            Runs::Command {
                machine,
                program,
                environment,
                ..
            } => command::send(
                self.account,
                machine,
                name,
                environment,
                &words(program, call.run),
            ),
        };
        started.map_err(|fault| not_started(&fault, what))
    }

    /// Waits for the end, and tells what it writes meanwhile.
    pub(super) fn follow(
        &mut self,
        cx: &Context<'_>,
        note: &Note,
        call: &MigrationCall<'_>,
    ) -> Result<(State, Vec<String>), Failure> {
        let id = note.started.clone().unwrap_or_default();
        let mut lines: Vec<String> = Vec::new();
        let mut pace = Pace::new(cx.stop);
        loop {
            let state = self.look(&id)?.ok_or_else(|| forgotten(note))?;
            // After the state, so that nothing is lost that was written before the end.
            let more = self.lines(&id);
            if !more.is_empty() {
                pace.quicken();
            }
            lines.extend(more);
            let surplus = lines.len().saturating_sub(LINES);
            lines.drain(..surplus);
            let State::Underway(words) = state else {
                return Ok((state, lines));
            };
            let doing = lines.last().unwrap_or(&words);
            cx.progress.report(doing, None, None, None);
            pace.pause(&format!("`{}`", call.migration))?;
        }
    }

    fn look(&mut self, id: &str) -> Result<Option<State>, Failure> {
        let failed = |fault: Fault| fault.failure("cannot follow the migration");
        match &mut self.runs {
            Runs::Task {
                place, container, ..
            } => {
                let seen = tasks::look(self.account, &place.cluster, id, container);
                Ok(seen.map_err(failed)?.map(|seen| seen.state.into()))
            }
            Runs::Command {
                machine, output, ..
            } => {
                let seen = command::look(self.account, machine, id).map_err(failed)?;
                if let Some(CommandState::Exited { output: said, .. }) =
                    seen.as_ref().map(|seen| &seen.state)
                {
                    output.clone_from(said);
                }
                Ok(seen.map(|seen| seen.state.into()))
            }
        }
    }

    /// What it wrote since the last look. A log that cannot be read is no reason to stop following.
    fn lines(&mut self, id: &str) -> Vec<String> {
        match &mut self.runs {
            Runs::Task {
                place,
                container,
                log,
                ..
            } => {
                if log.is_none() {
                    *log = Stream::of(self.account, &place.definition, container, id)
                        .ok()
                        .flatten();
                }
                let read = log.as_mut().map(|log| log.lines(self.account));
                read.and_then(Result::ok).unwrap_or_default()
            }
            Runs::Command { output, .. } => {
                std::mem::take(output).lines().map(str::to_owned).collect()
            }
        }
    }

    /// Ends what runs, and waits until it has ended.
    pub(super) fn end(&self, cx: &Context<'_>, note: &Note) -> Result<(), Failure> {
        let failed = |fault: Fault| fault.failure("cannot end this step's migration");
        let id = note.started.as_deref().unwrap_or_default();
        let asked = match &self.runs {
            Runs::Task { place, .. } => {
                tasks::stop(self.account, &place.cluster, id, "discarded by switchback")
            }
            Runs::Command { machine, .. } => command::cancel(self.account, machine, id),
        };
        asked.map_err(failed)?;
        let mut pace = Pace::new(cx.stop);
        while let Some(State::Underway(_)) = self.find(cx, &mut note.clone())? {
            pace.pause("the end of the migration")?;
        }
        Ok(())
    }
}

impl From<TaskState> for State {
    fn from(state: TaskState) -> Self {
        match state {
            TaskState::Underway(words) => Self::Underway(words),
            TaskState::Exited { code, why } => Self::Exited { code, why },
            TaskState::Lost(why) => Self::Lost(why),
        }
    }
}

impl From<CommandState> for State {
    fn from(state: CommandState) -> Self {
        match state {
            CommandState::Underway(words) => Self::Underway(words),
            CommandState::Exited { code, .. } => Self::Exited { code, why: None },
            CommandState::Lost(why) => Self::Lost(why),
        }
    }
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

fn words(program: &str, run: &[String]) -> Vec<String> {
    std::iter::once(program.to_owned())
        .chain(run.iter().cloned())
        .collect()
}

fn place(stack: &Stack, output: &str) -> Result<TaskPlace, Failure> {
    let said = stack
        .outputs
        .get(output)
        .map(|output| output.value.as_str());
    said.and_then(TaskPlace::read).ok_or_else(|| {
        Failure::new(
            "no-operations",
            format!("`{}` does not tell where migrations run", stack.name),
        )
        .cause(match said {
            Some(said) => {
                format!("output `{output}` is `{said}`, not DEFINITION CLUSTER SUBNET… GROUP")
            }
            None => format!("it has no output `{output}`"),
        })
        .state("database", "was not migrated")
        .hint("see that the stack is the one with the operations task, then plan again")
    })
}

fn machine(account: &Account, stack: Stack) -> Result<String, Failure> {
    let name = stack.name.clone();
    let stacks = read::resources(account, vec![stack])
        .map_err(|fault| fault.failure(format!("cannot look at the resources of `{name}`")))?;
    let machines: Vec<String> = stacks
        .iter()
        .flat_map(|stack| &stack.resources)
        .filter(|resource| resource.kind == "AWS::EC2::Instance")
        .filter_map(|resource| resource.physical.clone())
        .collect();
    match machines.as_slice() {
        [one] => Ok(one.clone()),
        several => Err(Failure::new(
            "no-operations",
            format!(
                "`{name}` has {} machines, and migrations run on one",
                several.len()
            ),
        )
        .state("database", "was not migrated")
        .hint("plan again")),
    }
}

fn not_started(fault: &Fault, what: String) -> Failure {
    let failure = fault.failure(what).state("database", "was not migrated");
    match fault.code.as_str() {
        "RESOURCE:MEMORY" => failure
            .hint("no machine of the cluster has as much memory free as the task asks for: add one, or end what else runs there, then resume")
            .hint("or let the task ask for less: its memory is said in the stack of operations"),
        code if code.starts_with("RESOURCE:") || code == "AGENT" => failure
            .hint("the cluster has no room for the task: make some, then resume"),
        "InvalidInstanceId" => failure
            .hint("Systems Manager does not reach the machine: see that its agent runs and its role allows it, then resume"),
        "InvalidParameterException" => failure
            .hint("subnets, security group or task definition are gone or do not fit: look at the output of the stack, then resume"),
        _ => failure,
    }
}

fn forgotten(note: &Note) -> Failure {
    let started = note.started.as_deref().unwrap_or("what was asked for");
    Failure::new(
        "migration-unknown",
        format!("AWS no longer tells how `{started}` ended"),
    )
    .state("database", "unknown: the migration may have run")
    .hint("read its log in CloudWatch and decide: roll back, or run it by hand and plan again")
}

#[cfg(test)]
mod tests {
    use super::{is_version, not_started};
    use crate::fault::Fault;

    /// ECS answers such a request well, with a failure in it.
    #[test]
    fn a_task_without_a_place_says_what_the_cluster_lacks() {
        let fault =
            |reason: &str| Fault::answered("ecs:RunTask", reason.to_owned(), String::new(), 200);
        let told = not_started(
            &fault("RESOURCE:MEMORY"),
            "cannot start `is-db migrate`".to_owned(),
        );
        assert_eq!(told.what, "cannot start `is-db migrate`");
        assert_eq!(told.causes, ["`ecs:RunTask`: RESOURCE:MEMORY: "]);
        assert_eq!(told.state[0].seen.as_deref(), Some("was not migrated"));
        assert_eq!(
            told.hints,
            [
                "no machine of the cluster has as much memory free as the task asks for: add one, or end what else runs there, then resume",
                "or let the task ask for less: its memory is said in the stack of operations",
            ]
        );
        let told = not_started(&fault("RESOURCE:CPU"), String::new());
        assert_eq!(
            told.hints,
            ["the cluster has no room for the task: make some, then resume"]
        );
    }

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
