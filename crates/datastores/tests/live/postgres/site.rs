//! A database to keep.

use switchback_engine::ports::Datastore;

use crate::bench::UPGRADE;
use crate::cluster::Cluster;

pub(super) const NAME: &str = "identity";

/// A database with the odd things that real ones have.
pub(crate) fn filled(cluster: &Cluster, name: &str) {
    let quoted = name.replace('"', "\"\"");
    cluster.sql("postgres", "CREATE ROLE reader; CREATE ROLE \"App Owner\"");
    cluster.sql(
        "postgres",
        &format!("CREATE DATABASE \"{quoted}\" OWNER \"App Owner\""),
    );
    for statement in [
        "ALTER DATABASE \"%\" SET search_path TO public, \"Odd Schema\"",
        "ALTER DATABASE \"%\" SET application_name TO '50% it''s'",
        "ALTER ROLE reader IN DATABASE \"%\" SET work_mem TO '7MB'",
        "GRANT CONNECT ON DATABASE \"%\" TO reader WITH GRANT OPTION",
        "COMMENT ON DATABASE \"%\" IS 'the one that matters'",
    ] {
        cluster.sql("postgres", &statement.replacen('%', &quoted, 1));
    }
    cluster.sql(
        name,
        r#"CREATE TABLE users (id bigserial PRIMARY KEY, name text, score double precision, photo bytea, at timestamptz);
           INSERT INTO users (name, score, photo, at)
             SELECT 'user ' || i, i / 3.0, decode(md5(i::text), 'hex'), timestamptz '2024-01-01' + i * interval '1 second'
             FROM generate_series(1, 20000) i;
           GRANT SELECT ON users TO reader;
           CREATE SCHEMA "Odd Schema";
           CREATE TABLE "Odd Schema"."a ""table""	tab" (x int, "y'z" jsonb, t text);
           INSERT INTO "Odd Schema"."a ""table""	tab" VALUES (1, '{"a": [1, 2]}'), (1, '{"a": [1, 2]}'), (NULL, NULL);
           CREATE TABLE parted (k int, v text) PARTITION BY RANGE (k);
           CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
           INSERT INTO parted VALUES (7, 'seven');
           CREATE TYPE mood AS ENUM ('good', 'bad');
           CREATE TABLE moods (m mood, n varchar CHECK (n IN ('a', 'b')));
           CREATE VIEW happy AS SELECT * FROM moods WHERE m = 'good';
           CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM users;
           CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql AS 'SELECT i * 2';
           CREATE TABLE nothing ();
           CREATE UNLOGGED TABLE cache (k text);
           INSERT INTO cache VALUES ('k');
           SELECT lo_from_bytea(0, '\xdeadbeef');"#,
    );
}

pub(super) fn kept(cluster: &Cluster, store: &dyn Datastore) {
    cluster.bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        store.seal(cx).expect("seals");
        store.prove(cx).expect("proves");
    });
}
