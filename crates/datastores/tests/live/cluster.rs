//! A private PostgreSQL server in a temporary directory.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use switchback_engine::ports::{
    Companion, CompanionState, Context, Datastore, Failure, Reach, SCRATCH_DIRECTORY, Scratch,
};
use switchback_engine::process::{Argv, Secret};
use switchback_model::observed::{Access, DatastoreLocation};
use switchback_model::product::DatastoreKind;

use crate::bench::{Bench, SmallDisk};

pub(crate) const PASSWORD: &str = "hunter2-secret";

/// A server that ends with the test.
pub(crate) struct Cluster {
    // Unmounted before the directory goes.
    disk: Option<SmallDisk>,
    pub(crate) bench: Bench,
    own: Rc<Own>,
}

/// Where a server is and how it is started.
struct Own {
    binaries: PathBuf,
    root: PathBuf,
    options: RefCell<String>,
}

impl Cluster {
    /// Starts one, listening on a socket in its own directory only.
    pub(crate) fn start() -> Self {
        Self::start_with("", "")
    }

    /// The same with more options of `initdb` and of the server.
    pub(crate) fn start_with(initdb: &str, options: &str) -> Self {
        Self::begin(initdb, options, None)
    }

    /// The same on a disk of so many megabytes.
    pub(crate) fn start_on_disk(megabytes: u32) -> Self {
        Self::begin("", "", Some(megabytes))
    }

    fn begin(initdb: &str, options: &str, megabytes: Option<u32>) -> Self {
        let bench = Bench::new();
        let disk = megabytes.map(|megabytes| SmallDisk::mount(bench.root(), megabytes));
        let own = Own {
            binaries: newest_binaries(),
            root: bench.root().to_owned(),
            options: RefCell::new(options.to_owned()),
        };
        let cluster = Self {
            disk,
            bench,
            own: Rc::new(own),
        };
        std::fs::create_dir(cluster.bench.path("socket")).expect("a socket directory");
        let secret = cluster.bench.path("secret");
        std::fs::write(&secret, format!("{PASSWORD}\n")).expect("a password file");
        let whole = cluster.bench.root().display();
        shell(&format!("chown -R postgres {whole} && chmod 755 {whole}"));
        // From version 18 on it is otherwise where nothing is said.
        let initdb = match initdb {
            "" if cluster.own.major() >= 18 => "--no-data-checksums",
            said => said,
        };
        cluster.own.as_postgres(&format!(
            "initdb --pgdata={} --username=admin --auth=scram-sha-256 --pwfile={} --encoding=UTF8 --locale=C.UTF-8 --no-sync {initdb}",
            cluster.data().display(),
            secret.display()
        ));
        cluster.up();
        cluster
    }

    /// Whether the disk that it was given is still its own.
    pub(crate) fn has_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.bench.path("data")
    }

    pub(crate) fn up(&self) {
        self.own.up();
    }

    /// Stops it in order.
    pub(crate) fn down(&self) {
        self.own.down();
    }

    /// Starts it with other options from now on.
    pub(crate) fn restart_with(&self, options: &str) {
        self.down();
        options.clone_into(&mut self.own.options.borrow_mut());
        self.up();
    }

    /// Stops it as a power cut would.
    pub(crate) fn kill(&self) {
        self.own.as_postgres(&format!(
            "pg_ctl --mode=immediate --pgdata={} stop",
            self.data().display()
        ));
    }

    /// Gives a directory to the server's user.
    pub(crate) fn give(&self, directory: &Path) {
        shell(&format!("chown postgres {}", directory.display()));
    }

    /// A client program that is connected as somebody else's would be.
    pub(crate) fn psql(&self, database: &str, script: &str) -> Command {
        let mut psql = Command::new(self.own.binaries.join("psql"));
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
            directory: Some(self.data().display().to_string()),
            server_directory: None,
            options: std::collections::BTreeMap::new(),
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
        Box::new(Local(Rc::clone(&self.own)))
    }

    /// The process of a companion of this run, while it runs.
    pub(crate) fn companion(&self, run: &str, name: &str) -> Option<u32> {
        Beside::of(&self.own, run, name)?.pid()
    }

    /// Databases that only switchback makes.
    pub(crate) fn leftovers(&self) -> String {
        self.sql(
            "postgres",
            "SELECT string_agg(datname, ' ') FROM pg_database WHERE datname LIKE '%switchback%'",
        )
    }
}

