//! From one end to the other.

use serde_json::json;

use super::scene::{Scene, git, said};

/// Whether the new instance holds what the old one holds, and nobody touched the old one.
pub(crate) fn judge(scene: &Scene) {
    let (old, new) = (scene.old.picture(), scene.new.picture());
    assert_eq!(old["keys"], new["keys"]);
    assert_eq!(new["keys"].as_array().map(Vec::len), Some(65));
    assert_eq!(old["packs"], new["packs"]);
    assert_eq!(old["configs"], new["configs"]);
    let names = |rules: &serde_json::Value| -> Vec<String> {
        let rules = rules.as_array().expect("rules").iter();
        rules.map(|rule| rule["name"].to_string()).collect()
    };
    assert_eq!(
        names(&new["rules"]),
        ["\"on_call\""],
        "rules of packs come with packs"
    );
    let keys = new["api-keys"].as_array().expect("keys");
    assert_eq!(
        keys.len(),
        3,
        "its own, and each of the old instance once: {keys:#?}"
    );
    assert_eq!(scene.old.state().writes, Vec::<String>::new());

    let logs = scene.keep().join("audit-logs");
    let mut check = std::process::Command::new("sha256sum");
    let checked = said(
        check
            .current_dir(logs)
            .args(["--check", "--strict", "SHA256SUMS"]),
    );
    assert_eq!(checked.code, 0, "{checked:#?}");
    let script = scene
        .new
        .root()
        .join("opt/stackstorm/packs/legacy/actions/run.sh");
    assert_eq!(
        std::fs::read_to_string(script).expect("installed"),
        "#!/bin/sh\ndate\n"
    );
    assert_eq!(
        scene.leaks(&scene.state()),
        Vec::<std::path::PathBuf>::new()
    );
    assert_eq!(scene.leaks(&scene.keep()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn content_arrives_whole_and_the_old_instance_is_only_read() {
    let scene = Scene::new();
    let before = scene.old_as_it_is();
    let shown = scene.plan_with(&[]);
    assert_eq!(shown.code, 0, "{shown:#?}");
    for part in [
        "65 keys, 2 of them secret",
        "2 audit logs, 46 bytes, with checksums",
        "made from its files: it has no repository",
        "1 rule made through the API",
        "--accept no-history",
        "senders of the webhook /v1/webhooks/on_call",
        "/opt/stackstorm/chatops/st2chatops.env",
        "st2ctl stop",
    ] {
        let one_line = shown
            .stdout
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(
            one_line.contains(part) || shown.stderr.contains(part),
            "no `{part}` in\n{}{}",
            shown.stdout,
            shown.stderr
        );
    }
    assert_eq!(
        scene.new.state().writes,
        Vec::<String>::new(),
        "planning only looks"
    );
    let plan = scene.planned();

    let refused = scene.type_in(&["apply", &plan, "--yes"]);
    assert_eq!(refused.code, 3, "{refused:#?}");
    assert!(
        refused.stderr.contains("asks for acceptance: no-history"),
        "{refused:#?}"
    );

    let applied = scene.type_in(&["apply", &plan, "--accept", "no-history", "--yes"]);
    assert_eq!(applied.code, 0, "{applied:#?}");
    judge(&scene);
    assert_eq!(scene.old_as_it_is(), before);

    let again = scene.type_in(&["apply", &plan, "--accept", "no-history", "--yes"]);
    assert_eq!(again.code, 0, "{again:#?}");
    assert!(again.stdout.contains("is done already"), "{again:#?}");
    let run = run_of(&again.stdout);
    let log = scene.type_in(&["log", &run]);
    assert_eq!(log.code, 0, "{log:#?}");
    assert!(
        log.stdout.contains("65 keys, 2 secret, each compared"),
        "{log:#?}"
    );
    let back = scene.type_in(&["rollback", &run, "--yes"]);
    assert_eq!(back.code, 3, "{back:#?}");
    assert!(
        back.stderr
            .contains("rolled content over: there is nothing to take back"),
        "{back:#?}"
    );
    assert!(
        back.stderr.contains("was only read and goes on as it was"),
        "{back:#?}"
    );
}

/// The id of a run in what was said.
fn run_of(text: &str) -> String {
    let begin = text
        .find("r-")
        .unwrap_or_else(|| panic!("no run in {text}"));
    text[begin..]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect()
}

#[test]
fn an_old_release_without_scopes_arrives_at_a_new_one_with_them() {
    let scene = Scene::between("1.4.0", "3.9.0");
    // Before 1.5 nothing is secret and nothing is a user's own.
    {
        let mut state = scene.old.state();
        state.clear_keys();
        state.set_key(None, "api_host", "10.0.0.1", false);
    }
    let plan = scene.planned();
    let applied = scene.type_in(&["apply", &plan, "--accept", "no-history", "--yes"]);
    assert_eq!(applied.code, 0, "{applied:#?}");
    assert_eq!(
        scene.new.picture()["keys"],
        json!([["system", "", "api_host", "10.0.0.1", false]])
    );
}

#[test]
fn what_changed_since_the_plan_halts_before_anything_is_brought() {
    let scene = Scene::new();
    let plan = scene.planned();
    std::fs::write(scene.pack("acme").join("new.txt"), "x").expect("written");
    git(&scene.pack("acme"), &["add", "--all"]);
    git(
        &scene.pack("acme"),
        &["commit", "--quiet", "--message", "second"],
    );
    let applied = scene.type_in(&["apply", &plan, "--accept", "no-history", "--yes"]);
    assert_eq!(applied.code, 5, "{applied:#?}");
    let one_line = applied
        .stderr
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(one_line.contains("expected `repository/acme` to be at the old instance as it was when planning, found commit"), "{applied:#?}");
    assert!(
        one_line.contains("plan again: switchback rollover --from"),
        "{applied:#?}"
    );
    assert_eq!(scene.new.state().writes, Vec::<String>::new());
}

#[test]
fn a_new_instance_that_would_keep_secrets_as_text_is_told_none() {
    let scene = Scene::new();
    scene.new.state().forgets_secrets = true;
    let plan = scene.planned();
    let applied = scene.type_in(&["apply", &plan, "--accept", "no-history", "--yes"]);
    assert_eq!(applied.code, 4, "{applied:#?}");
    let one_line = applied
        .stderr
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for part in [
        "the new instance would keep every secret key as plain text",
        "was only read",
        "st2-generate-symmetric-crypto-key",
        "switchback resume r-",
    ] {
        assert!(one_line.contains(part), "no `{part}` in {applied:#?}");
    }
    assert_eq!(
        scene.new.state().key_count(),
        0,
        "not even the trial is left"
    );

    scene.new.state().forgets_secrets = false;
    let resumed = scene.type_in(&["apply", &plan, "--accept", "no-history", "--yes"]);
    assert_eq!(resumed.code, 0, "{resumed:#?}");
    judge(&scene);
}

#[test]
fn keys_that_a_try_cut_off_has_loaded_are_completed_and_others_are_in_the_way() {
    let scene = Scene::new();
    let plan = scene.planned();
    {
        // What a process leaves that is killed while it loads: a part of the keys, and the trial.
        let mut state = scene.new.state();
        for number in 0..30 {
            state.set_key(
                None,
                &format!("host_{number:02}"),
                &format!("10.0.0.{number}"),
                false,
            );
        }
        state.set_key(None, "switchback.trial", "trial", true);
        state.set_key(None, "dbpass", "someone else's", true);
    }
    let words = ["apply", &plan, "--accept", "no-history", "--yes"];
    let halted = scene.type_in(&words);
    assert_eq!(halted.code, 4, "{halted:#?}");
    let one_line = halted
        .stderr
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let expected =
        "expected room for `keys/all` at the new instance, found `dbpass` has another value";
    assert!(one_line.contains(expected), "{halted:#?}");
    assert!(
        one_line.contains("or leave it there: the old instance at"),
        "{halted:#?}"
    );

    scene
        .new
        .state()
        .set_key(None, "dbpass", super::scene::SECRETS[2], true);
    let done = scene.type_in(&words);
    assert_eq!(done.code, 0, "{done:#?}");
    judge(&scene);
    let twice = scene.new.state().writes.clone();
    let twice = twice.iter().filter(|write| write.contains("host_00"));
    assert_eq!(
        twice.count(),
        0,
        "what is there already is not loaded again"
    );
}
