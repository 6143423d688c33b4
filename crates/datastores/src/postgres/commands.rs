//! What is typed: `psql`, `pg_dump` and `pg_restore` of the server's version.

use switchback_engine::process::{Argv, Secret};

/// A server that does not answer by then is down; the operator sees it in time to act.
const CONNECT_SECONDS: u32 = 10;

/// Where a session goes.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
}

impl Connection {
    /// `psql` that reads its script from standard input and stops at the first error.
    pub(super) fn psql(&self, database: &str, application: &str) -> Argv {
        let argv = Argv::new(
            "psql",
            [
                "--no-psqlrc",
                "--quiet",
                "--no-align",
                "--tuples-only",
                "--no-password",
            ],
        )
        .args(["--set", "ON_ERROR_STOP=1", "--dbname"])
        .arg(self.info(database, application));
        self.with_password(argv)
    }

    /// `pg_dump` in custom format to standard output. Light compression: the dump is on the downtime path.
    pub(super) fn dump(&self, database: &str, application: &str) -> Argv {
        let argv = Argv::new(
            "pg_dump",
            [
                "--format=custom",
                "--compress=1",
                "--no-password",
                "--dbname",
            ],
        )
        .arg(self.info(database, application));
        self.with_password(argv)
    }

    /// `pg_restore` from standard input; the first error ends it.
    pub(super) fn restore(&self, database: &str, application: &str) -> Argv {
        let argv = Argv::new(
            "pg_restore",
            ["--exit-on-error", "--no-password", "--dbname"],
        )
        .arg(self.info(database, application));
        self.with_password(argv)
    }

    /// A connection string without the password, which travels in the environment.
    fn info(&self, database: &str, application: &str) -> String {
        let mut info = format!("dbname={}", quoted(database));
        if let Some(host) = &self.host {
            info.push_str(&format!(" host={}", quoted(host)));
        }
        if let Some(port) = self.port {
            info.push_str(&format!(" port={port}"));
        }
        if let Some(user) = &self.user {
            info.push_str(&format!(" user={}", quoted(user)));
        }
        info.push_str(&format!(
            " application_name={} connect_timeout={CONNECT_SECONDS}",
            quoted(application)
        ));
        info
    }

    fn with_password(&self, argv: Argv) -> Argv {
        match &self.password {
            Some(password) => argv.env("PGPASSWORD", password.clone()),
            None => argv,
        }
    }
}

/// A value of a connection string.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

/// An SQL identifier.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An SQL string.
pub(super) fn literal(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    if escaped.contains('\\') {
        format!("E'{}'", escaped.replace('\\', r"\\"))
    } else {
        format!("'{escaped}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection {
            host: Some("postgres".into()),
            port: Some(5432),
            user: Some("root".into()),
            password: Some(Secret::new("hunter2")),
        }
    }

    #[test]
    fn dumps_without_a_terminal_and_without_showing_the_password() {
        assert_eq!(
            connection().dump("it's", "switchback r-1").to_string(),
            "pg_dump --format=custom --compress=1 --no-password --dbname \
             'dbname='\\''it\\'\\''s'\\'' host='\\''postgres'\\'' port=5432 user='\\''root'\\'' \
             application_name='\\''switchback r-1'\\'' connect_timeout=10'"
        );
    }

    #[test]
    fn quotes_what_sql_would_read_otherwise() {
        assert_eq!(identifier("Odd \"name\""), "\"Odd \"\"name\"\"\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\b"), r"E'a\\b'");
    }
}
