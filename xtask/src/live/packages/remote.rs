//! The product on a machine that is reached by SSH only: the operator, and the journal, are outside of it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::lab::Lab;
use super::super::{Case, judge};
use super::family;
use super::host::Host;
use super::verdict::judged;
use crate::tool::{Tool, tool};

/// What `ssh` and people call the machine.
const MACHINE: &str = "machine";
/// Where the files of the deployment are over there.
const THERE: &str = "/var/lib/switchback/deployments/flow";
/// A user who may do everything, if he is not asked for his password.
const USER: &str = "op";
const SUDOERS: &str = "/etc/sudoers.d/op";
/// No command takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Ends every connection of the user, as a cable that is pulled out does.
const CUT: &str = "for process in /proc/[0-9]*; do \
                   grep -aqs '^sshd: op' $process/cmdline && kill -9 ${process#/proc/}; done; true";

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("packages_over_ssh", over_ssh)]
}

/// What stands in the way is told, then: killed in dpkg and taken back; cut off in dpkg and gone on with, by the same
/// process and by another one. All from outside.
fn over_ssh(lab: &Lab) -> Result<()> {
    let full = format!("{THERE}:size=256k,mode=0755");
    let host = Host::boot_to_be_reached(lab, "ssh", &["--tmpfs", &full])?;
    let operator = Operator::new(lab, &host)?;
    operator.hindered()?;
    operator.expect(&["plan", "--to", "2.2.0"], 0)?;
    operator.without_room()?;
    operator.killed_and_back(lab)?;
    operator.cut_off(lab)?;
    operator.cut_off_and_killed(lab)
}

/// Somebody with a key, outside of the machine.
struct Operator<'a> {
    host: &'a Host,
    binary: PathBuf,
    directory: PathBuf,
}

