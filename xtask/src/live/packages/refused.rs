//! What is refused before anything stops, with the words that it is refused with.

use anyhow::{Result, ensure};

use super::super::lab::Lab;
use super::super::{Case, judge};
use super::host::Host;

/// One hindrance: what brings it about, what takes it away, what is said.
struct Hindrance {
    target: &'static str,
    begin: &'static str,
    end: &'static str,
    told: &'static [&'static str],
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
        begin: "cp -a /var/lib/apt/lists /srv/lists; \
                sed -i '/^Package: flow$/,/^$/{/^Version: 2.1.0-1$/s/2.1.0/2.1.1/}' /var/lib/apt/lists/*_Packages; \
                rm -f /var/cache/apt/*.bin",
        end: "rm -rf /var/lib/apt/lists; mv /srv/lists /var/lib/apt/lists; rm -f /var/cache/apt/*.bin",
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
];

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("packages_refused", refused)]
}

fn refused(lab: &Lab) -> Result<()> {
    let host = Host::boot(lab, "refused")?;
    let before = host.ok("systemctl show --property MainPID flow-api flow-runner")?;
    for hindrance in HINDRANCES {
        host.ok(hindrance.begin)?;
        let said = host.expect(&["plan", "--to", hindrance.target], 3)?;
        judge::told(&said, hindrance.told)?;
        host.ok(hindrance.end)?;
    }
    // What appears after the plan was made is seen before anything stops.
    host.expect(&["plan", "--to", "2.2.0"], 0)?;
    host.ok("apt-mark hold flow")?;
    let said = host
        .expect(&["apply", "--yes"], 3)
        .or_else(|_| host.expect(&["apply", "--yes"], 4))?;
    judge::told(&said, &["held back: flow"])?;
    host.ok("apt-mark unhold flow")?;
    let after = host.ok("systemctl show --property MainPID flow-api flow-runner")?;
    ensure!(
        before == after,
        "services were restarted:\n{before}\n{after}"
    );
    Ok(())
}
