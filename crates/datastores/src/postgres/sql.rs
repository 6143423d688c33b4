//! What PostgreSQL is asked, as text. Every answer is one JSON document a line.

/// Makes text forms of values independent of what a role, a database or a server sets.
pub(super) const SAME_TEXT_EVERYWHERE: &str = "\
set timezone = 'UTC';
set datestyle = 'ISO, YMD';
set intervalstyle = 'postgres';
set extra_float_digits = 3;
set bytea_output = 'hex';
set lc_monetary = 'C';
set search_path = pg_catalog;
set row_security = off;
set statement_timeout = 0;
set lock_timeout = '30s';
set idle_in_transaction_session_timeout = 0;
";

/// Schemas of the server itself, and of TimescaleDB, whose catalog an extension restores in its own way.
const OWN_SCHEMAS: &str = r"n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname !~ '^pg_(toast|temp)' and n.nspname !~ '^_?timescaledb'";

/// An identifier.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string.
pub(super) fn literal(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// Begins the one transaction in which everything is read, and tells its snapshot for others to share.
pub(super) fn begin_reading() -> String {
    format!(
        "{SAME_TEXT_EVERYWHERE}begin isolation level repeatable read read only;
select json_build_object('snapshot', pg_export_snapshot(),
  'position', case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text,
  'tables', (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace where {tables}));
",
        tables = tables(),
    )
}

/// Begins the transaction in which a server that nobody else uses is read.
pub(super) fn begin_alone() -> String {
    format!("{SAME_TEXT_EVERYWHERE}begin isolation level repeatable read read only;\n")
}

/// Reads everything: a line per table, then what is beside the tables, then `{"end": true}`.
///
/// Rows are hashed as text and the hashes added up, so that their order does not matter. What has no
/// rows to lose has the count zero: it can differ, and never shrinks.
pub(super) fn read_everything() -> String {
    format!(
        "{rows}\n{SEQUENCES}\n{beside}\n{END}\n",
        rows = rows(&tables()),
        beside = beside_tables(),
    )
}

/// What the values of sequences are called among contents.
pub(super) const SEQUENCES_NAME: &str = "(sequences)";

/// One checksum over the values of all sequences, as [`SEQUENCES_NAME`].
const SEQUENCES: &str = "select json_build_object('collection', '(sequences)', 'count', 0,
  'checksum', sum(hashtextextended(format('%s.%s %s', schemaname, sequencename, last_value), 0)::numeric)::text)
from pg_sequences where schemaname !~ '^_?timescaledb' having count(*) > 0;";

/// Ends what is read, with [`ENDED`].
pub(super) const END: &str = "select '{\"end\": true}';";
/// What [`END`] answers.
pub(super) const ENDED: &str = "{\"end\": true}";

/// As [`read_everything`], of what a physical copy holds: no rows that are not logged, and no sequences,
/// whose values are logged ahead of their use.
pub(super) fn read_logged() -> String {
    format!(
        "{rows}\n{beside}\n{END}\n",
        rows = rows(&format!("c.relpersistence = 'p' and {}", tables())),
        beside = beside_tables(),
    )
}

/// What [`read_logged`] leaves out, as a physical copy has it: what is not logged is empty there.
pub(super) fn read_unlogged_as_empty() -> String {
    format!(
        "select json_build_object('collection', n.nspname || '.' || c.relname, 'count', 0, 'checksum', '0')
from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relpersistence = 'u' and {tables};
{SEQUENCES}\n{END}\n",
        tables = tables(),
    )
}

/// A line per table: its rows are hashed as text, and the hashes added up.
fn rows(tables: &str) -> String {
    format!(
        r#"select format($q$select json_build_object('collection', %L, 'count', count(*),
  'checksum', coalesce(sum(hashtextextended((t.*)::text, 0)::numeric), 0)::text) from only %I.%I t$q$,
  n.nspname || '.' || c.relname, n.nspname, c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace where {tables} order by n.nspname, c.relname \gexec"#
    )
}

/// What is not in tables.
fn beside_tables() -> String {
    format!(
        r#"select json_build_object('collection', '(large objects)', 'count', count(*),
  'checksum', sum(hashtextextended(oid::text || ' ' || md5(lo_get(oid)), 0)::numeric)::text)
from pg_largeobject_metadata having count(*) > 0;
select json_build_object('collection', '(extensions)', 'count', 0,
  'checksum', sum(hashtextextended(extname::text, 0)::numeric)::text) from pg_extension having count(*) > 0;
{schema}"#,
        schema = schema(),
    )
}

/// Tables that hold rows of their own: partitions and not their parents, nothing temporary, no views
/// (a materialized view is filled anew by a restore), nothing that an extension made.
fn tables() -> String {
    r"c.relkind = 'r' and c.relpersistence <> 't'
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')"
        .to_owned()
}

/// One checksum over names and types of everything in the schemas. Expressions are left out: the server
/// itself rewrites some of them (`in` lists of a check) when they go through a dump.
fn schema() -> String {
    let mine = |class: &str, object: &str| {
        format!(
            "{OWN_SCHEMAS} and not exists (select from pg_depend d where d.classid = '{class}'::regclass \
             and d.objid = {object} and d.deptype = 'e')"
        )
    };
    format!(
        "select json_build_object('collection', '(schema)', 'count', 0,
  'checksum', coalesce(sum(hashtextextended(described, 0)::numeric), 0)::text) from (
  select format('relation %s %s %s', c.relkind, n.nspname, c.relname) as described
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relpersistence <> 't' and {relations}
  union all
  select format('column %s %s %s %s %s %s', n.nspname, c.relname, a.attname,
    format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef)
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p') and c.relpersistence <> 't' and {relations}
  union all
  select format('constraint %s %s %s %s', n.nspname, c.relname, k.conname, k.contype)
  from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
  where k.contype in ('c', 'f', 'p', 'u', 'x') and {relations}
  union all
  select format('trigger %s %s %s', n.nspname, c.relname, t.tgname)
  from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
  where not t.tgisinternal and {relations}
  union all
  select format('function %s %s %s', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {functions}
  union all
  select format('label %s %s %s', n.nspname, t.typname, e.enumlabel)
  from pg_enum e join pg_type t on t.oid = e.enumtypid join pg_namespace n on n.oid = t.typnamespace where {types}
) everything;",
        relations = mine("pg_class", "c.oid"),
        functions = mine("pg_proc", "p.oid"),
        types = mine("pg_type", "t.oid"),
    )
}

