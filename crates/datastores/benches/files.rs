//! What a shadow of many small files costs: `cargo xtask bench files`. Prints one JSON object.
//!
//! `SWITCHBACK_BENCH_FILES` says how many (default 1,000,000), `SWITCHBACK_BENCH_DIRECTORY` where.

#![expect(clippy::print_stdout, reason = "the figures are the answer")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use switchback_datastores::{open, survey};
use switchback_engine::ports::{Companion, Context, Datastore, Failure, Reach, Scratch, Silent};
use switchback_engine::process::{Argv, Commands};
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::observed::{Access, DatastoreLocation};
use switchback_model::plan::{BackupMethod, DatastorePlan, Plan, Purpose};
use switchback_model::product::DatastoreKind;
use switchback_model::{RunId, StepNumber};

const NAME: &str = "blobs";
const RUN: &str = "r-0be0c4f1";
/// Files in one directory.
const TOGETHER: u64 = 1_000;
/// Bytes of a file, on average.
const SIZE: u64 = 2_048;
/// One of so many is changed between the comparison and the seal.
const CHANGED: u64 = 1_000;

fn main() {
    let count: u64 = std::env::var("SWITCHBACK_BENCH_FILES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(1_000_000);
    let place = std::env::var_os("SWITCHBACK_BENCH_DIRECTORY")
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let place = tempfile::tempdir_in(place).expect("a directory");
    let root = place.path().join("blob");
    fill(&root, count).expect("files can be written");
    let bench = Bench::new(place.path(), &root);
    let store = bench.store.as_ref();

    let (since, before) = (Instant::now(), processor());
    let found = survey(
        &NAME.into(),
        &bench.location,
        Box::new(NoServer),
        None,
        &bench.commands,
    );
    assert_eq!(found.expect("surveyed").count, Some(count));
    let surveyed = Took {
        seconds: since.elapsed().as_secs_f64(),
        processor: processor() - before,
    };
    let prepare = bench.timed(false, |cx| store.prepare(cx));
    let prove = bench.timed(false, |cx| store.prove(cx));
    for number in (0..count).step_by(usize::try_from(CHANGED).unwrap_or(1)) {
        fs::write(path(&root, number), "changed").expect("written");
    }
    let seal = bench.timed(false, |cx| store.seal(cx));
    let held = bench.timed(false, |cx| store.contents(cx));
    fs::write(path(&root, 0), "migrated").expect("written");
    let back = bench.timed(true, |cx| store.restore(cx, &RunId::new(RUN)));
    let memory = memory();
    let figures = serde_json::json!({
        "files": count,
        "bytes": count * SIZE,
        "changed": count.div_ceil(CHANGED),
        "survey": surveyed.told(),
        "prepare": prepare.told(),
        "prove": prove.told(),
        "seal": seal.told(),
        "counts": held.told(),
        "back": back.told(),
        "mebibytes": memory,
    });
    println!("{figures}");
}

/// What a call took: of time, and of all processors.
struct Took {
    seconds: f64,
    processor: f64,
}

impl Took {
    fn told(&self) -> [f64; 2] {
        [self.seconds, self.processor]
    }
}

/// Seconds of all processors that this process has had: what does not grow because others work.
fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    // The fields after the name: the twelfth and thirteenth are hundredths of seconds.
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

fn path(root: &Path, number: u64) -> PathBuf {
    root.join((number / TOGETHER).to_string())
        .join(number.to_string())
}

/// Content that does not compress and is nowhere the same.
fn fill(root: &Path, count: u64) -> io::Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut content = Vec::new();
    for number in 0..count {
        if number % TOGETHER == 0 {
            fs::create_dir_all(root.join((number / TOGETHER).to_string()))?;
        }
        content.clear();
        while (content.len() as u64) < SIZE / 2 + number % SIZE {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            content.extend_from_slice(&state.to_le_bytes());
        }
        fs::write(path(root, number), &content)?;
    }
    rustix::fs::syncfs(fs::File::open(root)?)?;
    Ok(())
}

