//! The upgrade by shadow, whole: foretold by a rehearsal, there and back several times, and what is there then.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::stored::{self, Stored};
use super::subject::Subject;
use super::{ThereAndBack, alone, there_and_back};
use crate::bench::Row;
use crate::deployment::Contents;

/// What was measured.
pub(super) struct Whole {
    /// The first time, which is compared with the other methods.
    pub(super) first: ThereAndBack,
    seals: Vec<f64>,
    /// Where the disk has room for more copies.
    beside: Option<Beside>,
}

/// What makes copies of its own beside those of the upgrade.
struct Beside {
    /// Seconds of downtime that the rehearsal measured on the copy.
    foretold: f64,
    stored: Stored,
}

/// Goes there and back so many times, and fails where anything is not as it was. With `room` for more copies it
/// rehearses before, and sends what the first upgrade kept to a repository.
pub(super) fn measure(subject: &Subject, times: u32, room: bool) -> Result<Whole> {
    subject.choose("shadow")?;
    let before = Held::read(subject)?;
    let foretold = room.then(|| rehearse(subject)).transpose()?;
    let mut beside = None;
    let first = there_and_back(subject, "shadow", || {
        if let Some(foretold) = foretold {
            let stored = stored::measure(subject)?;
            beside = Some(Beside { foretold, stored });
        }
        Ok(())
    })?;
    let mut seals = vec![first.upgrade.took("seal")];
    for _ in 1..times {
        let next = there_and_back(subject, "shadow", || Ok(()))?;
        seals.push(next.upgrade.took("seal"));
    }
    before.require(&Held::read(subject)?)?;
    Ok(Whole {
        first,
        seals,
        beside,
    })
}

impl Whole {
    pub(super) fn rows(&self) -> Vec<Row> {
        let seals: Vec<String> = self
            .seals
            .iter()
            .map(|seconds| format!("{:.0} ms", seconds * 1_000.0))
            .collect();
        let mut rows = vec![Row::new(
            "shadow: seal of all datastores, each time",
            seals.join(", "),
            "< 1 s",
        )];
        if let Some(Beside { foretold, stored }) = &self.beside {
            let ratio = foretold / self.first.upgrade.downtime();
            rows.push(Row::new(
                "downtime that a rehearsal foretold, as its journal has it",
                super::seconds(*foretold),
                format!("{ratio:.2} × the real one, goal 0.75 to 1.25"),
            ));
            rows.extend(stored.rows());
        }
        let times = match self.seals.len() {
            1 => "once".to_owned(),
            times => format!("{times} times in a row"),
        };
        rows.push(Row::new(
            format!("there and back, {times}"),
            "logical dump, keys, files as before",
            "bit for bit",
        ));
        rows
    }
}

/// What a deployment holds: the digest of a logical dump, and every key and file.
struct Held {
    dump: String,
    beside: Contents,
}

impl Held {
    fn read(subject: &Subject) -> Result<Self> {
        Ok(Self {
            dump: alone::digest(subject)?,
            beside: Contents::beside_tables(&subject.deployment)?,
        })
    }

    fn require(&self, later: &Self) -> Result<()> {
        let differences = self.beside.differences(&later.beside);
        ensure!(differences.is_empty(), "{}", differences.join("\n"));
        ensure!(
            self.dump == later.dump,
            "the logical dump is another one than before"
        );
        Ok(())
    }
}

/// Seconds of downtime that the copy had.
fn rehearse(subject: &Subject) -> Result<f64> {
    eprintln!("rehearsing");
    subject.plan(super::TO)?;
    let told = subject
        .switchback(&["rehearse", "--format", "json"])
        .read()?;
    let last = told.lines().last().context("the rehearsal told nothing")?;
    let report: Value = serde_json::from_str(last).context("the report is no document")?;
    let downtime = report["rehearsal"]["downtime"].as_f64();
    Ok(downtime.context("the rehearsal measured no downtime")? / 1_000.0)
}
