//! What a person would ask, one question each.

use crate::queries::{DISTRIBUTIONS, done, on, path, refused, stackstorm};
use switchback_planner::path::{Query, find};

#[test]
fn versions_that_lead_nowhere_are_refused_with_what_was_probably_meant() {
    let told = |from, to| {
        let refusal = refused(&on("ubuntu20", from, to));
        let hints: Vec<String> = refusal.hints.iter().map(|hint| hint.text()).collect();
        format!("{} {}", refusal.id(), hints.join("; "))
    };
    assert_eq!(
        told("3.8.1", "3.8.0"),
        "downgrade going back means restoring a backup: switchback rollback takes back a run"
    );
    assert_eq!(
        told("3.8.0", "3.8.2"),
        "unknown-version:to known versions near it: 3.8.1, 3.8.0"
    );
    assert_eq!(
        told("3.8.0", "3.10.0"),
        "unknown-version:to a newer switchback may know it; see switchback catalog show; \
         known versions near it: 3.9.0, 3.8.1, 3.8.0"
    );
    assert_eq!(
        told("3.8.0", "3.9.0-rc1"),
        "unknown-version:to known versions near it: 3.9.0"
    );
    assert_eq!(
        told("3.8dev", "3.9.0"),
        "unknown-version:from known versions near it: 3.9.0, 3.8.1, 3.8.0"
    );
    assert_eq!(
        told("3.4.1", "3.5.0"),
        "not-on-distribution:from 3.4.1 runs on ubuntu16, ubuntu18, el7 or el8: name it with --fact distribution=NAME"
    );
}

#[test]
fn a_package_version_is_read_as_its_release_and_two_numbers_as_three() {
    let path = path(&on("Ubuntu 20.04", "3.6.0-3", "3.8"));
    assert_eq!(path.legs[0].to.as_str(), "3.8.0");
    assert_eq!(
        path.remarks[..2],
        ["3.6.0-3 is read as 3.6.0", "3.8 is read as 3.8.0"]
    );
    assert!(self::path(&on("ubuntu20", "3.8.1-1", "3.8.1")).is_nothing());
}

#[test]
fn a_fix_of_an_old_line_is_later_than_the_first_of_the_next() {
    let remarks = path(&on("ubuntu16", "2.9.3", "2.10.2")).remarks;
    assert!(
        remarks.contains(
            &"2.9.3 was released on 2019-03-06, after 2.10.2 on 2019-02-21: what it fixed may be missing there"
                .to_owned()
        ),
        "{remarks:?}"
    );
    assert!(
        !path(&on("ubuntu16", "2.9.3", "2.10.3"))
            .remarks
            .iter()
            .any(|remark| remark.contains("was released"))
    );
}

#[test]
fn what_was_installed_without_packages_rolls_over_to_where_the_target_can_be() {
    let refusal = refused(&on("ubuntu14", "1.3.2", "2.2.1"));
    assert_eq!(refusal.id(), "rollover-required");
    assert!(
        refusal.because()[0]
            .text
            .starts_with("releases before 1.4.0")
    );
    assert_eq!(
        refusal.hints[0].text(),
        "roll the content over to a new instance of 2.2.1 on ubuntu14, ubuntu16, el6 or el7: \
         switchback rollover --from OLD --to NEW"
    );
    assert_eq!(refusal.hints.len(), 1);
}

#[test]
fn without_a_distribution_those_that_both_versions_are_on_count() {
    let query = |from, to| Query::new(from, to).driver("packages");
    // Only RHEL 7 had 2.0.1 and has 3.8.1: nothing is left open.
    let found = path(&query("2.0.1", "3.8.1"));
    let acts: Vec<_> = found.legs.iter().flat_map(|leg| &leg.actions).collect();
    let yum = acts
        .iter()
        .find(|act| act.id.as_str() == "packages-yum")
        .expect("it is there");
    assert!(!yum.assumed && acts.iter().all(|act| act.id.as_str() != "packages-apt"));
    // No distribution has both: that much is known without its name.
    let refusal = refused(&query("2.0.1", "3.9.0"));
    assert_eq!(refusal.id(), "rollover-required");
    assert_eq!(
        refusal.because()[0].text,
        "no distribution has packages of both 2.0.1 and 3.9.0"
    );
    assert_eq!(
        refusal.hints[1].text(),
        "in place it goes up to 3.8.1: --to 3.8.1"
    );
}

