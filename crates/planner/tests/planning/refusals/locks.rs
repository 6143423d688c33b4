//! Locks that somebody holds.

use super::{refused, site, told};

#[test]
fn a_lock_that_a_dead_migrator_left() {
    let site = site().answer("bun-migration-lock", "lock 1 on bun_migrations");
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 lock-held: there is a migration of the Identity Server's database that was begun and not ended
    state: deployment: unchanged
    state: datastore identity: lock 1 on bun_migrations
    hint: see whether any migration still runs: `docker compose exec postgres psql -d ttn_lorawan -c "select pid, application_name, xact_start, query from pg_stat_activity where datname = current_database()"`
    hint: once nobody holds it any more, remove it and plan again: `docker compose exec postgres psql -d ttn_lorawan -c "delete from bun_migration_locks"`
    "#);
}

#[test]
fn a_transaction_that_somebody_forgot() {
    let held = "session 4711 of root (psql), transaction since 2026-11-21 07:55 UTC";
    let site = site().answer("forgotten-transactions", held);
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 lock-held: there is a session that left a transaction in the Identity Server's database open
    state: deployment: unchanged
    state: datastore identity: session 4711 of root (psql), transaction since 2026-11-21 07:55 UTC
    hint: see what it did last, and ask whoever it belongs to: `docker compose exec postgres psql -d ttn_lorawan -c "select pid, usename, client_addr, xact_start, query from pg_stat_activity where state like 'idle in transaction%'"`
    hint: once nobody holds it any more, remove it and plan again: `docker compose exec postgres psql -d ttn_lorawan -c "select pg_terminate_backend(PID)"`
    "#);
}

/// Unknown is never no, and no reason to refuse either: whoever applies the plan is told.
#[test]
fn a_lock_that_nothing_could_ask_about_is_said() {
    let mut site = site();
    site.observed.probes.remove("bun-migration-lock");
    let planned = site.plan("3.32.1").expect("it is planned");
    let told: Vec<&str> = planned
        .notes
        .iter()
        .map(|note| note.text.as_str())
        .collect();
    let expected = "nothing could tell whether there is a migration of the Identity Server's database \
                    that was begun and not ended";
    assert!(told.contains(&expected), "{told:#?}");
}
