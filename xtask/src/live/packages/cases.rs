//! Upgrades, ways back, and what happens when they are killed.

use anyhow::{Result, ensure};

use super::super::lab::Lab;
use super::super::{Case, judge};
use super::host::Host;
use super::verdict::{BACK, judged};
use super::{contract, redhat, refused, remote, served, stackstorm, undead};

/// What the operator wrote into the conffile.
const EDIT: &str = "# Mine: behind a proxy.";

/// Moments at which the upgrade is killed: as soon as its log has this many lines.
const KILLS: [u32; 5] = [2, 6, 11, 17, 22];

pub(in super::super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("packages_upgrade_and_back", there_and_back),
        Case::new("packages_killed_everywhere", killed_everywhere),
        Case::new("packages_killed_in_dpkg", killed_in_dpkg),
        Case::new("packages_dpkg_killed_and_taken_back", dpkg_killed),
        Case::new("packages_contract", contract),
    ];
    cases.extend(refused::cases());
    cases.push(undead::case());
    cases.push(served::case());
    cases.extend(redhat::cases());
    cases.extend(remote::cases());
    cases.extend(stackstorm::cases());
    cases
}

/// Through a stop where the product runs, with an edited conffile and a service that its operator had stopped; a
/// service that only the last version has; then all the way back.
fn there_and_back(lab: &Lab) -> Result<()> {
    let host = Host::boot(lab, "straight")?;
    host.ok(&format!("echo '{EDIT}' >> /etc/flow/flow.conf"))?;
    host.ok("systemctl stop flow-web")?;
    let conffile = host.ok("sha256sum < /etc/flow/flow.conf")?;
    judge::told(
        &host.expect(&["doctor"], 0)?,
        &["`/etc/flow/flow.conf` was edited"],
    )?;
    judge::told(&host.expect(&["status"], 0)?, &["2.1.0", "flow-runner"])?;
    judge::told(
        &host.expect(&["plan", "--to", "3.0.0"], 0)?,
        &["by hand", "merge-conf"],
    )?;
    let said = host.expect(&["apply", "--yes"], 4)?;
    judge::told(
        &said,
        &["merge-conf", "/etc/flow/flow.conf", "`workers = 2`"],
    )?;
    waits(&host)?;
    host.expect(&["resume", "--done", "merge-conf"], 0)?;
    judged(&host, "3.0.0-1", "1 to 2\n2 to 3")?;
    ensure!(
        host.ok("sha256sum < /etc/flow/flow.conf")? == conffile,
        "the conffile changed"
    );
    host.ok("grep -q 3.0.0 /etc/flow/flow.conf.dpkg-dist")?;
    host.ok("systemctl is-active flow-scheduler")?;
    let web = host.shell("systemctl is-active flow-web")?.stdout;
    ensure!(web.trim() == "inactive", "the stopped service is {web}");
    // The package scripts started all of it, and none of it came up.
    let started = host.ok("cat /var/log/flow-postinst")?;
    judge::told(&started, &["flow 3.0.0: flow-api is inactive"])?;
    ensure!(
        !started.contains("is active"),
        "a service came up under the installation:\n{started}"
    );
    host.expect(&BACK, 0)?;
    let version = host.ok("dpkg-query --show --showformat '${Version}' flow")?;
    let (format, conversions) = match version.as_str() {
        "2.1.0-1" => ("1", ""),
        _ => ("2", "1 to 2"),
    };
    ensure!(
        host.ok("cat /var/lib/flow/format")? == format,
        "the data is of another format"
    );
    judged(&host, &version, conversions)?;
    ensure!(
        host.ok("sha256sum < /etc/flow/flow.conf")? == conffile,
        "the conffile is another"
    );
    let answers = host
        .shell("systemctl is-active flow-web flow-scheduler")?
        .stdout;
    ensure!(
        !answers.lines().any(|state| state == "active"),
        "more runs than before:\n{answers}"
    );
    Ok(())
}

