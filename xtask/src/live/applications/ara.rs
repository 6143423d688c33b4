//! ARA Records Ansible, a Django application on SQLite: its files are the datastore.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::environments::Releases;
use super::site::Site;
use crate::live::judge;
use crate::live::lab::Lab;

const OLD: &str = "1.6.1";
const NEW: &str = "1.8.0";

/// 1.6.1 does not name the newest library that it works with: later ones refuse how it writes its settings.
pub(super) const RELEASES: [(&str, &[&str]); 2] = [
    (OLD, &["ara[server]==1.6.1", "ruamel.yaml<0.18"]),
    (NEW, &["ara[server]==1.8.0"]),
];

const PLAYBOOKS: &str = "/api/v1/playbooks";

/// Every row of the database as SQL. The health check writes a row and removes it, which only the counters keep.
const DUMP: &str = "import sqlite3, sys\n\
    for line in sqlite3.connect(sys.argv[1]).iterdump():\n    \
        if 'sqlite_sequence' not in line: print(line)";

pub(super) fn there_and_back(lab: &Lab, releases: &Releases) -> Result<()> {
    let site = Site::new(lab, "ara", releases)?;
    let listen = format!("127.0.0.1:{}", site.port());
    fs::write(
        site.dir().join("environment"),
        format!(
            "ARA_BASE_DIR={}\nARA_LISTEN={listen}\nARA_TIME_ZONE=UTC\nARA_SECRET_KEY=for-the-laboratory-alone\n",
            site.dir().join("data").display()
        ),
    )?;
    site.program(OLD, "ara-manage")?.arg("migrate").quiet()?;
    site.start(
        "ara-manage",
        &["runserver", "--noreload", "--insecure", &listen],
    )?;
    site.healthy("/healthcheck/")?;
    for number in 0..12 {
        ensure!(record(&site, &format!("play {number}"))? == OLD);
    }
    let (told, kept) = (playbooks(&site)?, dump(&site)?);

    let seen = site.expect(&["init"], 0)?;
    judge::told(&seen.stdout, &["ara:1.6.1", "records"])?;
    let file = site.dir().join("switchback.toml");
    let text = fs::read_to_string(&file)? + &format!("\n[verify]\nurl = \"http://{listen}\"\n");
    fs::write(file, text)?;
    let plan = site.upgrade(NEW)?;
    judge::told(
        &plan,
        &[
            "migrate (1.8.0), for 1.7.4 1.7.5 1.8.0",
            "instant: shadow records",
        ],
    )?;
    ensure!(
        playbooks(&site)? == told,
        "the new release tells something else"
    );
    ensure!(dump(&site)? != kept, "nothing was migrated");
    ensure!(record(&site, "after the upgrade")? == NEW);

    site.go_back()?;
    ensure!(site.version()? == OLD);
    ensure!(
        playbooks(&site)? == told,
        "the old release tells something else than before"
    );
    ensure!(dump(&site)? == kept, "the database is not what it was");
    ensure!(record(&site, "after the way back")? == OLD);
    site.remove()
}

/// Records a playbook; the version that did.
fn record(site: &Site, name: &str) -> Result<String> {
    let body = json!({
        "name": name, "path": "/site.yml", "ansible_version": "2.15", "status": "completed",
        "started": "2026-01-01T00:00:00Z", "ended": "2026-01-01T00:00:09Z", "labels": ["laboratory"],
    });
    let made = site.json("POST", PLAYBOOKS, "", &body.to_string())?;
    Ok(made["server_version"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

fn playbooks(site: &Site) -> Result<Value> {
    let found = site.json("GET", &format!("{PLAYBOOKS}?order=id"), "", "")?;
    Ok(found["results"].clone())
}

fn dump(site: &Site) -> Result<String> {
    site.program(OLD, "python")?
        .args(["-c", DUMP])
        .arg(site.dir().join("data/ansible.sqlite"))
        .read()
}
