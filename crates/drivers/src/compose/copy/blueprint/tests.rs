//! The copy of a project with most of what Compose knows.

use serde_json::json;
use switchback_model::observed::{Observed, Pinning, Service, VersionPlace};
use switchback_model::plan::Plan;
use switchback_testkit::Scenario;

use super::*;

/// As `docker compose config` answers for such a project.
const ANSWER: &str = include_str!("tests/answer.json");

fn config() -> Value {
    serde_json::from_str(ANSWER).expect("the answer is JSON")
}

fn location(kind: DatastoreKind, service: Option<&str>, directory: &str) -> DatastoreLocation {
    DatastoreLocation {
        kind,
        access: service.map_or(Access::Local, |service| Access::Container {
            service: service.into(),
        }),
        host: None,
        port: None,
        database: None,
        user: None,
        password: None,
        directory: Some(directory.to_owned()),
        server_directory: Some("/data".to_owned()),
        options: std::collections::BTreeMap::new(),
    }
}

/// A plan of `stack` with its databases and its pictures.
fn plan() -> Plan {
    let mut plan = Scenario::one_leg().plan;
    plan.origin.services = vec!["stack".into()];
    plan.stages.clear();
    let template = plan
        .datastores
        .values()
        .next()
        .expect("the scenario has datastores")
        .clone();
    plan.datastores.clear();
    for (name, kind, service, directory) in [
        (
            "identity",
            DatastoreKind::Postgres,
            Some("db"),
            "/volumes/lorawan_pg/_data/pgdata",
        ),
        (
            "redis",
            DatastoreKind::Redis,
            Some("redis"),
            "/volumes/0123456789/_data",
        ),
        ("blobs", DatastoreKind::Files, None, "/srv/lorawan/blob"),
    ] {
        let mut datastore = template.clone();
        datastore.location = location(kind, service, directory);
        datastore.method = BackupMethod::Dump;
        plan.datastores.insert(name.into(), datastore);
    }
    plan
}

fn observed(plan: &Plan, running: &[&str]) -> Observed {
    let service = |name: &&str| Service {
        name: (*name).into(),
        component: *name == "stack",
        image: String::new(),
        running: None,
        state: ServiceState::Running,
        replicas: 1,
        published: BTreeMap::new(),
    };
    Observed {
        deployment: plan.deployment.clone(),
        version: plan.from.clone(),
        services: running.iter().map(service).collect(),
        files: Vec::new(),
        version_places: vec![VersionPlace {
            path: "/srv/lorawan/.env".to_owned(),
            offset: 0,
            text: "3.23.2".to_owned(),
            line: 1,
            services: vec!["stack".into(), "noc".into()],
            pinning: Pinning::Exact,
        }],
        datastores: Vec::new(),
        filesystems: Vec::new(),
        probes: BTreeMap::new(),
        problems: Vec::new(),
    }
}

fn drawn_of(config: &Value, plan: &Plan, outbound: bool) -> Result<Blueprint, Problem> {
    let said = Config {
        verify: switchback_model::config::VerifyConfig {
            url: Some("https://lorawan.example.com".to_owned()),
            api_key: Some(SecretRef::File("api-key".to_owned())),
            names: BTreeMap::new(),
        },
        policy: switchback_model::config::PolicyConfig {
            require_rehearsal: Some("7d".to_owned()),
            ..Default::default()
        },
        ..Config::of("the-things-stack".into())
    };
    let volume = |key: &str| (key != "later").then(|| format!("/volumes/lorawan_{key}/_data"));
    let original = Original {
        config,
        volume: &volume,
        said: &said,
        directory: Path::new("/srv/lorawan"),
        env_file_elsewhere: false,
    };
    let observed = observed(plan, &["db", "redis", "stack", "noc", "traefik"]);
    draw(
        &original,
        "lorawan",
        "lorawan",
        &Request {
            rehearsal: "e-1f3a90bc",
            directory: Path::new("/state/rehearsals/e-1f3a90bc/deployment"),
            plan,
            observed: &observed,
            outbound,
        },
    )
}

fn drawn() -> Blueprint {
    drawn_of(&config(), &plan(), false).expect("it can be copied")
}

fn names(services: &[ServiceName]) -> Vec<&str> {
    services.iter().map(ServiceName::as_str).collect()
}

