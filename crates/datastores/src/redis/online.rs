//! A backup of a running server at the moment of a snapshot of its own. Nothing
//! is stopped; a second server loads the copy and tells what is in it.

use std::fs::{self, File};
use std::path::Path;

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::event::Outcome;
use switchback_model::plan::BackupState;

use super::contents::{self, Held};
use super::keep::{COPY, SCRATCH, UNFINISHED, is_under_way, wait_saving};
use super::layout::Layout;
use super::server::{LAYOUT, Server};
use crate::backup::{Backup, Seal};
use crate::disk;
use crate::said::{already, summary};

impl Server {
    pub(super) fn capture(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        if backup.has_reached(BackupState::Sealed) == Finding::Holds {
            return Ok(already("the copy was complete already"));
        }
        let _held = self.hold();
        self.require_suitable(cx.commands)?;
        let layout = self.layout(cx.commands)?;
        let directory = layout.on_host(&self.name, &self.location)?;
        let engine = self.engine(cx.commands)?;
        backup.prepare(Some(engine.clone()))?;
        self.save_beside_service(cx)?;
        self.take_snapshot(cx, &backup, &layout, &directory)?;

        let scratch = backup.path(SCRATCH);
        let read = self.read_beside(cx, &layout, &scratch);
        let removed = disk::remove(&scratch).map_err(|error| backup.io("tidy", &error));
        let kept = read?;
        removed?;
        self.refuse_empty(cx, &kept)?;

        let layout_text =
            serde_json::to_string(&layout).map_err(|error| backup.io("describe", &error.into()))?;
        backup.seal(
            cx,
            Seal {
                engine: Some(engine),
                contents: kept.contents,
                position: None,
                facts: [
                    (LAYOUT.to_owned(), layout_text),
                    ("expiring".to_owned(), kept.expiring.to_string()),
                ]
                .into(),
            },
        )?;
        let manifest = backup.proven()?;
        Ok(summary(
            &manifest,
            "a snapshot, loaded by a second server and read",
        ))
    }

    /// Makes a snapshot without holding the service up.
    fn save_beside_service(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let client = self.client(cx.commands)?;
        // One that was under way began before we asked: its moment is too early.
        let mut asked = false;
        loop {
            let info = client.info("persistence")?;
            let saving = info
                .get("rdb_bgsave_in_progress")
                .is_some_and(|on| on == "1");
            if asked && !saving {
                return match info.get("rdb_last_bgsave_status").map(String::as_str) {
                    Some("ok") => Ok(()),
                    status => Err(self.unsaved(status.unwrap_or("unknown"))),
                };
            }
            if !saving {
                match client.command("BGSAVE") {
                    Ok(_) => asked = true,
                    // Another one, or a rewrite of the append-only file, began between the two questions.
                    Err(failure) if is_under_way(&failure) => {}
                    Err(failure) => return Err(failure),
                }
            }
            wait_saving(cx, "waiting for the server's snapshot")?;
        }
    }

    /// Copies the snapshot, and makes of it what the server would load: with append-only files, a first part
    /// that is the snapshot and no further ones.
    fn take_snapshot(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        layout: &Layout,
        directory: &Path,
    ) -> Result<(), Failure> {
        let made = |error: std::io::Error| backup.io("write", &error);
        let unfinished = backup.path(UNFINISHED);
        disk::remove(&unfinished).map_err(made)?;
        disk::remove(&backup.path(COPY)).map_err(made)?;
        let snapshot = directory.join(&layout.rdb);
        let copies = if layout.appendonly { 3 } else { 2 };
        disk::require_space(
            backup.directory(),
            disk::size_of(&snapshot) * copies,
            &format!("the copy of `{}`", self.name),
        )?;
        fs::create_dir(&unfinished).map_err(made)?;
        let copied = |source: &Path, target: &Path| {
            disk::copy(cx, &[source.to_owned()], target).map_err(|error| {
                disk::copy_failure(
                    error,
                    format!("cannot copy the snapshot of `{}`", self.name),
                )
            })
        };
        copied(&snapshot, &unfinished)?;
        let kept = unfinished.join(&layout.rdb);
        if layout.appendonly {
            let sources = [kept.clone()];
            match &layout.aof_directory {
                None => {
                    fs::copy(&kept, unfinished.join(&layout.aof)).map_err(made)?;
                    disk::same_owner(&sources, &unfinished.join(&layout.aof)).map_err(made)?;
                }
                Some(parts) => {
                    let parts = unfinished.join(parts);
                    fs::create_dir(&parts).map_err(made)?;
                    let aof = &layout.aof;
                    fs::copy(&kept, parts.join(format!("{aof}.1.base.rdb"))).map_err(made)?;
                    File::create(parts.join(format!("{aof}.1.incr.aof"))).map_err(made)?;
                    fs::write(
                        parts.join(format!("{aof}.manifest")),
                        format!(
                            "file {aof}.1.base.rdb seq 1 type b\nfile {aof}.1.incr.aof seq 1 type i\n"
                        ),
                    )
                    .map_err(made)?;
                    disk::same_owner(&sources, &parts).map_err(made)?;
                    for entry in fs::read_dir(&parts).map_err(made)? {
                        disk::same_owner(&sources, &entry.map_err(made)?.path()).map_err(made)?;
                    }
                }
            }
        }
        disk::sync_all(&unfinished).map_err(made)?;
        fs::rename(&unfinished, backup.path(COPY)).map_err(made)?;
        disk::sync_directory(backup.directory()).map_err(made)
    }

    fn unsaved(&self, status: &str) -> Failure {
        Failure::new(
            "redis-snapshot-failed",
            format!("the server of `{}` could not save a snapshot", self.name),
        )
        .cause(format!("its last background save ended with `{status}`"))
        .hint("its own log says why: usually no disk space, or too little memory to fork (vm.overcommit_memory)")
    }

    /// A copy of the wrong file would load well, and hold nothing. Only asked of the original: to read it as
    /// well would load it as much as everybody who uses it.
    fn refuse_empty(&self, cx: &Context<'_>, kept: &Held) -> Result<(), Failure> {
        let empty = kept.contents.total() + kept.expiring == 0;
        if !empty || contents::count(&self.client(cx.commands)?)? == 0 {
            return Ok(());
        }
        Err(Failure::new(
            "backup-differs",
            format!(
                "the copy of `{}` holds nothing, and the server does",
                self.name
            ),
        )
        .hint("see that the directory is the one that the server writes to"))
    }
}
