//! From 2.10 to 3.4 on one machine, by the definition that switchback brings: with work for people, MongoDB's climb by
//! two rungs among it, killed in the middle of a migration, and all the way back to the server of before.

use anyhow::{Result, ensure};

use super::database::Database;
use super::family::{self, FIRST, LAST};
use super::remote;
use crate::live::Case;
use crate::live::judge;
use crate::live::lab::Lab;
use crate::live::packages::host::Host;
use crate::live::packages::verdict::BACK;
use crate::setup;

/// What has to be done before anything stops, as the plan asks.
const ACCEPTED: &str = "finish-workflows,py3-packs,xenial-python36,mongodb-4.0";

pub(in crate::live::packages) fn cases() -> Vec<Case> {
    vec![
        Case::new("packages_stackstorm", there_and_back),
        Case::new("packages_stackstorm_over_ssh", remote::there_and_back),
    ]
}

fn there_and_back(lab: &Lab) -> Result<()> {
    let environment = match setup::mongodb()? {
        Ok(environment) => environment,
        Err(why) => {
            println!("not tried: packages_stackstorm: {why}");
            return Ok(());
        }
    };
    family::image()?;
    let host = Host::up(lab, "stackstorm", family::IMAGE, &[])?;
    let mut database = Database::start(lab, &host, "st2", environment)?;
    let before = database.sum()?;
    judge::told(
        &host.expect(&["init"], 0)?,
        &["stackstorm", FIRST, "mongodb"],
    )?;
    judge::told(
        &host.expect(&["plan", "--to", LAST], 0)?,
        &[
            "by hand",
            "recreate-virtualenvs-py3",
            "mongodb-3.6",
            "mongodb-4.0",
            "register-all",
            "MongoDB 3.4 by hand",
        ],
    )?;
    // Nobody has said yet that the machine is ready.
    host.expect(&["apply", "--yes"], 3)?;

    host.ok("touch /run/st2-slow")?;
    host.begin(&format!("apply --yes --accept {ACCEPTED}"))?;
    host.until("the run waits for a person", |host| {
        let said = host.shell("grep -q 'waits for a person' /srv/said")?;
        Ok(said.status.success())
    })?;
    host.until("switchback has ended", |host| {
        let lives = host.shell("kill -0 $(cat /run/switchback.pid) 2>/dev/null")?;
        Ok(!lives.status.success())
    })?;
    let state = host.shell("systemctl is-active st2api st2actionrunner")?;
    ensure!(
        !state.stdout.lines().any(|state| state == "active"),
        "it runs while people work:\n{}",
        state.stdout
    );
    host.ok("st2ctl reload --register-recreate-virtualenvs")?;
    ensure!(
        host.ok("cat /opt/stackstorm/virtualenvs/made-by")? == LAST,
        "made by another version"
    );

    climbs(&host, &mut database)?;

    // Killed while content is registered, half of it.
    host.begin("resume")?;
    host.until_exists("/run/st2-waits")?;
    ensure!(host.kill()?, "it had ended by itself");
    lab.count_kill();
    lab.count_killed_run();
    host.ok("rm /run/st2-slow")?;
    host.expect(&["resume"], 0)?;
    is_at(&host, LAST)?;
    ensure!(database.sum()? != before, "nothing was registered");

    // 2.10 needs the server that it had, which a person puts back on an empty directory.
    host.expect(&BACK, 3)?;
    let accepted = [
        "rollback",
        "--yes",
        "--accept",
        "data-loss,mongodb-3.4-again",
    ];
    let back = host.expect(&accepted, 4)?;
    told(
        &back,
        &[
            "recreate-virtualenvs-py3",
            "mongodb-3.4-again",
            "4.0.28, and not 3.4",
            "mongodb-org-server=3.4.24",
        ],
    )?;
    database.begins_anew("3.4.24", "3.4")?;
    host.expect(&["resume"], 0)?;
    is_at(&host, FIRST)?;
    ensure!(database.sum()? == before, "the data is another than before");
    Ok(())
}

/// A person brings the server up, and every time goes on too early at first.
fn climbs(host: &Host, database: &mut Database) -> Result<()> {
    let goes_on = |words: &[&str]| told(&host.expect(&["resume"], 4)?, words);
    let done = ["resume", "--done", "recreate-virtualenvs-py3"];
    told(
        &host.expect(&done, 4)?,
        &[
            "mongodb-3.6",
            "3.4.24, and not 3.6 or 4.0",
            "mongodb-org/3.6 multiverse",
        ],
    )?;
    database.stop();
    goes_on(&["mongodb-3.6", "27017"])?;
    database.becomes("3.6.23", "3.4")?;
    goes_on(&["3.6.23 with featureCompatibilityVersion 3.4, and not 3.6 or 4.0"])?;
    database.becomes("3.6.23", "3.6")?;
    goes_on(&["mongodb-4.0", "3.6.23, and not 4.0"])?;
    database.becomes("4.0.28", "4.0")
}

/// As [`judge::told`], wherever lines were broken.
pub(super) fn told(text: &str, words: &[&str]) -> Result<()> {
    let words_of_it: Vec<&str> = text.split_whitespace().collect();
    judge::told(&words_of_it.join(" "), words)
}

/// This version is installed and runs.
pub(super) fn is_at(host: &Host, version: &str) -> Result<()> {
    let installed =
        host.ok("dpkg-query --show --showformat '${Version} ${db:Status-Status}' st2")?;
    ensure!(
        installed == format!("{version}-1 installed"),
        "installed is {installed}"
    );
    host.ok("systemctl is-active st2api st2actionrunner st2scheduler")?;
    let said = host.ok("journalctl --unit st2api --output cat | grep runs | tail -1")?;
    ensure!(said == format!("st2api {version} runs"), "last API: {said}");
    let gone = host.shell("systemctl is-active st2resultstracker")?.stdout;
    let wanted = if version == LAST {
        "inactive"
    } else {
        "active"
    };
    ensure!(gone.trim() == wanted, "st2resultstracker is {gone}");
    Ok(())
}
