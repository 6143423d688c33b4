//! Recorded migrations: names, first releases and work of the real ones.

use anyhow::{Result, anyhow, bail};
use postgres::{Client, GenericClient};

use super::schema::{self, execute};
use super::{extension, table_exists, told};
use crate::faults;
use crate::log::{info, warning};
use crate::release::Release;

/// From here on a migration runs in a transaction and is recorded after it succeeded. Before, it was recorded first, so that
/// one which failed half way counted as done.
const RECORDED_AFTERWARDS: Release = Release::new(3, 32, 2);

/// The one migration that ran in a transaction all along.
const ALWAYS_TRANSACTIONAL: &str = "20220701140000";

/// Creates a new database or prepares an old one.
const BASE: &str = "20220520000000";

struct Migration {
    name: &'static str,
    since: Release,
    up: &'static [&'static str],
}

const USER_ACCOUNTS: &str = "CREATE OR REPLACE VIEW user_accounts AS SELECT acc.id AS account_id, acc.uid AS account_uid, \
     acc.deleted_at AS account_deleted_at, usr.* FROM accounts acc \
     JOIN users usr ON usr.id = acc.account_id AND acc.account_type = 'user'";

const ORGANIZATION_ACCOUNTS: &str = "CREATE OR REPLACE VIEW organization_accounts AS SELECT acc.id AS account_id, acc.uid AS account_uid, \
     acc.deleted_at AS account_deleted_at, org.* FROM accounts acc \
     JOIN organizations org ON org.id = acc.account_id AND acc.account_type = 'organization'";

const MEMBERSHIPS: &str = "CREATE VIEW direct_entity_memberships AS SELECT acc.account_type, acc.id AS account_id, \
     acc.uid AS account_friendly_id, mem.rights, mem.entity_type, mem.entity_id FROM accounts acc \
     JOIN memberships mem ON mem.account_id = acc.id WHERE acc.deleted_at IS NULL";

const fn since(minor: u32) -> Release {
    Release::new(3, minor, 0)
}

