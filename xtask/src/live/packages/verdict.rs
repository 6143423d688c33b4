//! What must be so after an upgrade, and after a way back.

use anyhow::{Result, ensure};

use super::host::Host;

/// Takes back whatever was done.
pub(super) const BACK: [&str; 4] = ["rollback", "--yes", "--accept", "data-loss"];

/// The packages are whole and of this version, the services run it, the data went through these conversions, and
/// nothing that was for the time of the run is left.
pub(super) fn judged(host: &Host, version: &str, conversions: &str) -> Result<()> {
    let installed = host
        .ok("dpkg-query --show --showformat '${Version} ${db:Status-Status}\\n' flow flow-web")?;
    let wanted = format!("{version} installed\n{version} installed");
    ensure!(installed == wanted, "installed is\n{installed}");
    host.ok("test -z \"$(dpkg --audit)\"")?;
    runs(host, version, conversions)
}

/// The services run this version, whoever keeps the record of it, and nothing that was for the time of the run is left.
pub(super) fn runs(host: &Host, version: &str, conversions: &str) -> Result<()> {
    let release = version.split('-').next().unwrap_or(version);
    let answer = host.ok("perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(\"127.0.0.1:9101\") or die; print $s \"GET /health HTTP/1.0\\r\\n\\r\\n\"; print <$s>' | tail -1")?;
    ensure!(answer == release, "the service answers `{answer}`");
    host.ok("systemctl is-active flow-api flow-runner")?;
    let runner = host.ok("journalctl --unit flow-runner --output cat | grep runs | tail -1")?;
    ensure!(
        runner == format!("flow-runner {release} runs"),
        "last runner: {runner}"
    );
    let told = host.ok("cat /var/lib/flow/conversions 2>/dev/null || true")?;
    ensure!(told == conversions, "the data was converted: {told}");
    let left = host.ok(
        "ls -d /etc/systemd/system/flow*.d /srv/flow/.switchback/hold /srv/flow/.switchback/held /srv/flow/.switchback/installing \
         /srv/flow/.switchback/migrations/* /srv/flow/.switchback/installs/* 2>/dev/null || true",
    )?;
    ensure!(left.is_empty(), "this is left: {left}");
    Ok(())
}
