//! One run of switchback, as its events tell it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::subject::Subject;

/// What each step of a run was and took.
#[derive(Default)]
pub(super) struct Upgrade {
    steps: Vec<Step>,
    downtime: f64,
    methods: BTreeMap<String, String>,
    /// Bytes that the plan foretold for the backups.
    pub(super) foretold: u64,
}

/// Verb, kind of datastore and downtime, by number of the step.
type Steps = BTreeMap<u64, (String, String, bool)>;

struct Step {
    verb: String,
    kind: String,
    down: bool,
    took: f64,
}

impl Upgrade {
    /// Plans and applies.
    pub(super) fn apply(subject: &Subject, to: &str) -> Result<Self> {
        Self::apply_heard(subject, to, |_| {})
    }

    /// The same; `heard` is told what kind of step begins.
    pub(super) fn apply_heard(
        subject: &Subject,
        to: &str,
        heard: impl FnMut(&str),
    ) -> Result<Self> {
        subject.plan(to)?;
        Self::of(subject, &["apply", "--accept", "contact-infos"], heard)
    }

    /// Takes the last run back.
    pub(super) fn rollback(subject: &Subject) -> Result<Self> {
        Self::of(subject, &["rollback", "--accept", "data-loss"], |_| {})
    }

    fn of(subject: &Subject, words: &[&str], mut heard: impl FnMut(&str)) -> Result<Self> {
        let mut child = subject
            .switchback(words)
            .args(["--yes", "--format", "json"])
            .into_command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start switchback")?;
        let mut upgrade = Self::default();
        let mut about = Steps::new();
        let told = child.stdout.take().context("no output")?;
        for line in BufReader::new(told).lines() {
            let Ok(line) = serde_json::from_str::<Value>(&line?) else {
                continue;
            };
            let event = &line["event"];
            let step = event["step"].as_u64().and_then(|step| about.get(&step));
            match (event["event"].as_str(), step) {
                (Some("run-started"), _) => {
                    let plan = subject.saved(event["plan"].as_str().unwrap_or_default())?;
                    (about, upgrade.methods) = (steps(&plan), methods(&plan));
                    upgrade.foretold = space(&plan);
                }
                (Some("step-started"), Some((verb, ..))) => heard(verb),
                (Some("step-finished"), Some((verb, kind, down))) => upgrade.steps.push(Step {
                    verb: verb.clone(),
                    kind: kind.clone(),
                    down: *down,
                    took: event["took"].as_f64().unwrap_or(0.0) / 1_000.0,
                }),
                (Some("run-finished"), _) => {
                    upgrade.downtime = event["downtime"].as_f64().unwrap_or(0.0) / 1_000.0;
                }
                _ => {}
            }
        }
        let ended = child.wait()?;
        ensure!(ended.success(), "{} ended with {ended}", words[0]);
        Ok(upgrade)
    }

    /// Every kind of step and what it took, in order, e.g. `stop 0.3 s, restore 0.9 s`.
    pub(super) fn in_words(&self) -> String {
        let mut verbs: Vec<&str> = Vec::new();
        for step in &self.steps {
            if !verbs.contains(&step.verb.as_str()) {
                verbs.push(&step.verb);
            }
        }
        let took = |verb: &&str| format!("{verb} {:.1} s", self.took(verb));
        verbs.iter().map(took).collect::<Vec<_>>().join(", ")
    }

    /// Fails where the plan chose another method.
    pub(super) fn require(&self, method: &str) -> Result<()> {
        for (datastore, chosen) in &self.methods {
            ensure!(
                chosen == method,
                "`{datastore}` was kept by {chosen}, not by {method}"
            );
        }
        Ok(())
    }

    /// Seconds without service by the journal.
    pub(super) fn downtime(&self) -> f64 {
        self.downtime
    }

    /// What downtime must contain.
    pub(super) fn needed(&self) -> f64 {
        ["stop", "set", "migrate", "start", "verify"]
            .map(|verb| self.down(verb))
            .iter()
            .sum()
    }

    /// Seconds in steps of a kind.
    pub(super) fn took(&self, verb: &str) -> f64 {
        self.sum(|step| step.verb == verb)
    }

    /// The same, of those while users are without service.
    pub(super) fn down(&self, verb: &str) -> f64 {
        self.sum(|step| step.verb == verb && step.down)
    }

    /// The same, of those about one kind of datastore.
    pub(super) fn of_kind(&self, verb: &str, kind: &str) -> f64 {
        self.sum(|step| step.verb == verb && step.kind == kind)
    }

    fn sum(&self, wanted: impl Fn(&Step) -> bool) -> f64 {
        let wanted = self.steps.iter().filter(|step| wanted(step));
        // The sum of nothing is a negative zero.
        wanted.fold(0.0, |sum, step| sum + step.took)
    }
}

/// Verb, kind of datastore and downtime of every step.
fn steps(plan: &Value) -> Steps {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let stages = plan["stages"].as_array().into_iter().flatten();
    let steps = stages.flat_map(|stage| stage["steps"].as_array().into_iter().flatten());
    steps
        .filter_map(|step| {
            let act = &step["act"];
            let datastore = text(&act["datastore"]);
            let kind = text(&plan["datastores"][&datastore]["location"]["kind"]);
            let down = step["downtime"].as_bool().unwrap_or(false);
            Some((step["number"].as_u64()?, (text(&act["do"]), kind, down)))
        })
        .collect()
}

/// Bytes of all backups, as the plan has it.
fn space(plan: &Value) -> u64 {
    let keeping = plan["forecast"]["keeping"].as_object();
    let of = |forecast: &Value| forecast["space"].as_u64().unwrap_or(0);
    keeping.into_iter().flatten().map(|(_, it)| of(it)).sum()
}

/// The chosen method of every datastore that has one of its own.
fn methods(plan: &Value) -> BTreeMap<String, String> {
    let datastores = plan["datastores"].as_object().into_iter().flatten();
    datastores
        .filter(|(_, datastore)| datastore["kept_with"].is_null())
        .map(|(name, datastore)| {
            let method = datastore["method"].as_str().unwrap_or_default();
            (name.clone(), method.to_owned())
        })
        .collect()
}
