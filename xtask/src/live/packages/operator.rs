//! Somebody who works on a machine from outside of it, by SSH.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::super::judge;
use super::super::lab::Lab;
use super::host::Host;
use super::verdict::judged;
use crate::tool::{Tool, tool};

/// What `ssh` and people call the machine.
pub(super) const MACHINE: &str = "machine";
/// What a deployment begins with.
pub(super) const INIT: [&str; 5] = ["init", "--ssh", MACHINE, "--ssh-config", "ssh_config"];
/// Where the files of the deployment are over there.
pub(super) const THERE: &str = "/var/lib/switchback/deployments/flow";
/// A user who may do everything, if he is not asked for his password.
const USER: &str = "op";
const SUDOERS: &str = "/etc/sudoers.d/op";
/// No command takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// A connection that is lost once halts a run once.
const RESUMED: u32 = 3;
/// Ends every connection of the user.
const CUT: &str = "for process in /proc/[0-9]*; do \
                   grep -aqs '^sshd: op' $process/cmdline && kill -9 ${process#/proc/}; done; true";

/// Somebody with a key, outside of the machine.
pub(super) struct Operator<'a> {
    pub(super) host: &'a Host,
    binary: PathBuf,
    pub(super) directory: PathBuf,
}

impl<'a> Operator<'a> {
    /// `name` is that of the case, `definition` that of a product which switchback does not know.
    pub(super) fn new(
        lab: &Lab,
        host: &'a Host,
        name: &str,
        definition: Option<&str>,
    ) -> Result<Self> {
        let operator = Self {
            host,
            binary: lab.binary().to_owned(),
            directory: lab.place(name).join("flow"),
        };
        let directory = &operator.directory;
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        let catalog = directory.join("catalog");
        fs::create_dir_all(&catalog)?;
        if let Some(definition) = definition {
            fs::create_dir(catalog.join("flow"))?;
            fs::write(catalog.join("flow/product.toml"), definition)?;
        }
        tool("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(directory.join("key"))
            .quiet()?;
        let key = operator.key()?;
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

    pub(super) fn switchback(&self) -> Tool {
        tool(&self.binary)
            .dir(&self.directory)
            .env("SWITCHBACK_STATE", self.directory.join("state"))
            .env("NO_COLOR", "1")
            .args(["--catalog", "catalog"])
    }

    pub(super) fn expect(&self, words: &[&str], code: i32) -> Result<String> {
        self.expect_of(self.switchback(), words, code)
    }

    pub(super) fn expect_of(&self, switchback: Tool, words: &[&str], code: i32) -> Result<String> {
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

    /// Starts switchback and waits until `what` over there waits itself, as it is told to.
    pub(super) fn begin_until_it_waits(&self, what: &str, words: &[&str]) -> Result<Child> {
        let child = self.begin(what, words)?;
        self.host
            .until_exists(&format!("/run/{what}-waits"))
            .with_context(|| self.said())?;
        Ok(child)
    }

    /// Starts switchback. It comes no further than to `what`, which is told to wait.
    pub(super) fn begin(&self, what: &str, words: &[&str]) -> Result<Child> {
        self.host
            .ok(&format!("rm -f /run/{what}-waits; touch /run/{what}-slow"))?;
        let said = fs::File::create(self.directory.join("said"))?;
        self.switchback()
            .args(words)
            .into_command()
            .stdout(said.try_clone()?)
            .stderr(said)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start switchback")
    }

    /// Waits until it has ended by itself, and insists on its exit code; what it said.
    pub(super) fn ends(&self, mut child: Child, code: i32) -> Result<String> {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            ensure!(begun.elapsed() < PATIENCE, "it hangs\n{}", self.said());
            std::thread::sleep(Duration::from_millis(100));
        };
        let said = self.said();
        ensure!(
            status.code() == Some(code),
            "it ended with {status}\n{said}"
        );
        Ok(said)
    }

    /// What it has said until now.
    pub(super) fn said(&self) -> String {
        fs::read_to_string(self.directory.join("said")).unwrap_or_default()
    }

    /// It waits no longer.
    pub(super) fn go_on(&self, what: &str) -> Result<()> {
        self.host.ok(&format!("rm -f /run/{what}-slow")).map(drop)
    }

    /// The public half of his key.
    pub(super) fn key(&self) -> Result<String> {
        Ok(fs::read_to_string(self.directory.join("key.pub"))?)
    }

    /// Takes `key` for the machine's own.
    pub(super) fn trust(&self, key: &str) -> Result<()> {
        let port = self.host.port()?;
        let line = format!("[127.0.0.1]:{port} {key}\n");
        fs::write(self.directory.join("known_hosts"), line)?;
        Ok(())
    }

    /// As somebody who has looked at the machine's key.
    pub(super) fn trust_the_machine(&self) -> Result<()> {
        self.trust(&self.host.ok("cat /etc/ssh/ssh_host_ed25519_key.pub")?)
    }

    /// May be root without a password.
    pub(super) fn may_be_root(&self) -> Result<()> {
        let line = format!("echo '{USER} ALL=(root) NOPASSWD: ALL' > {SUDOERS}");
        self.host.ok(&line).map(drop)
    }

    /// Ends every connection, as a cable that is pulled out does.
    pub(super) fn cut(&self) -> Result<()> {
        self.host.ok(CUT).map(drop)
    }

    /// Waits until somebody is connected.
    pub(super) fn until_connected(&self) -> Result<()> {
        self.host.until("a connection is made anew", |host| {
            let line = "grep -aqs '^sshd: op' /proc/[0-9]*/cmdline";
            Ok(host.shell(line)?.status.success())
        })
    }

    /// Goes on until the end, where a connection may be lost at any moment.
    pub(super) fn resumed(&self) -> Result<()> {
        for _ in 0..RESUMED {
            let answer = self.switchback().arg("resume").answer()?;
            if answer.status.success() {
                return Ok(());
            }
            let said = format!("{}{}", answer.stdout, answer.stderr);
            judge::told(&said, &["the connection to `machine` was lost"])?;
        }
        bail!("it never comes to its end")
    }

    /// Writes more into `switchback.toml`, where a program of the product does not end by itself.
    pub(super) fn configure(&self, more: &str) -> Result<()> {
        let config = self.directory.join("switchback.toml");
        let text =
            fs::read_to_string(&config)?.replace("[packages]\n", "[packages]\npatience = 3\n");
        Ok(fs::write(&config, text + more)?)
    }

    /// As on the machine itself, and nothing of a run is left in the places that only this way has.
    pub(super) fn judged(&self, version: &str, conversions: &str) -> Result<()> {
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
