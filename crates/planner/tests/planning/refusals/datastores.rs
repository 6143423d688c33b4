//! Datastores and their servers.

use switchback_model::observed::ServiceState;
use switchback_planner::obstacles;

use super::{refused, site, told};
use crate::site::Site;

#[test]
fn a_datastore_that_was_not_found() {
    let mut site = site();
    site.observed
        .datastores
        .retain(|datastore| datastore.name.as_str() != "redis");
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 datastore-missing: datastore `redis` was not found
    state: deployment: unchanged
    why: what is not found is not backed up, and could not be brought back
    hint: name its service under [datastores.redis] in switchback.toml
    "#);
}

#[test]
fn a_datastore_that_is_stopped() {
    let mut site = site();
    site.service("postgres").state = ServiceState::Stopped;
    site.datastore("identity").engine = None;
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 datastore-stopped: datastore `identity` does not run
    state: postgres: stopped
    why: it must answer, to be measured and backed up
    hint: start it: `docker compose up -d postgres`
    "#);
}

#[test]
fn a_datastore_that_does_not_answer() {
    let mut site = site();
    site.datastore("redis").engine = None;
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 datastore-unreachable: datastore `redis` does not answer
    state: service redis: running
    state: data of redis: unknown
    why: it must answer, to be measured and backed up
    hint: check address, user and password under [datastores.redis] in switchback.toml: `switchback doctor`
    "#);
}

#[test]
fn a_server_that_is_too_old() {
    let mut site = Site::things_stack("open-source", "3.16.2");
    site.service("redis").image = "redis:6".to_owned();
    site.datastore("redis").engine = Some("6.0.16".to_owned());
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 engine-too-old: `redis` must be 6.2 or newer from 3.18.0 on, and is 6.0.16
    state: redis: version 6.0.16
    why: the new version does not run on it
    hint: let the plan upgrade its server as well: `switchback plan --to 3.32.1 --engine redis=7`, or to a newer one
    hint: or upgrade it by itself, see that all runs well, then plan again
    "#);
    site.datastore("redis").engine = Some("6.2.14".to_owned());
    assert!(site.plan("3.32.1").is_ok(), "6.2 suffices");
}

#[test]
fn cockroachdb() {
    let mut by_image = site();
    by_image.service("postgres").image = "cockroachdb/cockroach:v21.2.0".to_owned();
    insta::assert_snapshot!(told(&refused(&by_image)), @r#"
    3 datastore-unsupported: service `postgres` keeps `identity` in `cockroachdb/cockroach:v21.2.0`
    state: deployment: unchanged
    why: CockroachDB was the compose file's database up to 3.15.3, and no way from it to PostgreSQL is documented
    hint: move the data to a supported server first, at the version that runs now
    "#);
    let mut by_answer = site();
    by_answer.datastore("identity").engine = Some("CockroachDB CCL v21.2.0".to_owned());
    insta::assert_snapshot!(told(&refused(&by_answer)), @r#"
    3 cockroachdb: `identity` is kept by CockroachDB, not PostgreSQL
    state: deployment: unchanged
    why: its dumps cannot be restored into a copy and read, so no backup could be proven
    hint: move the data to PostgreSQL first, at the version that runs now
    "#);
}

#[test]
fn an_unknown_way_to_back_up() {
    let site = site().backup("redis", "prayer");
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    2 backup-method-unknown: `prayer` is no way to back up `redis`
    state: deployment: unchanged
    hint: set `backup` to "shadow", "dump" or "none" under [datastores.redis] in switchback.toml, or leave the line out
    "#);
}

#[test]
fn a_server_whose_next_start_would_be_another_major_version() {
    for (service, image, refused_too) in [
        ("postgres", "postgres:17-alpine", true),
        ("redis", "registry.local:5000/library/redis:8", true),
        ("postgres", "postgres:15.8", false),
        ("postgres", "timescale/timescaledb:2.11-pg17", false),
        ("postgres", "postgres:latest", false),
    ] {
        let mut site = site();
        site.service(service).image = image.to_owned();
        let found = obstacles(&site.product, &site.config, &site.observed);
        let told = found
            .iter()
            .any(|problem| problem.code == "server-major-differs");
        assert_eq!(told, refused_too, "{image}");
    }
    let mut site = site();
    site.service("postgres").image = "postgres:17-alpine".to_owned();
    assert_eq!(
        told(&refused(&site)),
        "3 server-major-differs: the server of `identity` is version 15.6, and its configuration says `postgres:17-alpine`\n\
         state: postgres: runs version 15.6\n\
         why: its next start would put version 17 on data of version 15, and backups and the way back start it\n\
         hint: write `postgres:15` for service `postgres` again; the server's own upgrade is part of a plan: `switchback plan --engine identity=17`"
    );
}
