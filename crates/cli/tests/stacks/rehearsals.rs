//! Rehearsals beside production: killed, done, failed; and an account that is as it was after each.

use std::process::Child;
use std::time::{Duration, Instant};

use switchback_testkit::aws::{Containers, Image, Kind, StandIn};

use crate::lab::{Lab, REPOSITORY, Said};

/// A migration that says where it was led, and ends when it is let go. The one of 3.32.0 fails.
const PROGRAM: &str = "#!/bin/sh
echo \"redis at ${TTN_LW_REDIS_ADDRESS:-nowhere}\"
echo \"led to ${TTN_LW_IS_DATABASE_URI#*@}\"
while read -r line; do release=$line; done < /bin/tti-lw-stack
case \"$*\" in
*migrate*) while ! [ -e /tmp/go ]; do sleep 0.1; done;;
*) exec sleep 100000;;
esac
case \"$release\" in
*3.32.0) echo 'pq: column already exists'; exit 3;;
esac
echo 'applied 3 migrations'
";
const STACKS: [&str; 5] = [
    "1-1-vpc",
    "2-1-db-aurora-master",
    "5-1-ecs-cluster",
    "5-2-ecs-ops",
    "5-4-ecs-services",
];
const COPIES: &str = "switchback-rehearsal-";

/// What the operator says beside: half of what AWS bills has a price.
const PRICED: &str = "
[policy]
require-rehearsal = \"7d\"

[aws.prices]
currency = \"EUR\"
servers = { \"db.t3.medium\" = 0.6 }
";

/// What of the account must be as it was: everything but what ended by itself.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    stacks: Vec<String>,
    change_sets: String,
    databases: [String; 3],
    definitions: String,
    running: String,
}

impl Account {
    fn of(ministack: &StandIn) -> Self {
        let all =
            ministack.cloudformation(vec![("Action".to_owned(), "DescribeStacks".to_owned())]);
        let told = |name: &&str| {
            let text = ministack.told("GetTemplate", &format!("tts-{name}"));
            within(&text, "TemplateBody")
        };
        let sets = |name: &str| {
            let text = ministack.told("ListChangeSets", &format!("tts-{name}"));
            within(&text, "Summaries")
        };
        Self {
            stacks: STACKS.iter().map(told).chain([plain(all)]).collect(),
            change_sets: STACKS.map(sets).concat(),
            databases: [
                "DescribeDBClusters",
                "DescribeDBInstances",
                "DescribeDBClusterSnapshots",
            ]
            .map(|action| plain(ministack.databases(action))),
            definitions: ministack.containers("ListTaskDefinitions", "{\"status\":\"ACTIVE\"}"),
            running: ministack.containers("ListTasks", "{\"cluster\":\"tts-prod-eu1\"}"),
        }
    }
}

/// Without what every answer has of its own.
fn plain(text: String) -> String {
    text.split("<ResponseMetadata>")
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn within(text: &str, tag: &str) -> String {
    let (_, rest) = text.split_once(&format!("<{tag}>")).unwrap_or_default();
    let (inner, _) = rest.split_once(&format!("</{tag}>")).unwrap_or_default();
    inner.to_owned()
}

/// The task of operations is told of the database, and of a cache that no rehearsal may reach.
fn telling(text: String, address: &str) -> String {
    text.replace(
        "          Command: [version]\n",
        &format!(
            "          Command: [version]\n          Environment:\n            - Name: TTN_LW_IS_DATABASE_URI\n              \
             Value: postgresql://root:hunter2@{address}:5432/tts?sslmode=require\n            - Name: TTN_LW_REDIS_ADDRESS\n              \
             Value: {address}:6379\n"
        ),
    )
}

/// That a command said these words, however its lines were wrapped.
fn says(said: &Said, words: &[&str]) {
    let line = said.all.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(line.contains(word), "no `{word}` in: {}", said.all);
    }
}

fn wait(lab: &Lab, running: &mut Child, far: impl Fn() -> bool, otherwise: &str) {
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
}

