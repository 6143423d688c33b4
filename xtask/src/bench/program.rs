//! The released program: size, start, memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Row;
use crate::deployment::{Deployment, verify_section};
use crate::images::Edition;
use crate::setup::{self, Engine};
use crate::tool::{Tool, cargo, tool};
use crate::{images, paths};

/// End devices in the deployment that is upgraded: some thousand rows and three times as many keys.
const ROWS: u32 = 2_000;

const STARTS: usize = 21;

/// Builds the released program.
pub(super) fn release() -> Result<PathBuf> {
    eprintln!("building the release");
    cargo()
        .dir(&paths::root())
        .args([
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--package",
            "switchback",
        ])
        .run()?;
    Ok(paths::target().join("release/switchback"))
}

/// Measures the released program; with a deployment where an Engine can run.
pub(super) fn rows() -> Result<Vec<Row>> {
    let program = release()?;
    let size = fs::metadata(&program)?.len() as f64 / 1e6;
    let mut rows = vec![
        Row::new("size of the program", format!("{size:.1} MB"), "–"),
        Row::new(
            "start: `switchback --version`",
            started(|| tool(&program).arg("--version"))?,
            "–",
        ),
    ];
    if setup::all()? == Engine::Ready {
        images::all()?;
        rows.extend(on_a_deployment(&program)?);
    }
    Ok(rows)
}

fn on_a_deployment(program: &Path) -> Result<Vec<Row>> {
    let place = paths::work()?.join("swb-bench");
    let state = paths::work()?.join("swb-bench.state");
    if place.exists() {
        Deployment::open(&place)?.remove()?;
    }
    if state.exists() {
        fs::remove_dir_all(&state)?;
    }
    fs::create_dir_all(&state)?;
    eprintln!("installing a deployment with {ROWS} devices");
    let deployment = Deployment::write(&place, 21_899, Edition::OpenSource, "3.23.2")?;
    deployment.install("3.23.2", ROWS)?;
    let run = |words: &[&str]| {
        tool(program)
            .dir(&place)
            .env("SWITCHBACK_STATE", &state)
            .args(words)
    };
    run(&["init"]).quiet()?;
    let file = place.join("switchback.toml");
    let text = fs::read_to_string(&file)?;
    fs::write(&file, text + &verify_section())?;
    eprintln!("measuring start and memory");
    let status = started(|| run(&["status"]))?;
    let (plan_time, plan_memory) = peak(run(&["plan", "--to", "3.32.1"]))?;
    let (apply_time, apply_memory) = peak(run(&["apply", "--yes", "--accept", "contact-infos"]))?;
    deployment.remove()?;
    fs::remove_dir_all(&state)?;
    Ok(vec![
        Row::new(
            "start: `switchback status` on a deployment",
            status,
            "< 50 ms",
        ),
        Row::new(
            "`plan` on a deployment",
            format!("{:.0} ms, {plan_memory:.0} MiB", plan_time * 1_000.0),
            "–",
        ),
        Row::new(
            format!("`apply` 3.23.2 → 3.32.1, {ROWS} devices"),
            format!("{apply_time:.1} s, {apply_memory:.0} MiB"),
            "< 64 MiB",
        ),
    ])
}

/// Median time from start to end.
fn started(run: impl Fn() -> Tool) -> Result<String> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let since = Instant::now();
        run().quiet()?;
        times.push(since.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(format!("{:.1} ms", times[times.len() / 2]))
}

/// Seconds, and the most memory that the process itself ever held, in MiB.
fn peak(run: Tool) -> Result<(f64, f64)> {
    let since = Instant::now();
    let mut child = run
        .into_command()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start the program")?;
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0.0_f64;
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        // The kernel keeps the maximum itself; asking often only finds it before the process is gone.
        if let Some(kilobytes) = fs::read_to_string(&status)
            .ok()
            .as_deref()
            .and_then(high_water)
        {
            most = most.max(kilobytes / 1024.0);
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let took = since.elapsed().as_secs_f64();
    if !ended.success() {
        let told = child
            .stderr
            .take()
            .map(std::io::read_to_string)
            .transpose()?;
        anyhow::bail!("it ended with {ended}: {}", told.unwrap_or_default());
    }
    Ok((took, most))
}

fn high_water(status: &str) -> Option<f64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
