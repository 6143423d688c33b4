//! Reports of rehearsals: shown, attached to plans, demanded by policy.

use std::collections::BTreeMap;

use switchback_journal::{Holder, Key, ProcessIdentity};
use switchback_model::contents::{Collection, Difference};
use switchback_model::exit::Exit;
use switchback_model::plan::{BackupMethod, Notice, Plan};
use switchback_model::product::NoticeKind;
use switchback_model::rehearsal::{
    ByHand, Changes, Copied, FORMAT, Measured, Outcome, Production, Proof, Space, Verdict,
};
use switchback_model::structure::StructureChanges;
use switchback_model::{Digest, Problem, Rehearsal, StepNumber};
use switchback_testkit::Scenario;

use crate::bench::Bench;

/// Two hours before the clock of the bench.
const AT: u64 = 1_795_305_600_000 - 2 * 3_600_000;

/// A plan for the bench's deployment.
fn saved(bench: &Bench) -> Plan {
    let mut plan = Scenario::two_legs().plan;
    plan.deployment.directory = bench.lab().display().to_string();
    plan.deployment.name = "lab".to_owned();
    plan.notices = vec![Notice {
        id: "contact-infos-deleted".to_owned(),
        kind: NoticeKind::OneWay,
        version: "3.29.0".into(),
        text: "The migration deletes the rows of the table contact_infos.".to_owned(),
        found: Some("1,204 rows here".to_owned()),
        source: "CHANGELOG.md 3.29.0".to_owned(),
        accept: Some("contact-infos".to_owned()),
    }];
    let plan = plan.seal();
    bench
        .state()
        .save_plan(&plan)
        .expect("the directory is ours");
    plan
}

fn step(number: u32, act: &str, what: &str, downtime: bool, took: u64) -> Measured {
    Measured {
        step: StepNumber(number),
        act: act.to_owned(),
        what: what.to_owned(),
        downtime,
        took,
        summary: String::new(),
        log: Vec::new(),
        log_lines: 0,
    }
}

fn difference(name: &str, before: Option<u64>, after: Option<u64>) -> Difference {
    let collection = |count: Option<u64>| {
        count.map(|count| Collection {
            count,
            checksum: None,
        })
    };
    Difference {
        collection: name.to_owned(),
        before: collection(before),
        after: collection(after),
    }
}

fn changes() -> Vec<Changes> {
    vec![
        Changes {
            datastore: "identity".into(),
            structure: StructureChanges {
                tables_added: BTreeMap::from([("public.user_bookmarks".to_owned(), 7)]),
                tables_removed: vec!["public.old".to_owned()],
                columns_added: vec!["public.users.note text".to_owned()],
                indexes_added: (1..=8).map(|n| format!("public.users/by_{n}")).collect(),
                ..StructureChanges::default()
            },
            counts: vec![
                difference("(schema)", Some(1), Some(1)),
                difference("public.contact_infos", Some(1_204), Some(0)),
                difference("public.user_bookmarks", None, Some(0)),
                difference("public.users", Some(300), Some(300)),
            ],
            objects: (4_908, 3_704),
            unchanged: 16,
        },
        Changes {
            datastore: "redis".into(),
            structure: StructureChanges::default(),
            counts: Vec::new(),
            objects: (15_170, 15_170),
            unchanged: 6,
        },
    ]
}

