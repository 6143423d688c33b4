//! The way back from every point of a plan for stacks.

use std::collections::BTreeMap;

use switchback_model::config::AwsRefresh;
use switchback_model::plan::{Act, Expectation, Plan, StageKind, Step};
use switchback_model::stack::{ParameterNow, ParameterWish, RenewBy, StackStatus};
use switchback_model::{Digest, Version};
use switchback_planner::outline;

use super::account::{Site, told};
use super::added::with_a_stack_for_the_replica;
use super::marks::marked;
use super::simulation::{handle, proven};

/// What a way back must make of an account again: templates and parameters, but for what names snapshots.
fn stood(site: &Site) -> BTreeMap<String, (Digest, BTreeMap<String, ParameterNow>)> {
    let stacks = site.cloud.stacks.iter();
    stacks
        .map(|(name, stack)| {
            let mut parameters = stack.parameters.clone();
            parameters.retain(|name, _| !name.contains("Snapshot"));
            (name.clone(), (stack.body.clone(), parameters))
        })
        .collect()
}

/// Every state that a run of `plan` can be left in. A step that had begun may have acted or not.
fn every_end(site: &Site, plan: &Plan, mut look: impl FnMut(u32, bool, &Site)) {
    let mut now = site.clone();
    let mut last = 0;
    for (stage, step) in plan.steps() {
        last = step.number.0;
        look(last, false, &now);
        look(last, true, &now);
        now.execute(plan, stage, step);
        look(last, true, &now);
    }
    look(last + 1, false, &now);
}

fn walk(site: &mut Site, plan: &Plan) {
    for (stage, step) in plan.steps() {
        site.execute(plan, stage, step);
    }
}

/// The account once the plan is carried out.
pub(crate) fn done(site: &Site, plan: &Plan) -> Site {
    let mut done = site.clone();
    walk(&mut done, plan);
    done
}

pub(crate) fn all(plan: &Plan) -> u32 {
    plan.steps().count() as u32 + 1
}

/// What the account was when each version ran last.
fn bases(site: &Site, plan: &Plan) -> BTreeMap<Version, Site> {
    let mut now = site.clone();
    let mut bases = BTreeMap::from([(plan.from.clone(), site.clone())]);
    for stage in &plan.stages {
        for step in &stage.steps {
            now.execute(plan, stage, step);
        }
        if let StageKind::Run { to } = &stage.kind {
            bases.insert(to.clone(), now.clone());
        }
    }
    bases
}

#[test]
fn from_everywhere_a_way_back_makes_the_account_what_it_was() {
    let sites = [
        Site::numbered("3.14.0", "3.26.0"),
        Site::numbered("3.26.0", "3.36.0"),
        Site::single("3.21.0", "3.32.0"),
        marked("3.26.0", "3.36.0"),
        with_a_stack_for_the_replica(),
    ];
    for site in sites {
        let plan = site.planned().plan;
        let bases = bases(&site, &plan);
        let mut ways = 0;
        every_end(&site, &plan, |number, begun, left| {
            let proven = proven(&plan, number, begun);
            let place = format!("step {number}, begun: {begun}");
            let back = match left.way_back(&plan, &proven) {
                Ok(back) => back.plan,
                Err(problem) => {
                    assert_eq!(
                        problem.code,
                        "nothing-to-take-back",
                        "{place}: {}",
                        told(&problem)
                    );
                    let left = stood(left);
                    assert!(bases.values().any(|base| stood(base) == left), "{place}");
                    return;
                }
            };
            if only_looks(&back) {
                assert_eq!(stood(left), stood(&bases[&back.to]), "{place}");
                return;
            }
            ways += 1;
            let mut returned = left.clone();
            for (stage, step) in back.steps() {
                guarded(&returned, step, &place);
                // The texts are those of the plan that is taken back.
                returned.execute(&plan_with(&plan, &back), stage, step);
            }
            let (mut found, mut wanted) = (stood(&returned), stood(&bases[&back.to]));
            // Below 3.15.0 its template cannot take the place of a later one: that is said, and must be accepted.
            let left = "prod-2-5-db-timescale-master";
            if back
                .notices
                .iter()
                .any(|it| it.id == format!("left-{left}"))
            {
                assert_eq!(back.to.as_str(), "3.14.0", "{place}");
                found.remove(left);
                wanted.remove(left);
            }
            assert_eq!(found, wanted, "{place}");
            let again = returned.way_back(&plan, &proven).expect(&place);
            assert!(only_looks(&again.plan), "{place}\n{}", outline(&again.plan));
        });
        assert!(ways > 10, "{ways}");
    }
}

