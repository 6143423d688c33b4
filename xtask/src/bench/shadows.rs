//! `cargo xtask bench shadows`: the same upgrade of the same data by the documented runbook, by dumps and by
//! shadows, side by side; what copies cost beside the server's own tools; the way back; what users feel.

mod again;
mod alone;
mod felt;
mod rows;
mod stored;
mod subject;
mod upgrade;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::subject::Subject;
use self::upgrade::Upgrade;
use super::{Row, report};
use crate::outage::watched;
use crate::paths;
use crate::setup::{self, Engine};
use crate::tool::tool;

/// No stop lies between the two.
const FROM: &str = "3.24.2";
const TO: &str = "3.32.1";

const RUNBOOK: &str = include_str!("shadows/runbook.sh");

/// What is to be measured.
struct Asked {
    /// Of PostgreSQL.
    gigabytes: u32,
    /// Of Redis, beside the keys of the end devices.
    redis: u32,
    /// How often there and back by shadow.
    times: u32,
    with_dump: bool,
    /// No copies of the deployment but the shadows: for sizes for which the disk has no room.
    on_one: bool,
    program: Option<PathBuf>,
}

impl Asked {
    fn read(words: &[&str]) -> Result<Self> {
        let mut asked = Self {
            gigabytes: 1,
            redis: 0,
            times: 1,
            with_dump: true,
            on_one: false,
            program: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("`{word}` of what?"));
            match *word {
                "--no-dump" => asked.with_dump = false,
                "--on-one" => asked.on_one = true,
                "--size" => asked.gigabytes = gigabytes(value()?)?,
                "--redis" => asked.redis = gigabytes(value()?)?,
                "--times" => asked.times = value()?.parse().context("how many times?")?,
                "--program" => asked.program = Some(fs::canonicalize(value()?)?),
                _ => bail!(
                    "usage: cargo xtask bench shadows [--size 1G] [--redis 1G] [--times N] [--no-dump] [--on-one] [--program PATH]"
                ),
            }
        }
        Ok(asked)
    }

    /// Name of the section in the document.
    fn section(&self) -> String {
        match self.redis {
            0 => format!("shadows at {} GB", self.gigabytes),
            redis => format!("shadows at {} GB, and {redis} GB of Redis", self.gigabytes),
        }
    }
}

fn gigabytes(text: &str) -> Result<u32> {
    text.strip_suffix('G')
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("`{text}` is no size, e.g. 5G"))
}

/// Measures at one size and writes that section of `docs/benchmarks.md`.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let asked = Asked::read(words)?;
    if setup::all()? != Engine::Ready {
        bail!("this bench needs a container engine");
    }
    crate::images::releases(&[FROM, TO])?;
    let program = match &asked.program {
        Some(program) => program.clone(),
        None => super::program::release()?,
    };
    let template = Subject::template(&program, asked.gigabytes, asked.redis)?;
    let mut rows = Vec::new();
    let measured = if asked.on_one {
        on_one(&template, &asked, &mut rows)
    } else {
        on_copies(&template, &asked, &mut rows)
    };
    template.remove()?;
    // Also where something failed: what was measured before is true.
    let table = report::table(&rows);
    println!("{table}");
    measured?;
    report::keep(&asked.section(), &table)
}

/// Every method begins with the same files: each has a copy of the deployment.
fn on_copies(template: &Subject, asked: &Asked, rows: &mut Vec<Row>) -> Result<()> {
    eprintln!("measuring the runbook and the server's own tools");
    let by_hand = template.with("hand", by_hand)?;
    rows.extend(rows::data(&by_hand.size, by_hand.downtime));
    let dump = asked
        .with_dump
        .then(|| {
            template.with("dump", |subject| {
                subject.choose("dump")?;
                there_and_back(subject, "dump", || Ok(()))
            })
        })
        .transpose()?;
    if let Some(dump) = &dump {
        rows.extend(rows::downtime("dump", dump, by_hand.downtime));
    }
    let whole = template.with("shadow", |subject| {
        again::measure(subject, asked.times, true)
    })?;
    let shadow = &whole.first;
    rows.extend(rows::shadow(&whole, by_hand.downtime));
    rows.extend(rows::copy(shadow, Some(&by_hand)));
    rows.extend(rows::back("shadow", shadow, "independent of size"));
    if let Some(dump) = &dump {
        rows.extend(rows::back("dump", dump, ""));
    }
    rows.push(Row::new(
        "`pg_restore` alone, as documented",
        seconds(by_hand.restore),
        format!(
            "{:.1} × the way back by shadow",
            by_hand.restore / shadow.back
        ),
    ));
    let felt = template.with("felt", felt::measure)?;
    rows.extend(felt.rows());
    rows.push(Row::new("load of the machine before", load(), "2 cores"));
    Ok(())
}

