//! Keeping a database: prepare, seal, prove.

use std::fs::{self, File};
use std::io::Seek as _;
use std::thread;
use std::time::Duration;

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_engine::process::{CommandError, Finished, Input, Output};
use switchback_model::amount;

use switchback_model::RunId;
use switchback_model::event::Outcome;
use switchback_model::plan::BackupState;
use switchback_model::product::DatastoreKind;

use super::commands::Compression;
use super::names;
use super::properties::Properties;
use super::server::Server;
use super::sql;
use crate::backup::{Backup, Manifest, Seal};
use crate::disk;
use crate::said::{already, connected, differs, summary};

/// The dump in a backup's directory.
const DUMP: &str = "database.dump";
/// The same while it is written.
const UNFINISHED: &str = "database.dump.part";
/// Key of the manifest's facts under which the database's properties are kept.
const PROPERTIES: &str = "properties";
/// How often a running restore is looked at.
const LOOK: Duration = Duration::from_millis(500);

#[derive(serde::Deserialize)]
struct Timescale {
    version: String,
}

impl Server {
    pub(super) fn backup(&self, cx: &Context<'_>, run: &RunId) -> Backup {
        Backup::of(cx, run, &self.name, DatastoreKind::Postgres)
    }

    pub(super) fn prepare(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        if backup.has_reached(BackupState::Prepared) == Finding::Holds {
            return Ok(already("the backup was begun already"));
        }
        let about = self.about(cx.commands, Some(cx.run))?;
        if about.standby {
            return Err(Failure::new(
                "datastore-standby",
                format!(
                    "the server of `{}` is a standby: nothing can be restored there",
                    self.name
                ),
            )
            .hint("point switchback at the primary server"));
        }
        // Found out now, while the service is up, and not when the backup is to be proven.
        if !about.creates {
            return Err(Failure::new(
                "datastore-permission",
                format!(
                    "role `{}` of `{}` may not create databases",
                    about.role, self.name
                ),
            )
            .cause("a backup is proven by restoring it into a database of its own")
            .hint(format!(
                "as a superuser: ALTER ROLE {} CREATEDB;",
                sql::identifier(&about.role)
            )));
        }
        disk::require_space(
            backup.directory(),
            about.size,
            &format!("the dump of `{}`", self.name),
        )?;
        backup.prepare(Some(about.engine()))?;
        Ok(Outcome {
            summary: format!("room for {}", amount::bytes(about.size)),
            ..Outcome::default()
        })
    }

    pub(super) fn seal(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        if backup.has_reached(BackupState::Sealed) == Finding::Holds {
            return Ok(already("the dump was complete already"));
        }
        let _held = self.hold();
        let writers = self.writers(cx.commands, Some(cx.run))?;
        if !writers.is_empty() {
            return Err(connected(&self.name, writers));
        }
        self.dump(cx, &backup, Compression::Light)
    }

    /// As [`Server::seal`], of a moment at which somebody may write: dump and counts are read in one snapshot.
    pub(super) fn capture(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.prepare(cx)?;
        let backup = self.backup(cx, cx.run);
        if backup.has_reached(BackupState::Sealed) == Finding::Holds {
            return Ok(already("the dump was complete already"));
        }
        self.dump(cx, &backup, Compression::None)
    }

    fn dump(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        compression: Compression,
    ) -> Result<Outcome, Failure> {
        let _held = self.hold();
        let about = self.about(cx.commands, Some(cx.run))?;
        backup.prepare(Some(about.engine()))?;
        disk::require_space(
            backup.directory(),
            about.size,
            &format!("the dump of `{}`", self.name),
        )?;
        let properties = self.properties(cx)?;

        let unfinished = backup.path(UNFINISHED);
        let written = |error: std::io::Error| backup.io("write", &error);
        let file = File::create(&unfinished).map_err(written)?;
        let dump = file.try_clone().map_err(written)?;
        let reading = match self.read_and_dump(cx, dump, compression) {
            Ok(reading) => reading,
            Err(failure) => {
                // Half a dump is of no use, and a full disk needs every byte.
                let _ = disk::remove(&unfinished);
                return Err(failure);
            }
        };
        file.sync_all().map_err(written)?;
        fs::rename(&unfinished, backup.path(DUMP)).map_err(written)?;

        let properties = serde_json::to_string(&properties)
            .map_err(|error| backup.io("describe", &error.into()))?;
        let manifest = backup.seal(
            cx,
            Seal {
                engine: Some(about.engine()),
                contents: reading.contents,
                position: Some(reading.position),
                facts: [(PROPERTIES.to_owned(), properties)].into(),
            },
        )?;
        Ok(summary(&manifest, "dumped"))
    }

    pub(super) fn prove(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        backup.judged(self.try_out(cx, cx.run))?;
        Ok(summary(
            &backup.proven()?,
            "restored beside, read, and equal",
        ))
    }

