//! Bringing a database back: beside, compared, then renamed into place, collection by collection.
//!
//! ```text
//! rule_d_b                        ─┐ 1 aside ┌─► switchback_old_<run>.rule_d_b   until release
//! switchback_new_<run>.rule_d_b   ─┘ 2 place └─► rule_d_b
//! ```
//!
//! Which of the two is under way is on disk before the first rename of each: who finds it there goes on. While it
//! is there the database is half exchanged.

use std::fs;

use serde::{Deserialize, Serialize};
use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::RunId;
use switchback_model::event::Outcome;

use super::client::Client;
use super::keep::manifest_all;
use super::names::{self, Family};
use super::server::Server;
use crate::backup::{Backup, Manifest};
use crate::disk;
use crate::said::{already, connected, differs, restored_otherwise, summary};

/// The file of a backup's directory that is there while its data is being switched to.
const SWITCHING: &str = "switching.json";

/// How far a switch has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Switching {
    /// What names begin with that are moved aside.
    aside: String,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    /// What is there is moved aside.
    Aside,
    /// What was restored is put in its place.
    Place,
}

impl Server {
    pub(super) fn restore(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, run);
        let manifest = backup.sealed()?;
        let mut client = self.client(Some(cx.stop))?;
        let writers = client.lasting_writers()?;
        if !writers.is_empty() {
            return Err(connected(&self.name, writers));
        }
        let switching = match switching(&backup)? {
            Some(switching) => switching,
            None => {
                // A process that died after the switch has done everything, as long as nothing changed since.
                let ours = client.ours()?;
                let switched = ours.iter().any(|name| names::is_old(name, run));
                if switched && self.read(cx)? == manifest.contents {
                    return Ok(already("was brought back already"));
                }
                self.build(cx, &mut client, &backup, &manifest)?;
                let aside = Family::free_old(run, &ours);
                Switching {
                    aside: aside.prefix().to_owned(),
                    phase: Phase::Aside,
                }
            }
        };
        self.switch(cx, &mut client, &backup, switching)?;
        let differences = manifest.contents.differences(&self.read(cx)?);
        if !differences.is_empty() {
            let aside = format!("collections that begin with `switchback_old_{run}`");
            return Err(restored_otherwise(&self.name, &differences, &aside));
        }
        Ok(summary(&manifest, "brought back"))
    }

    /// Restores beside the data, and compares.
    fn build(
        &self,
        cx: &Context<'_>,
        client: &mut Client<'_>,
        backup: &Backup,
        manifest: &Manifest,
    ) -> Result<(), Failure> {
        backup.verify_files(cx)?;
        let family = Family::new(backup.run());
        client.drop_family(&family)?;
        self.require_room(&client.about()?)?;
        let filled = self.fill(cx, client, backup, manifest, &family);
        if filled.is_err() {
            // Half a copy is of no use, and may be what fills the disk.
            let _ = client.drop_family(&family);
        }
        let differences = manifest_all(manifest)?.differences(&filled?);
        if differences.is_empty() {
            return Ok(());
        }
        let _ = client.drop_family(&family);
        let what = format!(
            "the restored copy of `{}` is not what was sealed; the original is untouched",
            self.name
        );
        Err(differs("restore-differs", what, &differences))
    }

    fn switch(
        &self,
        cx: &Context<'_>,
        client: &mut Client<'_>,
        backup: &Backup,
        mut switching: Switching,
    ) -> Result<(), Failure> {
        cx.progress.report("switching", None, None, None);
        let (aside, new) = (Family::named(&switching.aside), Family::new(backup.run()));
        // What a note says is done must be so on whichever member is elected next.
        client.settle(cx)?;
        note(backup, &switching)?;
        if switching.phase == Phase::Aside {
            // Nothing that was restored is in its place yet: all that is no copy of ours is moved.
            for name in client.layout()?.collections.into_keys() {
                client.rename(&name, &aside.of(&name))?;
            }
            client.settle(cx)?;
            switching.phase = Phase::Place;
            note(backup, &switching)?;
        }
        for name in client.ours()? {
            if let Some(original) = new.original(&name) {
                client.rename(&name, original)?;
            }
        }
        client.settle(cx)?;
        disk::remove(&backup.path(SWITCHING)).map_err(|error| backup.io("tidy", &error))
    }

    pub(super) fn restored(&self, cx: &Context<'_>, run: &RunId) -> Finding {
        let backup = self.backup(cx, run);
        let half = switching(&backup);
        let found = backup.sealed().and_then(|manifest| match half? {
            Some(_) => Ok(Some("collections that are half exchanged".to_owned())),
            None => {
                let differences = manifest.contents.differences(&self.read(cx)?);
                let first = differences.first();
                Ok(first.map(|first| format!("other data, first in `{}`", first.collection)))
            }
        });
        match found {
            Err(failure) => Finding::Unknown { why: failure.what },
            Ok(None) => Finding::Holds,
            Ok(Some(found)) => Finding::Differs { found },
        }
    }

    pub(super) fn release(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let mut client = self.client(Some(cx.stop))?;
        let ours = client.ours()?;
        let aside: Vec<&String> = ours
            .iter()
            .filter(|name| names::is_old(name, run))
            .collect();
        for name in &aside {
            cx.progress
                .report(&format!("removing `{name}`"), None, None, None);
            client.remove(name)?;
        }
        if aside.is_empty() {
            return Ok(already("nothing is left beside it"));
        }
        Ok(Outcome {
            summary: format!(
                "removed {}",
                switchback_model::amount::plural(
                    aside.len() as u64,
                    "collection that was moved aside",
                    "collections that were moved aside"
                )
            ),
            ..Outcome::default()
        })
    }

    pub(super) fn released(&self, cx: &Context<'_>, run: &RunId) -> Finding {
        let ours = self.client(Some(cx.stop)).and_then(|mut it| it.ours());
        match ours {
            Err(failure) => Finding::Unknown { why: failure.what },
            Ok(ours) => match ours.iter().find(|name| names::is_old(name, run)) {
                None => Finding::Holds,
                Some(name) => Finding::Differs {
                    found: format!("collection `{name}`"),
                },
            },
        }
    }

    /// Removes what only this run needed, and copies that nobody has begun to switch to.
    pub(super) fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let backup = self.backup(cx, cx.run);
        disk::remove(&backup.path(super::archive::UNFINISHED))
            .map_err(|error| backup.io("tidy", &error))?;
        let mut client = self.client(Some(cx.stop))?;
        client.drop_family(&Family::prove(cx.run))?;
        for name in client.ours()? {
            let Some(run) = names::run_of_new(&name) else {
                continue;
            };
            if switching(&self.backup(cx, &run))?.is_none() {
                client.remove(&name)?;
            }
        }
        Ok(())
    }
}

/// How far a switch to this backup has come; `None` where none is under way.
fn switching(backup: &Backup) -> Result<Option<Switching>, Failure> {
    let path = backup.path(SWITCHING);
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| backup.io("read", &error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(backup.io("read", &error)),
    }
}

fn note(backup: &Backup, switching: &Switching) -> Result<(), Failure> {
    let text =
        serde_json::to_string(switching).map_err(|error| backup.io("describe", &error.into()))?;
    crate::backup::write_durably(&backup.path(SWITCHING), text.as_bytes())
        .map_err(|error| backup.io("write", &error))
}
