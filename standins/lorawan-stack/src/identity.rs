//! `is-db`: the Identity Server's schema through its three ages.
//!
//! To 3.7 nothing is recorded; to 3.19 changes of content are recorded by name in `migrations`; from 3.20 every change is a
//! migration recorded in `bun_migrations`.

mod migrations;
mod schema;

use anyhow::{Result, anyhow, bail};
use postgres::{Client, NoTls};

use crate::Context;
use crate::log::{info, warning};
use crate::release::Release;

pub(crate) use schema::columns;

/// The first release whose schema changes are all recorded migrations.
const RECORDED: Release = Release::new(3, 20, 0);

/// `is-db init`: real to 3.19.2.
pub(crate) fn init(context: &Context) -> Result<()> {
    if context.release >= RECORDED {
        bail!("init command deprecated, use migrate instead");
    }
    info!("Connecting to Identity Server database...");
    let mut client = connect(context)?;
    info!("Initializing database...");
    extension(&mut client);
    info!("Creating tables...");
    schema::auto_migrate(&mut client, context.release)?;
    schema::create_indexes(&mut client, context.release)?;
    info!("Successfully initialized");
    Ok(())
}

/// `is-db migrate`.
pub(crate) fn migrate(context: &Context) -> Result<()> {
    info!("Connecting to Identity Server database...");
    let mut client = connect(context)?;
    if context.release >= RECORDED {
        return if context.rollback {
            migrations::roll_back(&mut client)
        } else {
            migrations::migrate(&mut client, context.release)
        };
    }
    info!("Migrating table structure...");
    schema::auto_migrate(&mut client, context.release)?;
    if context.release >= Release::new(3, 8, 0) {
        info!("Migrating table contents...");
        migrations::migrate_contents(&mut client, context.release)?;
    }
    info!("Successfully migrated");
    Ok(())
}

/// `is-db status`, from 3.32.2.
pub(crate) fn status(context: &Context) -> Result<()> {
    info!("Connecting to Identity Server database...");
    migrations::status(&mut connect(context)?, context.release)
}

/// What `start` asks before the server listens: releases differ in how much that is.
pub(crate) fn check_at_start(context: &Context) -> Result<()> {
    let mut client = connect(context)?;
    let release = context.release;
    let on = |name: &str| {
        context
            .config
            .get(name)
            .is_some_and(|value| value == "true")
    };
    let asks = if release < RECORDED {
        true
    } else if release < Release::new(3, 22, 2) {
        !on("is.bunstore")
    } else {
        release < Release::new(3, 24, 0) && on("is.gormstore")
    };
    if !asks {
        return Ok(());
    }
    match schema::first_missing(&mut client, release)? {
        None => Ok(()),
        Some(missing) if release < Release::new(3, 4, 0) => {
            bail!("pq: relation \"{missing}\" does not exist")
        }
        Some(missing) => {
            bail!(
                "error:pkg/identityserver/gormstore:db_needs_migration (database needs migration) missing={missing}"
            )
        }
    }
}

/// Connects to the configured database.
pub(crate) fn connect(context: &Context) -> Result<Client> {
    let uri = context.config.database_uri();
    Client::connect(&uri, NoTls).map_err(|problem| {
        anyhow!(
            "error:pkg/util/store:driver (driver error) {}",
            told(&problem)
        )
    })
}

/// A database error as the real driver words it.
pub(crate) fn told(problem: &postgres::Error) -> String {
    match problem.as_db_error() {
        Some(error) => format!(
            "{}: {} (SQLSTATE={})",
            error.severity(),
            error.message(),
            error.code().code()
        ),
        None => {
            let cause = std::error::Error::source(problem).map(|cause| format!(": {cause}"));
            format!("{problem}{}", cause.unwrap_or_default())
        }
    }
}

fn extension(client: &mut Client) {
    if let Err(problem) = client.batch_execute("CREATE EXTENSION IF NOT EXISTS pgcrypto") {
        warning!(
            "Failed to enable pgcrypto extension, but trying to continue without it  error={}",
            told(&problem)
        );
    }
}

fn table_exists(client: &mut Client, table: &str) -> Result<bool> {
    let row = client
        .query_one(
            "SELECT to_regclass($1::text) IS NOT NULL",
            &[&format!("public.{table}")],
        )
        .map_err(|problem| anyhow!(told(&problem)))?;
    Ok(row.get(0))
}
