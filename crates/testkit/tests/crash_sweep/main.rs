//! The engine dies at every journal write and every side effect of every
//! scenario; the same command goes on; the end is the same.

mod by_hand;
mod climbs;
mod content;
mod packages;

use switchback_engine::Ended;
use switchback_journal::RunStatus;
use switchback_model::{Plan, RunId};
use switchback_testkit::Scenario;
use switchback_testkit::crash::Meanwhile;
use switchback_testkit::scenario::FROM;
use switchback_testkit::sweep::Lab;
use switchback_testkit::world::Snapshot;

/// What was died at, and how often it was recovered from.
#[derive(Default)]
struct Count {
    points: u64,
    recovered: u64,
}

fn run() -> RunId {
    RunId::new("r-00000001")
}

fn back() -> RunId {
    RunId::new("r-00000002")
}

/// Takes a dead upgrade back as the planner says; `None` where nothing was begun.
fn planned_way_back(lab: &Lab, why: &str) -> Option<Plan> {
    let state = lab.state_of(&run());
    if state.status == RunStatus::NotStarted {
        return None;
    }
    let plan = lab.scenario.way_back(&run(), &state);
    Some(plan.unwrap_or_else(|problem| panic!("{why}: {problem:#?}")))
}

/// How the deployment was where a way back leads to: at its beginning, at a stop where it ran, or on the other
/// server on which it ran.
fn ran_before(make: fn() -> Scenario, plan: &Plan) -> Snapshot {
    let round = plan.stages.last().map_or(1, |stage| stage.round);
    if plan.to.as_str() != FROM {
        undisturbed(Scenario::first_leg).0
    } else if round > 1 {
        undisturbed(Scenario::other_server).0
    } else {
        make().world.snapshot()
    }
}

/// How the scenario ends when nobody dies, and how many crash points that passes.
fn undisturbed(make: fn() -> Scenario) -> (Snapshot, u64) {
    let lab = Lab::new(make());
    lab.scenario.world.crash.arm(0);
    let ended = lab.run(&lab.scenario.plan, &run()).expect("nobody dies");
    assert!(matches!(ended, Ok(Ended::Finished { .. })), "{ended:#?}");
    lab.assert_clean(lab.scenario.name);
    (
        lab.scenario.world.snapshot(),
        lab.scenario.world.crash.passed(),
    )
}

/// A lab whose first engine died at this point; `None` where no container ran then, so that what
/// happens meanwhile makes no difference.
fn died_at(make: fn() -> Scenario, point: u64, meanwhile: Meanwhile) -> Option<(Lab, String)> {
    let lab = Lab::new(make());
    lab.scenario.world.crash.arm(point);
    let crashed = lab
        .run(&lab.scenario.plan, &run())
        .expect_err("it dies at the chosen point");
    lab.scenario.world.crash.arm(0);
    if lab.pass(meanwhile) == 0 && meanwhile != Meanwhile::TheyGoOn {
        return None;
    }
    let why = format!(
        "{}, died {} (point {point}), {meanwhile:?}",
        lab.scenario.name, crashed.at
    );
    Some((lab, why))
}

/// Lets the next engine die at its point `second`, if it gets there; false where it ended before.
fn dies_again(lab: &Lab, plan: &Plan, id: &RunId, second: u64) -> bool {
    lab.scenario.world.crash.arm(second);
    let died = lab.run(plan, id).is_err();
    lab.scenario.world.crash.arm(0);
    died
}

/// Lets the same command end the upgrade, which is then as if nobody had died.
fn assert_finished(lab: &Lab, expected: &Snapshot, why: &str) {
    lab.finish(&lab.scenario.plan, &run());
    assert_eq!(lab.scenario.world.snapshot(), *expected, "{why}");
    lab.assert_clean(why);
}

#[expect(clippy::print_stdout, reason = "the count is the result")]
fn report(what: &str, count: &Count) {
    println!(
        "crash sweep: {} points, {} recovered ({what})",
        count.points, count.recovered
    );
    assert_eq!(count.points, count.recovered);
    assert!(count.points > 0);
}

#[test]
fn an_upgrade_that_dies_anywhere_is_finished_by_the_same_command() {
    let mut count = Count::default();
    for make in Scenario::all() {
        let (expected, points) = undisturbed(make);
        for point in 1..=points {
            for meanwhile in Meanwhile::ALL {
                let Some((lab, why)) = died_at(make, point, meanwhile) else {
                    continue;
                };
                count.points += 1;
                assert_finished(&lab, &expected, &why);
                count.recovered += 1;
            }
        }
    }
    report("upgrade", &count);
}

#[test]
fn a_recovery_that_dies_is_recovered_as_well() {
    let mut count = Count::default();
    for make in [Scenario::one_leg as fn() -> Scenario, Scenario::two_legs] {
        let (expected, points) = undisturbed(make);
        for point in 1..=points {
            // How many points the resumed run passes is known once it has passed them. Every fifteenth, from
            // a start that moves on, so that in the end each kind of point was died at after each.
            for second in (1 + point % 15..).step_by(15) {
                let dead = died_at(make, point, Meanwhile::TheyDie);
                let (lab, why) = dead
                    .or_else(|| died_at(make, point, Meanwhile::TheyGoOn))
                    .expect("it died");
                if !dies_again(&lab, &lab.scenario.plan, &run(), second) {
                    break;
                }
                count.points += 1;
                let why = format!("{why}, then again at point {second}");
                lab.pass(Meanwhile::TheyDie);
                assert_finished(&lab, &expected, &why);
                count.recovered += 1;
            }
        }
    }
    report("upgrade and its recovery", &count);
}

