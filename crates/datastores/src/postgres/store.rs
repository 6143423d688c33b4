//! The datastore port for a PostgreSQL database.

use std::collections::BTreeMap;
use std::fs::{self, File};

use serde::Deserialize;
use switchback_engine::ports::{Context, Datastore, Failure, Finding, Reach};
use switchback_engine::process::{CommandError, Input, Output, Secret};
use switchback_model::contents::{Contents, Difference};
use switchback_model::event::Outcome;
use switchback_model::observed::DatastoreLocation;
use switchback_model::plan::{BackupState, Expectation};
use switchback_model::product::DatastoreKind;
use switchback_model::{DatastoreName, RunId};

use super::commands::{Connection, literal};
use super::databases::{self, Names};
use super::{contents, trouble};
use crate::backup::{Backup, Manifest, require_space};
use crate::open::Opened;
use crate::survey::Survey;

/// The complete dump.
const DUMP: &str = "dump.pgc";
/// A dump that is being written; what a crash leaves is removed.
const PARTIAL: &str = "dump.partial";
/// Facts of a manifest: how to create a database like the original, and its settings and rights.
const OPTIONS: &str = "create-options";
const STATEMENTS: &str = "create-statements";
/// Every PostgreSQL cluster has it; nobody's data live there.
const MAINTENANCE: &str = "postgres";

/// A PostgreSQL database and the way to its server.
pub struct Postgres {
    name: DatastoreName,
    database: String,
    connection: Connection,
    reach: Box<dyn Reach>,
}

impl Postgres {
    /// A database at its location.
    pub fn new(
        name: &DatastoreName,
        location: &DatastoreLocation,
        reach: Box<dyn Reach>,
        password: Option<Secret>,
    ) -> Self {
        let connection = Connection {
            host: location.host.clone(),
            port: location.port,
            user: location.user.clone(),
            password,
        };
        let database = location
            .database
            .clone()
            .unwrap_or_else(|| MAINTENANCE.to_owned());
        Self {
            name: name.clone(),
            database,
            connection,
            reach,
        }
    }

    fn backup(&self, cx: &Context<'_>, run: &RunId) -> Backup {
        Backup::of(cx, run, &self.name, DatastoreKind::Postgres)
    }

    fn names(&self, cx: &Context<'_>) -> Names {
        Names::new(cx.run, &self.database)
    }

    /// Runs a script and returns what it printed.
    fn sql(
        &self,
        cx: &Context<'_>,
        database: &str,
        doing: &str,
        script: &str,
    ) -> Result<String, Failure> {
        let argv = self
            .reach
            .inside(self.connection.psql(database, &application(cx)))?;
        cx.commands
            .run(&argv, Input::Bytes(script.as_bytes()), Output::Capture)
            .map(|finished| finished.stdout.trim_end().to_owned())
            .map_err(|error| trouble::explained(error, doing, database))
    }

    fn engine(&self, cx: &Context<'_>) -> Result<String, Failure> {
        let version = self.sql(cx, &self.database, "reach", "SHOW server_version;")?;
        Ok(version
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned())
    }

    fn contents_of(&self, cx: &Context<'_>, database: &str) -> Result<Contents, Failure> {
        let argv = self
            .reach
            .inside(self.connection.psql(database, &application(cx)))?;
        let (mut collections, mut printed) = (0, String::new());
        let mut listen = |line: &str| {
            if let Some(name) = contents::name_in(line) {
                collections += 1;
                cx.progress.report(
                    &format!("counting {name}"),
                    Some(collections),
                    None,
                    Some("tables"),
                );
            }
            // Collected here, not from the runner: a database of many tables prints more than it keeps.
            printed.push_str(line);
            printed.push('\n');
        };
        cx.progress.report("counting tables", None, None, None);
        cx.commands
            .run(
                &argv,
                Input::Bytes(contents::SCRIPT.as_bytes()),
                Output::Lines(&mut listen),
            )
            .map_err(|error| trouble::explained(error, "count", database))?;
        contents::parse(&printed).map_err(|error| {
            Failure::new(
                "postgres-failed",
                format!("cannot read the counts of `{database}`"),
            )
            .cause(error)
        })
    }

    /// Sessions that could write: who, from where, since when.
    fn writers(&self, cx: &Context<'_>) -> Result<Vec<String>, Failure> {
        let script = format!(
            "SELECT format('%s as %s from %s since %s (%s)', coalesce(nullif(application_name, ''), 'a session'), \
             usename, coalesce(client_addr::text, 'local'), to_char(backend_start, 'HH24:MI:SS'), state) \
             FROM pg_stat_activity WHERE datname = {} AND backend_type = 'client backend' \
             AND pid <> pg_backend_pid() AND application_name <> {} ORDER BY backend_start;",
            literal(&self.database),
            literal(&application(cx)),
        );
        let found = self.sql(cx, MAINTENANCE, "ask who is connected to", &script)?;
        Ok(found.lines().map(str::to_owned).collect())
    }

