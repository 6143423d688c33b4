//! The package `st2` in three versions, on a machine that says it is Ubuntu 16.04.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use super::super::repository::{self, Deb};
use crate::images;

/// The image with the first version installed.
pub(super) const IMAGE: &str = "switchback-xtask/st2:1";

pub(super) const FIRST: &str = "2.10.4";
pub(super) const MIDDLE: &str = "3.2.0";
pub(super) const LAST: &str = "3.4.1";
const VERSIONS: [&str; 3] = [FIRST, MIDDLE, LAST];

const SERVICE: &str = include_str!("programs/service.pl");
const CONTROL: &str = include_str!("programs/st2ctl.pl");
const POSTINST: &str = include_str!("programs/postinst.sh");

/// Services of every version, as `st2ctl` walks them.
const UNITS: [&str; 11] = [
    "st2actionrunner",
    "st2api",
    "st2stream",
    "st2auth",
    "st2garbagecollector",
    "st2notifier",
    "st2rulesengine",
    "st2sensorcontainer",
    "st2timersengine",
    "st2workflowengine",
    "st2scheduler",
];
/// A service that the last version no longer has.
const GONE: &str = "st2resultstracker";

/// The definition speaks of distributions that have the product's packages; the machine is a Debian otherwise. Its
/// catalog is empty: switchback brings the definition.
const DOCKERFILE: &str = "\
FROM switchback-xtask/host:1
COPY repository /srv/repository
COPY present.gpg /etc/apt/keyrings/st2.gpg
RUN mkdir -p /srv/flow /srv/catalog && rm /etc/os-release \
 && printf 'NAME=\"Ubuntu\"\\nID=ubuntu\\nID_LIKE=debian\\nVERSION_ID=\"16.04\"\\nVERSION_CODENAME=xenial\\n' > /etc/os-release \
 && echo 'deb [signed-by=/etc/apt/keyrings/st2.gpg] file:/srv/repository ./' > /etc/apt/sources.list.d/st2.list \
 && apt-get update && apt-get install --yes st2=2.10.4-1
ENV SWITCHBACK_STATE=/srv/state NO_COLOR=1
";

/// The image is made once for all that begin at the same time.
static MADE: Mutex<bool> = Mutex::new(false);

/// Makes the image unless it is there.
pub(super) fn image() -> Result<()> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if *made {
        return Ok(());
    }
    let inputs = [
        SERVICE,
        CONTROL,
        POSTINST,
        DOCKERFILE,
        include_str!("family.rs"),
        repository::INPUT,
    ];
    images::on_host(IMAGE, &inputs, |context: &Path| {
        repository::make(context, VERSIONS.into_iter().map(package))?;
        Ok(fs::write(context.join("Dockerfile"), DOCKERFILE)?)
    })?;
    *made = true;
    Ok(())
}

fn package(version: &'static str) -> Deb {
    let gone = (version != LAST).then_some(GONE);
    let units: Vec<&str> = UNITS.into_iter().chain(gone).collect();
    let filled = |text: &str, name: &str| {
        text.replace("@VERSION@", version)
            .replace("@NAME@", name)
            .replace("@UNITS@", &units.join(" "))
    };
    let mut files = vec![
        ("usr/bin/st2ctl".to_owned(), filled(CONTROL, ""), 0o755),
        (
            "etc/st2/st2.conf".to_owned(),
            format!("# Of {version}.\n[database]\nhost = 127.0.0.1\nport = 27017\ndb_name = st2\n"),
            0o640,
        ),
    ];
    for unit in &units {
        let program = format!("/opt/stackstorm/st2/bin/{unit}");
        files.push((program[1..].to_owned(), filled(SERVICE, unit), 0o755));
        let text = format!(
            "[Unit]\nDescription={unit}\n\n[Service]\nExecStart={program}\n\n[Install]\nWantedBy=multi-user.target\n"
        );
        files.push((format!("lib/systemd/system/{unit}.service"), text, 0o644));
    }
    Deb {
        name: "st2",
        version,
        relation: String::new(),
        script: Some(filled(POSTINST, "")),
        files,
    }
}