/// True where nothing is left to take back: the run ends with a look.
fn only_looks(back: &Plan) -> bool {
    let mut steps = back.steps();
    steps.all(|(_, step)| matches!(step.act, Act::Verify { .. }))
}

/// The way back, between the versions of its upgrade.
fn plan_with(plan: &Plan, back: &Plan) -> Plan {
    Plan {
        stages: [plan.stages.clone(), back.stages.clone()].concat(),
        ..plan.clone()
    }
}

/// Every stack that a step speaks of is as the step expects it.
fn guarded(site: &Site, step: &Step, place: &str) {
    for expected in &step.before {
        let Expectation::Stack { is } = expected else {
            continue;
        };
        let now = &site.cloud.stacks[&is.stack];
        assert_eq!(now.body, is.body, "{place}: {}", is.stack);
        for (name, said) in &is.parameters {
            let found = &now.parameters[name].value;
            assert!(
                said.is_none() || found.is_none() || said == found,
                "{place}: {name} of {}: {found:?}",
                is.stack
            );
        }
    }
}

fn golden(site: &Site, plan: &Plan, number: u32, begun: bool) -> String {
    let back = site
        .way_back(plan, &proven(plan, number, begun))
        .unwrap_or_else(|problem| panic!("{}", told(&problem)));
    let mut text = outline(&back.plan);
    for notice in back.plan.notices.iter().filter(|it| it.accept.is_none()) {
        text.push_str(&format!("notice {}\n", notice.text));
    }
    for procedure in &back.plan.procedures {
        text.push_str(&format!("by hand: {}\n", procedure.title));
        for step in &procedure.steps {
            text.push_str(&format!("  {step}\n"));
        }
    }
    for note in &back.notes {
        text.push_str(&format!("note {:?}: {}\n", note.weight, note.text));
    }
    text
}

fn number_of(plan: &Plan, wanted: impl Fn(&Act) -> bool) -> u32 {
    let found = plan.steps().find(|(_, step)| wanted(&step.act));
    found.map(|(_, step)| step.number.0).expect("it is there")
}

#[test]
fn numbered_stacks_come_back_after_the_end() {
    let site = Site::numbered("3.26.0", "3.36.0");
    let plan = site.planned().plan;
    insta::assert_snapshot!(golden(&done(&site, &plan), &plan, all(&plan), false));
}

#[test]
fn numbered_stacks_come_back_to_where_the_disk_cannot_follow() {
    let site = Site::numbered("3.14.0", "3.19.2");
    let plan = site.planned().plan;
    insta::assert_snapshot!(golden(&done(&site, &plan), &plan, all(&plan), false));
}

#[test]
fn a_failed_migration_is_taken_back_with_its_database() {
    let site = Site::numbered("3.26.0", "3.36.0");
    let plan = site.planned().plan;
    let failed = number_of(&plan, |act| matches!(act, Act::Migrate { .. }));
    let mut left = site.clone();
    for (stage, step) in plan.steps().filter(|(_, step)| step.number.0 < failed) {
        left.execute(&plan, stage, step);
    }
    insta::assert_snapshot!(golden(&left, &plan, failed, true));
}

#[test]
fn a_single_machine_comes_back_with_its_databases_at_once() {
    let site = Site::single("3.21.0", "3.32.0");
    let plan = site.planned().plan;
    insta::assert_snapshot!(golden(&done(&site, &plan), &plan, all(&plan), false));
}

