//! `storage-db` and `noc-db` of Enterprise. Their real schemas are closed: one table each stands for them, with the record of
//! what ran beside it.

use anyhow::Result;
use postgres::{Client, NoTls};

use crate::log::info;
use crate::{Context, faults};

/// Creates or updates the command's tables; safe to repeat.
pub(crate) fn migrate(context: &Context, command: &str) -> Result<()> {
    let name = command.trim_end_matches("-db");
    info!("Connecting to {name} database...");
    let setting = if name == "noc" {
        "noc.database-uri"
    } else {
        "as.storage.database-uri"
    };
    let uri = context
        .config
        .get(setting)
        .unwrap_or_else(|| context.config.database_uri());
    let mut client = Client::connect(&uri, NoTls)?;
    let table = if name == "noc" {
        "gateway_end_device_uplink"
    } else {
        "stored_uplinks"
    };
    client.batch_execute(&format!(
        "CREATE TABLE IF NOT EXISTS {table} (id bigserial PRIMARY KEY, received_at timestamptz NOT NULL DEFAULT now(), data jsonb);
         CREATE TABLE IF NOT EXISTS {name}_migrations (release text PRIMARY KEY, migrated_at timestamptz NOT NULL DEFAULT now())"
    ))?;
    faults::in_the_middle_of(command)?;
    client.execute(
        &format!("INSERT INTO {name}_migrations (release) VALUES ($1) ON CONFLICT DO NOTHING"),
        &[&context.release.to_string()],
    )?;
    info!("Successfully migrated");
    Ok(())
}
