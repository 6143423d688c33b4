//! What stops a plan, in words.

use std::collections::BTreeMap;

use switchback_model::product::{Move, MoveKind, Order};
use switchback_model::stack::{
    ChangeAction, ChangeSet, ChangeSetState, Domain, Drift, DriftedResource, Output, Replacement,
    ResourceChange, StackStatus,
};

use super::account::{Site, product};

#[test]
fn everything_that_stops_a_plan_says_what_why_and_what_to_do() {
    let mut told = Vec::new();
    let mut tell = |name: &str, change: &dyn Fn(&mut Site)| {
        let mut site = Site::numbered("3.24.2", "3.26.0");
        change(&mut site);
        told.push(format!("## {name}\n{}", site.refused()));
    };
    tell("no stack", &|site| site.cloud.stacks.clear());
    tell("under way", &|site| {
        site.stack("prod-1-1-vpc").status = StackStatus::new("UPDATE_IN_PROGRESS");
    });
    tell("could not be taken back", &|site| {
        let stack = site.stack("prod-5-2-ecs-ops");
        stack.status = StackStatus::new("UPDATE_ROLLBACK_FAILED");
        stack.reason = Some("The following resource(s) failed to update: [Service].".to_owned());
    });
    tell("never came into being", &|site| {
        let stack = site.stack("prod-2-3-db-redis");
        stack.status = StackStatus::new("ROLLBACK_COMPLETE");
        stack.reason =
            Some("The following resource(s) failed to create: [ReplicationGroup].".to_owned());
    });
    tell("made for a change set", &|site| {
        site.stack("prod-5-7-ecs-proxy").status = StackStatus::new("REVIEW_IN_PROGRESS");
    });
    tell("drift", &|site| {
        site.stack("prod-3-2-load-balancer-rules").drift = Drift::Found {
            resources: vec![DriftedResource {
                logical: "Listener".to_owned(),
                kind: "AWS::ElasticLoadBalancingV2::Listener".to_owned(),
                deleted: false,
                differences: vec![("/Port".to_owned(), "443".to_owned(), "8443".to_owned())],
            }],
        };
    });
    tell("templates", &|site| {
        site.withheld = vec![
            "5-4-ecs-services".to_owned(),
            "5-2-ecs-ops".to_owned(),
            "5-6-ecs-monitoring".to_owned(),
        ];
    });
    tell("volume", &|site| {
        let change = ResourceChange {
            logical: "Volume".to_owned(),
            kind: "AWS::EC2::Volume".to_owned(),
            action: ChangeAction::Modify,
            replacement: Replacement::Never,
            physical: Some("vol-1".to_owned()),
            policy: None,
            scope: Vec::new(),
            details: Vec::new(),
        };
        let stack = "prod-2-5-db-timescale-master".to_owned();
        let set = ChangeSet {
            id: String::new(),
            stack: stack.clone(),
            state: ChangeSetState::Ready,
            changes: vec![change],
        };
        site.change_sets.insert(stack, set);
    });
    tell("no stack of operations", &|site| {
        site.cloud.stacks.remove("prod-5-2-ecs-ops");
    });
    tell("another image", &|site| {
        site.set(
            "prod-5-2-ecs-ops",
            "OpsImage",
            "registry.example.com/stack:stable",
        );
    });
    tell("a lock between stacks", &|site| {
        let output = Output {
            value: "vpc-1".to_owned(),
            export: Some("old-name".to_owned()),
            imported_by: vec!["prod-5-1-ecs-cluster".to_owned()],
        };
        site.stack("prod-5-4-ecs-services")
            .outputs
            .insert("Old".to_owned(), output);
    });
    told.push(format!("## protected\n{}", protected().refused()));
    let mut mixed = Site::numbered("3.14.0", "3.19.2");
    mixed.in_place_of = Some("3.18.0".to_owned());
    told.push(format!(
        "## templates of another release\n{}",
        mixed.refused()
    ));
    let mut silent = product().clone();
    silent.version_output = None;
    mixed.product = Box::leak(Box::new(silent));
    assert!(mixed.plan().is_ok(), "no output tells a release");
    let mut undecided = Site::numbered("3.19.2", "3.24.2");
    undecided.config.parameters.clear();
    told.push(format!("## undecided\n{}", undecided.refused()));
    told.push(format!("## the sixth certificate\n{}", sixth().refused()));
    insta::assert_snapshot!(told.join("\n"));
}

/// A stack that a release takes away, and that cannot be deleted.
fn protected() -> Site {
    let mut goes = product().clone();
    goes.orders.push(Order {
        id: "proxy-goes".to_owned(),
        driver: "cloudformation".to_owned(),
        version: Some("3.26.0".into()),
        to: None,
        needs: None,
        around: None,
        before: vec![Move {
            template: "5-7-ecs-proxy".to_owned(),
            what: MoveKind::Remove,
            set: BTreeMap::new(),
        }],
        after: Vec::new(),
        taken_over_by: None,
        skip: Vec::new(),
        instead_of: None,
        because: "nothing uses the proxy from 3.26.0 on".to_owned(),
        source: "test".to_owned(),
    });
    let mut protected = Site::numbered("3.24.2", "3.26.0");
    protected.product = Box::leak(Box::new(goes));
    assert!(protected.plan().is_ok(), "it may go");
    protected.stack("prod-5-7-ecs-proxy").protected = true;
    protected
}

/// One machine that would ask for its sixth certificate in a week.
fn sixth() -> Site {
    let mut sixth = Site::single("3.31.0", "3.32.0");
    sixth.cloud.domains = vec![Domain {
        name: "thethings.example.com".to_owned(),
        custom: false,
        issued: (1..=4)
            .map(|day| {
                (
                    format!("2026-03-0{day}T10:00:00Z"),
                    "stack events".to_owned(),
                )
            })
            .collect(),
    }];
    assert!(sixth.plan().is_ok(), "the fifth is given");
    sixth
        .config
        .certificates_used
        .insert("thethings.example.com".to_owned(), 1);
    let mut custom = sixth.clone();
    custom.config.custom_certificates = true;
    assert!(custom.plan().is_ok(), "custom certificates do not count");
    sixth
}
