//! Tables and columns, each with the release that brought it.
//!
//! A part of the real schema, with real names: enough for every check, migration and request of this program.

use anyhow::{Result, anyhow};
use postgres::Client;

use super::told;
use crate::release::Release;

/// Releases 3.0 to 3.19 are known by their minor: no schema change came in a patch release that matters here.
type Minor = u32;

struct Table {
    name: &'static str,
    since: Minor,
    columns: &'static [Column],
}

/// Name, type, and the minor that brought it.
struct Column(&'static str, &'static str, Minor);

const ID: Column = Column("id", "uuid PRIMARY KEY DEFAULT gen_random_uuid()", 0);
const CREATED: Column = Column("created_at", "timestamptz NOT NULL DEFAULT now()", 0);
const UPDATED: Column = Column("updated_at", "timestamptz NOT NULL DEFAULT now()", 0);
const DELETED: Column = Column("deleted_at", "timestamptz", 0);
const NAME: Column = Column("name", "varchar", 0);
const DESCRIPTION: Column = Column("description", "text", 0);
const ENTITY: Column = Column("entity_id", "uuid NOT NULL", 0);
const ENTITY_TYPE: Column = Column("entity_type", "varchar(32) NOT NULL", 0);
const ADMINISTRATIVE: Column = Column("administrative_contact_id", "uuid", 17);
const TECHNICAL: Column = Column("technical_contact_id", "uuid", 17);

/// Indexes that migrations replace or drop, with the first minor that has them and the first that has not.
const INDEXES: &[(&str, &str, Minor, Minor)] = &[
    (
        "uix_users_primary_email_address",
        "UNIQUE INDEX uix_users_primary_email_address ON users (primary_email_address)",
        0,
        99,
    ),
    (
        "account_uid_index",
        "UNIQUE INDEX account_uid_index ON accounts (uid)",
        0,
        99,
    ),
    (
        "application_id_index",
        "UNIQUE INDEX application_id_index ON applications (application_id)",
        0,
        99,
    ),
    (
        "end_device_id_index",
        "UNIQUE INDEX end_device_id_index ON end_devices (application_id, device_id)",
        0,
        99,
    ),
    (
        "gateway_eui_index",
        "UNIQUE INDEX gateway_eui_index ON gateways (gateway_eui)",
        0,
        99,
    ),
    (
        "eui_block_index",
        "UNIQUE INDEX eui_block_index ON eui_blocks (type, start_eui)",
        13,
        18,
    ),
];

