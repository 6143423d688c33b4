//! In which order stacks are updated, and what comes in between.

use switchback_model::config::{AwsParameter, AwsRefresh};
use switchback_model::plan::{Act, Plan, Step};
use switchback_model::stack::{ParameterWish, RenewBy, StackUpdate};
use switchback_planner::{check, outline};

use super::account::{Site, version};

fn golden(site: &Site) -> String {
    let planned = site.planned();
    let mut text = outline(&planned.plan);
    for note in &planned.notes {
        text.push_str(&format!("note {:?}: {}\n", note.weight, note.text));
    }
    text
}

fn steps<'p>(plan: &'p Plan, to: &str) -> Vec<&'p Step> {
    plan.steps()
        .filter(|(stage, _)| {
            use switchback_model::plan::StageKind::{Migrate, Run};
            matches!(&stage.kind, Run { to: it } | Migrate { to: it } if *it == version(to))
        })
        .map(|(_, step)| step)
        .collect()
}

fn updates<'p>(steps: &[&'p Step]) -> Vec<&'p StackUpdate> {
    steps
        .iter()
        .filter_map(|step| match &step.act {
            Act::Update { update } => Some(update),
            _ => None,
        })
        .collect()
}

fn value(update: &StackUpdate, name: &str) -> Option<String> {
    match update.parameters.get(name)? {
        ParameterWish::Value { value } => Some(value.clone()),
        _ => None,
    }
}

#[test]
fn numbered_stacks_go_from_3_14_through_every_stop() {
    insta::assert_snapshot!(golden(&Site::numbered("3.14.0", "3.26.0")));
}

#[test]
fn numbered_stacks_go_to_the_newest() {
    insta::assert_snapshot!(golden(&Site::numbered("3.26.0", "3.36.0")));
}

#[test]
fn a_single_machine_is_migrated_at_stops_and_replaced_once() {
    insta::assert_snapshot!(golden(&Site::single("3.21.0", "3.32.0")));
}

#[test]
fn the_storage_integration_is_off_while_its_machine_is_made_anew_and_on_again() {
    let site = Site::numbered("3.14.0", "3.19.2");
    let plan = site.planned().plan;
    let steps = steps(&plan, "3.19.2");
    let place = |wanted: &dyn Fn(&Act) -> bool| {
        steps
            .iter()
            .position(|step| wanted(&step.act))
            .expect("there is such a step")
    };
    let of = |stack: &'static str, said: &'static str| {
        move |act: &Act| {
            matches!(act, Act::Update { update } if update.of == stack
            && value(update, "ApplicationServerStorageEnabled").as_deref() == Some(said))
        }
    };
    let off = place(&of("5-4-ecs-services", "false")).max(place(&of("5-2-ecs-ops", "false")));
    let ended =
        place(&|act| matches!(act, Act::Terminate { machine } if machine.id == "i-timescale"));
    let anew = place(&|act| matches!(act, Act::Update { update } if update.of.starts_with("2-5")));
    let on = place(&of("5-2-ecs-ops", "true")).min(place(&of("5-4-ecs-services", "true")));
    assert!(
        off < ended && ended < anew && anew < on,
        "{off} {ended} {anew} {on}"
    );
}

#[test]
fn the_order_of_3_24_and_of_3_26_is_kept_over_a_jump() {
    let mut site = Site::numbered("3.19.2", "3.26.0");
    site.set(
        "prod-5-3a-ecs-is-service",
        "InteropEnabledIS",
        "mutual-authentication",
    );
    let plan = site.planned().plan;
    let names = |to: &str| -> Vec<String> {
        updates(&steps(&plan, to))
            .iter()
            .map(|it| it.of.clone())
            .collect()
    };
    let order = names("3.24.2");
    assert_eq!(order[..2], ["5-8a-certs-le", "5-3a-ecs-is-service"]);
    assert_eq!(
        order.last().map(String::as_str),
        Some("5-3a-ecs-is-service")
    );
    let interop: Vec<Option<String>> = updates(&steps(&plan, "3.24.2"))
        .iter()
        .filter(|it| it.of == "5-3a-ecs-is-service")
        .map(|it| value(it, "InteropEnabledIS"))
        .collect();
    assert_eq!(interop, [Some("false".to_owned()), Some("true".to_owned())]);

    let rounds = steps(&plan, "3.26.0");
    let first = updates(&rounds)[0];
    assert_eq!(
        (first.of.as_str(), &first.template),
        ("5-4-ecs-services", &None)
    );
    assert_eq!(
        value(first, "IncludeUDPGatewayServer").as_deref(),
        Some("false")
    );
    let last = updates(&rounds)
        .into_iter()
        .rfind(|it| it.of == "5-4-ecs-services");
    assert!(last.is_some_and(|it| !it.parameters.contains_key("IncludeUDPGatewayServer")));
}

