//! A machine with the product installed: a container whose first process is systemd, with the binary in it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::super::lab::Lab;
use super::family;
use crate::images;
use crate::tool::{Answer, Tool, docker};

/// The image with version 2.1.0 installed.
const IMAGE: &str = "switchback-xtask/flow:1";

/// Where the operator works.
pub(super) const DIRECTORY: &str = "/srv/flow";

/// Nothing takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(90);

const DOCKERFILE: &str = "\
FROM switchback-xtask/host:1
COPY repository /srv/repository
COPY InRelease.present InRelease.expired InRelease.unknown present.gpg expired.gpg unknown.gpg /srv/keys/
COPY catalog /srv/catalog
RUN mkdir -p /srv/flow /etc/apt/keyrings && cp /srv/keys/present.gpg /etc/apt/keyrings/flow.gpg \
 && echo 'deb [signed-by=/etc/apt/keyrings/flow.gpg] file:/srv/repository ./' > /etc/apt/sources.list.d/flow.list \
 && apt-get update && apt-get install --yes flow=2.1.0-1 flow-web=2.1.0-1
ENV SWITCHBACK_STATE=/srv/state NO_COLOR=1
";

/// One image for all cases, which begin at the same time.
static IMAGE_MADE: Mutex<bool> = Mutex::new(false);

/// A machine of its own for one case; goes with it.
pub(super) struct Host {
    name: String,
}

impl Host {
    /// Boots one and does `switchback init` on it.
    pub(super) fn boot(lab: &Lab, name: &str) -> Result<Self> {
        Self::boot_of(lab, name, image()?)
    }

    /// As [`Host::boot`], with more words for Docker.
    pub(super) fn boot_with(lab: &Lab, name: &str, more: &[&str]) -> Result<Self> {
        Self::begun(Self::up(lab, name, image()?, more)?)
    }

    /// As [`Host::boot`], from another image.
    pub(super) fn boot_of(lab: &Lab, name: &str, image: &str) -> Result<Self> {
        Self::begun(Self::up(lab, name, image, &[])?)
    }

    fn begun(host: Self) -> Result<Self> {
        host.expect(&["init"], 0)?;
        // Its process ignores a polite end: half a minute of waiting would prove no more than three seconds do.
        host.ok("sed -i 's/^\\[packages\\]$/[packages]\\npatience = 3/' switchback.toml")?;
        Ok(host)
    }

    /// Boots one that is worked on from outside, by SSH: on a port of the loopback interface.
    pub(super) fn boot_to_be_reached(
        lab: &Lab,
        name: &str,
        image: &str,
        more: &[&str],
    ) -> Result<Self> {
        let mut words = vec!["--publish", "127.0.0.1::22"];
        words.extend(more);
        let host = Self::up(lab, name, image, &words)?;
        host.ok("systemctl start ssh")?;
        Ok(host)
    }

    /// The port that its SSH server is reached at.
    pub(super) fn port(&self) -> Result<u16> {
        let told = docker().args(["port", &self.name, "22/tcp"]).read()?;
        let port = told.trim().rsplit_once(':').map(|(_, port)| port.parse());
        Ok(port.context("no port is published")??)
    }

