//! Shadows in plans: which datastore gets one, and what the checker holds against a plan that cheats.

use switchback_model::config::DatastoreConfig;
use switchback_model::exit::Exit;
use switchback_model::observed::Shadowing;
use switchback_model::plan::{Act, BackupMethod, BackupState, Expectation, Plan, WayBack};
use switchback_planner::check;

use super::site::Site;

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

fn rules(plan: &Plan) -> Vec<String> {
    let objections = check(&plan.clone().seal());
    objections
        .into_iter()
        .map(|objection| objection.rule)
        .collect()
}

fn position(plan: &Plan, wanted: impl Fn(&Act) -> bool) -> usize {
    plan.steps()
        .position(|(_, step)| wanted(&step.act))
        .expect("the plan has such a step")
}

#[test]
fn what_grows_with_the_data_comes_before_the_stop() {
    let plan = plan(&site());
    let stop = position(&plan, |act| matches!(act, Act::Stop { .. }));
    for (index, (_, step)) in plan.steps().enumerate() {
        match &step.act {
            Act::Prepare { .. } | Act::Prove { .. } => {
                assert!(index < stop && !step.downtime, "{step:?}");
            }
            Act::Seal { datastore } => {
                assert!(index > stop && step.downtime, "{step:?}");
                let proven = Expectation::Backup {
                    datastore: datastore.clone(),
                    state: BackupState::Proven,
                    run: None,
                };
                assert_eq!(step.after, [proven]);
            }
            _ => {}
        }
    }
    assert_eq!(rules(&plan), [""; 0]);
}

#[test]
fn downtime_does_not_grow_with_the_data() {
    let forecast = |size: u64| {
        let mut site = site();
        site.datastore("identity").size = Some(size);
        let plan = plan(&site);
        let kept = plan.steps().filter(|(_, step)| step.downtime);
        let migrates = |act: &Act| matches!(act, Act::Migrate { .. });
        let fixed = kept.filter(|(_, step)| !migrates(&step.act)).count();
        (plan.forecast.downtime_because.clone(), fixed)
    };
    assert_eq!(forecast(1_000_000), forecast(5_000_000_000));
    assert!(forecast(1).0.starts_with("shadows are only sealed"));
}

#[test]
fn the_way_back_is_the_shadow_once_data_has_changed() {
    let plan = plan(&site());
    let migration = plan
        .steps()
        .find(|(_, step)| matches!(step.act, Act::Migrate { .. }))
        .map(|(_, step)| step.way_back.clone());
    assert_eq!(
        migration,
        Some(WayBack::Shadow {
            datastores: vec!["identity".into()],
            holds: None
        })
    );
}

#[test]
fn a_datastore_that_cannot_have_one_is_dumped_and_the_plan_says_why() {
    let mut site = site();
    site.datastore("identity").shadow = Shadowing::Impossible {
        because: "the role may not replicate".to_owned(),
    };
    let plan = plan(&site);
    let identity = &plan.datastores[&"identity".into()];
    assert_eq!(identity.method, BackupMethod::Dump);
    assert_eq!(
        identity.because,
        "in custom format, as documented; no shadow: the role may not replicate"
    );
    assert_eq!(
        plan.datastores[&"redis".into()].method,
        BackupMethod::Shadow
    );
}

#[test]
fn the_operator_chooses_and_is_refused_what_cannot_be() {
    let mut site = site();
    let backup = |method: &str| DatastoreConfig {
        backup: Some(method.to_owned()),
        ..DatastoreConfig::default()
    };
    let datastores = &mut site.config.datastores;
    datastores.insert("identity".into(), backup("dump"));
    datastores.insert("redis".into(), backup("shadow"));
    let made = plan(&site);
    assert_eq!(
        made.datastores[&"identity".into()].method,
        BackupMethod::Dump
    );
    assert_eq!(
        made.datastores[&"redis".into()].method,
        BackupMethod::Shadow
    );
    site.datastore("redis").shadow = Shadowing::Impossible {
        because: "it is a cluster".to_owned(),
    };
    let problem = site.plan("3.32.1").expect_err("it cannot be");
    assert_eq!(
        (problem.exit, problem.code.as_str()),
        (Exit::Refused, "no-shadow")
    );
    assert_eq!(
        problem.what,
        "`redis` cannot have a shadow: it is a cluster"
    );
}

