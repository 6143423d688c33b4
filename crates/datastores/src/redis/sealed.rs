//! Reading what a shadow wrote to disk, with a second server that loads a copy of it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use switchback_engine::ports::{Companion, Context, Failure};
use switchback_model::Contents;
use switchback_model::event::Outcome;

use super::client::Client;
use super::commands::DATA;
use super::compare::{Compared, Place};
use super::contents::{self, Held};
use super::keep::{SCRATCH, wait_saving};
use super::key::About;
use super::keys::Keys;
use super::layout::Layout;
use super::server::{Server, kept_layout};
use super::shadow::appended;
use super::shadowing::available_memory;
use crate::backup::{Backup, Manifest};
use crate::said::{differs, summary};
use crate::{disk, shadow, tally};

/// A shadow as a snapshot, for originals that load nothing else.
pub(super) const SNAPSHOT: &str = "snapshot";
/// Key of the manifest's facts: set once the contents were read.
const READ: &str = "read";
/// Copies in which a key is looked for that differs in the first one.
const LATER: u32 = 2;
/// Memory that must be free, in hundredths of what the shadow holds.
const MEMORY: u64 = 120;

/// A key whose copy on disk was not what the replica held.
struct Suspect {
    place: Place,
    on_disk: About,
    /// What the replica held.
    noted: About,
}

impl Server {
    /// Compares what a replica holds in memory with what it has written: the copy that will be loaded when it
    /// is needed.
    ///
    /// The copy on disk stands still while the replica goes on, so a key that differs may have been written
    /// since. Such keys are noted with the value they have now, and looked for in a later copy: there must be
    /// the noted value, or the one that the replica holds by then. Where these two are the same, the key did
    /// not move while that copy was made; and where the copies keep telling one other value, it is damage.
    pub(super) fn compare_on_disk(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: &Manifest,
        layout: &Layout,
        replica: &dyn Companion,
    ) -> Result<Compared, Failure> {
        let replica = self.replica_client(cx, replica)?;
        let place = backup.place_of(manifest)?;
        let mut suspects = self.loaded(cx, place, layout, &replica, |disk, memory| {
            walk(cx, disk, memory)
        })?;
        let mut compared = Compared::default();
        for _ in 0..LATER {
            if suspects.is_empty() {
                break;
            }
            suspects = self.loaded(cx, place, layout, &replica, |disk, memory| {
                let mut left = Vec::new();
                for suspect in suspects {
                    let (database, name) = &suspect.place;
                    let name = std::slice::from_ref(name);
                    disk.select(*database)?;
                    memory.select(*database)?;
                    let (Some(on_disk), Some(now)) =
                        (disk.read(name)?.pop(), memory.read(name)?.pop())
                    else {
                        continue;
                    };
                    if on_disk.about == suspect.noted || on_disk.about == now.about {
                        continue;
                    }
                    if suspect.noted == now.about && suspect.on_disk == on_disk.about {
                        left.push(suspect);
                    } else {
                        compared.moving.push(suspect.place);
                    }
                }
                Ok(left)
            })?;
        }
        compared
            .different
            .extend(suspects.into_iter().map(|suspect| suspect.place));
        Ok(compared)
    }

