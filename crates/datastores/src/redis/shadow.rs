//! The shadow of a Redis server: a replica that follows it, is compared with it while both are up, and is
//! ended at the original's last position once nobody writes.
//!
//! A key that expires while the shadow is sealed is lost to nobody who would still have it: its time of death
//! is part of the data, and the server that loads it looks at the clock as the original would have.

mod notes;

use std::path::Path;
use std::thread;
use std::time::Duration;

use switchback_engine::ports::{Companion, CompanionState, Context, Failure, Finding};
use switchback_model::RunId;
use switchback_model::event::Outcome;
use switchback_model::observed::Shadowing;
use switchback_model::plan::BackupState;

use self::notes::{FOLLOWED, described, note_followed, read_moving, write_moving};
use super::commands::DATA;
use super::compare::{self, Compared, MOVING};
use super::layout::Layout;
use super::replica::Standing;
use super::reply::Reply;
use super::server::{Server, kept_layout};
use crate::backup::{Backup, Manifest, Seal};
use crate::disk;
use crate::said::{already, connected};
use crate::{shadow, swap};

/// Key of the manifest's facts: the connection over which the shadow was compared.
const LINK: &str = "link";
/// Key of the manifest's facts: keys at the position of the seal, by database.
pub(super) const KEYS: &str = "keys";
/// How often a comparison is begun again because the two lost each other meanwhile.
const TRIES: u32 = 3;
/// How often a replica that is ending is looked at: it is a matter of milliseconds.
const ENDING: Duration = Duration::from_millis(20);

impl Server {
    pub(super) fn prepare_shadow(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        if backup.shadow()?.is_some() {
            self.follow(cx)?;
            return Ok(already("the shadow was begun already"));
        }
        let _held = self.hold();
        self.require_suitable(cx.commands)?;
        let layout = self.layout(cx.commands)?;
        let directory = layout.on_host(&self.name, &self.location)?;
        if let Shadowing::Impossible { because } = self.shadowing(cx.commands, &layout, &[])? {
            return Err(Failure::new(
                "shadow-impossible",
                format!("no shadow can be made of `{}`", self.name),
            )
            .cause(because)
            .hint(format!(
                "set backup = \"dump\" in [datastores.{}], and plan again",
                self.name
            )));
        }
        self.require_same_at_start(cx, &layout, &directory)?;
        let place = shadow::place(&backup, &directory, &self.location.access);
        // What was sent for the beginning, and what is written from it.
        let memory = self.client(cx.commands)?.info("memory")?;
        let held = memory
            .get("used_memory")
            .and_then(|bytes| bytes.parse().ok());
        let bytes = disk::size_of(&directory).max(held.unwrap_or(0));
        disk::require_space(&place, bytes * 2, &format!("the shadow of `{}`", self.name))?;
        let facts = described(&backup, &layout)?;
        backup.begin_shadow(&place, Some(self.engine(cx.commands)?), facts)?;
        let replica = self.start_replica(cx, &backup, &place, &layout, &directory)?;
        let standing = self.wait_following(cx, replica.as_ref())?;
        note_followed(&backup)?;
        Ok(Outcome {
            summary: format!(
                "a replica follows, {} bytes into its history",
                standing.offset
            ),
            ..Outcome::default()
        })
    }

    /// Brings back what followed before a crash or a halt.
    pub(super) fn follow(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        let Some(manifest) = backup.shadow()? else {
            return Ok(Outcome::default());
        };
        if manifest.state >= BackupState::Sealed {
            return Ok(already("the shadow is sealed"));
        }
        self.start(cx)?;
        let _held = self.hold();
        let (replica, begun) = self.replica(cx, &backup, &manifest)?;
        let standing = self.wait_following(cx, replica.as_ref())?;
        note_followed(&backup)?;
        if manifest.state == BackupState::Compared
            && manifest.facts.get(LINK) != Some(&standing.link)
        {
            // What was compared is gone: this one began with a new copy.
            return self.prove_shadow(cx, &backup, manifest);
        }
        let summary = if begun {
            "the shadow was begun anew, and follows"
        } else {
            "the shadow follows"
        };
        Ok(Outcome {
            summary: summary.to_owned(),
            ..Outcome::default()
        })
    }