/// Version, size and rights, in one answer.
pub(super) const ABOUT: &str = "select json_build_object(
  'version', current_setting('server_version'),
  'size', pg_database_size(current_database()),
  'rows', (select coalesce(sum(greatest(reltuples, 0)), 0)::bigint from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')),
  'creates', (select rolsuper or rolcreatedb from pg_roles where rolname = current_user),
  'role', current_user,
  'standby', pg_is_in_recovery());
";

/// Bytes of log a second since the last checkpoint began, which is minutes ago at the most where anything is written.
/// One that began a moment ago says nothing of minutes.
pub(super) const LOG_RATE: &str = "select json_build_object('rate',
  (pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn)
    / greatest(extract(epoch from clock_timestamp() - checkpoint_time), 10))::bigint) from pg_control_checkpoint();
";

/// Sessions that could write, and transactions that are prepared and not committed.
///
/// Of the sessions of others a role that may not look (`pg_read_all_stats`) is shown that they are there, and who,
/// but not of what kind they are: without a kind they count. What belongs to nobody is the server's own.
pub(super) fn writers(database: &str, ours: &str) -> String {
    let (database, ours) = (literal(database), literal(ours));
    format!(
        "select json_build_object('who', usename,
  'from', case when backend_type is not null then coalesce(host(client_addr), 'the same machine') end,
  'as', application_name, 'state', state, 'since', to_char(backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
from pg_stat_activity
where datname = {database} and pid <> pg_backend_pid()
  and (backend_type = 'client backend' or backend_type is null and usesysid is not null)
  and application_name not in ('switchback', {ours});
select json_build_object('who', owner, 'from', 'no session', 'as', 'prepared transaction ' || gid, 'state', 'prepared',
  'since', to_char(prepared at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
from pg_prepared_xacts where database = {database};
"
    )
}

/// What a database is beside its contents: what a restore must give the new one.
pub(super) fn properties(database: &str) -> String {
    format!(
        "select json_build_object('catalog', to_jsonb(d) - 'datacl',
  'encoding', pg_encoding_to_char(d.encoding), 'owner', pg_get_userbyid(d.datdba),
  'tablespace', (select spcname from pg_tablespace where oid = d.dattablespace),
  'comment', shobj_description(d.oid, 'pg_database'), 'has_acl', d.datacl is not null,
  'acl', (select json_agg(json_build_object('grantee', case when a.grantee <> 0 then pg_get_userbyid(a.grantee) end,
    'privilege', a.privilege_type, 'grantable', a.is_grantable)) from aclexplode(d.datacl) a),
  'settings', (select json_agg(json_build_object('role', case when s.setrole <> 0 then pg_get_userbyid(s.setrole) end,
    'config', s.setconfig)) from pg_db_role_setting s where s.setdatabase = d.oid))
from pg_database d where d.datname = {};
",
        literal(database)
    )
}

/// Extensions that need to be told before and after a restore.
pub(super) const TIMESCALE: &str = "select json_build_object('version', extversion) from pg_extension where extname = 'timescaledb';\n";

/// Every database of the server.
pub(super) const DATABASES: &str =
    "select json_build_object('name', datname) from pg_database where not datistemplate;\n";

/// Ends every other session on these databases.
pub(super) fn end_sessions(databases: &[&str]) -> String {
    let names: Vec<String> = databases.iter().map(|name| literal(name)).collect();
    format!(
        "select json_build_object('ended', pg_terminate_backend(pid)) from pg_stat_activity \
         where datname in ({}) and pid <> pg_backend_pid();\n",
        names.join(", ")
    )
}

/// Ends what a dead process of this run left connected anywhere on the server.
pub(super) fn end_sessions_of(application: &str) -> String {
    format!(
        "select json_build_object('ended', pg_terminate_backend(pid)) from pg_stat_activity \
         where application_name = {} and pid <> pg_backend_pid();\n",
        literal(application)
    )
}

/// Removes a database that is ours.
pub(super) fn drop_database(name: &str) -> String {
    format!("drop database if exists {};\n", identifier(name))
}

/// Puts `new` in the place of `database`, which becomes `old`: both or neither.
pub(super) fn switch(database: &str, new: &str, old: Option<&str>) -> String {
    let away = old.map_or(String::new(), |old| {
        format!(
            "alter database {} rename to {};\n",
            identifier(database),
            identifier(old)
        )
    });
    format!(
        "begin;\n{away}alter database {} rename to {};\ncommit;\n",
        identifier(new),
        identifier(database)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_strings_cannot_break_out() {
        assert_eq!(identifier(r#"We"ird"#), r#""We""ird""#);
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'"), r"E'a\\'''");
    }

    #[test]
    fn both_renames_are_one_transaction() {
        assert_eq!(
            switch("d", "d_new", Some("d_old")),
            "begin;\nalter database \"d\" rename to \"d_old\";\nalter database \"d_new\" rename to \"d\";\ncommit;\n"
        );
    }
}
