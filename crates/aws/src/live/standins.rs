//! Accounts of stand-ins, which only this machine may be asked for.

use std::fs;
use std::ops::Deref;
use std::path::Path;

use switchback_testkit::aws;

pub(super) use switchback_testkit::aws::{ACCOUNT, Kind};

use crate::{Account, Reachable, Settings};

/// One stand-in; it ends when dropped.
pub(super) struct StandIn(aws::StandIn);

impl StandIn {
    /// Starts one. `None`, with a line that says so, where it is not installed; an error where it was promised.
    pub(super) fn start(kind: Kind) -> Option<Self> {
        aws::StandIn::start(kind).map(Self)
    }

    /// Puts a proxy before it that spoils answers as its rules say.
    pub(super) fn spoiled(&self) -> Option<Self> {
        self.0.spoiled().map(Self)
    }

    /// How it is reached.
    pub(super) fn settings(&self) -> Settings {
        settings(self.directory()).at(&self.url)
    }

    pub(super) fn account(&self) -> Account {
        Account::open(&self.settings()).expect("the stand-in says who asks")
    }
}

impl Deref for StandIn {
    type Target = aws::StandIn;

    fn deref(&self) -> &aws::StandIn {
        &self.0
    }
}

/// A profile with keys and without any endpoint, for this machine alone.
pub(super) fn settings(directory: &Path) -> Settings {
    let file = directory.join("config");
    fs::write(
        &file,
        format!(
            "[profile test]\nregion = us-east-1\naws_access_key_id = {ACCOUNT}\naws_secret_access_key = x\n"
        ),
    )
    .expect("written");
    Settings {
        profile: Some("test".to_owned()),
        file: Some(file),
        reachable: Reachable::Loopback,
        ..Settings::default()
    }
}