    /// As an expectation of a backup sees it. A shadow that was begun, and never followed, is none.
    pub(super) fn reached(&self, cx: &Context<'_>, run: &RunId, state: BackupState) -> Finding {
        let backup = self.backup(cx, run);
        match backup.shadow() {
            Err(failure) => Finding::Unknown { why: failure.what },
            Ok(Some(manifest))
                if manifest.state == BackupState::Prepared
                    && !manifest.facts.contains_key(FOLLOWED) =>
            {
                Finding::Differs {
                    found: "a shadow that does not follow yet".to_owned(),
                }
            }
            Ok(_) => backup.has_reached(state),
        }
    }

    /// The replica of a shadow; started anew, and `true`, where none runs.
    pub(super) fn replica(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: &Manifest,
    ) -> Result<(Box<dyn Companion>, bool), Failure> {
        if let Some(replica) = self.reach.companion(cx, &self.replica_name())?
            && replica.state()? == CompanionState::Running
        {
            return Ok((replica, false));
        }
        let layout = kept_layout(manifest)?;
        let directory = layout.on_host(&self.name, &self.location)?;
        let place = backup.place_of(manifest)?;
        let replica = self.start_replica(cx, backup, place, &layout, &directory)?;
        Ok((replica, true))
    }

    pub(super) fn prove_shadow(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: Manifest,
    ) -> Result<Outcome, Failure> {
        if manifest.state >= BackupState::Sealed {
            return self.prove_sealed(cx, backup, manifest);
        }
        let layout = kept_layout(&manifest)?;
        let _held = self.hold();
        for _ in 0..TRIES {
            let (replica, _) = self.replica(cx, backup, &manifest)?;
            let before = self.wait_following(cx, replica.as_ref())?;
            let compared = match self.compare(cx, replica.as_ref()) {
                Err(failure) if failure.code == "shadow-lost" => continue,
                compared => compared?,
            };
            self.require_equal(cx, backup, replica.as_ref(), &compared)?;
            let on_disk = self
                .compare_on_disk(cx, backup, &manifest, &layout, replica.as_ref())
                .or_else(|failure| {
                    if failure.code == "backup-differs" {
                        self.take_away(cx, backup, replica.as_ref())?;
                    }
                    Err(failure)
                })?;
            self.require_equal(cx, backup, replica.as_ref(), &on_disk)?;
            let after = self.wait_following(cx, replica.as_ref())?;
            if before.link != after.link {
                continue;
            }
            ease_seal(&backup.place_of(&manifest)?.join(DATA), &layout)
                .map_err(|error| backup.io("sync", &error))?;
            write_moving(backup, &compared.moving)?;
            let mut facts = described(backup, &layout)?;
            facts.insert(LINK.to_owned(), after.link.clone());
            backup.compared(Seal {
                position: Some(position(&after)),
                facts,
                ..Seal::default()
            })?;
            let mut summary = format!(
                "{} keys are equal in original and shadow, and on the shadow's disk",
                compared.keys - compared.moving.len() as u64
            );
            if !compared.moving.is_empty() {
                let moving = compared.moving.len();
                summary.push_str(&format!(
                    "; {moving} were always being written, and are compared by the seal"
                ));
            }
            return Ok(Outcome {
                summary,
                facts: [("keys".to_owned(), compared.keys.to_string())].into(),
                ..Outcome::default()
            });
        }
        Err(compare::lost().cause("it lost the original again and again while it was compared"))
    }

