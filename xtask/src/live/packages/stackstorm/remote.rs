//! The same from outside, by SSH, with its database: which is asked through the connection, and is cut off in the middle
//! of a dump, of a migration and of a restore. The product names a member that only leads to the primary.

use anyhow::{Context as _, Result, ensure};

use super::case::{is_at, told};
use super::database::Database;
use super::family::{self, FIRST, MIDDLE};
use crate::live::judge;
use crate::live::lab::Lab;
use crate::live::packages::host::Host;
use crate::live::packages::operator::{INIT, Operator, THERE};
use crate::setup;

/// What is said where the way to the database was cut off.
const LOST: [&str; 3] = [
    "the connection to the server of `mongodb` at 127.0.0.1:27017 was lost",
    "its server is on `machine`",
    "switchback resume",
];
/// Where the member is that is not the primary.
const SECONDARY: &str = "27018";

pub(super) fn there_and_back(lab: &Lab) -> Result<()> {
    let environment = match setup::mongodb()? {
        Ok(environment) => environment,
        Err(why) => {
            println!("not tried: packages_stackstorm_over_ssh: {why}");
            return Ok(());
        }
    };
    family::image()?;
    let host = Host::boot_to_be_reached(lab, "stackstorm-ssh", family::IMAGE, &[])?;
    let mut database = Database::start(lab, &host, "st2-ssh", environment)?;
    database.has_a_secondary(SECONDARY)?;
    let operator = Operator::new(lab, &host, "st2-over-ssh", None)?;
    operator.trust_the_machine()?;
    operator.may_be_root()?;
    let before = database.sum()?;
    recognised(&operator)?;
    up(&operator, &database, lab)?;
    ensure!(database.sum()? != before, "nothing was registered");
    back(&operator, &database, lab)?;
    ensure!(database.sum()? == before, "the data is another than before");
    let left = host.ok(&format!(
        "ls -d {THERE}/.switchback/hold {THERE}/.switchback/migrations/* /var/lib/switchback/claims/* 2> /dev/null || true"
    ))?;
    ensure!(left.is_empty(), "this is left over there: {left}");
    Ok(())
}

fn recognised(operator: &Operator<'_>) -> Result<()> {
    judge::told(
        &operator.expect(&INIT, 0)?,
        &["stackstorm", FIRST, "mongodb"],
    )?;
    operator.configure(&format!(
        "\n[datastores.mongodb]\naddress = \"127.0.0.1:{SECONDARY}\"\n"
    ))?;
    told(
        &operator.expect(&["plan", "--to", MIDDLE], 0)?,
        &[
            "mongodb",
            "dump",
            "in the layout of `mongodump`",
            "configuration of the replica set `secantus`",
        ],
    )
}

/// The connection is lost in the middle of the dump, then in the middle of a migration, which goes on by itself.
fn up(operator: &Operator<'_>, database: &Database, lab: &Lab) -> Result<()> {
    // What has to be done before anything stops, as the plan asks.
    let words = ["apply", "--yes", "--accept", "finish-workflows"];
    cut_off(operator, database, lab, "find", &words)?;
    let child = operator.begin_until_it_waits("st2", &["resume"])?;
    operator.cut()?;
    lab.count_kill();
    operator.go_on("st2")?;
    operator.ends(child, 0)?;
    is_at(operator.host, MIDDLE)
}

/// And in the middle of the restore: what is there stays as it is until the copy beside it is whole.
fn back(operator: &Operator<'_>, database: &Database, lab: &Lab) -> Result<()> {
    let words = ["rollback", "--yes", "--accept", "data-loss"];
    cut_off(operator, database, lab, "insert", &words)?;
    operator.expect(&["resume"], 0)?;
    is_at(operator.host, FIRST)
}

/// The connection is lost while the database is asked for `command`: the run halts and tells of it, and the data is as
/// it was.
fn cut_off(
    operator: &Operator<'_>,
    database: &Database,
    lab: &Lab,
    command: &str,
    words: &[&str],
) -> Result<()> {
    let before = database.sum()?;
    database.slows_down(command)?;
    let child = operator.begin("mongodb", words)?;
    database
        .until_it_is_waited_for()
        .with_context(|| operator.said())?;
    operator.cut()?;
    lab.count_kill();
    told(&operator.ends(child, 4)?, &LOST)?;
    lab.count_killed_run();
    database.goes_on()?;
    ensure!(
        database.sum()? == before,
        "the data is another after a lost connection"
    );
    Ok(())
}