fn report(plan: &Plan) -> Rehearsal {
    let mut migration = step(15, "migrate", "is-db (3.32.1)", true, 21_000);
    migration.log = vec![
        "INFO Applied: 20220520000000".to_owned(),
        "INFO Successfully migrated to group #2".to_owned(),
    ];
    migration.log_lines = 40;
    Rehearsal {
        format: FORMAT,
        id: "e-1f3a90bc".to_owned(),
        plan: plan.id.clone(),
        shape: Digest::of(switchback_planner::shape(plan)),
        deployment: plan.deployment.clone(),
        from: plan.from.clone(),
        to: plan.to.clone(),
        at: AT,
        took: 95_000,
        program: "0.1.0".to_owned(),
        outcome: Outcome::Succeeded,
        downtime: Some(48_200),
        forecast_downtime: Some(70),
        previous: None,
        copies: vec![Copied {
            datastore: "identity".into(),
            how: "dump of one moment, restored".to_owned(),
            bytes: 62_000_000,
            took: 3_000,
            method: BackupMethod::Dump,
        }],
        steps: vec![
            step(1, "fetch", "3.32.1", false, 14_000),
            step(6, "stop", "stack", true, 2_200),
            step(14, "set", "3.32.1", true, 3),
            migration,
            step(17, "verify", "health", true, 25_000),
        ],
        by_hand: Vec::new(),
        space: Space {
            copy: 70_000_000,
            most: 8_000_000,
            forecast: 101_000_000,
        },
        changes: changes(),
        notices: vec![
            Proof {
                id: "contact-infos-deleted".to_owned(),
                kind: NoticeKind::OneWay,
                version: "3.29.0".into(),
                text: "The migration deletes the rows of the table contact_infos.".to_owned(),
                verdict: Verdict::True,
                evidence: vec!["public.contact_infos: 1,204 → 0".to_owned()],
            },
            Proof {
                id: "endpoints-moved".to_owned(),
                kind: NoticeKind::Prerequisite,
                version: "3.30.0".into(),
                text: "Clients must use the new endpoint.".to_owned(),
                verdict: Verdict::Unseen,
                evidence: Vec::new(),
            },
        ],
        updates: Vec::new(),
        unrehearsed: Vec::new(),
        production: Production {
            stacks: 0,
            untouched: true,
            containers: 3,
            files: 1,
            differences: Vec::new(),
        },
        bounds: vec!["networks of its own without a way out, no published port".to_owned()],
        left_out: vec!["traefik".into()],
        remarks: Vec::new(),
        kept: None,
    }
}

fn keep(bench: &Bench, report: &Rehearsal) {
    let directory = bench.state().root().join("rehearsals");
    std::fs::create_dir_all(&directory).expect("the directory is ours");
    let text = serde_json::to_vec(report).expect("it is JSON");
    std::fs::write(directory.join(format!("{}.json", report.id)), text).expect("it is ours");
}

fn failed(plan: &Plan) -> Rehearsal {
    let problem = Problem::new(
        Exit::Halted,
        "rehearsal-failed",
        "step 15 `is-db migrate` exited with 1",
    )
    .cause("could not extend file: No space left on device")
    .state("production", "as it was")
    .hint("keep the copy to look into it: `switchback rehearse --keep`");
    Rehearsal {
        outcome: Outcome::Failed {
            step: Some(StepNumber(15)),
            problem,
        },
        downtime: None,
        changes: Vec::new(),
        notices: Vec::new(),
        ..report(plan)
    }
}

/// A report of work for people, passed over and not.
fn stopped(plan: &Plan) -> Rehearsal {
    let work = |step, name: &str, passed| ByHand {
        step: StepNumber(step),
        name: name.to_owned(),
        todo: vec![format!("see to {name}")],
        passed,
    };
    Rehearsal {
        outcome: Outcome::Stopped {
            step: StepNumber(15),
            left: 5,
        },
        downtime: None,
        steps: vec![
            step(1, "fetch", "3.32.1", false, 14_000),
            step(6, "stop", "stack", true, 2_200),
        ],
        by_hand: vec![work(4, "convert", true), work(15, "section", false)],
        changes: Vec::new(),
        notices: Vec::new(),
        ..report(plan)
    }
}

fn with_policy(bench: &Bench, said: &str) {
    bench.file(
        "switchback.toml",
        &format!("product = \"the-things-stack\"\nname = \"lab\"\n\n[policy]\nrequire-rehearsal = \"{said}\"\n"),
    );
}

