//! An upgrade that is killed in the middle of rpm's transaction, gone on with and taken back; what is refused before.

use anyhow::{Result, ensure};

use super::super::super::lab::Lab;
use super::super::super::{Case, judge};
use super::super::contract;
use super::super::host::Host;
use super::super::refused::{Hindrance, hindered};
use super::super::verdict::{BACK, runs};
use super::family;

const HINDRANCES: &[Hindrance] = &[
    Hindrance {
        target: "2.2.0",
        begin: "echo 'flow-web-0:2.1.0-1.*' >> /etc/dnf/plugins/versionlock.list",
        end: "sed -i '$d' /etc/dnf/plugins/versionlock.list",
        told: &[
            "refused: held back: flow-web",
            "dnf versionlock delete flow-web",
        ],
    },
    Hindrance {
        target: "2.2.0",
        begin: "echo 'excludepkgs=flow*' >> /etc/yum.repos.d/flow.repo",
        end: "sed -i '$d' /etc/yum.repos.d/flow.repo",
        told: &[
            "refused: held back: flow flow-web",
            "take them out of exclude=",
        ],
    },
    Hindrance {
        target: "2.2.0",
        begin: "cp /srv/keys/repomd.unknown /srv/repository/repodata/repomd.xml.asc; cp /srv/keys/unknown.asc /etc/flow.asc",
        end: "cp /srv/keys/repomd.present /srv/repository/repodata/repomd.xml.asc; cp /srv/keys/present.asc /etc/flow.asc",
        told: &[
            "refused: the repository in `/etc/yum.repos.d/flow.repo` is signed with the key",
            "which is not here",
            "dnf makecache --refresh",
        ],
    },
    Hindrance {
        target: "2.2.0",
        begin: "rpm --install --force /srv/repository/flow-web-2.2.0-1.noarch.rpm",
        end: "rpm --upgrade --oldpackage --replacepkgs /srv/repository/flow-web-2.1.0-1.noarch.rpm",
        told: &[
            "refused: rpm has not finished what it began",
            "flow-web is there twice (2.1.0-1 and 2.2.0-1)",
            "dnf remove --duplicates",
        ],
    },
    Hindrance {
        target: "2.2.0",
        begin: "sleep 600 > /dev/null 2>&1 & echo $! > /var/lib/dnf/rpmdb_lock.pid",
        end: "kill $(cat /var/lib/dnf/rpmdb_lock.pid); rm /var/lib/dnf/rpmdb_lock.pid",
        told: &[
            "refused: `sleep` (process",
            "changes packages at this moment",
        ],
    },
    Hindrance {
        target: "2.2.0",
        begin: "mv /srv/repository/repodata /srv/repodata; cp -a /srv/without /srv/repository/repodata; dnf --quiet makecache --refresh",
        end: "rm -r /srv/repository/repodata; mv /srv/repodata /srv/repository/repodata; dnf --quiet makecache --refresh",
        told: &[
            "refused: the installed packages are nowhere to be had: flow=2.1.0-1",
            "rpmrebuild",
        ],
    },
    Hindrance {
        target: "4.0.0",
        begin: "true",
        end: "true",
        told: &["refused: more than the product would change: `flow-lib` 1.0-1 would be installed"],
    },
    Hindrance {
        target: "4.1.0",
        begin: "dnf --quiet --assumeyes install flow-lib-0.9",
        end: "dnf --quiet --assumeyes remove flow-lib",
        told: &["refused: more than the product would change: `flow-lib` would be removed"],
    },
];

/// Files that tell whether the operator's text and the package's are where they belong.
const CONFFILES: &str = "cd /etc/flow; sha256sum flow.conf limits.conf; ls";

pub(in super::super) fn cases() -> Vec<Case> {
    vec![
        Case::new("packages_rpm_killed_and_taken_back", killed_and_taken_back),
        Case::new("packages_rpm_contract", |lab| {
            contract::passed(&Host::boot_of(lab, "rpm-contract", family::image()?)?)
        }),
    ]
}