impl Own {
    fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    fn up(&self) {
        self.as_postgres(&format!(
            "pg_ctl --wait --pgdata={} --log={} --options='-c listen_addresses= -c unix_socket_directories={} \
             -c fsync=off -c max_prepared_transactions=5 {}' start",
            self.data().display(),
            self.root.join("log").display(),
            self.root.join("socket").display(),
            self.options.borrow()
        ));
    }

    fn down(&self) {
        self.as_postgres(&format!(
            "pg_ctl --wait --mode=fast --pgdata={} stop",
            self.data().display()
        ));
    }

    fn runs(&self) -> bool {
        self.data().join("postmaster.pid").exists()
    }

    fn major(&self) -> u32 {
        let told = Command::new(self.program("postgres"))
            .arg("--version")
            .output()
            .expect("it tells");
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        let mut numbers = told.split(|c: char| !c.is_ascii_digit());
        numbers
            .find_map(|number| number.parse().ok())
            .expect("a version")
    }

    fn as_postgres(&self, command: &str) {
        shell(&format!(
            "cd / && setpriv --reuid=postgres --regid=postgres --clear-groups {}/{command} > /dev/null",
            self.binaries.display()
        ));
    }

    fn program(&self, program: &str) -> String {
        self.binaries.join(program).display().to_string()
    }

    /// Starts a program as the owner of the data, in a session of its own, noted in `notes`.
    #[expect(
        clippy::zombie_processes,
        reason = "it outlives this process, as a container would: its notes tell its end"
    )]
    fn launch(self: &Rc<Self>, notes: PathBuf, directory: &Path, argv: Argv) -> Beside {
        let _ = std::fs::remove_dir_all(&notes);
        std::fs::create_dir_all(&notes).expect("notes");
        let place = directory.display().to_string();
        std::fs::write(notes.join("place"), &place).expect("noted");
        let words = argv
            .args
            .iter()
            .map(|word| word.replace(SCRATCH_DIRECTORY, &place));
        // What it is told by the environment is the program's alone, as a container's is.
        Command::new("setsid")
            .args(["sh", "-c", r#"cd /; notes=$1; shift; "$@" >"$notes/log" 2>&1 & echo $! >"$notes/pid"; wait $!; echo $? >"$notes/exit""#, "sh"])
            .arg(&notes)
            .args(["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"])
            .arg(self.program(&argv.program))
            .args(words)
            // As whoever has the data, and not as whoever runs this test.
            .env_remove("HOME")
            .envs(argv.env.iter().map(|(name, secret)| (name, secret.expose())))
            .spawn()
            .expect("setsid starts");
        until("a companion begins", || {
            std::fs::read_to_string(notes.join("pid")).is_ok_and(|pid| pid.ends_with('\n'))
        });
        Beside {
            own: Rc::clone(self),
            notes,
            place,
        }
    }

    fn notes(&self, run: &str, name: &str) -> PathBuf {
        self.root.join("companions").join(format!("{run}-{name}"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let found = std::fs::read_dir(self.bench.path("companions"));
        for entry in found.into_iter().flatten().flatten() {
            let beside = Beside {
                own: Rc::clone(&self.own),
                notes: entry.path(),
                place: String::new(),
            };
            if let Some(pid) = beside.pid() {
                signal(pid, "QUIT");
            }
        }
        if self.own.runs() {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.kill()));
        }
    }
}

/// Tools of this host beside a server on this host.
struct Local(Rc<Own>);

impl Reach for Local {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        let program = self.0.program(&argv.program);
        Ok(Argv { program, ..argv })
    }

    fn running(&self, _: &Context<'_>) -> Result<bool, Failure> {
        Ok(self.0.runs())
    }

    fn stop(&self, _: &Context<'_>) -> Result<(), Failure> {
        if self.0.runs() {
            self.0.down();
        }
        Ok(())
    }

    fn start(&self, _: &Context<'_>) -> Result<(), Failure> {
        if !self.0.runs() {
            self.0.up();
        }
        Ok(())
    }

    fn scratch(
        &self,
        cx: &Context<'_>,
        directory: &Path,
        argv: Argv,
    ) -> Result<Box<dyn Scratch>, Failure> {
        let notes = self.0.notes(cx.run.as_str(), "scratch");
        Ok(Box::new(self.0.launch(notes, directory, argv)))
    }

    fn accompany(
        &self,
        cx: &Context<'_>,
        name: &str,
        directory: &Path,
        argv: Argv,
    ) -> Result<Box<dyn Companion>, Failure> {
        let notes = self.0.notes(cx.run.as_str(), name);
        if Beside::of(&self.0, cx.run.as_str(), name).is_some_and(|found| found.pid().is_some()) {
            return Err(Failure::new(
                "companion-runs",
                format!("`{name}` runs already"),
            ));
        }
        Ok(Box::new(self.0.launch(notes, directory, argv)))
    }

    fn companion(
        &self,
        cx: &Context<'_>,
        name: &str,
    ) -> Result<Option<Box<dyn Companion>>, Failure> {
        Ok(Beside::of(&self.0, cx.run.as_str(), name)
            .map(|found| Box::new(found) as Box<dyn Companion>))
    }
}

