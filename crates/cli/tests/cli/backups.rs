//! Backups in a repository: what is said of them, and what stands in the way.

use std::fs;
use std::process::Command;

use switchback_journal::Key;

use crate::bench::Bench;

const PASSWORD: &str = "correct horse battery staple";

/// A deployment with a repository that need not be there; `None` on a machine without restic, where nothing asks
/// for live tests.
#[expect(clippy::print_stdout, reason = "says what was not tried, and why")]
fn lab(further: &str) -> Option<Bench> {
    let there = Command::new("restic").arg("version").output();
    if !there.is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var_os("SWITCHBACK_LIVE").is_none(),
            "restic is not installed: `cargo xtask setup`"
        );
        println!("not tried: restic is not installed");
        return None;
    }
    let bench = Bench::new();
    configure(&bench, further);
    bench.file("password", PASSWORD);
    Some(bench)
}

fn configure(bench: &Bench, further: &str) {
    bench.file(
        "switchback.toml",
        &format!(
            "product = \"the-things-stack\"\n\n[backup]\nrepository = \"repository\"\n\
             password = {{ file = \"password\" }}\n{further}"
        ),
    );
}

fn restic(bench: &Bench, arguments: &[&str]) {
    let output = Command::new("restic")
        .current_dir(bench.lab())
        .args([
            "--repo",
            "repository",
            "--cache-dir",
            "cache",
            "--password-file",
            "password",
        ])
        .args(arguments)
        .env("TZ", "UTC")
        .output()
        .expect("restic starts");
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Puts a backup into the repository as `backup create` would.
fn stored(bench: &Bench, run: &str, time: &str) {
    let directory = bench.lab().join(run).join("blobs/copy");
    fs::create_dir_all(&directory).expect("made");
    fs::write(directory.join("file"), run).expect("written");
    let manifest = serde_json::json!({
        "format": 1, "datastore": "blobs", "kind": "files", "run": run, "state": "proven", "engine": null,
        "contents": { "collections": {} }, "bytes": 0, "files": {}, "at": 0,
    });
    let at = bench.lab().join(run).join("blobs/manifest.json");
    fs::write(at, manifest.to_string()).expect("written");
    let tags = format!(
        "switchback,deployment:lab,datastore:blobs,product:the-things-stack,version:3.23.2,run:{run},round:1,\
         kind:files,state:proven"
    );
    let output = Command::new("restic")
        .current_dir(bench.lab().join(run))
        .args(["--repo", "../repository", "--cache-dir", "../cache"])
        .args(["--password-file", "../password", "backup", "--host", "lab"])
        .args(["--time", time, "--tag", &tags, "blobs"])
        .env("TZ", "UTC")
        .output()
        .expect("restic starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Ids follow from the time and the place: they are told apart by their order.
fn without_ids(text: &str) -> String {
    let mut ids: Vec<String> = Vec::new();
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
        let id = word.strip_prefix("b-").filter(|digits| digits.len() == 8);
        if id.is_some() && !ids.contains(&word.to_owned()) {
            ids.push(word.to_owned());
        }
    }
    ids.iter()
        .enumerate()
        .fold(text.to_owned(), |text, (place, id)| {
            text.replace(id, &format!("b-0000000{place}"))
        })
}

#[test]
fn without_a_repository_the_configuration_is_named() {
    let bench = Bench::new();
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    insta::assert_snapshot!(bench.switchback(&["backup", "restore", "b-12"]).all());
    bench.file(
        "switchback.toml",
        "product = \"the-things-stack\"\n[backup]\nrepository = \"repository\"\n",
    );
    insta::assert_snapshot!(bench.switchback(&["backup", "create"]).all());
}

#[test]
fn a_repository_that_is_not_there_is_not_made_by_accident() {
    let Some(bench) = lab("") else { return };
    insta::assert_snapshot!(bench.switchback(&["backup", "create"]).all());
    assert!(!bench.lab().join("repository").exists());
}

#[test]
fn without_restic_it_is_said_where_to_get_it() {
    let bench = Bench::new();
    configure(&bench, "");
    bench.file("password", PASSWORD);
    insta::assert_snapshot!(
        bench
            .switchback_on("/nonexistent", &["backup", "create"])
            .all()
    );
}

#[test]
fn a_backup_that_cannot_be_read_is_listed_with_what_is_wrong() {
    let bench = Bench::new();
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    let key = Key {
        deployment: "lab".to_owned(),
        directory: bench.lab().display().to_string(),
    };
    let backups = bench.state().backups(&key);
    for (run, manifest) in [
        ("r-00000001", "{ cut off"),
        ("r-00000002", r#"{ "format": 99 }"#),
    ] {
        let directory = backups.join(run).join("blobs");
        fs::create_dir_all(&directory).expect("made");
        fs::write(directory.join("manifest.json"), manifest).expect("written");
    }
    let said = bench.switchback(&["backup", "list"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
    assert!(said.stderr.contains("no way back goes by"), "{said:?}");
    let list = bench
        .switchback(&["backup", "list", "--format", "json"])
        .stdout;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(list["backups"], serde_json::json!([]));
    let unreadable = list["unreadable"].as_array().expect("a list");
    let codes: Vec<&str> = unreadable
        .iter()
        .map(|problem| problem["code"].as_str().expect("a code"))
        .collect();
    assert_eq!(codes, ["backup-manifest", "backup-newer"]);
    for (problem, run) in unreadable.iter().zip(["r-00000001", "r-00000002"]) {
        let subject = problem["state"][0]["subject"].as_str().expect("a state");
        assert!(subject.ends_with(&format!("{run}/blobs")), "{problem}");
    }
}

#[test]
fn a_wrong_password_hides_nothing_of_what_is_here() {
    let Some(bench) = lab("") else { return };
    restic(&bench, &["init"]);
    bench.file("password", "another one");
    insta::assert_snapshot!(bench.switchback(&["backup", "list"]).all());
}

#[test]
fn a_list_says_what_keeps_a_backup_and_prune_removes_the_rest() {
    let Some(bench) = lab("keep-last = 1\nkeep-daily = 2\n") else {
        return;
    };
    restic(&bench, &["init"]);
    stored(&bench, "r-00000001", "2026-11-18 01:00:00");
    stored(&bench, "r-00000002", "2026-11-20 01:00:00");
    stored(&bench, "r-00000003", "2026-11-20 23:00:00");
    stored(&bench, "r-00000004", "2026-11-21 01:00:00");
    insta::assert_snapshot!(without_ids(
        &bench.switchback_at(120, &["backup", "list"]).all()
    ));
    insta::assert_snapshot!(without_ids(
        &bench.switchback_at(120, &["backup", "prune"]).all()
    ));
    insta::assert_snapshot!(without_ids(
        &bench.switchback(&["backup", "prune", "--yes"]).all()
    ));
    insta::assert_snapshot!(bench.switchback(&["backup", "prune", "--yes"]).all());
    let list = bench
        .switchback(&["backup", "list", "--format", "json"])
        .stdout;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(list["backups"], serde_json::json!([]));
    let there = list["repository"]["backups"].as_array().expect("a list");
    let runs: Vec<&str> = there
        .iter()
        .map(|backup| backup["run"].as_str().expect("a run"))
        .collect();
    assert_eq!(runs, ["r-00000003", "r-00000004"]);
    assert_eq!(
        there[0]["kept"],
        serde_json::json!([{ "rule": "daily", "place": 2, "of": 2 }])
    );
}

#[test]
fn a_backup_comes_back_and_never_over_anything() {
    let Some(bench) = lab("") else { return };
    restic(&bench, &["init"]);
    stored(&bench, "r-00000001", "2026-11-18 01:00:00");
    let list = bench
        .switchback(&["backup", "list", "--format", "json"])
        .stdout;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let id = list["repository"]["backups"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();

    let said = bench
        .switchback(&["backup", "restore", &id, "--to", "back"])
        .all();
    insta::assert_snapshot!(without_ids(&said));
    assert_eq!(
        fs::read_to_string(bench.lab().join("back/blobs/copy/file")).expect("it came back"),
        "r-00000001"
    );
    let said = bench
        .switchback(&["backup", "restore", &id, "--to", "back"])
        .all();
    insta::assert_snapshot!(without_ids(&said));

    // To where the run had it: then it is a backup of this machine again.
    let said = bench.switchback(&["backup", "restore", &id]);
    assert_eq!(said.code, 0, "{said:?}");
    let key = Key {
        deployment: "lab".to_owned(),
        directory: bench.lab().display().to_string(),
    };
    let here = bench.state().backups(&key).join("r-00000001/blobs");
    assert_eq!(
        fs::read_to_string(here.join("copy/file")).expect("it came back"),
        "r-00000001"
    );
    let again = bench.switchback(&["backup", "restore", &id]);
    assert!(
        again.stdout.contains("is on this machine already"),
        "{again:?}"
    );
    // What is there and is no backup stays as it is.
    fs::remove_file(here.join("manifest.json")).expect("it is there");
    let refused = bench.switchback(&["backup", "restore", &id]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(
        refused.stderr.contains("nothing is ever overwritten"),
        "{refused:?}"
    );
    assert!(here.join("copy/file").exists());
}

#[test]
fn a_backup_that_is_not_there_is_not_guessed() {
    let Some(bench) = lab("") else { return };
    restic(&bench, &["init"]);
    insta::assert_snapshot!(bench.switchback(&["backup", "restore", "b-77"]).all());
    insta::assert_snapshot!(
        bench
            .switchback(&["backup", "restore", "r-1", "--to", "x"])
            .all()
    );
}

/// A shadow that lay on another disk than the state directory is in the snapshot under its whole path, and comes
/// back into the directory of its backup.
#[test]
fn a_shadow_from_beside_its_datastore_comes_back_to_its_backup() {
    let Some(bench) = lab("") else { return };
    restic(&bench, &["init"]);
    let place = bench.lab().join("data/.switchback-shadow-r-00000001-blobs");
    fs::create_dir_all(place.join("data")).expect("made");
    fs::write(place.join("data/base"), "pages").expect("written");
    let directory = bench.lab().join("r-00000001/blobs");
    fs::create_dir_all(&directory).expect("made");
    let manifest = serde_json::json!({
        "format": 1, "datastore": "blobs", "kind": "postgres", "run": "r-00000001", "state": "proven",
        "method": "shadow", "place": place, "engine": "15.6", "contents": { "collections": {} }, "bytes": 0,
        "files": {}, "at": 0,
    });
    fs::write(directory.join("manifest.json"), manifest.to_string()).expect("written");
    let tags = "switchback,deployment:lab,datastore:blobs,product:the-things-stack,version:3.23.2,\
                run:r-00000001,round:1,kind:postgres,state:proven";
    let output = Command::new("restic")
        .current_dir(bench.lab().join("r-00000001"))
        .args(["--repo", "../repository", "--cache-dir", "../cache"])
        .args([
            "--password-file",
            "../password",
            "backup",
            "--tag",
            tags,
            "blobs",
        ])
        .arg(&place)
        .output()
        .expect("restic starts");
    assert!(output.status.success());
    fs::remove_dir_all(&place).expect("gone from the disk");
    let list = bench
        .switchback(&["backup", "list", "--format", "json"])
        .stdout;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let id = list["repository"]["backups"][0]["id"]
        .as_str()
        .expect("an id");
    let said = bench.switchback(&["backup", "restore", id]);
    assert_eq!(said.code, 0, "{said:?}");
    let key = Key {
        deployment: "lab".to_owned(),
        directory: bench.lab().display().to_string(),
    };
    let here = bench.state().backups(&key).join("r-00000001/blobs");
    assert_eq!(
        fs::read_to_string(here.join("shadow/data/base")).expect("it came back"),
        "pages"
    );
    let manifest = fs::read_to_string(here.join("manifest.json")).expect("it came back");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(manifest["place"], here.join("shadow").display().to_string());
    assert!(!place.exists(), "nothing appears beside the datastore");
}