    fn refuse_writers(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let writers = self.writers(cx)?;
        if writers.is_empty() {
            return Ok(());
        }
        let failure = Failure::new(
            "writers-connected",
            format!(
                "database `{}` still has sessions that could write",
                self.database
            ),
        );
        Ok(writers
            .into_iter()
            .fold(failure, Failure::cause)
            .hint("end those programs, then resume"))
        .and_then(Err)
    }

    fn existing(&self, cx: &Context<'_>, prefix: &str) -> Result<Vec<String>, Failure> {
        let script = format!(
            "SELECT datname FROM pg_database WHERE starts_with(datname, {}) ORDER BY datname;",
            literal(prefix)
        );
        let found = self.sql(cx, MAINTENANCE, "list databases beside", &script)?;
        Ok(found.lines().map(str::to_owned).collect())
    }

    fn exists(&self, cx: &Context<'_>, name: &str) -> Result<bool, Failure> {
        Ok(self.existing(cx, name)?.iter().any(|found| found == name))
    }

    /// Creates `target` like the original was, fills it from the dump, and compares it with the manifest.
    fn fill(&self, cx: &Context<'_>, backup: &Backup, target: &str) -> Result<Contents, Failure> {
        let manifest = backup.sealed()?;
        let fact = |name: &str| manifest.facts.get(name).cloned().unwrap_or_default();
        let timescale = manifest
            .contents
            .collections
            .contains_key("extension timescaledb");
        self.sql(
            cx,
            MAINTENANCE,
            "make room beside",
            &databases::drop(target),
        )?;
        self.sql(
            cx,
            MAINTENANCE,
            "create a copy of",
            &databases::create(target, &fact(OPTIONS)),
        )?;
        if timescale {
            let script =
                "CREATE EXTENSION IF NOT EXISTS timescaledb; SELECT timescaledb_pre_restore();";
            self.sql(cx, target, "prepare TimescaleDB in", script)?;
        }
        cx.progress
            .report("restoring the dump", None, Some(manifest.bytes), Some("B"));
        let dump = File::open(backup.path(DUMP)).map_err(|error| backup.io("read", &error))?;
        let argv = self
            .reach
            .inside(self.connection.restore(target, &application(cx)))?;
        cx.commands
            .run(&argv, Input::File(dump), Output::Capture)
            .map_err(|error| trouble::explained(error, "restore into", target))?;
        if timescale {
            self.sql(
                cx,
                target,
                "finish TimescaleDB in",
                "SELECT timescaledb_post_restore();",
            )?;
        }
        self.sql(
            cx,
            MAINTENANCE,
            "set rights of",
            &databases::likeness(target, &fact(STATEMENTS)),
        )?;
        let restored = self.contents_of(cx, target)?;
        let differences = manifest.contents.differences(&restored);
        if differences.is_empty() {
            return Ok(restored);
        }
        self.sql(
            cx,
            MAINTENANCE,
            "remove the copy beside",
            &databases::drop(target),
        )?;
        Err(differs(&self.database, &differences))
    }

    fn sealed_manifest(&self, cx: &Context<'_>, run: &RunId) -> Result<Manifest, Failure> {
        self.backup(cx, run).sealed()
    }

    /// How to create a database like this one, and what to set on it afterwards.
    fn likeness(&self, cx: &Context<'_>) -> Result<BTreeMap<String, String>, Failure> {
        #[derive(Deserialize)]
        struct Likeness {
            options: String,
            statements: String,
        }
        let printed = self.sql(
            cx,
            &self.database,
            "read the settings of",
            databases::LIKENESS,
        )?;
        let likeness: Likeness = serde_json::from_str(&printed).map_err(|error| {
            Failure::new(
                "postgres-failed",
                format!("cannot read the settings of `{}`", self.database),
            )
            .cause(error)
        })?;
        Ok(BTreeMap::from([
            (OPTIONS.to_owned(), likeness.options),
            (STATEMENTS.to_owned(), likeness.statements),
        ]))
    }

    /// Whether the role may make databases beside the original, without which nothing can be proven.
    fn require_rights(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let script = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user;";
        if self.sql(cx, &self.database, "reach", script)? == "t" {
            return Ok(());
        }
        Err(Failure::new(
            "postgres-rights",
            format!(
                "the role used for `{}` may not create databases",
                self.database
            ),
        )
        .cause("a backup is proven and restored in a database beside the original")
        .hint("as a superuser: ALTER ROLE … CREATEDB, or name another role under [datastores]"))
    }