/// A process beside the server, known by files alone.
struct Beside {
    own: Rc<Own>,
    notes: PathBuf,
    place: String,
}

impl Beside {
    fn of(own: &Rc<Own>, run: &str, name: &str) -> Option<Self> {
        let notes = own.notes(run, name);
        let place = std::fs::read_to_string(notes.join("place")).ok()?;
        Some(Self {
            own: Rc::clone(own),
            notes,
            place,
        })
    }

    /// Its pid while it runs.
    fn pid(&self) -> Option<u32> {
        if self.notes.join("exit").exists() {
            return None;
        }
        let pid = std::fs::read_to_string(self.notes.join("pid")).ok()?;
        pid.trim().parse().ok()
    }

    fn program_of(&self, argv: Argv) -> Argv {
        let program = self.own.program(&argv.program);
        Argv { program, ..argv }
    }
}

impl Companion for Beside {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        Ok(self.program_of(argv))
    }

    fn directory(&self) -> &str {
        &self.place
    }

    fn state(&self) -> Result<CompanionState, Failure> {
        if self.pid().is_some() {
            return Ok(CompanionState::Running);
        }
        let code = std::fs::read_to_string(self.notes.join("exit")).unwrap_or_default();
        Ok(CompanionState::Ended {
            code: code.trim().parse().unwrap_or(-1),
        })
    }

    fn output(&self, _: &Context<'_>) -> Result<String, Failure> {
        Ok(std::fs::read_to_string(self.notes.join("log")).unwrap_or_default())
    }

    fn end(&self, _: &Context<'_>, signal: &str) -> Result<(), Failure> {
        if let Some(pid) = self.pid() {
            self::signal(pid, signal.trim_start_matches("SIG"));
        }
        until("a companion ends", || self.pid().is_none());
        std::fs::remove_dir_all(&self.notes)
            .map_err(|error| Failure::new("test", "cannot forget").cause(error))
    }
}

impl Scratch for Beside {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        Ok(self.program_of(argv))
    }

    fn directory(&self) -> &str {
        &self.place
    }

    fn running(&self) -> Result<bool, Failure> {
        Ok(self.pid().is_some())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if self
            .notes
            .ends_with(format!("{}-scratch", crate::bench::UPGRADE))
            && let Some(pid) = self.pid()
        {
            signal(pid, "QUIT");
            until("a second server ends", || self.pid().is_none());
        }
    }
}

/// Sends a signal to a process of this test.
pub(crate) fn signal(pid: u32, signal: &str) {
    let _ = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .stderr(std::process::Stdio::null())
        .status();
}

/// Waits for something that comes soon or never.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Programs of the newest server that is installed, or of the one that `SWITCHBACK_TEST_POSTGRES` names.
fn newest_binaries() -> PathBuf {
    if let Some(named) = std::env::var_os("SWITCHBACK_TEST_POSTGRES") {
        return named.into();
    }
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
