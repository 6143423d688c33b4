//! Mistral on PostgreSQL, with what StackStorm's definition says about one that was started too early.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::database::Database;
use super::environments::Releases;
use super::site::Site;
use crate::live::judge;
use crate::live::lab::Lab;

const FIRST: &str = "11.0.0";
const OLD: &str = "15.0.1";
const NEW: &str = "23.0.0";

/// The old ones do not name the newest libraries that they work with; the new one works with these, and with what serves
/// its API. It comes without `setproctitle`: a process that gives itself another name cannot be told by what started it.
pub(super) const RELEASES: [(&str, &[&str]); 3] = [
    (
        OLD,
        &[
            "mistral==15.0.1",
            "SQLAlchemy<2",
            "setuptools<81",
            "psycopg2-binary",
        ],
    ),
    // Its API works with older libraries only, and two of these load what the newer ones do without.
    (
        FIRST,
        &[
            "mistral==11.0.0",
            "oslo.utils<6",
            "oslo.context<4",
            "pytz",
            "netifaces2",
            "tenacity<8",
        ],
    ),
    (
        NEW,
        &[
            "mistral==23.0.0",
            "cheroot",
            "jaraco.functools",
            "more-itertools",
            "cotyledon",
        ],
    ),
];

const DEFINITION: &str = include_str!("mistral/product.toml");

/// The files of StackStorm's definition.
const STACKSTORM: [&str; 4] = [
    include_str!("../../../../catalog/stackstorm/product.toml"),
    include_str!("../../../../catalog/stackstorm/rules.toml"),
    include_str!("../../../../catalog/stackstorm/actions.toml"),
    include_str!("../../../../catalog/stackstorm/advice.toml"),
];

/// What is taken from there: all that a Mistral without StackStorm needs.
const TAKEN: [&str; 8] = [
    "[probe.mistral-schema]",
    "[probe.mistral-early-tables]",
    "[probe.mistral-early-rows]",
    "[[lock]]\nid = \"mistral-worked-too-early\"",
    "[[action]]\nid = \"mistral-recover-already-exists\"",
    "[[action]]\nid = \"mistral-db-upgrade\"",
    "[[action]]\nid = \"mistral-db-populate\"",
    "[[advice]]\nid = \"mistral-tables-exist\"",
];

/// Where a package has it, and where a plain process has it.
const MOVED: [(&str, &str); 5] = [
    ("/opt/stackstorm/mistral/", "{release}/"),
    ("/etc/mistral/mistral.conf", "{MISTRAL_CONFIG}"),
    ("feature = \"mistral_installed\", ", ""),
    ("when = { feature = \"mistral_installed\" }\n", ""),
    ("to = \"<3.3.0\"\n", ""),
];

/// The revision that st2mistral of before 2.2 left, and that knows nothing of the tables of later ones.
const REVISION: &str = "011";

/// A workflow as that revision keeps it.
const WORKFLOW: &str = r#"insert into workflow_definitions_v2
    (id, name, definition, spec, scope, project_id, is_system, created_at) values
    ('kept-1', 'kept', 'kept: a workflow',
     '{"version": "2.0", "name": "kept", "tasks": {"first": {"version": "2.0", "name": "first", "action": "std.noop"}}}',
     'private', '<default-project>', false, now())"#;

/// A workflow as the API takes it.
const POSTED: &str = "version: '2.0'\nkept:\n  tasks:\n    first:\n      action: std.noop\n";

/// From the first release to the second and back, then over it to the last: each brings the schema to its own head, and
/// the workflow that was made through the API of the first is served by all of them.
pub(super) fn through_releases(lab: &Lab, releases: &Releases) -> Result<()> {
    let mut releases = releases.clone();
    releases.sort();
    let site = Site::new(lab, "mistral-releases", &releases)?.with_own_catalog();
    define(&site)?;
    let database = Database::start(&site, lab.free_port()?, "mistral")?;
    let config = configure(&site, &database)?;
    manage(&site, &config, &["upgrade", "head"])?;
    let first = schema(&database)?;
    serve(&site, &config)?;
    let made = site.json("POST", "/v2/workflows", "", POSTED)?;
    ensure!(made["workflows"][0]["name"] == "kept", "it made {made}");
    let kept = workflow(&database)?;
    recognised(&site, &database)?;

    for to in [OLD, NEW] {
        site.upgrade(to)?;
        let revision = schema(&database)?;
        ensure!(revision > first, "{to} is on the schema of {FIRST}");
        is_at(&site, &database, (to, &revision), &kept)?;
        judge::told(&manage(&site, &config, &["current"])?, &["(head)"])?;
        let served = site.json("GET", "/v2/workflows/kept", "", "")?;
        ensure!(served["definition"] == POSTED, "the workflow is {served}");
        site.go_back()?;
        is_at(&site, &database, (FIRST, &first), &kept)?;
        site.healthy("/v2/workflows/kept")?;
    }
    site.remove()
}

