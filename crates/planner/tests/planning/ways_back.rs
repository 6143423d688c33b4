//! The way back from every point of a plan.

use switchback_model::observed::Shadowing;
use switchback_model::plan::{Act, Check, Expectation, Plan, StageKind};
use switchback_model::{DatastoreName, Version};
use switchback_planner::check_against;

use super::atelier::atelier_site;
use super::site::{Site, proven_until};

/// Every state that a run of `plan` can be left in, with the plan back from it and the site after it.
fn every_way_back(site: &Site, to: &str, mut look: impl FnMut(u32, bool, &Site, &Plan, &Plan)) {
    let plan = site.plan(to).expect("there is a plan").plan;
    let mut now = site.clone();
    let last = plan.steps().count() as u32;
    for number in 1..=last + 1 {
        for begun in [false, true] {
            if begun && number > last {
                continue;
            }
            let mut left = now.clone();
            let proven = proven_until(&plan, number, begun);
            // A step that had begun may have acted or not.
            let back = left.way_back(&plan, &proven).expect("there is a way back");
            look(number, begun, &left, &plan, &back);
            if begun {
                let step = plan.steps().nth(number as usize - 1).expect("it is there");
                left.execute(&step.1.act);
                let back = left.way_back(&plan, &proven).expect("there is a way back");
                look(number, begun, &left, &plan, &back);
            }
        }
        if let Some((_, step)) = plan.steps().nth(number as usize - 1) {
            now.execute(&step.act);
        }
    }
}

#[test]
fn the_checker_accepts_the_way_back_from_everywhere() {
    let sites = [
        (Site::things_stack("open-source", "3.0.0"), "3.32.1"),
        (Site::things_stack("enterprise", "3.23.2"), "3.32.1"),
        (atelier_site("1.0.0", false), "3.0.0"),
        (atelier_site("1.0.0", true), "3.0.0"),
    ];
    for (site, to) in sites {
        every_way_back(&site, to, |number, begun, _, _, back| {
            let objections = check_against(back, &site.product);
            assert!(objections.is_empty(), "{number} {begun}: {objections:#?}");
        });
    }
}

#[test]
fn the_way_back_brings_the_files_to_what_ran_last() {
    let site = atelier_site("1.0.0", false);
    let expected = |version: &Version| {
        let mut files = site.files().clone();
        for text in files.values_mut() {
            *text = text.replace(":1.0.0\n", &format!(":{version}\n"));
        }
        files
    };
    every_way_back(&site, "3.0.0", |number, begun, left, _, back| {
        let mut left = left.clone();
        for (_, step) in back.steps() {
            // The engine leaves a step alone whose `after` holds already.
            let done = step.after.iter().all(|expected| holds(&left, expected));
            if !(done && matches!(step.act, Act::Set { .. })) {
                left.execute(&step.act);
            }
        }
        let version = match (&back.stages.last().expect("it has stages").kind, number) {
            // Before its first stop the run has changed nothing that would have to go back.
            (StageKind::Return { to }, _) => to.clone(),
            (other, _) => panic!("{other:?} is no way back"),
        };
        assert_eq!(
            left.files(),
            &expected(&version),
            "from step {number}, begun {begun}"
        );
    });
}

fn holds(site: &Site, expected: &Expectation) -> bool {
    match expected {
        Expectation::File { path, digest } => site
            .observed
            .files
            .iter()
            .any(|file| file.path == *path && file.digest == *digest),
        _ => false,
    }
}

#[test]
fn only_what_may_have_changed_is_restored() {
    let site = Site::things_stack("open-source", "3.23.2").answer("ns-schema", "0");
    let plan = site.plan("3.32.1").expect("there is a plan").plan;
    let restored = |number: u32, begun: bool| -> Vec<String> {
        let back = site
            .way_back(&plan, &proven_until(&plan, number, begun))
            .expect("there is a way back");
        back.steps()
            .filter_map(|(_, step)| match &step.act {
                Act::Restore { datastore, .. } => Some(datastore.to_string()),
                _ => None,
            })
            .collect()
    };
    let number_of = |wanted: &str, place: usize| {
        plan.steps()
            .filter(|(_, step)| step.act.verb() == wanted)
            .nth(place)
            .map(|(_, step)| step.number.0)
            .expect("the step is there")
    };
    let nothing: [&str; 0] = [];
    assert_eq!(restored(1, false), nothing);
    assert_eq!(restored(number_of("stop", 0), true), nothing);
    assert_eq!(restored(number_of("prove", 2), true), nothing);
    assert_eq!(restored(number_of("migrate", 0), false), nothing);
    assert_eq!(restored(number_of("migrate", 0), true), ["redis"]);
}

#[test]
fn a_migrated_datastore_without_backup_has_no_way_back() {
    let site = atelier_site("2.0.0", false).backup("main", "none");
    let plan = site.plan("3.0.0").expect("there is a plan").plan;
    let migration = plan
        .steps()
        .find(|(_, step)| step.act.datastore() == Some(&DatastoreName::new("main")))
        .map(|(_, step)| step.number.0)
        .expect("it is migrated");
    let before = site.way_back(&plan, &proven_until(&plan, migration, false));
    assert!(before.is_ok(), "nothing was migrated yet");
    let problem = site
        .way_back(&plan, &proven_until(&plan, migration, true))
        .expect_err("the data cannot come back");
    assert_eq!(problem.code, "no-way-back");
    assert_eq!(
        problem.what,
        "`main` was migrated by `r-0001` and has no backup"
    );
    assert_eq!(
        problem.hints[0],
        "go forward instead: `switchback resume r-0001`"
    );
}

