//! Copies beside production: what can be copied, and that no migration of a rehearsal is ever led to production.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::ServiceName;
use switchback_model::plan::{Act, Expectation, Plan, Purpose, Step};
use switchback_model::stack::{
    ContainerDefinition, Database, Output, ParameterWish, REHEARSAL, Served, StoreKind,
    TaskDefinition, Template, UpdateMode,
};
use switchback_planner::stack::{Copies, CopyInput, copies};
use switchback_planner::{check, outline};

use super::account::{Site, product};

const WRITER: &str = "aurora.cluster-c1.eu-west-1.rds.amazonaws.com";
const READER: &str = "aurora.cluster-ro-c1.eu-west-1.rds.amazonaws.com";
const REDIS: &str = "master.redis.abc.euw1.cache.amazonaws.com";
const URI: &str = "TTN_LW_IS_DATABASE_URI";

/// A plan, and what its migrations are made from today. Every field may be changed before copies are planned.
struct Scene {
    site: Site,
    plan: Plan,
    served: Vec<Served>,
    definition: TaskDefinition,
}

impl Scene {
    fn new(from: &str, to: &str) -> Self {
        let mut site = Site::numbered(from, to);
        let output = Output {
            value: "arn:aws:ecs:eu-west-1:1:task-definition/ops:7 cluster subnet-1 subnet-2 sg-1"
                .to_owned(),
            export: None,
            imported_by: Vec::new(),
        };
        site.stack("prod-5-2-ecs-ops")
            .outputs
            .insert("OpsRunTaskArguments".to_owned(), output);
        let plan = site.planned().plan;
        let served = site.cloud.stores.iter().map(|store| Served {
            store: store.clone(),
            addresses: match store.kind {
                StoreKind::DatabaseCluster => BTreeSet::from([WRITER, READER].map(str::to_owned)),
                StoreKind::ReplicationGroup => BTreeSet::from([REDIS.to_owned()]),
                _ => BTreeSet::new(),
            },
            database: (store.kind == StoreKind::DatabaseCluster).then(|| Database {
                engine: "aurora-postgresql".to_owned(),
                version: "13.8".to_owned(),
                class: "db.t4g.medium".to_owned(),
                port: 5432,
                subnets: "private".to_owned(),
                network: "vpc-1".to_owned(),
                settings: None,
            }),
        });
        let environment = [
            (
                URI,
                format!("postgresql://root:hunter2@{WRITER}:5432/tts?sslmode=require"),
            ),
            ("TTN_LW_REDIS_ADDRESS", format!("{REDIS}:6379")),
            (
                "TTN_LW_IS_READ_DATABASE_URI",
                format!("postgresql://root@{READER}/tts"),
            ),
            ("TTN_LW_LOG_LEVEL", "info".to_owned()),
        ];
        let definition = TaskDefinition {
            cpu: Some("256".to_owned()),
            memory: Some("512".to_owned()),
            containers: vec![ContainerDefinition {
                name: "ttes".to_owned(),
                environment: environment
                    .map(|(name, value)| (name.to_owned(), value))
                    .into(),
                secrets: BTreeMap::from([(
                    "TTN_LW_HTTP_COOKIE_HASH_KEY".to_owned(),
                    "arn:aws:secretsmanager:1".to_owned(),
                )]),
                ..ContainerDefinition::default()
            }],
            ..TaskDefinition::default()
        };
        Self {
            served: served.collect(),
            site,
            plan,
            definition,
        }
    }

    fn copies(&self) -> Copies {
        copies(&CopyInput {
            id: "1f3a",
            product: product(),
            config: &self.site.config,
            plan: &self.plan,
            cloud: &self.site.cloud,
            served: &self.served,
            definition: Some(&self.definition),
            directory: "/state/e-1f3a",
        })
    }

    fn container(&mut self) -> &mut ContainerDefinition {
        &mut self.definition.containers[0]
    }

    fn lead(&mut self, value: &str) {
        self.container()
            .environment
            .insert(URI.to_owned(), value.to_owned());
    }
}

fn migrations(plan: &Plan) -> Vec<&Step> {
    let steps = plan.steps().map(|(_, step)| step);
    steps
        .filter(|step| matches!(step.act, Act::Migrate { .. }))
        .collect()
}

fn template(copies: &Copies) -> &str {
    &copies.files["/state/e-1f3a/copies.json"]
}