const TABLES: &[Table] = &[
    Table {
        name: "accounts",
        since: 0,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            DELETED,
            Column("uid", "varchar(36)", 0),
            Column("account_id", "uuid NOT NULL", 0),
            Column("account_type", "varchar(32) NOT NULL", 0),
        ],
    },
    Table {
        name: "attributes",
        since: 0,
        columns: &[
            ID,
            ENTITY,
            ENTITY_TYPE,
            Column("key", "varchar", 0),
            Column("value", "varchar", 0),
        ],
    },
    Table {
        name: "contact_infos",
        since: 0,
        columns: &[
            ID,
            Column("contact_type", "integer NOT NULL", 0),
            Column("contact_method", "integer NOT NULL", 0),
            Column("value", "varchar", 0),
            Column("public", "boolean", 0),
            Column("validated_at", "timestamptz", 0),
            ENTITY,
            ENTITY_TYPE,
        ],
    },
    Table {
        name: "contact_info_validations",
        since: 0,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            Column("reference", "varchar", 0),
            Column("token", "varchar", 0),
            ENTITY,
            ENTITY_TYPE,
            Column("contact_method", "integer NOT NULL DEFAULT 0", 0),
            Column("value", "varchar", 0),
            Column("used", "boolean", 12),
            Column("expires_at", "timestamptz", 0),
        ],
    },
    Table {
        name: "users",
        since: 0,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            DELETED,
            NAME,
            DESCRIPTION,
            Column("primary_email_address", "varchar NOT NULL", 0),
            Column("password", "varchar NOT NULL DEFAULT ''", 0),
            Column("state", "integer NOT NULL DEFAULT 0", 0),
            Column("state_description", "varchar", 12),
            Column("admin", "boolean NOT NULL DEFAULT false", 0),
            Column("profile_picture_id", "uuid", 0),
        ],
    },
    Table {
        name: "user_sessions",
        since: 0,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            Column("user_id", "uuid NOT NULL", 0),
            Column("session_secret", "varchar", 9),
            Column("expires_at", "timestamptz", 0),
        ],
    },
    Table {
        name: "login_tokens",
        since: 12,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            Column("user_id", "uuid NOT NULL", 12),
            Column("token", "varchar NOT NULL", 12),
            Column("used", "boolean", 12),
        ],
    },
    Table {
        name: "memberships",
        since: 0,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            Column("account_id", "uuid NOT NULL", 0),
            Column("rights", "integer[]", 0),
            ENTITY,
            ENTITY_TYPE,
        ],
    },
    Table {
        name: "organizations",
        since: 0,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            DELETED,
            NAME,
            DESCRIPTION,
            ADMINISTRATIVE,
            TECHNICAL,
        ],
    },
    Table {
        name: "gateways",
        since: 0,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            DELETED,
            Column("gateway_eui", "varchar(16)", 0),
            Column("gateway_id", "varchar(36) NOT NULL", 0),
            NAME,
            DESCRIPTION,
            ADMINISTRATIVE,
            TECHNICAL,
            Column("frequency_plan_id", "varchar", 0),
            Column("status_public", "boolean NOT NULL DEFAULT false", 0),
            Column("schedule_anytime_delay", "bigint NOT NULL DEFAULT 0", 5),
            Column(
                "update_location_from_status",
                "boolean NOT NULL DEFAULT false",
                7,
            ),
            Column("lbs_lns_secret", "bytea", 10),
            Column("claim_authentication_code_secret", "bytea", 11),
            Column("target_cups_uri", "varchar", 11),
            Column("require_authenticated_connection", "boolean", 12),
            Column("supports_lrfhss", "boolean NOT NULL DEFAULT false", 14),
        ],
    },
    Table {
        name: "gateway_antennas",
        since: 0,
        columns: &[
            ID,
            Column("gateway_id", "uuid NOT NULL", 0),
            Column("index", "integer NOT NULL DEFAULT 0", 0),
            Column("gain", "real", 0),
            Column("placement", "integer", 14),
        ],
    },
    Table {
        name: "applications",
        since: 0,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            DELETED,
            Column("application_id", "varchar(36) NOT NULL", 0),
            NAME,
            DESCRIPTION,
            ADMINISTRATIVE,
            TECHNICAL,
            Column("network_server_address", "varchar", 19),
            Column("dev_eui_counter", "integer DEFAULT 0", 13),
        ],
    },
    Table {
        name: "eui_blocks",
        since: 13,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            Column("type", "varchar(10)", 13),
            Column("start_eui", "varchar(16)", 13),
            Column("end_counter", "bigint", 13),
            Column("current_counter", "bigint", 13),
        ],
    },
    Table {
        name: "end_devices",
        since: 0,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            Column("application_id", "varchar(36) NOT NULL", 0),
            Column("device_id", "varchar(36) NOT NULL", 0),
            NAME,
            DESCRIPTION,
            Column("join_eui", "varchar(16)", 0),
            Column("dev_eui", "varchar(16)", 0),
            Column("brand_id", "varchar", 0),
            Column("band_id", "varchar", 11),
            Column("network_server_address", "varchar", 0),
            Column("picture_id", "uuid", 3),
            Column("activated_at", "timestamptz", 14),
            Column("last_seen_at", "timestamptz", 19),
        ],
    },
    Table {
        name: "clients",
        since: 0,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            DELETED,
            Column("client_id", "varchar(36) NOT NULL", 0),
            NAME,
            DESCRIPTION,
            ADMINISTRATIVE,
            TECHNICAL,
            Column("client_secret", "varchar", 0),
            Column("redirect_uris", "varchar[]", 0),
            Column("logout_redirect_uris", "varchar[]", 8),
            Column("state", "integer NOT NULL DEFAULT 0", 0),
        ],
    },
    Table {
        name: "api_keys",
        since: 0,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            Column("api_key_id", "varchar", 0),
            Column("key", "varchar", 0),
            Column("rights", "integer[]", 0),
            NAME,
            ENTITY,
            ENTITY_TYPE,
            Column("expires_at", "timestamptz", 13),
        ],
    },
    Table {
        name: "migrations",
        since: 8,
        columns: &[ID, CREATED, UPDATED, Column("name", "varchar UNIQUE", 8)],
    },
    Table {
        name: "notifications",
        since: 19,
        columns: &[
            ID,
            CREATED,
            UPDATED,
            ENTITY,
            ENTITY_TYPE,
            Column("notification_type", "text NOT NULL", 19),
            Column("data", "jsonb", 19),
        ],
    },
    Table {
        name: "notification_receivers",
        since: 19,
        columns: &[
            Column("notification_id", "uuid NOT NULL", 19),
            Column("receiver_id", "uuid NOT NULL", 19),
            Column("status", "integer NOT NULL DEFAULT 0", 19),
        ],
    },
];