#[test]
fn what_cloudformation_took_back_by_itself_did_not_happen() {
    let mut site = Site::numbered("3.26.0", "3.36.0");
    let plan = site.planned().plan;
    let first = number_of(&plan, |act| matches!(act, Act::Update { .. }));
    let begun = proven(&plan, first, true);
    site.stack("prod-1-1-vpc").status = StackStatus::new("UPDATE_ROLLBACK_COMPLETE");
    // The run ends all the same: nothing else could begin while it stays open.
    let back = site.way_back(&plan, &begun).expect("a look");
    assert!(only_looks(&back.plan), "{}", outline(&back.plan));
    let told = back
        .notes
        .iter()
        .any(|note| note.text.starts_with("nothing is left to take back"));
    assert!(told, "{:?}", back.notes);

    let (stage, step) = plan.steps().nth(first as usize - 1).expect("it is there");
    site.execute(&plan, stage, step);
    let name = "prod-2-1-db-aurora-master";
    site.stack(name).status = StackStatus::new("UPDATE_ROLLBACK_COMPLETE");
    let back = site
        .way_back(&plan, &proven(&plan, first + 1, true))
        .expect("the first update is taken back");
    assert!(back.notes.iter().any(|note| note.text
        .ends_with("the update of stack `prod-2-1-db-aurora-master`, did not happen: CloudFormation took it back by itself")),
        "{:?}", back.notes);
    let updates: Vec<&Act> = back.plan.steps().map(|(_, step)| &step.act).collect();
    assert!(
        matches!(updates[..], [Act::Update { update }, Act::Verify { .. }] if update.stack == "prod-1-1-vpc")
    );
}

#[test]
fn a_refresh_that_nobody_saw_the_end_of_is_ended_before_anything_goes_back() {
    let mut site = Site::numbered("3.19.2", "3.24.2");
    let refresh = AwsRefresh {
        healthy: 90,
        warm_up: None,
    };
    let stack = "prod-5-1-ecs-cluster".to_owned();
    site.config.refresh.insert(stack, refresh);
    let plan = site.planned().plan;
    let number = number_of(&plan, |act| matches!(act, Act::Renew { .. }));
    for (stage, step) in plan.steps().filter(|(_, step)| step.number.0 < number) {
        site.execute(&plan, stage, step);
    }
    // What the operator says by now does not matter: it goes back as it came.
    site.config.refresh.clear();
    let acts = |number: u32, begun: bool| {
        let back = site.way_back(&plan, &proven(&plan, number, begun));
        let back = back.expect("planned").plan;
        back.steps()
            .map(|(_, step)| step.act.clone())
            .collect::<Vec<Act>>()
    };
    let open = acts(number, true);
    assert!(
        matches!(&open[0], Act::EndRefresh { group } if group.name == "asg"),
        "{open:?}"
    );
    let renewed = open.iter().filter_map(|act| match act {
        Act::Renew { by, .. } => Some(*by),
        _ => None,
    });
    let refreshed = RenewBy::Refresh {
        healthy: 90,
        warm_up: None,
    };
    assert_eq!(renewed.collect::<Vec<_>>(), [refreshed]);
    let ended = |act: &Act| matches!(act, Act::EndRefresh { .. });
    assert!(!acts(number, false).iter().any(ended), "it was not begun");
    assert!(!acts(number + 1, false).iter().any(ended), "it is through");
}

