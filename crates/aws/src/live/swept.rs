//! A run that is killed wherever it can be, and what it did at AWS all the same: everything, once.

use std::collections::BTreeMap;

use aws_sdk_ecs::types::DesiredStatus;
use serde_json::json;
use switchback_engine::Ended;
use switchback_model::RunId;
use switchback_model::event::Event;
use switchback_model::plan::{Act, Plan};
use switchback_model::stack::{StackUpdate, UpdateMode};
use switchback_testkit::crash::CrashPoints;

use super::deployment::Deployment;
use super::dying::{Witness, line};
use crate::calls::changes_something;
use crate::notes::name_of;
use crate::stacks::events;
use crate::{Account, Operations, signed};

/// Each restart brings a run further by at least one line or call: more than this, and it goes round in circles.
const PATIENCE: usize = 5_000;

/// A run and the places where its processes died.
pub(super) struct Swept<'a> {
    deployment: &'a Deployment,
    plan: &'a Plan,
    run: RunId,
    crash: CrashPoints,
    /// Where the last process died.
    before: String,
    /// How many did.
    pub(super) killed: usize,
    /// Requests that change something, by action, of all processes.
    asked: BTreeMap<String, u64>,
}

impl<'a> Swept<'a> {
    pub(super) fn new(deployment: &'a Deployment, plan: &'a Plan, run: &str) -> Self {
        Self {
            deployment,
            plan,
            run: RunId::new(run),
            crash: CrashPoints::each_once(),
            before: String::new(),
            killed: 0,
            asked: BTreeMap::new(),
        }
    }

    /// Processes work on the run, one after the other. Each is killed at the first line of the journal, call that changes
    /// something, or place in an act, that killed none before it; until one comes through.
    pub(super) fn until_it_ends(&mut self) -> Ended {
        for _ in 0..PATIENCE {
            let witness = Witness {
                crash: &self.crash,
                before: &self.before,
            };
            let (ended, account) = self.deployment.work(self.plan, &self.run, &witness);
            for ((_, action), count) in account.calls().counts() {
                if changes_something(&action) {
                    *self.asked.entry(action).or_default() += count.requests;
                }
            }
            match ended {
                Ok(ended) => return ended,
                Err(crashed) => self.before = crashed.at,
            }
            self.killed += 1;
        }
        panic!("it never ends: {:?}", self.crash.died_at());
    }

    /// Somebody died behind every line of the journal, and everything was done at AWS once: as it was asked there, and
    /// as it tells itself. Says how many lines that were.
    pub(super) fn assert_once(&self) -> usize {
        let account = self.deployment.account();
        let lines = self.assert_died_behind_every_line();
        self.assert_asked_once();
        for (_, step) in self.plan.steps() {
            if let Act::Update { update } = &step.act
                && self.is_finished(step.number.0)
            {
                self.assert_updated_once(&account, update, step.number.0);
            }
        }
        self.assert_started_once(&account);
        lines
    }

    fn assert_died_behind_every_line(&self) -> usize {
        let died_at = self.crash.died_at();
        let events = self.deployment.events(&self.run);
        for event in &events {
            let line = line(event);
            let known = match event {
                Event::RunResumed { .. } => died_at.iter().any(|it| it.starts_with(&line)),
                _ => died_at.contains(&line),
            };
            assert!(known, "nobody died behind `{line}`");
        }
        events.len()
    }

    fn is_finished(&self, wanted: u32) -> bool {
        let events = self.deployment.events(&self.run);
        let mut steps = events.iter().filter_map(|event| match event {
            Event::StepFinished { step, .. } => Some(step.0),
            _ => None,
        });
        steps.any(|step| step == wanted)
    }

    /// How many steps of this kind are done.
    fn finished(&self, kind: impl Fn(&Act) -> bool) -> u64 {
        let steps = self.plan.steps();
        let done = steps.filter(|(_, step)| kind(&step.act) && self.is_finished(step.number.0));
        done.count() as u64
    }