#[test]
fn values_are_translated_over_every_release_that_is_jumped_over() {
    for (before, after) in [("", "false"), ("identity-server", "true")] {
        // A database that the stop knows nothing of: nothing but the numbers between.
        let mut site = Site::numbered("3.16.1", "3.24.2");
        site.set("prod-5-3a-ecs-is-service", "InteropEnabled", before);
        let plan = site.planned().plan;
        let last = updates(&steps(&plan, "3.24.2"))
            .into_iter()
            .rfind(|it| it.of == "5-3a-ecs-is-service" && value(it, "InteropEnabledIS").is_some())
            .map(|it| value(it, "InteropEnabledIS"));
        let expected = Some(Some(after.to_owned()));
        match after {
            // Nothing has to be given back.
            "false" => assert!(last == expected || last.is_none(), "{last:?}"),
            _ => assert_eq!(last, expected),
        }
    }
}

#[test]
fn migrations_run_right_after_the_stack_of_operations_with_its_new_image() {
    let plan = Site::numbered("3.24.2", "3.26.0").planned().plan;
    let steps = steps(&plan, "3.26.0");
    let ops = steps.iter().rposition(
        |step| matches!(&step.act, Act::Update { update } if update.of == "5-2-ecs-ops"),
    );
    let first = steps
        .iter()
        .position(|step| matches!(step.act, Act::Migrate { .. }));
    assert_eq!(first, ops.map(|ops| ops + 1));
    for step in &steps {
        if let Act::Migrate { image, service, .. } = &step.act {
            assert_eq!(image.reference, "thethingsindustries/lorawan-stack:3.26.0");
            assert_eq!(service.as_str(), "prod-5-2-ecs-ops");
        }
    }
}

#[test]
fn images_change_where_the_template_does_not_and_keep_the_exact_patch() {
    let mut site = Site::numbered("3.26.0", "3.26.1");
    site.set(
        "prod-5-8a-certs-le",
        "StackImage",
        "thethingsindustries/lorawan-stack:3.26",
    );
    let plan = site.planned().plan;
    let steps = steps(&plan, "3.26.1");
    let certificates = updates(&steps)
        .into_iter()
        .find(|it| it.of == "5-8a-certs-le")
        .expect("its image changes");
    assert_eq!(certificates.template, None);
    assert_eq!(
        value(certificates, "StackImage").as_deref(),
        Some("thethingsindustries/lorawan-stack:3.26.1")
    );
    let databases = ["2-1-db-aurora-master", "2-3-db-redis"];
    assert!(
        updates(&steps)
            .iter()
            .all(|it| !databases.contains(&it.of.as_str()))
    );
}

#[test]
fn a_template_of_timescale_below_3_15_is_left_and_said() {
    let planned = Site::numbered("3.14.0", "3.14.2").planned();
    assert!(planned.plan.steps().all(|(_, step)| {
        !matches!(&step.act, Act::Update { update } if update.of.starts_with("2-5"))
    }));
    assert!(planned.notes.iter().any(|note| {
        note.text
            .contains("2-5-db-timescale-master` is left as it is: below 3.15.0")
    }));
}