    /// Restores the backup of `run` beside, reads it, compares it with what the original held, and removes it.
    fn try_out(&self, cx: &Context<'_>, run: &RunId) -> Result<(), Failure> {
        let backup = self.backup(cx, run);
        let manifest = backup.sealed()?;
        backup.verify_files(cx)?;
        let _held = self.hold();
        let scratch = names::scratch(self.database(), cx.run);
        let tried = self
            .restore_into(cx, run, &scratch)
            .and_then(|()| self.contents_of(cx, &scratch));
        let dropped = self.drop_ours(cx, &scratch);
        let found = tried?;
        dropped?;
        let differences = manifest.contents.differences(&found);
        if !differences.is_empty() {
            return Err(differs(
                "backup-differs",
                format!(
                    "the backup of `{}` by {run} does not hold what the original held",
                    self.name
                ),
                &differences,
            ));
        }
        Ok(())
    }

    /// Creates `target` anew and fills it from the backup of `run`.
    pub(super) fn restore_into(
        &self,
        cx: &Context<'_>,
        run: &RunId,
        target: &str,
    ) -> Result<(), Failure> {
        let backup = self.backup(cx, run);
        let properties = kept_properties(&backup.sealed()?)?;
        self.room_for_another(cx)?;
        self.drop_ours(cx, target)?;
        self.command(cx.commands, Some(cx.run), &properties.create(target))?;
        let ours = |text: &str| {
            self.ask::<serde_json::Value>(cx.commands, Some(cx.run), target, text)
                .map(drop)
        };
        if let Some(version) = &properties.timescale {
            ours(&format!(
                "create extension if not exists timescaledb version {};\nselect json_build_object('done', timescaledb_pre_restore());\n",
                sql::literal(version)
            ))?;
        }
        self.fill(cx, &backup, target)?;
        if properties.timescale.is_some() {
            ours("select json_build_object('done', timescaledb_post_restore());\n")?;
        }
        Ok(())
    }

    fn fill(&self, cx: &Context<'_>, backup: &Backup, target: &str) -> Result<(), Failure> {
        let argv = self.client(target, Some(cx.run), |connection| connection.restore())?;
        let dump = File::open(backup.path(DUMP)).map_err(|error| backup.io("read", &error))?;
        let all = dump.metadata().map(|found| found.len()).ok();
        // Shares the position of the one that is read from.
        let mut read = dump
            .try_clone()
            .map_err(|error| backup.io("read", &error))?;
        let (commands, argv) = (cx.commands, &argv);
        let restored: Result<Finished, CommandError> = thread::scope(|scope| {
            let restoring =
                scope.spawn(move || commands.run(argv, Input::File(dump), Output::Capture));
            while !restoring.is_finished() {
                cx.progress
                    .report("restoring", read.stream_position().ok(), all, Some("B"));
                thread::sleep(LOOK);
            }
            restoring
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        restored
            .map(drop)
            .map_err(|error| self.failure(error, "cannot be restored"))
    }

    /// Removes a database that is ours, and ends what a dead process left connected to it.
    pub(super) fn drop_ours(&self, cx: &Context<'_>, name: &str) -> Result<(), Failure> {
        let text = format!("{}{}", sql::end_sessions(&[name]), sql::drop_database(name));
        self.command(cx.commands, Some(cx.run), &text)
    }

    /// A restored copy needs as much room as the original, where this host can see the place.
    fn room_for_another(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let Some(directory) = &self.location.directory else {
            return Ok(());
        };
        let Ok(about) = self.about(cx.commands, Some(cx.run)) else {
            return Ok(());
        };
        disk::require_space(
            directory.as_ref(),
            about.size,
            &format!("a second copy of `{}`", self.name),
        )
    }

    fn properties(&self, cx: &Context<'_>) -> Result<Properties, Failure> {
        self.properties_of(cx, self.database())
    }

    /// What any database of the server is beside its contents.
    pub(super) fn properties_of(
        &self,
        cx: &Context<'_>,
        database: &str,
    ) -> Result<Properties, Failure> {
        let answers = self.ask(
            cx.commands,
            Some(cx.run),
            database,
            &sql::properties(database),
        )?;
        let mut properties: Properties = answers.into_iter().next().ok_or_else(|| {
            Failure::new(
                "datastore-not-there",
                format!("the server of `{}` does not have `{database}`", self.name),
            )
        })?;
        let timescale: Vec<Timescale> =
            self.ask(cx.commands, Some(cx.run), database, sql::TIMESCALE)?;
        properties.timescale = timescale.into_iter().next().map(|found| found.version);
        Ok(properties)
    }
}

/// The properties that a sealed backup keeps.
pub(super) fn kept_properties(manifest: &Manifest) -> Result<Properties, Failure> {
    manifest.fact(PROPERTIES)
}

/// Names of half-written files in a backup's directory.
pub(super) fn half_written() -> [&'static str; 1] {
    [UNFINISHED]
}