#[test]
fn everything_that_stops_a_way_back_says_what_why_and_what_to_do() {
    let site = Site::numbered("3.26.0", "3.36.0");
    let plan = site.planned().plan;
    let end = proven(&plan, all(&plan), false);
    let mut text = String::new();
    let mut refused = |site: &Site| {
        let problem = site.way_back(&plan, &end).expect_err("it is refused");
        text.push_str(&told(&problem));
        text.push('\n');
    };
    let left = done(&site, &plan);
    let ops = "prod-5-2-ecs-ops";

    let mut other = left.clone();
    other.set(ops, "OpsImage", "someone:else");
    refused(&other);

    let mut gone = left.clone();
    gone.cloud.stacks.remove(ops);
    refused(&gone);

    let mut elsewhere = left.clone();
    elsewhere.cloud.account.id = "999999999999".to_owned();
    refused(&elsewhere);

    let mut abroad = left.clone();
    abroad.cloud.account.region = "us-east-1".to_owned();
    refused(&abroad);

    let mut unkept = left.clone();
    let aurora = unkept
        .cloud
        .stores
        .iter()
        .find(|it| it.logical == "DBCluster");
    let lost = handle(1, aurora.expect("it is there"));
    unkept.withheld.push(lost);
    refused(&unkept);

    let mut stuck = left.clone();
    let stack = stuck.stack("prod-5-4-ecs-services");
    stack.status = StackStatus::new("UPDATE_ROLLBACK_FAILED");
    stack.reason = Some("The following resource(s) failed to update: [TaskDefinition].".to_owned());
    stack.resources[0].status = "UPDATE_FAILED".to_owned();
    refused(&stuck);

    let mut busy = left;
    busy.stack("prod-1-1-vpc").status = StackStatus::new("UPDATE_IN_PROGRESS");
    refused(&busy);
    let begun = proven(&plan, 1, true);
    let problem = site
        .way_back(&plan, &begun)
        .expect_err("nothing was changed");
    text.push_str(&told(&problem));
    insta::assert_snapshot!(text);
}

#[test]
fn a_way_back_has_no_way_back_of_its_own() {
    let site = Site::numbered("3.26.0", "3.36.0");
    let plan = site.planned().plan;
    let done = done(&site, &plan);
    let end = proven(&plan, all(&plan), false);
    let back = done.way_back(&plan, &end).expect("there is one").plan;
    let problem = site
        .way_back(&back, &proven(&back, 3, true))
        .expect_err("it is refused");
    assert_eq!(problem.code, "rollback-of-rollback");
}

#[test]
fn only_what_a_migration_may_have_changed_comes_back() {
    let site = Site::numbered("3.26.0", "3.36.0");
    let plan = site.planned().plan;
    let taken = |number: u32, begun: bool| -> Vec<String> {
        let mut left = site.clone();
        for (stage, step) in plan.steps().filter(|(_, step)| step.number.0 < number) {
            left.execute(&plan, stage, step);
        }
        let back = left.way_back(&plan, &proven(&plan, number, begun));
        let back = back.expect("there is a way back").plan;
        back.steps()
            .flat_map(|(_, step)| &step.before)
            .filter_map(|expected| match expected {
                Expectation::Kept { snapshot } => Some(snapshot.store.logical.clone()),
                _ => None,
            })
            .collect()
    };
    let migration = number_of(&plan, |act| matches!(act, Act::Migrate { .. }));
    assert_eq!(taken(migration, false), Vec::<String>::new());
    assert_eq!(taken(migration, true), ["DBCluster"]);
    assert_eq!(taken(all(&plan), false), ["DBCluster"]);
}

#[test]
fn a_masked_value_that_was_taken_away_is_asked_for() {
    let site = Site::numbered("3.26.0", "3.36.0");
    let mut plan = site.planned().plan;
    let name = "prod-2-1-db-aurora-master";
    let mut left = done(&site, &plan);
    // As a release would that takes the parameter out of its template.
    for stage in &mut plan.stages {
        for step in &mut stage.steps {
            for expected in &mut step.after {
                if let Expectation::Stack { is } = expected
                    && is.stack == name
                {
                    is.parameters.remove("AuroraPassword");
                }
            }
        }
    }
    left.stack(name).parameters.remove("AuroraPassword");
    let end = proven(&plan, all(&plan), false);
    let problem = left.way_back(&plan, &end).expect_err("nobody knows it");
    assert_eq!(problem.code, "parameter-undecided", "{}", told(&problem));
    left.say(name, "AuroraPassword", "said");
    let back = left.way_back(&plan, &end).expect("it is said").plan;
    let wish = back.steps().find_map(|(_, step)| match &step.act {
        Act::Update { update } if update.stack == name => update.parameters.get("AuroraPassword"),
        _ => None,
    });
    let said = ParameterWish::Value {
        value: "said".to_owned(),
    };
    assert_eq!(wish, Some(&said));
}