    /// Compares what both hold in memory.
    fn compare(&self, cx: &Context<'_>, replica: &dyn Companion) -> Result<Compared, Failure> {
        let original = self.client(cx.commands)?;
        let shadow = self.replica_client(cx, replica)?;
        let compared = compare::with_both(cx, &original, &shadow, |pair| {
            let mut compared = pair.compare()?;
            if !pair.same_functions()? {
                compared.different.push((0, b"functions".to_vec()));
            }
            Ok(compared)
        });
        // A replica that has ended says why, better than that it is silent.
        compared.or_else(|failure| {
            self.require_running(cx, replica)?;
            Err(failure)
        })
    }

    /// Refuses a shadow that differs, and takes it away: it is begun anew by whoever goes on.
    pub(super) fn require_equal(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        replica: &dyn Companion,
        compared: &Compared,
    ) -> Result<(), Failure> {
        if compared.moving.len() > MOVING {
            return Err(Failure::new(
                "shadow-moving",
                format!(
                    "{} keys of `{}` are written too often to be compared",
                    compared.moving.len(),
                    self.name
                ),
            )
            .hint("resume at a quieter time, or set backup = \"dump\" and plan again"));
        }
        let Some((database, name)) = compared.different.first() else {
            return Ok(());
        };
        let first = String::from_utf8_lossy(name).into_owned();
        self.take_away(cx, backup, replica)?;
        Err(Failure::new(
            "backup-differs",
            format!(
                "the shadow of `{}` does not hold what the original holds",
                self.name
            ),
        )
        .cause(format!(
            "{} keys differ, first `{first}` of database {database}",
            compared.different.len()
        ))
        .state(
            self.name.to_string(),
            "runs, and is unchanged; the shadow was ended",
        )
        .hint("look for a broken disk or memory, then resume: the shadow is begun anew"))
    }

    /// Ends a replica that is no good, such that whoever goes on begins anew.
    pub(super) fn take_away(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        replica: &dyn Companion,
    ) -> Result<(), Failure> {
        replica.end(cx, "SIGTERM")?;
        let Some(manifest) = backup.shadow()? else {
            return Ok(());
        };
        let place = backup.place_of(&manifest)?;
        let facts = described(backup, &kept_layout(&manifest)?)?;
        backup.begin_shadow(place, manifest.engine.clone(), facts)
    }

    pub(super) fn seal_shadow(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        mut manifest: Manifest,
    ) -> Result<Outcome, Failure> {
        if backup.has_reached(BackupState::Sealed) == Finding::Holds {
            return Ok(already("the shadow was sealed already"));
        }
        let _held = self.hold();
        let running = self.reach.companion(cx, &self.replica_name())?;
        let follows = match &running {
            Some(replica) => replica.state()? == CompanionState::Running,
            None => false,
        };
        if !follows || !self.reach.running(cx)? {
            self.follow(cx)?;
            manifest = backup.sealed_or_begun(manifest)?;
        }
        let (mut replica, _) = self.replica(cx, backup, &manifest)?;
        let mut last = self.last_position(cx, backup, &manifest, replica.as_ref())?;
        if manifest.state < BackupState::Compared || manifest.facts.get(LINK) != Some(&last.0.link)
        {
            let doing = "comparing the shadow: it was begun anew since";
            cx.progress.report(doing, None, None, None);
            self.prove_shadow(cx, backup, manifest.clone())?;
            manifest = backup.sealed_or_begun(manifest)?;
            replica = self.replica(cx, backup, &manifest)?.0;
            last = self.last_position(cx, backup, &manifest, replica.as_ref())?;
        }
        let (standing, keys) = last;
        self.end_replica(cx, replica.as_ref())?;
        let layout = kept_layout(&manifest)?;
        let data = backup.place_of(&manifest)?.join(DATA);
        keep_only(&data, appended(&layout)).map_err(|error| backup.io("complete", &error))?;
        let mut facts = described(backup, &layout)?;
        facts.insert(KEYS.to_owned(), keys);
        let sealed = backup.seal_shadow(Seal {
            position: Some(position(&standing)),
            facts,
            ..Seal::default()
        })?;
        Ok(Outcome {
            summary: format!(
                "the shadow ended {} bytes into its history, where the original is",
                standing.offset
            ),
            facts: [("position".to_owned(), sealed.position.unwrap_or_default())].into(),
            ..Outcome::default()
        })
    }

