//! From `init` to an upgraded deployment and back, with the process killed in the middle of either.

use std::process::Child;
use std::time::{Duration, Instant};

use switchback_testkit::aws::{Containers, Image, Kind, StandIn};

use crate::lab::{Lab, REPOSITORY, Said};

/// A migration that ends when it is let go, so that the process which waits for it can be killed before.
const PROGRAM: &str = "#!/bin/sh
echo \"args: $*\"
case \"$*\" in
*migrate*) while ! [ -e /tmp/go ]; do sleep 0.1; done; echo 'applied 3 migrations';;
*) exec sleep 100000;;
esac
";

/// Relies on E1, E1c, E2, E3, E5, E6 (ministack with docker, ok): tasks with real exit codes; services; C7, C9, C20.
#[test]
fn a_deployment_is_upgraded_and_taken_back_by_two_processes_of_which_one_is_killed() {
    const STACKS: [&str; 5] = [
        "1-1-vpc",
        "2-1-db-aurora-master",
        "5-1-ecs-cluster",
        "5-2-ecs-ops",
        "5-4-ecs-services",
    ];
    let Some(images) = Image::releases(REPOSITORY, &["3.30.0", "3.32.1"], PROGRAM) else {
        return;
    };
    let Some(ministack) = StandIn::start(Kind::MinistackOnDocker) else {
        return;
    };
    let _containers = (Containers(&images[0]), Containers(&images[1]));
    Lab::deploy(&ministack, &STACKS, &images[0].name);
    let before = STACKS.map(|name| Shown::of(&ministack, name));
    let lab = Lab::new(&ministack);
    let init = lab.switchback(&["init", "--aws", "--region", "us-east-1"]);
    assert_eq!(init.code, 0, "{}", init.all);
    assert!(
        init.all
            .contains("enterprise edition, 5 stacks of account 123456789012 in us-east-1"),
        "{}",
        init.all
    );
    let written = std::fs::read_to_string(lab.path("switchback.toml")).expect("it was written");
    assert!(
        written.contains("tts-5-2-ecs-ops = \"5-2-ecs-ops\""),
        "{written}"
    );
    lab.configure("");
    lab.offer("3.32.1", |_, text| text);

    let plan = lab.switchback(&["plan", "--to", "3.32.1"]);
    assert_eq!(plan.code, 0, "{}", plan.all);
    assert!(plan.all.contains("as AWS computes it"), "{}", plan.all);

    let killed = lab.start(&["apply", "--yes", "--accept", "noc-statistics"]);
    let migrations = || {
        let run = images[1].containers();
        run.iter()
            .filter(|command| command.contains("is-db migrate"))
            .count()
    };
    let status = kill_once(&lab, killed, || migrations() > 0, "no migration began");
    assert!(status.all.contains("switchback resume"), "{}", status.all);
    let early = lab.switchback(&["rollback", "--yes"]);
    assert_eq!(early.code, 3, "{}", early.all);
    assert!(early.all.contains("still runs"), "{}", early.all);

    images[1].let_go();
    let resumed = lab.switchback(&["resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.all);
    assert!(
        resumed.all.contains("prod runs the-things-stack 3.32.1"),
        "{}",
        resumed.all
    );
    assert_eq!(migrations(), 1, "it was adopted, not run again");

    let status = lab.switchback(&["status"]);
    assert!(status.all.contains("5 steady"), "{}", status.all);
    assert!(status.all.contains(":3.32.1"), "{}", status.all);
    let history = lab.switchback(&["history"]);
    assert!(history.all.contains("3.30.0 → 3.32.1"), "{}", history.all);
    let log = lab.switchback(&["log"]);
    assert!(log.all.contains("migrate"), "{}", log.all);
    let again = lab.switchback(&["apply", "--yes", "--accept", "noc-statistics"]);
    assert_eq!(again.code, 0, "{}", again.all);
    assert!(again.all.contains("done already"), "{}", again.all);

    let upgraded = STACKS.map(|name| Shown::of(&ministack, name));
    assert_ne!(upgraded[3].parameters, before[3].parameters);
    assert_ne!(upgraded[4].template, before[4].template);
    go_back(&lab, || {
        Shown::of(&ministack, "5-4-ecs-services") == before[4]
    });
    for (name, before) in STACKS.into_iter().zip(before) {
        let now = Shown::of(&ministack, name);
        assert_eq!(now.template, before.template, "{name}");
        if name == "2-1-db-aurora-master" {
            let cluster = &now.parameters;
            assert!(cluster.contains("snapshot:switchback-"), "{cluster}");
        } else {
            assert_eq!(now.parameters, before.parameters, "{name}");
        }
    }
}

/// Goes back, killed once `half` of it is done.
fn go_back(lab: &Lab, half: impl Fn() -> bool) {
    let unaccepted = lab.switchback(&["rollback", "--yes"]);
    assert_eq!(unaccepted.code, 3, "{}", unaccepted.all);
    assert!(
        unaccepted.all.contains("--accept data-loss"),
        "{}",
        unaccepted.all
    );
    let killed = lab.start(&["rollback", "--yes", "--accept", "data-loss"]);
    kill_once(lab, killed, half, "no stack went back");
    let again = lab.switchback(&["rollback"]);
    assert_eq!(again.code, 0, "{}", again.all);
    assert!(
        again.all.contains("prod runs the-things-stack 3.30.0"),
        "{}",
        again.all
    );
    let status = lab.switchback(&["status"]);
    assert!(status.all.contains(":3.30.0"), "{}", status.all);
    let done = lab.switchback(&["rollback", "--yes"]);
    assert_eq!(done.code, 0, "{}", done.all);
    assert!(done.all.contains("done already"), "{}", done.all);
}

/// What an update of a stack changes of it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    template: String,
    parameters: String,
}

impl Shown {
    fn of(ministack: &StandIn, name: &str) -> Self {
        let stack = format!("tts-{name}");
        let within = |text: String, tag: &str| {
            let (_, rest) = text.split_once(&format!("<{tag}>")).unwrap_or_default();
            let (inner, _) = rest.split_once(&format!("</{tag}>")).unwrap_or_default();
            inner.to_owned()
        };
        Self {
            template: within(ministack.told("GetTemplate", &stack), "TemplateBody"),
            parameters: within(ministack.told("DescribeStacks", &stack), "Parameters"),
        }
    }
}

/// Kills the process once it is `far` enough; what the status says then.
fn kill_once(lab: &Lab, mut running: Child, far: impl Fn() -> bool, otherwise: &str) -> Said {
    let since = Instant::now();
    while !far() {
        let ended = running.try_wait().expect("a child can be asked");
        assert!(
            ended.is_none() && since.elapsed() < Duration::from_secs(120),
            "{otherwise}: {}",
            std::fs::read_to_string(lab.path("said")).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    running.kill().expect("it can be killed");
    running.wait().expect("it ended");
    let status = lab.switchback(&["status"]);
    assert!(status.all.contains("interrupted"), "{}", status.all);
    status
}
