//! Up and back from outside, cut off in the middle of the dump and of the restore.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::super::operator::{INIT, Operator};
use super::machine::{self, DEFINITION, PASSWORD};
use crate::live::lab::Lab;
use crate::live::{Case, judge};

/// How often the lists of processes are looked through: a client program lives longer.
const LOOK: Duration = Duration::from_millis(5);

pub(in crate::live::packages) fn case(name: &str) -> Case {
    Case::new(name, there_and_back)
}

fn there_and_back(lab: &Lab) -> Result<()> {
    let host = machine::boot(lab)?;
    let operator = Operator::new(lab, &host, "over-ssh-data", DEFINITION)?;
    operator.trust_the_machine()?;
    operator.may_be_root()?;
    let before = machine::sum(&host)?;
    watched(|| {
        recognised(&operator)?;
        up(&operator, lab)?;
        let after = machine::sum(&host)?;
        ensure!(after != before, "the migration changed nothing:\n{after}");
        back(&operator, lab)?;
        let restored = machine::sum(&host)?;
        ensure!(
            restored == before,
            "another database came back:\n{before}\n{restored}"
        );
        Ok(())
    })?;
    let left = machine::databases(&host)?;
    ensure!(
        left == "ledger\npostgres\ntemplate0\ntemplate1",
        "databases:\n{left}"
    );
    Ok(())
}

/// Found by the product's own settings over there; kept by a dump, with the reason why by nothing quicker.
fn recognised(operator: &Operator<'_>) -> Result<()> {
    judge::told(
        &operator.expect(&INIT, 0)?,
        &["flow=2.1.0-1", "Looked at machine", "ledger"],
    )?;
    operator.configure("")?;
    judge::told(
        &operator.expect(&["doctor"], 0)?,
        &["ledger", "postgres ", "database ledger"],
    )?;
    judge::told(
        &operator.expect(&["plan", "--to", "2.2.0"], 0)?,
        &["ledger", "dump", "its server is on `machine`"],
    )
}

/// The connection is lost in the middle of the dump: nothing was changed, and the same run goes on.
fn up(operator: &Operator<'_>, lab: &Lab) -> Result<()> {
    let child = operator.begin_until_it_waits("ledger", &["apply", "--yes"])?;
    operator.cut()?;
    lab.count_kill();
    judge::told(
        &operator.ends(child, 4)?,
        &["the connection to `machine` was lost", "switchback resume"],
    )?;
    lab.count_killed_run();
    operator.go_on("ledger")?;
    operator.expect(&["resume"], 0)?;
    operator.judged("2.2.0-1", "")
}

/// And in the middle of the restore: what is there stays as it is until the copy beside it is whole.
fn back(operator: &Operator<'_>, lab: &Lab) -> Result<()> {
    let upgraded = machine::sum(operator.host)?;
    let words = ["rollback", "--yes", "--accept", "data-loss"];
    let child = operator.begin_until_it_waits("ledger", &words)?;
    operator.cut()?;
    lab.count_kill();
    judge::told(
        &operator.ends(child, 4)?,
        &["the connection to `machine` was lost"],
    )?;
    lab.count_killed_run();
    let meanwhile = machine::sum(operator.host)?;
    ensure!(
        meanwhile == upgraded,
        "half a copy took the place of the data"
    );
    operator.go_on("ledger")?;
    operator.expect(&["resume"], 0)?;
    operator.judged("2.1.0-1", "")
}

/// Does something while the lists of processes are looked through, of this machine, which is also where those of the
/// other one are seen: the password is in none.
fn watched(act: impl FnOnce() -> Result<()>) -> Result<()> {
    let over = AtomicBool::new(false);
    let (done, shown) = thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut shown: Vec<String> = Vec::new();
            while !over.load(Ordering::Relaxed) {
                shown.extend(showing(PASSWORD));
                thread::sleep(LOOK);
            }
            shown
        });
        let done = act();
        over.store(true, Ordering::Relaxed);
        let shown = looking
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (done, shown)
    });
    done?;
    ensure!(
        shown.is_empty(),
        "a list of processes showed the password:\n{}",
        shown.join("\n")
    );
    Ok(())
}

/// Command lines that have this in them.
fn showing(secret: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(secret))
        .collect()
}