const ALL: &[Migration] = &[
    Migration {
        name: BASE,
        since: since(20),
        up: &[],
    },
    Migration {
        name: ALWAYS_TRANSACTIONAL,
        since: since(21),
        up: &[
            "DROP INDEX uix_users_primary_email_address",
            "CREATE UNIQUE INDEX uix_users_primary_email_address ON users ((LOWER(primary_email_address))) WHERE deleted_at IS NULL",
        ],
    },
    Migration {
        name: "20220726092000",
        since: since(21),
        up: &[USER_ACCOUNTS, ORGANIZATION_ACCOUNTS],
    },
    Migration {
        name: "20220726093000",
        since: since(21),
        up: &[
            "DROP VIEW IF EXISTS direct_entity_memberships CASCADE",
            MEMBERSHIPS,
        ],
    },
    Migration {
        name: "20220802000000",
        since: since(21),
        up: &[
            "ALTER TABLE end_devices ADD claim_authentication_code_secret bytea",
            "ALTER TABLE end_devices ADD claim_authentication_code_valid_from timestamptz",
            "ALTER TABLE end_devices ADD claim_authentication_code_valid_to timestamptz",
        ],
    },
    Migration {
        name: "20220808000000",
        since: since(21),
        up: &[
            "DROP VIEW IF EXISTS direct_entity_memberships CASCADE",
            MEMBERSHIPS,
        ],
    },
    Migration {
        name: "20220913000000",
        since: since(23),
        up: &[
            "DROP INDEX gateway_eui_index",
            "CREATE UNIQUE INDEX gateway_eui_index ON gateways (gateway_eui) WHERE deleted_at IS NULL",
        ],
    },
    Migration {
        name: "20221207000000",
        since: since(24),
        up: &["ALTER TABLE end_devices ADD COLUMN serial_number varchar(16)"],
    },
    Migration {
        name: "20221208000000",
        since: since(24),
        up: &[
            "ALTER TABLE end_devices ADD COLUMN vendor_id int",
            "ALTER TABLE end_devices ADD COLUMN vendor_profile_id int",
        ],
    },
    Migration {
        name: "20231206000000",
        since: since(29),
        up: &[
            "CREATE TABLE email_validations (id uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL, created_at timestamptz NOT NULL, \
         updated_at timestamptz NOT NULL, expires_at timestamptz, user_uuid uuid NOT NULL, email_address varchar NOT NULL, \
         reference varchar NOT NULL, token varchar NOT NULL, used boolean DEFAULT false NOT NULL)",
            "CREATE UNIQUE INDEX email_validation_index ON email_validations (reference, token)",
            "INSERT INTO email_validations (created_at, updated_at, expires_at, user_uuid, email_address, reference, token, used) \
         SELECT created_at, updated_at, expires_at, entity_id, value, reference, token, false FROM contact_info_validations \
         WHERE contact_method = 1 AND entity_type = 'user' AND (used = false OR used IS NULL) \
         AND (expires_at > now() OR expires_at IS NULL)",
            "DELETE FROM contact_info_validations WHERE contact_method = 1 AND entity_type = 'user'",
        ],
    },
    Migration {
        name: "20231211000000",
        since: since(29),
        up: &[
            "ALTER TABLE organizations ADD COLUMN IF NOT EXISTS fanout_notifications boolean",
            "UPDATE organizations SET fanout_notifications = true",
            ORGANIZATION_ACCOUNTS,
        ],
    },
    Migration {
        name: "20240100200000",
        since: since(29),
        up: &[
            "DELETE FROM contact_infos WHERE entity_type = 'application'",
            "DELETE FROM contact_infos WHERE entity_type = 'client'",
            "DELETE FROM contact_infos WHERE entity_type = 'end_device'",
            "DELETE FROM contact_infos WHERE entity_type = 'gateway'",
            "DELETE FROM contact_infos WHERE entity_type = 'organization'",
            "DELETE FROM contact_infos WHERE entity_type = 'user'",
        ],
    },
    Migration {
        name: "20240103000001",
        since: since(30),
        up: &[
            "ALTER TABLE users ADD COLUMN IF NOT EXISTS console_preferences bytea",
            USER_ACCOUNTS,
        ],
    },
    Migration {
        name: "20240103000002",
        since: since(30),
        up: &[
            "CREATE TABLE user_bookmarks (id uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL, created_at timestamptz NOT NULL, \
         updated_at timestamptz NOT NULL, deleted_at timestamptz, user_id varchar(36) NOT NULL, entity_id varchar(36) NOT NULL, \
         entity_type varchar(32) NOT NULL)",
            "CREATE UNIQUE INDEX user_bookmarks_index ON user_bookmarks (user_id, entity_id, entity_type)",
        ],
    },
    Migration {
        name: "20240806000000",
        since: since(32),
        up: &[
            "ALTER TABLE users ADD COLUMN IF NOT EXISTS universal_rights integer[]",
            USER_ACCOUNTS,
        ],
    },
];

/// Changes of content recorded by name, 3.8 to 3.19: name, first release, work.
const CONTENTS: &[(&str, Release, &str)] = &[
    (
        "v3.8_membership_rights",
        Release::new(3, 8, 0),
        "UPDATE memberships SET rights = '{}' WHERE rights IS NULL",
    ),
    (
        "v3.17_entity_contacts",
        Release::new(3, 17, 0),
        "UPDATE applications SET administrative_contact_id = m.account_id FROM memberships m \
      WHERE m.entity_type = 'application' AND m.entity_id = applications.id AND administrative_contact_id IS NULL",
    ),
    (
        "v3.18_drop_eui_block_index",
        Release::new(3, 18, 0),
        "DROP INDEX eui_block_index",
    ),
];

/// Runs what is not recorded yet, all in one new group. No lock is taken.
pub(super) fn migrate(client: &mut Client, release: Release) -> Result<()> {
    let applied = recorded(client)?;
    let (done, open): (Vec<&Migration>, Vec<&Migration>) =
        known(release).partition(|migration| applied.contains(&migration.name.to_owned()));
    tell(&done, &open);
    if open.is_empty() {
        info!("Database is up to date");
        return Ok(());
    }
    let group: i64 = client
        .query_one(
            "SELECT COALESCE(max(group_id), 0) + 1 FROM bun_migrations",
            &[],
        )
        .map_err(|problem| anyhow!(told(&problem)))?
        .get(0);
    for migration in open {
        apply(client, migration, group, release)?;
    }
    info!("Successfully migrated to group #{group}");
    Ok(())
}

