//! What a plan will cost, from what earlier runs of the deployment measured.

use std::collections::BTreeMap;

use switchback_model::config::DatastoreConfig;
use switchback_model::observed::Shadowing;
use switchback_model::plan::{Act, Forecast, Plan};
use switchback_model::{RunId, StepNumber};
use switchback_planner::Proven;

use super::site::{GB, Site, proven_until};

const UPGRADE: &str = "r-0001";
const ROLLBACK: &str = "r-0002";

fn site() -> Site {
    let mut site = Site::things_stack("open-source", "3.23.2").answer("ns-schema", "1");
    for name in ["identity", "redis", "blobs"] {
        site.datastore(name).shadow = Shadowing::Possible;
    }
    site
}

fn plan(site: &Site) -> Plan {
    site.plan("3.32.1").expect("there is a plan").plan
}

/// Milliseconds of every step that `what` knows.
fn took(plan: &Plan, what: impl Fn(&Act) -> Option<u64>) -> BTreeMap<StepNumber, u64> {
    let steps = plan.steps();
    let known = steps.filter_map(|(_, step)| Some((step.number, what(&step.act)?)));
    known.collect()
}

/// What a run on a quick machine takes.
fn quick(act: &Act) -> Option<u64> {
    match act {
        Act::Stop { .. } => Some(1_200),
        Act::Seal { .. } => Some(200),
        Act::Migrate { .. } => Some(3_000),
        Act::Start { .. } => Some(2_300),
        Act::Verify { .. } => Some(400),
        Act::Restore { .. } => Some(700),
        _ => None,
    }
}

/// All of `plan` was done.
fn done(plan: &Plan) -> Proven {
    proven_until(plan, plan.steps().count() as u32 + 1, false)
}

fn told(plan: &Plan) -> (u64, &str) {
    let seconds = plan.forecast.downtime_seconds.expect("it is known");
    (seconds, &plan.forecast.downtime_because)
}

#[test]
fn a_way_back_takes_what_the_run_that_is_taken_back_took() {
    let mut site = site();
    let up = plan(&site);
    let judged = site.way_back(&up, &done(&up)).expect("there is a way back");
    let (seconds, because) = told(&judged);
    assert!(seconds >= 27, "{because}");
    assert!(
        because.ends_with("estimated, for nothing was measured yet"),
        "{because}"
    );
    site.experience
        .learn(&RunId::new(UPGRADE), &up, &took(&up, quick));
    let back = site.way_back(&up, &done(&up)).expect("there is a way back");
    let (seconds, because) = told(&back);
    // 1.2 and 2.3 s were measured; three exchanges were not, nor what is looked at in between.
    assert!((10..=20).contains(&seconds), "{seconds} s: {because}");
    assert!(
        because.contains("; measured in r-0001: stop, ") && because.contains("estimated: exchange"),
        "{because}"
    );
}

#[test]
fn a_second_way_back_is_measured_through_and_through() {
    let mut site = site();
    let up = plan(&site);
    let back = site.way_back(&up, &done(&up)).expect("there is a way back");
    for (run, plan) in [(UPGRADE, &up), (ROLLBACK, &back)] {
        site.experience
            .learn(&RunId::new(run), plan, &took(plan, quick));
    }
    let again = site.way_back(&up, &done(&up)).expect("there is a way back");
    let (seconds, because) = told(&again);
    let down: u64 = again
        .steps()
        .filter(|(_, step)| step.downtime)
        .filter_map(|(_, step)| quick(&step.act))
        .sum();
    assert_eq!(seconds, down.div_ceil(1000), "{because}");
    assert!(
        because.contains("measured in r-0002") && !because.contains("estimated"),
        "{because}"
    );
}