/// Shadows, whose way back leaves everything as it was, and then the runbook, on the one deployment that there is.
fn on_one(subject: &Subject, asked: &Asked, rows: &mut Vec<Row>) -> Result<()> {
    subject.start()?;
    let size = alone::size(subject)?;
    let whole = again::measure(subject, asked.times, false)?;
    let load = load();
    eprintln!("measuring the runbook");
    let downtime = runbook(subject)?;
    rows.extend(rows::data(&size, downtime));
    rows.extend(rows::shadow(&whole, downtime));
    rows.extend(rows::copy(&whole.first, None));
    rows.extend(rows::back("shadow", &whole.first, "independent of size"));
    rows.push(Row::new("load of the machine meanwhile", load, "2 cores"));
    Ok(())
}

/// What the runbook took, and the server's tools alone on the same data.
struct ByHand {
    size: String,
    downtime: f64,
    base_backup: f64,
    dump: f64,
    restore: f64,
}

fn by_hand(subject: &Subject) -> Result<ByHand> {
    let size = alone::size(subject)?;
    let base_backup = alone::base_backup(subject)?;
    let dump = alone::dump(subject)?;
    let restore = alone::restore(subject)?;
    Ok(ByHand {
        size,
        downtime: runbook(subject)?,
        base_backup,
        dump,
        restore,
    })
}

/// Seconds without service by the documented runbook.
fn runbook(subject: &Subject) -> Result<f64> {
    let place = subject.state.join("by-hand");
    fs::create_dir_all(&place)?;
    let script = subject.state.join("runbook.sh");
    fs::write(&script, RUNBOOK)?;
    let ((), silence) = watched(
        || subject.deployment.is_healthy(),
        || {
            tool("sh")
                .arg(&script)
                .arg(TO)
                .arg(&place)
                .dir(subject.dir())
                .quiet()
        },
    )?;
    Ok(silence.lasted.as_secs_f64())
}

/// One upgrade by switchback, and the way back.
struct ThereAndBack {
    upgrade: Upgrade,
    outside: f64,
    /// Bytes on the disk that the backups take once the upgrade is done.
    kept: u64,
    rollback: Upgrade,
    /// From the command until the product answers again.
    back: f64,
    /// The part of it that users feel.
    back_outside: f64,
}

/// `between` is done after the upgrade and before the way back.
fn there_and_back(
    subject: &Subject,
    method: &str,
    between: impl FnOnce() -> Result<()>,
) -> Result<ThereAndBack> {
    eprintln!("measuring the upgrade by {method}");
    let answers = || subject.deployment.is_healthy();
    let (upgrade, outside) = watched(answers, || Upgrade::apply(subject, TO))?;
    upgrade.require(method)?;
    let backups = ["shadows", "backups"].map(|place| on_disk(&subject.state.join(place)));
    between()?;
    let since = Instant::now();
    let (rollback, silence) = watched(answers, || Upgrade::rollback(subject))?;
    Ok(ThereAndBack {
        upgrade,
        outside: outside.lasted.as_secs_f64(),
        kept: backups.into_iter().sum::<Result<u64>>()?,
        rollback,
        back: (silence.over - since).as_secs_f64(),
        back_outside: silence.lasted.as_secs_f64(),
    })
}

fn seconds(number: f64) -> String {
    format!("{number:.1} s")
}

/// What else the machine did.
fn load() -> String {
    fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| text.split_whitespace().next().map(str::to_owned))
        .unwrap_or_default()
}

/// Bytes that what lies in a directory takes on its disk.
fn on_disk(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry?.path();
        let found = fs::symlink_metadata(&path)?;
        bytes += if found.is_dir() {
            on_disk(&path)?
        } else {
            found.blocks() * 512
        };
    }
    Ok(bytes)
}

/// A place of ours that is empty.
fn emptied(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    fs::create_dir_all(path)?;
    Ok(())
}

/// Where deployments of this bench lie.
fn place() -> Result<PathBuf> {
    let place = paths::work()?.join("bench-shadows");
    fs::create_dir_all(&place)?;
    Ok(place)
}
