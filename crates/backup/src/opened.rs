//! A repository whose password is right: may be looked at and read from.

use std::path::{Path, PathBuf};

use switchback_engine::ports::{Failure, Progress};
use switchback_engine::process::Commands;
use switchback_engine::signal::StopSignal;

use crate::fetched::{self, Fetched};
use crate::labels;
use crate::locked::Locked;
use crate::restic::{Restic, Settings};
use crate::stored::{self, Snapshot, Stored};

/// A repository that was opened, with every backup of ours that was in it then.
#[derive(Debug)]
pub struct Opened {
    pub(crate) restic: Restic,
    pub(crate) stored: Vec<Stored>,
}

impl Opened {
    /// Finds restic, opens the repository, and reads what is in it. Takes no lock.
    pub fn open(settings: Settings, commands: &Commands) -> Result<Self, Failure> {
        let restic = Restic::find(settings, commands)?;
        restic.greet()?;
        let stored = list(&restic)?;
        Ok(Self { restic, stored })
    }

    /// Makes a new repository and opens it. One that is there already is left as it is.
    pub fn create(settings: Settings, commands: &Commands) -> Result<Self, Failure> {
        let restic = Restic::find(settings.clone(), commands)?;
        match restic.greet().and_then(|()| list(&restic)) {
            Ok(stored) => Ok(Self { restic, stored }),
            // Of a bucket that is not there, some stores say no more than of a server that is not. Making one
            // never touches a repository that is there.
            Err(failure)
                if ["repository-missing", "repository-unreachable"]
                    .contains(&failure.code.as_str()) =>
            {
                let answers = failure.code == "repository-missing";
                restic
                    .init(answers)
                    .map_err(|trouble| if answers { trouble.into() } else { failure })?;
                Ok(Self {
                    restic,
                    stored: Vec::new(),
                })
            }
            Err(failure) => Err(failure),
        }
    }

    /// The repository, as its settings name it.
    pub fn repository(&self) -> &str {
        &self.restic.settings.repository
    }

    /// Every backup of a deployment, oldest first; of all of them where none is named.
    pub fn backups(&self, deployment: Option<&str>) -> Vec<&Stored> {
        self.stored
            .iter()
            .filter(|stored| deployment.is_none_or(|name| stored.labels.deployment == name))
            .collect()
    }

    /// The backup whose id begins with `said`.
    pub fn find(&self, said: &str) -> Result<&Stored, Failure> {
        stored::find(&self.stored, said)
    }

    /// What a person types to see the backups of a deployment without us.
    pub fn by_hand(&self, deployment: &str) -> String {
        format!(
            "restic --repo {} snapshots --tag {}",
            self.repository(),
            labels::of_deployment(deployment)
        )
    }

    /// Waits until no other switchback of this machine changes the repository, and keeps others out.
    pub fn lock(self, progress: &dyn Progress, stop: &StopSignal) -> Result<Locked, Failure> {
        Locked::wait(self, progress, stop)
    }

    /// Brings a backup into `directory`, which must not exist. Killed in the middle, the same call
    /// goes on with what is there already; a directory that is named `directory` is always whole.
    pub fn fetch(
        &self,
        backup: &Stored,
        directory: &Path,
        progress: &dyn Progress,
    ) -> Result<Fetched, Failure> {
        fetched::fetch(&self.restic, backup, directory, progress)
    }

    /// Where this crate may keep what it needs only for a while.
    pub fn scratch(&self) -> PathBuf {
        self.restic.settings.scratch.clone()
    }
}

/// Every backup of ours, oldest first.
pub(crate) fn list(restic: &Restic) -> Result<Vec<Stored>, Failure> {
    let text = restic.ask(&["snapshots", "--no-lock", "--tag", labels::OURS])?;
    // A repository of an older restic may say a word before its answer.
    let answer = text.lines().find(|line| line.starts_with(['[', 'n']));
    let snapshots: Option<Vec<Snapshot>> =
        serde_json::from_str(answer.unwrap_or("null")).map_err(|error| {
            Failure::new("restic-answer", "the list of snapshots cannot be read")
                .cause(error)
                .state("repository", "unchanged")
                .hint("see what restic itself says: `restic snapshots`")
        })?;
    let mut stored: Vec<Stored> = snapshots
        .unwrap_or_default()
        .into_iter()
        .filter_map(Snapshot::stored)
        .collect();
    stored.sort_by(|one, other| (one.made, &one.snapshot).cmp(&(other.made, &other.snapshot)));
    Ok(stored)
}
