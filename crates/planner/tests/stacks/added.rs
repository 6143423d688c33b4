//! Stacks that are made: where their template comes, with what, and away again on the way back.

use switchback_model::plan::{Act, Expectation, Plan, Step};
use switchback_model::stack::{ParameterWish, StackUpdate, UpdateMode};
use switchback_planner::{Weight, outline};

use super::account::{Site, told};
use super::simulation::proven;
use super::ways_back::{all, done};

const REPLICA: &str = "prod-2-6-db-timescale-replica-a";
const READS: &str = "ApplicationServerStorageReplicaEnabled";

/// Stacks of 3.26.0 whose services read from replicas, on their way over 3.30.2, which takes the replicas away.
fn with_replicas() -> Site {
    let mut site = Site::numbered("3.26.0", "3.36.0");
    site.set("prod-5-4-ecs-services", READS, "true");
    site
}

/// The same with a stack of its own for the replica.
pub(crate) fn with_a_stack_for_the_replica() -> Site {
    let mut site = with_replicas();
    site.want(REPLICA, "2-6-db-timescale-replica");
    site.say("prod-2-4c-mtls-s3", "Prefix", "cas");
    site.want("prod-2-4c-mtls-s3", "2-4c-mtls-s3");
    site
}

fn updates(plan: &Plan) -> Vec<(&Step, &StackUpdate)> {
    let steps = plan.steps();
    let updates = steps.filter_map(|(_, step)| match &step.act {
        Act::Update { update } => Some((step, update)),
        _ => None,
    });
    updates.collect()
}

fn says(update: &StackUpdate, name: &str, wanted: &str) -> bool {
    matches!(update.parameters.get(name), Some(ParameterWish::Value { value }) if value == wanted)
}

/// E11: what 3.30.2 demands, in the vendor's order.
#[test]
fn a_replica_has_its_stack_before_anything_reads_from_it_again() {
    let planned = with_a_stack_for_the_replica().planned();
    let updates = updates(&planned.plan);
    let place = |wanted: &dyn Fn(&StackUpdate) -> bool| {
        let found = updates.iter().position(|(_, update)| wanted(update));
        found.unwrap_or_else(|| panic!("{}", outline(&planned.plan)))
    };
    let off = place(&|it| it.of == "5-4-ecs-services" && says(it, READS, "false"));
    let split = place(&|it| it.of == "2-5-db-timescale-master");
    let made = place(&|it| it.stack == REPLICA && it.mode == UpdateMode::Create);
    let on = place(&|it| it.of == "5-4-ecs-services" && says(it, READS, "true"));
    assert!(
        off < split && split < made && made < on,
        "{off} {split} {made} {on}\n{}",
        outline(&planned.plan)
    );
    let (step, update) = updates[made];
    assert_eq!(
        step.before,
        [Expectation::NoStack {
            stack: REPLICA.to_owned()
        }]
    );
    assert!(says(update, "InstanceType", "t3.large"), "{update:?}");
    let procedures = &planned.plan.procedures;
    assert!(procedures.iter().all(|it| it.id != "ecs-3.30.2"));
    let told = planned.notes.iter().any(|note| {
        note.weight == Weight::Warning
            && note.text.contains(REPLICA)
            && note.text.contains("defaults")
    });
    assert!(told, "{:?}", planned.notes);
}

#[test]
fn a_stack_is_made_by_the_first_release_that_has_it_and_updated_by_the_next() {
    let mut site = Site::numbered("3.14.0", "3.36.0");
    site.want("prod-2-4c-mtls-s3", "2-4c-mtls-s3");
    site.say("prod-2-4c-mtls-s3", "Prefix", "cas");
    let plan = site.planned().plan;
    let of: Vec<(UpdateMode, String)> = updates(&plan)
        .into_iter()
        .filter(|(_, update)| update.of == "2-4c-mtls-s3")
        .map(|(_, update)| (update.mode, update.version.to_string()))
        .collect();
    let made = (UpdateMode::Create, "3.24.2".to_owned());
    assert_eq!(of.first(), Some(&made), "{}", outline(&plan));
    assert!(of[1..].iter().all(|(mode, _)| *mode == UpdateMode::Update));
    assert!(of.len() > 1, "3.30.0 changes it");
}

/// Which environment it is for is such a parameter: nobody means the template's own.
#[test]
fn a_default_that_all_other_stacks_contradict_is_asked_for() {
    let mut site = with_a_stack_for_the_replica();
    for stack in ["prod-5-2-ecs-ops", "prod-5-4-ecs-services"] {
        site.set(stack, "Environment", "live");
    }
    insta::assert_snapshot!(site.refused());
    site.say(REPLICA, "Environment", "live");
    site.say("prod-2-4c-mtls-s3", "Environment", "live");
    let planned = site.planned();
    let updates = updates(&planned.plan);
    let mut made = updates
        .iter()
        .filter(|(_, it)| it.mode == UpdateMode::Create);
    assert!(made.all(|(_, it)| says(it, "Environment", "live")));
}

#[test]
fn replicas_without_a_stack_of_their_own_stop_the_plan() {
    let mut site = with_replicas();
    insta::assert_snapshot!(site.refused());
    site.say("prod-5-4-ecs-services", READS, "false");
    let planned = site.planned();
    assert!(
        updates(&planned.plan)
            .iter()
            .all(|(_, it)| !says(it, READS, "true")),
        "they stay off"
    );
}

#[test]
fn a_template_that_there_is_none_of_stops_the_plan() {
    let mut site = Site::numbered("3.24.2", "3.26.0");
    site.want("prod-x", "2-7-replica");
    insta::assert_snapshot!(site.refused());
}

#[test]
fn a_stack_that_no_release_on_the_way_has_is_told() {
    let mut site = Site::numbered("3.24.2", "3.26.0");
    site.want(REPLICA, "2-6-db-timescale-replica");
    let notes = site.planned().notes;
    let told = notes.iter().find(|note| note.text.contains(REPLICA));
    insta::assert_snapshot!(told.expect("it is told").text);
}

/// The entry stays under `[aws.add]`, and its stack is one like any other by then.
#[test]
fn a_way_back_removes_what_the_run_made_and_asks_for_it() {
    let site = with_a_stack_for_the_replica();
    let plan = site.planned().plan;
    let after = done(&site, &plan);
    assert!(after.cloud.stacks.contains_key(REPLICA));
    let back = after.way_back(&plan, &proven(&plan, all(&plan), false));
    let back = back
        .unwrap_or_else(|problem| panic!("{}", told(&problem)))
        .plan;
    let removed = |stack: &str| {
        back.steps()
            .any(|(_, step)| matches!(&step.act, Act::Remove { stack: it, .. } if it == stack))
    };
    assert!(removed(REPLICA) && removed("prod-2-4c-mtls-s3"));
    let asked = back.notices.iter().filter_map(|it| it.accept.as_deref());
    assert!(
        asked
            .into_iter()
            .any(|it| it == format!("removed-{REPLICA}"))
    );
}
