//! Two instances, one with content and one empty, and the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use switchback_model::Digest;
use switchback_testkit::stackstorm::Instance;

/// The administrator's key of the old instance.
pub(crate) const OLD_KEY: &str = "old-api-key-of-the-administrator";
/// The administrator's key of the new instance.
pub(crate) const NEW_KEY: &str = "new-api-key-of-the-administrator";
/// Values that may show nowhere but at the instances.
pub(crate) const SECRETS: [&str; 5] = [
    OLD_KEY,
    NEW_KEY,
    "hunter2-of-the-database",
    "alices-own-token",
    "token-of-acme",
];

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

pub(crate) struct Scene {
    directory: tempfile::TempDir,
    pub(crate) old: Instance,
    pub(crate) new: Instance,
}

impl Scene {
    /// Sixty-five keys, two packs, and everything else that there can be.
    pub(crate) fn new() -> Self {
        Self::between("2.10.4", "3.9.0")
    }

    pub(crate) fn between(from: &str, to: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let old = Instance::start(from, &directory.path().join("old"), OLD_KEY);
        let new = Instance::start(to, &directory.path().join("new"), NEW_KEY);
        let scene = Self {
            directory,
            old,
            new,
        };
        scene.fill();
        scene
    }

    fn fill(&self) {
        let old = &self.old;
        {
            let mut state = old.state();
            for number in 0..61 {
                state.set_key(
                    None,
                    &format!("host_{number:02}"),
                    &format!("10.0.0.{number}"),
                    false,
                );
            }
            state.set_key(None, "dbpass", SECRETS[2], true);
            state.set_key(None, "odd/name: with everything?", "[1, 2]", false);
            state.set_key(Some("alice"), "color", "blue", false);
            state.set_key(Some("alice"), "token", SECRETS[3], true);
            state.configs.insert(
                "acme".to_owned(),
                json!({ "url": "https://acme", "token": SECRETS[4] }),
            );
            state.api_keys.push(json!({
                "id": "2", "user": "ci", "key_hash": "ab".repeat(64), "enabled": true, "metadata": { "used by": "ci" },
            }));
        }
        old.pack("acme", "1.2.0");
        old.file(
            "opt/stackstorm/packs/acme/rules/nightly.yaml",
            "name: nightly\npack: acme\n",
        );
        let acme = self.pack("acme");
        git(&acme, &["init", "--quiet"]);
        git(&acme, &["add", "--all"]);
        git(&acme, &["commit", "--quiet", "--message", "first"]);
        old.pack("legacy", "0.3.0");
        old.file(
            "opt/stackstorm/packs/legacy/actions/run.sh",
            "#!/bin/sh\ndate\n",
        );
        old.rule("acme", "nightly", Some("rules/nightly.yaml"));
        old.rule("default", "on_call", None);
        old.file("etc/st2/htpasswd", "alice:$apr1$x\n");
        old.file(
            "opt/stackstorm/chatops/st2chatops.env",
            "export HUBOT_SLACK_TOKEN=x\n",
        );
        old.file(
            "var/log/st2/st2api.audit.log",
            "2026-11-01 one\n2026-11-02 two\n",
        );
        old.file("var/log/st2/st2api.audit.log.1", "2026-10-01 zero\n");
    }

    /// Where a pack of the old instance lies.
    pub(crate) fn pack(&self, name: &str) -> PathBuf {
        self.old.root().join("opt/stackstorm/packs").join(name)
    }

    /// Where what is kept goes.
    pub(crate) fn keep(&self) -> PathBuf {
        self.directory.path().join("keep")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchback"));
        command
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
            .env("COLUMNS", "100")
            .env("SWITCHBACK_STATE", self.state())
            .env("ST2_OLD_API_KEY", OLD_KEY)
            .env("ST2_NEW_API_KEY", NEW_KEY)
            .args(words)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn type_in(&self, words: &[&str]) -> Said {
        said(&mut self.command(words))
    }

    /// The words that plan this roll-over.
    pub(crate) fn planning(&self) -> Vec<String> {
        let mut words: Vec<String> = [
            "rollover",
            "--from",
            self.old.address(),
            "--to",
            self.new.address(),
        ]
        .map(str::to_owned)
        .into();
        for (option, path) in [
            ("--from-files", self.old.root().to_owned()),
            ("--to-files", self.new.root().to_owned()),
            ("--keep", self.keep()),
        ] {
            words.extend([option.to_owned(), path.display().to_string()]);
        }
        words
    }

    pub(crate) fn plan_with(&self, more: &[&str]) -> Said {
        let words = self.planning();
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        self.type_in(&words)
    }

    /// Makes a plan and returns its id.
    pub(crate) fn planned(&self) -> String {
        let said = self.plan_with(&["--format", "json"]);
        assert_eq!(said.code, 0, "{said:#?}");
        let plan: Value = serde_json::from_str(&said.stdout).expect("a document");
        plan["id"].as_str().expect("an id").to_owned()
    }

    /// Everything at the old instance: what it holds, what was asked of it but questions, every byte of its files.
    pub(crate) fn old_as_it_is(&self) -> (Value, Vec<String>, BTreeMap<PathBuf, Digest>) {
        let mut files = BTreeMap::new();
        tree(self.old.root(), &mut files);
        (self.old.picture(), self.old.state().writes.clone(), files)
    }

    /// Files under `directory` that hold any of the secrets.
    pub(crate) fn leaks(&self, directory: &Path) -> Vec<PathBuf> {
        let mut files = BTreeMap::new();
        tree(directory, &mut files);
        files
            .into_keys()
            .filter(|path| {
                let bytes = std::fs::read(path).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                SECRETS.iter().any(|secret| text.contains(secret))
            })
            .collect()
    }
}

pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().expect("it can be started");
    Said {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code().unwrap_or(-1),
    }
}

pub(crate) fn git(directory: &Path, words: &[&str]) {
    let ran = Command::new("git")
        .args([
            "-c",
            "user.name=lab",
            "-c",
            "user.email=lab@localhost",
            "-C",
        ])
        .arg(directory)
        .args(words)
        .status()
        .expect("git is installed");
    assert!(ran.success(), "git {words:?}");
}

fn tree(directory: &Path, files: &mut BTreeMap<PathBuf, Digest>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            tree(&path, files);
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            files.insert(path, Digest::of(bytes));
        }
    }
}