    fn look_at(&self, cx: &Context<'_>, expectation: &Expectation) -> Result<Finding, Failure> {
        let differs = |found: String| Ok(Finding::Differs { found });
        match expectation {
            Expectation::Reachable { .. } => match self.engine(cx) {
                Ok(_) => Ok(Finding::Holds),
                Err(failure) => differs(failure.what),
            },
            Expectation::Engine { version, .. } => {
                let found = self.engine(cx)?;
                if major(&found) == major(version) {
                    Ok(Finding::Holds)
                } else {
                    differs(format!("PostgreSQL {found}"))
                }
            }
            Expectation::NoWriters { .. } => {
                if !self.reach.running(cx)? {
                    return Ok(Finding::Holds);
                }
                let writers = self.writers(cx)?;
                if writers.is_empty() {
                    Ok(Finding::Holds)
                } else {
                    differs(writers.join(", "))
                }
            }
            Expectation::Backup { state, run, .. } => {
                let backup = self.backup(cx, run.as_ref().unwrap_or(cx.run));
                match backup.manifest()? {
                    Some(manifest) if manifest.state < *state => {
                        differs(format!("{:?}", manifest.state).to_lowercase())
                    }
                    Some(manifest)
                        if manifest.state >= BackupState::Sealed && !backup.path(DUMP).exists() =>
                    {
                        differs("the dump is gone".to_owned())
                    }
                    Some(_) => Ok(Finding::Holds),
                    None => differs("no backup".to_owned()),
                }
            }
            Expectation::Restored { run, .. } => {
                let manifest = self.sealed_manifest(cx, run)?;
                if !self.exists(cx, &self.database)? {
                    return differs(format!("no database `{}`", self.database));
                }
                let differences = manifest
                    .contents
                    .differences(&self.contents_of(cx, &self.database)?);
                if differences.is_empty() {
                    Ok(Finding::Holds)
                } else {
                    differs(told(&differences))
                }
            }
            Expectation::Released { .. } => {
                let left = self.existing(cx, &self.names(cx).old_prefix())?;
                if left.is_empty() {
                    Ok(Finding::Holds)
                } else {
                    differs(left.join(", "))
                }
            }
            _ => Ok(Finding::Unknown {
                why: "a PostgreSQL datastore cannot tell".to_owned(),
            }),
        }
    }
}

impl Datastore for Postgres {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        self.look_at(cx, expectation).unwrap_or_else(|failure| {
            let causes: Vec<String> = failure.causes.into_iter().take(2).collect();
            Finding::Unknown {
                why: format!("{} ({})", failure.what, causes.join(": ")),
            }
        })
    }

    fn contents(&self, cx: &Context<'_>) -> Result<Contents, Failure> {
        self.contents_of(cx, &self.database)
    }

    fn sealed_contents(&self, cx: &Context<'_>, run: &RunId) -> Result<Contents, Failure> {
        self.sealed_manifest(cx, run)
            .map(|manifest| manifest.contents)
    }

    fn prepare(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let engine = self.engine(cx)?;
        self.require_rights(cx)?;
        self.backup(cx, cx.run).prepare(Some(engine.clone()))?;
        Ok(outcome(format!(
            "PostgreSQL {engine}, role may dump and restore"
        )))
    }

    fn seal(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        self.refuse_writers(cx)?;
        let engine = self.engine(cx)?;
        let size = self.survey(cx)?.size.unwrap_or(0);
        require_space(
            backup.directory(),
            size,
            &format!("the dump of `{}`", self.database),
        )?;
        let held = self.contents_of(cx, &self.database)?;
        let likeness = self.likeness(cx)?;

        let partial = backup.path(PARTIAL);
        let file = File::create(&partial).map_err(|error| backup.io("write", &error))?;
        cx.progress.report("dumping", None, Some(size), Some("B"));
        let argv = self
            .reach
            .inside(self.connection.dump(&self.database, &application(cx)))?;
        let dumped = cx.commands.run(&argv, Input::Empty, Output::File(file));
        if let Err(error) = dumped {
            let _ = fs::remove_file(&partial);
            return Err(self.dump_failed(&backup, error, size));
        }
        // A writer that came and went would show as a difference when proving; one that stays is named here.
        self.refuse_writers(cx)?;
        fs::rename(&partial, backup.path(DUMP)).map_err(|error| backup.io("complete", &error))?;
        let manifest = backup.seal(Some(engine), held, likeness)?;
        Ok(Outcome {
            summary: format!("{} rows", manifest.contents.total()),
            facts: BTreeMap::from([("backup-bytes".to_owned(), manifest.bytes.to_string())]),
            ..Outcome::default()
        })
    }

    fn prove(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        backup.verify_files(cx)?;
        let scratch = self.names(cx).scratch();
        let restored = self.fill(cx, &backup, &scratch)?;
        self.sql(
            cx,
            MAINTENANCE,
            "remove the copy beside",
            &databases::drop(&scratch),
        )?;
        backup.proven()?;
        let tables = restored
            .collections
            .keys()
            .filter(|name| !name.contains(' '))
            .count();
        Ok(outcome(format!(
            "{} rows in {tables} tables restored and equal",
            restored.total()
        )))
    }

    fn restore(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, run);
        backup.verify_files(cx)?;
        let names = self.names(cx);
        let new = names.new_one();
        let restored = self.fill(cx, &backup, &new)?;
        let taken = self.existing(cx, &names.old_prefix())?.len();
        let old = format!("{}{}", names.old_prefix(), taken + 1);
        let current = self
            .exists(cx, &self.database)?
            .then_some(self.database.as_str());
        let script = databases::switch(current, &old, &new, &self.database);
        self.sql(cx, MAINTENANCE, "switch to the restored copy of", &script)?;
        Ok(outcome(format!(
            "{} rows restored and equal to the backup",
            restored.total()
        )))
    }

    fn release(&self, cx: &Context<'_>, _run: &RunId) -> Result<Outcome, Failure> {
        let left = self.existing(cx, &self.names(cx).old_prefix())?;
        for name in &left {
            self.sql(
                cx,
                MAINTENANCE,
                "remove what was replaced beside",
                &databases::drop(name),
            )?;
        }
        Ok(outcome(match left.len() {
            0 => "nothing was left".to_owned(),
            count => format!("{count} replaced database removed"),
        }))
    }

    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let _ = fs::remove_file(self.backup(cx, cx.run).path(PARTIAL));
        if !self.reach.running(cx)? {
            return Ok(());
        }
        let names = self.names(cx);
        let script = databases::end_application(&application(cx))
            + &databases::drop(&names.scratch())
            + &databases::drop(&names.new_one());
        self.sql(cx, MAINTENANCE, "clean up beside", &script)
            .map(drop)
    }
}

