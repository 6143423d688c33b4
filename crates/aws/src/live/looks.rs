//! Looking at a deployment of several stacks.

use switchback_model::stack::{Drift, StoreKind};

use super::standins::{Kind, StandIn};
use super::{deploy, template};
use crate::{Account, Phase, Wanted, observe};

fn deployed(account: &Account) {
    for (stack, parameters) in [
        ("tts-1-1-vpc", vec![]),
        (
            "tts-2-1-db-aurora-master",
            vec![("MasterPassword", "changeme1234")],
        ),
        ("tts-5-1-ecs-cluster", vec![]),
        (
            "tts-5-2-ecs-ops",
            vec![("OpsImage", "example/stack:3.30.0-aws")],
        ),
        (
            "tts-5-4-ecs-services",
            vec![("StackImage", "example/stack:3.30.0-aws")],
        ),
        ("somebody-else", vec![("Name", "other"), ("Token", "t")]),
    ] {
        let name = match stack {
            "somebody-else" => "mechanism",
            stack => stack.trim_start_matches("tts-"),
        };
        deploy(account, stack, &template("v1", name), &parameters);
    }
}

/// Relies on A9-A12, C16, D3, E5 (ministack, ok): templates, masked parameters, imports, drift, databases, services.
#[test]
fn a_deployment_is_seen_whole_in_few_calls() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let account = ministack.account();
    deployed(&account);
    let stacks = [
        "tts-1-1-vpc",
        "tts-2-1-db-aurora-master",
        "tts-5-1-ecs-cluster",
        "tts-5-2-ecs-ops",
        "tts-5-4-ecs-services",
    ];
    let wanted = Wanted {
        stacks: stacks
            .iter()
            .map(|name| ((*name).to_owned(), Some((*name).to_owned())))
            .collect(),
        ..Wanted::default()
    };
    let before = account.calls().requests();
    let seen = observe(&account, &wanted, &|_| ()).expect("observed");
    let asked = account.calls().requests() - before;
    // One for all stacks, two for each, and one each for services, their definition, clusters and database servers.
    assert_eq!(asked, 1 + 2 * 5 + 4, "{:?}", account.calls().counts());

    let cloud = &seen.cloud;
    assert_eq!(cloud.account.id, super::standins::ACCOUNT);
    assert_eq!(
        cloud.stacks.keys().collect::<Vec<_>>(),
        stacks.iter().collect::<Vec<_>>()
    );
    let database = &cloud.stacks["tts-2-1-db-aurora-master"];
    assert_eq!(database.parameters["MasterPassword"].value, None);
    assert_eq!(database.parameter("EngineVersion"), Some("16.11"));
    assert!(seen.texts[&database.body].starts_with("AWSTemplateFormatVersion"));
    let operations = &cloud.stacks["tts-5-2-ecs-ops"];
    assert_eq!(operations.outputs["VersionTag"].value, "3.30.0");
    let place =
        switchback_model::stack::TaskPlace::read(&operations.outputs["OpsRunTaskArguments"].value);
    assert_eq!(place.expect("five words").cluster, "tts-prod-eu1");
    let [service] = cloud.tasks.as_slice() else {
        panic!("one service: {:?}", cloud.tasks);
    };
    assert_eq!(service.logical, "ASService");
    assert_eq!(service.containers[0].image, "example/stack:3.30.0-aws");
    let [store] = cloud.stores.as_slice() else {
        panic!(
            "the cluster holds the data, not its server: {:?}",
            cloud.stores
        );
    };
    assert_eq!(store.kind, StoreKind::DatabaseCluster);
    assert_eq!(store.engine.as_deref(), Some("aurora-postgresql 16.11"));

    let all = Wanted {
        imports: true,
        drift: true,
        ..Wanted::default()
    };
    let seen = observe(&account, &all, &|_| ()).expect("observed").cloud;
    assert_eq!(seen.stacks.len(), 6);
    let network = &seen.stacks["tts-1-1-vpc"];
    let mut users = network.outputs["PrivateSubnetOne"].imported_by.clone();
    users.sort();
    assert_eq!(
        users,
        [
            "tts-2-1-db-aurora-master",
            "tts-5-2-ecs-ops",
            "tts-5-4-ecs-services"
        ]
    );
    assert_eq!(seen.stacks["tts-5-2-ecs-ops"].imports.len(), 4);
    assert_eq!(network.drift, Drift::None);
    let phases = account.calls().counts();
    assert!(
        phases.keys().all(|(phase, _)| *phase == Phase::Observe),
        "{phases:?}"
    );
}

/// Relies on A16, C16 (ministack, ok): protection, and a parameter that somebody gave another value by hand.
#[test]
fn what_was_changed_by_other_means_and_what_is_protected_is_seen() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let account = ministack.account();
    let parameters = [("Name", "other"), ("Token", "t")];
    deploy(&account, "tts", &template("v1", "mechanism"), &parameters);
    let of = |action: &str, more: &[(&str, &str)]| {
        let form = [("Action", action), ("StackName", "tts")];
        let form = form.iter().chain(more);
        let form = form.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        ministack.cloudformation(form.collect())
    };
    of(
        "UpdateTerminationProtection",
        &[("EnableTerminationProtection", "true")],
    );
    let told = of("DescribeStackResource", &[("LogicalResourceId", "Setting")]);
    let (_, rest) = told.split_once("<PhysicalResourceId>").expect("an id");
    let name = rest.split('<').next().unwrap_or_default();
    ministack.parameter_store(&format!(
        r#"{{"Name":"{name}","Value":"otherwise","Type":"String","Overwrite":true}}"#
    ));
    let wanted = Wanted {
        drift: true,
        ..Wanted::default()
    };
    let seen = observe(&account, &wanted, &|_| ()).expect("observed").cloud;
    let stack = &seen.stacks["tts"];
    assert!(stack.protected);
    let Drift::Found { resources } = &stack.drift else {
        panic!("{:?}", stack.drift);
    };
    let [resource] = resources.as_slice() else {
        panic!("one resource: {resources:?}");
    };
    assert_eq!(resource.logical, "Setting");
    assert_eq!(resource.kind, "AWS::SSM::Parameter");
    assert!(!resource.deleted);
    let differences = resource.differences.iter();
    let found: Vec<&str> = differences.map(|(_, _, found)| found.as_str()).collect();
    assert_eq!(found, ["otherwise"]);
}

#[test]
fn a_stack_that_is_not_there_is_told_by_name() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let account = ministack.account();
    let wanted = Wanted {
        stacks: [("5-9-nobody".to_owned(), None)].into(),
        ..Wanted::default()
    };
    let failure = observe(&account, &wanted, &|_| ()).expect_err("missing");
    assert_eq!(failure.code, "stack-missing");
    assert!(failure.what.contains("`5-9-nobody`"), "{failure:?}");
}