#[test]
fn a_copy_is_made_once_and_every_migration_that_can_be_led_there_runs_on_it() {
    let scene = Scene::new("3.14.0", "3.26.0");
    let copies = scene.copies();
    let plan = copies.plan.as_ref().expect("there are migrations");
    assert_eq!(check(plan), []);
    // Its id follows every word of the catalog.
    let shown = outline(plan).replace(scene.plan.id.as_str(), "p-000000000000");
    insta::assert_snapshot!(shown);
    assert_eq!(
        plan.purpose,
        Purpose::Rehearsal {
            of: scene.plan.id.clone()
        }
    );
    let all = migrations(&scene.plan).len();
    assert_eq!(migrations(plan).len() + copies.left.len(), all);
    for left in &copies.left {
        assert!(
            left.why.contains("only databases are copied"),
            "{}",
            left.why
        );
    }
    let images: BTreeSet<String> = migrations(plan)
        .iter()
        .filter_map(|step| match &step.act {
            Act::Migrate { image, service, .. } => {
                assert_eq!(service.as_str(), copies.stack);
                Some(image.reference.clone())
            }
            _ => None,
        })
        .collect();
    let updates = plan.steps().filter_map(|(_, step)| match &step.act {
        Act::Update { update } => Some(update),
        _ => None,
    });
    let updates: Vec<_> = updates.collect();
    assert_eq!(updates.len(), images.len(), "one task for each image");
    assert_eq!(updates[0].mode, UpdateMode::Create);
    assert_eq!(updates[0].stack, format!("{REHEARSAL}1f3a"));
}

#[test]
fn the_task_is_told_of_nothing_but_the_copy_and_reaches_nothing_else() {
    let scene = Scene::new("3.30.0", "3.32.1");
    let copies = scene.copies();
    let text = template(&copies);
    let parsed = Template::parse("copies", text);
    assert!(parsed.is_ok(), "{parsed:?}");
    for address in [WRITER, READER, REDIS] {
        assert!(!text.contains(address), "{text}");
        assert!(copies.files.values().all(|file| !file.contains(address)));
    }
    assert!(
        !text.contains("hunter2"),
        "a password stands in the template"
    );
    assert_eq!(
        copies.withheld,
        ["TTN_LW_IS_READ_DATABASE_URI", "TTN_LW_REDIS_ADDRESS"]
    );
    insta::assert_snapshot!(text);
    let plan = copies.plan.as_ref().expect("there is a migration");
    assert!(
        !plan.to_json().contains("hunter2"),
        "a password stands in the plan"
    );
    let (_, made) = plan.steps().nth(1).expect("a stack");
    let Act::Update { update } = &made.act else {
        panic!("a stack is made");
    };
    let masked = update.parameters.values();
    assert_eq!(
        masked
            .filter(|wish| matches!(wish, ParameterWish::Secret { .. }))
            .count(),
        2
    );
}