#[test]
fn a_store_that_is_replaced_is_made_from_a_snapshot_of_the_same_change_set() {
    let mut site = Site::single("3.31.0", "3.32.0");
    site.say("tts", "RedisKMSKeyID", "arn:aws:kms:1");
    let plan = site.planned().plan;
    let all: Vec<&Step> = plan.steps().map(|(_, step)| step).collect();
    let update = updates(&all)[0];
    assert_eq!(
        update.parameters["RedisSnapshotName"],
        ParameterWish::Snapshot {
            stack: "tts".to_owned(),
            logical: "Redis".to_owned()
        }
    );
    assert_eq!(update.parameters["RDSSnapshotARN"], ParameterWish::Previous);
}

#[test]
fn a_disk_is_made_anew_only_from_a_snapshot_that_the_operator_names_and_accepts() {
    let mut site = Site::numbered("3.24.2", "3.26.0");
    site.say("prod-2-5-db-timescale-master", "VolumeSnapshotID", "snap-1");
    let plan = site.planned().plan;
    let accept: Vec<&str> = plan
        .notices
        .iter()
        .filter_map(|it| it.accept.as_deref())
        .collect();
    assert_eq!(accept, ["disk-made-anew"]);
}

#[test]
fn machines_are_replaced_where_the_operator_says_so() {
    let mut site = Site::numbered("3.19.2", "3.24.2");
    site.config.renew = vec!["prod-5-1-ecs-cluster".to_owned()];
    let plan = site.planned().plan;
    let renewed = plan
        .steps()
        .filter(|(_, step)| matches!(step.act, Act::Renew { .. }))
        .count();
    assert_eq!(renewed, 1);
    let by = |site: &Site| {
        let plan = site.planned().plan;
        let renewed = plan.steps().find_map(|(_, step)| match &step.act {
            Act::Renew { by, .. } => Some(*by),
            _ => None,
        });
        renewed.expect("machines are replaced")
    };
    assert_eq!(by(&site), RenewBy::OneByOne);
    let refresh = AwsRefresh {
        healthy: 50,
        warm_up: Some(60),
    };
    let stack = "prod-5-1-ecs-cluster".to_owned();
    site.config.refresh.insert(stack, refresh);
    let refreshed = RenewBy::Refresh {
        healthy: 50,
        warm_up: Some(60),
    };
    assert_eq!(by(&site), refreshed, "it goes before the list");
    site.config.renew.clear();
    assert_eq!(by(&site), refreshed);
    let mut plan = site.planned().plan;
    for step in plan.stages.iter_mut().flat_map(|stage| &mut stage.steps) {
        if let Act::Renew { by, .. } = &mut step.act {
            *by = RenewBy::Refresh {
                healthy: 101,
                warm_up: None,
            };
        }
    }
    assert_eq!(check(&plan.seal())[0].rule, "refresh");
}

#[test]
fn what_the_operator_says_goes_before_what_would_be_carried_over() {
    let mut site = Site::numbered("3.26.0", "3.26.1");
    let said = AwsParameter::Secret(switchback_model::SecretRef::Env("PASSWORD".to_owned()));
    site.config
        .parameters
        .entry("prod-2-1-db-aurora-master".to_owned())
        .or_default()
        .insert("AuroraPassword".to_owned(), said);
    let plan = site.planned().plan;
    let all: Vec<&Step> = plan.steps().map(|(_, step)| step).collect();
    let update = updates(&all)
        .into_iter()
        .find(|it| it.of == "2-1-db-aurora-master");
    let wish = update.map(|it| it.parameters["AuroraPassword"].clone());
    assert!(
        matches!(wish, Some(ParameterWish::Secret { .. })),
        "{wish:?}"
    );
}

#[test]
fn what_a_stop_is_for_is_migrated_there_even_though_it_is_a_round_of_its_own() {
    let plan = Site::numbered("3.19.2", "3.26.0").planned().plan;
    let migrated: Vec<String> = steps(&plan, "3.24.2")
        .iter()
        .filter_map(|step| match &step.act {
            Act::Migrate { migration, .. } => Some(migration.to_string()),
            _ => None,
        })
        .collect();
    assert!(migrated.contains(&"ns-db".to_owned()), "{migrated:?}");
}