#[test]
fn an_upgrade_that_was_taken_back_takes_as_long_the_second_time() {
    let mut site = site();
    let up = plan(&site);
    site.experience
        .learn(&RunId::new(UPGRADE), &up, &took(&up, quick));
    let again = plan(&site);
    let (seconds, because) = told(&again);
    let down: u64 = up
        .steps()
        .filter(|(_, step)| step.downtime)
        .filter_map(|(_, step)| quick(&step.act))
        .sum();
    assert_eq!(seconds, down.div_ceil(1000), "{because}");
    assert_eq!(
        because,
        "shadows are only sealed; measured in r-0001: stop, seal, migration, start, verify"
    );
    // What has grown since takes longer, at the pace that is judged.
    site.datastore("identity").size = Some(10 * GB);
    let grown = told(&plan(&site)).0;
    assert!(grown > seconds + 100, "{grown} s");
}

#[test]
fn a_shadow_that_was_copied_tells_nothing_of_one_that_is_moved() {
    let mut site = site();
    let up = plan(&site);
    let mut began_again = up.clone();
    let stage = began_again.stages.last_mut().expect("it has stages");
    let mut restore = stage.steps[0].clone();
    restore.number = StepNumber(99);
    restore.act = Act::Restore {
        datastore: "identity".into(),
        run: RunId::new(UPGRADE),
    };
    stage.steps.push(restore);
    let copied = [(StepNumber(99), 600_000)].into();
    site.experience
        .learn(&RunId::new(UPGRADE), &began_again, &copied);
    let back = site.way_back(&up, &done(&up)).expect("there is a way back");
    assert!(told(&back).0 < 60, "{:?}", told(&back));
}

#[test]
fn a_dump_comes_back_as_fast_as_it_was_proven_twice() {
    let mut site = Site::things_stack("open-source", "3.23.2").answer("ns-schema", "1");
    let up = plan(&site);
    let proven = took(&up, |act| match act {
        Act::Prove { .. } => Some(4_000),
        act => quick(act),
    });
    site.experience.learn(&RunId::new(UPGRADE), &up, &proven);
    let back = site.way_back(&up, &done(&up)).expect("there is a way back");
    let restores = back
        .steps()
        .filter(|(_, step)| matches!(step.act, Act::Restore { .. }))
        .count() as u64;
    let (seconds, because) = told(&back);
    assert!(restores > 0 && because.contains("restore"), "{because}");
    assert!(!because.contains("estimated: restore"), "{because}");
    let rest = seconds - 8 * restores;
    assert!((3..=10).contains(&rest), "{seconds} s: {because}");
}

#[test]
fn a_shadow_takes_what_is_written_while_it_is_copied_and_compared() {
    let mut site = site();
    let quiet = plan(&site).forecast;
    let size = site.datastore("identity").size.expect("known");
    let seconds = size / 150_000_000 + size / 100_000_000;
    let share = quiet.keeping[&"identity".into()].space - size;
    for (rate, log) in [
        (1_000, share),
        (20_000_000, 20_000_000 * seconds),
        (200_000_000, 200_000_000 * seconds),
    ] {
        site.datastore("identity").log_rate = Some(rate);
        let forecast = plan(&site).forecast;
        assert_eq!(
            forecast.keeping[&"identity".into()].space,
            size + log,
            "at {rate}"
        );
        let needed = |forecast: &Forecast| forecast.space.iter().map(|it| it.needed).sum::<u64>();
        assert_eq!(needed(&forecast) - needed(&quiet), log - share, "at {rate}");
    }
    let told = plan(&site).forecast.space;
    let told: Vec<&String> = told.iter().flat_map(|space| &space.uses).collect();
    let expected = "shadow of identity, which writes 200 MB a second";
    assert!(told.iter().any(|use_| *use_ == expected), "{told:?}");
    // A copy that is told to be slow takes longer, and more is written meanwhile.
    site.datastore("identity").log_rate = Some(20_000_000);
    let slowly = DatastoreConfig {
        max_rate: Some("10MB".parse().expect("a rate")),
        ..DatastoreConfig::default()
    };
    site.config.datastores.insert("identity".into(), slowly);
    let slow = plan(&site).forecast.keeping[&"identity".into()].space;
    let seconds = size / 10_000_000 + size / 100_000_000;
    assert_eq!(slow, size + 20_000_000 * seconds);
}
