//! The engine dies at every journal write and in the middle of every act, another goes on over the same journal, and
//! in the end everything was done once.

use std::collections::BTreeMap;
use std::rc::Rc;

use aws_sdk_ecs::types::DesiredStatus;
use switchback_engine::ports::Site;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_engine::{Ended, Engine, Order};
use switchback_journal::StateDirectory;
use switchback_model::RunId;
use switchback_model::plan::{Act, Expectation, Origin, Plan, WayBack};
use switchback_model::stack::{
    ChangeAction, ForeseenChange, KeepBy, ParameterWish, Replacement, StackIs, StackUpdate, Store,
    StoreKind, TaskPlace, body_digest,
};
use switchback_testkit::aws::{Containers, Image};
use switchback_testkit::crash::{CrashPoints, Crashed, survive};

use super::dying::{Dying, Witness, process};
use super::standins::{Kind, StandIn};
use super::{Lab, deploy, foreseen, migrations, template, value, wish};
use crate::Account;
use crate::stacks::{events, read};

/// The stand-ins of all upgrades: stacks and tasks on one, databases on the other, which snapshots them.
struct Cloud {
    stacks: StandIn,
    databases: StandIn,
}

impl Cloud {
    fn account(&self) -> Account {
        let mut settings = self.stacks.settings();
        let url = self.databases.url.clone();
        settings.endpoints.insert("rds".to_owned(), url);
        Account::open(&settings).expect("the stand-in says who asks")
    }

    /// What every upgrade shares: a network, a service, a database.
    fn prepare(&self, image: &str) -> Account {
        let account = self.account();
        for (stack, parameters) in [
            ("1-1-vpc", vec![]),
            ("5-1-ecs-cluster", vec![]),
            ("5-4-ecs-services", vec![("StackImage", image)]),
        ] {
            deploy(
                &account,
                &format!("tts-{stack}"),
                &template("v1", stack),
                &parameters,
            );
        }
        let request = account
            .rds
            .create_db_cluster()
            .db_cluster_identifier("aurora")
            .engine("aurora-postgresql")
            .master_username("postgres")
            .master_user_password("changeme1234");
        account.wait(request.send()).expect("a cluster");
        account
    }
}

/// One upgrade of one operations stack, beside many others.
struct Upgrade {
    lab: Lab,
    stack: String,
    state: StateDirectory,
    crash: CrashPoints,
}

impl Upgrade {
    /// A stack of its own, and a plan: snapshot, update, migration, look.
    fn new(cloud: &Cloud, image: &str, number: u64) -> Self {
        let account = cloud.account();
        let stack = format!("tts-ops-{number}");
        let id = deploy(
            &account,
            &stack,
            &template("v1", "5-2-ecs-ops"),
            &[("OpsImage", "example/stack:3.30.0")],
        );
        let store = Store {
            stack: "tts-2-1-db-aurora-master".to_owned(),
            logical: "DBCluster".to_owned(),
            physical: "aurora".to_owned(),
            kind: StoreKind::DatabaseCluster,
            engine: None,
            gibibytes: None,
            history: None,
        };
        let acts = vec![
            Act::Snapshot {
                store: store.clone(),
                by: KeepBy::Snapshot,
            },
            Act::Update {
                update: update(&stack, image),
            },
            migrations::act_of(&stack, "is-db migrate", image),
            Act::Verify {
                checks: vec![migrations::stable("tts-5-4-ecs-services", image)],
            },
        ];
        let mut lab = Lab::of_acts(Rc::new(account), acts);
        let before = is(&stack, &id, "v1", "example/stack:3.30.0");
        let after = is(&stack, &id, "v2", image);
        let snapshotted = Expectation::Snapshotted {
            stack: store.stack,
            logical: store.logical,
        };
        let expected = [
            (Vec::new(), vec![snapshotted]),
            (vec![before], vec![after.clone()]),
            (vec![after], vec![migrations::migrated("is-db migrate")]),
            (Vec::new(), Vec::new()),
        ];
        for (step, (before, after)) in lab.plan.stages[0].steps.iter_mut().zip(expected) {
            step.way_back = WayBack::None {
                because: "data that was migrated comes back from a snapshot alone".to_owned(),
            };
            (step.before, step.after) = (before, after);
        }
        let plan = &mut lab.plan;
        plan.datastores.clear();
        plan.origin = Origin::default();
        plan.to = super::version("3.32.1");
        lab.plan = lab.plan.clone().seal();
        Self {
            state: StateDirectory::open(lab.directory.path().join("state")).expect("a state"),
            lab,
            stack,
            crash: CrashPoints::default(),
        }
    }

