//! What is shown before anything is changed, and what is refused.

use switchback_testkit::aws::{ACCOUNT, Kind, StandIn};

use crate::lab::{Lab, REPOSITORY, Said};

const ALL: [&str; 5] = [
    "1-1-vpc",
    "2-1-db-aurora-master",
    "5-1-ecs-cluster",
    "5-2-ecs-ops",
    "5-4-ecs-services",
];

/// Every stack at 3.30.0, with the templates of 3.32.1 offered.
fn deployed() -> Option<(StandIn, Lab)> {
    let ministack = StandIn::start(Kind::Ministack)?;
    Lab::deploy(&ministack, &ALL, &format!("{REPOSITORY}:3.30.0"));
    let lab = Lab::new(&ministack);
    lab.configure("");
    lab.offer("3.32.1", |_, text| text);
    Some((ministack, lab))
}

fn ends_with(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, code, "{}", said.all);
    let line = said.all.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(line.contains(word), "no `{word}` in: {}", said.all);
    }
}

/// What differs from run to run, as zeros.
fn masked(text: &str) -> String {
    let mut whole = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("p-") {
        let (before, after) = rest.split_at(at + 2);
        whole.push_str(before);
        let id = after
            .find(|letter: char| !letter.is_ascii_hexdigit())
            .unwrap_or(after.len());
        let shown = match id {
            12 => "000000000000",
            _ => &after[..id],
        };
        whole.push_str(shown);
        rest = &after[id..];
    }
    whole.push_str(rest);
    whole
}

/// Relies on A9-A12, C16, D3, E5, G2-G4 (ministack, ok).
#[test]
fn a_plan_shows_each_update_from_three_sides() {
    let Some((_ministack, lab)) = deployed() else {
        return;
    };
    let plan = lab.switchback(&["plan", "--to", "3.32.1"]);
    assert_eq!(plan.code, 0, "{}", plan.all);
    insta::assert_snapshot!("plan", masked(&plan.all));
    let explained = lab.switchback(&["plan", "--to", "3.32.1", "--explain"]);
    ends_with(
        &explained,
        0,
        &["TaskDefinition (AWS::ECS::TaskDefinition) replaced"],
    );
    let shown = lab.switchback(&["plan", "--show", "p-"]);
    ends_with(&shown, 0, &["what each update changes"]);
    let document = lab.switchback(&["plan", "--to", "3.32.1", "--format", "json"]);
    ends_with(&document, 0, &["\"reviews\"", "\"provided\""]);
    let doctor = lab.switchback(&["doctor"]);
    ends_with(
        &doctor,
        0,
        &[
            "123456789012 in us-east-1",
            "cloudformation, version 3.30.0",
            "5 of 5 steady, 5 as their templates say",
            "database cluster, aurora-postgresql 16.11; a snapshot is taken before each round",
        ],
    );
}

/// Relies on C16, D3 (ministack, ok). A copy that is made from a mark is one in `aws/src/live/marks.rs`.
#[test]
fn a_copy_that_a_way_back_left_is_told_with_what_removes_it_and_nobody_elses_database_is() {
    let Some((ministack, lab)) = deployed() else {
        return;
    };
    for (name, tag) in [
        ("switchback-0123456789ab", "switchback-0123456789ab"),
        ("switchback-ledger", "ledger"),
    ] {
        ministack.ask_databases(
            "CreateDBCluster",
            &[
                ("DBClusterIdentifier", name),
                ("Engine", "aurora-postgresql"),
                ("MasterUsername", "postgres"),
                ("MasterUserPassword", "changeme1234"),
                ("Tags.member.1.Key", "switchback"),
                ("Tags.member.1.Value", tag),
            ],
        );
    }
    let doctor = lab.switchback(&["doctor"]);
    ends_with(
        &doctor,
        0,
        &[
            "copy switchback-0123456789ab database cluster, available, that a way back restored from a mark; AWS bills its storage;",
            "no run known here made it; where no rollback goes on elsewhere: aws rds delete-db-cluster --db-cluster-identifier switchback-0123456789ab --skip-final-snapshot",
        ],
    );
    assert!(!doctor.all.contains("ledger"), "{}", doctor.all);
}

