//! An upgrade that waits for people: it dies anywhere between and around what they do, and what nobody has said is
//! never taken for done.

use switchback_engine::Ended;
use switchback_journal::StepStatus;
use switchback_model::hand_work::DoneWhen;
use switchback_model::plan::Act;
use switchback_testkit::Scenario;
use switchback_testkit::crash::{Crashed, Meanwhile};
use switchback_testkit::sweep::Lab;

use super::{Count, assert_restored, back, planned_way_back, ran_before, report, run};

/// Of this many points the upgrade is taken back at one, and gone on with at the others.
const WAYS_BACK: u64 = 4;

/// An upgrade with people who do what it waits for, until it ends or dies; how often it waited.
pub(super) fn attended(lab: &Lab) -> Result<u32, Crashed> {
    let mut waited = 0;
    loop {
        let done = lab.attend(&lab.scenario.plan, &run());
        match lab.run_attended(&lab.scenario.plan, &run(), &done)? {
            Ok(Ended::Finished { .. }) => return Ok(waited),
            Ok(Ended::Halted(problem)) => {
                assert_eq!(problem.code, "hand-work", "{problem:#?}");
                waited += 1;
            }
            Err(problem) => panic!("{problem:#?}"),
        }
    }
}

/// A lab whose upgrade died at this point.
pub(super) fn died_at(make: fn() -> Scenario, point: u64) -> (Lab, String) {
    let lab = Lab::new(make());
    lab.scenario.world.crash.arm(point);
    let crashed = attended(&lab).expect_err("it dies at the chosen point");
    lab.scenario.world.crash.arm(0);
    lab.pass(Meanwhile::TheyEnd);
    (lab, format!("died {} (point {point})", crashed.at))
}

/// Every step of people that is finished was seen to be done or is somebody's word.
fn assert_answered_for(lab: &Lab, why: &str) {
    let state = lab.state_of(&run());
    for (_, step) in lab.scenario.plan.steps() {
        let Act::HandWork { work } = &step.act else {
            continue;
        };
        if let StepStatus::Finished { outcome, .. } = state.step(step.number)
            && work.done == DoneWhen::Said
        {
            let by = outcome.facts.get("said-by").map(String::as_str);
            assert_eq!(by, Some("tester@lab"), "{why}: {}", work.id);
        }
    }
}

#[test]
fn what_nobody_has_done_or_said_is_waited_for_wherever_the_upgrade_died() {
    let lab = Lab::new(Scenario::attended());
    assert_eq!(attended(&lab).expect("nobody dies"), 2);
    lab.assert_clean("attended");
    let expected = lab.scenario.world.snapshot();
    let points = lab.scenario.world.crash.passed();
    let mut count = Count::default();
    // The points of all calls of the engine, counted through.
    for point in 1..=points {
        count.points += 1;
        let (lab, why) = died_at(Scenario::attended, point);
        if point % WAYS_BACK == 0 {
            if let Some(plan) = planned_way_back(&lab, &why) {
                lab.finish(&plan, &back());
                assert_restored(&lab, &ran_before(Scenario::attended, &plan), &why);
            }
            count.recovered += 1;
            continue;
        }
        // Going on without a word gets to the next work at most.
        let went_on = lab.run(&lab.scenario.plan, &run()).expect("nobody dies");
        if let Ok(Ended::Halted(problem)) = went_on {
            assert_eq!(problem.code, "hand-work", "{why}: {problem:#?}");
            let waits_for = lab.attend(&lab.scenario.plan, &run());
            assert!(!waits_for.is_empty(), "{why}");
        }
        assert_answered_for(&lab, &why);
        lab.finish(&lab.scenario.plan, &run());
        assert_eq!(lab.scenario.world.snapshot(), expected, "{why}");
        assert_answered_for(&lab, &why);
        lab.assert_clean(&why);
        count.recovered += 1;
    }
    report("by hand", &count);
}
