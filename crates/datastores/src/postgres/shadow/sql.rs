//! What is asked to make, compare and seal a shadow. Every answer is one JSON document a line.

use serde::Deserialize;

use super::super::sql::{SAME_TEXT_EVERYWHERE, literal};

/// How many transaction numbers may lie between the oldest that is open and the newest: each of them is
/// looked at in each try to find a common moment.
pub(super) const WINDOW: u64 = 20_000;

/// A follower that replays nothing for so many seconds does not get on. What was committed without waiting
/// for the disk reaches it within one.
const STILL: u32 = 5;
/// So many seconds without a word are enough.
const LONG: u32 = 8;
/// So many bytes from the moment it is near.
const NEAR: u32 = 1 << 20;

/// What the original's snapshot sees.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Moment {
    /// The oldest transaction that was open.
    pub(super) oldest: u64,
    /// The number of the next one.
    pub(super) next: u64,
    /// Those below it that the snapshot does not see.
    pub(super) pending: Vec<u64>,
    /// Where the original's log ended.
    pub(super) position: String,
}

/// What must be so for a shadow, and what one must be started with.
pub(super) const ORIGINAL: &str = "select json_build_object(
  'version', current_setting('server_version_num')::int,
  'standby', pg_is_in_recovery(),
  'role', current_user,
  'replicates', (select rolsuper or rolreplication from pg_roles where rolname = current_user),
  'superuser', (select rolname from pg_roles where rolsuper and rolcanlogin order by oid limit 1),
  'wal_level', current_setting('wal_level'),
  'senders', current_setting('max_wal_senders')::int - (select count(*) from pg_stat_activity where backend_type = 'walsender'),
  'slots', current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots),
  'tablespaces', (select coalesce(json_agg(spcname), '[]') from pg_tablespace where spcname not in ('pg_default', 'pg_global')),
  'unlogged', (select coalesce(json_agg(n.nspname || '.' || c.relname order by n.nspname, c.relname), '[]')
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relpersistence = 'u' and c.relkind in ('r', 'm') and pg_relation_size(c.oid) > 0),
  'databases', (select coalesce(json_agg(datname order by datname), '[]') from pg_database
    where datallowconn and not datistemplate and datname <> current_database()),
  'size', (select coalesce(sum(case when has_database_privilege(oid, 'connect') then pg_database_size(oid) else 0 end), 0)::bigint
    from pg_database),
  'settings', (select json_object_agg(name, setting) from pg_settings where name in ('max_connections', 'max_worker_processes',
    'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction', 'shared_preload_libraries')));
";

/// How much of a database is somebody's own.
pub(super) const OCCUPIED: &str = "select json_build_object('relations', (select count(*) from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname !~ '^pg_(toast|temp)'
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')));
";

/// Where the original stands, with everything before it on disk: only what is on disk is sent to a follower.
pub(super) fn position(run: &str) -> String {
    format!(
        "set synchronous_commit = 'local';
select json_build_object('emitted', pg_logical_emit_message(true, 'switchback', {})::text);
select json_build_object('position', pg_current_wal_flush_lsn()::text);
",
        literal(run)
    )
}

/// Everything that a seal asks of the original, at once, for users wait: the number of the next transaction
/// and how many are open, tables that hold what no follower gets, and [`position`].
pub(super) fn last_position(run: &str) -> String {
    format!("{TRANSACTIONS}{UNLOGGED}{}", position(run))
}

const UNLOGGED: &str = "select json_build_object('unlogged',
  coalesce(json_agg(n.nspname || '.' || c.relname order by n.nspname, c.relname), '[]'))
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relpersistence = 'u' and c.relkind in ('r', 'm') and pg_relation_size(c.oid) > 0;
";

const TRANSACTIONS: &str =
    "select json_build_object('next', txid_snapshot_xmax(s), 'open', (select count(*) from txid_snapshot_xip(s)))
from (select txid_current_snapshot() as s) now;
";

/// The processes that send data to whoever is connected as `application`.
pub(super) fn senders(application: &str) -> String {
    format!(
        "select pid from pg_stat_activity where backend_type = 'walsender' and application_name = {};\n",
        literal(application)
    )
}

/// How far a follower is.
pub(super) const FOLLOWER: &str = "select json_build_object(
  'streams', exists (select from pg_stat_wal_receiver where status = 'streaming'),
  'replayed', coalesce(pg_last_wal_replay_lsn(), '0/0')::text,
  'received', coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(), '0/0')::text);
";

/// Waits in the follower itself, so that no program is started for every look.
pub(super) fn wait_for(position: &str, seconds: u32) -> String {
    format!(
        "do $$ declare until timestamptz := clock_timestamp() + interval '{seconds} s'; begin
  while pg_last_wal_replay_lsn() < {position} and clock_timestamp() < until
    and exists (select from pg_stat_wal_receiver where status = 'streaming')
  loop perform pg_sleep(0.002); commit; end loop;
end $$;
{FOLLOWER}",
        position = format_args!("{}::pg_lsn", literal(position)),
    )
}