fn killed_and_taken_back(lab: &Lab) -> Result<()> {
    let host = Host::boot_of(lab, "rpm", family::image()?)?;
    host.ok("for name in flow limits; do echo '# Mine.' >> /etc/flow/$name.conf; done")?;
    let mine = host.ok(CONFFILES)?;
    let said = host.expect(&["doctor"], 0)?;
    judge::told(
        &said,
        &["`/etc/flow/limits.conf` was edited", "limits.conf.rpmnew"],
    )?;
    hindered(&host, HINDRANCES)?;
    unsigned(&host)?;
    // Killed when the next version is there and the one before is there still.
    host.expect(&["plan", "--to", "2.2.0"], 0)?;
    kill(lab, &host, "/run/flow-slow")?;
    let there = host.ok("rpm --query flow")?;
    ensure!(there.lines().count() == 2, "flow is there once: {there}");
    let said = host.expect(&["resume"], 0)?;
    judge::told(&said, &["/etc/flow/limits.conf", "(.rpmnew)"])?;
    judged(&host, "2.2.0-1", "1 to 2")?;
    let texts =
        host.ok("cd /etc/flow; tail -qn1 *.conf; head -qn1 *.rpmnew; ls *.rpmsave 2>&1 || true")?;
    ensure!(
        texts
            .starts_with("# Mine.\n# Mine.\n# Of Flow 2.2.0.\n# Of Flow 2.2.0.\nls: cannot access"),
        "the conffiles are\n{texts}"
    );
    host.expect(&BACK, 0)?;
    judged(&host, "2.1.0-1", "")?;
    let now = host.ok(CONFFILES)?;
    ensure!(now == mine, "the conffiles were\n{mine}\nand are\n{now}");
    // Killed before rpm has noted anything: its record says that nothing happened.
    host.expect(&["plan", "--to", "2.2.0"], 0)?;
    kill(lab, &host, "/run/flow-slow-pre")?;
    let there = host.ok("rpm --query flow")?;
    ensure!(there == "flow-2.1.0-1.noarch", "installed is {there}");
    lab.count_killed_run();
    host.expect(&BACK, 0)?;
    judged(&host, "2.1.0-1", "")
}

/// A package that is signed with a key that rpm was not given is found when it is fetched: nothing has stopped then.
fn unsigned(host: &Host) -> Result<()> {
    let before = host.ok("systemctl show --property MainPID flow-api flow-runner")?;
    host.expect(&["plan", "--to", "2.2.0"], 0)?;
    host.ok("rpm --erase $(rpm --query gpg-pubkey)")?;
    let said = host.expect(&["apply", "--yes"], 4)?;
    judge::told(&said, &["/etc/yum.repos.d/flow.repo", "which is not here"])?;
    let after = host.ok("systemctl show --property MainPID flow-api flow-runner")?;
    ensure!(
        before == after,
        "services were restarted:\n{before}\n{after}"
    );
    host.ok("rpm --import /etc/flow.asc")?;
    host.expect(&BACK, 0).map(drop)
}

/// Begins an upgrade and kills it and rpm, when a script of a package waits for this file to go.
fn kill(lab: &Lab, host: &Host, waits: &str) -> Result<()> {
    host.ok(&format!("rm -f /run/flow-waits; touch {waits}"))?;
    host.begin("apply --yes")?;
    host.until_exists("/run/flow-waits")?;
    host.kill()?;
    lab.count_kill();
    // By the session that the installation has to itself: a machine that goes down spares none of it either.
    host.ok(&format!(
        "perl -e 'kill KILL => -$ARGV[0]' $(cut -d' ' -f1 /srv/flow/.switchback/installs/apt/pid); rm {waits}"
    ))?;
    Ok(())
}

fn judged(host: &Host, version: &str, conversions: &str) -> Result<()> {
    let installed =
        host.ok("rpm --query --queryformat '%{VERSION}-%{RELEASE}\\n' flow flow-web")?;
    let wanted = format!("{version}\n{version}");
    ensure!(installed == wanted, "installed is\n{installed}");
    runs(host, version, conversions)
}
