//! What every test needs around a datastore: a context, and an ear for its progress.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use switchback_engine::ports::{Context, Failure, Progress};
use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::event::Outcome;
use switchback_model::observed::DatastoreLocation;
use switchback_model::plan::{
    BackupMethod, BackupState, DatastorePlan, Expectation, Plan, Purpose,
};
use switchback_model::{RunId, StepNumber};

/// The run that makes backups.
pub(crate) const UPGRADE: &str = "r-7c1d0001";
/// The run that takes them back.
pub(crate) const ROLLBACK: &str = "r-7c1d0002";

/// A temporary directory with everything that a call needs.
pub(crate) struct Bench {
    directory: tempfile::TempDir,
    pub(crate) backups: PathBuf,
    pub(crate) commands: Commands,
    pub(crate) progress: Heard,
    stop: StopSignal,
    plan: RefCell<Plan>,
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
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let stop = StopSignal::default();
        let children = directory.path().join("children");
        Self {
            backups: directory.path().join("backups"),
            commands: Commands::new(children, Redactor::default(), stop.clone()),
            progress: Heard::default(),
            stop,
            plan: RefCell::new(empty_plan()),
            directory,
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The directory of a backup of [`UPGRADE`].
    pub(crate) fn backup(&self, datastore: &str) -> PathBuf {
        self.backups.join(UPGRADE).join(datastore)
    }

    /// Has the plan keep a datastore by a shadow.
    pub(crate) fn keep_by_shadow(&self, datastore: &str, location: &DatastoreLocation) {
        let plan = DatastorePlan {
            location: location.clone(),
            method: BackupMethod::Shadow,
            kept_with: None,
            because: String::new(),
            max_rate: None,
            size: None,
            engine: None,
            volatile: Vec::new(),
            deleted: Vec::new(),
        };
        self.plan
            .borrow_mut()
            .datastores
            .insert(datastore.into(), plan);
    }

    /// Has the plan keep a datastore by other means than ours.
    pub(crate) fn decline(&self, datastore: &str) {
        let mut plan = self.plan.borrow_mut();
        let kept = plan.datastores.get_mut(&datastore.into());
        kept.expect("the plan keeps it").method = BackupMethod::None;
    }

    /// Has the plan slow down the first copy of a datastore.
    pub(crate) fn slow_down(&self, datastore: &str, rate: &str) {
        let mut plan = self.plan.borrow_mut();
        let kept = plan.datastores.get_mut(&datastore.into());
        kept.expect("the plan keeps it").max_rate = Some(rate.parse().expect("a rate"));
    }

    /// Has the plan say that a collection may be lost.
    pub(crate) fn may_lose(&self, datastore: &str, collection: &str) {
        let mut plan = self.plan.borrow_mut();
        let kept = plan.datastores.get_mut(&datastore.into());
        kept.expect("the plan keeps it")
            .volatile
            .push(collection.to_owned());
    }

    /// Calls with a context of this run: [`ROLLBACK`] takes back [`UPGRADE`].
    pub(crate) fn within<T>(&self, run: &str, call: impl FnOnce(&Context<'_>) -> T) -> T {
        let mut plan = self.plan.borrow().clone();
        if run == ROLLBACK {
            let run = RunId::new(UPGRADE);
            plan.purpose = Purpose::Rollback { run };
        }
        let run = RunId::new(run);
        call(&Context {
            plan: &plan,
            run: &run,
            step: StepNumber(1),
            backups: &self.backups,
            commands: &self.commands,
            progress: &self.progress,
            stop: &self.stop,
        })
    }

    /// Calls, and dies where that progress is reported: nothing after it is done, as after `kill -9`.
    pub(crate) fn dying(
        &self,
        run: &str,
        at: &'static str,
        call: impl FnOnce(&Context<'_>) -> Result<Outcome, Failure>,
    ) {
        struct Dies(&'static str);
        impl Progress for Dies {
            fn report(&self, doing: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {
                assert!(!doing.starts_with(self.0), "killed here, on purpose");
            }
        }
        let died = catch_unwind(AssertUnwindSafe(|| {
            self.within(run, |cx| {
                let progress = Dies(at);
                let cx = Context {
                    progress: &progress,
                    ..*cx
                };
                call(&cx).map(drop)
            })
        }));
        assert!(died.is_err(), "it never came to `{at}`: {died:?}");
    }
}

pub(crate) fn reached(datastore: &str, state: BackupState) -> Expectation {
    Expectation::Backup {
        datastore: datastore.into(),
        state,
        run: None,
    }
}

pub(crate) fn reached_by(datastore: &str, state: BackupState, run: &str) -> Expectation {
    Expectation::Backup {
        datastore: datastore.into(),
        state,
        run: Some(RunId::new(run)),
    }
}

pub(crate) fn restored(datastore: &str) -> Expectation {
    Expectation::Restored {
        datastore: datastore.into(),
        run: RunId::new(UPGRADE),
    }
}

pub(crate) fn released(datastore: &str) -> Expectation {
    Expectation::Released {
        datastore: datastore.into(),
        run: RunId::new(UPGRADE),
    }
}

/// A small filesystem of its own, to be filled to the last byte; unmounted when dropped.
pub(crate) struct SmallDisk(pub(crate) PathBuf);

impl SmallDisk {
    pub(crate) fn mount(at: &Path, megabytes: u32) -> Self {
        std::fs::create_dir_all(at).expect("made");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(at)
            .status()
            .expect("mount starts");
        assert!(
            mounted.success(),
            "these tests need the right to mount a small filesystem"
        );
        Self(at.to_owned())
    }

    /// One of another kind, in a file; `None` where this machine cannot make it.
    pub(crate) fn make(
        at: &Path,
        program: &str,
        arguments: &[&str],
        megabytes: u64,
    ) -> Option<Self> {
        let done = |command: &mut std::process::Command| {
            command.output().is_ok_and(|output| output.status.success())
        };
        std::fs::create_dir_all(at).expect("made");
        let image = at.with_extension("image");
        std::fs::File::create(&image)
            .and_then(|file| file.set_len(megabytes << 20))
            .expect("made");
        let made = done(
            std::process::Command::new(program)
                .args(arguments)
                .arg(&image),
        );
        let mounted = made
            && done(
                std::process::Command::new("mount")
                    .args(["-o", "loop"])
                    .args([&image, at]),
            );
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

fn empty_plan() -> Plan {
    let text = serde_json::json!({
        "format": 1, "id": "p-1", "purpose": "upgrade", "parent": null,
        "deployment": {"name": "test", "directory": "/", "driver": "exec", "project": "test"},
        "product": "test", "product_name": "Test", "edition": null, "definition": "", "from": "1", "to": "2",
        "because": [], "notices": [], "procedures": [], "datastores": {}, "stages": [],
        "origin": {"services": [], "images": {}, "checks": []},
        "forecast": {"downtime_seconds": null, "downtime_because": "", "space": []}, "advice": [], "secrets": [],
    });
    serde_json::from_value(text).expect("a plan without steps")
}
