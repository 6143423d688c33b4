//! Processes that not even SIGKILL ends, for they hang in the kernel: here in a filesystem that was frozen, as on a machine
//! whose disk or file server is gone.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::super::lab::Lab;
use super::super::{Case, judge};
use super::host::Host;
use super::verdict::{BACK, judged};
use crate::tool::tool;

/// What hangs: a program of the product, as its name says.
const HANGS: &str = "exec -a /opt/flow/bin/flow-runner dd if=/dev/zero of=/srv/frozen/said count=1";

pub(super) fn case() -> Case {
    Case::new("packages_undead", undead)
}

/// A process by itself on the way up, one of a unit on the way back: each is named, nothing else happens before it is
/// gone, and the same run goes on then.
fn undead(lab: &Lab) -> Result<()> {
    let frozen = match Frozen::mount(lab.place("frozen")) {
        Ok(frozen) => frozen,
        Err(why) => {
            println!("not tried: packages_undead: {why:#}");
            return Ok(());
        }
    };
    let volume = format!("{}:/srv/frozen", frozen.place().display());
    let host = Host::boot_with(lab, "undead", &["--volume", &volume])?;
    let outcome = by_itself(&host, &frozen).and_then(|()| of_a_unit(&host, &frozen));
    // The machine goes only when nothing on it hangs.
    frozen.thaw()?;
    outcome
}

fn by_itself(host: &Host, frozen: &Frozen) -> Result<()> {
    frozen.freeze()?;
    host.ok(&format!(
        "setsid --fork bash -c '{HANGS}' > /dev/null 2>&1 < /dev/null"
    ))?;
    hangs(host)?;
    host.expect(&["plan", "--to", "2.2.0"], 0)?;
    judge::told(
        &host.expect(&["apply", "--yes"], 4)?,
        &[
            "(`/opt/flow/bin/flow-runner if=/dev/zero`) does not end",
            "runs, though it was killed",
            "ps -eo pid,stat,wchan:30,args (state D",
            "when it is gone: switchback resume",
        ],
    )?;
    is_untouched(host, "2.1.0-1")?;
    frozen.thaw()?;
    host.expect(&["resume"], 0)?;
    judged(host, "2.2.0-1", "1 to 2")
}

fn of_a_unit(host: &Host, frozen: &Frozen) -> Result<()> {
    let settings = "/run/systemd/system/flow-runner.service.d";
    host.ok(&format!(
        "mkdir -p {settings} && printf '[Service]\\nExecStart=\\nExecStart=/bin/bash -c \"({HANGS}) & exec /opt/flow/bin/flow-runner\"\\n' \
         > {settings}/hangs.conf && systemctl daemon-reload"
    ))?;
    frozen.freeze()?;
    // It does not end when it is asked to.
    host.ok("systemctl kill --signal=KILL flow-runner && systemctl restart flow-runner")?;
    hangs(host)?;
    judge::told(
        &host.expect(&BACK, 4)?,
        &[
            "flow-runner.service does not end",
            "flow-runner.service runs, though it was killed",
            "when it is gone: switchback resume",
        ],
    )?;
    is_untouched(host, "2.2.0-1")?;
    frozen.thaw()?;
    host.ok(&format!("rm -r {settings} && systemctl daemon-reload"))?;
    host.expect(&["resume"], 0)?;
    judged(host, "2.1.0-1", "")
}

/// Waits until the process is where no signal reaches it.
fn hangs(host: &Host) -> Result<()> {
    host.until("a process hangs", |host| {
        let line = "grep -lax 'State:.D (disk sleep)' $(grep -las '^/opt/flow/bin/flow-runner.if=' /proc/[0-9]*/cmdline | sed s/cmdline/status/)";
        Ok(host.shell(line)?.status.success())
    })
}

/// No package was changed while something of the product might still write.
fn is_untouched(host: &Host, version: &str) -> Result<()> {
    let installed = host.ok("dpkg-query --show --showformat '${Version}' flow")?;
    ensure!(installed == version, "{installed} is installed");
    Ok(())
}

/// A small filesystem that can be frozen: whoever writes to it then sleeps in the kernel. Goes with the case.
struct Frozen(PathBuf);

impl Frozen {
    fn mount(directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(directory.join("there"))?;
        let frozen = Self(directory);
        let image = frozen.0.join("image");
        fs::File::create(&image)?.set_len(16 << 20)?;
        tool("mkfs.ext4").arg("-q").arg(&image).quiet()?;
        tool("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(frozen.place())
            .quiet()
            .context("nothing can be mounted from a file here")?;
        Ok(frozen)
    }

    fn place(&self) -> PathBuf {
        self.0.join("there")
    }

    fn freeze(&self) -> Result<()> {
        tool("fsfreeze").arg("--freeze").arg(self.place()).quiet()
    }

    /// As often as wanted.
    fn thaw(&self) -> Result<()> {
        drop(
            tool("fsfreeze")
                .arg("--unfreeze")
                .arg(self.place())
                .answer()?,
        );
        Ok(())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        drop(self.thaw());
        drop(tool("umount").arg(self.place()).answer());
        drop(fs::remove_dir_all(&self.0));
    }
}
