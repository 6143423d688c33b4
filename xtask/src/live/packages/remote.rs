//! The product on a machine that is reached by SSH only: the operator, and the journal, are outside of it.

use anyhow::{Result, ensure};

use super::super::lab::Lab;
use super::super::{Case, judge};
use super::host::{self, Host};
use super::operator::{INIT, Operator, THERE};
use super::{family, ledger};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("packages_over_ssh", over_ssh),
        ledger::case("packages_over_ssh_data"),
    ]
}

/// What stands in the way is told, then: killed in dpkg and taken back; cut off in dpkg and gone on with, by the same
/// process and by another one. All from outside.
fn over_ssh(lab: &Lab) -> Result<()> {
    let full = format!("{THERE}:size=256k,mode=0755");
    let host = Host::boot_to_be_reached(lab, "ssh", host::image()?, &["--tmpfs", &full])?;
    let operator = Operator::new(lab, &host, "over-ssh", Some(family::DEFINITION))?;
    hindered(&operator)?;
    operator.expect(&["plan", "--to", "2.2.0"], 0)?;
    without_room(&operator)?;
    killed_and_back(&operator, lab)?;
    cut_off(&operator, lab)?;
    cut_off_and_killed(&operator, lab)
}

/// Each with its words, until nothing is in the way; then the machine is recognised.
fn hindered(operator: &Operator<'_>) -> Result<()> {
    judge::told(
        &operator.expect(&INIT, 3)?,
        &[
            "refused: the host key of `machine` is not known here",
            "ssh machine",
        ],
    )?;
    operator.trust(&operator.key()?)?;
    judge::told(
        &operator.expect(&INIT, 3)?,
        &[
            "refused: `machine` shows another host key",
            "not touched",
            "ssh-keygen -R",
        ],
    )?;
    operator.trust_the_machine()?;
    judge::told(
        &operator.expect(&INIT, 3)?,
        &[
            "refused: sudo asks for a password on `machine`",
            "NOPASSWD: ALL",
        ],
    )?;
    operator.may_be_root()?;
    judge::told(
        &operator.expect(&INIT, 0)?,
        &["flow=2.1.0-1", "Looked at machine"],
    )?;
    judge::told(
        &operator.expect(&["plan", "--to", "2.2.0"], 0)?,
        &["data", "shadow"],
    )?;
    operator.configure("\n[datastores.data]\nbackup = \"none\"\n")?;
    judge::told(
        &operator.expect(&["doctor"], 0)?,
        &["project flow on machine"],
    )?;
    judge::told(
        &operator.expect(&["status"], 0)?,
        &["2.1.0", "flow-runner", "on machine"],
    )
}

/// The disk over there is full: nothing was stopped, and the same run goes on once there is room.
fn without_room(operator: &Operator<'_>) -> Result<()> {
    let host = operator.host;
    let running = || host.ok("systemctl show --property MainPID flow-api flow-runner");
    let before = running()?;
    host.ok(&format!(
        "dd if=/dev/zero of={THERE}/filler bs=1k 2> /dev/null || true"
    ))?;
    judge::told(
        &operator.expect(&["apply", "--yes"], 4)?,
        &["No space left on device", "make room"],
    )?;
    ensure!(before == running()?, "services were restarted");
    host.ok(&format!("rm {THERE}/filler"))?;
    operator.expect(&["rollback", "--yes"], 0).map(drop)
}

/// Killed in dpkg; another operator sees it and is kept off; then back to the kept packages.
fn killed_and_back(operator: &Operator<'_>, lab: &Lab) -> Result<()> {
    operator.expect(&["plan", "--to", "2.2.0"], 0)?;
    let mut child = operator.begin_until_it_waits("flow", &["apply", "--yes"])?;
    child.kill()?;
    child.wait()?;
    lab.count_kill();
    operator.cut()?;
    let other = operator
        .switchback()
        .env("SWITCHBACK_STATE", operator.directory.join("other"));
    judge::told(
        &operator.expect_of(other, &["doctor"], 3)?,
        &["another switchback changes this product on `machine`: run r-"],
    )?;
    operator.go_on("flow")?;
    operator.expect(&["rollback", "--yes", "--accept", "data-loss"], 0)?;
    operator.judged("2.1.0-1", "")
}

/// The connection is lost in dpkg: switchback looks, and goes on by itself.
fn cut_off(operator: &Operator<'_>, lab: &Lab) -> Result<()> {
    operator.expect(&["plan", "--to", "2.2.0"], 0)?;
    operator.host.ok("rm -f /var/log/flow-postinst")?;
    let child = operator.begin_until_it_waits("flow", &["apply", "--yes"])?;
    operator.cut()?;
    lab.count_kill();
    operator.go_on("flow")?;
    operator.ends(child, 0)?;
    operator.judged("2.2.0-1", "1 to 2")?;
    configured_once(operator, "2.2.0")
}

/// The connection is lost in dpkg and switchback with it: the next one finds what it had begun.
fn cut_off_and_killed(operator: &Operator<'_>, lab: &Lab) -> Result<()> {
    operator.expect(&["plan", "--to", "3.0.0"], 0)?;
    let mut child = operator.begin_until_it_waits("flow", &["apply", "--yes"])?;
    operator.cut()?;
    child.kill()?;
    child.wait()?;
    lab.count_kill();
    lab.count_killed_run();
    operator.go_on("flow")?;
    operator.expect(&["resume"], 0)?;
    operator.judged("3.0.0-1", "1 to 2\n2 to 3")?;
    configured_once(operator, "3.0.0")
}

fn configured_once(operator: &Operator<'_>, version: &str) -> Result<()> {
    let line = format!("grep -c 'flow {version}: flow-api' /var/log/flow-postinst");
    let configured = operator.host.ok(&line)?;
    ensure!(configured == "1", "it was configured {configured} times");
    Ok(())
}