    /// Where both are once the replica has everything that was written before nobody was left to write, and
    /// how many keys both have there. Keys that never held still are compared now.
    fn last_position(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: &Manifest,
        replica: &dyn Companion,
    ) -> Result<(Standing, String), Failure> {
        let moving = read_moving(backup)?;
        let original = self.client(cx.commands)?;
        let shadow = self.replica_client(cx, replica)?;
        let last = || {
            compare::with_both(cx, &original, &shadow, |pair| {
                let writers = pair.writers()?;
                if !writers.is_empty() {
                    return Err(connected(&self.name, writers));
                }
                let standing = pair.standing()?;
                let compared = match manifest.facts.get(LINK) == Some(&standing.link) {
                    true => pair.compare_these(&moving)?,
                    false => Compared::default(),
                };
                let keys = pair.same_counts()?;
                Ok((standing, compared, keys))
            })
        };
        let (standing, compared, keys) = match last() {
            // The original was started anew a moment ago.
            Err(failure) if failure.code == "shadow-lost" => {
                self.wait_following(cx, replica)?;
                last()?
            }
            found => found?,
        };
        self.require_equal(cx, backup, replica, &compared)?;
        let Some(keys) = keys else {
            return Err(Failure::new(
                "backup-differs",
                format!(
                    "the shadow of `{}` has another number of keys than the original",
                    self.name
                ),
            )
            .hint("see who still writes, then resume"));
        };
        if !standing.follows() {
            // It writes its first append-only file after it had to begin anew.
            self.wait_following(cx, replica)?;
        }
        Ok((standing, keys))
    }

    /// Ends a replica such that everything it applied is on disk: it syncs its append-only file, whose size
    /// does not matter for that, and saves nothing else.
    pub(super) fn end_replica(
        &self,
        cx: &Context<'_>,
        replica: &dyn Companion,
    ) -> Result<(), Failure> {
        let client = self.replica_client(cx, replica)?;
        // It ends the connection instead of answering.
        let asked = client.converse(|mut session| session.ask("SHUTDOWN NOSAVE"));
        loop {
            match replica.state()? {
                CompanionState::Ended { code: 0 } => break,
                CompanionState::Ended { .. } => return self.require_running(cx, replica),
                CompanionState::Running => {}
            }
            if let Ok(Reply::Error(error)) = &asked {
                return Err(client.refused("SHUTDOWN", error));
            }
            cx.progress.report("ending the shadow", None, None, None);
            thread::sleep(ENDING);
        }
        replica.end(cx, "SIGTERM")
    }
}

/// Makes what a replica appended durable, and removes everything else: the snapshot that it began from is old,
/// and nobody may load it.
pub(super) fn keep_only(data: &Path, appended: &str) -> std::io::Result<()> {
    disk::sync_all(&data.join(appended))?;
    for name in swap::names(data)? {
        if name != appended {
            disk::remove(&data.join(name))?;
        }
    }
    disk::sync_directory(data)
}

/// The name of what a replica appends to: the file, or the directory of its parts.
pub(super) fn appended(layout: &Layout) -> &str {
    layout.aof_directory.as_deref().unwrap_or(&layout.aof)
}

/// Leaves the seal little to sync, and nothing large to remove.
fn ease_seal(data: &Path, layout: &Layout) -> std::io::Result<()> {
    match disk::sync_all(&data.join(appended(layout))) {
        // The replica began to write its files anew, and removed one that was about to be synced.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        synced => synced?,
    }
    disk::remove(&data.join(&layout.rdb))
}

/// A position for people, and to compare.
fn position(standing: &Standing) -> String {
    format!("{}:{}", standing.history, standing.offset)
}