    /// What was asked for adds up to the steps that are done.
    fn assert_asked_once(&self) {
        let mut asked = self.asked.clone();
        // Computed anew by whoever finds that a process before it died over one, which changes no stack.
        asked.remove("cloudformation:CreateChangeSet");
        asked.remove("cloudformation:DeleteChangeSet");
        // Of a migration that fails, each try is one: [`Self::assert_started_once`].
        asked.remove("ecs:RunTask");
        asked.remove("ssm:SendCommand");
        let executed = asked
            .remove("cloudformation:ExecuteChangeSet")
            .unwrap_or_default();
        let updates = self.finished(|act| matches!(act, Act::Update { .. }));
        assert_eq!(executed, updates, "change sets are executed once");
        let gone = asked
            .remove("cloudformation:DeleteStack")
            .unwrap_or_default();
        let removed = self.finished(|act| matches!(act, Act::Remove { .. }));
        assert_eq!(gone, removed, "stacks are removed once");
        let taken: u64 = [
            "ec2:CreateSnapshot",
            "elasticache:CreateSnapshot",
            "rds:CreateDBClusterSnapshot",
            "rds:CreateDBSnapshot",
        ]
        .iter()
        .filter_map(|action| asked.remove(*action))
        .sum();
        let snapshots = self.finished(|act| matches!(act, Act::Snapshot { .. }));
        assert_eq!(taken, snapshots, "snapshots are taken once");
        assert!(asked.is_empty(), "nothing else is changed: {asked:?}");
    }

    fn assert_updated_once(&self, account: &Account, update: &StackUpdate, step: u32) {
        let stack = update.stack.as_str();
        let first = match update.mode {
            UpdateMode::Update => "UPDATE_IN_PROGRESS",
            UpdateMode::Create => "CREATE_IN_PROGRESS",
        };
        let token = format!("{}-{step}-", name_of(&self.run, &self.plan.id));
        let all = events::until(account, stack, |_| false).expect("events");
        let begun = all.iter().filter(|event| {
            events::is_of_stack(event, stack)
                && event.status == first
                && event
                    .token
                    .as_ref()
                    .is_some_and(|it| it.starts_with(&token))
        });
        assert_eq!(begun.count(), 1, "step {step} updates `{stack}` once");
    }

    /// Each try of a migration was started once, and the one that ended well was the only one.
    fn assert_started_once(&self, account: &Account) {
        let all = match self.deployment.operations() {
            Operations::Task { .. } => tasks(account),
            Operations::Command { .. } => commands(account),
        };
        let mut known = all.clone();
        known.sort_unstable();
        known.dedup();
        for (_, step) in self.plan.steps() {
            let Act::Migrate { .. } = &step.act else {
                continue;
            };
            let name = format!("{}-{}-", name_of(&self.run, &self.plan.id), step.number);
            let started = all.iter().filter(|it| it.starts_with(&name)).count();
            let tries = known.iter().filter(|it| it.starts_with(&name)).count();
            assert_eq!(started, tries, "step {}: each try once", step.number);
            if self.is_finished(step.number.0) {
                assert_eq!(started, 1, "step {} migrates once", step.number);
            }
        }
    }
}

/// Whose every task of every cluster is, running or ended.
fn tasks(account: &Account) -> Vec<String> {
    let clusters = account
        .wait(account.ecs.list_clusters().send())
        .expect("listed");
    let mut owners = Vec::new();
    for cluster in clusters.cluster_arns() {
        for status in [DesiredStatus::Running, DesiredStatus::Stopped] {
            let request = account.ecs.list_tasks().cluster(cluster);
            let listed = account
                .wait(request.desired_status(status).send())
                .expect("listed");
            for some in listed.task_arns().chunks(100) {
                let request = account.ecs.describe_tasks().cluster(cluster);
                let told = account
                    .wait(request.set_tasks(Some(some.to_vec())).send())
                    .expect("told");
                let started_by = told.tasks().iter().filter_map(|task| task.started_by());
                owners.extend(started_by.map(str::to_owned));
            }
        }
    }
    owners
}

/// What every command on a machine is called, but those that only ask for a version.
fn commands(account: &Account) -> Vec<String> {
    let answer = signed::ssm(account, "ListCommands", &json!({ "MaxResults": 50 }));
    let answer = answer.expect("listed");
    assert!(answer["NextToken"].is_null(), "all of them");
    let commands = answer["Commands"].as_array().expect("a list").iter();
    let names = commands.filter_map(|command| command["Comment"].as_str());
    let names = names.filter(|name| !name.ends_with("-version"));
    names.map(str::to_owned).collect()
}
