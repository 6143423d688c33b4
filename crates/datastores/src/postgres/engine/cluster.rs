//! What a cluster is beside its databases, as far as another one must be made like it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;
use switchback_engine::ports::{Context, Failure};
use switchback_engine::process::Argv;

use super::super::server::Server;
use super::super::sql::identifier;

/// Everything about the cluster in one answer.
const CLUSTER: &str = "select json_build_object(
  'superuser', (select rolsuper from pg_roles where rolname = current_user),
  'role', current_user,
  'bootstrap', (select rolname from pg_roles where oid = 10),
  'checksums', current_setting('data_checksums') = 'on',
  'segment', (select setting::bigint from pg_settings where name = 'wal_segment_size'),
  'encoding', (select pg_encoding_to_char(encoding) from pg_database where datname = 'template0'),
  'catalog', (select to_jsonb(d) - 'datacl' from pg_database d where datname = 'template0'),
  'size', (select sum(pg_database_size(oid))::bigint from pg_database),
  'tablespaces', (select coalesce(json_agg(spcname), '[]') from pg_tablespace
    where spcname not in ('pg_default', 'pg_global')),
  'slots', (select coalesce(json_agg(slot_name), '[]') from pg_replication_slots where not temporary),
  'databases', (select json_agg(datname order by datname) from pg_database where datallowconn and not datistemplate),
  'closed', (select coalesce(json_agg(datname), '[]') from pg_database where not datallowconn and not datistemplate),
  'limits', (select json_object_agg(name, setting) from pg_settings where name in
    ('max_connections', 'max_prepared_transactions', 'max_locks_per_transaction', 'shared_preload_libraries')));
";

/// Settings that somebody made, and where.
const SETTINGS: &str = "select json_build_object('name', s.name, 'value', f.setting,
  'file', case when starts_with(f.sourcefile, current_setting('data_directory') || '/') then f.sourcefile end)
from pg_settings s left join pg_file_settings f on f.name = s.name and f.applied
where s.source in ('configuration file', 'command line', 'environment variable') and s.name not like '%.%'
order by f.seqno;
";

/// What is not of the data but of where it is.
const OF_THE_PLACE: [&str; 6] = [
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "restore_command",
];

/// What the server itself keeps in its directory; everything else there is the operator's.
const OF_THE_SERVER: &[&str] = &[
    "PG_VERSION",
    "backup_label.old",
    "backup_manifest",
    "base",
    "current_logfiles",
    "global",
    "log",
    "pg_commit_ts",
    "pg_dynshmem",
    "pg_log",
    "pg_logical",
    "pg_multixact",
    "pg_notify",
    "pg_replslot",
    "pg_serial",
    "pg_snapshots",
    "pg_stat",
    "pg_stat_tmp",
    "pg_subtrans",
    "pg_tblspc",
    "pg_twophase",
    "pg_wal",
    "pg_xact",
    "postgresql.auto.conf",
    "postgresql.conf",
    "postmaster.opts",
    "postmaster.pid",
    "tablespace_map.old",
];

/// A cluster.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Cluster {
    superuser: bool,
    role: String,
    /// The role that the cluster was made with; it owns what is the server's own.
    pub(super) bootstrap: String,
    checksums: bool,
    segment: u64,
    encoding: String,
    catalog: Value,
    /// Bytes of all databases.
    pub(super) size: u64,
    tablespaces: Vec<String>,
    slots: Vec<String>,
    /// Every database that can be connected to, but templates.
    pub(super) databases: Vec<String>,
    closed: Vec<String>,
    limits: BTreeMap<String, String>,
    #[serde(skip)]
    pub(super) settings: Vec<Setting>,
}

/// A setting that somebody made.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Setting {
    pub(super) name: String,
    value: Option<String>,
    /// The file in the data directory that makes it.
    file: Option<String>,
}

impl Server {
    pub(super) fn cluster(&self, cx: &Context<'_>) -> Result<Cluster, Failure> {
        let answers = self.ask(cx.commands, Some(cx.run), self.database(), CLUSTER)?;
        let mut cluster: Cluster = answers.into_iter().next().ok_or_else(|| {
            Failure::new(
                "datastore-silent",
                format!("the server of `{}` says nothing of itself", self.name),
            )
        })?;
        if cluster.superuser {
            cluster.settings = self.ask(cx.commands, Some(cx.run), self.database(), SETTINGS)?;
        }
        Ok(cluster)
    }
}

impl Cluster {
    /// Why it cannot be carried over whole, each as half a sentence.
    pub(super) fn obstacles(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.superuser {
            found.push(format!(
                "role `{}` is no superuser: it cannot read the passwords of the roles",
                self.role
            ));
        }
        for (names, what) in [
            (
                &self.tablespaces,
                "tablespaces lie outside its data directory",
            ),
            (
                &self.slots,
                "replication slots would be lost, and with them who follows",
            ),
            (
                &self.closed,
                "databases accept no connections, so nothing can read them",
            ),
        ] {
            if !names.is_empty() {
                found.push(format!("{what}: {}", names.join(", ")));
            }
        }
        found
    }

