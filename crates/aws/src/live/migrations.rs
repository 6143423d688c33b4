//! Migrations as containers of a real engine, with real exit codes.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use switchback_engine::ports::{Context, Driver, Finding, MigrationCall, MigrationTrace};
use switchback_engine::signal::StopSignal;
use switchback_model::event::Completed;
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Act, Check, Expectation};
use switchback_model::stack::{
    ChangeAction, ForeseenChange, ParameterWish, Replacement, StackUpdate,
};
use switchback_model::{DatastoreName, MigrationId, ServiceName, Version};
use switchback_testkit::aws::{Containers, Image};

use super::standins::{Kind, StandIn};
use super::{Lab, deploy, template, version};
use crate::command::{self, CommandState};
use crate::notes::Note;
use crate::{Account, signed};

pub(super) const OPERATIONS: &str = "tts-5-2-ecs-ops";
pub(super) fn cluster(account: &Account, image: &str) {
    deploy(account, "tts-1-1-vpc", &template("v1", "1-1-vpc"), &[]);
    deploy(
        account,
        "tts-5-1-ecs-cluster",
        &template("v1", "5-1-ecs-cluster"),
        &[],
    );
    deploy(
        account,
        OPERATIONS,
        &template("v1", "5-2-ecs-ops"),
        &[("OpsImage", image)],
    );
}

fn act(words: &str, image: &str) -> Act {
    act_of(OPERATIONS, words, image)
}

/// A migration with the operations task of `stack`.
pub(super) fn act_of(stack: &str, words: &str, image: &str) -> Act {
    Act::Migrate {
        migration: MigrationId::new(words.replace(' ', "-")),
        version: version("3.32.1"),
        image: pin(image),
        service: ServiceName::new(stack),
        run: words.split(' ').map(str::to_owned).collect(),
        datastore: DatastoreName::new("postgres"),
        demanded_by: Vec::new(),
    }
}

/// That the services of a stack are steady with an image.
pub(super) fn stable(stack: &str, image: &str) -> Check {
    Check::Stable {
        images: BTreeMap::from([(ServiceName::new(stack), pin(image))]),
    }
}

/// That it ended well.
pub(super) fn migrated(words: &str) -> Expectation {
    Expectation::Migrated {
        migration: MigrationId::new(words.replace(' ', "-")),
        version: version("3.32.1"),
    }
}

fn pin(image: &str) -> ImagePin {
    ImagePin {
        reference: image.to_owned(),
        id: None,
        digest: None,
    }
}

/// What the engine asks for at a step.
pub(super) struct Wanted {
    migration: MigrationId,
    version: Version,
    image: ImagePin,
    service: ServiceName,
    run: Vec<String>,
}

impl Wanted {
    pub(super) fn of(act: &Act) -> Self {
        let Act::Migrate {
            migration,
            version,
            image,
            service,
            run,
            ..
        } = act.clone()
        else {
            panic!("a migration");
        };
        Self {
            migration,
            version,
            image,
            service,
            run,
        }
    }

    pub(super) fn call(&self) -> MigrationCall<'_> {
        MigrationCall {
            migration: &self.migration,
            version: &self.version,
            image: &self.image,
            service: &self.service,
            run: &self.run,
        }
    }

    fn done(&self) -> Expectation {
        Expectation::Migrated {
            migration: self.migration.clone(),
            version: self.version.clone(),
        }
    }
}

/// Relies on E1, E1c, E2, E3, E6 (ministack with docker, ok): tasks with real exit codes and log streams.
#[test]
fn migrations_run_as_tasks_and_count_by_their_exit_code() {
    let Some(image) = Image::make() else { return };
    let Some(ministack) = StandIn::start(Kind::MinistackOnDocker) else {
        return;
    };
    let _containers = Containers(&image);
    let account = Rc::new(ministack.account());
    cluster(&account, &image.name);
    let acts = ["is-db migrate", "is-db fail", "is-db slow", "is-db migrate"];
    let mut acts: Vec<Act> = acts.iter().map(|words| act(words, &image.name)).collect();
    acts.push(act("is-db migrate", "another/image:2"));
    let lab = Lab::of_acts(account, acts.clone());

    succeeds(&lab, &Wanted::of(&acts[0]));
    fails(&lab, &Wanted::of(&acts[1]));
    is_adopted(&lab, &Wanted::of(&acts[2]));

    let other = Wanted::of(&acts[4]);
    let failure = lab
        .driver()
        .migrate(&lab.step(5), &other.call())
        .expect_err("refused");
    assert_eq!(failure.code, "image-differs");
    assert_eq!(
        lab.driver()
            .trace(&lab.step(5), &other.migration)
            .expect("told"),
        MigrationTrace::NeverStarted
    );

    // What ECS no longer tells of is unknown, and not a migration that never ran.
    let forgotten = lab.step(4);
    Note {
        asked: Some(1_000_000),
        ..Note::default()
    }
    .keep(&forgotten)
    .expect("kept");
    let unknown = lab.driver().look(&forgotten, &Wanted::of(&acts[3]).done());
    assert!(matches!(unknown, Finding::Unknown { .. }), "{unknown:?}");

    no_image_is_no_exit_code(&lab.account);
}

