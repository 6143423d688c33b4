//! Keeping a database: prepare, seal, prove.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;

use bson::doc;
use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::amount;
use switchback_model::event::Outcome;
use switchback_model::plan::BackupState;
use switchback_model::{Contents, RunId};

use super::answers;
use super::archive::{DUMP, LAYOUT, Place, UNFINISHED};
use super::client::Client;
use super::layout::{self, Layout};
use super::names::{self, Family};
use super::server::{About, Counted, Server};
use crate::backup::{Backup, Manifest, Seal};
use crate::disk;
use crate::said::{already, connected, differs, summary};
use crate::tally::Tally;

/// Key of the manifest's facts: the database that was kept.
pub(super) const DATABASE: &str = "database";
/// Key of the manifest's facts: counts and checksums of collections that empty themselves.
const EXPIRING: &str = "expiring";
/// Key of the manifest's facts: the line whose data format was in force.
const COMPATIBILITY: &str = "feature-compatibility-version";

impl Server {
    pub(super) fn prepare(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        if backup.has_reached(BackupState::Prepared) == Finding::Holds {
            return Ok(already("the backup was begun already"));
        }
        let mut client = self.client(Some(cx.stop))?;
        let layout = client.layout()?;
        self.require_suitable(&client, &layout)?;
        self.require_names(&client, &layout, cx.run)?;
        let about = client.about()?;
        disk::require_space(
            backup.directory(),
            about.data,
            &format!("the dump of `{}`", self.name),
        )?;
        self.require_room(&about)?;
        client.rehearse(cx.run)?;
        client.settle(cx)?;
        backup.prepare(Some(about.version.clone()))?;
        Ok(Outcome {
            summary: format!("room for {}", amount::bytes(about.data)),
            ..Outcome::default()
        })
    }

    /// Names of copies have to fit, which old servers make hard.
    fn require_names(
        &self,
        client: &Client<'_>,
        layout: &Layout,
        run: &RunId,
    ) -> Result<(), Failure> {
        let wire = client.server.wire;
        let long = layout.collections.iter().filter_map(|(name, shape)| {
            let indexes = shape.indexes.keys().cloned();
            names::too_long(wire, &client.database, name, indexes, run)
        });
        let causes: Vec<String> = long.collect();
        if causes.is_empty() {
            return Ok(());
        }
        let what = format!("a backup of `{}` could not be proven", self.name);
        let mut failure = Failure::new("mongodb-names", what)
            .state(self.name.to_string(), "not changed")
            .hint("give that index a shorter name, or bring the server to 4.4 first")
            .hint(format!(
                "or set backup = \"none\" under [datastores.{}] in switchback.toml",
                self.name
            ));
        failure.causes = causes;
        Err(failure)
    }

    /// A restored copy needs as much room as the original, where the server tells how much there is.
    pub(super) fn require_room(&self, about: &About) -> Result<(), Failure> {
        match about.free {
            Some(free) if free < about.stored => Err(Failure::new(
                "disk-full",
                format!(
                    "a second copy of `{}` needs {} where its server keeps its data, and {} are free",
                    self.name,
                    amount::bytes(about.stored),
                    amount::bytes(free)
                ),
            )
            .hint("free space on that filesystem, then resume")),
            _ => Ok(()),
        }
    }

    pub(super) fn seal(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        if backup.has_reached(BackupState::Sealed) == Finding::Holds {
            return Ok(already("the dump was complete already"));
        }
        let mut client = self.client(Some(cx.stop))?;
        let writers = client.lasting_writers()?;
        if !writers.is_empty() {
            return Err(connected(&self.name, writers));
        }
        client.settle(cx)?;
        let layout = client.layout()?;
        self.require_suitable(&client, &layout)?;
        let about = client.about()?;
        backup.prepare(Some(about.version.clone()))?;
        disk::require_space(
            backup.directory(),
            about.data,
            &format!("the dump of `{}`", self.name),
        )?;
        let unfinished = backup.path(UNFINISHED);
        let written = |error: std::io::Error| backup.io("write", &error);
        disk::remove(&unfinished).map_err(written)?;
        disk::remove(&backup.path(DUMP)).map_err(written)?;
        crate::backup::create_private(&unfinished).map_err(written)?;
        let tallies = match self.dump(cx, &mut client, &layout, &backup) {
            Ok(tallies) => tallies,
            Err(failure) => {
                // Half a dump is of no use, and a full disk needs every byte.
                let _ = disk::remove(&unfinished);
                return Err(failure);
            }
        };
        fs::rename(&unfinished, backup.path(DUMP)).map_err(written)?;
        let shapes = layout::written(&layout.collections)
            .map_err(|error| answers::odd(&self.name, &error))?;
        fs::write(backup.path(LAYOUT), shapes).map_err(written)?;
        let (expiring, lasting) = split(tallies, &layout);
        let expiring = serde_json::to_string(&expiring)
            .map_err(|error| backup.io("describe", &error.into()))?;
        let mut facts: BTreeMap<String, String> = [
            (DATABASE.to_owned(), client.database.clone()),
            (EXPIRING.to_owned(), expiring),
        ]
        .into();
        facts.extend(
            about
                .compatibility
                .map(|line| (COMPATIBILITY.to_owned(), line)),
        );
        let manifest = backup.seal(
            cx,
            Seal {
                engine: Some(about.version),
                contents: lasting,
                position: None,
                facts,
            },
        )?;
        Ok(summary(&manifest, "dumped"))
    }

