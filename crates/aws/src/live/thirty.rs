//! A deployment of thirty stacks: how much is asked of AWS for it, and how long that takes.

use std::time::{Duration, Instant};

use serde_json::json;
use switchback_engine::Ended;
use switchback_model::RunId;
use switchback_model::plan::{Act, Plan};
use switchback_testkit::aws::{Containers, Image};
use switchback_testkit::crash::CrashPoints;

use super::deployment::Deployment;
use super::dying::Witness;
use super::journeys::{PROGRAM, STACKS, deployed, told};
use super::standins::{Kind, StandIn};
use crate::{Account, Wanted, observe};

const COUNT: usize = 30;
const RELEASES: [&str; 2] = ["3.26.0", "3.36.0"];
/// How often a plan is made: the median counts.
const PLANS: usize = 5;

/// All of them as they were made at the release before; twice as many as the procedures name have other names.
fn made(standin: &StandIn, image: &str) -> Deployment {
    let deployment = deployed(standin, RELEASES[0], image);
    for number in STACKS.len()..COUNT {
        let stack = format!("tts-{number}-2-3-db-redis");
        deployment.make(&stack, "2-3-db-redis", RELEASES[0], &[]);
    }
    deployment
}

/// What one look at everything took.
struct Looked {
    calls: u64,
    /// Calls of somebody who asks one by one: each stack itself, its template, its resources; each service, what it runs;
    /// each store.
    naive: u64,
    took: Duration,
}

impl Looked {
    fn at(account: &Account) -> Self {
        let asked = account.calls().requests();
        let begun = Instant::now();
        let seen = observe(account, &Wanted::default(), &|_| ()).expect("observed");
        let took = begun.elapsed();
        let cloud = seen.cloud;
        assert_eq!(cloud.stacks.len(), COUNT);
        Self {
            calls: account.calls().requests() - asked,
            naive: (3 * COUNT + 2 * cloud.tasks.len() + cloud.stores.len()) as u64,
            took,
        }
    }
}

fn updates(plan: &Plan) -> usize {
    let updates = plan
        .steps()
        .filter(|(_, step)| matches!(step.act, Act::Update { .. }));
    updates.count()
}

/// Relies on A9 (ministack, ok). No time is asserted: stand-ins and machines differ. What it takes is printed.
#[test]
fn thirty_stacks_are_seen_and_planned_with_few_calls() {
    let Some(standin) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let image = "docker.io/thethingsindustries/lorawan-stack:3.26.0";
    let deployment = made(&standin, image);
    let account = deployment.account();
    let looked = Looked::at(&account);
    let Looked { calls, naive, took } = looked;
    // The text of a template and the resources of a stack are told of one stack at a time; all else of all at once.
    assert!(
        calls <= 2 * COUNT as u64 + 8 && calls < naive,
        "{calls} of {naive}"
    );
    let begun = Instant::now();
    let plan = deployment.plan(&account, RELEASES[0], RELEASES[1]);
    told(&format!(
        "30 stacks: {calls} calls instead of {naive}; observed in {took:.2?}, observed again and planned in {:.2?}, {} updates",
        begun.elapsed(),
        updates(&plan)
    ));
}

/// One line of JSON for `cargo xtask bench stacks`. Relies on what the journeys rely on.
#[test]
#[ignore = "it measures: `cargo xtask bench stacks`"]
fn figures_of_thirty_stacks() {
    let Some(images) = Image::releases("thethingsindustries/lorawan-stack", &RELEASES, PROGRAM)
    else {
        return;
    };
    let Some(standin) = StandIn::start(Kind::MinistackOnDocker) else {
        return;
    };
    let _containers: Vec<Containers<'_>> = images.iter().map(Containers).collect();
    let deployment = made(&standin, &images[0].name);
    let mut planned: Vec<(Duration, Duration, u64, Plan)> = (0..PLANS)
        .map(|_| {
            let account = deployment.account();
            let waited = || *account.calls().waited.lock().expect("nobody died in it");
            let (before, begun) = (waited(), Instant::now());
            let plan = deployment.plan(&account, RELEASES[0], RELEASES[1]);
            let took = begun.elapsed();
            let own = took.saturating_sub(waited() - before);
            (took, own, account.calls().requests(), plan)
        })
        .collect();
    planned.sort_by_key(|(took, ..)| *took);
    let (took, own, calls, plan) = planned.swap_remove(PLANS / 2);
    let looked = Looked::at(&deployment.account());

    let crash = CrashPoints::default();
    let witness = Witness {
        crash: &crash,
        before: "",
    };
    let begun = Instant::now();
    let (ended, account) = deployment.work(&plan, &RunId::new("r-0001"), &witness);
    assert!(matches!(ended, Ok(Ended::Finished { .. })), "{ended:?}");
    let steps = plan.steps().count() as u64;
    let figures = json!({
        "stacks": COUNT,
        "updates": updates(&plan),
        "steps": steps,
        "observe_ms": looked.took.as_secs_f64() * 1e3,
        "observe_calls": looked.calls,
        "observe_naive": looked.naive,
        "plan_ms": took.as_secs_f64() * 1e3,
        "plan_own_ms": own.as_secs_f64() * 1e3,
        "plan_calls": calls,
        "apply_ms": begun.elapsed().as_secs_f64() * 1e3,
        "apply_calls": account.calls().requests(),
        // A walk that looks at everything anew before each step, one by one.
        "apply_naive": steps * looked.naive,
    });
    told(&figures.to_string());
}
