//! A repository that no other switchback of this machine changes now: may be
//! written to. restic's own locks keep everybody else out where they must.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde::Deserialize;
use switchback_engine::clock::{Clock as _, SystemClock};
use switchback_engine::ports::{Failure, Progress};
use switchback_engine::signal::{StopSignal, Urgency};
use switchback_model::Digest;
use switchback_model::calendar::Moment;

use crate::failure::Trouble;
use crate::fetched::Proven;
use crate::labels::{Labels, PROVEN};
use crate::locks;
use crate::opened::Opened;
use crate::restic::Restic;
use crate::stored::{self, BackupId, Stored};

/// How often a lock that another process holds is tried again.
const LOOK: Duration = Duration::from_millis(200);

/// A backup on this machine that is to be stored.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Its directory; its last name is what the backup is called in the snapshot.
    pub directory: PathBuf,
    /// Directories elsewhere that belong to it, stored under their whole path.
    pub beside: Vec<PathBuf>,
    /// What it is of.
    pub labels: Labels,
    /// When the data were as they are in it.
    pub made: Moment,
    /// About how many bytes it has, to say how far things are.
    pub bytes: u64,
}

/// What became of a backup that was to be stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Storing {
    /// It was in the repository already.
    Already(BackupId),
    /// It is in the repository now.
    Done {
        /// What it is called.
        id: BackupId,
        /// Bytes that had to be added after deduplication and compression.
        added: u64,
    },
}

/// What was removed from a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Which backups.
    pub backups: Vec<BackupId>,
}

/// An opened repository with the right to change it.
#[derive(Debug)]
pub struct Locked {
    opened: Opened,
    /// Held until this is dropped, or this process ends however it ends.
    _lock: File,
}

#[derive(Deserialize)]
struct Message {
    message_type: String,
    #[serde(default)]
    bytes_done: u64,
    #[serde(default)]
    data_added_packed: u64,
    #[serde(default)]
    total_bytes_processed: u64,
    #[serde(default)]
    snapshot_id: Option<String>,
}

impl Opened {
    /// Waits until no other switchback of this machine changes the repository, and keeps others out.
    pub fn lock(self, progress: &dyn Progress, stop: &StopSignal) -> Result<Locked, Failure> {
        Locked::wait(self, progress, stop)
    }
}

