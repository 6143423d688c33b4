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

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
///
/// After `time` none is begun any more, and those that are left out are named: on two slow cores everything takes longer
/// than a continuous integration waits.
pub(crate) fn run(wanted: Option<&str>, time: Option<Duration>) -> Result<bool> {
    let cases: Vec<Case> = cases::all()
        .into_iter()
        .filter(|case| {
            wanted.is_none_or(|words| words.split(',').any(|word| case.name.contains(word)))
        })
        .collect();
    let lab = Lab::open()?;
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let left_out = Mutex::new(Vec::new());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if time.is_some_and(|time| begun.elapsed() > time) {
                        held(&left_out).push(case.name.clone());
                        continue;
                    }
                    let since = Instant::now();
                    match (case.run)(&lab) {
                        Ok(()) => println!(
                            "ok      {}  {:.0} s",
                            case.name,
                            since.elapsed().as_secs_f32()
                        ),
                        Err(problem) => {
                            println!("FAILED  {}: {problem:#}", case.name);
                            held(&failed).push(case.name.clone());
                        }
                    }
                }
            });
        }
    });
    let (failed, left_out) = (held(&failed).clone(), held(&left_out).clone());
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
    if !left_out.is_empty() {
        let names = left_out.join(",");
        println!("left out, for there was no time: cargo xtask live {names}");
    }
    println!(
        "{} passed, {} failed, {} left out",
        cases.len() - failed.len() - left_out.len(),
        failed.len(),
        left_out.len()
    );
    Ok(failed.is_empty())
}

fn held(names: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}