#[test]
fn a_report_is_shown_at_both_widths() {
    let bench = Bench::new();
    let plan = saved(&bench);
    keep(&bench, &report(&plan));
    insta::assert_snapshot!(
        "report_80",
        bench
            .switchback_at(80, &["rehearse", "--show", "1f3a"])
            .all()
    );
    insta::assert_snapshot!(
        "report_120",
        bench
            .switchback_at(120, &["rehearse", "--show", plan.id.as_str()])
            .all()
    );
}

#[test]
fn a_report_of_a_failure_says_which_step_and_why() {
    let bench = Bench::new();
    let plan = saved(&bench);
    keep(&bench, &failed(&plan));
    insta::assert_snapshot!(bench.switchback(&["rehearse", "--show", "1f3a"]).all());
}

#[test]
fn a_report_names_work_for_people_and_what_was_not_tried_behind_it() {
    let bench = Bench::new();
    let plan = saved(&bench);
    keep(&bench, &stopped(&plan));
    let said = bench.switchback(&["rehearse", "--show", "1f3a"]);
    assert_eq!(said.code, 0, "{}", said.all());
    insta::assert_snapshot!(said.all());
    let shown = bench
        .switchback(&["plan", "--show", plan.id.as_str()])
        .all();
    let line = "Rehearsed 2 h ago (e-1f3a90bc) up to step 15, which is for people";
    assert!(shown.contains(line), "{shown}");
}

#[test]
fn a_report_as_a_document_is_the_one_that_is_kept() {
    let bench = Bench::new();
    let plan = saved(&bench);
    keep(&bench, &report(&plan));
    let said = bench.switchback(&["rehearse", "--show", "1f3a", "--format", "json"]);
    let document: serde_json::Value =
        serde_json::from_str(&said.stdout).expect("the answer is JSON");
    assert_eq!(document["format"], 1);
    let kept: Rehearsal =
        serde_json::from_value(document["rehearsal"].clone()).expect("it is a report");
    assert_eq!(kept.downtime, Some(48_200));
    assert_eq!(kept.changes, changes());
}

#[test]
fn a_plan_tells_when_its_steps_were_rehearsed_and_what_that_took() {
    let bench = Bench::new();
    let plan = saved(&bench);
    let show = ["plan", "--show", plan.id.as_str()];
    let before = bench.switchback(&show).all();
    assert!(!before.contains("Rehearsed"), "{before}");
    keep(&bench, &report(&plan));
    let after = bench.switchback(&show).all();
    assert!(
        after.contains("Rehearsed 2 h ago (e-1f3a90bc): downtime 48 s"),
        "{after}"
    );
    keep(&bench, &failed(&plan));
    let failed = bench.switchback(&show).all();
    assert!(
        failed.contains("Rehearsal e-1f3a90bc failed 2 h ago: step 15"),
        "{failed}"
    );
}

#[test]
fn a_policy_refuses_what_was_never_rehearsed() {
    let bench = Bench::new();
    let plan = saved(&bench);
    with_policy(&bench, "7d");
    insta::assert_snapshot!(
        bench
            .switchback(&[
                "apply",
                plan.id.as_str(),
                "--yes",
                "--accept",
                "contact-infos"
            ])
            .all()
    );
}

#[test]
fn a_policy_refuses_a_rehearsal_that_is_too_old_or_failed_and_no_other() {
    let bench = Bench::new();
    let plan = saved(&bench);
    let apply = [
        "apply",
        plan.id.as_str(),
        "--yes",
        "--accept",
        "contact-infos",
    ];
    keep(&bench, &report(&plan));
    with_policy(&bench, "1h");
    let late = bench.switchback(&apply);
    assert_eq!(late.code, 3, "{}", late.all());
    assert!(late.stderr.contains("too long ago"), "{}", late.stderr);
    with_policy(&bench, "3h");
    let content = bench.switchback(&apply);
    assert!(!content.stderr.contains("rehearsal"), "{}", content.all());
    keep(&bench, &stopped(&plan));
    let stopped = bench.switchback_at(120, &apply);
    assert_eq!(stopped.code, 3, "{}", stopped.all());
    assert!(
        stopped
            .stderr
            .contains("up to step 15, which is for people"),
        "{}",
        stopped.stderr
    );
    keep(&bench, &failed(&plan));
    let failed = bench.switchback_at(120, &apply);
    assert!(
        failed.stderr.contains("and that failed"),
        "{}",
        failed.stderr
    );
}

