//! Roles that are no superusers: what is enough for a shadow, and whom they must see all the same.

use switchback_model::observed::Shadowing;

use super::site::{NAME, Site, Writer, nobody_writes};
use crate::bench::UPGRADE;
use crate::cluster::until;

const KEEPER: &str = "keeper-secret";

/// A role that may replicate and read this database, and nothing else.
const ENOUGH: &str = "CREATE ROLE keeper LOGIN REPLICATION PASSWORD 'keeper-secret';
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO keeper;
    GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO keeper;
    DO $$ BEGIN EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO keeper',
      (SELECT oid FROM pg_largeobject_metadata)); END $$";

#[test]
fn a_role_that_may_replicate_and_read_is_enough_and_sees_everybody_who_writes() {
    let mut site = Site::new();
    site.sql(ENOUGH);
    assert_eq!(site.survey_as("keeper", KEEPER), Shadowing::Possible);
    let location = site.cluster.location("app", "keeper");
    site.cluster.bench.keep_by_shadow(NAME, &location);
    site.store = site.cluster.datastore_as("app", "keeper", KEEPER);
    site.proven();
    // The server shows this role of others' sessions that they are there, and not what they are.
    let writer = Writer::on(
        &site.cluster,
        "INSERT INTO users (name) VALUES ('somebody else'); SELECT pg_sleep(100)",
    );
    until("it wrote", || {
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app' AND wait_event = 'PgSleep'";
        site.cluster.sql("postgres", sleeping) == "1"
    });
    let refused = site.within(UPGRADE, |store, cx| {
        store.seal(cx).expect_err("somebody writes")
    });
    assert_eq!(refused.code, "writers-connected", "{refused:?}");
    let [told] = &refused.causes[..] else {
        panic!("{refused:?}")
    };
    assert!(told.starts_with("`admin` (psql"), "{told}");
    assert!(told.ends_with("(GRANT pg_read_all_stats)"), "{told}");
    drop(writer);
    nobody_writes(&site);
    site.within(UPGRADE, |store, cx| store.seal(cx).expect("seals"));
    site.sql("TRUNCATE users");
    site.rolled_back();
    assert_eq!(site.sql("SELECT count(*) FROM users"), "5000");
}

/// What the documentation names is enough, but for large objects, which no such right is about.
#[test]
fn the_role_that_the_documentation_names_is_enough() {
    let mut site = Site::new();
    site.sql("SELECT lo_unlink(oid) FROM pg_largeobject_metadata");
    let version: u32 = site
        .sql("SHOW server_version_num")
        .parse()
        .expect("a number");
    if version < 140_000 {
        return;
    }
    site.sql("CREATE ROLE keeper LOGIN REPLICATION PASSWORD 'keeper-secret'; GRANT pg_read_all_data, pg_read_all_stats TO keeper");
    let location = site.cluster.location("app", "keeper");
    site.cluster.bench.keep_by_shadow(NAME, &location);
    site.store = site.cluster.datastore_as("app", "keeper", KEEPER);
    site.sealed();
}

#[test]
fn without_a_superuser_who_may_log_in_there_is_no_shadow() {
    let site = Site::new();
    site.sql(
        "CREATE ROLE keeper LOGIN REPLICATION PASSWORD 'keeper-secret'; ALTER ROLE admin NOLOGIN",
    );
    assert_eq!(
        site.survey_as("keeper", KEEPER),
        Shadowing::Impossible {
            because: "no superuser of its server may log in".to_owned()
        }
    );
}
