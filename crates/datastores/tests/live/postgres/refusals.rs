//! What cannot work is said while the service is up.

use switchback_engine::ports::{Failure, Finding};
use switchback_engine::process::Secret;
use switchback_model::RunId;
use switchback_model::plan::Expectation;

use super::site::{NAME, kept};
use crate::bench::{ROLLBACK, UPGRADE};
use crate::cluster::{Cluster, PASSWORD};

fn survey_fails(cluster: &Cluster, database: &str, password: &str) -> Failure {
    let location = cluster.location(database, "admin");
    switchback_datastores::survey(
        &NAME.into(),
        &location,
        cluster.reach(),
        Some(Secret::new(password)),
        &cluster.bench.commands,
    )
    .expect_err("cannot work")
}

#[test]
fn a_wrong_password_a_missing_database_and_a_dead_server_are_told_apart() {
    let cluster = Cluster::start();
    let denied = survey_fails(&cluster, "postgres", "wrong-password");
    assert_eq!(denied.code, "datastore-password-wrong");
    assert_eq!(
        denied.what,
        "the server of `identity` refuses the password or the role"
    );
    assert!(
        denied.hints[0].contains("[datastores.identity] password"),
        "{denied:?}"
    );
    assert!(!format!("{denied:?}").contains("wrong-password"));
    assert_eq!(
        survey_fails(&cluster, "absent", PASSWORD).code,
        "datastore-not-there"
    );
    cluster.kill();
    assert_eq!(
        survey_fails(&cluster, "postgres", PASSWORD).code,
        "datastore-silent"
    );
    let store = cluster.datastore("postgres");
    cluster.bench.within(UPGRADE, |cx| {
        let look = |expectation| store.look(cx, &expectation);
        let datastore = || NAME.into();
        assert!(matches!(
            look(Expectation::Reachable {
                datastore: datastore()
            }),
            Finding::Differs { .. }
        ));
        let engine = Expectation::Engine {
            datastore: datastore(),
            version: "15.1".to_owned(),
        };
        assert!(matches!(look(engine), Finding::Unknown { .. }));
        assert_eq!(
            look(Expectation::NoWriters {
                datastore: datastore()
            }),
            Finding::Holds,
            "nobody is connected to what does not run"
        );
        assert_eq!(
            store.prepare(cx).expect_err("no server").code,
            "datastore-silent"
        );
    });
}

#[test]
fn a_role_that_may_not_create_databases_is_told_so_while_the_service_is_up() {
    let cluster = Cluster::start();
    cluster.sql("postgres", "CREATE ROLE app LOGIN PASSWORD 'app-secret'");
    cluster.sql("postgres", "CREATE DATABASE app OWNER app");
    let store = cluster.datastore_as("app", "app", "app-secret");
    cluster.bench.within(UPGRADE, |cx| {
        let refused = store.prepare(cx).expect_err("not allowed");
        assert_eq!(refused.code, "datastore-permission");
        assert_eq!(
            refused.hints,
            ["as a superuser: ALTER ROLE \"app\" CREATEDB;"]
        );
    });
    // With that right alone, and as the owner of its database, a role needs to be nothing more.
    cluster.sql("postgres", "ALTER ROLE app CREATEDB");
    cluster.sql("app", "SET ROLE app; CREATE SCHEMA mine; CREATE TABLE mine.things AS SELECT i FROM generate_series(1, 10) i");
    kept(&cluster, store.as_ref());
    cluster.sql("app", "DELETE FROM mine.things");
    cluster.bench.within(ROLLBACK, |cx| {
        store.restore(cx, &RunId::new(UPGRADE)).expect("restores");
        store.release(cx, &RunId::new(UPGRADE)).expect("releases");
        store.clean(cx).expect("cleans");
    });
    assert_eq!(cluster.sql("app", "SELECT count(*) FROM mine.things"), "10");
}
