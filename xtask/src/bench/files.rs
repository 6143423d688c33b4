//! `cargo xtask bench files`: a shadow of very many small files.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Row, report};
use crate::paths;
use crate::tool::cargo;

/// Measures with this many files, a million where nothing is said.
pub(super) fn run(words: &[&str]) -> Result<()> {
    let count = words.first().copied().unwrap_or("1000000");
    let told = cargo()
        .dir(&paths::root())
        .args([
            "bench",
            "--quiet",
            "--locked",
            "--package",
            "switchback-datastores",
            "--bench",
            "files",
        ])
        .env("SWITCHBACK_BENCH_FILES", count)
        .env("SWITCHBACK_BENCH_DIRECTORY", paths::work()?)
        .read()?;
    let line = told
        .lines()
        .find(|line| line.starts_with('{'))
        .context("the bench printed no figures")?;
    let figures: Value = serde_json::from_str(line)?;
    let number = |name: &str| figures[name].as_f64().unwrap_or(0.0);
    let row = |what: &str, name: &str, goal: &str| {
        let of = |at: usize| figures[name][at].as_f64().unwrap_or(0.0);
        Row::new(
            what,
            format!("{:.2} s, {:.2} s of processors", of(0), of(1)),
            format!("{:.1} µs a file{goal}", of(1) * 1e6 / number("files")),
        )
    };
    let rows = [
        Row::new(
            "files, bytes",
            format!("{}, {:.1} GB", number("files"), number("bytes") / 1e9),
            "",
        ),
        row("survey", "survey", ""),
        row("prepare: copied while up", "prepare", ""),
        row("prove: both read and compared while up", "prove", ""),
        row(
            &format!(
                "seal: every name looked at, {} files copied",
                number("changed")
            ),
            "seal",
            ", goal < 1 s in all",
        ),
        row("counts afterwards, while up", "counts", ""),
        row("way back", "back", ""),
        Row::new("memory", format!("{} MiB", number("mebibytes")), ""),
    ];
    let table = report::table(&rows);
    println!("{table}");
    report::keep(&format!("files: {count} small ones"), &table)
}