/// Columns that recorded migrations brought to tables of old; releases name them when they read and write.
const LATER: &[(&str, &str, Release)] = &[
    (
        "end_devices",
        "claim_authentication_code_secret",
        Release::new(3, 21, 0),
    ),
    (
        "end_devices",
        "claim_authentication_code_valid_from",
        Release::new(3, 21, 0),
    ),
    (
        "end_devices",
        "claim_authentication_code_valid_to",
        Release::new(3, 21, 0),
    ),
    ("end_devices", "serial_number", Release::new(3, 24, 0)),
    ("end_devices", "vendor_id", Release::new(3, 24, 0)),
    ("end_devices", "vendor_profile_id", Release::new(3, 24, 0)),
    (
        "organizations",
        "fanout_notifications",
        Release::new(3, 29, 0),
    ),
    ("users", "console_preferences", Release::new(3, 30, 0)),
    ("users", "universal_rights", Release::new(3, 32, 0)),
];

/// The names that a release uses of a table.
pub(crate) fn columns(table: &str, release: Release) -> Vec<&'static str> {
    let old = TABLES
        .iter()
        .filter(|candidate| candidate.name == table)
        .flat_map(|table| table.columns)
        .filter(|column| Release::new(3, column.2, 0) <= release)
        .map(|column| column.0);
    let later = LATER
        .iter()
        .filter(|(of, _, since)| *of == table && *since <= release)
        .map(|(_, column, _)| *column);
    old.chain(later).collect()
}

/// Adds every table and column that the release knows and the database lacks. Never changes or removes one.
pub(super) fn auto_migrate(client: &mut Client, release: Release) -> Result<()> {
    for table in TABLES
        .iter()
        .filter(|table| Release::new(3, table.since, 0) <= release)
    {
        let known = table
            .columns
            .iter()
            .filter(|column| Release::new(3, column.2, 0) <= release);
        let all: Vec<String> = known
            .clone()
            .map(|Column(name, kind, _)| format!("\"{name}\" {kind}"))
            .collect();
        let mut statements = vec![format!(
            "CREATE TABLE IF NOT EXISTS {} ({})",
            table.name,
            all.join(", ")
        )];
        statements.extend(known.map(|Column(name, kind, _)| {
            format!(
                "ALTER TABLE {} ADD COLUMN IF NOT EXISTS \"{name}\" {kind}",
                table.name
            )
        }));
        execute(client, &statements.join(";\n"))?;
    }
    for (_, index, since, until) in INDEXES {
        // 3.18 forgot that databases made by it never had the index that it drops.
        if (*since..*until).any(|minor| release.is_minor(3, minor)) {
            let index = index.replacen("INDEX ", "INDEX IF NOT EXISTS ", 1);
            execute(client, &format!("CREATE {index}"))?;
        }
    }
    Ok(())
}

/// Indexes of a database made new by this release.
pub(super) fn create_indexes(client: &mut Client, release: Release) -> Result<()> {
    for (_, index, since, until) in INDEXES {
        if Release::new(3, *since, 0) <= release && release < Release::new(3, *until, 0) {
            let index = index.replacen("INDEX ", "INDEX IF NOT EXISTS ", 1);
            execute(client, &format!("CREATE {index}"))?;
        }
    }
    Ok(())
}

/// The first table or `table.column` that the release's models have and the database has not. Columns count from 3.4.0.
pub(super) fn first_missing(client: &mut Client, release: Release) -> Result<Option<String>> {
    for table in TABLES
        .iter()
        .filter(|table| Release::new(3, table.since, 0) <= release)
    {
        if !super::table_exists(client, table.name)? {
            return Ok(Some(table.name.to_owned()));
        }
        if release < Release::new(3, 4, 0) {
            continue;
        }
        let rows = client
            .query("SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1", &[&table.name])
            .map_err(|problem| anyhow!(told(&problem)))?;
        let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let missing = columns(table.name, release)
            .into_iter()
            .find(|column| !found.iter().any(|name| name == column));
        if let Some(column) = missing {
            return Ok(Some(format!("{}.{column}", table.name)));
        }
    }
    Ok(None)
}

pub(super) fn execute(client: &mut Client, statements: &str) -> Result<()> {
    client
        .batch_execute(statements)
        .map_err(|problem| anyhow!(told(&problem)))
}

#[cfg(test)]
mod tests {
    use super::columns;
    use crate::release::Release;

    #[test]
    fn a_release_names_only_its_own_columns() {
        let has = |release, column: &str| columns("end_devices", release).contains(&column);
        assert!(!has(Release::new(3, 2, 0), "picture_id"));
        assert!(has(Release::new(3, 3, 0), "picture_id"));
        assert!(!has(Release::new(3, 23, 2), "serial_number"));
        assert!(has(Release::new(3, 24, 0), "serial_number"));
    }
}