#[test]
fn a_shadow_that_was_lost_meanwhile_is_begun_anew_and_compared_wherever_that_dies() {
    let mut count = Count::default();
    let make = Scenario::shadowed;
    let (expected, points) = undisturbed(make);
    for point in 1..=points {
        // Only where something followed is there something to lose.
        for second in 1..=12 {
            let Some((lab, why)) = died_at(make, point, Meanwhile::TheyDie) else {
                break;
            };
            let world = &lab.scenario.world;
            world.touch(|now| now.faults.lost_shadows.insert("identity".into()));
            if !dies_again(&lab, &lab.scenario.plan, &run(), second) {
                break;
            }
            count.points += 1;
            let why = format!("{why}, then again at point {second}");
            lab.pass(Meanwhile::TheyDie);
            assert_finished(&lab, &expected, &why);
            count.recovered += 1;
        }
    }
    report("shadow lost meanwhile", &count);
}

#[test]
fn from_wherever_an_upgrade_died_the_way_back_restores_everything() {
    let mut count = Count::default();
    for make in Scenario::all() {
        let (_, points) = undisturbed(make);
        for point in 1..=points {
            for meanwhile in Meanwhile::ALL {
                let Some((lab, why)) = died_at(make, point, meanwhile) else {
                    continue;
                };
                let Some(plan) = planned_way_back(&lab, &why) else {
                    continue;
                };
                count.points += 1;
                lab.finish(&plan, &back());
                assert_restored(&lab, &ran_before(make, &plan), &why);
                count.recovered += 1;
            }
        }
    }
    report("rollback", &count);
}

#[test]
fn a_way_back_that_dies_anywhere_is_finished_by_the_same_command() {
    let mut count = Count::default();
    for make in [
        Scenario::two_legs as fn() -> Scenario,
        Scenario::shadowed,
        Scenario::shadowed_twice,
    ] {
        let (_, points) = undisturbed(make);
        for point in (1..=points).step_by(9) {
            for second in 1.. {
                let (lab, why) = died_at(make, point, Meanwhile::TheyGoOn).expect("it died");
                let Some(plan) = planned_way_back(&lab, &why) else {
                    break;
                };
                if !dies_again(&lab, &plan, &back(), second) {
                    break;
                }
                count.points += 1;
                let why = format!("{why}, way back died at point {second}");
                lab.pass(Meanwhile::TheyDie);
                lab.finish(&plan, &back());
                assert_restored(&lab, &ran_before(make, &plan), &why);
                count.recovered += 1;
            }
        }
    }
    report("rollback killed", &count);
}

#[test]
fn after_another_server_the_product_goes_on_or_back_from_its_own_backups() {
    let mut count = Count::default();
    let make = Scenario::server_and_product as fn() -> Scenario;
    let (expected, points) = undisturbed(make);
    for point in (1..=points).step_by(5) {
        let (lab, why) = died_at(make, point, Meanwhile::TheyGoOn).expect("it died");
        count.points += 2;
        assert_finished(&lab, &expected, &why);
        count.recovered += 1;
        let (lab, why) = died_at(make, point, Meanwhile::TheyGoOn).expect("it died as before");
        if let Some(plan) = planned_way_back(&lab, &why) {
            // The way back dies as well, and goes on.
            let died_again = dies_again(&lab, &plan, &back(), 1 + point % 40);
            let why = format!(
                "{why}, way back {}",
                if died_again { "died" } else { "did not" }
            );
            lab.finish(&plan, &back());
            assert_restored(&lab, &ran_before(make, &plan), &why);
        }
        count.recovered += 1;
    }
    report("server and product", &count);
}

#[test]
fn a_failing_migration_halts_and_then_goes_on_or_back_wherever_it_dies() {
    let mut count = Count::default();
    let make = failing;
    let lab = Lab::new(make());
    lab.scenario.world.crash.arm(0);
    let halted = lab.run(&lab.scenario.plan, &run()).expect("nobody dies");
    assert!(matches!(halted, Ok(Ended::Halted(_))), "{halted:?}");
    let points = lab.scenario.world.crash.passed();
    let (expected, _) = undisturbed(Scenario::two_legs);
    for point in 1..=points {
        for meanwhile in Meanwhile::ALL {
            let Some((lab, why)) = died_at(make, point, meanwhile) else {
                continue;
            };
            count.points += 2;
            assert_finished(&lab, &expected, &why);
            count.recovered += 1;
            let (lab, why) = died_at(make, point, meanwhile).expect("it died as before");
            if let Some(plan) = planned_way_back(&lab, &why) {
                lab.finish(&plan, &back());
                assert_restored(&lab, &ran_before(make, &plan), &why);
            }
            count.recovered += 1;
        }
    }
    report("migration fails half-way", &count);
}

/// The second `is-db` marks its third unit as done and fails before doing it, once.
fn failing() -> Scenario {
    let scenario = Scenario::two_legs();
    scenario.world.touch(|now| {
        now.faults
            .migrations
            .insert(("is-db".into(), "3.32.1".into()), (2, 1));
    });
    scenario
}

/// Data, files, version and services are what they were, but for what a running product always rewrites.
fn assert_restored(lab: &Lab, before: &Snapshot, why: &str) {
    let after = lab.scenario.world.snapshot();
    assert_eq!(
        after.without_volatile(),
        before.clone().without_volatile(),
        "{why}"
    );
    lab.assert_clean(why);
}
