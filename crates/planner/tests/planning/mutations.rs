//! Plans that were broken on purpose: the checker must see every one.

use switchback_model::observed::ImagePin;
use switchback_model::plan::{Act, Expectation, Interrupted, Plan, StageKind, Step, WayBack};
use switchback_model::{StepNumber, Version};
use switchback_planner::{check, check_against, refusal};

use super::atelier::atelier_site;
use super::site::{Site, pin, proven_until};

fn sound() -> Plan {
    let site = Site::things_stack("open-source", "3.23.2").answer("ns-schema", "0");
    let plan = site.plan("3.32.1").expect("there is a plan").plan;
    assert_eq!(check(&plan), []);
    plan
}

/// The rules that `plan` breaks once `change` was made to it, renumbered and sealed as a clever forger would.
fn broken(mut plan: Plan, change: impl FnOnce(&mut Plan)) -> Vec<String> {
    change(&mut plan);
    renumber(&mut plan);
    rules(&plan.seal())
}

fn renumber(plan: &mut Plan) {
    let mut number = 0;
    for stage in &mut plan.stages {
        for step in &mut stage.steps {
            number += 1;
            step.number = StepNumber(number);
        }
    }
}

fn rules(plan: &Plan) -> Vec<String> {
    let mut rules: Vec<String> = check(plan)
        .into_iter()
        .map(|objection| objection.rule)
        .collect();
    rules.dedup();
    rules
}

fn steps<'p>(plan: &'p mut Plan, verb: &str) -> Vec<&'p mut Step> {
    plan.stages
        .iter_mut()
        .flat_map(|stage| &mut stage.steps)
        .filter(|step| step.act.verb() == verb)
        .collect()
}

fn drop_first(plan: &mut Plan, verb: &str) {
    for stage in &mut plan.stages {
        if let Some(place) = stage.steps.iter().position(|step| step.act.verb() == verb) {
            stage.steps.remove(place);
            return;
        }
    }
    panic!("the plan has no `{verb}`");
}

fn take(plan: &mut Plan, verb: &str) -> Step {
    for stage in &mut plan.stages {
        if let Some(place) = stage.steps.iter().position(|step| step.act.verb() == verb) {
            return stage.steps.remove(place);
        }
    }
    panic!("the plan has no `{verb}`");
}

#[test]
fn one_changed_byte_is_seen() {
    let mut plan = sound();
    plan.to = Version::new("3.32.0");
    assert!(rules(&plan).contains(&"content-changed".to_owned()));
}

#[test]
fn a_newer_format_is_not_read_as_if_it_were_known() {
    let rules = broken(sound(), |plan| plan.format += 1);
    assert_eq!(rules, ["format-newer"]);
}

#[test]
fn a_gap_in_the_numbers_is_seen() {
    let mut plan = sound();
    plan.stages[1].steps[0].number = StepNumber(99);
    assert!(rules(&plan.seal()).contains(&"numbering".to_owned()));
}

#[test]
fn every_single_step_is_needed() {
    let sites = [
        (
            Site::things_stack("open-source", "3.0.0").answer("ns-schema", "0"),
            "3.32.1",
        ),
        (atelier_site("1.0.0", false), "3.0.0"),
        (atelier_site("1.0.0", true), "2.0.0"),
    ];
    for (site, to) in sites {
        let plan = site.plan(to).expect("there is a plan").plan;
        for (stage, held) in plan.stages.iter().enumerate() {
            for place in 0..held.steps.len() {
                let mut without = plan.clone();
                let dropped = without.stages[stage].steps.remove(place);
                renumber(&mut without);
                let objections = check_against(&without.seal(), &site.product);
                assert!(
                    !objections.is_empty(),
                    "nobody misses step {}, {}",
                    dropped.number,
                    dropped.act.verb()
                );
            }
        }
    }
}

#[test]
fn every_guard_of_a_migration_is_needed() {
    let plan = sound();
    let guards = steps(&mut plan.clone(), "migrate")[0].before.len();
    assert!(
        guards > 4,
        "it asks for services, writers, image, files and backups"
    );
    for place in 0..guards {
        let rules = broken(plan.clone(), |plan| {
            steps(plan, "migrate")[0].before.remove(place);
        });
        assert_eq!(rules, ["guard"]);
    }
}