impl Opened for Postgres {
    fn survey(&self, cx: &Context<'_>) -> Result<Survey, Failure> {
        let script = "SELECT pg_database_size(current_database()), \
             (SELECT coalesce(sum(greatest(n_live_tup, 0)), 0) FROM pg_stat_user_tables), current_setting('server_version');";
        let printed = self.sql(cx, &self.database, "reach", script)?;
        let mut fields = printed.split('|');
        let mut number = || fields.next().and_then(|field| field.parse().ok());
        let (size, count) = (number(), number());
        let engine = fields
            .next()
            .and_then(|version| version.split_whitespace().next())
            .map(str::to_owned);
        Ok(Survey {
            engine,
            size,
            count,
        })
    }
}

impl Postgres {
    /// A dump that failed because the backup's own disk is full says so; the tool only sees a broken pipe.
    fn dump_failed(&self, backup: &Backup, error: CommandError, size: u64) -> Failure {
        let failure = trouble::explained(error, "dump", &self.database);
        match require_space(backup.directory(), size / 20, "the dump") {
            Err(full) if failure.code == "postgres-failed" => Failure {
                output: failure.output,
                ..full.cause(failure.what)
            },
            _ => failure,
        }
    }
}

/// How our sessions are known to the server, so that recovery finds those of a dead process.
fn application(cx: &Context<'_>) -> String {
    format!("switchback {}", cx.run)
}

/// `15` of `15.6`: dumps and data directories are compatible within it.
fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

fn outcome(summary: String) -> Outcome {
    Outcome {
        summary,
        ..Outcome::default()
    }
}

fn differs(database: &str, differences: &[Difference]) -> Failure {
    Failure::new(
        "backup-differs",
        format!("the restored copy of `{database}` is not what the original held"),
    )
    .cause(told(differences))
    .hint("something wrote while the backup was made: find it in the cause, stop it, then resume")
}

/// The first few differences, for people.
fn told(differences: &[Difference]) -> String {
    let count = |side: &Option<switchback_model::contents::Collection>| {
        side.as_ref()
            .map_or_else(|| "none".to_owned(), |found| found.count.to_string())
    };
    let mut told: Vec<String> = differences
        .iter()
        .take(3)
        .map(|difference| {
            let (before, after) = (count(&difference.before), count(&difference.after));
            if before == after {
                format!("{}: other content", difference.collection)
            } else {
                format!(
                    "{}: {before} in the backup, {after} found",
                    difference.collection
                )
            }
        })
        .collect();
    if differences.len() > 3 {
        told.push(format!("and {} more", differences.len() - 3));
    }
    told.join("; ")
}
