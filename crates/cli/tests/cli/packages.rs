//! `path` of a product that comes in packages: what a stage consists of, and where nothing leads in place.

use serde_json::{Value, json};

use crate::bench::Bench;

fn asked(more: &str) -> crate::bench::Said {
    let mut words = vec!["path", "stackstorm", "--driver", "packages"];
    words.extend(more.split_whitespace());
    Bench::new().switchback(&words)
}

fn document(more: &str) -> (Value, i32) {
    let said = asked(&format!("{more} --format json"));
    let document = serde_json::from_str(&said.stdout).expect("the answer is JSON");
    (document, said.code)
}

#[test]
fn a_stage_is_shown_with_everything_that_is_done_in_it() {
    let said = asked(
        "--from 3.1.0 --to 3.8.1 --edition community --fact distribution=el7 --fact mongodb=3.4 \
         --feature chatops --feature st2web --feature mistral_installed --feature no_coordination_backend",
    );
    insta::assert_snapshot!(said.all());
}

#[test]
fn what_nobody_said_is_assumed_and_told() {
    let (document, code) = document("--from 2.10.4 --to 3.3.0");
    assert_eq!(code, 0);
    let migrations = document["stages"][0]["migrations"]
        .as_array()
        .expect("a list");
    let of = |id: &str| migrations.iter().find(|it| it["id"] == id).expect(id);
    assert_eq!(of("packages-apt")["assumed"], true);
    assert_eq!(of("packages-yum")["assumed"], true);
    assert_eq!(of("mongo-3.4-3.6-4.0-rpm")["rungs"], json!(["3.6", "4.0"]));
    assert_eq!(of("mongo-3.4-3.6-4.0-rpm")["assumed"], true);
    assert_eq!(of("st2-stop")["assumed"], Value::Null);
    assert_eq!(
        document["remarks"],
        json!([
            "the edition is assumed to be community: say --edition",
            "the distribution is not known and may be ubuntu16, el7: say --fact distribution=…",
            "MongoDB 3.4 is assumed, which is what an installation of 2.10.4 has: say --fact mongodb=…",
            "assumed to be there: chatops, st2web, mistral_installed, no_coordination_backend; \
             say --feature NAME or --feature NAME=no",
        ])
    );
}