/// Nobody but a person who names it gets past the merge, and nothing of the product runs meanwhile.
fn waits(host: &Host) -> Result<()> {
    host.expect(&["resume"], 4)?;
    judge::told(
        &host.expect(&["resume", "--done", "something-else"], 2)?,
        &["waits for merge-conf"],
    )?;
    judge::told(
        &host.expect(&["status"], 0)?,
        &["by hand", "merge-conf", "--done"],
    )?;
    let state = host
        .shell("systemctl is-active flow-api flow-runner")?
        .stdout;
    ensure!(
        state.lines().all(|state| state != "active"),
        "it runs while the merge is waited for:\n{state}"
    );
    Ok(())
}

/// Killed again and again, and gone on with each time.
fn killed_everywhere(lab: &Lab) -> Result<()> {
    let host = Host::boot(lab, "everywhere")?;
    host.expect(&["plan", "--to", "2.2.0"], 0)?;
    let mut words = "apply --yes --format json";
    for lines in KILLS {
        host.begin(words)?;
        host.until("the next moment to kill at", |host| {
            let line = format!(
                "test $(wc -l < /srv/said) -ge {lines} || ! kill -0 $(cat /run/switchback.pid) 2>/dev/null"
            );
            Ok(host.shell(&line)?.status.success())
        })?;
        if host.kill()? {
            lab.count_kill();
        }
        words = "resume --format json";
    }
    lab.count_killed_run();
    finished(&host)?;
    judged(&host, "2.2.0-1", "1 to 2")
}

/// Switchback is killed while a package's script runs: dpkg goes on without it, and is waited for.
fn killed_in_dpkg(lab: &Lab) -> Result<()> {
    let host = Host::boot(lab, "in-dpkg")?;
    host.expect(&["plan", "--to", "2.2.0"], 0)?;
    host.ok("touch /run/flow-slow")?;
    host.begin("apply --yes")?;
    host.until_exists("/run/flow-waits")?;
    ensure!(host.kill()?, "it had ended by itself");
    lab.count_kill();
    lab.count_killed_run();
    host.ok("rm /run/flow-slow")?;
    host.expect(&["resume"], 0)?;
    judged(&host, "2.2.0-1", "1 to 2")?;
    let configured = host.ok("grep -c 'flow 2.2.0: flow-api' /var/log/flow-postinst")?;
    ensure!(configured == "1", "it was configured {configured} times");
    Ok(())
}

/// dpkg is killed too, once for a resume, once for a way back: the packages are half configured.
fn dpkg_killed(lab: &Lab) -> Result<()> {
    let host = Host::boot(lab, "dpkg-killed")?;
    let kill = |words: &str| -> Result<()> {
        host.kill_in_dpkg("flow", "flow", words)?;
        lab.count_kill();
        Ok(())
    };
    host.expect(&["plan", "--to", "2.2.0"], 0)?;
    kill("apply --yes")?;
    host.expect(&["resume"], 0)?;
    judged(&host, "2.2.0-1", "1 to 2")?;
    host.expect(&BACK, 0)?;
    judged(&host, "2.1.0-1", "")?;
    host.expect(&["plan", "--to", "2.2.0"], 0)?;
    kill("apply --yes")?;
    lab.count_killed_run();
    host.expect(&BACK, 0)?;
    judged(&host, "2.1.0-1", "")
}

/// The suite that every driver passes: it is a test beside the driver's code, and runs where the packages are.
fn contract(lab: &Lab) -> Result<()> {
    contract::passed(&Host::boot(lab, "contract")?)
}

/// The last run goes on to its end, if it had not come there.
fn finished(host: &Host) -> Result<()> {
    let status = host.expect(&["status", "--format", "json"], 0)?;
    if status.contains("\"halted\"") || status.contains("\"interrupted\"") {
        host.expect(&["resume"], 0)?;
    }
    Ok(())
}