    /// Boots one, and no more.
    pub(super) fn up(lab: &Lab, name: &str, image: &str, more: &[&str]) -> Result<Self> {
        let (host, mut run) = Self::prepared(lab, name);
        run = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            run.args(["--privileged", "--cgroupns=private"])
        } else {
            run.args(["--volume", "/sys/fs/cgroup:/sys/fs/cgroup:ro"])
        };
        run.args(more).arg(image).quiet()?;
        host.until("the machine is up", |host| {
            let state = host.shell("systemctl is-system-running")?;
            Ok(["running", "degraded"].contains(&state.stdout.trim()))
        })?;
        Ok(host)
    }

    /// One that nothing is started on.
    pub(super) fn asleep(lab: &Lab, name: &str, image: &str) -> Result<Self> {
        let (host, run) = Self::prepared(lab, name);
        run.args([image, "sleep", "600"]).quiet()?;
        Ok(host)
    }

    /// What makes it, as far as all have it in common.
    fn prepared(lab: &Lab, name: &str) -> (Self, Tool) {
        let host = Self {
            name: format!("swb-packages-{name}"),
        };
        host.remove();
        let binary = format!("{}:/usr/local/bin/switchback:ro", lab.binary().display());
        let run = docker()
            .args(["run", "--detach", "--name", &host.name])
            .args(["--tmpfs", "/run", "--tmpfs", "/run/lock"])
            // A file system without room.
            .args(["--tmpfs", "/srv/small:size=4k"])
            .args(["--volume", &binary]);
        (host, run)
    }

    /// Its first process, as this machine knows it.
    pub(super) fn pid(&self) -> Result<String> {
        let format = "{{.State.Pid}}";
        let said = docker()
            .args(["inspect", "--format", format, &self.name])
            .read()?;
        Ok(said.trim().to_owned())
    }

    fn inside(&self) -> Tool {
        docker().args(["exec", "--workdir", DIRECTORY, &self.name])
    }

    /// Runs a line of shell and returns what it answered.
    pub(super) fn shell(&self, line: &str) -> Result<Answer> {
        self.inside().args(["sh", "-c", line]).answer()
    }

    /// Runs a line of shell that must succeed; its output without the last line end.
    pub(super) fn ok(&self, line: &str) -> Result<String> {
        let said = self.inside().args(["sh", "-c", line]).read()?;
        Ok(said.trim_end().to_owned())
    }

    /// Runs switchback and insists on its exit code; both of its outputs.
    pub(super) fn expect(&self, words: &[&str], code: i32) -> Result<String> {
        let answer = self
            .inside()
            .args(["switchback", "--catalog", "/srv/catalog"])
            .args(words)
            .answer()?;
        let said = format!("{}{}", answer.stdout, answer.stderr);
        ensure!(
            answer.status.code() == Some(code),
            "`switchback {}` ended with {}, not {code}\n{said}",
            words.join(" "),
            answer.status
        );
        Ok(said)
    }

    /// Starts switchback, to be killed. It writes what it says to `/srv/said`.
    pub(super) fn begin(&self, words: &str) -> Result<()> {
        let line = format!(
            "echo $$ > /run/switchback.pid; exec switchback --catalog /srv/catalog {words} > /srv/said 2>&1"
        );
        docker()
            .args(["exec", "--detach", "--workdir", DIRECTORY, &self.name])
            .args(["sh", "-c", &line])
            .into_command()
            .stdout(Stdio::null())
            .status()
            .context("cannot start switchback")?;
        Ok(())
    }

    /// `kill -9`, switchback alone.
    pub(super) fn kill(&self) -> Result<bool> {
        let killed = self.shell("kill -9 $(cat /run/switchback.pid)")?;
        Ok(killed.status.success())
    }

    /// Starts switchback and kills it in the middle of an installation, and dpkg with it, as a machine that goes down
    /// does: `package` is half configured then. `slow` names what waits there when it is told to.
    pub(super) fn kill_in_dpkg(&self, slow: &str, package: &str, words: &str) -> Result<()> {
        self.ok(&format!("rm -f /run/{slow}-waits; touch /run/{slow}-slow"))?;
        self.begin(words)?;
        self.until_exists(&format!("/run/{slow}-waits"))?;
        ensure!(self.kill()?, "it had ended by itself");
        // By the session that the installation has to itself.
        self.ok(&format!("perl -e 'kill KILL => -$ARGV[0]' $(cut -d' ' -f1 {DIRECTORY}/.switchback/installs/apt/pid); rm /run/{slow}-slow"))?;
        self.ok(&format!("dpkg-query --show --showformat '${{db:Status-Status}}\\n' {package} | grep -qx half-configured"))
            .map(drop)
    }

    /// Waits for something.
    pub(super) fn until(&self, what: &str, holds: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let since = Instant::now();
        while !holds(self)? {
            if since.elapsed() > PATIENCE {
                let said = self.shell("cat /srv/said; systemctl --failed; journalctl -n 20")?;
                bail!("waited for nothing: {what}\n{}", said.stdout);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Waits until a file is there.
    pub(super) fn until_exists(&self, path: &str) -> Result<()> {
        self.until(path, |host| {
            Ok(host.shell(&format!("test -e {path}"))?.status.success())
        })
    }

    /// Brings a file there.
    pub(super) fn copy(&self, from: &str, to: &str) -> Result<()> {
        docker()
            .args(["cp", from])
            .arg(format!("{}:{to}", self.name))
            .quiet()
    }

    fn remove(&self) {
        drop(
            docker()
                .args(["rm", "--force", "--volumes", &self.name])
                .answer(),
        );
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Makes the image of version 2.1.0 unless it is there; its name.
pub(super) fn image() -> Result<&'static str> {
    let mut made = IMAGE_MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if *made {
        return Ok(IMAGE);
    }
    let mut inputs = family::INPUTS.to_vec();
    inputs.push(DOCKERFILE);
    images::on_host(IMAGE, &inputs, |context| {
        family::repository(context)?;
        let definition = context.join("catalog/flow");
        fs::create_dir_all(&definition)?;
        fs::write(definition.join("product.toml"), family::DEFINITION)?;
        fs::write(context.join("Dockerfile"), DOCKERFILE)?;
        Ok(())
    })?;
    *made = true;
    Ok(IMAGE)
}