#[test]
fn usual_features_are_assumed_until_one_is_named() {
    let acts = |query: Query| {
        let found = path(&query);
        let acts = found.legs[0].actions.iter();
        acts.map(|act| (act.id.to_string(), act.assumed))
            .collect::<Vec<_>>()
    };
    let has =
        |acts: &[(String, bool)], id: &str| acts.iter().find(|act| act.0 == id).map(|act| act.1);
    let none = on("ubuntu16", "2.2.1", "2.4.1").feature("mongodb=3.2");
    let said = acts(none.clone());
    assert_eq!(has(&said, "mistral-db-upgrade"), Some(true));
    assert_eq!(has(&said, "node6-deb"), Some(true));
    assert_eq!(has(&said, "packages-apt"), Some(false));
    let said = acts(none.clone().feature("chatops"));
    assert_eq!(has(&said, "mistral-db-upgrade"), None);
    assert_eq!(has(&said, "node6-deb"), Some(false));
    // Saying what is not there leaves the rest open; workflows for Mistral say that Mistral is there.
    let said = acts(none.clone().feature("chatops=no"));
    assert_eq!(has(&said, "mistral-db-upgrade"), Some(true));
    assert_eq!(has(&said, "node6-deb"), None);
    let said = acts(none.feature("mistral-workflows"));
    assert_eq!(has(&said, "mistral-db-upgrade"), Some(false));
    // What packages tell of some features says nothing of those that no package tells of.
    let product = stackstorm();
    let answers = product.features_of(|package| matches!(package, "st2" | "st2web"));
    let found = find(
        &product,
        &on("ubuntu16", "3.1.0", "3.4.1").answers(&answers),
    );
    let remarks = found.expect("there is a path").remarks;
    assert!(
        remarks.contains(
            &"assumed to be there: no_coordination_backend; say --feature NAME or --feature NAME=no".to_owned()
        ),
        "{remarks:?}"
    );
    // There never was a package of Mistral for Ubuntu 18.04.
    let said = acts(on("ubuntu18", "3.1.0", "3.2.0").feature("mistral_installed"));
    assert_eq!(has(&said, "mistral-db-upgrade"), None);
    assert_eq!(has(&said, "mistral-stop"), None);
}

#[test]
fn mongodb_climbs_the_rungs_that_are_left_and_none_before_its_release() {
    let rungs = |query: Query| {
        let found = path(&query);
        let climbs = found.legs.iter().flat_map(|leg| {
            let acts = leg.actions.iter().filter(|act| !act.rungs.is_empty());
            acts.map(|act| format!("{} {}", leg.to, act.rungs.join(" ")))
                .collect::<Vec<_>>()
        });
        climbs.collect::<Vec<_>>()
    };
    let el7 = |mongodb: &str, from, to| on("el7", from, to).feature(&format!("mongodb={mongodb}"));
    assert_eq!(
        rungs(el7("2.6.12", "1.5.1", "3.8.1")),
        ["3.0.1 3.0 3.2", "3.0.1 3.4", "3.8.1 3.6 4.0"]
    );
    assert_eq!(rungs(el7("2.x", "1.5.1", "2.3.2")), [""; 0]);
    assert_eq!(
        rungs(el7("3.2", "2.4.0", "3.4.1")),
        ["3.4.1 3.4", "3.4.1 3.6 4.0"]
    );
    assert_eq!(rungs(el7("3.6", "3.2.0", "3.3.0")), ["3.3.0 4.0"]);
    assert_eq!(rungs(el7("4.0", "3.2.0", "3.3.0")), [""; 0]);
    // Left behind by an earlier upgrade.
    assert_eq!(rungs(el7("3.4", "3.3.0", "3.4.1")), ["3.4.1 3.6 4.0"]);
}