    /// Loads a copy of what a replica has written by now, and reads it beside the replica.
    fn loaded<T>(
        &self,
        cx: &Context<'_>,
        place: &Path,
        layout: &Layout,
        replica: &Client<'_>,
        read: impl FnOnce(&mut Keys<'_>, &mut Keys<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.require_memory(replica)?;
        // Files that are being exchanged by a rewrite must not be copied half.
        replica.command("CONFIG SET auto-aof-rewrite-percentage 0")?;
        let still = self.wait_unwritten(cx, replica);
        let scratch = place.join(SCRATCH);
        let read = still.and_then(|()| {
            let sources = written(place, layout);
            cx.progress
                .report("loading the shadow from its disk", None, None, None);
            self.beside(cx, &appending(layout), &sources, &scratch, |client| {
                client.converse(|disk| {
                    replica.converse(|memory| read(&mut Keys::new(disk)?, &mut Keys::new(memory)?))
                })
            })
        });
        let read = read.map_err(|failure| {
            let hint = "look for a broken disk, then resume: the shadow is begun anew";
            self.unloadable(failure, hint)
        });
        disk::remove(&scratch).map_err(|error| {
            disk::failure(
                "backup-io",
                format!("cannot tidy {}", scratch.display()),
                &error,
            )
        })?;
        let read = read?;
        replica.command("CONFIG SET auto-aof-rewrite-percentage 100")?;
        Ok(read)
    }

    /// A server that cannot load what the shadow wrote ends at once.
    fn unloadable(&self, failure: Failure, hint: &str) -> Failure {
        if failure.code != "datastore-ended" {
            return failure;
        }
        let mut damaged = Failure::new(
            "backup-differs",
            format!("what the shadow of `{}` wrote cannot be loaded", self.name),
        );
        damaged.causes = failure.causes;
        damaged.output = failure.output;
        damaged
            .state(self.name.to_string(), "runs, and is unchanged")
            .hint(hint)
    }

    fn wait_unwritten(&self, cx: &Context<'_>, replica: &Client<'_>) -> Result<(), Failure> {
        loop {
            let info = replica.info("persistence")?;
            let is = |name: &str| info.get(name).is_some_and(|on| on == "1");
            if !is("aof_rewrite_in_progress") && !is("aof_rewrite_scheduled") {
                return Ok(());
            }
            wait_saving(cx, "waiting for the shadow's files")?;
        }
    }

    /// A second server that is ended for want of memory may take others with it.
    fn require_memory(&self, replica: &Client<'_>) -> Result<(), Failure> {
        let memory = replica.info("memory")?;
        let used: u64 = memory
            .get("used_memory")
            .and_then(|bytes| bytes.parse().ok())
            .unwrap_or(0);
        match available_memory() {
            Some(free) if free < used / 100 * MEMORY => Err(Failure::new(
                "memory-short",
                format!("a server that reads the shadow of `{}` needs {used} bytes of memory, and {free} are free", self.name),
            )
            .hint("free memory, then resume")),
            _ => Ok(()),
        }
    }

    /// What a sealed shadow holds. Read once, after the service is up again, and kept in the manifest.
    pub(super) fn read_sealed(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: Manifest,
    ) -> Result<Contents, Failure> {
        if manifest.facts.contains_key(READ) {
            return Ok(manifest.contents);
        }
        let layout = kept_layout(&manifest)?;
        let held = self.read_data(cx, backup, &manifest, &layout, |client| {
            if !layout.appendonly {
                client.command("SAVE")?;
            }
            Ok(())
        })?;
        let mut facts = manifest.facts.clone();
        facts.insert(READ.to_owned(), "yes".to_owned());
        facts.insert("expiring".to_owned(), held.expiring.to_string());
        let manifest = Manifest {
            contents: held.contents,
            facts,
            ..manifest
        };
        backup.write(&manifest)?;
        Ok(manifest.contents)
    }

    /// As the port's `prove`, of a shadow that is sealed: a second server loads a copy of it, and every key is read.
    pub(super) fn prove_sealed(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: Manifest,
    ) -> Result<Outcome, Failure> {
        let proven = self.compare_sealed(cx, backup, manifest).map_err(|failure| {
            self.unloadable(
                failure,
                "look for a broken disk, and whether the server here is an older one; other backups: `switchback backup list`",
            )
        });
        let how = backup.judged(proven)?;
        Ok(summary(&backup.proven()?, how))
    }

    /// Reads what a sealed shadow holds, and compares it with what it held when it was first read.
    fn compare_sealed(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: Manifest,
    ) -> Result<&'static str, Failure> {
        if !manifest.facts.contains_key(READ) {
            self.read_sealed(cx, backup, manifest)?;
            return Ok("loaded by a second server, and read");
        }
        let layout = kept_layout(&manifest)?;
        let held = self.read_data(cx, backup, &manifest, &layout, |_| Ok(()))?;
        let differences = manifest.contents.differences(&held.contents);
        if !differences.is_empty() {
            let what = format!(
                "the shadow of `{}` by {} does not hold what it was sealed with",
                self.name, manifest.run
            );
            return Err(differs("backup-differs", what, &differences));
        }
        Ok("loaded by a second server, read, and equal")
    }

