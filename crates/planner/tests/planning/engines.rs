//! Servers of datastores that become another version: as a stage of an upgrade, and by themselves.

use switchback_model::exit::Exit;
use switchback_model::observed::{Access, Shadowing};
use switchback_model::plan::{Act, Check, Expectation, Plan, StageKind};
use switchback_planner::{check, check_against, outline};

use super::site::{Site, proven_until};

fn site() -> Site {
    let mut site = Site::things_stack("open-source", "3.23.2").answer("ns-schema", "1");
    for name in ["identity", "redis", "blobs"] {
        site.datastore(name).shadow = Shadowing::Possible;
    }
    site
}

fn plan(site: &Site, to: &str) -> Plan {
    site.plan(to)
        .unwrap_or_else(|problem| panic!("{problem:#?}"))
        .plan
}

fn told(site: &Site, to: &str) -> String {
    let problem = site.plan(to).expect_err("it is refused");
    assert_eq!(problem.exit, Exit::Refused);
    let state = problem.state.iter().map(|state| {
        format!(
            "state: {}: {}",
            state.subject,
            state.seen.as_deref().unwrap_or("unknown")
        )
    });
    let hints = problem.hints.iter().map(|hint| format!("hint: {hint}"));
    let lines: Vec<String> = std::iter::once(format!("{}: {}", problem.code, problem.what))
        .chain(state)
        .chain(hints)
        .collect();
    lines.join("\n")
}

#[test]
fn a_server_becomes_another_version_and_the_product_stays() {
    let site = site().engine("identity", "17");
    let plan = plan(&site, "3.23.2");
    assert_eq!((plan.from.as_str(), plan.to.as_str()), ("3.23.2", "3.23.2"));
    assert_eq!(check_against(&plan, &site.product), []);
    insta::assert_snapshot!(outline(&plan));
}

#[test]
fn it_comes_before_the_product_and_gets_backups_of_its_own() {
    let site = site().engine("identity", "17").engine("redis", "8");
    let plan = plan(&site, "3.32.1");
    assert_eq!(check_against(&plan, &site.product), []);
    let rounds: Vec<u32> = plan.stages.iter().map(|stage| stage.round).collect();
    assert_eq!(
        rounds,
        [1, 1, 2],
        "what is migrated is kept on the server it is migrated on"
    );
    assert!(matches!(plan.stages[1].kind, StageKind::Engines { .. }));
    let second_stop = plan.stages[2]
        .steps
        .iter()
        .find(|step| matches!(step.act, Act::Stop { .. }))
        .expect("it stops again");
    for (name, version) in [("identity", "17"), ("redis", "8")] {
        let engine = Expectation::Engine {
            datastore: name.into(),
            version: version.to_owned(),
        };
        assert!(second_stop.before.contains(&engine), "{name}");
    }
    insta::assert_snapshot!(outline(&plan));
}

#[test]
fn a_server_that_is_there_already_changes_nothing() {
    let site = site();
    let with = site.clone().engine("identity", "15");
    assert_eq!(plan(&site, "3.32.1"), plan(&with, "3.32.1"));
}

#[test]
fn the_way_back_puts_the_server_back_from_wherever_it_was_left() {
    let site = site().engine("identity", "17").engine("redis", "8");
    let plan = plan(&site, "3.23.2");
    let mut now = site.clone();
    let steps: Vec<_> = plan.steps().map(|(_, step)| step.clone()).collect();
    for step in &steps {
        for begun in [false, true] {
            let proven = proven_until(&plan, step.number.0, begun);
            let mut left = now.clone();
            for acted in [false, true] {
                if acted {
                    left.execute(&step.act);
                }
                let back = left.way_back(&plan, &proven).expect("there is a way back");
                let objections = check(&back);
                assert!(
                    objections.is_empty(),
                    "{} {begun}: {objections:#?}",
                    step.number
                );
                if !begun {
                    break;
                }
            }
        }
        now.execute(&step.act);
    }
    let all = proven_until(&plan, steps.len() as u32 + 1, false);
    let back = now.way_back(&plan, &all).expect("there is a way back");
    let mut restored = now.clone();
    for (_, step) in back.steps() {
        restored.execute(&step.act);
    }
    assert_eq!(
        restored.files(),
        site.files(),
        "the files name the servers of before"
    );
    insta::assert_snapshot!(outline(&back));
}