#[test]
fn a_file_that_someone_else_changed_is_not_overwritten() {
    let mut site = atelier_site("2.0.0", false);
    let plan = site.plan("3.0.0").expect("there is a plan").plan;
    site.observed.files[1].digest = switchback_model::Digest::of("by hand");
    let problem = site
        .way_back(&plan, &proven_until(&plan, 12, true))
        .expect_err("the file is not known");
    assert_eq!(problem.code, "file-changed");
    assert_eq!(problem.exit.code(), 5);
    assert_eq!(
        problem.what,
        "`/srv/lorawan/docker-compose.yml` is neither as `r-0001` found it nor as it left it"
    );
}

#[test]
fn a_file_that_the_run_has_not_touched_is_taken_as_it_is() {
    let mut site = atelier_site("2.0.0", false);
    let plan = site.plan("3.0.0").expect("there is a plan").plan;
    let by_hand = switchback_model::Digest::of("by hand");
    let environment = &mut site.observed.files[0];
    assert_eq!(environment.path, "/srv/lorawan/.env");
    environment.digest = by_hand.clone();
    let back = site
        .way_back(&plan, &proven_until(&plan, 12, true))
        .expect("there is a way back");
    let start = back
        .steps()
        .find(|(_, step)| matches!(step.act, Act::Start { .. }))
        .map(|(_, step)| step)
        .expect("it starts");
    assert!(start.before.contains(&Expectation::File {
        path: "/srv/lorawan/.env".to_owned(),
        digest: by_hand,
    }));
    assert_eq!(
        back.notices[0].text,
        "`/srv/lorawan/.env` was changed since the upgrade: 2.0.0 starts with it as it is now."
    );
    assert_eq!(check_against(&back, &site.product), []);
}

#[test]
fn a_way_back_has_no_way_back_of_its_own() {
    let site = atelier_site("2.0.0", false);
    let plan = site.plan("3.0.0").expect("there is a plan").plan;
    let back = site
        .way_back(&plan, &proven_until(&plan, 12, true))
        .expect("there is a way back");
    let problem = site
        .way_back(&back, &proven_until(&back, 2, true))
        .expect_err("it is refused");
    assert_eq!(problem.code, "rollback-of-rollback");
    assert_eq!(problem.what, "`r-0001` is itself a way back");
}

#[test]
fn lost_writes_must_be_accepted() {
    let site = atelier_site("2.0.0", false);
    let plan = site.plan("3.0.0").expect("there is a plan").plan;
    let last = plan.steps().count() as u32;
    let mut done = site.clone();
    for (_, step) in plan.steps() {
        done.execute(&step.act);
    }
    let mut proven = proven_until(&plan, last + 1, false);
    proven.writing_seconds = Some(7_500);
    let back = done.way_back(&plan, &proven).expect("there is a way back");
    let notice = &back.notices[0];
    assert_eq!(notice.accept.as_deref(), Some("data-loss"));
    assert_eq!(
        notice.text,
        "What was written since 3.0.0 started is lost: main, metrics come back as they were before."
    );
    assert_eq!(
        notice.found.as_deref(),
        Some("it has been able to write for 2 h 5 min")
    );
}

#[test]
fn a_shadow_that_came_back_is_counted_before_the_start_where_that_takes_no_time() {
    let mut site = Site::things_stack("open-source", "3.23.2").answer("ns-schema", "1");
    for (name, size) in [
        ("identity", Some(90_000_000)),
        ("redis", Some(40_000_000)),
        ("blobs", None),
    ] {
        let found = site.datastore(name);
        found.shadow = Shadowing::Possible;
        found.size = size;
    }
    let plan = site.plan("3.32.1").expect("there is a plan").plan;
    let all = proven_until(&plan, plan.steps().count() as u32 + 1, false);
    let back = site.way_back(&plan, &all).expect("there is a way back");
    let counted = |downtime: bool| -> Vec<(String, bool)> {
        let steps = back.steps().filter(|(_, step)| step.downtime == downtime);
        let checks = steps.filter_map(|(_, step)| match &step.act {
            Act::Verify { checks } => Some(checks),
            _ => None,
        });
        let counts = checks.flatten().filter_map(|check| match check {
            Check::Counts {
                datastore, exact, ..
            } => Some((datastore.to_string(), *exact)),
            _ => None,
        });
        counts.collect()
    };
    let named = |name: &str, exact: bool| (name.to_owned(), exact);
    assert_eq!(counted(true), [named("identity", true)]);
    // What is large, as its keys are, or of unknown size, is no reason to wait: nothing may have shrunk.
    assert_eq!(
        counted(false),
        [named("redis", false), named("blobs", false)]
    );
    assert_eq!(check_against(&back, &site.product), []);
}
