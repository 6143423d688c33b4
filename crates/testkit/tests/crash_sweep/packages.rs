//! A product that is installed from packages: the installation is cut off between any two packages, goes on without
//! the engine, or dies with the machine.

use switchback_testkit::Scenario;
use switchback_testkit::crash::Meanwhile;

use super::{
    Count, assert_finished, assert_restored, back, died_at, dies_again, planned_way_back, report,
    run, undisturbed,
};

/// Ends an upgrade that died by going on, and another that died there by going back.
#[test]
fn packages_go_on_and_go_back_wherever_an_upgrade_died() {
    let mut count = Count::default();
    let make = Scenario::packaged as fn() -> Scenario;
    let (expected, points) = undisturbed(make);
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
                assert_restored(&lab, &make().world.snapshot(), &why);
            }
            count.recovered += 1;
        }
    }
    report("packages", &count);
}

/// The way on and the way back die as well: each kind of point after each, one in twenty-three of all pairs.
#[test]
fn packages_go_on_and_go_back_wherever_that_died_too() {
    let mut count = Count::default();
    let make = Scenario::packaged as fn() -> Scenario;
    let (expected, points) = undisturbed(make);
    for point in 1..=points {
        for second in (1 + point % 23..).step_by(23) {
            let (lab, why) = died_at(make, point, Meanwhile::TheyGoOn).expect("it died");
            let way_back = if second % 2 == 0 {
                planned_way_back(&lab, &why)
            } else {
                None
            };
            let (plan, id) = match &way_back {
                Some(plan) => (plan, back()),
                None => (&lab.scenario.plan, run()),
            };
            if !dies_again(&lab, plan, &id, second) {
                break;
            }
            count.points += 1;
            let why = format!("{why}, then again at point {second} of `{id}`");
            lab.pass(Meanwhile::TheyDie);
            lab.finish(plan, &id);
            match way_back {
                Some(_) => assert_restored(&lab, &make().world.snapshot(), &why),
                None => {
                    assert_eq!(lab.scenario.world.snapshot(), expected, "{why}");
                    lab.assert_clean(&why);
                }
            }
            count.recovered += 1;
        }
    }
    report("packages, twice", &count);
}