#[test]
fn once_the_product_has_gone_on_the_way_back_ends_on_the_new_server() {
    let site = site().engine("identity", "17");
    let plan = plan(&site, "3.32.1");
    let last = plan.steps().count() as u32;
    let mut now = site.clone();
    for (_, step) in plan.steps() {
        now.execute(&step.act);
    }
    let back = now
        .way_back(&plan, &proven_until(&plan, last + 1, false))
        .expect("there is a way back");
    assert_eq!(check(&back), []);
    assert_eq!(back.to.as_str(), "3.23.2");
    let engines = back.steps().filter(|(_, step)| step.act.engine().is_some());
    assert_eq!(engines.count(), 0, "what ran last ran on it");
}

#[test]
fn the_checker_objects_to_what_would_lose_data() {
    let site = site().engine("identity", "17");
    let whole = plan(&site, "3.23.2");
    let rules = |plan: Plan| -> Vec<String> {
        check(&plan.seal())
            .into_iter()
            .map(|objection| objection.rule)
            .collect()
    };
    let without = |wanted: &dyn Fn(&Act) -> bool| {
        let mut plan = whole.clone();
        for stage in &mut plan.stages {
            stage.steps.retain(|step| !wanted(&step.act));
        }
        let steps = plan.stages.iter_mut().flat_map(|stage| &mut stage.steps);
        for (number, step) in (1..).zip(steps) {
            step.number = switchback_model::StepNumber(number);
        }
        rules(plan)
    };
    let fits = |act: &Act| matches!(act, Act::Verify { checks } if checks.iter().any(|look| matches!(look, Check::Fits { .. })));
    assert_eq!(without(&fits), ["carried-untried"]);
    assert!(
        without(&|act| matches!(act, Act::Carry { .. }))
            .contains(&"exchanged-uncarried".to_owned())
    );
    assert!(
        without(&|act| matches!(act, Act::Exchange { .. })).contains(&"carried-unused".to_owned())
    );
    assert!(
        without(&|act| matches!(act, Act::Seal { .. }))
            .contains(&"carried-before-proof".to_owned())
    );
    let mut unguarded = whole.clone();
    for step in unguarded
        .stages
        .iter_mut()
        .flat_map(|stage| &mut stage.steps)
    {
        if matches!(step.act, Act::Carry { .. } | Act::Exchange { .. }) {
            step.before
                .retain(|expected| !matches!(expected, Expectation::NoWriters { .. }));
        }
    }
    assert_eq!(rules(unguarded), ["guard", "guard"]);
}

#[test]
fn what_cannot_be_is_refused_before_anything() {
    let with = |version: &str| site().engine("identity", version);
    let mut moving = with("17");
    moving.service("postgres").image = "postgres:latest".to_owned();
    let mut managed = with("17");
    managed.datastore("identity").location.access = Access::Local;
    let mut unseen = with("17");
    unseen.datastore("identity").location.directory = None;
    let sites = [
        with("14"),
        with("19"),
        with("new"),
        site().engine("blobs", "2"),
        site().engine("nobody", "2"),
        moving,
        managed,
        unseen,
        with("17")
            .backup("identity", "none")
            .engine("identity", "17"),
    ];
    let refusals: Vec<String> = sites.iter().map(|site| told(site, "3.23.2")).collect();
    insta::assert_snapshot!(refusals.join("\n\n"));
}

#[test]
fn a_demand_of_a_release_is_met_by_the_same_plan() {
    let mut site = Site::things_stack("open-source", "3.16.2");
    site.service("redis").image = "redis:6".to_owned();
    site.service("redis").running = Some(super::site::pin("redis:6"));
    site.write_files();
    site.datastore("redis").engine = Some("6.0.16".to_owned());
    assert!(told(&site, "3.32.1").contains("--engine redis=7"));
    let site = site.engine("redis", "7");
    assert_eq!(check_against(&plan(&site, "3.32.1"), &site.product), []);
}