#[test]
fn the_checker_objects_to_a_stop_before_the_comparison() {
    let mut plan = plan(&site());
    for stage in &mut plan.stages {
        stage.steps.retain(
            |step| !matches!(&step.act, Act::Prove { datastore } if datastore.as_str() == "redis"),
        );
    }
    assert!(rules(&plan).contains(&"stop-before-comparison".to_owned()));
}

#[test]
fn the_checker_objects_to_a_comparison_while_users_wait() {
    let mut plan = plan(&site());
    let moved = {
        let first = &mut plan.stages[0].steps;
        let index = first
            .iter()
            .position(|step| matches!(step.act, Act::Prove { .. }))
            .expect("it compares");
        first.remove(index)
    };
    let stage = &mut plan.stages[1].steps;
    let stop = stage
        .iter()
        .position(|step| matches!(step.act, Act::Stop { .. }))
        .expect("it stops");
    stage.insert(stop + 1, moved);
    assert!(rules(&plan).contains(&"compared-while-down".to_owned()));
}

#[test]
fn the_checker_objects_to_a_stop_that_does_not_ask_whether_shadows_follow() {
    let mut plan = plan(&site());
    for step in plan.stages.iter_mut().flat_map(|stage| &mut stage.steps) {
        if matches!(step.act, Act::Stop { .. }) {
            let asks = |expected: &Expectation| matches!(expected, Expectation::Backup { .. });
            step.before.retain(|expected| !asks(expected));
        }
    }
    assert_eq!(rules(&plan), ["guard"; 3]);
}

#[test]
fn a_first_copy_is_slowed_down_where_that_can_be_and_else_it_is_said() {
    let mut site = site();
    let limited = |backup: Option<&str>| DatastoreConfig {
        backup: backup.map(str::to_owned),
        max_rate: Some("50MB".parse().expect("a rate")),
        ..DatastoreConfig::default()
    };
    let datastores = &mut site.config.datastores;
    datastores.insert("identity".into(), limited(None));
    datastores.insert("redis".into(), limited(None));
    datastores.insert("blobs".into(), limited(Some("dump")));
    let made = site.plan("3.32.1").expect("there is a plan");
    let rate = |name: &str| made.plan.datastores[&name.into()].max_rate;
    assert_eq!(rate("identity").map(|rate| rate.bytes()), Some(50_000_000));
    assert_eq!((rate("redis"), rate("blobs")), (None, None));
    let said = |name: &str, why: &str| {
        let note = format!("`max-rate` of `{name}` changes nothing: {why}");
        made.notes.iter().any(|known| known.text == note)
    };
    assert!(said(
        "redis",
        "a Redis server sends its copy as fast as it can"
    ));
    assert!(said(
        "blobs",
        "only the first copy of a shadow is slowed down"
    ));
}

#[test]
fn what_no_follower_gets_is_in_the_way_unless_it_may_be_lost() {
    let mut site = site();
    let collections = ["public.cache_1", "public.queue"].map(str::to_owned);
    site.datastore("identity").shadow = Shadowing::Without {
        collections: collections.to_vec(),
    };
    let volatile = |names: &[&str]| DatastoreConfig {
        volatile: names.iter().map(|name| (*name).to_owned()).collect(),
        ..DatastoreConfig::default()
    };
    let identity = "identity".into();
    let datastores = &mut site.config.datastores;
    datastores.insert("identity".into(), volatile(&["public.cache_*"]));
    let dumped = plan(&site).datastores[&identity].clone();
    assert_eq!(dumped.method, BackupMethod::Dump);
    assert_eq!(
        dumped.because,
        "in custom format, as documented; no shadow: unlogged tables hold rows that no follower gets: `public.queue` \
         (where they may be lost: `volatile` under [datastores.identity])"
    );
    let datastores = &mut site.config.datastores;
    datastores.insert("identity".into(), volatile(&["public.cache_*", "*.queue"]));
    let made = site.plan("3.32.1").expect("there is a plan");
    let shadowed = &made.plan.datastores[&identity];
    assert_eq!(shadowed.method, BackupMethod::Shadow);
    assert_eq!(
        shadowed.because,
        "a standby follows it until the seal, without `public.cache_1`, `public.queue`"
    );
    assert!(shadowed.volatile.contains(&"*.queue".to_owned()));
    let said = "unlogged tables of `identity` are in no shadow, and empty after a way back: `public.cache_1`, \
                `public.queue`";
    assert!(made.notes.iter().any(|note| note.text == said));
}
