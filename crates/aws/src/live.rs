//! The crate against stand-ins for AWS that others wrote. Each test says on which measured behaviour of its stand-in
//! it relies, by its number in `tests/STANDINS.md`, which also lists what they get wrong.

mod access;
mod databases;
mod deployment;
mod dying;
mod faults;
mod front;
mod half_way;
mod journeys;
mod looks;
mod machinery;
mod marks;
mod migrations;
mod objects;
mod opinions;
mod refreshes;
mod refusals;
mod releases;
mod replayed;
mod single;
mod standins;
mod sweep;
mod swept;
mod thirty;
mod tokens;
mod under_way;
mod updates;

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use switchback_engine::ports::{Context, Progress};
use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::plan::{Act, Interrupted, Plan, Stage, StageKind, Step, WayBack};
use switchback_model::stack::{
    ExpectedChanges, ForeseenChange, ParameterWish, StackUpdate, TemplatePlace, UpdateMode,
    body_digest,
};
use switchback_model::{RunId, StepNumber, Version};
use switchback_testkit::plans;

use crate::policy;
use crate::stacks::read;
use crate::{Account, AwsDriver, Conduct, Operations, whose};

/// One act at one account, as the engine would have it done.
struct Lab {
    directory: tempfile::TempDir,
    account: Rc<Account>,
    plan: Plan,
    run: RunId,
    commands: Commands,
    stop: StopSignal,
}

struct Quiet;

impl Progress for Quiet {
    fn report(&self, _: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {}
}

impl Lab {
    /// A plan of one step.
    fn new(account: Account, act: Act) -> Self {
        Self::of_acts(Rc::new(account), vec![act])
    }

    fn of_acts(account: Rc<Account>, acts: Vec<Act>) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let mut plan = plans::smallest();
        plan.account = Some(whose(&account));
        let steps = acts.into_iter().zip(1..).map(|(act, number)| Step {
            number: StepNumber(number),
            act,
            before: Vec::new(),
            after: Vec::new(),
            interrupted: Interrupted::Repeat,
            way_back: WayBack::NotNeeded,
            downtime: false,
            because: None,
        });
        plan.stages = vec![Stage {
            kind: StageKind::Run {
                to: version("3.32.1"),
            },
            required_by: Vec::new(),
            round: 1,
            steps: steps.collect(),
        }];
        let stop = StopSignal::default();
        Self {
            commands: Commands::new(
                directory.path().join("children"),
                Redactor::default(),
                stop.clone(),
            ),
            plan: plan.seal(),
            run: RunId::new("r-7c1d"),
            directory,
            account,
            stop,
        }
    }

    fn context(&self) -> Context<'_> {
        self.step(1)
    }

    fn step(&self, number: u32) -> Context<'_> {
        Context {
            plan: &self.plan,
            run: &self.run,
            step: StepNumber(number),
            backups: self.directory.path(),
            commands: &self.commands,
            progress: &Quiet,
            stop: &self.stop,
        }
    }

    /// A driver that remembers nothing, as after a crash.
    fn driver(&self) -> AwsDriver {
        AwsDriver::new(Rc::clone(&self.account), self.conduct())
    }

    fn conduct(&self) -> Conduct {
        Conduct {
            operations: operations(),
            bucket: Some("templates".to_owned()),
            directory: self.directory.path().to_owned(),
        }
    }
}

/// How the product of these tests migrates.
fn operations() -> Operations {
    Operations::Task {
        output: "OpsRunTaskArguments".to_owned(),
        container: "ttes".to_owned(),
        program: "/bin/tti-lw-stack".to_owned(),
    }
}

/// What tests do that nobody else does: an operator's work of long before.
const BEFORE: [&str; 8] = [
    "cloudformation:CreateStack",
    "ec2:ModifyInstanceAttribute",
    "ec2:RegisterImage",
    "ec2:RunInstances",
    "elasticache:CreateReplicationGroup",
    "rds:CreateDBCluster",
    "rds:CreateDBInstance",
    "s3:CreateBucket",
];

impl Drop for Lab {
    /// No call was made that the policy of its phase does not allow.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        within_policy(&self.account);
    }
}

fn within_policy(account: &Account) {
    for (phase, action) in account.calls().counts().into_keys() {
        let allowed = BEFORE.contains(&action.as_str()) || policy::allows(phase, &action);
        assert!(allowed, "`{action}` in {phase:?} is in no policy");
    }
}

fn version(text: &str) -> Version {
    Version::new(text)
}

/// Where a template of these tests is.
fn template(version: &str, name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/templates")
        .join(version)
        .join(format!("{name}.yml"));
    path.canonicalize()
        .expect("a template")
        .to_string_lossy()
        .into_owned()
}

fn place(path: &str) -> TemplatePlace {
    let text = std::fs::read_to_string(path).expect("a template");
    TemplatePlace {
        digest: body_digest(&text),
        bytes: text.len() as u64,
        place: path.to_owned(),
    }
}

/// An update of a stack to a template, with every parameter said. Anything may change but what `expected` forbids.
fn wish(stack: &str, path: &str, parameters: &[(&str, ParameterWish)]) -> StackUpdate {
    StackUpdate {
        stack: stack.to_owned(),
        of: stack.to_owned(),
        mode: UpdateMode::Update,
        template: Some(place(path)),
        parameters: parameters
            .iter()
            .map(|(key, wish)| ((*key).to_owned(), wish.clone()))
            .collect(),
        capabilities: Vec::new(),
        tags: BTreeMap::new(),
        expected: foreseen(&[]),
        version: version("3.32.1"),
    }
}

fn foreseen(changes: &[ForeseenChange]) -> ExpectedChanges {
    ExpectedChanges::Foreseen {
        changes: changes.to_vec(),
    }
}

fn value(text: &str) -> ParameterWish {
    ParameterWish::Value {
        value: text.to_owned(),
    }
}

/// Makes a stack as an operator would have, long before.
fn deploy(account: &Account, stack: &str, path: &str, parameters: &[(&str, &str)]) -> String {
    use aws_sdk_cloudformation::types::{Capability, Parameter};
    let text = std::fs::read_to_string(path).expect("a template");
    let parameters = parameters
        .iter()
        .map(|(key, value)| {
            Parameter::builder()
                .parameter_key(*key)
                .parameter_value(*value)
                .build()
        })
        .collect();
    let request = account
        .cloudformation
        .create_stack()
        .stack_name(stack)
        .template_body(text)
        .capabilities(Capability::CapabilityNamedIam)
        .set_parameters(Some(parameters));
    let made = account.wait(request.send()).expect("a stack is made");
    let now = loop {
        let now = read::one(account, stack).expect("read").expect("there");
        if !now.status.in_progress() {
            break now;
        }
        std::thread::sleep(Duration::from_millis(30));
    };
    assert_eq!(
        now.status.as_str(),
        "CREATE_COMPLETE",
        "{stack}: {:?}",
        now.reason
    );
    made.stack_id.expect("an ARN")
}