fn succeeds(lab: &Lab, wanted: &Wanted) {
    let cx = lab.step(1);
    assert_eq!(
        lab.driver().trace(&cx, &wanted.migration).expect("told"),
        MigrationTrace::NeverStarted
    );
    let done = lab.driver().migrate(&cx, &wanted.call()).expect("migrated");
    assert_eq!(done.completed, Completed::Done);
    assert_eq!(done.summary, "migrated", "the last line of the log");
    assert_eq!(lab.driver().look(&cx, &wanted.done()), Finding::Holds);
    let task = done.facts["started"].clone();
    let again = lab.driver().migrate(&cx, &wanted.call()).expect("adopted");
    assert_eq!(
        (again.completed, &again.facts["started"]),
        (Completed::Adopted, &task)
    );
}

fn fails(lab: &Lab, wanted: &Wanted) {
    let cx = lab.step(2);
    let failure = lab
        .driver()
        .migrate(&cx, &wanted.call())
        .expect_err("exit code 3");
    assert_eq!(failure.code, "migration-failed");
    assert_eq!(failure.what, "`is-db fail` exited with 3");
    let output = failure.output.unwrap_or_default();
    assert!(output.contains("pq: column already exists"), "{output}");
    let trace = lab.driver().trace(&cx, &wanted.migration).expect("told");
    assert_eq!(trace, MigrationTrace::Exited { code: 3 });
    assert!(matches!(
        lab.driver().look(&cx, &wanted.done()),
        Finding::Differs { .. }
    ));
    // Discarded, it counts as never started, and the next try is another task.
    lab.driver()
        .discard(&cx, &wanted.migration)
        .expect("discarded");
    let trace = lab.driver().trace(&cx, &wanted.migration).expect("told");
    assert_eq!(trace, MigrationTrace::NeverStarted);
    let again = lab
        .driver()
        .migrate(&cx, &wanted.call())
        .expect_err("exit code 3 again");
    assert_eq!(again.code, "migration-failed");
}

/// As after `kill -9` between the request and the note of its answer.
fn is_adopted(lab: &Lab, wanted: &Wanted) {
    let cx = lab.step(3);
    lab.stop.raise();
    lab.stop.raise();
    let stopped = lab
        .driver()
        .migrate(&cx, &wanted.call())
        .expect_err("stopped at once");
    assert!(stopped.stopped, "{stopped:?}");
    let mut note = Note::read(&cx).expect("a note");
    let task = note.started.take().expect("a task");
    note.keep(&cx).expect("kept");

    let stop = StopSignal::default();
    let cx = Context {
        stop: &stop,
        ..lab.step(3)
    };
    assert_ne!(
        lab.driver().trace(&cx, &wanted.migration).expect("told"),
        MigrationTrace::NeverStarted
    );
    let done = lab.driver().migrate(&cx, &wanted.call()).expect("migrated");
    assert_eq!(
        (done.completed, &done.facts["started"]),
        (Completed::Adopted, &task)
    );
    assert_eq!(lab.driver().look(&cx, &wanted.done()), Finding::Holds);
}

/// Relies on section 3 (ministack with docker): an image that is not there ends a task without an exit code.
fn no_image_is_no_exit_code(account: &Rc<Account>) {
    let image = "127.0.0.1:1/none:1";
    let update = super::wish(
        OPERATIONS,
        &template("v1", "5-2-ecs-ops"),
        &[
            ("NetworkName", ParameterWish::Previous),
            ("EnvironmentName", ParameterWish::Previous),
            ("ClusterName", ParameterWish::Previous),
            ("OpsImage", super::value(image)),
        ],
    );
    let update = StackUpdate {
        expected: super::foreseen(&[ForeseenChange {
            logical: "TaskDefinition".to_owned(),
            kind: "AWS::ECS::TaskDefinition".to_owned(),
            action: ChangeAction::Modify,
            replacement: Replacement::Always,
        }]),
        ..update
    };
    let lab = Lab::of_acts(
        Rc::clone(account),
        vec![
            Act::Update {
                update: update.clone(),
            },
            act("is-db migrate", image),
        ],
    );
    lab.driver().update(&lab.step(1), &update).expect("updated");
    let wanted = Wanted::of(&act("is-db migrate", image));
    let failure = lab
        .driver()
        .migrate(&lab.step(2), &wanted.call())
        .expect_err("no image");
    assert_eq!(failure.code, "migration-failed");
    assert!(failure.what.contains("without an exit code"), "{failure:?}");
}

