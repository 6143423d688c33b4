use std::collections::BTreeMap;

use switchback_model::event::Outcome;
use switchback_model::observed::{Deployment, ImagePin};
use switchback_model::plan::{
    Act, FORMAT, Forecast, Origin, Plan, Purpose, Stage, StageKind, Step, WayBack,
};
use switchback_model::{Digest, PlanId};

use super::*;

/// Three steps; the third restores `identity` first and repeats the second.
fn plan() -> Plan {
    let image = ImagePin {
        reference: "example:1".to_owned(),
        id: None,
        digest: None,
    };
    let steps = (1..=3)
        .map(|number| Step {
            number: StepNumber(number),
            act: Act::Fetch {
                image: image.clone(),
            },
            before: Vec::new(),
            after: Vec::new(),
            interrupted: if number == 3 {
                Interrupted::RestoreFirst {
                    datastore: "identity".into(),
                    redo: vec![StepNumber(2)],
                    because: "marked first".to_owned(),
                }
            } else {
                Interrupted::Repeat
            },
            way_back: WayBack::NotNeeded,
            downtime: false,
            because: None,
        })
        .collect();
    Plan {
        format: FORMAT,
        id: PlanId::new("p-1"),
        purpose: Purpose::Upgrade,
        parent: None,
        account: None,
        deployment: Deployment {
            name: "lab".to_owned(),
            directory: "/srv/lab".to_owned(),
            driver: "exec".to_owned(),
            project: "lab".to_owned(),
        },
        product: "example".into(),
        product_name: "Example".to_owned(),
        edition: None,
        definition: Digest::of("definition"),
        from: "1".into(),
        to: "2".into(),
        because: Vec::new(),
        notices: Vec::new(),
        procedures: Vec::new(),
        origin: Origin::default(),
        datastores: BTreeMap::new(),
        stages: vec![Stage {
            kind: StageKind::Preparation,
            required_by: Vec::new(),
            round: 1,
            steps,
        }],
        forecast: Forecast::default(),
        advice: Vec::new(),
        secrets: Vec::new(),
    }
}

fn finished(sequence: u64) -> StepStatus {
    StepStatus::Finished {
        attempt: 1,
        outcome: Outcome::default(),
        sequence,
    }
}

/// A run with these steps; `recovered` is the place of the event that ended the third step's recovery.
fn standing(steps: &[(u32, StepStatus)], recovered: Option<u64>) -> RunState {
    RunState {
        status: RunStatus::Running,
        steps: steps
            .iter()
            .map(|(number, status)| (StepNumber(*number), status.clone()))
            .collect(),
        recovered: recovered
            .map(|sequence| (StepNumber(3), sequence))
            .into_iter()
            .collect(),
        ..RunState::default()
    }
}

#[test]
fn each_state_has_one_next_move() {
    let started = StepStatus::Started { attempt: 1 };
    let failed = StepStatus::Failed {
        attempt: 1,
        code: "x".to_owned(),
    };
    let recovering = StepStatus::Recovering {
        attempt: 1,
        datastore: "identity".into(),
    };
    let recovered = StepStatus::Recovered { attempt: 1 };
    let step = StepNumber;
    let cases = [
        (standing(&[], None), Move::Start { step: step(1) }),
        (
            standing(&[(1, started.clone())], None),
            Move::Reguard { step: step(1) },
        ),
        (
            standing(&[(1, failed)], None),
            Move::Reguard { step: step(1) },
        ),
        (
            standing(&[(1, finished(3))], None),
            Move::Start { step: step(2) },
        ),
        (
            standing(&[(1, finished(3)), (2, finished(5)), (3, started)], None),
            Move::Reguard { step: step(3) },
        ),
        (
            standing(&[(1, finished(3)), (2, finished(5)), (3, recovering)], None),
            Move::Recover {
                step: step(3),
                datastore: "identity".into(),
            },
        ),
        // The restore took back what step 2 had done: it comes first again.
        (
            standing(
                &[(1, finished(3)), (2, finished(5)), (3, recovered.clone())],
                Some(8),
            ),
            Move::Repeat { step: step(2) },
        ),
        (
            standing(
                &[(1, finished(3)), (2, finished(10)), (3, recovered)],
                Some(8),
            ),
            Move::Repeat { step: step(3) },
        ),
        (
            standing(
                &[(1, finished(3)), (2, finished(10)), (3, finished(12))],
                Some(8),
            ),
            Move::Finish,
        ),
    ];
    for (state, expected) in cases {
        assert_eq!(next_move(&plan(), &state), expected, "{:?}", state.steps);
    }
}

#[test]
fn a_finished_run_and_a_journal_of_another_plan_do_nothing() {
    let over = RunState {
        status: RunStatus::Finished { downtime: 1 },
        ..RunState::default()
    };
    assert_eq!(next_move(&plan(), &over), Move::Finished);
    let foreign = standing(&[(9, finished(3))], None);
    assert_eq!(
        next_move(&plan(), &foreign),
        Move::Halt {
            because: "the journal speaks of step 9, plan `p-1` has none".to_owned()
        }
    );
}