#[test]
fn a_migration_that_cannot_surely_be_led_away_from_production_is_left_out_in_words() {
    let why = |change: &dyn Fn(&mut Scene)| {
        let mut scene = Scene::new("3.30.0", "3.32.1");
        change(&mut scene);
        let copies = scene.copies();
        let plan = copies.plan.as_ref().map(outline);
        assert_eq!(plan, None, "nothing is left to rehearse");
        assert!(copies.files.is_empty() && copies.made.is_empty());
        copies.left[0].why.clone()
    };
    let uri = |value: &'static str| move |scene: &mut Scene| scene.lead(value);
    let unsure = "does not surely lead to the database cluster `aurora` alone";
    for value in [
        "postgresql://root@db.internal/tts",
        "postgresql://root@aurora.cluster-c1.eu-west-1.rds.amazonaws.com,other/tts",
        "postgresql://root@aurora.cluster-c1.eu-west-1.rds.amazonaws.com/tts?host=other",
        "postgresql://root@notaurora.cluster-c1.eu-west-1.rds.amazonaws.com/tts",
        "host=aurora.cluster-c1.eu-west-1.rds.amazonaws.com",
        "",
    ] {
        let said = why(&uri(value));
        assert!(said.contains(unsure), "{value}: {said}");
    }
    let said = why(&|scene| {
        scene.container().environment.remove(URI);
    });
    assert!(said.contains("has no TTN_LW_IS_DATABASE_URI"), "{said}");
    let said = why(&|scene| {
        scene
            .container()
            .secrets
            .insert(URI.to_owned(), "arn:aws:ssm:1".to_owned());
    });
    assert!(said.contains("is a secret"), "{said}");
    let said = why(&|scene| {
        scene
            .container()
            .environment_files
            .push("arn:aws:s3:::b/env".to_owned());
    });
    assert!(said.contains("`arn:aws:s3:::b/env`"), "{said}");
    let said = why(&|scene| scene.definition.volumes.push("config".to_owned()));
    assert!(said.contains("the volume `config`"), "{said}");
    let said = why(&|scene| {
        let sidecar = scene.container().clone();
        scene.definition.containers.push(sidecar);
    });
    assert!(said.contains("2 containers"), "{said}");
    let said = why(&|scene| {
        for served in &mut scene.served {
            served.database = None;
        }
    });
    assert!(said.contains("cannot be told"), "{said}");
    let said = why(&|scene| scene.site.stack("prod-5-2-ecs-ops").outputs.clear());
    assert!(said.contains("no stack tells as which task"), "{said}");
    let said = why(&|scene| scene.container().name = "other".to_owned());
    assert!(said.contains("no container `ttes`"), "{said}");
    let mut single = Scene::new("3.30.0", "3.32.1");
    let ami = Site::single("3.30.0", "3.32.1");
    single.plan = ami.planned().plan;
    single.site = ami;
    let copies = single.copies();
    assert!(copies.plan.is_none());
    assert!(copies.left[0].why.contains("the machine that serves"));
}

/// The image is production's, and so may be a text that somebody put into a variable nobody knows.
#[test]
fn nothing_is_rehearsed_where_an_address_of_production_would_still_be_told() {
    let mut scene = Scene::new("3.30.0", "3.32.1");
    scene.container().log = Some((
        "syslog".to_owned(),
        BTreeMap::from([("syslog-address".to_owned(), format!("tcp://{REDIS}"))]),
    ));
    let copies = scene.copies();
    assert!(copies.plan.is_none() && copies.files.is_empty());
    let why: Vec<&str> = copies.left.iter().map(|left| left.why.as_str()).collect();
    assert!(
        why.iter()
            .any(|why| why.contains("still leads to production")),
        "{why:?}"
    );
}

/// Rules that are broken once steps of a rehearsal's plan were changed.
fn broken(change: impl Fn(&mut Step)) -> Vec<String> {
    let mut plan = Scene::new("3.14.0", "3.26.0")
        .copies()
        .plan
        .expect("there are migrations");
    for stage in &mut plan.stages {
        stage.steps.iter_mut().for_each(&change);
    }
    let mut rules: Vec<String> = check(&plan.seal()).into_iter().map(|it| it.rule).collect();
    rules.dedup();
    rules
}

#[test]
fn the_checker_lets_no_rehearsal_touch_production_however_its_plan_came_about() {
    assert_eq!(broken(|_| ()), Vec::<String>::new());
    let rules = broken(|step| {
        if let Act::Migrate { service, .. } = &mut step.act {
            *service = ServiceName::new("prod-5-2-ecs-ops");
        }
    });
    assert!(rules.contains(&"production".to_owned()), "{rules:?}");
    let rules = broken(|step| {
        if let Act::Update { update } = &mut step.act {
            update.stack = "prod-5-2-ecs-ops".to_owned();
        }
    });
    assert!(rules.contains(&"production".to_owned()), "{rules:?}");
    let rules = broken(|step| {
        if let Act::Update { update } = &mut step.act {
            update.mode = UpdateMode::Update;
        }
    });
    assert!(rules.contains(&"guard".to_owned()), "{rules:?}");
    let rules = broken(|step| {
        if let Act::Migrate { .. } = &step.act {
            step.act = Act::Remove {
                stack: "prod-1-1-vpc".to_owned(),
                id: "arn:1".to_owned(),
            };
        }
    });
    assert!(rules.contains(&"not-a-copy".to_owned()), "{rules:?}");
    let rules = broken(|step| {
        step.before
            .retain(|expected| !matches!(expected, Expectation::NoStack { .. }));
    });
    assert!(rules.contains(&"guard".to_owned()), "{rules:?}");
}
