//! Makes a fresh Debian machine fit for tests and demo: packages, restic, a Docker Engine, the Compose plugin.
//!
//! Everything goes through the machine's own package managers as they are configured. What is there already is left alone.

mod archive;
mod aws;
mod compose;
mod donor;
mod engine;
mod localstack;
mod mongodb;
mod packages;
mod postgres;
mod restic;
mod servers;

use std::path::PathBuf;

use anyhow::Result;

pub(crate) use archive::{Archive, codename};
pub(crate) use aws::{VARIABLE as AWS, stand_ins as aws};
pub(crate) use mongodb::stand_in as mongodb;
pub(crate) use packages::{Need, find, static_busybox};
pub(crate) use postgres::{major_of, postgres_directory};
pub(crate) use servers::{POSTGRES as NEXT_POSTGRES, REDIS as NEXT_REDIS, next_servers};

/// What a task wants from the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// A Docker Engine with Compose answers.
    Ready,
    /// None can be had here, and this is why.
    Missing,
}

/// Installs and starts everything that tests and demo use.
pub(crate) fn all() -> Result<Engine> {
    packages::install(&[
        Need::PostgreSql,
        Need::Redis,
        Need::StaticShell,
        Need::ContainerEngine,
        Need::RootFileSystems,
        Need::Ssh,
    ])?;
    restic::install()?;
    match engine::start() {
        Ok(()) => {
            compose::install()?;
            Ok(Engine::Ready)
        }
        Err(problem) => {
            eprintln!("no Docker Engine on this machine: {problem:#}");
            Ok(Engine::Missing)
        }
    }
}

/// What tests ask instead of a service that cannot be had here.
pub(crate) struct StandIn {
    pub(crate) name: &'static str,
    /// The environment variable by which tests find it.
    pub(crate) variable: &'static str,
    /// Where it is, or why it cannot be had either.
    pub(crate) place: Result<PathBuf, String>,
}

/// Installs all of them.
pub(crate) fn stand_ins() -> Result<Vec<StandIn>> {
    let of = |name, variable, place| StandIn {
        name,
        variable,
        place,
    };
    Ok(vec![
        of("mongodb", mongodb::VARIABLE, mongodb::stand_in()?),
        of("aws", aws::VARIABLE, aws::stand_ins()?),
        of("localstack", localstack::VARIABLE, localstack::stand_in()?),
    ])
}

/// Installs single packages.
pub(crate) fn packages(needs: &[Need]) -> Result<()> {
    packages::install(needs)
}
