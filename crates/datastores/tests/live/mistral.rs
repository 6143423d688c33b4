//! What StackStorm's definition says about a Mistral that was started too early, asked of a real server: the
//! tables have the names and the references of Mistral's own, and no columns beyond those.

use switchback_model::product::{Product, parse};

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
        (
            "actions.toml",
            include_str!("../../../../catalog/stackstorm/actions.toml"),
        ),
    ];
    parse::parse(&files)
        .expect("the definition is well-formed")
        .product
}

/// The SQL that the recovery's script sends.
fn recovery(product: &Product) -> &str {
    let mut actions = product.actions.iter();
    let action = actions
        .find(|action| action.id == "mistral-recover-already-exists")
        .expect("it is there");
    let script = action.run.last().expect("it runs a script");
    script
        .split("\"\"\"")
        .nth(1)
        .expect("the script holds its SQL between three quotes")
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
    let lock = &product.locks[0];
    let cluster = Cluster::start();
    let sql = |script: &str| cluster.sql("postgres", script);
    let asked = |probe: &str| sql(product.probes[probe].sql.as_deref().expect("it asks"));
    let early = || asked("mistral-early-tables");
    let holder = || lock.holder(&asked(&lock.probe)).map(str::to_owned);
    assert_eq!(early(), "0", "nothing of Mistral is there");
    sql(OLD);
    assert_eq!(early(), "0", "an old Mistral is there");
    sql(EARLY);
    assert_eq!((early().as_str(), holder()), ("5", None));

    // Rows are somebody's to give up: nothing is removed.
    sql("insert into named_locks values ('held')");
    assert_eq!(holder().as_deref(), Some("named_locks with 1 rows"));
    let refused = cluster.psql("postgres", recovery(&product)).output();
    let refused = refused.expect("psql starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("named_locks has rows"),
        "{said}"
    );
    assert_eq!(early(), "5", "all or nothing");

    sql("delete from named_locks");
    sql(recovery(&product));
    assert_eq!((early().as_str(), holder()), ("0", None));
    assert_eq!(sql("select count(*) from executions_v2"), "1");

    // At the new revision the same tables are where they belong, and stay.
    sql(EARLY);
    sql("update alembic_version set version_num = '020'; insert into named_locks values ('held')");
    assert_eq!((early().as_str(), holder()), ("0", None));
    sql(recovery(&product));
    assert_eq!(sql("select count(*) from named_locks"), "1");
}

#[test]
fn what_an_operator_gives_up_is_removed_in_an_order_that_works() {
    let product = stackstorm();
    let cluster = Cluster::start();
    let sql = |script: &str| cluster.sql("postgres", script);
    sql(OLD);
    sql(EARLY);
    sql(&product.locks[0].clear);
    let tables = "select count(*) from pg_tables where schemaname = 'public'";
    assert_eq!(sql(tables), "2", "the tables of the old revision are left");
}