#[test]
fn the_whole_copy_as_a_compose_file() {
    insta::assert_snapshot!(drawn().compose());
}

#[test]
fn only_what_the_plan_needs_is_started_databases_first() {
    let blueprint = drawn();
    assert_eq!(names(&blueprint.servers), ["db", "redis"]);
    assert_eq!(names(&blueprint.services), ["stack"]);
    assert_eq!(names(&blueprint.left_out), ["noc", "traefik"]);
}

#[test]
fn data_are_brought_by_their_datastores_and_files_by_copying() {
    let blueprint = drawn();
    let data: Vec<(String, String)> = blueprint
        .data
        .iter()
        .map(|(name, path)| (name.to_string(), path.display().to_string()))
        .collect();
    let below = |path: &str| format!("/state/rehearsals/e-1f3a90bc/deployment/data/{path}");
    assert_eq!(
        data,
        [
            ("blobs".to_owned(), below("2-blob")),
            ("identity".to_owned(), below("6-lorawan_pg/pgdata")),
            ("redis".to_owned(), below("4-0123456789")),
        ]
    );
    let transfers: Vec<String> = blueprint
        .transfers
        .iter()
        .map(|transfer| {
            let to = transfer.to.strip_prefix(&blueprint.directory);
            format!(
                "{} -> {} except {}",
                transfer.from.display(),
                to.expect("it is inside").display(),
                transfer.except.len()
            )
        })
        .collect();
    insta::assert_snapshot!(transfers.join("\n"));
}

#[test]
fn services_of_one_version_share_one_place_in_the_copy_as_well() {
    let blueprint = drawn();
    assert_eq!(blueprint.environment, "SWITCHBACK_VERSION_1=3.23.2\n");
    let decided = blueprint.compose().matches(":${SWITCHBACK_VERSION_1}\"");
    assert_eq!(decided.count(), 2);
}

#[test]
fn the_copys_own_configuration_does_not_lead_to_the_original() {
    let config = drawn().config;
    assert_eq!(config.verify.url, None);
    assert_eq!(
        config.verify.api_key,
        Some(SecretRef::File("/srv/lorawan/api-key".to_owned()))
    );
    assert_eq!(config.policy.require_rehearsal, None);
    let redis = &config.datastores[&DatastoreName::new("redis")];
    assert_eq!(redis.backup.as_deref(), Some("dump"));
    let compose = config.compose.expect("it is a Compose deployment");
    assert_eq!(
        compose.project.as_deref(),
        Some("lorawan-rehearsal-1f3a90bc")
    );
}

#[test]
fn a_way_out_is_there_only_where_it_was_asked_for() {
    let shut = drawn();
    assert!(shut.compose().contains("internal: true"));
    let open = drawn_of(&config(), &plan(), true).expect("it can be copied");
    assert!(open.compose().contains("internal: false"));
    assert!(open.bounds(true)[0].contains("as you asked"));
    assert!(shut.bounds(true)[1].contains("disk weight 100"));
    assert!(shut.bounds(false)[1].contains("cannot weigh the disk"));
}

#[test]
fn a_service_that_cannot_be_shut_in_is_refused_only_where_it_is_needed() {
    let mut config = config();
    config["services"]["traefik"]["network_mode"] = json!("host");
    drawn_of(&config, &plan(), false).expect("nobody needs it");
    config["services"]["stack"]["privileged"] = json!(true);
    let problem = drawn_of(&config, &plan(), false).expect_err("it could do anything");
    assert_eq!(problem.code, "rehearsal-not-isolated");
    assert_eq!(
        problem.what,
        "a copy of service `stack` could touch the original: it may do everything on the host (`privileged: true`)"
    );
    assert_eq!(problem.hints.len(), 2);
}

#[test]
fn data_outside_the_project_are_not_rehearsed_on() {
    let mut plan = plan();
    let identity = plan.datastores.get_mut(&DatastoreName::new("identity"));
    identity.expect("it is there").location.access = Access::Local;
    let problem = drawn_of(&config(), &plan, false).expect_err("they cannot be copied");
    assert_eq!(problem.code, "rehearsal-outside");
    assert!(problem.what.contains("`identity`"), "{}", problem.what);
}
