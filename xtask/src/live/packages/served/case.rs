//! Up to the newest version that is served and back to the oldest, killed in the middle of dpkg both ways.

use anyhow::{Result, ensure};

use super::machine::{self, Versions};
use crate::live::Case;
use crate::live::judge;
use crate::live::lab::Lab;
use crate::live::packages::host::Host;
use crate::live::packages::verdict::BACK;

/// What the operator wrote into the conffile.
const EDIT: &str = "maxmemory 64mb";
/// Where nothing can be had any more: the way back has to do with what was kept.
const AWAY: &str = "mv /srv/repository /srv/away && rm -rf /var/lib/apt/lists/* /var/cache/apt/*";

pub(in crate::live::packages) fn case() -> Case {
    Case::new("packages_served_by_debian", there_and_back)
}

fn there_and_back(lab: &Lab) -> Result<()> {
    let (host, versions) = match machine::boot(lab, "served")? {
        Ok(booted) => booted,
        Err(why) => {
            println!("not tried: packages_served_by_debian: {why}");
            return Ok(());
        }
    };
    let Versions { old, new } = &versions;
    host.ok(&format!(
        "echo '{EDIT}' >> /etc/redis/redis.conf && systemctl restart redis-server"
    ))?;
    let conffile = host.ok("sha256sum < /etc/redis/redis.conf")?;
    let before = machine::sum(&host)?;
    let build = runs(&host, old)?;
    recognised(&host, &versions)?;

    host.kill_in_dpkg("redis", "redis-server", "apply --yes")?;
    lab.count_kill();
    ensure!(!is_up(&host)?, "it came up while its package was installed");
    host.expect(&["resume"], 0)?;
    ensure!(
        runs(&host, new)? != build,
        "the same program runs as before"
    );
    stayed_down(&host)?;
    same(&host, &before)?;
    is_kept(&host, &conffile)?;

    // What users write from here on is what a way back loses.
    host.ok("redis-cli set written-after yes && redis-cli del list && redis-cli save")?;
    host.ok(AWAY)?;
    host.kill_in_dpkg("redis", "redis-server", &BACK.join(" "))?;
    lab.count_kill();
    lab.count_killed_run();
    host.expect(&["resume"], 0)?;
    ensure!(
        runs(&host, old)? == build,
        "another program runs than before"
    );
    stayed_down(&host)?;
    same(&host, &before)?;
    is_kept(&host, &conffile)
}

/// By its packages, with versions as Debian writes them.
fn recognised(host: &Host, Versions { old, new }: &Versions) -> Result<()> {
    let package = format!("redis-server={old}");
    judge::told(&host.expect(&["init"], 0)?, &[&package])?;
    judge::told(
        &host.expect(&["doctor"], 0)?,
        &["`/etc/redis/redis.conf` was edited"],
    )?;
    judge::told(&host.expect(&["status"], 0)?, &["redis", old])?;
    judge::told(
        &host.expect(&["plan", "--to", new], 0)?,
        &[old, new, "shadow"],
    )
}

/// The packages are whole and of this version, the service runs the program of it, and nothing of the run is left; what
/// that program says of the build that it is of.
fn runs(host: &Host, version: &str) -> Result<String> {
    let installed = host.ok(
        "dpkg-query --show --showformat '${Version} ${db:Status-Status}\\n' redis-server redis-tools",
    )?;
    let wanted = format!("{version} installed\n{version} installed");
    ensure!(installed == wanted, "installed is\n{installed}");
    host.ok("test -z \"$(dpkg --audit)\" && systemctl is-active redis-server")?;
    let program = host.ok("redis-server --version | grep -o 'build=.*'")?;
    let running =
        host.ok("redis-cli info server | tr -d '\\r' | sed -n 's/^redis_build_id:/build=/p'")?;
    ensure!(program == running, "{running} runs, {program} is installed");
    let left = host.ok(
        "ls -d /etc/systemd/system/redis*.d/*switchback* /srv/flow/.switchback/hold /srv/flow/.switchback/held /srv/flow/.switchback/installing \
         /srv/flow/.switchback/installs/* 2>/dev/null || true",
    )?;
    ensure!(left.is_empty(), "this is left: {left}");
    Ok(running)
}

fn is_up(host: &Host) -> Result<bool> {
    Ok(host
        .shell("systemctl is-active redis-server")?
        .status
        .success())
}

/// The maintainer script did start the service, and between its stop and its start it did not come up.
fn stayed_down(host: &Host) -> Result<()> {
    let told = host.ok("journalctl --unit redis-server --output cat | grep -o '^Started\\|^Stopped\\|skipped because of an unmet condition'")?;
    let last = told.rsplit_once("Stopped").map_or("", |(_, last)| last);
    let mut last = last.lines().filter(|line| !line.is_empty());
    ensure!(
        last.next_back() == Some("Started"),
        "the service was not started:\n{told}"
    );
    ensure!(
        last.clone().count() > 0 && last.all(|line| line.starts_with("skipped")),
        "the maintainer script started it, or did not try to:\n{told}"
    );
    Ok(())
}

/// It holds what it held before.
fn same(host: &Host, before: &str) -> Result<()> {
    let found = machine::sum(host)?;
    ensure!(found == before, "the data is {found}, and was {before}");
    Ok(())
}

/// The operator's own lines stayed.
fn is_kept(host: &Host, conffile: &str) -> Result<()> {
    ensure!(
        host.ok("sha256sum < /etc/redis/redis.conf")? == conffile,
        "the conffile is another"
    );
    let kept = host.ok("redis-cli config get maxmemory | tail -1")?;
    ensure!(kept == "67108864", "maxmemory is {kept}");
    Ok(())
}