#[test]
fn no_step_of_a_backup_can_be_left_out() {
    for verb in ["prepare", "back up", "prove"] {
        let rules = broken(sound(), |plan| drop_first(plan, verb));
        let seen = rules
            .iter()
            .any(|rule| rule == "backup-order" || rule == "migration-before-proof");
        assert!(seen, "without `{verb}`: {rules:?}");
    }
}

#[test]
fn a_migration_without_proof_in_its_guard_is_seen() {
    let rules = broken(sound(), |plan| {
        steps(plan, "migrate")[0]
            .before
            .retain(|expected| !matches!(expected, Expectation::Backup { .. }));
    });
    assert_eq!(rules, ["guard"]);
}

#[test]
fn a_migration_while_the_service_runs_is_seen() {
    let without_stop = broken(sound(), |plan| drop_first(plan, "stop"));
    assert!(
        without_stop.contains(&"migration-while-running".to_owned()),
        "{without_stop:?}"
    );
    let after_start = broken(sound(), |plan| {
        let migration = take(plan, "migrate");
        plan.stages[2].steps.push(migration);
    });
    assert!(
        after_start.contains(&"migration-while-running".to_owned()),
        "{after_start:?}"
    );
}

#[test]
fn a_migration_of_another_version_is_seen() {
    let rules = broken(sound(), |plan| {
        let migration = take(plan, "migrate");
        plan.stages[2].steps.insert(0, migration);
    });
    assert!(rules.contains(&"stage-version".to_owned()), "{rules:?}");
}

#[test]
fn an_image_that_was_not_fetched_is_seen() {
    let rules = broken(sound(), |plan| drop_first(plan, "fetch"));
    assert_eq!(rules, ["image-not-fetched"]);
    let rules = broken(sound(), |plan| {
        for step in steps(plan, "start") {
            if let Act::Start { images, .. } = &mut step.act {
                let other: ImagePin = pin("elsewhere/stack:3.32.1");
                images.values_mut().for_each(|image| *image = other.clone());
            }
        }
    });
    assert!(rules.contains(&"image-not-fetched".to_owned()), "{rules:?}");
}

#[test]
fn a_stage_that_is_not_verified_is_seen() {
    let rules = broken(sound(), |plan| {
        drop_first(plan, "verify");
        drop_first(plan, "verify");
    });
    assert_eq!(rules, ["not-verified", "not-counted"]);
}

#[test]
fn anything_after_the_last_look_is_seen() {
    let rules = broken(sound(), |plan| {
        let set = take(plan, "set");
        plan.stages[2].steps.push(set);
    });
    assert!(rules.contains(&"not-verified".to_owned()), "{rules:?}");
    assert!(rules.contains(&"set-while-running".to_owned()), "{rules:?}");
}

#[test]
fn stages_out_of_order_are_seen() {
    let product = Site::things_stack("open-source", "3.23.2").product;
    let mut plan = sound();
    plan.stages.swap(1, 2);
    let rules: Vec<String> = check_against(&plan.seal(), &product)
        .into_iter()
        .map(|objection| objection.rule)
        .collect();
    assert!(rules.contains(&"stage-order".to_owned()), "{rules:?}");
}

#[test]
fn an_edit_of_a_file_that_will_be_different_is_seen() {
    let rules = broken(sound(), |plan| {
        if let Act::Set { edits, .. } = &mut steps(plan, "set")[0].act {
            edits[0].before = switchback_model::Digest::of("other");
        }
    });
    assert!(rules.contains(&"edit".to_owned()), "{rules:?}");
}

#[test]
fn a_way_back_that_forgets_the_data_is_seen() {
    let rules = broken(sound(), |plan| {
        steps(plan, "migrate")[0].way_back = WayBack::Instant;
    });
    assert_eq!(rules, ["way-back"]);
}

#[test]
fn a_restore_that_loses_an_earlier_migration_is_seen() {
    let site = atelier_site("1.0.0", true);
    let plan = site.plan("2.0.0").expect("there is a plan").plan;
    assert_eq!(check(&plan), []);
    let rules = broken(plan.clone(), |plan| {
        if let Interrupted::RestoreFirst { redo, .. } = &mut steps(plan, "migrate")[1].interrupted {
            assert_eq!(
                redo.len(),
                1,
                "the first migration changed the same database"
            );
            redo.clear();
        }
    });
    assert_eq!(rules, ["interrupted"]);

    let mut repeated = plan;
    steps(&mut repeated, "migrate")[0].interrupted = Interrupted::Repeat;
    let objections = check_against(&repeated.seal(), &site.product);
    assert_eq!(objections.len(), 1);
    assert_eq!(objections[0].rule, "interrupted");
    assert_eq!(
        objections[0].to_string(),
        "step 8: `schema` of 2.0.0 may not simply be repeated: it notes what it has done before it has done it"
    );
}

