//! What may not run is refused before the first event.

use crate::scene::{failing_migration, go, halted, refused, run};
use switchback_engine::signal::StopSignal;
use switchback_engine::{Order, Recorder};
use switchback_journal::RunStatus;
use switchback_model::exit::Exit;
use switchback_model::observed::Deployment;
use switchback_model::{Plan, RunId};
use switchback_testkit::Scenario;
use switchback_testkit::plans::deployment;
use switchback_testkit::sweep::Lab;

#[test]
fn plans_that_may_not_run_are_refused_before_the_first_event() {
    let lab = Lab::new(Scenario::one_leg());
    let before = lab.scenario.world.snapshot();
    let good = lab.scenario.plan.clone();
    let mut altered = good.clone();
    altered.to = "3.32.2".into();
    let mut newer = good.clone();
    newer.format = 99;
    let mut stale = good.clone();
    stale.parent = Some("r-0000dead".into());
    let stale = stale.seal();
    let mut unproven = good.clone();
    for stage in &mut unproven.stages {
        stage.steps.retain(|step| step.act.verb() != "prove");
    }
    let unproven = unproven.seal();
    let cases: [(&Plan, &str, Exit); 4] = [
        (&altered, "plan-altered", Exit::Refused),
        (&newer, "plan-newer", Exit::Refused),
        (&stale, "plan-stale", Exit::Drifted),
        (&unproven, "plan-rejected", Exit::Refused),
    ];
    for (plan, code, exit) in cases {
        let problem = refused(lab.run(plan, &run()).expect("nobody dies"));
        assert_eq!(
            (problem.code.as_str(), problem.exit),
            (code, exit),
            "{problem:#?}"
        );
        assert!(!problem.hints.is_empty(), "{code} says what to do");
        assert!(
            !problem.state.is_empty(),
            "{code} says that nothing was touched"
        );
    }
    assert_eq!(lab.scenario.world.snapshot(), before);
    assert_eq!(lab.state_of(&run()).status, RunStatus::NotStarted);
    lab.assert_clean("nothing was begun");
}

#[test]
fn a_plan_of_another_deployment_and_a_missing_acceptance_are_refused() {
    let lab = Lab::new(Scenario::one_leg());
    let mut asking = lab.scenario.plan.clone();
    asking.notices.push(switchback_model::plan::Notice {
        id: "contact-infos-deleted".to_owned(),
        kind: switchback_model::product::NoticeKind::OneWay,
        version: "3.29.0".into(),
        text: "3.29.0 deletes contact infos".to_owned(),
        found: None,
        source: "CHANGELOG 3.29.0".to_owned(),
        accept: Some("contact-infos".to_owned()),
    });
    let asking = asking.seal();
    let elsewhere = Deployment {
        directory: "/srv/other".to_owned(),
        ..deployment()
    };
    let engine = lab.engine(&StopSignal::default());
    let site = lab.scenario.site();
    let id = run();
    let try_it = |plan: &Plan, deployment: &Deployment| {
        let order = Order {
            plan,
            run: &id,
            deployment,
            accepted: &[],
            done: &[],
            by: "ann@lab",
            program: "0.1.0",
        };
        refused(engine.run(&order, &site, &Recorder::default()))
    };
    let problem = try_it(&lab.scenario.plan, &elsewhere);
    assert_eq!(problem.code, "plan-of-another-deployment");
    assert_eq!(
        problem.causes[1],
        "this is `lab` (simulated project `lab` in `/srv/other`)"
    );
    let problem = try_it(&asking, &deployment());
    assert_eq!(problem.code, "not-accepted");
    assert_eq!(problem.facts[0].source, "CHANGELOG 3.29.0");
    assert_eq!(
        problem.hints,
        [format!(
            "switchback apply {} --accept contact-infos",
            asking.id
        )]
    );
}

#[test]
fn an_open_run_must_be_resumed_or_taken_back_first() {
    let lab = failing_migration();
    halted(go(&lab));
    let mut next = lab.scenario.plan.clone();
    next.parent = Some(run());
    let next = next.seal();
    let problem = refused(
        lab.run(&next, &RunId::new("r-00000002"))
            .expect("nobody dies"),
    );
    assert_eq!(problem.code, "run-open");
    assert_eq!(
        problem.hints,
        [
            "go on with it: switchback resume r-00000001",
            "or go back: switchback rollback r-00000001"
        ]
    );
    let back = lab
        .scenario
        .way_back(&run(), &lab.state_of(&run()))
        .expect("there is one");
    lab.finish(&back, &RunId::new("r-00000003"));
    let problem = refused(go(&lab));
    assert_eq!(problem.code, "run-superseded");
    lab.assert_clean("taken back");
}

#[test]
fn a_journal_that_was_tampered_with_stops_everything() {
    let lab = failing_migration();
    halted(go(&lab));
    let path = lab.state.root().join("journal.db");
    let text = b"stopped";
    drop(lab.state.journal());
    let mut bytes = std::fs::read(&path).expect("readable");
    // Every place, for the file also holds what is no longer in use.
    let places: Vec<usize> = (0..bytes.len() - text.len())
        .filter(|at| bytes[*at..].starts_with(text))
        .collect();
    assert!(!places.is_empty(), "the halt is in the file");
    for at in places {
        bytes[at] ^= 1;
    }
    std::fs::write(&path, bytes).expect("writable");
    let before = lab.scenario.world.snapshot();
    let problem = refused(go(&lab));
    assert_eq!(problem.code, "journal-broken");
    assert!(
        problem.what.contains("is not what was written"),
        "{}",
        problem.what
    );
    assert_eq!(lab.scenario.world.snapshot(), before);
}
