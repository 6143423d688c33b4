//! The stand-in, and what was rolled over, against the client that its project publishes: otherwise both would
//! only agree with each other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::scene::{NEW_KEY, OLD_KEY, SECRETS, Said, Scene, said};
use super::whole::judge;

/// The release of `st2client` that is asked.
const RELEASE: &str = "3.9.0";
/// What it imports and does not demand on Python 3.12 and later.
const SETUPTOOLS: &str = "setuptools==69.5.1";

static INSTALLING: Mutex<()> = Mutex::new(());

/// The client, installed once into the target directory; `None` where live tests are off and it is not there.
fn client() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("inside the target directory");
    let place = target.join("xtask/st2client").join(RELEASE);
    // Tests of one program run side by side, and the first one installs it.
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let (program, complete) = (place.join("bin/st2"), place.join("complete"));
    if complete.is_file() {
        return Some(program);
    }
    std::env::var_os("SWITCHBACK_LIVE")?;
    let made = said(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&place),
    );
    assert_eq!(made.code, 0, "{made:#?}");
    let package = format!("st2client=={RELEASE}");
    let mut pip = Command::new(place.join("bin/pip"));
    let installed = said(pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        &package,
        SETUPTOOLS,
    ]));
    assert_eq!(installed.code, 0, "{installed:#?}");
    std::fs::write(complete, "").expect("the directory is ours");
    Some(program)
}

struct Client<'a> {
    program: PathBuf,
    scene: &'a Scene,
}

impl Client<'_> {
    fn ask(&self, address: &str, key: &str, words: &[&str]) -> Said {
        said(
            Command::new(&self.program)
                .current_dir(self.scene.old.root())
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .env("HOME", self.scene.old.root().parent().expect("a directory"))
                .env("ST2_API_URL", format!("{address}/v1"))
                .env("ST2_API_KEY", key)
                .env("NO_PROXY", "127.0.0.1")
                .args(words),
        )
    }

    fn at_old(&self, words: &[&str]) -> Value {
        listed(&self.ask(self.scene.old.address(), OLD_KEY, words))
    }

    fn at_new(&self, words: &[&str]) -> Value {
        listed(&self.ask(self.scene.new.address(), NEW_KEY, words))
    }
}

fn listed(said: &Said) -> Value {
    assert_eq!(said.code, 0, "{said:#?}");
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:#?}"))
}

fn count(list: &Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}

#[test]
fn the_projects_own_client_sees_the_same_on_both_sides() {
    let Some(program) = client() else { return };
    let scene = Scene::between("3.8.1", "3.9.0");
    let client = Client {
        program,
        scene: &scene,
    };

    assert_eq!(
        count(&client.at_old(&["key", "list", "-j"])),
        50,
        "what the documentation says to type loses keys"
    );
    let ways: [&[&str]; 3] = [
        &[
            "key",
            "list",
            "-j",
            "--decrypt",
            "-n",
            "-1",
            "--scope",
            "system",
        ],
        &[
            "key",
            "list",
            "-j",
            "--decrypt",
            "-n",
            "-1",
            "--scope",
            "user",
            "--user",
            "alice",
        ],
        &["key", "get", "-j", "dbpass", "--decrypt"],
    ];
    let before: Vec<Value> = ways.iter().map(|words| client.at_old(words)).collect();
    assert_eq!([count(&before[0]), count(&before[1])], [63, 2]);
    assert_eq!(before[2]["value"], SECRETS[2]);
    let plan = scene.planned();
    let applied = scene.type_in(&["apply", &plan, "--accept", "no-history", "--yes"]);
    assert_eq!(applied.code, 0, "{applied:#?}");
    judge(&scene);

    let after: Vec<Value> = ways.iter().map(|words| client.at_new(words)).collect();
    assert_eq!(before, after);
    let hidden = client.at_new(&["key", "get", "-j", "dbpass"]);
    assert_eq!(hidden["encrypted"], true, "{hidden}");
    assert_ne!(hidden["value"], SECRETS[2]);
    let packs = client.at_new(&["pack", "list", "-j"]);
    assert_eq!(count(&packs), 2, "{packs}");
    let rules = client.at_new(&["rule", "list", "-j"]);
    assert_eq!(rules[0]["ref"], "default.on_call", "{rules}");
    assert_eq!(count(&client.at_new(&["apikey", "list", "-j"])), 3);
}

#[test]
fn the_stand_in_takes_from_the_projects_own_client_what_an_instance_takes() {
    let Some(program) = client() else { return };
    let scene = Scene::new();
    let client = Client {
        program,
        scene: &scene,
    };
    let file = json!([
        { "name": "plain", "value": "1" },
        { "name": "own", "value": "2", "scope": "user", "user": "bob" },
        { "name": "hidden", "value": "3", "scope": "system", "secret": true },
    ]);
    scene.old.file("kv_file.json", &file.to_string());
    client.at_new(&["key", "load", "-j", "kv_file.json"]);
    assert_eq!(
        scene.new.picture()["keys"],
        json!([
            ["system", "", "hidden", "3", true],
            ["system", "", "plain", "1", false],
            ["user", "bob", "own", "2", false],
        ])
    );
    // Ciphertext travels as it is, and only the key that made it reads it again.
    let cipher = client.at_new(&["key", "get", "-j", "hidden"])["value"].clone();
    let file = json!([{ "name": "moved", "value": cipher, "scope": "system", "secret": true, "encrypted": true }]);
    scene.old.file("kv_file.json", &file.to_string());
    client.at_new(&["key", "load", "-j", "kv_file.json"]);
    assert_eq!(
        client.at_new(&["key", "get", "-j", "moved", "--decrypt"])["value"],
        "3"
    );
    scene.new.state().datastore_key = 7;
    let unread = client.ask(
        scene.new.address(),
        NEW_KEY,
        &["key", "get", "-j", "moved", "--decrypt"],
    );
    assert_ne!(unread.code, 0, "{unread:#?}");
    let wrong = client.ask(scene.new.address(), "wrong", &["key", "list", "-j"]);
    assert!(
        wrong.code != 0 && wrong.stdout.contains("401"),
        "{wrong:#?}"
    );
}