#[test]
fn a_server_that_the_release_does_not_run_with_is_told() {
    let notices = |query: Query| {
        let found = path(&query).notices.into_iter();
        let of = found.filter(|notice| notice.id == "mongodb-unsupported");
        of.map(|notice| notice.text).collect::<Vec<_>>()
    };
    assert_eq!(
        notices(on("ubuntu16", "2.9.1", "2.10.4").feature("mongodb=3.6")),
        ["MongoDB 3.6 is not what 2.10.4 runs with: MongoDB 2.4, 2.6, 3.0, 3.2, 3.4"]
    );
    assert_eq!(
        notices(on("ubuntu20", "3.7.0", "3.8.1").feature("mongodb=8.0")),
        ["MongoDB 8.0 is not what 3.8.1 runs with: MongoDB 3.6, 4.0, 4.4"]
    );
    // What an installation by the book has is what its release runs with, and stays so on the way.
    let product = stackstorm();
    for (distribution, _, first, last) in DISTRIBUTIONS {
        let found = find(&product, &on(distribution, first, last)).expect("there is a path");
        let unsupported = found
            .notices
            .iter()
            .find(|it| it.id == "mongodb-unsupported");
        assert_eq!(unsupported, None, "{distribution}");
    }
}

#[test]
fn what_cannot_be_taken_back_is_told_and_asks_for_its_word() {
    let accepts = |query: &Query| {
        let notices = path(query).notices.into_iter();
        notices
            .filter_map(|notice| notice.accept)
            .collect::<Vec<_>>()
    };
    let query = on("el7", "2.1.1", "3.4.1")
        .edition("enterprise")
        .feature("mistral_installed");
    assert_eq!(
        accepts(&query),
        [
            "mistral-executions",
            "mistral-removed",
            "enterprise-removed"
        ]
    );
    assert_eq!(
        accepts(&on("el7", "2.1.1", "2.2.0").feature("chatops")),
        [""; 0]
    );
    let refusal = refused(&on("el7", "3.4.1", "2.1.1").feature("mistral_installed"));
    let facts: Vec<String> = refusal.because().into_iter().map(|fact| fact.id).collect();
    assert_eq!(
        facts,
        [
            "downgrade",
            "mistral-executions-split",
            "mistral-removed",
            "with-items-cannot-go-on"
        ]
    );
}

#[test]
fn a_mistral_that_was_started_too_early_is_recovered_before_its_migration_and_never_silently() {
    let query = on("ubuntu16", "2.1.1", "2.2.1").feature("mistral_installed");
    let recovers = |query: &Query| {
        let found = path(query);
        let ids = done(&found).concat().into_iter().map(str::to_owned);
        let ids: Vec<String> = ids.filter(|id| id.starts_with("mistral-")).collect();
        let accepts = found.notices.into_iter().filter_map(|notice| notice.accept);
        (ids.join(" "), accepts.collect::<Vec<_>>().join(" "))
    };
    let usual = "mistral-stop mistral-db-upgrade mistral-db-populate";
    let said = |query: &Query| recovers(query).0 == usual;
    assert!(said(&query), "nobody looked");
    assert!(said(&query.clone().feature("mistral-early-tables=0")));
    assert_eq!(
        recovers(&query.clone().feature("mistral-early-tables=5")),
        (
            "mistral-stop mistral-recover-already-exists mistral-db-upgrade mistral-db-populate"
                .to_owned(),
            "mistral-executions mistral-recovery".to_owned()
        )
    );
    // Also where the packages are new already and only the database is left behind.
    let later = on("ubuntu16", "2.2.1", "2.3.2")
        .feature("mistral_installed")
        .feature("mistral-early-tables=5");
    assert_eq!(recovers(&later).1, "mistral-recovery");
}

#[test]
fn stops_that_one_release_satisfies_share_a_stage() {
    let query = on("ubuntu14", "2.0.1", "3.0.1");
    assert_eq!(done(&path(&query)).len(), 1);
    let workflows = on("el7", "2.0.1", "3.4.1").feature("mistral_workflows");
    let found = path(&workflows);
    assert_eq!(
        found.legs[0].required_by,
        ["old-migrations-not-shipped", "convert-mistral-workflows"]
    );
    assert_eq!(found.legs[0].to.as_str(), "3.0.1");
    let ids = done(&found);
    assert!(ids[0].contains(&"datastore-scopes") && !ids[1].contains(&"datastore-scopes"));
    assert!(ids[1].contains(&"convert-mistral-workflows"));
    let later = on("el7", "2.2.1", "3.4.1").feature("mistral_workflows");
    assert_eq!(path(&later).legs[0].to.as_str(), "3.2.0");
}