#[test]
fn another_account_region_or_stack_is_drift_and_nothing_is_changed() {
    let Some((ministack, lab)) = deployed() else {
        return;
    };
    let plan = lab.switchback(&["plan", "--to", "3.32.1"]);
    assert_eq!(plan.code, 0, "{}", plan.all);
    let other = [("AWS_ACCESS_KEY_ID", "999999999999")];
    let said = lab.type_in(&["apply", "--yes", "--accept", "noc-statistics"], &other);
    ends_with(
        &said,
        5,
        &[
            "999999999999",
            "nothing was changed",
            "choose the profile or role",
        ],
    );

    // Somebody changes a parameter of a stack meanwhile.
    ministack.cloudformation(vec![
        ("Action".to_owned(), "UpdateStack".to_owned()),
        ("StackName".to_owned(), "tts-5-2-ecs-ops".to_owned()),
        ("UsePreviousTemplate".to_owned(), "true".to_owned()),
        (
            "Parameters.member.1.ParameterKey".to_owned(),
            "OpsImage".to_owned(),
        ),
        (
            "Parameters.member.1.ParameterValue".to_owned(),
            format!("{REPOSITORY}:3.31.0"),
        ),
    ]);
    let said = lab.switchback(&["apply", "--yes", "--accept", "noc-statistics"]);
    ends_with(&said, 5, &["drifted", "OpsImage"]);
}

#[test]
fn what_no_account_can_answer_is_told_with_what_to_do() {
    let Some((ministack, lab)) = deployed() else {
        return;
    };
    let said = lab.type_in(&["plan"], &[("AWS_SECRET_ACCESS_KEY", "")]);
    ends_with(&said, 3, &["hint: log in, or set AWS_PROFILE"]);
    let said = lab.type_in(&["status"], &[("AWS_SECRET_ACCESS_KEY", "")]);
    ends_with(&said, 0, &["version unknown", "hint: log in"]);
    let Some(proxy) = ministack.spoiled() else {
        return;
    };
    let spoiled = Lab::new(&proxy);
    spoiled.configure("");
    spoiled.offer("3.32.1", |_, text| text);
    proxy.rules(
        r#"[{"service":"cloudformation","operation":"CreateChangeSet","times":9,"error":{"code":"ExpiredToken","status":403,"message":"The security token included in the request is expired"}}]"#,
    );
    let said = spoiled.switchback(&["plan", "--to", "3.32.1"]);
    ends_with(
        &said,
        3,
        &["log in again, then type the same command again"],
    );
    assert_eq!(ACCOUNT.len(), 12);
}

#[test]
fn what_a_template_leaves_open_is_asked_for() {
    let Some((_ministack, lab)) = deployed() else {
        return;
    };
    lab.offer("3.32.1", |name, text| match name {
        "5-4-ecs-services" => text.replace(
            "  StackImage: { Type: String }\n",
            "  StackImage: { Type: String }\n  Tier: { Type: String, AllowedValues: [small, large] }\n",
        ),
        _ => text,
    });
    let said = lab.switchback(&["plan", "--to", "3.32.1"]);
    ends_with(
        &said,
        3,
        &[
            "nothing decides `Tier` of stack `tts-5-4-ecs-services`",
            "allowed: small, large",
            "[aws.parameters.tts-5-4-ecs-services]",
        ],
    );
    lab.configure("\n[aws.parameters.tts-5-4-ecs-services]\nTier = \"small\"\n");
    let said = lab.switchback(&["plan", "--to", "3.32.1"]);
    ends_with(&said, 0, &["Tier is new: `small`"]);
    std::fs::remove_dir_all(lab.path("templates")).expect("they are ours");
    let said = lab.switchback(&["plan", "--to", "3.32.1"]);
    ends_with(&said, 3, &["No such file", "say where they are"]);
}
