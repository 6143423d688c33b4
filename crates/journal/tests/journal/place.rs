//! A journal to test with.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use switchback_journal::{Holder, Journal, JournalError, Key, Lease, ProcessIdentity};
use switchback_model::event::{Event, Outcome};
use switchback_model::{Digest, StepNumber};

pub(crate) fn key() -> Key {
    Key {
        deployment: "lab".to_owned(),
        directory: "/srv/lab".to_owned(),
    }
}

pub(crate) fn holder(process: ProcessIdentity) -> Holder {
    Holder {
        process,
        since: 1_795_237_449_000,
        run: "r-1".into(),
        by: "ann@lab".to_owned(),
    }
}

/// A process that has certainly ended: no kernel hands out such a pid.
pub(crate) fn dead() -> ProcessIdentity {
    ProcessIdentity {
        pid: 5_000_000,
        started: "1".to_owned(),
        ..ProcessIdentity::current()
    }
}

pub(crate) fn started() -> Event {
    Event::RunStarted {
        plan: "p-1".into(),
        digest: Digest::of("plan"),
        deployment: "lab".to_owned(),
        accepted: Vec::new(),
        by: "ann@lab".to_owned(),
        program: "0.1.0".to_owned(),
        took_over: None,
    }
}

pub(crate) fn begin(step: u32) -> Event {
    Event::StepStarted {
        step: StepNumber(step),
        attempt: 1,
    }
}

pub(crate) fn finish(step: u32) -> Event {
    Event::StepFinished {
        step: StepNumber(step),
        outcome: Outcome::default(),
        took: 12,
    }
}

pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("journal.db")
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal::open(self.path()).expect("the journal opens")
    }

    /// Two runs, the second open.
    pub(crate) fn filled(&self) -> (Journal, Lease) {
        let journal = self.journal();
        let lease = journal.acquire(&key(), &holder(dead())).expect("free");
        for (run, events) in [
            (
                "r-1",
                vec![
                    started(),
                    begin(1),
                    finish(1),
                    Event::RunFinished { downtime: 5 },
                ],
            ),
            ("r-2", vec![started(), begin(1)]),
        ] {
            for (at, event) in (1000..).zip(events) {
                journal
                    .append(&lease, &run.into(), at, &event)
                    .expect("legal");
            }
        }
        (journal, lease)
    }

    pub(crate) fn sql(&self, text: &str) {
        Connection::open(self.path())
            .and_then(|connection| connection.execute_batch(text))
            .expect("plain SQL works");
    }
}

pub(crate) fn digest(path: &Path) -> Digest {
    Digest::of(fs::read(path).expect("the file is there"))
}

pub(crate) fn refused(result: Result<impl Sized, JournalError>) -> JournalError {
    match result {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error,
    }
}
