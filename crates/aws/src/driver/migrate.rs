//! Migrations: run where the product runs them, outlive us, and count by their exit code alone.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use switchback_engine::ports::{Context, Failure, Finding, MigrationCall, MigrationTrace};
use switchback_model::event::{Completed, Outcome};
use switchback_model::plan::Act;
use switchback_model::stack::Stack;

use super::{AwsDriver, Operations};
use crate::account::Account;
use crate::command::{self, CommandState};
use crate::fault::Fault;
use crate::logs::Stream;
use crate::notes::Note;
use crate::services;
use crate::stacks::read;
use crate::tasks::{self, TaskCall, TaskPlace, TaskState};
use crate::waiting::Pace;

/// ECS shows an ended task for an hour at least. One that was asked for longer ago and is not shown may have run.
const REMEMBERED: Duration = Duration::from_secs(50 * 60);
/// Lines of a migration that are kept.
const LINES: usize = 2_000;

/// How a migration is, wherever it runs.
enum State {
    Underway(String),
    Exited(i64),
    Lost(String),
}

/// Where a migration of this step runs, and what was started for it.
struct Job<'a> {
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

pub(super) fn trace(
    cx: &Context<'_>,
    account: &Account,
    driver: &AwsDriver,
) -> Result<MigrationTrace, Failure> {
    let mut note = Note::read(cx)?;
    if let Some(code) = note.exited {
        return Ok(MigrationTrace::Exited { code });
    }
    let job = Job::of_step(cx, account, driver)?;
    match job.find(cx, &mut note)? {
        Some(State::Underway(_)) => Ok(MigrationTrace::Running),
        Some(State::Exited(code)) => Ok(MigrationTrace::Exited { code }),
        // It has no exit code, and may have done half of its work.
        Some(State::Lost(_)) => Ok(MigrationTrace::Exited { code: -1 }),
        None => Ok(MigrationTrace::NeverStarted),
    }
}

pub(super) fn look(cx: &Context<'_>, account: &Account, driver: &AwsDriver) -> Finding {
    match trace(cx, account, driver) {
        Ok(MigrationTrace::Exited { code: 0 }) => Finding::Holds,
        Ok(MigrationTrace::Exited { code }) => Finding::Differs {
            found: format!("it exited with {code}"),
        },
        Ok(MigrationTrace::Running) => Finding::Differs {
            found: "it is running".to_owned(),
        },
        Ok(MigrationTrace::NeverStarted) => Finding::Differs {
            found: "it was never started".to_owned(),
        },
        Err(failure) => Finding::Unknown { why: failure.what },
    }
}

pub(super) fn migrate(
    cx: &Context<'_>,
    account: &Account,
    driver: &AwsDriver,
    call: &MigrationCall<'_>,
) -> Result<Outcome, Failure> {
    let mut job = Job::of_step(cx, account, driver)?;
    let mut note = Note::read(cx)?;
    let mut completed = Completed::Adopted;
    if job.find(cx, &mut note)?.is_none() {
        completed = Completed::Done;
        job.fits(call)?;
        note.asked = Some(now());
        note.keep(cx)?;
        let started = job.start(&note.name(cx), call)?;
        note.started = Some(started);
        note.keep(cx)?;
    }
    let (state, lines) = job.follow(cx, &note, call)?;
    let output = lines.join("\n");
    let shown = format!("`{}`", call.run.join(" "));
    match state {
        State::Exited(code) => {
            note.exited = Some(code);
            note.keep(cx)?;
            if code == 0 {
                let said = lines.last().cloned();
                return Ok(Outcome {
                    completed,
                    summary: said.unwrap_or_else(|| "ended well and said nothing".to_owned()),
                    facts: BTreeMap::from([(
                        "started".to_owned(),
                        note.started.unwrap_or_default(),
                    )]),
                    output: cx.commands.keep(&output)?,
                });
            }
            let mut failure =
                Failure::new("migration-failed", format!("{shown} exited with {code}"));
            failure.causes = lines.iter().rev().take(1).cloned().collect();
            Err(failure.output(output))
        }
        State::Lost(why) => {
            note.exited = Some(-1);
            note.keep(cx)?;
            Err(lost(&shown, &why).output(output))
        }
        State::Underway(_) => Err(Failure::new(
            "internal",
            "a migration that runs was not waited for",
        )),
    }
}

pub(super) fn discard(
    cx: &Context<'_>,
    account: &Account,
    driver: &AwsDriver,
) -> Result<(), Failure> {
    let mut note = Note::read(cx)?;
    if note.asked.is_none() {
        return Ok(());
    }
    let job = Job::of_step(cx, account, driver)?;
    if let Some(State::Underway(_)) = job.find(cx, &mut note)? {
        job.end(cx, &note)?;
    }
    // The next try has a name of its own, so that this one is never taken for it.
    Note {
        discarded: note.discarded + 1,
        ..Note::default()
    }
    .keep(cx)
}

impl<'a> Job<'a> {
    /// As the step's act says.
    fn of_step(
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
    fn find(&self, cx: &Context<'_>, note: &mut Note) -> Result<Option<State>, Failure> {
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
    fn fits(&self, call: &MigrationCall<'_>) -> Result<(), Failure> {
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
            Runs::Command { machine, .. } => {
                let reached = command::reached(self.account, std::slice::from_ref(machine))
                    .map_err(failed)?;
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
        }
    }

    fn start(&self, name: &str, call: &MigrationCall<'_>) -> Result<String, Failure> {
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
    fn follow(
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
    fn end(&self, cx: &Context<'_>, note: &Note) -> Result<(), Failure> {
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
            TaskState::Exited(code) => Self::Exited(code),
            TaskState::Lost(why) => Self::Lost(why),
        }
    }
}

impl From<CommandState> for State {
    fn from(state: CommandState) -> Self {
        match state {
            CommandState::Underway(words) => Self::Underway(words),
            CommandState::Exited { code, .. } => Self::Exited(code),
            CommandState::Lost(why) => Self::Lost(why),
        }
    }
}

impl Note {
    /// Whether what it asked for would be shown, had it been started.
    fn is_young(&self, now: u64) -> bool {
        self.asked
            .is_some_and(|asked| now.saturating_sub(asked) < REMEMBERED.as_secs())
    }
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
        code if code.starts_with("RESOURCE:") || code == "AGENT" => failure
            .hint("the cluster has no room for the task: make some, then resume"),
        "InvalidInstanceId" => failure
            .hint("Systems Manager does not reach the machine: see that its agent runs and its role allows it, then resume"),
        "InvalidParameterException" => failure
            .hint("subnets, security group or task definition are gone or do not fit: look at the output of the stack, then resume"),
        _ => failure,
    }
}

fn lost(shown: &str, why: &str) -> Failure {
    let failure = Failure::new(
        "migration-failed",
        format!("{shown} ended without an exit code"),
    )
    .cause(why);
    if why.contains("CannotPull") || why.contains("pull") {
        return failure
            .state("database", "was not migrated: the container never ran")
            .hint("see that the image exists and that the task may read it, then resume");
    }
    failure
        .state("database", "unknown: it may have done a part of its work")
        .hint("read its log, then resume or roll back")
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

/// Seconds since the epoch. Only ever compared with a margin of minutes.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