    /// Makes an empty cluster like this one in `data`.
    pub(super) fn make(&self, data: &str) -> Argv {
        let text = |column: &str| self.catalog.get(column).and_then(Value::as_str);
        let mut argv = Argv::new("initdb", ["--no-instructions", "--no-sync", "--auth=trust"])
            .arg(format!("--pgdata={data}"))
            .arg(format!("--username={}", self.bootstrap))
            .arg(format!("--encoding={}", self.encoding))
            .arg(format!("--wal-segsize={}", (self.segment >> 20).max(1)));
        if self.checksums {
            argv = argv.arg("--data-checksums");
        }
        for (column, option) in [("datcollate", "lc-collate"), ("datctype", "lc-ctype")] {
            if let Some(value) = text(column) {
                argv = argv.arg(format!("--{option}={value}"));
            }
        }
        let locale = text("datlocale").or_else(|| text("daticulocale"));
        match (text("datlocprovider"), locale) {
            (Some("i"), Some(locale)) => argv
                .arg("--locale-provider=icu")
                .arg(format!("--icu-locale={locale}")),
            (Some("b"), Some(locale)) => argv
                .arg("--locale-provider=builtin")
                .arg(format!("--builtin-locale={locale}")),
            _ => argv,
        }
    }

    /// What the new server must be started with to hold what the old one does.
    pub(super) fn limits(&self, major: u32) -> BTreeMap<String, String> {
        let mut limits = self.limits.clone();
        limits.insert(
            "server_version_num".to_owned(),
            (major * 10_000).to_string(),
        );
        limits
    }

    /// Roles and what belongs to them, without the role that the new cluster was made with, and without words
    /// that only the newest clients know.
    pub(super) fn globals(&self, dumped: &str) -> String {
        let plain = format!("CREATE ROLE {};", self.bootstrap);
        let quoted = format!("CREATE ROLE {};", identifier(&self.bootstrap));
        let left_out = |line: &&str| {
            *line == plain
                || *line == quoted
                || line.starts_with("\\restrict ")
                || line.starts_with("\\unrestrict ")
        };
        let kept = dumped.lines().filter(|line| !left_out(line));
        kept.fold(String::new(), |text, line| text + line + "\n")
    }

    /// What files in the data directory set, as lines of a configuration file.
    pub(super) fn configuration(&self) -> String {
        let mut text = String::from("\n# as in the server of the version before\n");
        for setting in &self.settings {
            let (Some(value), Some(_)) = (&setting.value, &setting.file) else {
                continue;
            };
            if OF_THE_PLACE.contains(&setting.name.as_str()) {
                continue;
            }
            let _ = writeln!(text, "{} = '{}'", setting.name, value.replace('\'', "''"));
        }
        text
    }
}

/// True for what an operator put into the data directory.
pub(super) fn is_the_operators(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    !OF_THE_SERVER.contains(&&*name)
        && !name.starts_with(".s.PGSQL.")
        && !crate::engine::is_foreign(name.as_ref().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Cluster {
        serde_json::from_str(
            r#"{"superuser": true, "role": "root", "bootstrap": "ro ot", "checksums": true, "segment": 16777216,
                "encoding": "UTF8", "size": 7, "tablespaces": [], "slots": ["standby"], "databases": ["d"],
                "catalog": {"datcollate": "C", "datctype": "C.UTF-8", "datlocprovider": "i", "daticulocale": "de"},
                "closed": [], "limits": {"max_connections": "50"}}"#,
        )
        .expect("as the server tells it")
    }

    #[test]
    fn an_empty_cluster_is_made_like_the_old_one() {
        assert_eq!(
            cluster().make("/switchback/data").args[3..],
            [
                "--pgdata=/switchback/data",
                "--username=ro ot",
                "--encoding=UTF8",
                "--wal-segsize=16",
                "--data-checksums",
                "--lc-collate=C",
                "--lc-ctype=C.UTF-8",
                "--locale-provider=icu",
                "--icu-locale=de"
            ]
        );
        assert_eq!(
            cluster().obstacles(),
            ["replication slots would be lost, and with them who follows: standby"]
        );
    }

    #[test]
    fn the_role_that_made_the_cluster_is_there_already() {
        let dumped = "\\restrict abc\nCREATE ROLE app;\nCREATE ROLE \"ro ot\";\nALTER ROLE \"ro ot\" WITH SUPERUSER;\n";
        assert_eq!(
            cluster().globals(dumped),
            "CREATE ROLE app;\nALTER ROLE \"ro ot\" WITH SUPERUSER;\n"
        );
    }

    #[test]
    fn settings_of_files_in_the_directory_go_along_and_the_places_do_not() {
        let mut cluster = cluster();
        cluster.settings = serde_json::from_str(
            r#"[{"name": "work_mem", "value": "8MB", "file": "/d/postgresql.conf"},
                {"name": "hba_file", "value": "/d/hba", "file": "/d/postgresql.conf"},
                {"name": "search_path", "value": "it's", "file": "/d/conf.d/a.conf"},
                {"name": "port", "value": null, "file": null}]"#,
        )
        .expect("as the server tells it");
        assert_eq!(
            cluster.configuration(),
            "\n# as in the server of the version before\nwork_mem = '8MB'\nsearch_path = 'it''s'\n"
        );
        assert!(is_the_operators("server.key".as_ref()));
        assert!(
            !is_the_operators("pg_wal".as_ref()) && !is_the_operators(".switchback-old-r".as_ref())
        );
    }
}
