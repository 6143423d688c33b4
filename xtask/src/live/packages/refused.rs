//! What is refused before anything stops, with the words that it is refused with.

use anyhow::{Result, ensure};

use super::super::lab::Lab;
use super::super::{Case, judge};
use super::host::{self, DIRECTORY, Host};
use super::verdict::{BACK, judged};

/// One hindrance: what brings it about, what takes it away, what is said.
pub(super) struct Hindrance {
    pub(super) target: &'static str,
    pub(super) begin: &'static str,
    pub(super) end: &'static str,
    pub(super) told: &'static [&'static str],
}

const HINDRANCES: &[Hindrance] = &[
    Hindrance {
        target: "2.2.0",
        begin: "apt-mark hold flow-web",
        end: "apt-mark unhold flow-web",
        told: &["refused: held back: flow-web", "apt-mark unhold flow-web"],
    },
    Hindrance {
        target: "2.2.0",
        begin: "systemctl mask flow-web",
        end: "systemctl unmask flow-web",
        told: &["refused: `flow-web.service` is masked", "systemctl unmask"],
    },
    Hindrance {
        target: "2.2.0",
        begin: "cp /srv/keys/InRelease.unknown /srv/repository/InRelease",
        end: "cp /srv/keys/InRelease.present /srv/repository/InRelease",
        told: &[
            "refused: the repository in `/etc/apt/sources.list.d/flow.list`",
            "which is not here",
        ],
    },
    Hindrance {
        target: "2.2.0",
        begin: "cp /srv/keys/InRelease.expired /srv/repository/InRelease; cp /srv/keys/expired.gpg /etc/apt/keyrings/flow.gpg",
        end: "cp /srv/keys/InRelease.present /srv/repository/InRelease; cp /srv/keys/present.gpg /etc/apt/keyrings/flow.gpg",
        told: &["refused: the key", "is over its time", "apt-get update"],
    },
    Hindrance {
        target: "2.2.0",
        begin: "dpkg --unpack /srv/repository/flow-lib_1.0-1_all.deb",
        end: "dpkg --configure --pending; dpkg --purge flow-lib",
        told: &[
            "refused: dpkg has not finished what it began",
            "flow-lib is unpacked",
            "dpkg --configure -a",
        ],
    },
    Hindrance {
        target: "2.2.0",
        begin: "dpkg --unpack /srv/repository/flow-lib_1.0-1_all.deb; \
                sed -i '/^Package: flow-lib$/,/^$/s/ok unpacked/ok half-configured/' /var/lib/dpkg/status",
        end: "dpkg --configure --pending; dpkg --purge flow-lib",
        told: &[
            "refused: dpkg has not finished what it began",
            "flow-lib is half-configured",
        ],
    },
    Hindrance {
        target: "2.2.0",
        begin: "dpkg --unpack /srv/repository/flow-lib_1.0-1_all.deb; \
                sed -i '/^Package: flow-lib$/,/^$/s/ok unpacked/reinstreq half-installed/' /var/lib/dpkg/status",
        end: "dpkg --install /srv/repository/flow-lib_1.0-1_all.deb; dpkg --purge flow-lib",
        told: &[
            "refused: dpkg has not finished what it began",
            "flow-lib is half-installed",
            "apt-get install --reinstall",
        ],
    },
    Hindrance {
        target: "2.2.0",
        begin: "touch /run/flow-slow; dpkg --install /srv/repository/flow-web_2.1.0-1_all.deb > /dev/null 2>&1 & \
                for try in $(seq 100); do test -e /run/flow-waits && break; sleep 0.1; done; test -e /run/flow-waits",
        end: "rm /run/flow-slow; \
              for try in $(seq 100); do dpkg --configure --pending 2> /dev/null && break; sleep 0.1; done; \
              rm /run/flow-waits",
        told: &[
            "refused: `dpkg` (process",
            "changes packages at this moment",
        ],
    },
    Hindrance {
        target: "2.2.0",
        begin: "mv /usr/bin/dpkg-repack /srv; cp -a /var/lib/apt/lists /srv/lists; \
                sed -i '/^Package: flow$/,/^$/{/^Version: 2.1.0-1$/s/2.1.0/2.1.1/}' /var/lib/apt/lists/*_Packages; \
                rm -f /var/cache/apt/*.bin",
        end: "mv /srv/dpkg-repack /usr/bin; rm -rf /var/lib/apt/lists; mv /srv/lists /var/lib/apt/lists; \
              rm -f /var/cache/apt/*.bin",
        told: &[
            "refused: the installed packages are nowhere to be had: flow=2.1.0-1",
            "dpkg-repack",
        ],
    },
    Hindrance {
        target: "4.0.0",
        begin: "true",
        end: "true",
        told: &["refused: more than the product would change: `flow-lib` 1.0-1 would be installed"],
    },
    Hindrance {
        target: "4.0.0",
        begin: "dpkg --install /srv/repository/flow-lib_0.9-1_all.deb",
        end: "true",
        told: &["refused: more than the product would change: `flow-lib` would become 1.0-1"],
    },
    Hindrance {
        target: "4.1.0",
        begin: "true",
        end: "dpkg --purge flow-lib",
        told: &["refused: more than the product would change: `flow-lib` would be removed"],
    },
];

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("packages_refused", refused),
        Case::new("packages_without_systemd", without_systemd),
    ]
}