/// The documented failure: a server is started before its database is migrated and makes tables of its own, and the
/// migration fails on them. It is told when it happens, the next plan takes these tables away first, and the workflow
/// that was there goes along to the new release and back.
pub(super) fn started_too_early(lab: &Lab, releases: &Releases) -> Result<()> {
    let site = Site::new(lab, "mistral", releases)?.with_own_catalog();
    define(&site)?;
    let database = Database::start(&site, lab.free_port()?, "mistral")?;
    let config = configure(&site, &database)?;
    manage(&site, &config, &["upgrade", REVISION])?;
    database.ask(WORKFLOW)?;
    let kept = workflow(&database)?;
    start(&site, &database, &config)?;
    recognised(&site, &database)?;
    recognised_before(&site)?;

    // Planned while nothing is wrong; then the machine comes up again, and the old schema is met once more.
    clear(&database)?;
    let plan = site.expect(&["plan", "--to", NEW], 0)?.stdout;
    ensure!(
        plan.contains("mistral-db-upgrade") && !plan.contains("mistral-recover"),
        "recovery of what:\n{plan}"
    );
    site.end_what_names(&config);
    start(&site, &database, &config)?;
    let halted = site.expect(&["apply", "--yes"], 4)?;
    judge::told(
        &one_line(&(halted.stdout + &halted.stderr)),
        &[
            "migrate mistral-db-upgrade",
            "Mistral was started before its database was at the new schema",
            "switchback rollback, then plan again",
        ],
    )?;
    site.go_back()?;
    is_at(&site, &database, (OLD, REVISION), &kept)?;

    // A row in one of them is somebody's work, and nobody gives it up in passing.
    database.ask("insert into named_locks (id, name) values ('1', 'held')")?;
    let refused = site.expect(&["plan", "--to", NEW], 3)?;
    judge::told(&refused.stderr, &["named_locks with 1 rows"])?;
    database.ask("delete from named_locks")?;

    recognised_before(&site)?;
    site.expect(&["apply", "--yes"], 3)?;
    site.expect(&["apply", "--yes", "--accept", "mistral-recovery"], 0)?;
    let revision = schema(&database)?;
    ensure!(revision != REVISION, "nothing was migrated");
    is_at(&site, &database, (NEW, &revision), &kept)?;
    let served = site.json("GET", "/v2/workflows/kept", "", "")?;
    ensure!(served["id"] == "kept-1", "the workflow is {served}");
    judge::told(&manage(&site, &config, &["current"])?, &["(head)"])?;

    site.go_back()?;
    is_at(&site, &database, (OLD, REVISION), &kept)?;
    site.remove()
}

/// `switchback init`, and what it cannot see of the database.
fn recognised(site: &Site, database: &Database) -> Result<()> {
    site.expect(&["init", "--product", "mistral"], 0)?;
    let file = site.dir().join("switchback.toml");
    let text = fs::read_to_string(&file)? + &database.configuration(site, "mistral");
    Ok(fs::write(file, text)?)
}

/// A plan says what it will take away, and asks.
fn recognised_before(site: &Site) -> Result<()> {
    let plan = site.expect(&["plan", "--to", NEW], 0)?;
    judge::told(
        &one_line(&(plan.stdout + &plan.stderr)),
        &["mistral-recover-already-exists", "mistral-recovery"],
    )
}

/// As it would be without the breaks of a terminal.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes the definition, with what StackStorm's says.
fn define(site: &Site) -> Result<()> {
    let mut taken = String::new();
    for begin in TAKEN {
        let section = STACKSTORM.iter().find_map(|text| section(text, begin));
        let mut section = section.context(begin)?.to_owned();
        for (packaged, plain) in MOVED {
            section = section.replace(packaged, plain);
        }
        taken.push_str(&section);
    }
    let place = site.catalog().join("mistral");
    fs::create_dir_all(&place)?;
    fs::write(place.join("product.toml"), DEFINITION)?;
    fs::write(place.join("of-stackstorm.toml"), taken)?;
    Ok(())
}

