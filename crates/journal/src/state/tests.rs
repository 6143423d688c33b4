use switchback_model::exit::Exit;

use super::*;

fn started() -> Event {
    Event::RunStarted {
        plan: "p-1".into(),
        digest: Digest::of("plan"),
        deployment: "lab".to_owned(),
        accepted: vec!["contact-infos".to_owned()],
        by: "me@here".to_owned(),
        program: "0.1.0".to_owned(),
        took_over: None,
    }
}

fn resumed() -> Event {
    Event::RunResumed {
        by: "me@here".to_owned(),
        program: "0.1.0".to_owned(),
        lease: 2,
        took_over: None,
    }
}

fn begin(step: u32, attempt: u32) -> Event {
    Event::StepStarted {
        step: StepNumber(step),
        attempt,
    }
}

fn fail(step: u32, attempt: u32) -> Event {
    Event::AttemptFailed {
        step: StepNumber(step),
        attempt,
        problem: Problem::new(Exit::Halted, "migration-failed", "it failed"),
        output: None,
    }
}

fn finish(step: u32) -> Event {
    Event::StepFinished {
        step: StepNumber(step),
        outcome: Outcome::default(),
        took: 1,
    }
}

fn recover(step: u32) -> Event {
    Event::RecoveryStarted {
        step: StepNumber(step),
        datastore: "identity".into(),
        because: "marked before run".to_owned(),
    }
}

fn recovered(step: u32) -> Event {
    Event::RecoveryFinished {
        step: StepNumber(step),
        datastore: "identity".into(),
    }
}

fn halt() -> Event {
    Event::RunHalted {
        problem: Problem::new(Exit::Halted, "stopped-by-operator", "stopped"),
    }
}

fn fold(events: &[Event]) -> Result<RunState, IllegalMove> {
    let stamped: Vec<Stamped> = (1..)
        .zip(events)
        .map(|(sequence, event)| Stamped {
            run: "r-1".into(),
            sequence,
            at: 1000 + sequence,
            event: event.clone(),
        })
        .collect();
    RunState::fold(&stamped)
}

#[test]
fn a_run_with_a_failure_a_recovery_and_an_end_folds() {
    let state = fold(&[
        started(),
        begin(1, 1),
        finish(1),
        begin(2, 1),
        fail(2, 1),
        halt(),
        resumed(),
        recover(2),
        resumed(),
        recover(2),
        recovered(2),
        begin(1, 2),
        finish(1),
        begin(2, 2),
        finish(2),
        Event::RunFinished { downtime: 40 },
    ])
    .expect("every move is legal");
    assert_eq!(state.status, RunStatus::Finished { downtime: 40 });
    assert_eq!(state.sequence, 16);
    assert!(matches!(
        state.step(StepNumber(2)),
        StepStatus::Finished { attempt: 2, .. }
    ));
}

#[test]
fn what_the_table_does_not_list_is_illegal() {
    let cases: [(&[Event], &str); 11] = [
        (&[begin(1, 1)], "step-started while the run is not started"),
        (
            &[started(), started()],
            "run-started while the run is running",
        ),
        (
            &[started(), begin(1, 2)],
            "step-started while step 1 is not started",
        ),
        (
            &[started(), begin(1, 1), begin(1, 1)],
            "step-started while step 1 is started (try 1)",
        ),
        (
            &[started(), begin(1, 1), finish(1), begin(1, 2)],
            "step-started while step 1 is finished",
        ),
        (
            &[started(), finish(1)],
            "step-finished while step 1 is not started",
        ),
        (
            &[started(), begin(1, 1), fail(1, 1), finish(1)],
            "step-finished while step 1 is failed (try 1)",
        ),
        (
            &[started(), begin(1, 1), recover(1), begin(1, 2)],
            "step-started while step 1 is being recovered",
        ),
        (
            &[started(), begin(1, 1), Event::RunFinished { downtime: 0 }],
            "run-finished while the run is running",
        ),
        (
            &[started(), halt(), begin(1, 1)],
            "step-started while the run is halted",
        ),
        (
            &[started(), Event::RunFinished { downtime: 0 }, resumed()],
            "run-resumed while the run is finished",
        ),
    ];
    for (events, expected) in cases {
        let error = fold(events).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_gap_in_the_sequence_is_illegal_and_changes_nothing() {
    let mut state = fold(&[started()]).expect("legal");
    let before = state.clone();
    let late = Stamped {
        run: "r-1".into(),
        sequence: 3,
        at: 0,
        event: begin(1, 1),
    };
    assert_eq!(
        state.apply(&late).expect_err("a gap").to_string(),
        "event 3 while the last one is 1"
    );
    assert_eq!(state, before);
}

#[test]
fn progress_is_never_part_of_the_record() {
    let progress = Event::Progress {
        step: StepNumber(1),
        doing: "waiting".to_owned(),
        done: None,
        of: None,
        unit: None,
    };
    assert!(fold(&[started(), progress]).is_err());
}

#[test]
fn a_finished_step_may_begin_again_only_after_a_datastore_was_brought_back() {
    let state = fold(&[
        started(),
        begin(1, 1),
        finish(1),
        begin(2, 1),
        recover(2),
        recovered(2),
        begin(1, 2),
        finish(1),
    ])
    .expect("legal");
    let again = Stamped {
        run: "r-1".into(),
        sequence: 9,
        at: 0,
        event: begin(1, 3),
    };
    assert!(
        state.clone().apply(&again).is_err(),
        "only once per recovery"
    );
}

proptest::proptest! {
    #[test]
    fn any_sequence_of_events_is_folded_or_refused_whole(moves in proptest::collection::vec((0_u8..9, 1_u32..4, 1_u32..4), 0..40)) {
        let mut state = RunState::default();
        for (kind, step, attempt) in moves {
            let event = match kind {
                0 => started(),
                1 => resumed(),
                2 => begin(step, attempt),
                3 => fail(step, attempt),
                4 => finish(step),
                5 => recover(step),
                6 => recovered(step),
                7 => halt(),
                _ => Event::RunFinished { downtime: 1 },
            };
            let stamped = Stamped { run: "r-1".into(), sequence: state.sequence + 1, at: 0, event };
            let before = state.clone();
            match state.apply(&stamped) {
                Ok(()) => proptest::prop_assert_eq!(state.sequence, before.sequence + 1),
                Err(_) => proptest::prop_assert_eq!(&state, &before),
            }
            // Whatever was done, a run that is over has nothing open.
            if matches!(state.status, RunStatus::Finished { .. }) {
                proptest::prop_assert!(state.nothing_open());
            }
        }
    }
}