impl<'a> Operator<'a> {
    fn new(lab: &Lab, host: &'a Host) -> Result<Self> {
        let operator = Self {
            host,
            binary: lab.binary().to_owned(),
            directory: lab.place("over-ssh").join("flow"),
        };
        let directory = &operator.directory;
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        let definition = directory.join("catalog/flow");
        fs::create_dir_all(&definition)?;
        fs::write(definition.join("product.toml"), family::DEFINITION)?;
        tool("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(directory.join("key"))
            .quiet()?;
        let key = fs::read_to_string(directory.join("key.pub"))?;
        host.ok(&format!(
            "useradd --create-home --shell /bin/sh {USER} && mkdir /home/{USER}/.ssh && \
             echo '{}' > /home/{USER}/.ssh/authorized_keys && chown -R {USER}: /home/{USER}/.ssh && \
             passwd --unlock {USER} 2> /dev/null || usermod --password '*' {USER}",
            key.trim()
        ))?;
        let shown = directory.display();
        fs::write(
            directory.join("ssh_config"),
            format!(
                "Host {MACHINE}\nHostName 127.0.0.1\nPort {}\nUser {USER}\nIdentityFile {shown}/key\nIdentitiesOnly yes\n\
                 IdentityAgent none\nUserKnownHostsFile {shown}/known_hosts\nGlobalKnownHostsFile none\n",
                host.port()?
            ),
        )?;
        Ok(operator)
    }

    fn switchback(&self) -> Tool {
        tool(&self.binary)
            .dir(&self.directory)
            .env("SWITCHBACK_STATE", self.directory.join("state"))
            .env("NO_COLOR", "1")
            .args(["--catalog", "catalog"])
    }

    fn expect(&self, words: &[&str], code: i32) -> Result<String> {
        self.expect_of(self.switchback(), words, code)
    }

    fn expect_of(&self, switchback: Tool, words: &[&str], code: i32) -> Result<String> {
        let answer = switchback.args(words).answer()?;
        let said = format!("{}{}", answer.stdout, answer.stderr);
        ensure!(
            answer.status.code() == Some(code),
            "`switchback {}` ended with {}, not {code}\n{said}",
            words.join(" "),
            answer.status
        );
        Ok(said)
    }

    /// Starts switchback and waits until a script of a package runs over there, and waits itself.
    fn begin_until_in_dpkg(&self, words: &[&str]) -> Result<Child> {
        self.host
            .ok("rm -f /run/flow-waits; touch /run/flow-slow")?;
        let said = fs::File::create(self.directory.join("said"))?;
        let child = self
            .switchback()
            .args(words)
            .into_command()
            .stdout(said.try_clone()?)
            .stderr(said)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start switchback")?;
        self.host
            .until_exists("/run/flow-waits")
            .with_context(|| self.said())?;
        Ok(child)
    }

    fn said(&self) -> String {
        fs::read_to_string(self.directory.join("said")).unwrap_or_default()
    }

    fn trust(&self, key: &str) -> Result<()> {
        let port = self.host.port()?;
        let line = format!("[127.0.0.1]:{port} {key}\n");
        fs::write(self.directory.join("known_hosts"), line)?;
        Ok(())
    }

    /// Each with its words, until nothing is in the way; then the machine is recognised.
    fn hindered(&self) -> Result<()> {
        let init = ["init", "--ssh", MACHINE, "--ssh-config", "ssh_config"];
        judge::told(
            &self.expect(&init, 3)?,
            &[
                "refused: the host key of `machine` is not known here",
                "ssh machine",
            ],
        )?;
        self.trust(&fs::read_to_string(self.directory.join("key.pub"))?)?;
        judge::told(
            &self.expect(&init, 3)?,
            &[
                "refused: `machine` shows another host key",
                "not touched",
                "ssh-keygen -R",
            ],
        )?;
        self.trust(&self.host.ok("cat /etc/ssh/ssh_host_ed25519_key.pub")?)?;
        judge::told(
            &self.expect(&init, 3)?,
            &[
                "refused: sudo asks for a password on `machine`",
                "NOPASSWD: ALL",
            ],
        )?;
        self.host.ok(&format!(
            "echo '{USER} ALL=(root) NOPASSWD: ALL' > {SUDOERS}"
        ))?;
        judge::told(
            &self.expect(&init, 0)?,
            &["flow=2.1.0-1", "Looked at machine"],
        )?;
        judge::told(
            &self.expect(&["plan", "--to", "2.2.0"], 3)?,
            &["the files of `data` cannot be kept over SSH: `/var/lib/flow` on `machine`"],
        )?;
        let config = self.directory.join("switchback.toml");
        let text =
            fs::read_to_string(&config)?.replace("[packages]\n", "[packages]\npatience = 3\n");
        fs::write(&config, text + "\n[datastores.data]\nbackup = \"none\"\n")?;
        judge::told(&self.expect(&["doctor"], 0)?, &["project flow on machine"])?;
        judge::told(
            &self.expect(&["status"], 0)?,
            &["2.1.0", "flow-runner", "on machine"],
        )
    }

    /// The disk over there is full: nothing was stopped, and the same run goes on once there is room.
    fn without_room(&self) -> Result<()> {
        let before = self
            .host
            .ok("systemctl show --property MainPID flow-api flow-runner")?;
        self.host.ok(&format!(
            "dd if=/dev/zero of={THERE}/filler bs=1k 2> /dev/null || true"
        ))?;
        judge::told(
            &self.expect(&["apply", "--yes"], 4)?,
            &["No space left on device", "make room"],
        )?;
        let after = self
            .host
            .ok("systemctl show --property MainPID flow-api flow-runner")?;
        ensure!(before == after, "services were restarted");
        self.host.ok(&format!("rm {THERE}/filler"))?;
        self.expect(&["rollback", "--yes"], 0).map(drop)
    }

    /// Killed in dpkg; another operator sees it and is kept off; then back to the kept packages.
    fn killed_and_back(&self, lab: &Lab) -> Result<()> {
        self.expect(&["plan", "--to", "2.2.0"], 0)?;
        let mut child = self.begin_until_in_dpkg(&["apply", "--yes"])?;
        child.kill()?;
        child.wait()?;
        lab.count_kill();
        self.host.ok(CUT)?;
        let other = self
            .switchback()
            .env("SWITCHBACK_STATE", self.directory.join("other"));
        judge::told(
            &self.expect_of(other, &["doctor"], 3)?,
            &["another switchback changes this product on `machine`: run r-"],
        )?;
        self.host.ok("rm /run/flow-slow")?;
        self.expect(&["rollback", "--yes", "--accept", "data-loss"], 0)?;
        self.judged("2.1.0-1", "")
    }

    /// The connection is lost in dpkg: switchback looks, and goes on by itself.
    fn cut_off(&self, lab: &Lab) -> Result<()> {
        self.expect(&["plan", "--to", "2.2.0"], 0)?;
        self.host.ok("rm -f /var/log/flow-postinst")?;
        let mut child = self.begin_until_in_dpkg(&["apply", "--yes"])?;
        self.host.ok(CUT)?;
        lab.count_kill();
        self.host.ok("rm /run/flow-slow")?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            ensure!(begun.elapsed() < PATIENCE, "it hangs\n{}", self.said());
            std::thread::sleep(Duration::from_millis(100));
        };
        ensure!(status.success(), "it ended with {status}\n{}", self.said());
        self.judged("2.2.0-1", "1 to 2")?;
        self.configured_once("2.2.0")
    }

    /// The connection is lost in dpkg and switchback with it: the next one finds what it had begun.
    fn cut_off_and_killed(&self, lab: &Lab) -> Result<()> {
        self.expect(&["plan", "--to", "3.0.0"], 0)?;
        let mut child = self.begin_until_in_dpkg(&["apply", "--yes"])?;
        self.host.ok(CUT)?;
        child.kill()?;
        child.wait()?;
        lab.count_kill();
        lab.count_killed_run();
        self.host.ok("rm /run/flow-slow")?;
        self.expect(&["resume"], 0)?;
        self.judged("3.0.0-1", "1 to 2\n2 to 3")?;
        self.configured_once("3.0.0")
    }

    fn configured_once(&self, version: &str) -> Result<()> {
        let line = format!("grep -c 'flow {version}: flow-api' /var/log/flow-postinst");
        let configured = self.host.ok(&line)?;
        ensure!(configured == "1", "it was configured {configured} times");
        Ok(())
    }

    /// As on the machine itself, and nothing of a run is left in the places that only this way has.
    fn judged(&self, version: &str, conversions: &str) -> Result<()> {
        judged(self.host, version, conversions)?;
        let left = self.host.ok(&format!(
            "ls -d {THERE}/.switchback/hold {THERE}/.switchback/installing {THERE}/.switchback/migrations/* \
             {THERE}/.switchback/installs/* /var/lib/switchback/claims/* 2> /dev/null || true"
        ))?;
        ensure!(left.is_empty(), "this is left over there: {left}");
        Ok(())
    }
}

impl Drop for Operator<'_> {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.directory));
    }
}
