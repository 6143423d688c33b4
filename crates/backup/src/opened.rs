//! A repository whose password is right: may be looked at and read from.

use std::path::{Path, PathBuf};

use switchback_engine::ports::{Failure, Progress};
use switchback_engine::process::Commands;

use crate::fetched::{self, Fetched};
use crate::labels;
use crate::restic::{Restic, Settings};
use crate::stored::{self, Stored};

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
        let stored = stored::list(&restic)?;
        Ok(Self { restic, stored })
    }

    /// Makes a new repository and opens it. One that is there already is left as it is.
    pub fn create(settings: Settings, commands: &Commands) -> Result<Self, Failure> {
        let restic = Restic::find(settings.clone(), commands)?;
        match restic.greet().and_then(|()| stored::list(&restic)) {
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

    /// The backup whose id begins with `said`; a failure where there is none, or more than one.
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