/// Opens the original's snapshot: what it sees is the moment that the follower must meet.
///
/// `pending` are the transactions that it does not see though their numbers are lower than `next`, those
/// within other transactions (savepoints) included as far as they are still open.
pub(super) fn open_moment() -> String {
    format!(
        "{SAME_TEXT_EVERYWHERE}begin isolation level repeatable read read only;
select json_build_object('oldest', oldest, 'next', next, 'position', pg_current_wal_insert_lsn()::text,
  'pending', case when next - oldest > {WINDOW} then '[]'::json else (select coalesce(json_agg(x), '[]') from (
    select txid_snapshot_xip(s) as x union
    select x from generate_series(oldest, next - 1) x where txid_status(x) = 'in progress') open) end)
from (select s, txid_snapshot_xmin(s) as oldest, txid_snapshot_xmax(s) as next
  from (select txid_current_snapshot() as s) taken) taken;
"
    )
}

/// Lets the follower replay until it has everything that `moment` sees, stops it right there, opens a
/// snapshot and says whether that is the same moment. Gives up where it does not get on, and returns
/// for a word to the operator where it takes long.
///
/// Each look is a transaction of its own: replaying waits for whoever still sees rows that the original
/// has pruned. Far from the moment it sleeps; near it it does not, for commits follow each other in microseconds.
pub(super) fn meet(moment: &Moment) -> String {
    let pending: Vec<String> = moment.pending.iter().map(u64::to_string).collect();
    let pending = format!("'{{{}}}'::bigint[]", pending.join(","));
    let (oldest, next) = (moment.oldest, moment.next);
    let position = format!("{}::pg_lsn", literal(&moment.position));
    format!(
        "{SAME_TEXT_EVERYWHERE}{GO_ON}do $$ declare
  begun timestamptz := clock_timestamp(); moved timestamptz := begun; clock timestamptz;
  replayed pg_lsn := '0/0'; at pg_lsn; now txid_snapshot;
begin
  loop
    now := txid_current_snapshot();
    if txid_snapshot_xmax(now) >= {next} then
      exit when not exists (select from generate_series(least(txid_snapshot_xmin(now), {oldest}), {next} - 1) x
        where txid_status(x) = 'in progress' and x <> all ({pending}));
    end if;
    clock := clock_timestamp(); at := pg_last_wal_replay_lsn();
    if at > replayed then replayed := at; moved := clock; end if;
    exit when clock > moved + interval '{STILL} s' or clock > begun + interval '{LONG} s';
    if {position} - at > {NEAR} then perform pg_sleep(0.005); end if;
    commit;
  end loop;
  perform pg_wal_replay_pause();
end $$;
begin isolation level repeatable read read only;
select json_build_object('position', coalesce(pg_last_wal_replay_lsn(), '0/0')::text,
  'behind', xmax < {next} or exists (select from generate_series(least(xmin, {next}), {next} - 1) x
    where case when x < xmax then txid_status(x) = 'in progress' and x <> all ({pending}) end),
  'ahead', exists (select from generate_series({next}, xmax - 1) x where txid_status(x) = 'committed')
    or exists (select from unnest({pending}) x where case when x < xmax then txid_status(x) = 'committed' end))
from (select least(txid_snapshot_xmin(s), {oldest}) as xmin, txid_snapshot_xmax(s) as xmax
  from (select txid_current_snapshot() as s) taken) taken;
"
    )
}

/// Sequences as the snapshot knows them, with the values that they have right now.
pub(super) const SEQUENCES: &str = "select json_build_object('sequence', format('%s.%s', n.nspname, c.relname),
  'definition', concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle),
  'step', s.seqincrement, 'cache', s.seqcache, 'cycles', s.seqcycle, 'value', pg_sequence_last_value(c.oid))
from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
where c.relpersistence = 'p' and n.nspname !~ '^_?timescaledb' order by n.nspname, c.relname;
select '{\"end\": true}';
";

/// Lets the follower go on; its snapshot stays as it is.
pub(super) const GO_ON: &str =
    "select pg_wal_replay_resume() where pg_is_wal_replay_paused() \\g /dev/null\n";

/// One checksum over roles, their memberships, and what databases are beside their contents.
pub(super) const ROLES: &str = "select json_build_object('collection', '(roles)', 'count', 0,
  'checksum', coalesce(sum(hashtextextended(described, 0)::numeric), 0)::text) from (
  select (r.*)::text as described from pg_roles r
  union all select format('member %s %s %s', roleid, member, admin_option) from pg_auth_members
  union all select format('setting %s %s %s', setdatabase, setrole, setconfig) from pg_db_role_setting
  union all select format('database %s %s %s %s', datname, datdba, encoding, datacl) from pg_database
) everything;
";

/// Checks every index whose check is installed, against the rows that it must hold.
pub(super) const CHECK_INDEXES: &str = r"select format('select json_build_object(''index'', %L) from (select %I.bt_index_check(%s::oid, true)) checked',
  format('%s.%s', n.nspname, c.relname), e.nspname, c.oid)
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace join pg_am a on a.oid = c.relam,
  (select n.nspname from pg_extension x join pg_namespace n on n.oid = x.extnamespace where x.extname = 'amcheck') e
where a.amname = 'btree' and c.relpersistence = 'p' and c.relkind = 'i' and i.indisready and i.indisvalid \gexec
select '{}';
";
