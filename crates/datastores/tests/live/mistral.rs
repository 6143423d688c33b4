//! What StackStorm's definition says about a Mistral that was started too early, asked of a real server: the
//! tables have the names and the references of Mistral's own, and no columns beyond those.

use switchback_model::product::{Lock, Probe, Product, parse};

use crate::cluster::Cluster;

fn stackstorm() -> Product {
    let files = [
        (
            "product.toml",
            include_str!("../../../../catalog/stackstorm/product.toml"),
        ),
        (
            "rules.toml",
            include_str!("../../../../catalog/stackstorm/rules.toml"),
        ),
    ];
    parse::parse(&files)
        .expect("the definition is well-formed")
        .product
}

fn lock_and_probe(product: &Product) -> (&Lock, &Probe) {
    let mut locks = product.locks.iter();
    let lock = locks
        .find(|lock| lock.id == "mistral-started-too-early")
        .expect("it is there");
    (lock, &product.probes[&lock.probe])
}

/// The schema that revision 011 leaves, with one execution in it.
const OLD: &str = "create table alembic_version (version_num text);
    insert into alembic_version values ('011');
    create table executions_v2 (id text primary key);
    insert into executions_v2 values ('old-1')";

/// What a server of a newer release makes at its start, with the reference that the documented recovery trips over.
const EARLY: &str = "create table event_triggers_v2 (id text primary key);
    create table workflow_executions_v2 (id text primary key);
    create table task_executions_v2 (id text primary key, workflow text references workflow_executions_v2);
    create table action_executions_v2 (id text primary key, task text references task_executions_v2);
    create table named_locks (id text primary key)";

#[test]
fn a_mistral_that_was_started_too_early_is_recognised_and_its_empty_tables_are_removed() {
    let product = stackstorm();
    let (lock, probe) = lock_and_probe(&product);
    let question = probe.sql.as_deref().expect("it asks the database");
    let cluster = Cluster::start();
    let sql = |script: &str| cluster.sql("postgres", script);
    assert_eq!(
        lock.holder(&sql(question)),
        None,
        "nothing of Mistral is there"
    );
    sql(OLD);
    assert_eq!(lock.holder(&sql(question)), None, "an old Mistral is there");
    sql(EARLY);
    let answer = sql(question);
    assert_eq!(
        lock.holder(&answer),
        Some(
            "action_executions_v2 with 0 rows, event_triggers_v2 with 0 rows, named_locks with 0 rows, \
             task_executions_v2 with 0 rows, workflow_executions_v2 with 0 rows"
        )
    );
    sql("insert into named_locks values ('held')");
    assert!(sql(question).contains("named_locks with 1 rows"));
    let refused = cluster
        .psql("postgres", &lock.clear)
        .output()
        .expect("psql starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("named_locks has rows"),
        "{said}"
    );
    assert!(
        sql(question).contains("event_triggers_v2"),
        "all or nothing"
    );
    sql("delete from named_locks");
    sql(&lock.clear);
    assert_eq!(lock.holder(&sql(question)), None);
    assert_eq!(sql("select count(*) from executions_v2"), "1");
    // At the new revision the same tables are where they belong, and stay.
    sql(EARLY);
    sql("update alembic_version set version_num = '020'");
    assert_eq!(lock.holder(&sql(question)), None);
    sql(&lock.clear);
    assert_eq!(sql("select count(*) from named_locks"), "0");
}
