//! What driving restic costs over typing it. Not a test of being right: run it by name.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use switchback_backup::Opened;

use super::bench::{Bench, PASSWORD, noise};

/// Bytes per round. Opening a repository derives its key once more, which takes half a second whatever the size.
const BYTES: usize = 3_000_000_000;
const ROUNDS: usize = 3;

/// Storing must take no longer than 1.05 times what `restic backup` alone takes for the same data.
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
        best = [best[0].min(alone), best[1].min(driven)];
    }
    let ratio = best[1].as_secs_f64() / best[0].as_secs_f64();
    println!("{ratio:.3} of the time of restic alone, for {BYTES} bytes");
    assert!(ratio <= 1.05, "{best:?}");
}

/// Times `work` on a repository that is empty.
fn fresh(bench: &Bench, work: impl FnOnce()) -> Duration {
    for name in ["repository", "cache", "scratch"] {
        let _ = fs::remove_dir_all(bench.path(name));
    }
    drop(bench.create());
    let begun = Instant::now();
    work();
    begun.elapsed()
}
