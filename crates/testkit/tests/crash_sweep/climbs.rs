//! A server that climbs in the middle of an upgrade: wherever the upgrade dies, it goes on with the rungs that are left,
//! or back to the server of before, which a person has to put back.

use switchback_engine::Ended;
use switchback_model::plan::{Act, Plan};
use switchback_testkit::Scenario;
use switchback_testkit::crash::Meanwhile;
use switchback_testkit::sweep::Lab;

use super::by_hand::{attended, died_at};
use super::{Count, assert_restored, back, dies_again, planned_way_back, report, run};

/// The version of the server that climbs.
fn server(lab: &Lab) -> String {
    lab.scenario.world.touch(|now| {
        let identity = &now.stores[&"identity".into()];
        identity.made_for().to_owned()
    })
}

/// What a way back waits for.
fn waits(plan: &Plan) -> usize {
    let steps = plan.steps().map(|(_, step)| &step.act);
    steps
        .filter(|act| matches!(act, Act::HandWork { .. }))
        .count()
}

fn undisturbed() -> Lab {
    let lab = Lab::new(Scenario::climbing());
    assert_eq!(attended(&lab).expect("nobody dies"), 2);
    lab.assert_clean("climbing");
    assert_eq!(server(&lab), "17");
    lab
}

#[test]
fn wherever_it_dies_the_rungs_that_are_left_are_climbed() {
    let lab = undisturbed();
    let (expected, points) = (
        lab.scenario.world.snapshot(),
        lab.scenario.world.crash.passed(),
    );
    let mut count = Count::default();
    for point in 1..=points {
        count.points += 1;
        let (lab, why) = died_at(Scenario::climbing, point);
        lab.finish(&lab.scenario.plan, &run());
        assert_eq!(lab.scenario.world.snapshot(), expected, "{why}");
        lab.assert_clean(&why);
        count.recovered += 1;
    }
    report("climb", &count);
}

#[test]
fn wherever_it_dies_the_way_back_waits_for_the_server_of_before_and_restores_into_it() {
    let points = undisturbed().scenario.world.crash.passed();
    let before = Scenario::climbing().world.snapshot();
    let mut count = Count::default();
    for point in 1..=points {
        let (lab, why) = died_at(Scenario::climbing, point);
        let Some(plan) = planned_way_back(&lab, &why) else {
            continue;
        };
        count.points += 1;
        if server(&lab) != "15" {
            assert_eq!(waits(&plan), 1, "{why}");
            let halted = lab.run(&plan, &back()).expect("nobody dies");
            let Ok(Ended::Halted(problem)) = halted else {
                panic!("{why}: {halted:#?}");
            };
            assert_eq!(problem.code, "hand-work", "{why}: {problem:#?}");
        }
        // It dies as well, on the way that is left.
        if dies_again(&lab, &plan, &back(), 1 + point % 7) {
            lab.pass(Meanwhile::TheyDie);
        }
        lab.finish(&plan, &back());
        assert_restored(&lab, &before, &why);
        count.recovered += 1;
    }
    report("climb, rollback", &count);
}

#[test]
fn what_somebody_did_while_the_run_waited_is_taken_back_too() {
    let lab = Lab::new(Scenario::climbing());
    let halted = lab.run(&lab.scenario.plan, &run()).expect("nobody dies");
    assert!(matches!(halted, Ok(Ended::Halted(_))), "{halted:#?}");
    // The rung is done, and no resume has seen it.
    lab.attend(&lab.scenario.plan, &run());
    assert_eq!(server(&lab), "16");
    let plan = planned_way_back(&lab, "after the first rung").expect("it was begun");
    assert_eq!(waits(&plan), 1);
    lab.finish(&plan, &back());
    assert_eq!(server(&lab), "15");
    let before = Scenario::climbing().world.snapshot();
    assert_restored(&lab, &before, "after the first rung");
}

#[test]
fn a_rung_that_lost_data_is_found_before_the_next_one() {
    let lab = Lab::new(Scenario::climbing());
    let halted = lab.run(&lab.scenario.plan, &run()).expect("nobody dies");
    assert!(matches!(halted, Ok(Ended::Halted(_))), "{halted:#?}");
    lab.attend(&lab.scenario.plan, &run());
    lab.scenario.world.touch(|now| {
        let identity = now.stores.get_mut(&"identity".into());
        identity
            .expect("it is there")
            .live
            .collections
            .remove("users");
    });
    let halted = lab.run(&lab.scenario.plan, &run()).expect("nobody dies");
    let Ok(Ended::Halted(problem)) = halted else {
        panic!("{halted:#?}");
    };
    assert_eq!(problem.code, "contents-differ", "{problem:#?}");
    let plan = planned_way_back(&lab, "after a loss").expect("it was begun");
    lab.finish(&plan, &back());
    let before = Scenario::climbing().world.snapshot();
    assert_restored(&lab, &before, "after a loss");
}
