//! The checker finds what a plan for stacks must never say, however it came about.

use switchback_model::plan::{Act, Expectation, Interrupted, Plan, Step, WayBack};
use switchback_model::stack::{
    ChangeAction, ExpectedChanges, ForeseenChange, ParameterWish, Replacement, StackUpdate,
};
use switchback_planner::check;

use super::account::Site;

/// Rules that are broken once every step was changed, or left out where `change` says so.
fn broken(change: impl Fn(&mut Step) -> bool) -> Vec<String> {
    let mut plan: Plan = Site::numbered("3.14.0", "3.19.2").planned().plan;
    for stage in &mut plan.stages {
        stage.steps.retain_mut(|step| change(step));
    }
    let mut place = 0;
    for stage in &mut plan.stages {
        for step in &mut stage.steps {
            place += 1;
            step.number = switchback_model::StepNumber(place);
        }
    }
    let mut rules: Vec<String> = check(&plan.seal()).into_iter().map(|it| it.rule).collect();
    rules.sort();
    rules.dedup();
    rules
}

/// As [`broken`], for updates of one stack.
fn updated(of: &str, change: impl Fn(&mut StackUpdate)) -> Vec<String> {
    broken(|step| {
        if let Act::Update { update } = &mut step.act
            && update.of == of
        {
            change(update);
        }
        true
    })
}

#[test]
fn a_plan_as_it_was_made_breaks_nothing() {
    assert_eq!(broken(|_| true), Vec::<String>::new());
}

#[test]
fn nothing_migrates_and_no_machine_ends_without_a_snapshot() {
    let rules = broken(|step| !matches!(step.act, Act::Snapshot { .. }));
    assert_eq!(rules, ["no-snapshot", "way-back"]);
}

#[test]
fn every_stack_is_expected_as_the_step_before_left_it() {
    let rules = broken(
        |step| !matches!(&step.act, Act::Update { update } if update.of == "5-2-ecs-ops" && update.template.is_none()),
    );
    assert_eq!(
        rules,
        Vec::<String>::new(),
        "the first of several may be left out"
    );
    let rules = broken(
        |step| !matches!(&step.act, Act::Update { update } if update.of == "5-2-ecs-ops" && update.template.is_some()),
    );
    assert_eq!(rules, ["guard"], "migrations expect what the update makes");
    let blind = broken(|step| {
        if matches!(step.act, Act::Update { .. } | Act::Migrate { .. }) {
            step.before.clear();
        }
        true
    });
    assert_eq!(blind, ["guard"]);
}

#[test]
fn every_parameter_is_said_and_becomes_what_is_said() {
    let of = "5-4-ecs-services";
    let forgotten = updated(of, |update| {
        update.parameters.remove("StackImage");
    });
    assert_eq!(forgotten, ["parameters"]);
    let other = updated(of, |update| {
        let value = "stack:latest".to_owned();
        update
            .parameters
            .insert("StackImage".to_owned(), ParameterWish::Value { value });
    });
    assert_eq!(other, ["parameters"]);
    let unsaved = updated(of, |update| {
        let wish = ParameterWish::Snapshot {
            stack: "prod-elsewhere".to_owned(),
            logical: "Volume".to_owned(),
        };
        update.parameters.insert("StackImage".to_owned(), wish);
    });
    assert_eq!(unsaved, ["no-snapshot", "parameters"]);
}

#[test]
fn what_holds_data_is_neither_taken_away_nor_touched() {
    let with = |kind: &str, replacement| {
        updated("2-5-db-timescale-master", |update| {
            update.expected = ExpectedChanges::Foreseen {
                changes: vec![ForeseenChange {
                    logical: "Volume".to_owned(),
                    kind: kind.to_owned(),
                    action: ChangeAction::Modify,
                    replacement,
                }],
            };
        })
    };
    assert_eq!(
        with("AWS::EC2::Volume", Replacement::Never),
        ["data-in-danger"]
    );
    assert_eq!(
        with("AWS::S3::Bucket", Replacement::Always),
        ["data-in-danger"]
    );
    assert_eq!(
        with("AWS::S3::Bucket", Replacement::Never),
        Vec::<String>::new()
    );
}

#[test]
fn no_step_promises_what_nobody_can_keep() {
    let promised = broken(|step| {
        step.way_back = WayBack::Instant;
        true
    });
    assert_eq!(promised, ["way-back"]);
    let halting = broken(|step| {
        if matches!(step.act, Act::Update { .. }) {
            step.interrupted = Interrupted::Halt {
                because: "no".to_owned(),
            };
        }
        true
    });
    assert_eq!(halting, ["interrupted"]);
    let unseen = broken(|step| {
        step.after
            .retain(|it| matches!(it, Expectation::Migrated { .. }));
        true
    });
    assert!(unseen.contains(&"no-verification".to_owned()), "{unseen:?}");
    let unlooked = broken(|step| !matches!(step.act, Act::Verify { .. }));
    assert_eq!(unlooked, ["not-verified"]);
}