impl Locked {
    fn wait(opened: Opened, progress: &dyn Progress, stop: &StopSignal) -> Result<Self, Failure> {
        let settings = &opened.restic.settings;
        let name = format!(
            "repository-{}.lock",
            Digest::of(&settings.repository).short()
        );
        let path = settings.scratch.join(name);
        let broken = |error: io::Error| {
            Failure::new(
                "repository-lock",
                format!("cannot lock the backup repository by `{}`", path.display()),
            )
            .cause(error)
            .state("repository", "unchanged")
            .hint("see that the state directory can be written to: --state DIR")
        };
        fs::create_dir_all(&settings.scratch).map_err(broken)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(broken)?;
        let mut waited = false;
        while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(broken(error.into()));
            }
            let holder = holder(&mut lock);
            progress.report(
                &format!("waiting for {holder}, which changes the repository"),
                None,
                None,
                None,
            );
            if stop.urgency() != Urgency::GoOn {
                return Err(Failure::stopped(format!(
                    "stopped by the operator while waiting for {holder}"
                ))
                .state("repository", "unchanged")
                .hint("type the same command again"));
            }
            waited = true;
            thread::sleep(LOOK);
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| write!(lock, "process {}", std::process::id()))
            .map_err(broken)?;
        let mut locked = Self {
            opened,
            _lock: lock,
        };
        if waited {
            // What another process did meanwhile counts.
            locked.opened.stored = stored::list(&locked.opened.restic)?;
        }
        Ok(locked)
    }

    /// What may be looked at.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Gives the right to change it back.
    pub fn unlock(self) -> Opened {
        self.opened
    }

    /// Stores a backup. One that is there already (same run, round, datastore and time) is left. Killed
    /// in the middle, nothing of it is in the repository, and the next call sends only what is missing.
    pub fn store(&mut self, copy: &Copy, progress: &dyn Progress) -> Result<Storing, Failure> {
        let made = copy.made.to_the_second();
        let same = |stored: &&Stored| stored.made == made && stored.labels == copy.labels;
        if let Some(stored) = self.opened.stored.iter().find(same) {
            return Ok(Storing::Already(stored.id.clone()));
        }
        let restic = &self.opened.restic;
        let sent = restic.past_dead_locks(&mut || send(restic, copy, progress));
        let summary = match sent {
            Ok(summary) => summary,
            Err(Trouble::Incomplete(failure)) => return Err(self.withdraw(failure)?),
            Err(trouble) => return Err(trouble.into()),
        };
        let snapshot = summary.snapshot_id.unwrap_or_default();
        let id = BackupId::of(&snapshot);
        self.opened.stored.push(Stored {
            id: id.clone(),
            snapshot,
            labels: copy.labels.clone(),
            made,
            bytes: summary.total_bytes_processed,
            host: locks::here(),
            proof: None,
        });
        Ok(Storing::Done {
            id,
            added: summary.data_added_packed,
        })
    }

    /// Removes backups, then the data that no other one needs.
    pub fn remove(
        &mut self,
        backups: &[BackupId],
        progress: &dyn Progress,
    ) -> Result<Freed, Failure> {
        let gone: Vec<&Stored> = self
            .opened
            .stored
            .iter()
            .filter(|stored| backups.contains(&stored.id))
            .collect();
        if gone.is_empty() {
            return Ok(Freed::default());
        }
        let restic = &self.opened.restic;
        progress.report("removing what no backup needs", None, None, None);
        let mut args = vec!["forget", "--prune"];
        args.extend(gone.iter().map(|stored| stored.snapshot.as_str()));
        restic.past_dead_locks(&mut || restic.ask(&args))?;
        let freed = Freed {
            backups: gone.iter().map(|stored| stored.id.clone()).collect(),
        };
        self.opened
            .stored
            .retain(|stored| !freed.backups.contains(&stored.id));
        Ok(freed)
    }

    /// Writes down on which day a backup was fetched and read. Its id stays.
    pub fn mark(&mut self, proven: &Proven) -> Result<(), Failure> {
        let restic = &self.opened.restic;
        let backup = proven.backup();
        let today = Moment(SystemClock::default().now()).day();
        let tag = format!("{PROVEN}{}", today);
        if backup.proof.as_deref() == Some(tag.as_str()) {
            return Ok(());
        }
        let mut args = vec!["tag", "--add", &tag];
        if let Some(old) = &backup.proof {
            args.extend(["--remove", old.as_str()]);
        }
        args.push(&backup.snapshot);
        restic.past_dead_locks(&mut || restic.ask(&args))?;
        self.opened.stored = stored::list(restic)?;
        Ok(())
    }

    /// Takes back the snapshot that a call left which could not read everything.
    fn withdraw(&mut self, failure: Failure) -> Result<Failure, Failure> {
        let before: Vec<String> = self.snapshots();
        self.opened.stored = stored::list(&self.opened.restic)?;
        for snapshot in self.snapshots() {
            if !before.contains(&snapshot) {
                let restic = &self.opened.restic;
                restic.past_dead_locks(&mut || restic.ask(&["forget", &snapshot]))?;
            }
        }
        self.opened.stored = stored::list(&self.opened.restic)?;
        Ok(failure.state("repository", "the incomplete backup is not in it"))
    }

    fn snapshots(&self) -> Vec<String> {
        let stored = self.opened.stored.iter();
        stored.map(|stored| stored.snapshot.clone()).collect()
    }
}

/// Sends a copy; its summary comes last.
fn send(restic: &Restic, copy: &Copy, progress: &dyn Progress) -> Result<Message, Trouble> {
    let (parent, name) = match (copy.directory.parent(), copy.directory.file_name()) {
        (Some(parent), Some(name)) => (parent, name.to_string_lossy()),
        _ => return Err(unnamed(copy).into()),
    };
    let tags = copy.labels.tags();
    let argv = restic
        .argv()
        // Everything is read, whatever an earlier snapshot says of a file of this name and time.
        .args(["backup", "--force", "--no-scan", "--time"])
        .arg(copy.made.to_string())
        .args(tags.iter().flat_map(|tag| ["--tag", tag]))
        .arg("--")
        .arg(name)
        .args(copy.beside.iter().map(|path| path.to_string_lossy()))
        .directory(parent);
    let mut summary = None;
    restic.call(argv, &mut |line| {
        let Ok(message) = serde_json::from_str::<Message>(line) else {
            return;
        };
        match message.message_type.as_str() {
            "status" => progress.report(
                "sending to the repository",
                Some(message.bytes_done),
                Some(copy.bytes.max(message.bytes_done)),
                Some("B"),
            ),
            "summary" => summary = Some(message),
            _ => {}
        }
    })?;
    summary
        .filter(|summary| summary.snapshot_id.is_some())
        .ok_or_else(|| {
            Failure::new(
                "restic-answer",
                "restic named no snapshot for what it stored",
            )
            .state("repository", "unknown")
            .hint("see what is in it: `switchback backup list`")
            .into()
        })
}

fn unnamed(copy: &Copy) -> Failure {
    let directory = copy.directory.display();
    Failure::new(
        "backup-directory",
        format!("`{directory}` is no directory of a backup"),
    )
    .state("repository", "unchanged")
}

fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.rewind().and_then(|()| lock.read_to_string(&mut text)) {
        Ok(read) if read > 0 => text,
        _ => "another process".to_owned(),
    }
}
