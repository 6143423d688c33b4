//! Trying on an empty cluster of the other version everything but the rows, while the original serves.

use std::collections::BTreeSet;

use serde::Deserialize;
use switchback_engine::ports::{Context, Failure};
use switchback_model::event::Outcome;
use switchback_model::plan::EngineChange;

use super::super::server::Server;
use super::super::shadow::Layout;
use super::beside::{Beside, Running};
use super::cluster::Cluster;
use crate::disk;
use crate::engine::Place;

/// Names of all settings that a server has.
const KNOWN: &str = "select json_build_object('name', name) from pg_settings;\n";

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Server {
    pub(in super::super) fn fits(
        &self,
        cx: &Context<'_>,
        engine: &EngineChange,
    ) -> Result<Outcome, Failure> {
        let cluster = self.cluster(cx)?;
        let mut obstacles = cluster.obstacles();
        for database in &cluster.databases {
            if self.properties_of(cx, database)?.timescale.is_some() {
                obstacles.push(format!(
                    "`{database}` has TimescaleDB, whose own upgrade comes with it and is not known here"
                ));
            }
        }
        if !obstacles.is_empty() {
            return Err(self.unfit(engine, obstacles));
        }
        let directory = self.directory()?;
        let place = Place::of(&directory, cx.run, &self.name).trial();
        let beside = Beside {
            server: self,
            cx,
            engine,
            cluster: &cluster,
            layout: Layout::new(&place),
        };
        let tried = beside.make().and_then(|()| try_all(&beside, &cluster));
        let removed = disk::remove(&place).map_err(|error| {
            disk::failure(
                "engine-io",
                format!("cannot remove {}", place.display()),
                &error,
            )
        });
        let fits = tried.map_err(|failure| self.explained(engine, failure))?;
        removed?;
        Ok(fits)
    }

    fn unfit(&self, engine: &EngineChange, because: Vec<String>) -> Failure {
        let mut failure = Failure::new(
            "engine-unfit",
            format!(
                "the server of `{}` cannot become PostgreSQL {} as it is",
                self.name, engine.to
            ),
        )
        .state(self.name.to_string(), "runs, and is unchanged")
        .hint("change that in the server that runs, then resume; or plan without another server");
        failure.causes = because;
        failure
    }

    /// What the new server refused is a reason; that it could not be asked is not.
    fn explained(&self, engine: &EngineChange, failure: Failure) -> Failure {
        if failure.code != "engine-refuses" {
            return failure;
        }
        let because = std::iter::once(failure.what)
            .chain(failure.causes)
            .collect();
        Failure {
            output: failure.output,
            ..self.unfit(engine, because)
        }
    }
}

fn try_all(beside: &Beside<'_>, cluster: &Cluster) -> Result<Outcome, Failure> {
    let (server, cx) = (beside.server, beside.cx);
    let globals = beside.globals()?;
    let running = beside.start()?;
    settings(beside, &running)?;
    running.sql("template1", &globals, "trying the roles")?;
    for (number, database) in cluster.databases.iter().enumerate() {
        let properties = server.properties_of(cx, database)?;
        let file = beside.dump_file(number)?;
        let argv = server.client(database, Some(cx.run), |connection| connection.schema())?;
        beside
            .run_into(&argv, "", Some(file), "reading the schema")
            .map_err(|error| server.failure(error, "does not tell its schema"))?;
        running.create(database, &properties)?;
        running.fill(database, number)?;
    }
    running.end()?;
    Ok(Outcome {
        summary: format!("`{}` fits PostgreSQL {}", server.name, beside.engine.to),
        ..Outcome::default()
    })
}

/// A setting that the new version does not know keeps it from starting.
fn settings(beside: &Beside<'_>, running: &Running<'_>) -> Result<(), Failure> {
    let known: Vec<Named> = running.ask(KNOWN)?;
    let known: BTreeSet<&str> = known.iter().map(|known| known.name.as_str()).collect();
    let made = beside.cluster.settings.iter();
    let unknown: Vec<String> = made
        .filter(|setting| !known.contains(setting.name.as_str()))
        .map(|setting| format!("it has no setting `{}`", setting.name))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(beside.server.unfit(beside.engine, unknown))
}
