//! `cargo xtask live`: the real binary against real Docker, PostgreSQL and Redis, killed and hindered in every way that fits
//! into a quarter of an hour.

mod applications;
mod cases;
mod crash;
mod hindered;
mod judge;
mod lab;
mod outage;
mod packages;
mod rehearsal;
mod repository;
mod servers;
mod subject;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;

use self::lab::Lab;

pub(crate) use applications::environments;
pub(crate) use outage::{INSIDE, inside};

/// Cases under way at once: most of a case is waiting for containers, so one more than there are cores on a small machine.
const AT_ONCE: usize = 3;

/// What a case does; it succeeds by returning.
type Trial = Box<dyn Fn(&Lab) -> Result<()> + Send + Sync>;

/// One trial with its name.
pub(crate) struct Case {
    name: String,
    run: Trial,
}

impl Case {
    fn new(
        name: impl Into<String>,
        run: impl Fn(&Lab) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// Runs every case whose name contains one of the words (separated by commas), and says how many passed. The last line is the count.
pub(crate) fn run(wanted: Option<&str>) -> Result<bool> {
    let cases: Vec<Case> = cases::all()
        .into_iter()
        .filter(|case| {
            wanted.is_none_or(|words| words.split(',').any(|word| case.name.contains(word)))
        })
        .collect();
    let lab = Lab::open()?;
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let since = Instant::now();
                    match (case.run)(&lab) {
                        Ok(()) => println!(
                            "ok      {}  {:.0} s",
                            case.name,
                            since.elapsed().as_secs_f32()
                        ),
                        Err(problem) => {
                            println!("FAILED  {}: {problem:#}", case.name);
                            failed
                                .lock()
                                .unwrap_or_else(|poison| poison.into_inner())
                                .push(case.name.clone());
                        }
                    }
                }
            });
        }
    });
    let failed = failed
        .into_inner()
        .unwrap_or_else(|poison| poison.into_inner());
    println!(
        "crash sweep: killed {} times, in {} runs",
        lab.kills(),
        lab.killed_runs()
    );
    if failed.is_empty() {
        lab.close()?;
    } else {
        println!("failed: {}", failed.join(", "));
    }
    println!(
        "{} passed, {} failed",
        cases.len() - failed.len(),
        failed.len()
    );
    Ok(failed.is_empty())
}
