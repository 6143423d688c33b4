//! A migration at AWS: what was started for it, how it goes, and its end.

mod place;
mod program;

use std::collections::BTreeMap;

use switchback_engine::ports::{Context, Failure, MigrationCall};
use switchback_model::stack::TaskPlace;

use crate::account::Account;
use crate::command::{self, CommandState};
use crate::fault::Fault;
use crate::logs::Stream;
use crate::notes::{Note, now};
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
        /// What the program tells its version to.
        version: &'a [String],
        environment: &'a BTreeMap<String, String>,
        output: String,
    },
}

impl<'a> Job<'a> {
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

fn words(program: &str, run: &[String]) -> Vec<String> {
    std::iter::once(program.to_owned())
        .chain(run.iter().cloned())
        .collect()
}

fn not_started(fault: &Fault, what: String) -> Failure {
    if fault.perhaps_done() {
        return fault
            .failure(what)
            .state("database", "unknown: the migration may have been started")
            .hint("resume: it is looked for, and not started a second time while it is there");
    }
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
    use super::not_started;
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
        let told = not_started(&Fault::unanswered("ecs:RunTask", "reset"), String::new());
        let database = told.state.iter().find(|it| it.subject == "database");
        let seen = database.and_then(|it| it.seen.as_deref());
        assert_eq!(seen, Some("unknown: the migration may have been started"));
    }
}