#[test]
fn the_end_of_a_distribution_offers_a_roll_over() {
    let said = asked("--from 2.9.1 --to 3.1.0 --fact distribution=ubuntu14");
    insta::assert_snapshot!(said.all(), @r"
    --- stderr
    refused: 2.9.1 → 3.1.0: Ubuntu 14.04 has packages of 1.4.0 to 3.0.1 only: 3.1.0
             cannot be installed on it [st2docs v1.4 to v3.0 install/deb; gone in
             v3.1]
      hint: roll the content over to a new instance of 3.1.0 on ubuntu16, ubuntu18,
            el6 or el7: switchback rollover --from OLD --to NEW
            in place it goes up to 3.0.1: --to 3.0.1
    --- exit 3
    ");
    let (document, code) = document("--from 2.9.1 --to 3.1.0 --fact distribution=ubuntu14");
    assert_eq!(code, 3);
    assert_eq!(document["outcome"], "refused");
    assert_eq!(document["because"][0]["id"], "rollover-required");
    assert_eq!(
        document["rollover"],
        json!({ "max_in_place": "3.0.1", "distributions": ["ubuntu16", "ubuntu18", "el6", "el7"] })
    );
}

#[test]
fn another_driver_and_an_unknown_distribution_are_refused() {
    let said = Bench::new().switchback(&[
        "path",
        "stackstorm",
        "--driver",
        "compose",
        "--from",
        "3.7.0",
        "--to",
        "3.8.0",
    ]);
    insta::assert_snapshot!(said.all(), @r"
    --- stderr
    refused: 3.7.0 → 3.8.0: `compose` is not described, only packages [definition of
             stackstorm]
      hint: use --driver with one of: packages
    --- exit 3
    ");
    let said = asked("--from 3.7.0 --to 3.8.0 --fact distribution=debian12");
    insta::assert_snapshot!(said.all(), @r"
    --- stderr
    refused: 3.7.0 → 3.8.0: `debian12` is no distribution that stackstorm is
             packaged for: ubuntu14, ubuntu16, ubuntu18, ubuntu20, ubuntu22, el6,
             el7, el8, el9 [definition of stackstorm]
    --- exit 3
    ");
}

#[test]
fn what_no_path_depends_on_is_refused() {
    let refused = |said: &str| {
        let said = asked(&format!(
            "--from 3.4.1 --to 3.8.1 --fact distribution=el7 {said}"
        ));
        assert_eq!(said.code, 3);
        said.stderr
    };
    insta::assert_snapshot!(refused("--feature chatop"), @r"
    refused: 3.4.1 → 3.8.1: `chatop` is nothing that a path of stackstorm depends on
             [definition of stackstorm]
      hint: did you mean `chatops`?
    ");
    insta::assert_snapshot!(refused("--fact mongo=3.4"), @r"
    refused: 3.4.1 → 3.8.1: `mongo` is nothing that a path of stackstorm depends on
             [definition of stackstorm]
      hint: there are: chatops, chatops_yammer, cloudslang_or_winexe_runner,
            community_ldap, community_or_private_packs, custom_listen_address,
            custom_python_actions, custom_runners, dcfabric_1.1, distribution,
            external_inquiries_client, file_writen_trigger, mistral-early-rows,
            mistral-early-tables, mistral-schema, mistral_installed,
            mistral_workflows, mongo_tls, mongodb, mongodb-compatibility,
            no_coordination_backend, no_https, old_runner_names, orquesta,
            output_schema, pack_named__global, percent_interpolation,
            python_minor_changed, rbac, st2exporter, st2web, vendor, yaql_format
    ");
    insta::assert_snapshot!(refused("--feature chatops=perhaps"), @r"
    refused: 3.4.1 → 3.8.1: `perhaps` is no answer to `chatops`, which is yes or no
             [definition of stackstorm]
    ");
    insta::assert_snapshot!(refused("--fact vendor=suse"), @r"
    refused: 3.4.1 → 3.8.1: `suse` is no answer to `vendor`, which is rhel, centos,
             almalinux, rocky or ol [definition of stackstorm]
    ");
    insta::assert_snapshot!(refused("--fact mongodb=new"), @r"
    refused: 3.4.1 → 3.8.1: `new` is no answer to `mongodb`, which is 2.4, 2.6, 3.0,
             3.2, 3.4, 3.6, 4.0, 4.2, 4.4, 5.0, 6.0 or 7.0 [definition of
             stackstorm]
    ");
    insta::assert_snapshot!(refused("--feature chatops --feature chatops=no"), @r"
    refused: 3.4.1 → 3.8.1: `chatops` was said to be no and yes [definition of
             stackstorm]
    ");
    insta::assert_snapshot!(refused("--fact mongodb=3.4 --fact mongodb=4.0"), @r"
    refused: 3.4.1 → 3.8.1: `mongodb` was said to be 3.4 and 4.0 [definition of
             stackstorm]
    ");
    // As operators write them.
    let said = asked(
        "--from 3.4.1 --to 3.8.1 --fact distribution=el7 --fact mongodb=v4.0.28 --fact mongodb-compatibility=4.0 \
         --feature mistral-workflows=no --feature chatops=yes --fact vendor=centos",
    );
    assert_eq!(said.code, 0, "{}", said.all());
}

#[test]
fn every_case_holds_as_an_operator_would_ask_it() {
    let fixture: Value = serde_json::from_str(include_str!(
        "../../../planner/tests/fixtures/stackstorm.json"
    ))
    .expect("the fixture is JSON");
    let cases = fixture["cases"].as_array().expect("there are cases");
    for case in cases {
        let text = |field: &str| case[field].as_str().unwrap_or_default().to_owned();
        let mut words = format!(
            "--from {} --to {} --edition {} --fact distribution={} --fact mongodb={}",
            text("from"),
            text("to"),
            text("edition"),
            text("distro"),
            text("mongodb")
        );
        for feature in case["features"].as_array().into_iter().flatten() {
            words.push_str(&format!(" --feature {}", feature.as_str().expect("text")));
        }
        let (document, code) = document(&words);
        let in_place = text("outcome") == "in_place";
        assert_eq!(code, if in_place { 0 } else { 3 }, "{words}");
        let outcome = if in_place { "path" } else { "refused" };
        assert_eq!(document["outcome"], outcome, "{words}");
        let stages = document["stages"].as_array().expect("a list").iter();
        let reached: Vec<&Value> = stages.map(|stage| &stage["to"]).collect();
        let hops = case["hops"].as_array().expect("a list").iter();
        let wanted: Vec<&Value> = hops.map(|hop| &hop["to"]).collect();
        assert_eq!(reached, wanted, "{words}");
        if !in_place {
            let furthest = &document["rollover"]["max_in_place"];
            assert_eq!(*furthest, case["max_in_place"], "{words}");
        }
    }
}
