//! Synapse, a Matrix homeserver on PostgreSQL. Once a new release has worked on its database, the old one refuses it:
//! the way back is the database as it was.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::database::Database;
use super::environments::Releases;
use super::site::Site;
use crate::live::judge;
use crate::live::lab::Lab;

const OLD: &str = "1.98.0";
const NEW: &str = "1.163.2";

/// 1.98.0 does not name the newest library that it works with. The extra that would bring the driver of PostgreSQL
/// builds it from source; here it comes built.
pub(super) const RELEASES: [(&str, &[&str]); 2] = [
    (
        OLD,
        &[
            "matrix-synapse==1.98.0",
            "psycopg2-binary",
            "prometheus-client<0.21",
        ],
    ),
    (NEW, &["matrix-synapse==1.163.2", "psycopg2-binary"]),
];

const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who writes into a room.
struct Guest {
    token: String,
    room: String,
}

pub(super) fn there_and_back(lab: &Lab, releases: &Releases) -> Result<()> {
    let site = Site::new(lab, "synapse", releases)?;
    let database = Database::start(&site, lab.free_port()?, "synapse")?;
    configure(&site, &database)?;
    let config = site.dir().join("homeserver.yaml");
    let config = config.to_string_lossy();
    site.start("synapse_homeserver", &["--config-path", &config])?;
    site.healthy("/health")?;
    let guest = guest(&site)?;
    for number in 0..10 {
        say(&site, &guest, &format!("message {number}"))?;
    }
    let media = upload(&site, &guest)?;
    let before = said(&site, &guest)?;
    ensure!(before.len() == 10, "{before:?}");

    // What the upgrade notes ask for: updates in the background are not stacked up.
    let idle = || database.ask("select count(*) from background_updates");
    let since = Instant::now();
    while idle()?.trim() != "0" {
        ensure!(
            since.elapsed() < PATIENCE,
            "updates in the background do not end"
        );
        std::thread::sleep(Duration::from_millis(200));
    }

    let seen = site.expect(&["init", "--product", "synapse"], 0)?;
    judge::told(&seen.stdout, &["synapse:1.98.0"])?;
    let file = site.dir().join("switchback.toml");
    let text = fs::read_to_string(&file)? + &database.configuration(&site, "main");
    fs::write(file, text)?;
    let plan = site.upgrade(NEW)?;
    // Locks of workers are in tables that no follower gets. The definition says that they may be lost, and the plan that they are.
    judge::told(
        &plan,
        &[
            "schema (1.163.2), for 1.106.0",
            "must not work on it",
            "main   shadow",
            "without `public.worker_read_write_locks`",
        ],
    )?;
    let told = runs(&site)?;
    ensure!(told == NEW, "{told} answers after the upgrade");
    ensure!(
        said(&site, &guest)? == before,
        "the new release tells something else"
    );
    ensure!(download(&site, &media)?, "the picture is gone");
    say(&site, &guest, "after the upgrade")?;
    ensure!(
        schema(&database)? == "94|84",
        "the schema is {}",
        schema(&database)?
    );

    old_refuses(&site, &config)?;

    site.go_back()?;
    let told = runs(&site)?;
    ensure!(told == OLD, "{told} answers after the way back");
    ensure!(
        schema(&database)? == "83|83",
        "the schema is {}",
        schema(&database)?
    );
    ensure!(
        said(&site, &guest)? == before,
        "the old release tells something else than before"
    );
    ensure!(download(&site, &media)?, "the picture is gone");
    say(&site, &guest, "after the way back")?;
    site.remove()
}

/// Why a way back has to bring the database back.
fn old_refuses(site: &Site, config: &str) -> Result<()> {
    let answer = site
        .program(OLD, "synapse_homeserver")?
        .args(["--config-path", config])
        .answer()?;
    ensure!(
        !answer.status.success(),
        "{OLD} started on the database of {NEW}"
    );
    let said = answer.stdout + &answer.stderr;
    judge::told(&said, &["too new for the server to understand"])
}

