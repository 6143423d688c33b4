//! The same procedure of thirty steps, each of which makes a file that is not there yet.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use super::Row;
use crate::paths;
use crate::tool::tool;

/// The row that ratios refer to.
pub(super) const ENGINE: &str = "step of the engine: guard, two durable writes, process, check";

const STEPS: u32 = 30;

/// Odd, so that there is a middle one.
const ROUNDS: usize = 3;

/// Rows for a shell script and a playbook, each compared with the engine's.
pub(super) fn rows(before: &[Row]) -> Result<Vec<Row>> {
    let engine: f64 = before
        .iter()
        .find(|row| row.what == ENGINE)
        .and_then(|row| row.measured.trim_end_matches(" ms").parse().ok())
        .context("the engine was not measured")?;
    let place = paths::work()?.join("bench");
    fs::create_dir_all(&place)?;
    let shell = shell(&place)?;
    let ansible = ansible(&place)?;
    fs::remove_dir_all(&place)?;
    let row = |what: &str, step: f64| {
        Row::new(
            what,
            format!("{step:.2} ms"),
            format!("{:.1} × the engine", step / engine),
        )
    };
    Ok(vec![
        row("step of a shell script: test, process", shell),
        row("step of an Ansible playbook on localhost", ansible),
    ])
}

fn shell(place: &Path) -> Result<f64> {
    eprintln!("measuring a shell script");
    let mut script = "set -eu\n".to_owned();
    for number in 1..=STEPS {
        let _ = writeln!(script, "[ -e step-{number} ] || touch step-{number}");
    }
    let file = place.join("procedure.sh");
    fs::write(&file, script)?;
    median(place, || tool("sh").arg(&file).dir(place).quiet())
}

fn ansible(place: &Path) -> Result<f64> {
    let program = ansible_playbook()?;
    // Looking for an interpreter would be counted, and may find one that does not work.
    let python = program.with_file_name("python");
    eprintln!("measuring an Ansible playbook");
    let mut playbook =
        "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n".to_owned();
    for number in 1..=STEPS {
        let _ = writeln!(
            playbook,
            "    - name: Step {number}\n      ansible.builtin.command: touch step-{number}\n      args:\n        creates: step-{number}\n        chdir: {}",
            place.display()
        );
    }
    let file = place.join("procedure.yml");
    fs::write(&file, playbook)?;
    median(place, || {
        tool(&program)
            .args(["--inventory", "localhost,", "--extra-vars"])
            .arg(format!("ansible_python_interpreter={}", python.display()))
            .arg(&file)
            .dir(place)
            .env("ANSIBLE_NOCOLOR", "1")
            .env("ANSIBLE_LOCALHOST_WARNING", "false")
            .quiet()
    })
}

/// `ansible-playbook` in an environment of its own, from PyPI.
fn ansible_playbook() -> Result<PathBuf> {
    let place = paths::work()?.join("ansible");
    let program = place.join("bin/ansible-playbook");
    if !program.is_file() {
        eprintln!("installing ansible-core");
        tool("python3").args(["-m", "venv"]).arg(&place).quiet()?;
        tool(place.join("bin/pip"))
            .args(["install", "--quiet", "ansible-core"])
            .quiet()?;
    }
    Ok(program)
}

/// Milliseconds per step, the middle one of some rounds that each begin without files.
fn median(place: &Path, round: impl Fn() -> Result<()>) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        for number in 1..=STEPS {
            let file = place.join(format!("step-{number}"));
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
        let since = Instant::now();
        round()?;
        times.push(since.elapsed().as_secs_f64() * 1_000.0 / f64::from(STEPS));
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