fn apply(client: &mut Client, migration: &Migration, group: i64, release: Release) -> Result<()> {
    if release >= RECORDED_AFTERWARDS && migration.name != BASE {
        let mut transaction = client.transaction()?;
        run(&mut transaction, migration)?;
        record(&mut transaction, migration, group)?;
        return transaction
            .commit()
            .map_err(|problem| anyhow!(told(&problem)));
    }
    if release >= RECORDED_AFTERWARDS {
        create_or_prepare(client)?;
        return record(client, migration, group);
    }
    record(client, migration, group)?;
    if migration.name == ALWAYS_TRANSACTIONAL {
        let mut transaction = client.transaction()?;
        run(&mut transaction, migration)?;
        return transaction
            .commit()
            .map_err(|problem| anyhow!(told(&problem)));
    }
    if migration.name == BASE {
        return create_or_prepare(client);
    }
    run(client, migration)
}

fn run(client: &mut impl GenericClient, migration: &Migration) -> Result<()> {
    let half = migration.up.len().div_ceil(2);
    let each = |client: &mut _, statement: &str| {
        GenericClient::batch_execute(client, statement)
            .map_err(|problem: postgres::Error| anyhow!("{}: {}", migration.name, told(&problem)))
    };
    for statement in &migration.up[..half] {
        each(client, statement)?;
    }
    faults::in_the_middle_of(migration.name)?;
    for statement in &migration.up[half..] {
        each(client, statement)?;
    }
    Ok(())
}

fn record(client: &mut impl GenericClient, migration: &Migration, group: i64) -> Result<()> {
    client
        .execute(
            "INSERT INTO bun_migrations (name, group_id) VALUES ($1, $2)",
            &[&migration.name, &group],
        )
        .map(drop)
        .map_err(|problem| anyhow!(told(&problem)))
}

/// The base migration: a new database gets the schema of 3.20; an old one must have been brought to 3.19 before.
fn create_or_prepare(client: &mut Client) -> Result<()> {
    if !table_exists(client, "accounts")? {
        extension(client);
        let base = Release::new(3, 20, 0);
        schema::auto_migrate(client, base)?;
        return schema::create_indexes(client, base);
    }
    if !table_exists(client, "notifications")? {
        bail!("database needs to be upgraded to v3.19 before upgrading to v3.20");
    }
    for index in [
        "uix_authorization_codes_code",
        "uix_invitations_email",
        "uix_invitations_token",
        "eui_block_index",
    ] {
        execute(client, &format!("DROP INDEX IF EXISTS {index}"))?;
    }
    Ok(())
}

/// 3.8 to 3.19: each change of content in a transaction, recorded by name with it.
pub(super) fn migrate_contents(client: &mut Client, release: Release) -> Result<()> {
    for (name, first, work) in CONTENTS.iter().filter(|(_, first, _)| *first <= release) {
        let mut transaction = client.transaction()?;
        let done = transaction
            .query_opt("SELECT 1 FROM migrations WHERE name = $1", &[name])?
            .is_some();
        if done {
            continue;
        }
        info!("Apply migration {name}  since={first}");
        // 3.19.0 repaired the drop for databases in which the index never was.
        let work = if release >= Release::new(3, 19, 0) {
            work.replace("DROP INDEX ", "DROP INDEX IF EXISTS ")
        } else {
            (*work).to_owned()
        };
        transaction
            .batch_execute(&work)
            .map_err(|problem| anyhow!(told(&problem)))?;
        faults::in_the_middle_of(name)?;
        transaction.execute("INSERT INTO migrations (name) VALUES ($1)", &[name])?;
        transaction.commit()?;
    }
    Ok(())
}

