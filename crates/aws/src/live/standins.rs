//! Accounts of stand-ins, which only this machine may be asked for.

use std::fs;
use std::ops::Deref;
use std::path::Path;

use switchback_testkit::aws;

pub(super) use switchback_testkit::aws::{ACCOUNT, Kind};

use super::tokens;
use crate::{Account, Reachable, Settings};

/// One stand-in; it ends when dropped.
pub(super) struct StandIn {
    stand_in: aws::StandIn,
    pub(super) kind: Kind,
    /// Where its CloudFormation answers, where that is another place.
    front: Option<String>,
}

impl StandIn {
    /// Starts one. `None`, with a line that says so, where it is not installed; an error where it was promised.
    pub(super) fn start(kind: Kind) -> Option<Self> {
        let stand_in = aws::StandIn::start(kind)?;
        let forgets = kind == Kind::LocalStack;
        Some(Self {
            front: forgets.then(|| tokens::remembered(&stand_in.url)),
            stand_in,
            kind,
        })
    }

    /// Puts a proxy before it that spoils answers as its rules say.
    pub(super) fn spoiled(&self) -> Option<Self> {
        Some(Self {
            stand_in: self.stand_in.spoiled()?,
            kind: self.kind,
            front: None,
        })
    }

    /// Those that know stacks, as far as they are installed: each with what the other lacks.
    pub(super) fn of_stacks() -> Vec<Self> {
        let kinds = [Kind::Ministack, Kind::LocalStack];
        kinds.into_iter().filter_map(Self::start).collect()
    }

    /// How it is reached.
    pub(super) fn settings(&self) -> Settings {
        let mut settings = settings(self.directory()).at(&self.stand_in.url);
        let front = self.front.iter();
        let front = front.map(|url| ("cloudformation".to_owned(), url.clone()));
        settings.endpoints.extend(front);
        settings
    }

    pub(super) fn account(&self) -> Account {
        Account::open(&self.settings()).expect("the stand-in says who asks")
    }
}

impl Deref for StandIn {
    type Target = aws::StandIn;

    fn deref(&self) -> &aws::StandIn {
        &self.stand_in
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