fn configure(site: &Site, database: &Database) -> Result<()> {
    let dir = site.dir().display();
    let text = format!(
        "server_name: lab.test\nlisteners:\n  - port: {port}\n    type: http\n    bind_addresses: ['127.0.0.1']\n    \
         resources: [{{names: [client, media]}}]\ndatabase:\n  name: psycopg2\n  args: {{user: root, dbname: synapse, host: \
         127.0.0.1, port: {database}}}\nmedia_store_path: {dir}/data/media\nsigning_key_path: {dir}/signing.key\n\
         macaroon_secret_key: for the laboratory alone\nform_secret: for the laboratory alone\nreport_stats: false\n\
         trusted_key_servers: []\nenable_registration: true\nenable_registration_without_verification: true\n\
         rc_message: {{per_second: 1000, burst_count: 1000}}\n",
        port = site.port(),
        database = database.port(),
    );
    fs::write(site.dir().join("homeserver.yaml"), text)?;
    fs::create_dir_all(site.dir().join("data/media"))?;
    fs::write(
        site.dir().join("environment"),
        format!("SYNAPSE_CONFIG={dir}/homeserver.yaml\nSYNAPSE_MEDIA_STORE={dir}/data/media\n"),
    )?;
    site.program(OLD, "generate_signing_key")?
        .arg("-o")
        .arg(site.dir().join("signing.key"))
        .quiet()
}

/// The release that answers. Synapse tells the commit as well where it lies within somebody's repository, as here.
fn runs(site: &Site) -> Result<String> {
    let found = site.json("GET", "/_synapse/admin/v1/server_version", "", "")?;
    let told = text(&found["server_version"]);
    Ok(told
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}

fn guest(site: &Site) -> Result<Guest> {
    let body =
        json!({"auth": {"type": "m.login.dummy"}, "username": "ada", "password": "not a secret"});
    let made = site.json("POST", "/_matrix/client/v3/register", "", &body.to_string())?;
    let token = text(&made["access_token"]);
    let made = site.json("POST", "/_matrix/client/v3/createRoom", &token, "{}")?;
    Ok(Guest {
        token,
        room: text(&made["room_id"]),
    })
}

fn say(site: &Site, guest: &Guest, words: &str) -> Result<()> {
    let transaction = words.replace(' ', "-");
    let path = format!(
        "/_matrix/client/v3/rooms/{}/send/m.room.message/{transaction}",
        guest.room
    );
    let body = json!({"msgtype": "m.text", "body": words});
    site.json("PUT", &path, &guest.token, &body.to_string())
        .map(drop)
}

/// What was said in the room, oldest first.
fn said(site: &Site, guest: &Guest) -> Result<Vec<String>> {
    let path = format!(
        "/_matrix/client/v3/rooms/{}/messages?dir=f&limit=100",
        guest.room
    );
    let found = site.json("GET", &path, &guest.token, "")?;
    let events = found["chunk"].as_array().context("no events")?;
    let messages = events
        .iter()
        .filter(|event| event["type"] == "m.room.message");
    Ok(messages
        .map(|event| text(&event["content"]["body"]))
        .collect())
}

const PICTURE: &str = "[\"not really a picture\"]";

/// Uploads something; where it can be had.
fn upload(site: &Site, guest: &Guest) -> Result<String> {
    let made = site.json("POST", "/_matrix/media/v3/upload", &guest.token, PICTURE)?;
    let name = text(&made["content_uri"]).replace("mxc://", "");
    Ok(format!("/_matrix/media/v3/download/{name}"))
}

fn download(site: &Site, path: &str) -> Result<bool> {
    Ok(site.request("GET", path, "", "")? == (200, PICTURE.to_owned()))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The schema's version, and the oldest that a release must know to be let in.
fn schema(database: &Database) -> Result<String> {
    let question =
        "select version || '|' || compat_version from schema_version, schema_compat_version";
    Ok(database.ask(question)?.trim().to_owned())
}
