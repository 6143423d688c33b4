//! What every test needs around a repository.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use switchback_backup::{Copy, Labels, Locked, Opened, Settings};
use switchback_engine::ports::{Failure, Progress};
use switchback_engine::process::{Commands, Secret};
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::calendar::Moment;
use switchback_model::plan::BackupState;
use switchback_model::product::DatastoreKind;
use switchback_model::{DatastoreName, ProductId, RunId};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// 2026-11-21 04:00:00 UTC.
pub(crate) const MADE: Moment = Moment(1_795_233_600_000);

/// A temporary directory with a repository to be.
pub(crate) struct Bench {
    directory: tempfile::TempDir,
    pub(crate) commands: Commands,
    pub(crate) stop: StopSignal,
    pub(crate) heard: Heard,
}

/// What was reported.
#[derive(Default)]
pub(crate) struct Heard(pub(crate) RefCell<Vec<String>>);

impl Progress for Heard {
    fn report(&self, doing: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {
        self.0.borrow_mut().push(doing.to_owned());
    }
}

impl Bench {
    /// `None` on a machine without restic, where nothing asks for live tests.
    #[expect(clippy::print_stdout, reason = "says what was not tried, and why")]
    pub(crate) fn new() -> Option<Self> {
        let there = Command::new("restic")
            .arg("version")
            .output()
            .is_ok_and(|output| output.status.success());
        if !there {
            assert!(
                std::env::var_os("SWITCHBACK_LIVE").is_none(),
                "restic is not installed: `cargo xtask setup`"
            );
            println!("not tried: restic is not installed");
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let stop = StopSignal::default();
        let children = directory.path().join("children");
        Some(Self {
            commands: Commands::new(children, Redactor::default(), stop.clone()),
            stop,
            heard: Heard::default(),
            directory,
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            repository: self.path("repository").display().to_string(),
            password: Secret::new(PASSWORD),
            environment: Vec::new(),
            scratch: self.path("scratch"),
            program: "restic".to_owned(),
            patience: std::time::Duration::from_secs(3),
        }
    }

    pub(crate) fn create(&self) -> Locked {
        let opened = Opened::create(self.settings(), &self.commands).expect("a new repository");
        self.lock(opened)
    }

    pub(crate) fn open(&self) -> Result<Opened, Failure> {
        Opened::open(self.settings(), &self.commands)
    }

    pub(crate) fn lock(&self, opened: Opened) -> Locked {
        opened
            .lock(&self.heard, &self.stop)
            .expect("nobody holds it")
    }

    /// A backup on this machine: `<run>/identity` with a file that `content` fills.
    pub(crate) fn copy(&self, run: &str, content: &[u8]) -> Copy {
        let directory = self.path("shadows").join(run).join("identity");
        fs::create_dir_all(directory.join("copy")).expect("made");
        fs::write(directory.join("manifest.json"), "{}").expect("written");
        fs::write(directory.join("copy/data"), content).expect("written");
        Copy {
            directory,
            beside: Vec::new(),
            labels: labels(run),
            made: MADE,
            bytes: content.len() as u64,
        }
    }

    /// Calls the real program as a person would.
    pub(crate) fn restic(&self, args: &[&str]) -> String {
        let output = Command::new("restic")
            .args(["--repo", &self.settings().repository])
            .args(args)
            .env("RESTIC_PASSWORD", PASSWORD)
            .env("RESTIC_CACHE_DIR", self.path("cache"))
            .env("TZ", "UTC")
            .output()
            .expect("restic starts");
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }
}

pub(crate) fn labels(run: &str) -> Labels {
    Labels {
        deployment: "tts".to_owned(),
        product: ProductId::new("the-things-stack"),
        version: "3.23.2".to_owned(),
        run: RunId::new(run),
        round: 1,
        datastore: DatastoreName::new("identity"),
        kind: DatastoreKind::Postgres,
        state: BackupState::Proven,
    }
}

/// Bytes that neither compress nor repeat.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

/// Every file below a directory that is one of `wanted`.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
