//! What cannot be rolled over is refused before anything is brought: what, why, what to do.

use serde_json::json;

use super::scene::{Scene, said};

/// Plans, and holds the refusal against what it must say. Both instances stay as they were.
fn refused(scene: &Scene, more: &[&str], parts: &[&str]) {
    let before = scene.old_as_it_is();
    let said = scene.plan_with(more);
    assert_eq!(said.code, 3, "{said:#?}");
    let text = said.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts
        .iter()
        .chain(&["state: old instance only read · new instance only read"])
    {
        assert!(text.contains(part), "no `{part}` in\n{}", said.stderr);
    }
    assert_eq!(scene.old_as_it_is(), before);
    assert_eq!(scene.new.state().writes, Vec::<String>::new());
}

#[test]
fn a_pack_with_changes_that_are_not_committed() {
    let scene = Scene::new();
    std::fs::write(scene.pack("acme").join("draft.yaml"), "x").expect("written");
    refused(
        &scene,
        &[],
        &[
            "refused: pack `acme` has changes that are not committed",
            "draft.yaml",
            "these changes would be lost",
            "commit them: git -C",
        ],
    );
}

#[test]
fn a_key_that_the_old_instance_cannot_decrypt() {
    let scene = Scene::new();
    {
        let mut state = scene.old.state();
        state.datastore_key = 9;
        state.set_key(None, "relic", "sealed by another key", true);
        state.datastore_key = 1;
    }
    refused(
        &scene,
        &[],
        &[
            "refused: the old instance cannot decrypt `relic`",
            "encrypted with a datastore key that it does not have",
            "encryption_key_path",
            "st2 key set --encrypt",
        ],
    );
}

#[test]
fn a_new_instance_that_is_not_empty() {
    let scene = Scene::new();
    scene.new.pack("mine", "1.0.0");
    scene.new.state().set_key(None, "mine", "1", false);
    refused(
        &scene,
        &[],
        &[
            "is not empty",
            "pack `mine` 1.0.0, 1 key in the datastore: mine",
            "could not be told apart afterwards",
            "give a newly installed instance",
        ],
    );
}

#[test]
fn a_wrong_api_key() {
    let scene = Scene::new();
    scene.new.state().accepted = vec!["another".to_owned()];
    refused(
        &scene,
        &[],
        &[
            &format!(
                "refused: {} does not accept the API key",
                scene.new.address()
            ),
            "status 401",
            "`--to-key` for the new one",
            "st2 apikey create",
        ],
    );
}

#[test]
fn a_new_instance_of_an_older_version() {
    let scene = Scene::between("3.9.0", "3.8.1");
    refused(
        &scene,
        &[],
        &[
            "refused: the new instance runs 3.8.1, the old one 3.9.0",
            "may mean nothing to an older one",
            "install 3.9.0 or later on the new host",
        ],
    );
}

#[test]
fn a_new_instance_whose_release_cannot_install_packs_so() {
    let scene = Scene::between("1.4.0", "1.6.0");
    scene.old.state().clear_keys();
    refused(
        &scene,
        &[],
        &["the new instance runs 1.6.0: content can be brought to 2.1.0 and later"],
    );
}

#[test]
fn an_instance_that_lists_less_than_it_counts() {
    let scene = Scene::new();
    {
        let mut state = scene.old.state();
        state.loses_pages = true;
        for number in 0..80 {
            state.set_key(None, &format!("more_{number}"), "x", false);
        }
    }
    refused(
        &scene,
        &[],
        &[
            "does not tell everything it holds",
            "told of 143 keys and listed 100",
        ],
    );
}

#[test]
fn secrets_that_are_shown_as_asterisks() {
    let scene = Scene::new();
    scene
        .old
        .state()
        .configs
        .insert("legacy".to_owned(), json!({ "password": "********" }));
    refused(
        &scene,
        &[],
        &[
            "shows secrets in the configuration of pack `legacy` only as asterisks",
            "API key of an administrator",
        ],
    );
}

#[test]
fn an_instance_that_does_not_say_its_version() {
    let scene = Scene::new();
    scene.old.state().hides_version = true;
    refused(
        &scene,
        &[],
        &[
            "does not say which version it is",
            "`--from-version VERSION`",
        ],
    );
    let said = scene.plan_with(&["--from-version", "2.10.4"]);
    assert_eq!(said.code, 0, "{said:#?}");
}

#[test]
fn an_instance_that_does_not_answer_and_one_given_twice() {
    let scene = Scene::new();
    let dead = said(&mut scene.command(&[
        "rollover",
        "--from",
        "http://127.0.0.1:1",
        "--to",
        scene.new.address(),
    ]));
    assert_eq!(dead.code, 3, "{dead:#?}");
    assert!(
        dead.stderr
            .contains("refused: http://127.0.0.1:1 does not answer"),
        "{dead:#?}"
    );
    assert!(dead.stderr.contains("st2ctl start"), "{dead:#?}");
    let typed = scene
        .command(&[
            "rollover",
            "--from",
            "a",
            "--to",
            "b",
            "--from-key",
            "s3cret",
        ])
        .output()
        .expect("started");
    assert_eq!(typed.status.code(), Some(2));
}