/// The section of a definition that begins so.
fn section<'t>(text: &'t str, begin: &str) -> Option<&'t str> {
    let rest = &text[text.find(&format!("\n{begin}\n"))? + 1..];
    let end = rest[1..].find("\n[").map_or(rest.len(), |end| end + 2);
    Some(&rest[..end])
}

fn configure(site: &Site, database: &Database) -> Result<String> {
    let place = site.dir().join("mistral.conf");
    let text = format!(
        "[DEFAULT]\ntransport_url = fake://\n[database]\nconnection = postgresql+psycopg2://root@127.0.0.1:{}/mistral\n\
         [api]\nhost = 127.0.0.1\nport = {}\napi_workers = 1\n[pecan]\nauth_enable = false\n",
        database.port(),
        site.port()
    );
    fs::write(&place, text)?;
    let place = place.to_string_lossy().into_owned();
    let environment = format!("MISTRAL_CONFIG={place}\n");
    fs::write(site.dir().join("environment"), environment)?;
    Ok(place)
}

fn manage(site: &Site, config: &str, words: &[&str]) -> Result<String> {
    site.program(&site.version()?, "mistral-db-manage")?
        .args(["--config-file", config])
        .args(words)
        .read()
}

/// Starts the server as its operator does.
fn serve(site: &Site, config: &str) -> Result<()> {
    site.start(
        "mistral-server",
        &["--config-file", config, "--server", "api"],
    )?;
    site.healthy("/")
}

/// Starts it on the old schema, as a reboot after the packages would, and waits until it made its tables.
fn start(site: &Site, database: &Database, config: &str) -> Result<()> {
    serve(site, config)?;
    ensure!(early_tables(database)? > 0, "it made no tables");
    Ok(())
}

/// Tables that the old schema does not know.
fn early_tables(database: &Database) -> Result<usize> {
    let question = "select count(*) from pg_tables where schemaname = 'public' and tablename in \
         ('event_triggers_v2', 'action_executions_v2', 'workflow_executions_v2', 'named_locks')";
    Ok(database.ask(question)?.trim().parse()?)
}

/// What the definition's lock says to type.
fn clear(database: &Database) -> Result<()> {
    let lock = STACKSTORM
        .iter()
        .find_map(|text| section(text, "[[lock]]\nid = \"mistral-worked-too-early\""));
    let clear = lock
        .and_then(|lock| lock.split("\nclear = \"").nth(1)?.split('"').next())
        .context("the lock says what clears it")?;
    database.ask(clear)?;
    ensure!(early_tables(database)? == 0, "tables are left");
    Ok(())
}

fn schema(database: &Database) -> Result<String> {
    let revision = database.ask("select version_num from alembic_version")?;
    Ok(revision.trim().to_owned())
}

/// The workflow as the database has it.
fn workflow(database: &Database) -> Result<String> {
    let kept = "select id || ' ' || definition from workflow_definitions_v2 where name = 'kept'";
    let kept = database.ask(kept)?;
    ensure!(!kept.trim().is_empty(), "there is no workflow");
    Ok(kept)
}

/// This release is in use, on this schema, with the workflow of before.
fn is_at(
    site: &Site,
    database: &Database,
    (version, revision): (&str, &str),
    kept: &str,
) -> Result<()> {
    ensure!(site.version()? == version, "{} is in use", site.version()?);
    let found = schema(database)?;
    ensure!(found == revision, "the schema is {found}");
    let found = workflow(database)?;
    ensure!(found == kept, "the workflow is {found}, and was {kept}");
    Ok(())
}

/// Where the laboratory's catalogs are made from, so that a section that moves is missed at once.
#[cfg(test)]
mod tests {
    use super::{STACKSTORM, TAKEN, section};

    #[test]
    fn everything_that_is_taken_is_there() {
        for begin in TAKEN {
            let found = STACKSTORM.iter().find_map(|text| section(text, begin));
            let found = found.expect(begin);
            assert!(
                found.contains("source =") || found.contains("sql ="),
                "{found}"
            );
            assert_eq!(found.matches("\n[").count(), 0, "{found}");
        }
    }
}