/// Undoes the whole last group. The base migration's way down drops every table; one migration has none.
pub(super) fn roll_back(client: &mut Client) -> Result<()> {
    recorded(client)?;
    let rows = client.query(
        "SELECT name FROM bun_migrations WHERE group_id = (SELECT max(group_id) FROM bun_migrations) ORDER BY name DESC",
        &[],
    )?;
    for row in rows {
        let name: String = row.get(0);
        client.execute("DELETE FROM bun_migrations WHERE name = $1", &[&name])?;
        if let Some(statement) = down(&name) {
            execute(client, statement)?;
        }
        info!("Rolled back {name}");
    }
    Ok(())
}

fn down(name: &str) -> Option<&'static str> {
    Some(match name {
        BASE => {
            "DROP TABLE IF EXISTS notification_receivers, notifications, api_keys, clients, end_devices, eui_blocks, applications, \
             gateway_antennas, gateways, organizations, memberships, login_tokens, user_sessions, users, contact_info_validations, \
             contact_infos, attributes, accounts, migrations CASCADE"
        }
        "20221207000000" => "ALTER TABLE end_devices DROP COLUMN serial_number",
        "20221208000000" => {
            "ALTER TABLE end_devices DROP COLUMN vendor_id, DROP COLUMN vendor_profile_id"
        }
        "20231206000000" => "DROP TABLE email_validations",
        "20231211000000" => {
            "DROP VIEW organization_accounts; ALTER TABLE organizations DROP COLUMN fanout_notifications"
        }
        "20240103000001" => {
            "DROP VIEW user_accounts; ALTER TABLE users DROP COLUMN console_preferences"
        }
        "20240103000002" => "DROP TABLE user_bookmarks",
        "20240806000000" => {
            "DROP VIEW user_accounts; ALTER TABLE users DROP COLUMN universal_rights"
        }
        _ => return None,
    })
}

/// `is-db status`.
pub(super) fn status(client: &mut Client, release: Release) -> Result<()> {
    let applied = recorded(client)?;
    let (done, open): (Vec<&Migration>, Vec<&Migration>) =
        known(release).partition(|migration| applied.contains(&migration.name.to_owned()));
    tell(&done, &open);
    Ok(())
}

fn known(release: Release) -> impl Iterator<Item = &'static Migration> {
    ALL.iter()
        .filter(move |migration| migration.since <= release)
}

fn tell(done: &[&Migration], open: &[&Migration]) {
    for (what, list) in [("Applied", done), ("Unapplied", open)] {
        if !list.is_empty() {
            let names: Vec<&str> = list.iter().map(|migration| migration.name).collect();
            info!("{what}: {}", names.join(", "));
        }
    }
}

/// Creates the tables of the record where they are missing, and reads it.
fn recorded(client: &mut Client) -> Result<Vec<String>> {
    execute(
        client,
        "CREATE TABLE IF NOT EXISTS bun_migrations (id bigserial PRIMARY KEY, name varchar, group_id bigint, \
         migrated_at timestamptz NOT NULL DEFAULT now());
         CREATE TABLE IF NOT EXISTS bun_migration_locks (id bigserial PRIMARY KEY, table_name varchar UNIQUE)",
    )?;
    let names: Vec<String> = client
        .query("SELECT name FROM bun_migrations ORDER BY name", &[])
        .map_err(|problem| anyhow!(told(&problem)))?
        .iter()
        .map(|row| row.get(0))
        .collect();
    if let Some(foreign) = names
        .iter()
        .find(|name| ALL.iter().all(|known| known.name != name.as_str()))
    {
        warning!("Migration {foreign} is recorded but unknown to this release");
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::known;
    use crate::release::Release;

    #[test]
    fn fifteen_migrations_at_3_32_1_and_in_order() {
        let names: Vec<&str> = known(Release::new(3, 32, 1))
            .map(|migration| migration.name)
            .collect();
        assert_eq!(names.len(), 15);
        assert_eq!(known(Release::new(3, 23, 2)).count(), 7);
        assert_eq!(known(Release::new(3, 19, 2)).count(), 0);
    }
}
