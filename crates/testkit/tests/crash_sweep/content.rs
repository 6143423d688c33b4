//! A roll-over: what the new instance fetches by itself goes on without the engine, ends, or dies there.

use switchback_testkit::Scenario;
use switchback_testkit::crash::Meanwhile;
use switchback_testkit::sweep::Lab;
use switchback_testkit::world::Snapshot;

use super::{Count, died_at, dies_again, report, run, undisturbed};

/// How often the new instance was told to fetch does not count where it died itself: it has to be told anew.
fn outcome(lab: &Lab, died: bool) -> Snapshot {
    lab.scenario.world.touch(|now| {
        let told = now.content.iter_mut().flat_map(|it| it.told.values_mut());
        told.filter(|_| died)
            .for_each(|times| *times = (*times).min(1));
    });
    lab.scenario.world.snapshot()
}

#[test]
fn a_roll_over_that_dies_anywhere_is_finished_and_nothing_is_fetched_twice() {
    let mut count = Count::default();
    let make = Scenario::roll_over as fn() -> Scenario;
    let (expected, points) = undisturbed(make);
    for point in 1..=points {
        for meanwhile in Meanwhile::ALL {
            let Some((lab, why)) = died_at(make, point, meanwhile) else {
                continue;
            };
            count.points += 1;
            lab.finish(&lab.scenario.plan, &run());
            assert_eq!(
                outcome(&lab, meanwhile == Meanwhile::TheyDie),
                expected,
                "{why}"
            );
            lab.assert_clean(&why);
            count.recovered += 1;
        }
    }
    report("roll-over", &count);
}

#[test]
fn a_roll_over_that_dies_twice_is_finished_as_well() {
    let mut count = Count::default();
    let make = Scenario::roll_over as fn() -> Scenario;
    let (expected, points) = undisturbed(make);
    for point in 1..=points {
        for second in (1 + point % 9..).step_by(9) {
            let (lab, why) = died_at(make, point, Meanwhile::TheyGoOn).expect("it died");
            if !dies_again(&lab, &lab.scenario.plan, &run(), second) {
                break;
            }
            count.points += 1;
            let why = format!("{why}, then again at point {second}");
            lab.pass(Meanwhile::TheyEnd);
            lab.finish(&lab.scenario.plan, &run());
            assert_eq!(outcome(&lab, false), expected, "{why}");
            lab.assert_clean(&why);
            count.recovered += 1;
        }
    }
    report("roll-over, twice", &count);
}