#[test]
fn a_skipped_stop_and_an_unmet_demand_are_seen() {
    let site = atelier_site("1.0.0", false);
    let mut plan = site.plan("3.0.0").expect("there is a plan").plan;
    plan.stages.remove(1);
    let rules: Vec<String> = check_against(&plan.seal(), &site.product)
        .into_iter()
        .map(|objection| objection.rule)
        .collect();
    assert!(rules.contains(&"stop-skipped".to_owned()), "{rules:?}");

    let product = Site::things_stack("open-source", "3.23.2").product;
    let mut plan = sound();
    for stage in &mut plan.stages {
        stage.steps.retain(|step| match &step.act {
            Act::Migrate { migration, .. } => migration.as_str() != "is-db",
            _ => true,
        });
    }
    let rules: Vec<String> = check_against(&plan.seal(), &product)
        .into_iter()
        .map(|objection| objection.rule)
        .collect();
    assert!(rules.contains(&"demand-unmet".to_owned()), "{rules:?}");
}

#[test]
fn a_definition_that_has_changed_since_is_seen_and_does_not_bar_the_way_back() {
    let mut site = atelier_site("2.0.0", false);
    let plan = site.plan("3.0.0").expect("there is a plan").plan;
    let back = site
        .way_back(&plan, &proven_until(&plan, 12, true))
        .expect("there is a way back");
    site.product.digest = switchback_model::Digest::of("another definition");
    let objections = check_against(&plan, &site.product);
    assert_eq!(objections.len(), 1);
    assert_eq!(objections[0].rule, "definition-changed");
    assert_eq!(check_against(&back, &site.product), []);
}

#[test]
fn a_second_round_without_a_new_backup_is_seen() {
    let site = atelier_site("1.0.0", false);
    let plan = site.plan("3.0.0").expect("there is a plan").plan;
    let rules = broken(plan, |plan| {
        let last = plan.stages.last_mut().expect("it has stages");
        assert_eq!(last.round, 2);
        last.steps
            .retain(|step| !matches!(step.act, Act::Seal { .. } | Act::Prove { .. }));
    });
    assert!(
        rules.contains(&"migration-before-proof".to_owned()),
        "{rules:?}"
    );
}

#[test]
fn a_release_before_the_result_was_seen_is_seen() {
    let site = atelier_site("2.0.0", false);
    let plan = site.plan("3.0.0").expect("there is a plan").plan;
    let migration = plan
        .steps()
        .find(|(_, step)| matches!(step.act, Act::Migrate { .. }))
        .map(|(_, step)| step.number.0)
        .expect("it migrates");
    let back = site
        .way_back(&plan, &proven_until(&plan, migration, true))
        .expect("there is a way back");
    assert_eq!(check(&back), []);

    let early = broken(back.clone(), |back| {
        let release = take(back, "release");
        let last = back.stages.last_mut().expect("it has stages");
        assert!(matches!(last.kind, StageKind::Return { .. }));
        let start = last
            .steps
            .iter()
            .position(|step| matches!(step.act, Act::Start { .. }))
            .expect("it starts");
        last.steps.insert(start, release);
    });
    assert!(
        early.contains(&"released-too-early".to_owned()),
        "{early:?}"
    );
    let never = broken(back.clone(), |back| drop_first(back, "release"));
    assert_eq!(never, ["never-released"]);
    let unread = broken(back.clone(), |back| drop_first(back, "verify"));
    assert_eq!(unread, ["restored-not-counted"]);
    let running = broken(back, |back| drop_first(back, "stop"));
    assert!(
        running.contains(&"restore-while-running".to_owned()),
        "{running:?}"
    );
}

#[test]
fn a_rejected_plan_is_refused_in_three_parts() {
    let mut plan = sound();
    drop_first(&mut plan, "prove");
    let problem = refusal(&check(&plan)).expect("there are objections");
    assert_eq!(problem.exit.code(), 3);
    assert_eq!(problem.code, "plan-rejected");
    assert!(
        problem.what.starts_with("the plan breaks "),
        "{}",
        problem.what
    );
    assert_eq!(problem.hints, ["plan again: `switchback plan`"]);
    assert_eq!(refusal(&[]), None);
}