/// The most memory that this process ever held, in MiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes / 1024)
}

struct Bench {
    store: Box<dyn Datastore>,
    location: DatastoreLocation,
    backups: PathBuf,
    commands: Commands,
    stop: StopSignal,
    plan: Plan,
}

impl Bench {
    fn new(place: &Path, root: &Path) -> Self {
        let location = DatastoreLocation {
            kind: DatastoreKind::Files,
            access: Access::Local,
            host: None,
            port: None,
            database: None,
            user: None,
            password: None,
            directory: Some(root.display().to_string()),
            server_directory: None,
            options: std::collections::BTreeMap::new(),
        };
        let stop = StopSignal::default();
        Self {
            store: open(&NAME.into(), &location, Box::new(NoServer), None),
            backups: place.join("backups"),
            commands: Commands::new(place.join("children"), Redactor::default(), stop.clone()),
            stop,
            plan: plan(&location),
            location,
        }
    }

    /// What a call takes.
    fn timed<T>(&self, back: bool, call: impl FnOnce(&Context<'_>) -> Result<T, Failure>) -> Took {
        let run = RunId::new(RUN);
        let mut plan = self.plan.clone();
        if back {
            plan.purpose = Purpose::Rollback { run: run.clone() };
        }
        let (since, before) = (Instant::now(), processor());
        let done = call(&Context {
            plan: &plan,
            run: &run,
            step: StepNumber(1),
            backups: &self.backups,
            commands: &self.commands,
            progress: &Silent,
            stop: &self.stop,
        });
        let took = Took {
            seconds: since.elapsed().as_secs_f64(),
            processor: processor() - before,
        };
        if let Err(failure) = done {
            panic!("{failure:?}");
        }
        took
    }
}

fn plan(location: &DatastoreLocation) -> Plan {
    let text = serde_json::json!({
        "format": 1, "id": "p-1", "purpose": "upgrade", "parent": null,
        "deployment": {"name": "bench", "directory": "/", "driver": "exec", "project": "bench"},
        "product": "bench", "product_name": "Bench", "edition": null, "definition": "", "from": "1", "to": "2",
        "because": [], "notices": [], "procedures": [], "datastores": {}, "stages": [],
        "origin": {"services": [], "images": {}, "checks": []},
        "forecast": {"downtime_seconds": null, "downtime_because": "", "space": []}, "advice": [], "secrets": [],
    });
    let mut plan: Plan = serde_json::from_value(text).expect("a plan without steps");
    plan.datastores.insert(
        NAME.into(),
        DatastorePlan {
            location: location.clone(),
            method: BackupMethod::Shadow,
            kept_with: None,
            because: String::new(),
            max_rate: None,
            size: None,
            engine: None,
            volatile: Vec::new(),
            deleted: Vec::new(),
        },
    );
    plan
}

/// Files have no server.
struct NoServer;

fn none<T>() -> Result<T, Failure> {
    Err(Failure::new("bench", "files have no server"))
}

impl Reach for NoServer {
    fn inside(&self, _: Argv) -> Result<Argv, Failure> {
        none()
    }
    fn running(&self, _: &Context<'_>) -> Result<bool, Failure> {
        none()
    }
    fn stop(&self, _: &Context<'_>) -> Result<(), Failure> {
        none()
    }
    fn start(&self, _: &Context<'_>) -> Result<(), Failure> {
        none()
    }
    fn scratch(&self, _: &Context<'_>, _: &Path, _: Argv) -> Result<Box<dyn Scratch>, Failure> {
        none()
    }
    fn accompany(
        &self,
        _: &Context<'_>,
        _: &str,
        _: &Path,
        _: Argv,
    ) -> Result<Box<dyn Companion>, Failure> {
        none()
    }
    fn companion(&self, _: &Context<'_>, _: &str) -> Result<Option<Box<dyn Companion>>, Failure> {
        none()
    }
}