    /// Writes every collection, and counts and adds up what is written.
    fn dump(
        &self,
        cx: &Context<'_>,
        client: &mut Client<'_>,
        layout: &Layout,
        backup: &Backup,
    ) -> Result<BTreeMap<String, Tally>, Failure> {
        let written = |error: std::io::Error| backup.io("write", &error);
        let root = backup.path(UNFINISHED);
        let mut tallies = BTreeMap::new();
        for (name, shape) in &layout.collections {
            let place = Place::of(&root, &client.database, name);
            let mut file = place.create().map_err(written)?;
            let mut tally = Tally::default();
            let mut progress = Counted::new(cx, format!("dumping `{name}`"));
            client.documents(name, |document| {
                file.write_all(document.as_bytes()).map_err(written)?;
                tally.add([document.as_bytes()]);
                progress.one();
                Ok(())
            })?;
            file.flush().map_err(written)?;
            place.describe(name, shape).map_err(written)?;
            tallies.insert(name.clone(), tally);
        }
        client.require_same_primary()?;
        Ok(tallies)
    }

    pub(super) fn prove(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        backup.judged(self.try_out(cx, &backup))?;
        Ok(summary(
            &backup.proven()?,
            "restored beside, read, and equal",
        ))
    }

    /// Restores the backup beside the data, reads it, compares it with what was sealed, and removes it.
    fn try_out(&self, cx: &Context<'_>, backup: &Backup) -> Result<(), Failure> {
        let manifest = backup.sealed()?;
        backup.verify_files(cx)?;
        let mut client = self.client(Some(cx.stop))?;
        let family = Family::prove(cx.run);
        client.drop_family(&family)?;
        let tried = self.fill(cx, &mut client, backup, &manifest, &family);
        let dropped = client.drop_family(&family);
        let differences = manifest_all(&manifest)?.differences(&tried?);
        dropped?;
        if !differences.is_empty() {
            let what = format!(
                "the backup of `{}` by {} does not hold what the original held",
                self.name, cx.run
            );
            return Err(differs("backup-differs", what, &differences));
        }
        Ok(())
    }
}

impl Client<'_> {
    /// Makes a collection, renames and removes it: what a proof and a way back will do, found out while the service
    /// is up.
    fn rehearse(&mut self, run: &RunId) -> Result<(), Failure> {
        let family = Family::prove(run);
        self.drop_family(&family)?;
        let (one, other) = (family.of("one"), family.of("other"));
        self.ask_own(doc! { "create": &one })?;
        let renamed = self.rename(&one, &other);
        self.drop_family(&family)?;
        renamed
    }

    /// Gives a collection another name in its database.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), Failure> {
        let space = |name: &str| format!("{}.{name}", self.database);
        let command = doc! { "renameCollection": space(from), "to": space(to) };
        self.ask("admin", command).map(drop)
    }

    /// Removes every collection of a family.
    pub(super) fn drop_family(&mut self, family: &Family) -> Result<(), Failure> {
        let ours = self.ours()?;
        for name in ours.iter().filter(|name| family.original(name).is_some()) {
            self.remove(name)?;
        }
        Ok(())
    }

    /// Removes a collection that is ours.
    pub(super) fn remove(&mut self, name: &str) -> Result<(), Failure> {
        match self.ask_own(doc! { "drop": name }) {
            Err(failure) if failure.code != answers::MISSING => Err(failure),
            _ => Ok(()),
        }
    }

    /// Names of collections that are ours.
    pub(super) fn ours(&mut self) -> Result<Vec<String>, Failure> {
        let database = self.database.clone();
        let found = self.all(&database, doc! { "listCollections": 1, "cursor": {} })?;
        let names = found.iter().filter_map(|it| it.get_str("name").ok());
        Ok(names
            .filter(|name| names::is_ours(name))
            .map(str::to_owned)
            .collect())
    }
}

/// What empties itself, and the rest.
fn split(tallies: BTreeMap<String, Tally>, layout: &Layout) -> (Contents, Contents) {
    let (mut expiring, mut lasting) = (Contents::default(), Contents::default());
    for (name, tally) in tallies {
        let expires = layout.collections.get(&name).is_some_and(|it| it.expires());
        let into = if expires { &mut expiring } else { &mut lasting };
        into.collections.insert(name, tally.collection());
    }
    (expiring, lasting)
}

/// Everything that a backup holds, also what empties itself.
pub(super) fn manifest_all(manifest: &Manifest) -> Result<Contents, Failure> {
    let text = manifest.facts.get(EXPIRING).map_or("", String::as_str);
    let expiring: Contents = serde_json::from_str(text).map_err(|error| {
        Failure::new(
            "backup-manifest",
            format!(
                "the manifest of `{}` by {} is damaged",
                manifest.datastore, manifest.run
            ),
        )
        .cause(error)
    })?;
    let mut all = manifest.contents.clone();
    all.collections.extend(expiring.collections);
    Ok(all)
}