/// Rehearses in a process of its own, lets its migrations go on, and returns what it said.
fn rehearsed(lab: &Lab, image: &Image, arguments: &[&str]) -> Said {
    let mut running = lab.start(arguments);
    let code = loop {
        image.let_go();
        match running.try_wait().expect("a child can be asked") {
            Some(status) => break status.code().unwrap_or(-1),
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    let all = std::fs::read_to_string(lab.path("said")).unwrap_or_default();
    Said { all, code }
}

/// Relies on C5-C9, E1, E1c, E2, E3, E6, D3, G2 (ministack with docker, ok): a database from a snapshot by its stack;
/// tasks with real exit codes and logs.
#[test]
fn migrations_are_rehearsed_beside_production_and_leave_nothing() {
    let tags = ["3.30.0", "3.32.0", "3.32.1"];
    let Some(images) = Image::releases(REPOSITORY, &tags, PROGRAM) else {
        return;
    };
    let Some(ministack) = StandIn::start(Kind::MinistackOnDocker) else {
        return;
    };
    let _containers = (
        Containers(&images[0]),
        Containers(&images[1]),
        Containers(&images[2]),
    );
    let address = || within(&ministack.databases("DescribeDBClusters"), "Endpoint");
    let change = |name: &str, text: String| match name {
        "5-2-ecs-ops" => telling(text, &address()),
        _ => text,
    };
    Lab::deploy_changed(&ministack, &STACKS, &images[0].name, change);
    let production = address();
    let lab = Lab::new(&ministack);
    lab.configure(PRICED);
    for version in ["3.32.0", "3.32.1"] {
        lab.offer(version, change);
    }
    let before = Account::of(&ministack);
    let plan = lab.switchback(&["plan", "--to", "3.32.1"]);
    assert_eq!(plan.code, 0, "{}", plan.all);
    let apply = ["apply", "--yes", "--accept", "noc-statistics"];
    let early = lab.switchback(&apply);
    assert_eq!(early.code, 3, "{}", early.all);
    assert!(early.all.contains("needs a rehearsal"), "{}", early.all);

    let unasked = lab.switchback(&["rehearse"]);
    assert_eq!(unasked.code, 2, "{}", unasked.all);
    says(
        &unasked,
        &[
            "made beside production",
            "AWS bills each",
            "1 × `db.t3.medium`, by the hour: 0.60 EUR",
            "for an hour; how long it takes is known once it was rehearsed: 0.60 EUR by your prices, without `snapshot`, `storage`",
            "which [aws.prices] does not say",
            "--yes",
        ],
    );
    assert_eq!(Account::of(&ministack), before, "nothing was made");

    let mut killed = lab.start(&["rehearse", "--yes"]);
    let begun = || {
        let commands = images[2].containers();
        commands.iter().any(|it| it.contains("is-db migrate"))
    };
    wait(&lab, &mut killed, begun, "no migration began");
    killed.kill().expect("it can be killed");
    killed.wait().expect("it ended");
    let status = lab.switchback(&["status"]);
    says(
        &status,
        &["stack switchback-rehearsal-", "rehearse --clean"],
    );
    assert!(within(&ministack.databases("DescribeDBClusters"), "DBClusters").contains(COPIES));

    let done = rehearsed(&lab, &images[2], &["rehearse", "--yes"]);
    assert_eq!(done.code, 0, "{}", done.all);
    says(
        &done,
        &[
            "Removed the copy of rehearsal",
            "3.30.0 → 3.32.1 rehearsed: 1 migration on copies",
            "replaced: TaskDefinition",
            "as AWS computes it",
            "applied 3 migrations",
            "led to switchback-rehearsal-",
            "redis at nowhere",
            "leads to production: TTN_LW_REDIS_ADDRESS",
            "untouched: 5 stacks",
        ],
    );
    assert!(!done.all.contains(&production), "{}", done.all);
    assert!(!done.all.contains("hunter2"), "{}", done.all);
    assert_eq!(Account::of(&ministack), before);
    let known = lab.switchback(&["rehearse"]);
    says(
        &known,
        &["as long as the rehearsal before: 0.10 EUR by your"],
    );

    let failed = lab.switchback(&["plan", "--to", "3.32.0"]);
    assert_eq!(failed.code, 0, "{}", failed.all);
    let failed = rehearsed(&lab, &images[1], &["rehearse", "--yes"]);
    assert_eq!(failed.code, 4, "{}", failed.all);
    says(
        &failed,
        &[
            "exited with 3",
            "pq: column already exists",
            "production never saw it",
        ],
    );
    assert_eq!(Account::of(&ministack), before);
    let refused = lab.switchback(&apply);
    assert_eq!(refused.code, 3, "{}", refused.all);
    assert!(refused.all.contains("and that failed"), "{}", refused.all);

    let planned = lab.switchback(&["plan", "--to", "3.32.1"]);
    assert!(planned.all.contains("Rehearsed"), "{}", planned.all);
    let asked = lab.switchback(&["apply", "--accept", "noc-statistics"]);
    assert_eq!(asked.code, 2, "the rehearsal counts: {}", asked.all);
    assert_eq!(Account::of(&ministack), before);
}
