//! A shadow that becomes a server of its own, for a rehearsal; the original knows nothing of it.

use std::fs;

use crate::bench::UPGRADE;
use crate::cluster::{Cluster, until};

const NAME: &str = "identity";

#[test]
fn a_promoted_shadow_is_a_server_and_the_original_goes_on() {
    let cluster = Cluster::start();
    cluster.sql("postgres", "CREATE DATABASE app");
    cluster.sql(
        "app",
        "CREATE TABLE users (id bigserial PRIMARY KEY, name text);
         INSERT INTO users (name) SELECT 'user ' || i FROM generate_series(1, 3000) i",
    );
    // What an operator wrote for the original must not be done by the copy.
    cluster.sql("postgres", "ALTER SYSTEM SET archive_mode = 'on'");
    let location = cluster.location("app", "admin");
    cluster.bench.keep_by_shadow(NAME, &location);
    let store = cluster.datastore("app");
    let promoted = cluster.bench.root().join("promoted");

    cluster.bench.within(UPGRADE, |cx| {
        assert_eq!(
            store.promote(cx, &promoted).expect("nothing is begun"),
            None
        );
        store.prepare(cx).expect("prepares");
    });
    cluster.sql(
        "app",
        "INSERT INTO users (name) VALUES ('while it follows')",
    );
    // The follower has it once it has replayed the original's last position.
    let position = cluster.sql("app", "SELECT pg_current_wal_flush_lsn()");
    until("it follows", || {
        let query = format!(
            "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= '{}'",
            position.trim()
        );
        cluster.sql("app", &query).trim() == "1"
    });
    let outcome = cluster.bench.within(UPGRADE, |cx| {
        store.promote(cx, &promoted).expect("it can be let go")
    });
    assert!(outcome.is_some_and(|outcome| outcome.summary.starts_with("a shadow")));

    assert!(cluster.companion(UPGRADE, "follow").is_none());
    cluster.sql("app", "INSERT INTO users (name) VALUES ('afterwards')");
    let count = "SELECT count(*) FROM users";
    assert_eq!(cluster.sql("app", count).trim(), "3002");
    until("nobody streams any more", || {
        let query = "SELECT count(*) FROM pg_stat_replication";
        cluster.sql("app", query).trim() == "0"
    });
    let slots = "SELECT count(*) FROM pg_replication_slots";
    assert_eq!(cluster.sql("app", slots).trim(), "0");

    // In the place of the original, for a moment, it shows that it is a server like any other.
    cluster.down();
    let kept = cluster.bench.root().join("original");
    fs::rename(cluster.data(), &kept).expect("it is down");
    fs::rename(&promoted, cluster.data()).expect("it is whole");
    cluster.up();
    assert_eq!(cluster.sql("app", count).trim(), "3001");
    assert_eq!(cluster.sql("app", "SELECT pg_is_in_recovery()").trim(), "f");
    assert_eq!(cluster.sql("app", "SHOW archive_mode").trim(), "off");
    cluster.sql("app", "INSERT INTO users (name) VALUES ('on the copy')");
    assert_eq!(cluster.sql("app", count).trim(), "3002");
    cluster.down();
}
