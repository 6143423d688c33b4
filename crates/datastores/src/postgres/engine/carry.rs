//! Building what the next server will run on, from dumps of what the present one holds.

use std::collections::BTreeMap;

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::Contents;
use switchback_model::amount;
use switchback_model::event::Outcome;
use switchback_model::plan::EngineChange;

use super::super::commands::Compression;
use super::super::server::Server;
use super::super::shadow::Layout;
use super::beside::{Beside, Running};
use crate::disk;
use crate::engine::{Carried, Place};
use crate::said::{already, connected, differs};

#[derive(serde::Deserialize)]
struct Next {
    next: u64,
}

/// The number of the next transaction: the same as long as nobody writes.
const NEXT: &str =
    "select json_build_object('next', txid_snapshot_xmax(txid_current_snapshot()));\n";

impl Server {
    pub(in super::super) fn carry(
        &self,
        cx: &Context<'_>,
        engine: &EngineChange,
    ) -> Result<Outcome, Failure> {
        let directory = self.directory()?;
        let place = Place::of(&directory, cx.run, &self.name);
        if place.look(&engine.to) == Finding::Holds {
            return Ok(already("was carried over already"));
        }
        let _held = self.hold();
        let writers = self.writers(cx.commands, Some(cx.run))?;
        if !writers.is_empty() {
            return Err(connected(&self.name, writers));
        }
        let cluster = self.cluster(cx)?;
        disk::require_space(
            place.root(),
            // A dump holds no indexes, and goes before the next one comes.
            cluster.size.saturating_mul(2),
            &format!("what PostgreSQL {} of `{}` runs on", engine.to, self.name),
        )?;
        let next = self.next(cx)?;
        let beside = Beside {
            server: self,
            cx,
            engine,
            cluster: &cluster,
            layout: Layout::new(place.root()),
        };
        beside.make()?;
        let contents = fill(&beside)?;
        beside.configure()?;
        if let Some(kept) = contents.get(self.database()) {
            self.note_contents(cx, kept)?;
        }
        self.backup(cx, cx.run).keeps_aside(place.root())?;
        place.complete(&Carried {
            version: engine.to.clone(),
            system: beside.system(),
            mark: Some(next.to_string()),
            contents: contents.clone(),
        })?;
        let objects: u64 = contents.values().map(Contents::total).sum();
        Ok(Outcome {
            summary: format!(
                "{} in {} built for {}, read, and equal",
                amount::count(objects),
                amount::plural(contents.len() as u64, "database", "databases"),
                engine.to
            ),
            facts: [("objects".to_owned(), objects.to_string())].into(),
            ..Outcome::default()
        })
    }

    pub(super) fn next(&self, cx: &Context<'_>) -> Result<u64, Failure> {
        let answers: Vec<Next> = self.ask_beside(cx.commands, Some(cx.run), NEXT)?;
        Ok(answers.first().map_or(0, |answer| answer.next))
    }

    /// Whether something was written since `carried` was read: told by the number of the next transaction, and
    /// where the server itself took one, by reading everything again.
    pub(super) fn is_unchanged(
        &self,
        cx: &Context<'_>,
        carried: &Carried,
    ) -> Result<bool, Failure> {
        if carried.mark == Some(self.next(cx)?.to_string()) {
            return Ok(true);
        }
        for (database, contents) in &carried.contents {
            if self.contents_of(cx, database)? != *contents {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Fills a cluster with everything, and compares each database with the original as it was dumped.
fn fill(beside: &Beside<'_>) -> Result<BTreeMap<String, Contents>, Failure> {
    let (server, cx) = (beside.server, beside.cx);
    let globals = beside.globals()?;
    let running = beside.start()?;
    running.sql("template1", &globals, "creating roles")?;
    let mut contents = BTreeMap::new();
    for (number, database) in beside.cluster.databases.iter().enumerate() {
        let properties = server.properties_of(cx, database)?;
        let file = beside.dump_file(number)?;
        let reading = server.read_and_dump_of(cx, database, file, Compression::Light)?;
        running.create(database, &properties)?;
        running.fill(database, number)?;
        compare(&running, server, database, &reading.contents)?;
        contents.insert(database.clone(), reading.contents);
    }
    running.analyze()?;
    running.end()?;
    Ok(contents)
}

fn compare(
    running: &Running<'_>,
    server: &Server,
    database: &str,
    original: &Contents,
) -> Result<(), Failure> {
    let found = running.contents(database)?;
    let differences = original.differences(&found);
    if differences.is_empty() {
        return Ok(());
    }
    let what = format!(
        "`{database}` of `{}` does not hold in the new server what it holds in the old one",
        server.name
    );
    Err(differs("engine-differs", what, &differences)
        .state(server.name.to_string(), "as it was, in its old server"))
}
