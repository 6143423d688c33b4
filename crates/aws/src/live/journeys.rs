//! Whole journeys of a deployment: observed, planned, applied, killed and taken back as the commands do it.

use std::io::Write as _;
use std::time::Instant;

use switchback_engine::Ended;
use switchback_model::RunId;
use switchback_model::config::{AwsConfig, AwsParameter};
use switchback_model::plan::{Act, Plan};
use switchback_testkit::aws::{Containers, Image};

use super::deployment::Deployment;
use super::operations;
use super::standins::{Kind, StandIn};
use super::swept::Swept;

/// The stacks of the deployment, by the templates that they are made from, in their order.
pub(super) const STACKS: [&str; 15] = [
    "1-1-vpc",
    "2-1-db-aurora-master",
    "2-3-db-redis",
    "2-4b-routing-s3",
    "3-1-security-group-rules",
    "3-2-load-balancer-rules",
    "4-1-secrets",
    "4-2a-configuration",
    "4-2b-configuration-rate-limiting",
    "5-1-ecs-cluster",
    "5-2-ecs-ops",
    "5-3a-ecs-is-service",
    "5-4-ecs-services",
    "5-7-ecs-proxy",
    "5-8a-certs-le",
];
/// Templates of stacks that are wanted and not there: 3.15.0 brings one, 3.30.2 the other.
const ADDED: [&str; 2] = [
    "4-2c-configuration-resource-limiting",
    "2-6-db-timescale-replica",
];
const OPERATIONS: &str = "tts-5-2-ecs-ops";
const SERVICES: &str = "tts-5-4-ecs-services";
const DATABASE: &str = "tts-2-1-db-aurora-master";
pub(super) const RELEASES: [&str; 5] = ["3.14.0", "3.19.2", "3.24.2", "3.26.0", "3.36.0"];
const FEATURES: &[&str] = &["noc-wanted=0", "storage-in-use=0", "dcs-in-use=0"];

/// The product, as far as tasks need it: it migrates and says how that ended. The migration that the environment names
/// cannot go on.
pub(super) const PROGRAM: &str = "#!/bin/sh
echo \"args: $*\"
case \"$*\" in
\"${TTN_LW_FAIL:-nothing} \"*) echo 'pq: column already exists' >&2; exit 3;;
esac
echo 'migrated'
";

fn rounds(plan: &Plan) -> u32 {
    let stages = plan.stages.iter();
    stages.map(|stage| stage.round).max().unwrap_or(0)
}

/// Everything was done once; and what it took.
fn tell(what: &str, plan: &Plan, swept: &Swept<'_>, begun: Instant) {
    let lines = swept.assert_once();
    told(&format!(
        "{what}: {} rounds, {} steps, {lines} lines, {} times killed, {:.1?} so far",
        rounds(plan),
        plan.steps().count(),
        swept.killed,
        begun.elapsed()
    ));
}

pub(super) fn told(line: &str) {
    // Past the test harness, which would swallow it.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// All of them, as they were made at a release.
pub(super) fn deployed(standin: &StandIn, version: &str, image: &str) -> Deployment {
    let deployment = Deployment::new(
        standin.settings(),
        operations(),
        AwsConfig {
            add: ADDED
                .map(|template| (format!("tts-{template}"), template.to_owned()))
                .into(),
            ..AwsConfig::default()
        },
        FEATURES,
    );
    let parameters = [("OpsImage", image), ("StackImage", image)];
    for template in STACKS {
        deployment.make(&format!("tts-{template}"), template, version, &parameters);
    }
    deployment
}

/// Relies on A9, C7, C9, C20, D3, E1-E3, E5, G2-G4, G7 (ministack with docker, ok): texts as they were given, outputs
/// that follow their resource, tokens in events, snapshots of clusters, exit codes, steady services, replacements.
///
/// From 3.14.0 over every stop to 3.26.0; then to the newest with a migration that fails, back, and with what failed
/// corrected once more. Processes are killed on all four ways, at everything they write and at everything they do.
#[test]
fn numbered_stacks_go_to_the_newest_and_back_where_a_migration_fails() {
    let Some(images) = Image::releases("thethingsindustries/lorawan-stack", &RELEASES, PROGRAM)
    else {
        return;
    };
    let Some(standin) = StandIn::start(Kind::MinistackOnDocker) else {
        return;
    };
    let _containers: Vec<Containers<'_>> = images.iter().map(Containers).collect();
    let begun = Instant::now();
    let mut deployment = deployed(&standin, "3.14.0", &images[0].name);
    let plan = deployment.plan(&deployment.account(), "3.14.0", "3.26.0");
    assert!(rounds(&plan) >= 3, "every stop is a round of its own");
    let mut there = Swept::new(&deployment, &plan, "r-0001");
    let ended = there.until_it_ends();
    assert!(matches!(ended, Ended::Finished { .. }), "{ended:?}");
    tell("15 stacks, 3.14.0 to 3.26.0", &plan, &there, begun);
    for (stack, name) in [(OPERATIONS, "OpsImage"), (SERVICES, "StackImage")] {
        let found = deployment.parameter(stack, name);
        assert!(found.ends_with("lorawan-stack:3.26.0"), "{found}");
    }

    let before = deployment.stood();
    let [first, second] = ADDED.map(|template| before.contains_key(&format!("tts-{template}")));
    assert!(first && !second, "one of them is made by now");
    let fail = AwsParameter::Value("is-db".to_owned());
    let said = [("OpsFail".to_owned(), fail)].into();
    let parameters = &mut deployment.config.parameters;
    parameters.insert(OPERATIONS.to_owned(), said);
    let plan = deployment.plan(&deployment.account(), "3.26.0", "3.36.0");
    let mut failing = Swept::new(&deployment, &plan, "r-0002");
    let Ended::Halted(problem) = failing.until_it_ends() else {
        panic!("the migration fails");
    };
    assert_eq!(problem.code, "migration-failed", "{problem:?}");
    tell("on, until a migration fails", &plan, &failing, begun);

    let run = RunId::new("r-0002");
    let back = deployment.way_back(&plan, &run).expect("a way back");
    let restored = back.notices.iter().any(|it| it.id == "data-loss");
    assert!(restored, "{:?}", back.notices);
    let mut taken_back = Swept::new(&deployment, &back, "r-0003");
    let ended = taken_back.until_it_ends();
    assert!(matches!(ended, Ended::Finished { .. }), "{ended:?}");
    tell("and back", &back, &taken_back, begun);
    assert_eq!(deployment.stood(), before);
    let snapshot = deployment.parameter(DATABASE, "SnapshotARN");
    assert!(
        snapshot.contains(":cluster-snapshot:switchback-"),
        "{snapshot}"
    );
    let again = deployment.way_back(&plan, &run).expect("a look");
    let mut acts = again.steps().map(|(_, step)| &step.act);
    assert!(acts.all(|act| matches!(act, Act::Verify { .. })));

    deployment.config.parameters.clear();
    let plan = deployment.plan(&deployment.account(), "3.26.0", "3.36.0");
    let mut again = Swept::new(&deployment, &plan, "r-0004");
    let ended = again.until_it_ends();
    assert!(matches!(ended, Ended::Finished { .. }), "{ended:?}");
    let found = deployment.parameter(SERVICES, "StackImage");
    assert!(found.ends_with("lorawan-stack:3.36.0"), "{found}");
    tell("and to 3.36.0", &plan, &again, begun);
}
