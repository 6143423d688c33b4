//! What driving restic costs over typing it. Not a test of being right: run it by name.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use switchback_backup::Opened;

use super::bench::{Bench, PASSWORD, noise};

/// Bytes per round. Opening a repository derives its key once more, which takes half a second whatever the size.
const BYTES: usize = 2_000_000_000;
const ROUNDS: usize = 3;

/// Storing must cost no more than 1.05 times what `restic backup` alone costs for the same data: in time of the
/// processor, which other work on the machine does not change; time on the clock is told beside it.
#[test]
#[ignore = "takes a minute and a quiet machine: cargo test -p switchback-backup --test live overhead -- --ignored --nocapture"]
#[expect(clippy::print_stdout, reason = "the figures are the answer")]
fn overhead() {
    let Some(bench) = Bench::new() else { return };
    let copy = bench.copy("r-1", &noise(BYTES));
    // Whatever else the machine does only adds: the best of each is what it takes.
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        let alone = fresh(&bench, || {
            let status = Command::new("restic")
                .current_dir(copy.directory.parent().expect("a parent"))
                .args(["--quiet", "--repo", &bench.settings().repository])
                .args(["backup", "identity"])
                .env("RESTIC_PASSWORD", PASSWORD)
                .env("RESTIC_CACHE_DIR", bench.path("cache"))
                .status();
            assert!(status.is_ok_and(|status| status.success()));
        });
        let driven = fresh(&bench, || {
            let opened = Opened::open(bench.settings(), &bench.commands).expect("opened");
            let mut locked = bench.lock(opened);
            locked.store(&copy, &bench.heard).expect("stored");
        });
        println!("restic alone {alone:.1?}, driven {driven:.1?}");
        best = [best[0].min(alone.processor), best[1].min(driven.processor)];
    }
    let ratio = best[1].as_secs_f64() / best[0].as_secs_f64();
    println!("{ratio:.3} of what restic alone costs, for {BYTES} bytes");
    assert!(ratio <= 1.05, "{best:?}");
}

/// What a piece of work took.
#[derive(Debug)]
struct Took {
    #[expect(dead_code, reason = "told, and compared by whoever reads it")]
    clock: Duration,
    processor: Duration,
}

/// Times `work` on a repository that is empty.
fn fresh(bench: &Bench, work: impl FnOnce()) -> Took {
    for name in ["repository", "cache", "scratch"] {
        let _ = fs::remove_dir_all(bench.path(name));
    }
    drop(bench.create());
    let (begun, used) = (Instant::now(), processor());
    work();
    Took {
        clock: begun.elapsed(),
        processor: processor() - used,
    }
}

/// Processor time of this process and of every child that has ended, to the hundredth of a second.
fn processor() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("it is readable");
    let after_name = &stat[stat.rfind(')').expect("a name") + 1..];
    let fields: Vec<u64> = after_name
        .split_whitespace()
        .skip(11)
        .take(4)
        .map(|field| field.parse().expect("a number"))
        .collect();
    Duration::from_millis(fields.iter().sum::<u64>() * 10)
}
