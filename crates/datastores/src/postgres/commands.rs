//! What PostgreSQL's own tools are called with. Pure: values in, values out.

use switchback_engine::process::{Argv, Secret};
use switchback_model::Rate;
use switchback_model::observed::{Access, DatastoreLocation};

/// Copies cannot be told to be as slow as this many KiB a second: they are not that fast.
const FASTEST: u64 = 1 << 20;
/// Where a follower hangs, the server keeps its log until it gives up on it: that must not be never, as it can be
/// configured for others, for a log that is kept fills the disk. As long as servers wait by default.
const GIVE_UP: &str = "-c wal_sender_timeout=60s";

/// Where to connect, as what, and under which name the server shows us.
pub(super) struct Connection<'a> {
    pub(super) location: &'a DatastoreLocation,
    pub(super) password: Option<&'a Secret>,
    pub(super) database: &'a str,
    pub(super) application: &'a str,
}

/// How much a dump is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// While it runs users wait, and the backup is short-lived.
    Light,
    /// A repository finds again what it has already, and compresses the rest: both only where the dump does not.
    None,
}

impl Compression {
    fn option(self) -> &'static str {
        match self {
            Self::Light => "--compress=1",
            Self::None => "--compress=0",
        }
    }
}

impl Connection<'_> {
    /// Reads SQL from standard input, prints bare values one row a line, and ends at the first error.
    pub(super) fn psql(&self) -> Argv {
        self.connect(bare_psql())
    }

    /// Brings a [`Connection::psql`] that is connected elsewhere here; it ends where it is not let in.
    pub(super) fn come(&self) -> String {
        connect_to(&self.info())
    }

    /// The same for a [`Connection::replication`].
    pub(super) fn come_to_replicate(&self) -> String {
        connect_to(&self.replication_info())
    }

    /// Dumps the database in custom format to standard output, as `snapshot` sees it.
    pub(super) fn dump(&self, snapshot: &str, compression: Compression) -> Argv {
        let argv = Argv::new("pg_dump", ["--format=custom", compression.option()])
            .arg(format!("--snapshot={snapshot}"))
            // Nobody else may be connected while this runs; a lock that is held all the same is an error soon.
            .arg("--lock-wait-timeout=30000");
        self.connect(argv)
    }

    /// Restores a dump from standard input into the database.
    pub(super) fn restore(&self) -> Argv {
        self.connect(Argv::new("pg_restore", ["--exit-on-error"]))
    }

    /// Restores a dump that lies in a file beside the server into the database, several tables at a time.
    pub(super) fn restore_file(&self, path: &str, jobs: usize) -> Argv {
        let argv = Argv::new("pg_restore", ["--exit-on-error"]).arg(format!("--jobs={jobs}"));
        self.connect(argv).arg(path)
    }

    /// Dumps everything but the rows, as [`Connection::dump`] would.
    pub(super) fn schema(&self) -> Argv {
        self.connect(Argv::new(
            "pg_dump",
            [
                "--format=custom",
                "--schema-only",
                "--lock-wait-timeout=30000",
            ],
        ))
    }

    /// Tells roles and their memberships, passwords among them, as SQL.
    pub(super) fn globals(&self) -> Argv {
        self.connect(Argv::new("pg_dumpall", ["--globals-only"]))
    }

    /// Gathers statistics in every database.
    pub(super) fn analyze(&self) -> Argv {
        let argv = Argv::new(
            "vacuumdb",
            ["--all", "--analyze-only", "--quiet", "--no-password"],
        )
        .arg(format!("--maintenance-db={}", self.info()));
        self.with_password(argv)
    }

    /// As [`Connection::psql`], from where programs beside the server come, speaking the protocol of
    /// replication: it takes commands of that and no SQL.
    pub(super) fn replication(&self) -> Argv {
        self.with_password(
            bare_psql()
                .arg("--no-password")
                .arg(format!("--dbname={}", self.replication_info())),
        )
    }

    /// Copies the whole cluster, with the log that belongs to it, into `data`, not faster than `max_rate`.
    pub(super) fn base_backup(
        &self,
        data: &str,
        passfile: Option<&str>,
        max_rate: Option<Rate>,
    ) -> Argv {
        let argv = Argv::new("pg_basebackup", ["--format=plain", "--wal-method=stream"]);
        let argv = match max_rate.map(kibibytes) {
            Some(limit) if limit <= FASTEST => argv.arg(format!("--max-rate={limit}")),
            _ => argv,
        };
        argv.arg("--checkpoint=fast")
            .arg(format!("--label={}", self.application))
            .arg(format!("--pgdata={data}"))
            .arg("--no-password")
            .arg(format!("--dbname={}", self.upstream(passfile)))
    }

    /// The connection string for programs beside the server: its socket is not theirs where it runs in a
    /// container, but its network is. The password, if any, is in `passfile`.
    pub(super) fn upstream(&self, passfile: Option<&str>) -> String {
        let contained = matches!(self.location.access, Access::Container { .. });
        let host = match self.location.host.as_deref() {
            None if contained => Some("127.0.0.1"),
            Some(socket) if contained && socket.starts_with('/') => Some("127.0.0.1"),
            host => host,
        };
        let port = self.location.port.map(|port| port.to_string());
        joined(&[
            ("host", host),
            ("port", port.as_deref()),
            ("user", self.location.user.as_deref()),
            ("application_name", Some(self.application)),
            ("connect_timeout", Some("10")),
            ("options", Some(GIVE_UP)),
            ("passfile", passfile),
        ])
    }

    fn replication_info(&self) -> String {
        format!("{} dbname=postgres replication=true", self.upstream(None))
    }

    fn connect(&self, argv: Argv) -> Argv {
        let argv = argv
            .arg("--no-password")
            .arg(format!("--dbname={}", self.info()));
        self.with_password(argv)
    }

    fn with_password(&self, argv: Argv) -> Argv {
        match self.password {
            Some(password) => argv.env("PGPASSWORD", password.clone()),
            None => argv,
        }
    }

    /// A connection string: the one form in which any database name is safe.
    fn info(&self) -> String {
        let port = self.location.port.map(|port| port.to_string());
        joined(&[
            ("host", self.location.host.as_deref()),
            ("port", port.as_deref()),
            ("user", self.location.user.as_deref()),
            ("dbname", Some(self.database)),
            ("application_name", Some(self.application)),
            ("connect_timeout", Some("10")),
        ])
    }
}

