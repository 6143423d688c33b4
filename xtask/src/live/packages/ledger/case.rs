//! Up and back from outside, cut off in the middle of everything that is made of the data: the first copy of files and
//! their seal, the dump of a database and its restore.

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
    let operator = Operator::new(lab, &host, "over-ssh-data", Some(DEFINITION))?;
    operator.trust_the_machine()?;
    operator.may_be_root()?;
    let before = machine::sum(&host)?;
    watched(|| {
        recognised(&operator)?;
        cut_off_in_the_first_copy(&operator, lab)?;
        let sealed = up(&operator, lab)?;
        let after = machine::sum(&host)?;
        ensure!(after != before, "the migration changed nothing:\n{after}");
        ensure!(machine::files(&host)? != sealed, "the files are as before");
        back(&operator, lab)?;
        ensure!(machine::files(&host)? == sealed, "other files came back");
        let restored = machine::sum(&host)?;
        ensure!(
            restored == before,
            "another database came back:\n{before}\n{restored}"
        );
        Ok(())
    })?;
    forgotten(&operator)?;
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
    // So slow that it is cut off in the middle of the first copy, however fast this machine is.
    operator.configure("\n[datastores.packs]\nmax-rate = \"1MB\"\n")?;
    judge::told(
        &operator.expect(&["doctor"], 0)?,
        &["ledger", "postgres ", "database ledger"],
    )?;
    judge::told(
        &operator.expect(&["plan", "--to", "2.2.0"], 0)?,
        &[
            "ledger",
            "dump",
            "its server is on `machine`",
            "packs",
            "shadow",
        ],
    )
}

/// The connection is lost in the middle of the first copy: the same process asks again. Then it is lost together with
/// that process, and a byte of what was copied is another one: it is found before anything stops, and copied again.
fn cut_off_in_the_first_copy(operator: &Operator<'_>, lab: &Lab) -> Result<()> {
    let running = || {
        operator
            .host
            .ok("systemctl show --property MainPID flow-api flow-runner")
    };
    let before = running()?;
    let mut child = operator.begin("ledger", &["apply", "--yes"])?;
    machine::until_copied(operator.host)?;
    operator.cut()?;
    lab.count_kill();
    operator.until_connected()?;
    ensure!(
        child.try_wait()?.is_none(),
        "a lost connection ended the run"
    );
    child.kill()?;
    operator.cut()?;
    child.wait()?;
    lab.count_kill();
    lab.count_killed_run();
    machine::flip(operator.host)?;
    // Where the byte is not found, it says so instead of waiting for ever.
    operator.go_on("ledger")?;
    judge::told(
        &operator.expect(&["resume"], 4)?,
        &[
            "the shadow of `packs` does not hold what the original holds (on `machine`)",
            "\"core/icon.png\" has other bytes",
        ],
    )?;
    ensure!(before == running()?, "services were restarted");
    Ok(())
}

/// The connection is lost in the middle of the dump: nothing was changed, and the same run goes on. It is lost again in
/// the middle of the seal. The files as they were sealed.
fn up(operator: &Operator<'_>, lab: &Lab) -> Result<String> {
    let child = operator.begin_until_it_waits("ledger", &["resume"])?;
    operator.cut()?;
    lab.count_kill();
    judge::told(
        &operator.ends(child, 4)?,
        &["the connection to `machine` was lost", "switchback resume"],
    )?;
    lab.count_killed_run();
    let sealed = machine::files(operator.host)?;
    machine::cut_in_the_seal(operator.host)?;
    operator.go_on("ledger")?;
    operator.resumed()?;
    operator.host.until_exists("/run/cut-in-the-seal")?;
    lab.count_kill();
    operator.judged("2.2.0-1", "")?;
    Ok(sealed)
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

/// What is kept over there is listed, and goes when its operator says so.
fn forgotten(operator: &Operator<'_>) -> Result<()> {
    judge::told(
        &operator.expect(&["backup", "list"], 0)?,
        &["packs on machine"],
    )?;
    operator.expect(&["backup", "prune", "--keep", "0", "--yes"], 0)?;
    let left = machine::kept(operator.host)?;
    ensure!(left.is_empty(), "this is left over there:\n{left}");
    Ok(())
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
