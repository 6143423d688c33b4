//! A private PostgreSQL server in a temporary directory, and what the tests need around it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use switchback_datastores::postgres::Postgres;
use switchback_engine::ports::{Context, Failure, Progress, Reach, Scratch};
use switchback_engine::process::{Argv, Commands, Secret};
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::observed::{Access, DatastoreLocation};
use switchback_model::plan::Plan;
use switchback_model::product::DatastoreKind;
use switchback_model::{DatastoreName, RunId, StepNumber};

/// A server that ends with the test.
pub struct Server {
    pub directory: tempfile::TempDir,
    binaries: PathBuf,
    pub commands: Commands,
    pub stop: StopSignal,
    pub progress: Heard,
    plan: Plan,
}

/// What was reported.
#[derive(Default)]
pub struct Heard(pub RefCell<Vec<String>>);

impl Progress for Heard {
    fn report(&self, doing: &str, _done: Option<u64>, _of: Option<u64>, _unit: Option<&str>) {
        self.0.borrow_mut().push(doing.to_owned());
    }
}

impl Server {
    /// Starts one, listening on a socket in its own directory only.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let binaries = newest_binaries();
        let stop = StopSignal::default();
        let commands = Commands::new(
            directory.path().join("children"),
            Redactor::default(),
            stop.clone(),
        );
        let server = Self {
            binaries,
            commands,
            stop,
            progress: Heard::default(),
            plan: empty_plan(),
            directory,
        };
        std::fs::create_dir(server.path("socket")).expect("a socket directory");
        let whole = server.directory.path().display().to_string();
        server.shell(&format!("chown -R postgres {whole} && chmod 755 {whole}"));
        let secret = server.path("secret");
        std::fs::write(&secret, "hunter2-secret\n").expect("a password file");
        server.shell(&format!("chown postgres {}", secret.display()));
        server.as_postgres(&format!(
            "initdb --pgdata={} --username=admin --auth=scram-sha-256 --pwfile={} --encoding=UTF8 --locale=C.UTF-8",
            server.path("data").display(),
            secret.display()
        ));
        server.up();
        server
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn up(&self) {
        self.as_postgres(&format!(
            "pg_ctl --wait --pgdata={} --log={} --options='-c listen_addresses= -c unix_socket_directories={} -c fsync=off' start",
            self.path("data").display(),
            self.path("log").display(),
            self.path("socket").display()
        ));
    }

    /// Stops it as a power cut would.
    pub fn kill(&self) {
        self.as_postgres(&format!(
            "pg_ctl --mode=immediate --pgdata={} stop",
            self.path("data").display()
        ));
    }

    fn as_postgres(&self, command: &str) {
        self.shell(&format!(
            "cd / && setpriv --reuid=postgres --regid=postgres --clear-groups {}/{command}",
            self.binaries.display()
        ));
    }

    fn shell(&self, script: &str) {
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

    /// Runs SQL as the superuser.
    pub fn sql(&self, database: &str, script: &str) -> String {
        let output = Command::new(self.binaries.join("psql"))
            .args([
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
            .arg(self.path("socket"))
            .args(["-d", database, "-c", script])
            .env("PGPASSWORD", "hunter2-secret")
            .output()
            .expect("psql starts");
        assert!(
            output.status.success(),
            "{script}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub fn datastore(&self, database: &str) -> Postgres {
        self.datastore_with(database, "hunter2-secret")
    }

    pub fn datastore_with(&self, database: &str, password: &str) -> Postgres {
        let location = DatastoreLocation {
            kind: DatastoreKind::Postgres,
            access: Access::Local,
            host: Some(self.path("socket").display().to_string()),
            port: None,
            database: Some(database.to_owned()),
            user: Some("admin".to_owned()),
            password: None,
            directory: None,
            server_directory: None,
        };
        let reach = Local {
            binaries: self.binaries.clone(),
            pid: self.path("data").join("postmaster.pid"),
        };
        Postgres::new(
            &DatastoreName::new("identity"),
            &location,
            Box::new(reach),
            Some(Secret::new(password)),
        )
    }

    /// Calls with a context of this run.
    pub fn within<T>(&self, run: &str, call: impl FnOnce(&Context<'_>) -> T) -> T {
        let backups = self.path("backups");
        let run = RunId::new(run);
        call(&Context {
            plan: &self.plan,
            run: &run,
            step: StepNumber(1),
            backups: &backups,
            commands: &self.commands,
            progress: &self.progress,
            stop: &self.stop,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = self.path("data").join("postmaster.pid");
        if pid.exists() {
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

    fn running(&self, _cx: &Context<'_>) -> Result<bool, Failure> {
        Ok(self.pid.exists())
    }

    fn stop(&self, _cx: &Context<'_>) -> Result<(), Failure> {
        Err(Failure::new(
            "test",
            "these tests never stop the server through its datastore",
        ))
    }

    fn start(&self, _cx: &Context<'_>) -> Result<(), Failure> {
        Err(Failure::new(
            "test",
            "these tests never start the server through its datastore",
        ))
    }

    fn scratch(
        &self,
        _cx: &Context<'_>,
        _directory: &Path,
        _argv: Argv,
    ) -> Result<Box<dyn Scratch>, Failure> {
        Err(Failure::new(
            "test",
            "a PostgreSQL backup is proven in a database beside the original",
        ))
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

fn empty_plan() -> Plan {
    let text = serde_json::json!({
        "format": 1, "id": "p-1", "purpose": "upgrade", "parent": null,
        "deployment": {"name": "test", "directory": "/", "driver": "exec", "project": "test"},
        "product": "test", "product_name": "Test", "edition": null, "definition": "", "from": "1", "to": "2",
        "because": [], "notices": [], "procedures": [], "datastores": {}, "stages": [],
        "origin": {"services": [], "images": {}, "checks": []},
        "forecast": {"downtime_seconds": null, "downtime_because": "", "space": []}, "advice": [], "secrets": [],
    });
    serde_json::from_value(text).expect("a plan without steps")
}