    /// A new process works on the run until it ends or dies.
    fn work(&self, cloud: &Cloud) -> Result<Ended, Crashed> {
        let engine = Engine::new(
            self.state.clone(),
            Redactor::default(),
            StopSignal::default(),
        )
        .with_process(process());
        let account = Rc::new(cloud.account());
        let site = Site {
            driver: Box::new(Dying::new(&account, self.lab.conduct(), &self.crash)),
            datastores: BTreeMap::new(),
        };
        let plan: &Plan = &self.lab.plan;
        let run = RunId::new("r-7c1d");
        let order = Order {
            plan,
            run: &run,
            deployment: &plan.deployment,
            accepted: &[],
            done: &[],
            by: "tester@lab",
            program: "0.0.0",
        };
        let witness = Witness {
            crash: &self.crash,
            before: "",
        };
        survive(|| {
            engine
                .run(&order, &site, &witness)
                .expect("the order is taken")
        })
    }

    /// How many of these tasks run what this upgrade's stack defines.
    fn ours(&self, account: &Account, place: &TaskPlace, tasks: &[String]) -> usize {
        if tasks.is_empty() {
            return 0;
        }
        let request = account.ecs.describe_tasks().cluster(&place.cluster);
        let told = account
            .wait(request.set_tasks(Some(tasks.to_vec())).send())
            .expect("told");
        let own = |definition: Option<&str>| definition == Some(place.definition.as_str());
        let tasks = told.tasks().iter();
        tasks.filter(|task| own(task.task_definition_arn())).count()
    }

    /// Everything was done, and once.
    fn assert_done(&self, account: &Account, why: &str) {
        let stack = &self.stack;
        let events = events::newest(account, stack).expect("events");
        let updates = events.iter().filter(|event| {
            events::is_of_stack(event, stack) && event.status == "UPDATE_IN_PROGRESS"
        });
        assert_eq!(updates.count(), 1, "{why}");
        let now = read::one(account, stack).expect("read").expect("there");
        let place = TaskPlace::read(&now.outputs["OpsRunTaskArguments"].value);
        let place = place.expect("five words");
        let tasks: usize = [DesiredStatus::Running, DesiredStatus::Stopped]
            .map(|status| {
                let request = account.ecs.list_tasks().cluster(&place.cluster);
                let request = request.family(place.family()).desired_status(status);
                let listed = account.wait(request.send()).expect("listed");
                self.ours(account, &place, listed.task_arns())
            })
            .iter()
            .sum();
        assert_eq!(tasks, 1, "{why}");
    }
}

fn update(stack: &str, image: &str) -> StackUpdate {
    StackUpdate {
        expected: foreseen(&[ForeseenChange {
            logical: "TaskDefinition".to_owned(),
            kind: "AWS::ECS::TaskDefinition".to_owned(),
            action: ChangeAction::Modify,
            replacement: Replacement::Always,
        }]),
        ..wish(
            stack,
            &template("v2", "5-2-ecs-ops"),
            &[
                ("NetworkName", ParameterWish::Previous),
                ("EnvironmentName", ParameterWish::Previous),
                ("ClusterName", ParameterWish::Previous),
                ("OpsImage", value(image)),
            ],
        )
    }
}

fn is(stack: &str, id: &str, version: &str, image: &str) -> Expectation {
    let text = std::fs::read_to_string(template(version, "5-2-ecs-ops")).expect("a template");
    Expectation::Stack {
        is: StackIs {
            stack: stack.to_owned(),
            id: Some(id.to_owned()),
            body: body_digest(&text),
            parameters: [
                ("NetworkName", "tts"),
                ("EnvironmentName", "prod"),
                ("ClusterName", "eu1"),
                ("OpsImage", image),
            ]
            .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
            .into(),
        },
    }
}

/// Relies on C7, C20, E1-E3, E5 (ministack with docker, ok) and D3 (moto, ok): the output follows the task definition,
/// events carry the token, tasks are listed with who started them, snapshots of clusters.
#[test]
fn a_killed_upgrade_goes_on_and_does_everything_once() {
    let Some(image) = Image::make() else { return };
    let (Some(stacks), Some(databases)) = (
        StandIn::start(Kind::MinistackOnDocker),
        StandIn::start(Kind::Moto),
    ) else {
        return;
    };
    let _containers = Containers(&image);
    let cloud = Cloud { stacks, databases };
    let account = cloud.prepare(&image.name);
    let whole = Upgrade::new(&cloud, &image.name, 0);
    let ended = whole.work(&cloud).expect("nobody dies");
    assert!(matches!(ended, Ended::Finished { .. }), "{ended:?}");
    whole.assert_done(&account, "in one go");
    let points = whole.crash.passed();
    assert!(points > 15, "{points}");
    for fatal in 1..=points {
        let upgrade = Upgrade::new(&cloud, &image.name, fatal);
        upgrade.crash.arm(fatal);
        let crashed = upgrade.work(&cloud).expect_err("it dies");
        upgrade.crash.arm(0);
        let why = format!("died at point {fatal}, {}", crashed.at);
        let ended = upgrade.work(&cloud).expect("nobody dies");
        assert!(matches!(ended, Ended::Finished { .. }), "{why}: {ended:?}");
        upgrade.assert_done(&account, &why);
    }
}