/// A machine whose services something else runs.
fn without_systemd(lab: &Lab) -> Result<()> {
    let host = Host::asleep(lab, "no-systemd", host::image()?)?;
    judge::told(
        &host.expect(&["init"], 0)?,
        &["systemd does not run the services of this machine"],
    )?;
    judge::told(
        &host.expect(&["plan", "--to", "2.2.0"], 3)?,
        &[
            "refused: systemd does not run the services of this machine",
            "deployment not touched",
            "switchback path flow --from VERSION --to VERSION --driver packages",
        ],
    )
}

fn refused(lab: &Lab) -> Result<()> {
    let host = Host::boot(lab, "refused")?;
    let before = host.ok("systemctl show --property MainPID flow-api flow-runner")?;
    hindered(&host, HINDRANCES)?;
    // What appears after the plan was made is seen before anything stops.
    host.expect(&["plan", "--to", "2.2.0"], 0)?;
    host.ok("apt-mark hold flow")?;
    let said = host
        .expect(&["apply", "--yes"], 3)
        .or_else(|_| host.expect(&["apply", "--yes"], 4))?;
    judge::told(&said, &["held back: flow"])?;
    host.ok("apt-mark unhold flow")?;
    not_fetched(&host)?;
    let after = host.ok("systemctl show --property MainPID flow-api flow-runner")?;
    ensure!(
        before == after,
        "services were restarted:\n{before}\n{after}"
    );
    repacked(&host)
}

pub(super) fn hindered(host: &Host, hindrances: &[Hindrance]) -> Result<()> {
    for hindrance in hindrances {
        host.ok(hindrance.begin)?;
        let said = host.expect(&["plan", "--to", hindrance.target], 3)?;
        judge::told(&said, hindrance.told)?;
        host.ok(hindrance.end)?;
    }
    Ok(())
}

/// The repository is gone, or there is no room for its files: known when they are fetched, before anything stops.
fn not_fetched(host: &Host) -> Result<()> {
    let kept = format!("{DIRECTORY}/.switchback/packages");
    let away = "cd /srv/repository; mkdir /srv/away; mv *.deb InRelease Release /srv/away";
    host.ok(&format!("rm -rf {kept}; {away}"))?;
    let said = host.expect(&["doctor"], 0)?;
    judge::told(
        &said,
        &["the repository in `/etc/apt/sources.list.d/flow.list` was not reached"],
    )?;
    host.expect(&["plan", "--to", "2.2.0"], 0)?;
    let said = host.expect(&["apply", "--yes"], 4)?;
    judge::told(
        &said,
        &[
            "cannot fetch `flow=2.2.0-1`",
            "services not touched",
            "apt-get update",
        ],
    )?;
    host.ok("mv /srv/away/* /srv/repository")?;
    host.ok(&format!("rm -rf {kept}; ln -s /srv/small {kept}"))?;
    let said = host.expect(&["resume"], 4)?;
    judge::told(
        &said,
        &["No space left on device", "flow-api running", "make room"],
    )?;
    host.ok(&format!("rm -rf {kept} /srv/small/*"))?;
    host.expect(&BACK, 0).map(drop)
}

/// No repository has the installed version any more: it is packed again from what is installed, and is the way back.
/// Meanwhile another program has dpkg's lock, and is waited for.
fn repacked(host: &Host) -> Result<()> {
    host.ok("rm -rf .switchback/packages; rm /srv/repository/flow_2.1.0-1_all.deb; \
             sed -i '/^Package: flow$/,/^$/{/^Version: 2.1.0-1$/s/2.1.0/2.1.1/}' /var/lib/apt/lists/*_Packages; \
             rm -f /var/cache/apt/*.bin; echo '# Mine.' >> /etc/flow/flow.conf")?;
    let conffile = host.ok("sha256sum < /etc/flow/flow.conf")?;
    let said = host.expect(&["doctor"], 0)?;
    judge::told(
        &said,
        &["no repository has the installed packages any more: flow=2.1.0-1"],
    )?;
    host.expect(&["plan", "--to", "2.2.0"], 0)?;
    host.ok("cp /usr/bin/perl /usr/local/bin/unattended-upgrade; \
             unattended-upgrade -MFcntl -e 'open my $lock, \"+<\", \"/var/lib/dpkg/lock-frontend\" or die; \
             my $want = pack \"s s x4 q q l x4\", F_WRLCK, 0, 0, 0, 0; fcntl $lock, F_SETLK, $want or die; \
             open my $held, \">\", \"/run/lock-held\"; sleep 600' > /dev/null 2>&1 & echo $! > /run/upgrades.pid")?;
    host.until_exists("/run/lock-held")?;
    host.begin("apply --yes --format json")?;
    host.until("it waits for the lock", |host| {
        let said = host.shell("grep -q 'waiting for unattended-upgr (process' /srv/said")?;
        Ok(said.status.success())
    })?;
    host.ok("kill $(cat /run/upgrades.pid)")?;
    host.until("it has ended", |host| {
        let runs = host.shell("kill -0 $(cat /run/switchback.pid)")?;
        Ok(!runs.status.success())
    })?;
    judged(host, "2.2.0-1", "1 to 2")?;
    host.expect(&BACK, 0)?;
    judged(host, "2.1.0-1", "")?;
    ensure!(
        host.ok("sha256sum < /etc/flow/flow.conf")? == conffile,
        "the conffile is another"
    );
    Ok(())
}