/// psql reads what it is told itself in quotes of its own, and takes what is in them for a name, with its quotes.
fn connect_to(info: &str) -> String {
    let quoted = info
        .replace('"', "\"\"")
        .replace('\\', r"\\")
        .replace('\'', "''")
        .replace('\n', r"\n");
    format!("\\connect -reuse-previous=off '\"{quoted}\"'\n")
}

fn bare_psql() -> Argv {
    Argv::new("psql", ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
}

fn joined(parts: &[(&str, Option<&str>)]) -> String {
    let parts: Vec<String> = parts
        .iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", quoted((*value)?))))
        .collect();
    parts.join(" ")
}

fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
    }
}

/// PostgreSQL counts KiB; less than was allowed, never more.
fn kibibytes(rate: Rate) -> u64 {
    rate.bytes() >> 10
}

#[cfg(test)]
mod tests {
    use switchback_model::product::DatastoreKind;

    use super::*;

    fn location() -> DatastoreLocation {
        DatastoreLocation {
            kind: DatastoreKind::Postgres,
            access: Access::Local,
            host: None,
            port: None,
            database: Some("ttn_lorawan".to_owned()),
            user: Some("root".to_owned()),
            password: None,
            directory: None,
            server_directory: None,
            options: std::collections::BTreeMap::new(),
        }
    }

    fn connection<'a>(location: &'a DatastoreLocation, database: &'a str) -> Connection<'a> {
        Connection {
            location,
            password: None,
            database,
            application: "switchback r-7c1d",
        }
    }

    #[test]
    fn every_command_as_it_would_be_typed() {
        let location = location();
        let connection = connection(&location, "ttn_lorawan");
        let info = r"'--dbname=user=root dbname=ttn_lorawan application_name='\''switchback r-7c1d'\'' connect_timeout=10'";
        assert_eq!(
            connection.psql().to_string(),
            format!("psql -X -q -A -t -v ON_ERROR_STOP=1 --no-password {info}")
        );
        assert_eq!(
            connection
                .dump("00000003-0000001B-1", Compression::Light)
                .to_string(),
            format!(
                "pg_dump --format=custom --compress=1 --snapshot=00000003-0000001B-1 \
                 --lock-wait-timeout=30000 --no-password {info}"
            )
        );
        assert_eq!(
            connection.restore().to_string(),
            format!("pg_restore --exit-on-error --no-password {info}")
        );
    }

    #[test]
    fn a_copy_is_slowed_down_where_that_was_asked_for_and_can_be() {
        let location = location();
        let connection = connection(&location, "ttn_lorawan");
        let limit = |said: Option<&str>| {
            let rate = said.map(|text| text.parse().expect("a rate"));
            let argv = connection.base_backup("/d", None, rate).to_string();
            let given = argv
                .split(' ')
                .find_map(|word| word.strip_prefix("--max-rate="));
            given.map(str::to_owned)
        };
        assert_eq!(limit(None), None);
        assert_eq!(limit(Some("50MB")).as_deref(), Some("48828"));
        assert_eq!(
            limit(Some("33kB")).as_deref(),
            Some("32"),
            "the least that it takes"
        );
        assert_eq!(
            limit(Some("1GiB")).as_deref(),
            Some("1048576"),
            "the most that it takes"
        );
        assert_eq!(
            limit(Some("2GB")),
            None,
            "it takes no such limit, and needs none"
        );
    }

    #[test]
    fn a_follower_that_hangs_is_given_up_whatever_the_server_does_with_others() {
        let location = location();
        let upstream = connection(&location, "d").upstream(Some("/s/passfile"));
        assert_eq!(
            upstream,
            "user=root application_name='switchback r-7c1d' connect_timeout=10 \
             options='-c wal_sender_timeout=60s' passfile=/s/passfile"
        );
    }

    #[test]
    fn a_database_may_be_called_anything() {
        let location = location();
        let info = connection(&location, r"host=evil it's\").info();
        assert!(info.contains(r"dbname='host=evil it\'s\\' "), "{info}");
        // The same once more, for psql itself.
        let come = connection(&location, "it's \"\n\\").come();
        let told = r#"dbname=''it\\''s ""\n\\\\'' "#;
        assert!(come.contains(told) && come.lines().count() == 1, "{come}");
    }

    #[test]
    fn the_password_is_in_the_environment_and_nowhere_else() {
        let (location, secret) = (location(), Secret::new("hunter2"));
        let connection = Connection {
            password: Some(&secret),
            ..connection(&location, "d")
        };
        let argv = connection.psql();
        assert_eq!(argv.env, [("PGPASSWORD".to_owned(), secret.clone())]);
        assert!(!argv.to_string().contains("hunter2"));
    }
}