#[test]
fn an_age_that_is_none_is_pointed_out() {
    let bench = Bench::new();
    let plan = saved(&bench);
    with_policy(&bench, "a week");
    let said = bench.switchback(&[
        "apply",
        plan.id.as_str(),
        "--yes",
        "--accept",
        "contact-infos",
    ]);
    assert_eq!(said.code, 2, "{}", said.all());
    assert!(said.stderr.contains("`7d`"), "{}", said.stderr);
}

#[test]
fn a_rehearsal_of_other_steps_does_not_count() {
    let bench = Bench::new();
    let plan = saved(&bench);
    with_policy(&bench, "7d");
    let other = Rehearsal {
        shape: Digest::of("other steps"),
        ..report(&plan)
    };
    keep(&bench, &other);
    let said = bench.switchback(&[
        "apply",
        plan.id.as_str(),
        "--yes",
        "--accept",
        "contact-infos",
    ]);
    assert!(said.stderr.contains("never rehearsed"), "{}", said.all());
}

#[test]
fn what_cannot_be_rehearsed_is_refused_with_the_reason() {
    let bench = Bench::new();
    bench.file(
        "switchback.toml",
        "product = \"the-things-stack\"\n\n[exec]\nreleases = \"/r\"\ncurrent = \"/c\"\nbinary = \"b\"\nservices = {}\n",
    );
    insta::assert_snapshot!("of_processes", bench.switchback(&["rehearse"]).all());
    insta::assert_snapshot!(
        "nothing_yet",
        bench.switchback(&["rehearse", "--show"]).all()
    );
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    insta::assert_snapshot!(
        "nothing_left",
        bench.switchback(&["rehearse", "--clean"]).all()
    );
}

/// Writes what a rehearsal writes before anything of its copy exists.
fn marked(bench: &Bench, id: &str, kept: bool) {
    let directory = bench.state().root().join("rehearsals").join(id);
    std::fs::create_dir_all(&directory).expect("the directory is ours");
    let marker = serde_json::json!({
        "id": id,
        "deployment": "lab",
        "directory": bench.lab().display().to_string(),
        "project": format!("lab-rehearsal-{}", id.trim_start_matches("e-")),
        "plan": "p-000000000000",
        "kept": kept,
    });
    std::fs::write(directory.join("marker.json"), marker.to_string())
        .expect("the directory is ours");
}

#[test]
fn a_copy_that_is_there_is_shown_with_what_removes_it() {
    let bench = Bench::new();
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    marked(&bench, "e-1f3a0000", true);
    marked(&bench, "e-2b00c0de", false);
    insta::assert_snapshot!("copies_status", bench.switchback(&["status"]).stdout);
    insta::assert_snapshot!("copies_doctor", bench.switchback(&["doctor"]).stdout);
}

#[test]
fn a_copy_whose_rehearsal_goes_on_is_not_offered_for_removal() {
    let bench = Bench::new();
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    marked(&bench, "e-1f3a0000", false);
    let journal = bench.state().journal().expect("the directory is ours");
    let turn = Key {
        deployment: "lab (rehearsal)".to_owned(),
        directory: bench.lab().display().to_string(),
    };
    let holder = Holder {
        process: ProcessIdentity::current(),
        since: AT,
        run: "e-1f3a0000".into(),
        by: "root@lab".to_owned(),
    };
    journal.acquire(&turn, &holder).expect("nobody else");
    let said = bench.switchback(&["status"]);
    assert!(
        said.stdout.contains("in use, its rehearsal goes on"),
        "{}",
        said.stdout
    );
    assert!(!said.all().contains("--clean"), "{}", said.all());
}
