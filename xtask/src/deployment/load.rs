//! Fills a deployment: rows that migrations change, delete or walk over, and keys of all kinds.

use std::fmt::Write;

use anyhow::{Result, bail};

use super::files::stored_key;
use super::{CHECK_APPLICATION, Site};

/// Makes the schema as an operator of that release would have got it: installed by it, or upgraded through 3.19.
pub(super) fn schema(site: &impl Site, version: &str) -> Result<()> {
    let minor: u32 = version
        .split('.')
        .nth(1)
        .and_then(|minor| minor.parse().ok())
        .unwrap_or(0);
    let action = if minor < 20 { "init" } else { "migrate" };
    let answer = site.product(&["is-db", action])?;
    if !answer.status.success() {
        bail!(
            "is-db {action} of {version}: {}{}",
            answer.stdout,
            answer.stderr
        );
    }
    Ok(())
}

/// Loads `rows` end devices and, in proportion, everything around them.
pub(super) fn rows(site: &impl Site, rows: u32) -> Result<()> {
    site.sql(&statements(rows))?;
    site.feed_redis(commands(rows).as_bytes())
}

fn statements(rows: u32) -> String {
    let (key_id, key) = stored_key();
    let users = rows / 50 + 3;
    let applications = rows / 20 + 2;
    let gateways = rows / 10 + 3;
    format!(
        "BEGIN;
INSERT INTO users (name, primary_email_address, admin)
  SELECT 'User ' || n, 'user' || n || '@example.com', n = 1 FROM generate_series(1, {users}) n;
INSERT INTO accounts (uid, account_id, account_type)
  SELECT 'user-' || row_number() OVER (ORDER BY primary_email_address), id, 'user' FROM users;
INSERT INTO organizations (name) SELECT 'Organization ' || n FROM generate_series(1, {users} / 3 + 1) n;
INSERT INTO accounts (uid, account_id, account_type)
  SELECT 'org-' || row_number() OVER (ORDER BY name), id, 'organization' FROM organizations;
INSERT INTO applications (application_id, name) VALUES ('{CHECK_APPLICATION}', 'For switchback');
INSERT INTO applications (application_id, name, description)
  SELECT 'app-' || n, 'Application ' || n, repeat('An application. ', 4) FROM generate_series(1, {applications}) n;
INSERT INTO gateways (gateway_id, gateway_eui, name, frequency_plan_id)
  SELECT 'gtw-' || n, lpad(to_hex(n), 16, '0'), 'Gateway ' || n, 'EU_863_870_TTN' FROM generate_series(1, {gateways}) n;
INSERT INTO end_devices (application_id, device_id, name, join_eui, dev_eui, description)
  SELECT 'app-' || (n % {applications} + 1), 'dev-' || n, 'Device ' || n, '70b3d57ed0000000', lpad(to_hex(n), 16, '0'), md5(n::text)
  FROM generate_series(1, {rows}) n;
INSERT INTO attributes (entity_id, entity_type, key, value)
  SELECT id, 'end_device', 'room', md5(device_id) FROM end_devices;
INSERT INTO memberships (account_id, rights, entity_id, entity_type)
  SELECT acc.id, '{{1}}', app.id, 'application' FROM accounts acc, applications app WHERE acc.uid = 'user-1';
INSERT INTO contact_infos (contact_type, contact_method, value, public, entity_id, entity_type)
  SELECT n, 1, 'contact' || n || '@example.com', true, usr.id, 'user' FROM users usr, generate_series(1, 3) n;
INSERT INTO contact_infos (contact_type, contact_method, value, public, entity_id, entity_type)
  SELECT 1, 1, 'gateway@example.com', true, id, 'gateway' FROM gateways;
INSERT INTO contact_info_validations (reference, token, entity_id, entity_type, contact_method, value, used)
  SELECT md5(id::text), md5(name), id, 'user', 1, primary_email_address, n = 2 FROM users, generate_series(1, 2) n WHERE n = 1;
INSERT INTO api_keys (api_key_id, key, rights, name, entity_id, entity_type)
  SELECT '{key_id}', '{key}', '{{1}}', 'switchback', id, 'user' FROM users WHERE admin;
COMMIT;
"
    )
}

/// Commands in the inline form of the protocol would lose spaces; these are in its long form.
fn commands(rows: u32) -> String {
    let applications = rows / 20 + 2;
    let mut out = String::new();
    let mut add = |words: &[&str]| {
        let _ = write!(out, "*{}\r\n", words.len());
        for word in words {
            let _ = write!(out, "${}\r\n{word}\r\n", word.len());
        }
    };
    for number in 1..=rows {
        let uid = format!("app-{}.dev-{number}", number % applications + 1);
        let address = format!("{:08X}", 0x2601_0000 + number / 3);
        let device = format!(
            "{{\"ids\":{{\"device_id\":\"dev-{number}\"}},\"session\":{{\"dev_addr\":\"{address}\",\"last_f_cnt_up\":{number}}},\"started_at\":\"2022-01-01T00:00:00Z\"}}"
        );
        for registry in ["ns", "as", "js"] {
            add(&[
                "SET",
                &format!("ttn:v3:{registry}:devices:uid:{uid}"),
                &device,
            ]);
        }
        add(&[
            "ZADD",
            &format!("ttn:v3:ns:devices:addr:{address}:current"),
            "0",
            &uid,
        ]);
        add(&[
            "SADD",
            "ttn:v3:gs:connections:seen",
            &format!("gtw-{}", number % 97),
        ]);
        add(&[
            "HSET",
            &format!("ttn:v3:as:devices:uid:{uid}:payload"),
            "port",
            "1",
            "count",
            &number.to_string(),
        ]);
        for session in 0..2 {
            let id = format!("{number:06}{session}");
            add(&[
                "SET",
                &format!("ttn:v3:js:keys:id:{id}"),
                &format!("key {id}"),
            ]);
            add(&["RPUSH", &format!("ttn:v3:js:keys:ids:{uid}"), &id]);
        }
        if number % 4 == 0 {
            add(&[
                "SET",
                &format!("ttn:v3:ns:application-uplinks:uid:{uid}:last-invalidation"),
                "1",
            ]);
        }
        if number % 5 == 0 {
            add(&[
                "XADD",
                "ttn:v3:events:uplinks",
                &format!("{number}-0"),
                "uid",
                &uid,
            ]);
        }
    }
    add(&["SET", "ttn:v3:gs:connections:count", &rows.to_string()]);
    out
}