    /// Reads every key by a second server that has loaded a copy of the sealed shadow, and ends with `then`.
    fn read_data(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: &Manifest,
        layout: &Layout,
        then: impl FnOnce(&Client<'_>) -> Result<(), Failure>,
    ) -> Result<Held, Failure> {
        let place = backup.place_of(manifest)?;
        if !place.join(DATA).exists() {
            // A way back moved it into place: what the server holds by now is no measure of itself.
            return Err(shadow::uncounted(&self.name, &manifest.run));
        }
        self.read_loaded(cx, place, layout, |client| {
            let held = contents::read(client, cx.progress)?;
            then(client)?;
            Ok(held)
        })
    }

    /// The directory whose entries the original would load. For an original that loads snapshots alone one is
    /// made by a second server, where reading the sealed shadow has not made it already: that takes as long as
    /// loading and saving it, the one part of the way back that grows with the data.
    pub(super) fn form(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: &Manifest,
        layout: &Layout,
    ) -> Result<PathBuf, Failure> {
        let place = backup.place_of(manifest)?;
        if layout.appendonly {
            return Ok(place.join(DATA));
        }
        let snapshot = place.join(SNAPSHOT);
        if !snapshot.join(&layout.rdb).exists() {
            cx.progress
                .report("making a snapshot of the shadow", None, None, None);
            self.read_loaded(cx, place, layout, |client| client.command("SAVE"))?;
        }
        Ok(snapshot)
    }

    /// Talks with a server that has loaded a copy of the sealed shadow. A snapshot that it saved is kept.
    fn read_loaded<T>(
        &self,
        cx: &Context<'_>,
        place: &Path,
        layout: &Layout,
        talk: impl FnOnce(&Client<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let scratch = place.join(SCRATCH);
        let sources = written(place, layout);
        let talked = self.beside(cx, &appending(layout), &sources, &scratch, talk);
        let saved = scratch.join(&layout.rdb);
        let made = |error: std::io::Error| {
            disk::failure(
                "backup-io",
                format!("cannot write in {}", place.display()),
                &error,
            )
        };
        if talked.is_ok() && saved.exists() {
            let snapshot = place.join(SNAPSHOT);
            fs::create_dir_all(&snapshot)
                .and_then(|()| disk::same_owner(&sources, &snapshot))
                .and_then(|()| disk::sync_all(&saved))
                .and_then(|()| fs::rename(&saved, snapshot.join(&layout.rdb)))
                .and_then(|()| disk::sync_directory(&snapshot))
                .map_err(made)?;
        }
        disk::remove(&scratch).map_err(made)?;
        talked
    }
}

/// The append-only files of a replica.
fn written(place: &Path, layout: &Layout) -> Vec<PathBuf> {
    vec![place.join(DATA).join(appended(layout))]
}

/// A replica always appends.
fn appending(layout: &Layout) -> Layout {
    Layout {
        appendonly: true,
        ..layout.clone()
    }
}

/// Reads everything that is on disk, and everything that is only in memory.
fn walk(
    cx: &Context<'_>,
    disk: &mut Keys<'_>,
    memory: &mut Keys<'_>,
) -> Result<Vec<Suspect>, Failure> {
    let mut suspects = Vec::new();
    let mut databases = std::collections::BTreeSet::new();
    let spaces = [
        disk.session().info("keyspace")?,
        memory.session().info("keyspace")?,
    ];
    for space in &spaces {
        let found = contents::in_keyspace(space);
        databases.extend(found.into_iter().map(|(database, _)| database));
    }
    let mut read = 0;
    for database in databases {
        disk.select(database)?;
        memory.select(database)?;
        let mut seen = HashSet::new();
        let mut cursor = Some("0".to_owned());
        while let Some(from) = cursor {
            let (next, keys) = disk.scan(&from)?;
            let names: Vec<Vec<u8>> = keys.iter().map(|key| key.name.clone()).collect();
            for (key, held) in keys.into_iter().zip(memory.read(&names)?) {
                seen.insert(tally::digest([&key.name[..]]));
                if key.about != held.about {
                    suspects.push(Suspect {
                        place: (database, key.name),
                        on_disk: key.about,
                        noted: held.about,
                    });
                }
            }
            read += names.len() as u64;
            let doing = "comparing the shadow with its disk";
            cx.progress.report(doing, Some(read), None, Some("keys"));
            cursor = next;
        }
        let mut cursor = Some("0".to_owned());
        while let Some(from) = cursor {
            let (next, mut names) = memory.names(&from)?;
            names.retain(|name| !seen.contains(&tally::digest([&name[..]])));
            for key in memory.read(&names)? {
                suspects.push(Suspect {
                    place: (database, key.name),
                    on_disk: About::Gone,
                    noted: key.about,
                });
            }
            cursor = next;
        }
    }
    Ok(suspects)
}