/// Relies on E5 (ministack with docker): a service becomes steady with what its definition names.
#[test]
fn services_are_waited_for_and_what_they_run_is_looked_at() {
    let Some(image) = Image::make() else { return };
    let Some(ministack) = StandIn::start(Kind::MinistackOnDocker) else {
        return;
    };
    let _containers = Containers(&image);
    let account = ministack.account();
    cluster(&account, &image.name);
    let services = "tts-5-4-ecs-services";
    deploy(
        &account,
        services,
        &template("v1", "5-4-ecs-services"),
        &[("StackImage", &image.name)],
    );
    let lab = Lab::new(account, act("is-db migrate", &image.name));
    let cx = lab.context();
    let done = lab
        .driver()
        .check(&cx, &stable(services, &image.name))
        .expect("steady");
    assert_eq!(done.summary, "1 services are steady");
    let other = image.name.replace(":1", ":2");
    let failure = lab
        .driver()
        .check(&cx, &stable(services, &other))
        .expect_err("another tag");
    assert_eq!(failure.code, "image-differs");
}

/// A machine that runs `image`, once Systems Manager reaches it.
fn machine(account: &Account, image: &Image) -> String {
    let registered = signed::ec2(
        account,
        "RegisterImage",
        &[("Name", "byol"), ("ImageLocation", &image.name)],
    )
    .expect("registered");
    let ami = between(&registered, "<imageId>", "</imageId>");
    let started = signed::ec2(
        account,
        "RunInstances",
        &[
            ("ImageId", ami),
            ("MinCount", "1"),
            ("MaxCount", "1"),
            ("InstanceType", "t3.small"),
        ],
    )
    .expect("started");
    let machine = between(&started, "<instanceId>", "</instanceId>").to_owned();
    let since = Instant::now();
    while !command::reached(account, std::slice::from_ref(&machine))
        .expect("told")
        .contains(&machine)
    {
        assert!(
            since.elapsed() < Duration::from_secs(30),
            "the machine is not managed"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    machine
}

/// Relies on F2, F3 (ministack with docker, ok): commands on a machine that is a container.
#[test]
fn commands_run_on_a_machine_and_are_found_again() {
    let Some(image) = Image::make() else { return };
    let Some(ministack) = StandIn::start(Kind::MinistackOnDocker) else {
        return;
    };
    let _containers = Containers(&image);
    let account = ministack.account();
    let machine = machine(&account, &image);
    let environment = BTreeMap::from([("TTN_LW_CONFIG".to_owned(), "/etc/c.yml".to_owned())]);
    for (words, code, said) in [
        (
            ["/bin/tti-lw-stack", "is-db", "migrate"],
            0,
            "args: is-db migrate",
        ),
        (
            ["/bin/tti-lw-stack", "is-db", "fail"],
            3,
            "pq: column already exists",
        ),
    ] {
        let argv = words.map(str::to_owned);
        let comment = format!("switchback-{code}");
        assert_eq!(
            command::find(&account, &machine, &comment).expect("asked"),
            None
        );
        let id = command::send(&account, &machine, &comment, &environment, &argv).expect("sent");
        let (found, output) = loop {
            let found = command::find(&account, &machine, &comment)
                .expect("asked")
                .expect("there");
            match found.state {
                CommandState::Exited { code, ref output } => break (code, output.clone()),
                CommandState::Underway(_) => std::thread::sleep(Duration::from_millis(30)),
                CommandState::Lost(why) => panic!("{id}: {why}"),
            }
        };
        assert_eq!(found, code);
        assert!(output.contains(said), "{output}");
    }
}

/// Relies on F2, F3 (ministack with docker, ok). Systems Manager takes no token: asked twice, it runs a migration twice. The
/// proxy spoils the answer after the stand-in has acted.
#[test]
fn a_command_whose_answer_is_lost_is_found_and_not_sent_twice() {
    let Some(image) = Image::make() else { return };
    let Some(ministack) = StandIn::start(Kind::MinistackOnDocker) else {
        return;
    };
    let Some(proxy) = ministack.spoiled() else {
        return;
    };
    let _containers = Containers(&image);
    let account = ministack.account();
    let machine = machine(&account, &image);
    proxy.rules(
        r#"[{"service":"ssm","operation":"SendCommand","times":1,"response":{"abort_frac":0.0}}]"#,
    );
    let argv = ["/bin/tti-lw-stack", "is-db", "migrate"].map(str::to_owned);
    let spoiled = proxy.account();
    let id = command::send(&spoiled, &machine, "once", &BTreeMap::new(), &argv).expect("sent");
    let sent = spoiled.calls().counts();
    let sent = sent.iter().find(|((_, it), _)| it == "ssm:SendCommand");
    assert_eq!(sent.map(|(_, count)| count.requests), Some(1));
    let listed = signed::ssm(&account, "ListCommands", &serde_json::json!({}));
    let listed = listed.expect("listed");
    let ids: Vec<&str> = listed["Commands"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|command| command["CommandId"].as_str())
        .collect();
    assert_eq!(ids, [id.as_str()]);
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).map_or("", |(_, rest)| rest);
    rest.split(after).next().unwrap_or_default()
}
