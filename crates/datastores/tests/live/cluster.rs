//! A private PostgreSQL server in a temporary directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use switchback_engine::ports::{Companion, Context, Datastore, Failure, Reach, Scratch};
use switchback_engine::process::{Argv, Secret};
use switchback_model::observed::{Access, DatastoreLocation};
use switchback_model::product::DatastoreKind;

use crate::bench::Bench;

pub(crate) const PASSWORD: &str = "hunter2-secret";

/// A server that ends with the test.
pub(crate) struct Cluster {
    pub(crate) bench: Bench,
    binaries: PathBuf,
}

impl Cluster {
    /// Starts one, listening on a socket in its own directory only.
    pub(crate) fn start() -> Self {
        let cluster = Self {
            bench: Bench::new(),
            binaries: newest_binaries(),
        };
        std::fs::create_dir(cluster.bench.path("socket")).expect("a socket directory");
        let secret = cluster.bench.path("secret");
        std::fs::write(&secret, format!("{PASSWORD}\n")).expect("a password file");
        let whole = cluster.bench.root().display();
        shell(&format!("chown -R postgres {whole} && chmod 755 {whole}"));
        cluster.as_postgres(&format!(
            "initdb --pgdata={} --username=admin --auth=scram-sha-256 --pwfile={} --encoding=UTF8 --locale=C.UTF-8 --no-sync",
            cluster.bench.path("data").display(),
            secret.display()
        ));
        cluster.up();
        cluster
    }

    pub(crate) fn up(&self) {
        self.as_postgres(&format!(
            "pg_ctl --wait --pgdata={} --log={} --options='-c listen_addresses= -c unix_socket_directories={} \
             -c fsync=off -c max_prepared_transactions=5' start",
            self.bench.path("data").display(),
            self.bench.path("log").display(),
            self.bench.path("socket").display()
        ));
    }

    /// Stops it as a power cut would.
    pub(crate) fn kill(&self) {
        self.as_postgres(&format!(
            "pg_ctl --mode=immediate --pgdata={} stop",
            self.bench.path("data").display()
        ));
    }

    fn as_postgres(&self, command: &str) {
        shell(&format!(
            "cd / && setpriv --reuid=postgres --regid=postgres --clear-groups {}/{command} > /dev/null",
            self.binaries.display()
        ));
    }

    /// A client program that is connected as somebody else's would be.
    pub(crate) fn psql(&self, database: &str, script: &str) -> Command {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "admin",
            "-h",
        ])
        .arg(self.bench.path("socket"))
        .args(["-d", database, "-c", script])
        .env("PGPASSWORD", PASSWORD);
        psql
    }

    /// Runs SQL as the superuser.
    pub(crate) fn sql(&self, database: &str, script: &str) -> String {
        let output = self.psql(database, script).output().expect("psql starts");
        assert!(
            output.status.success(),
            "{script}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(crate) fn location(&self, database: &str, user: &str) -> DatastoreLocation {
        DatastoreLocation {
            kind: DatastoreKind::Postgres,
            access: Access::Local,
            host: Some(self.bench.path("socket").display().to_string()),
            port: None,
            database: Some(database.to_owned()),
            user: Some(user.to_owned()),
            password: None,
            directory: None,
            server_directory: None,
        }
    }

    pub(crate) fn datastore(&self, database: &str) -> Box<dyn Datastore> {
        self.datastore_as(database, "admin", PASSWORD)
    }

    pub(crate) fn datastore_as(
        &self,
        database: &str,
        user: &str,
        password: &str,
    ) -> Box<dyn Datastore> {
        let location = self.location(database, user);
        switchback_datastores::open(
            &"identity".into(),
            &location,
            self.reach(),
            Some(Secret::new(password)),
        )
    }

    pub(crate) fn reach(&self) -> Box<dyn Reach> {
        Box::new(Local {
            binaries: self.binaries.clone(),
            pid: self.bench.path("data").join("postmaster.pid"),
        })
    }

    /// Databases that only switchback makes.
    pub(crate) fn leftovers(&self) -> String {
        self.sql(
            "postgres",
            "SELECT string_agg(datname, ' ') FROM pg_database WHERE datname LIKE '%switchback%'",
        )
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.bench.path("data").join("postmaster.pid").exists() {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.kill()));
        }
    }
}

/// Tools of this host beside a server on this host.
struct Local {
    binaries: PathBuf,
    pid: PathBuf,
}

impl Reach for Local {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        let program = self.binaries.join(&argv.program).display().to_string();
        Ok(Argv { program, ..argv })
    }

    fn running(&self, _: &Context<'_>) -> Result<bool, Failure> {
        Ok(self.pid.exists())
    }

    fn stop(&self, _: &Context<'_>) -> Result<(), Failure> {
        Err(Failure::new(
            "test",
            "nobody stops this server through its datastore",
        ))
    }

    fn start(&self, _: &Context<'_>) -> Result<(), Failure> {
        Err(Failure::new(
            "test",
            "nobody starts this server through its datastore",
        ))
    }

    fn scratch(&self, _: &Context<'_>, _: &Path, _: Argv) -> Result<Box<dyn Scratch>, Failure> {
        Err(Failure::new(
            "test",
            "a dump is proven in a database beside the original",
        ))
    }

    fn accompany(
        &self,
        _: &Context<'_>,
        _: &str,
        _: &Path,
        _: Argv,
    ) -> Result<Box<dyn Companion>, Failure> {
        Err(Failure::new(
            "no-companion",
            "nothing can be started beside this server",
        ))
    }

    fn companion(&self, _: &Context<'_>, _: &str) -> Result<Option<Box<dyn Companion>>, Failure> {
        Ok(None)
    }
}

fn newest_binaries() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed: cargo xtask test installs it")
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|path| path.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().expect("a PostgreSQL server is installed")
}

fn shell(script: &str) {
    let output = Command::new("sh")
        .args(["-c", script])
        .output()
        .expect("sh starts");
    assert!(
        output.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
