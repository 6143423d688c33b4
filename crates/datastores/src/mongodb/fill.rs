//! From a dump to collections beside the data.

use std::fs;

use bson::raw::RawDocument;
use bson::{Bson, Document, doc};
use switchback_engine::ports::{Context, Failure};
use switchback_model::Contents;

use super::archive::{DUMP, LAYOUT, Place};
use super::client::Client;
use super::keep::DATABASE;
use super::layout::{self, Shape};
use super::names::Family;
use super::server::{Counted, Server};
use crate::backup::{Backup, Manifest};

/// Bytes that are sent at once: half of what the oldest servers take.
const BYTES: usize = 8 << 20;
/// Documents that are sent at once: the oldest servers take no more.
const DOCUMENTS: usize = 1000;

/// A file of the dump cannot be read, or a server does not take what it holds.
enum Stopped {
    File(std::io::Error),
    Server(Failure),
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

impl Server {
    /// Makes every collection of the dump in `family`, whose names must be free, and tells what they hold.
    pub(super) fn fill(
        &self,
        cx: &Context<'_>,
        client: &mut Client<'_>,
        backup: &Backup,
        manifest: &Manifest,
        family: &Family,
    ) -> Result<Contents, Failure> {
        let database = manifest.facts.get(DATABASE).map_or("", String::as_str);
        let collections = fs::read(backup.path(LAYOUT))
            .ok()
            .and_then(|bytes| layout::read(&bytes))
            .ok_or_else(|| damaged(backup, &format!("`{LAYOUT}` tells of no collections")))?;
        let mut contents = Contents::default();
        for (name, shape) in &collections {
            let place = Place::of(&backup.path(DUMP), database, name);
            let target = family.of(name);
            client.create(&target, shape)?;
            self.insert(cx, client, backup, &place, &target, shape)?;
            // Before there are indexes: one of them may have the server remove documents.
            let tally = client.tally(cx, &target)?;
            contents
                .collections
                .insert(name.clone(), tally.collection());
            client.make_indexes(&target, shape)?;
            let made = client.shape_of(&target)?;
            if !made.is_some_and(|made| made.is_same_as(shape)) {
                return Err(Failure::new(
                    "backup-differs",
                    format!("the indexes or options of `{name}` do not come back as they were"),
                )
                .state(self.name.to_string(), "not changed"));
            }
        }
        Ok(contents)
    }

    fn insert(
        &self,
        cx: &Context<'_>,
        client: &mut Client<'_>,
        backup: &Backup,
        place: &Place,
        target: &str,
        shape: &Shape,
    ) -> Result<(), Failure> {
        let mut batch = Batch::default();
        let mut progress = Counted::new(cx, format!("restoring `{target}`"));
        let read = place.each(|document| {
            if batch.is_full_with(document) {
                batch.send(client, target, shape).map_err(Stopped::Server)?;
            }
            batch.add(document);
            progress.one();
            Ok(())
        });
        match read {
            Err(Stopped::Server(failure)) => return Err(failure),
            Err(Stopped::File(error)) => {
                return Err(damaged(backup, &error));
            }
            Ok(()) => {}
        }
        batch.send(client, target, shape)
    }
}

fn damaged(backup: &Backup, why: &dyn std::fmt::Display) -> Failure {
    let (name, run) = (backup.datastore(), backup.run());
    let what = format!("the backup of `{name}` by {run} cannot be read");
    Failure::new("backup-damaged", what).cause(why)
}

/// Documents that are sent together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    count: usize,
}

impl Batch {
    fn is_full_with(&self, document: &RawDocument) -> bool {
        let bytes = self.bytes.len() + document.as_bytes().len();
        self.count > 0 && (bytes > BYTES || self.count >= DOCUMENTS)
    }

    fn add(&mut self, document: &RawDocument) {
        self.bytes.extend(document.as_bytes());
        self.count += 1;
    }

    fn send(
        &mut self,
        client: &mut Client<'_>,
        target: &str,
        shape: &Shape,
    ) -> Result<(), Failure> {
        if self.count == 0 {
            return Ok(());
        }
        let mut command = doc! { "insert": target, "ordered": true };
        if shape.validates() {
            command.insert("bypassDocumentValidation", true);
        }
        let command = durably(command);
        let database = client.database.clone();
        client.ask_raw(&database, command, Some(&self.bytes))?;
        *self = Self::default();
        Ok(())
    }
}

/// With the wish that most of a replica set has it, a server that stands alone on disk.
fn durably(mut command: Document) -> Document {
    command.insert("writeConcern", doc! { "w": "majority" });
    command
}

impl Client<'_> {
    fn create(&mut self, target: &str, shape: &Shape) -> Result<(), Failure> {
        let mut command = doc! { "create": target };
        command.extend(shape.options.clone());
        self.ask_own(command).map(drop)
    }

    fn make_indexes(&mut self, target: &str, shape: &Shape) -> Result<(), Failure> {
        let mut indexes = shape.to_make();
        if indexes.is_empty() {
            return Ok(());
        }
        if self.is_older() {
            // They want to be told again where an index belongs.
            let space = format!("{}.{target}", self.database);
            let each = indexes.iter_mut().filter_map(Bson::as_document_mut);
            each.for_each(|index| {
                index.insert("ns", space.clone());
            });
        }
        self.ask_own(doc! { "createIndexes": target, "indexes": indexes })
            .map(drop)
    }
}
