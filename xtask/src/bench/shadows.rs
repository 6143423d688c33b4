//! `cargo xtask bench shadows`: the same upgrade of the same data by the documented runbook, by dumps and by
//! shadows, side by side; what copies cost beside the server's own tools; the way back; what users feel.

mod again;
mod alone;
mod felt;
mod stored;
mod subject;
mod upgrade;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::again::Whole;
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
    rows.extend(data_rows(&by_hand.size, by_hand.downtime));
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
        rows.extend(downtime_rows("dump", dump, by_hand.downtime));
    }
    let whole = template.with("shadow", |subject| {
        again::measure(subject, asked.times, true)
    })?;
    let shadow = &whole.first;
    rows.extend(shadow_rows(&whole, by_hand.downtime));
    rows.extend(copy_rows(shadow, Some(&by_hand)));
    rows.extend(back_rows("shadow", shadow, "independent of size"));
    if let Some(dump) = &dump {
        rows.extend(back_rows("dump", dump, ""));
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
    rows.extend(data_rows(&size, downtime));
    rows.extend(shadow_rows(&whole, downtime));
    rows.extend(copy_rows(&whole.first, None));
    rows.extend(back_rows("shadow", &whole.first, "independent of size"));
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
    between()?;
    let since = Instant::now();
    let (rollback, silence) = watched(answers, || Upgrade::rollback(subject))?;
    Ok(ThereAndBack {
        upgrade,
        outside: outside.lasted.as_secs_f64(),
        rollback,
        back: (silence.over - since).as_secs_f64(),
        back_outside: silence.lasted.as_secs_f64(),
    })
}

fn data_rows(size: &str, by_hand: f64) -> [Row; 2] {
    let devices = subject::DEVICES;
    [
        Row::new(
            format!("data: PostgreSQL; Redis, {devices} end devices in it; pictures"),
            size,
            "",
        ),
        Row::new(
            "downtime of the documented runbook, seen from outside",
            seconds(by_hand),
            "1 ×",
        ),
    ]
}

fn shadow_rows(whole: &Whole, by_hand: f64) -> Vec<Row> {
    let shadow = &whole.first;
    let mut rows = downtime_rows("shadow", shadow, by_hand);
    rows.push(Row::new(
        "shadow: downtime ÷ (stop + migrate + start + verify)",
        format!(
            "{:.2} ×",
            shadow.upgrade.downtime() / shadow.upgrade.needed()
        ),
        "≤ 1.05 ×",
    ));
    rows.extend(whole.rows());
    rows
}

fn downtime_rows(method: &str, found: &ThereAndBack, by_hand: f64) -> Vec<Row> {
    vec![
        Row::new(
            format!("downtime by {method}, seen from outside"),
            seconds(found.outside),
            format!("the runbook's is {:.1} ×", by_hand / found.outside),
        ),
        Row::new(
            format!("downtime by {method}, as the journal has it"),
            seconds(found.upgrade.downtime()),
            format!(
                "stop {}, seal {}, prove {}, migrate {}, start {}, verify {}",
                seconds(found.upgrade.down("stop")),
                seconds(found.upgrade.down("seal")),
                seconds(found.upgrade.down("prove")),
                seconds(found.upgrade.down("migrate")),
                seconds(found.upgrade.down("start")),
                seconds(found.upgrade.down("verify")),
            ),
        ),
    ]
}

fn back_rows(method: &str, found: &ThereAndBack, goal: &str) -> [Row; 3] {
    [
        Row::new(
            format!("way back by {method}: `rollback` until healthy"),
            seconds(found.back),
            goal,
        ),
        Row::new(
            format!("way back by {method}, downtime seen from outside"),
            seconds(found.back_outside),
            goal,
        ),
        Row::new(
            format!("way back by {method}, as the journal has it"),
            seconds(found.rollback.downtime()),
            found.rollback.in_words(),
        ),
    ]
}

/// `alone`: what the server's own tools took, where they were measured.
fn copy_rows(shadow: &ThereAndBack, alone: Option<&ByHand>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut pair = |tool: &str, alone: Option<f64>, what: &str, verb: &str| {
        let ours = shadow.upgrade.of_kind(verb, "postgres");
        let ratio = alone.map(|alone| {
            rows.push(Row::new(tool, seconds(alone), ""));
            format!("{:.2} × the speed, goal ≥ 0.9 ×", alone / ours)
        });
        rows.push(Row::new(what, seconds(ours), ratio.unwrap_or_default()));
    };
    pair(
        "`pg_basebackup` and `pg_verifybackup` alone",
        alone.map(|alone| alone.base_backup),
        "shadow: prepare PostgreSQL, until it follows",
        "prepare",
    );
    pair(
        "`pg_dump` alone",
        alone.map(|alone| alone.dump),
        "shadow: prove PostgreSQL, both sides read",
        "prove",
    );
    rows
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
