//! Private Redis servers in temporary directories, started and stopped by their process ids.

use std::cell::RefCell;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use switchback_engine::ports::{
    Companion, CompanionState, Context, Datastore, Failure, Reach, SCRATCH_DIRECTORY, Scratch,
};
use switchback_engine::process::{Argv, Secret};
use switchback_model::observed::{Access, DatastoreLocation};
use switchback_model::product::DatastoreKind;

use crate::bench::Bench;

pub(crate) const PASSWORD: &str = "hunter2-secret";

/// Stands for the server's port among its settings.
pub(crate) const PORT: &str = "{port}";

/// A server that ends with the test.
pub(crate) struct RedisServer {
    pub(crate) bench: Bench,
    process: Rc<Process>,
}

/// How it is started, and what runs.
struct Process {
    arguments: Vec<String>,
    port: u16,
    /// It takes TLS alone.
    tls: bool,
    running: RefCell<Option<Child>>,
    companion: RefCell<Option<Rc<Beside>>>,
    log: PathBuf,
}

impl RedisServer {
    /// Starts one with these settings, on a free port of the loopback interface.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let server = Self::stopped(settings);
        server.up();
        server
    }

    /// One that was never started.
    pub(crate) fn stopped(settings: &[&str]) -> Self {
        let bench = Bench::new();
        let data = bench.path("data");
        std::fs::create_dir(&data).expect("a data directory");
        let port = free_port();
        let port_text = port.to_string();
        let tls = settings.contains(&"--tls-port");
        let data_text = data.display().to_string();
        let fixed = [
            "--bind",
            "127.0.0.1",
            "--port",
            &port_text,
            "--dir",
            &data_text,
            "--requirepass",
            PASSWORD,
            // Left alone it waits five seconds for more replicas before it sends anything.
            "--repl-diskless-sync-delay",
            "0",
        ];
        let process = Process {
            arguments: fixed
                .iter()
                .chain(settings)
                .map(|word| word.replace(PORT, &port_text))
                .collect(),
            port,
            tls,
            running: RefCell::default(),
            companion: RefCell::default(),
            log: bench.path("server.log"),
        };
        Self {
            bench,
            process: Rc::new(process),
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.bench.path("data")
    }

    pub(crate) fn wait(&self) {
        let begun = Instant::now();
        while self.cli(0, "PING") != "PONG" {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "the server never answered"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn stop(&self) {
        self.process.stop();
    }

    pub(crate) fn up(&self) {
        self.process.start();
        self.wait();
    }

    pub(crate) fn runs(&self) -> bool {
        self.process.runs()
    }

    /// What follows it now.
    pub(crate) fn beside(&self) -> Option<Rc<Beside>> {
        self.process.companion.borrow().clone()
    }

    /// Runs commands, one a line, and returns what they answer.
    pub(crate) fn cli(&self, database: u32, commands: &str) -> String {
        use std::io::Write as _;
        let mut cli = Command::new("redis-cli")
            .args([
                "-p",
                &self.process.port.to_string(),
                "-n",
                &database.to_string(),
                "--raw",
            ])
            .args(["--tls", "--insecure"].iter().filter(|_| self.process.tls))
            .env("REDISCLI_AUTH", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-cli starts");
        cli.stdin
            .take()
            .expect("its input")
            .write_all(commands.as_bytes())
            .expect("told");
        let output = cli.wait_with_output().expect("it ends");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The same to a server behind a socket, which asks for no password.
    pub(crate) fn cli_at(&self, socket: &Path, commands: &str) -> String {
        use std::io::Write as _;
        let mut cli = Command::new("redis-cli")
            .args(["--raw", "-s"])
            .arg(socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-cli starts");
        cli.stdin
            .take()
            .expect("its input")
            .write_all(commands.as_bytes())
            .expect("told");
        let output = cli.wait_with_output().expect("it ends");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A connection that stays.
    pub(crate) fn connect(&self) -> std::net::TcpStream {
        use std::io::{Read as _, Write as _};
        let mut stream =
            std::net::TcpStream::connect(("127.0.0.1", self.process.port)).expect("connected");
        stream
            .write_all(format!("AUTH {PASSWORD}\r\nCLIENT SETNAME stray-writer\r\n").as_bytes())
            .expect("told");
        let mut answer = [0; 10];
        stream.read_exact(&mut answer).expect("answered");
        stream
    }

    pub(crate) fn location(&self) -> DatastoreLocation {
        DatastoreLocation {
            kind: DatastoreKind::Redis,
            access: Access::Local,
            host: Some("127.0.0.1".to_owned()),
            port: Some(self.process.port),
            database: None,
            user: None,
            password: None,
            directory: Some(self.data().display().to_string()),
            server_directory: Some(self.data().display().to_string()),
            options: self
                .process
                .tls
                .then(|| ("tls".to_owned(), "true".to_owned()))
                .into_iter()
                .collect(),
        }
    }

    pub(crate) fn datastore(&self) -> Box<dyn Datastore> {
        switchback_datastores::open(
            &"redis".into(),
            &self.location(),
            self.reach(),
            Some(Secret::new(PASSWORD)),
        )
    }

    pub(crate) fn reach(&self) -> Box<dyn Reach> {
        Box::new(Local(Rc::clone(&self.process)))
    }
}

/// A port that no other test gets, also while the server is stopped for a moment: not one that the
/// system would give away.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 11_000 + u16::try_from(std::process::id() % 180).unwrap_or(0) * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Process {
    fn start(&self) {
        let child = Command::new("redis-server")
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed: cargo xtask test installs it");
        *self.running.borrow_mut() = Some(child);
    }

    fn runs(&self) -> bool {
        let mut running = self.running.borrow_mut();
        running
            .as_mut()
            .is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    fn stop(&self) {
        if let Some(mut child) = self.running.borrow_mut().take() {
            let _ = Command::new("kill")
                .args(["-TERM", &child.id().to_string()])
                .status();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Not politely: its directory may be gone, and a server that cannot save does not end.
        if let Some(mut child) = self.running.borrow_mut().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

struct Local(Rc<Process>);

impl Reach for Local {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        Ok(argv)
    }

    fn running(&self, _: &Context<'_>) -> Result<bool, Failure> {
        Ok(self.0.runs())
    }

    fn stop(&self, _: &Context<'_>) -> Result<(), Failure> {
        self.0.stop();
        Ok(())
    }

    fn start(&self, _: &Context<'_>) -> Result<(), Failure> {
        self.0.start();
        Ok(())
    }

    fn scratch(
        &self,
        _: &Context<'_>,
        directory: &Path,
        argv: Argv,
    ) -> Result<Box<dyn Scratch>, Failure> {
        let place = directory.display().to_string();
        let child = Command::new(&argv.program)
            .args(
                argv.args
                    .iter()
                    .map(|word| word.replace(SCRATCH_DIRECTORY, &place)),
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Failure::new("test", "no second server").cause(error))?;
        Ok(Box::new(Second {
            child: RefCell::new(child),
            place,
        }))
    }

    fn accompany(
        &self,
        _: &Context<'_>,
        _: &str,
        directory: &Path,
        argv: Argv,
    ) -> Result<Box<dyn Companion>, Failure> {
        let place = directory.display().to_string();
        let log = self.0.log.with_file_name("companion.log");
        let written = std::fs::File::create(&log)
            .map_err(|error| Failure::new("test", "no log").cause(error))?;
        let child = Command::new(&argv.program)
            .args(
                argv.args
                    .iter()
                    .map(|word| word.replace(SCRATCH_DIRECTORY, &place)),
            )
            .stdout(written)
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| Failure::new("test", "no companion").cause(error))?;
        let beside = Rc::new(Beside {
            child: RefCell::new(child),
            place,
            log,
        });
        *self.0.companion.borrow_mut() = Some(Rc::clone(&beside));
        Ok(Box::new(Follower(Rc::clone(&self.0), beside)))
    }

    fn companion(&self, _: &Context<'_>, _: &str) -> Result<Option<Box<dyn Companion>>, Failure> {
        let found = self.0.companion.borrow();
        Ok(found.as_ref().map(|beside| {
            Box::new(Follower(Rc::clone(&self.0), Rc::clone(beside))) as Box<dyn Companion>
        }))
    }
}

/// A process beside the server, which a second process of switchback would find again.
pub(crate) struct Beside {
    child: RefCell<Child>,
    place: String,
    log: PathBuf,
}

impl Beside {
    pub(crate) fn pid(&self) -> u32 {
        self.child.borrow().id()
    }

    /// As if memory had run out.
    pub(crate) fn kill(&self) {
        let _ = self.child.borrow_mut().kill();
        let _ = self.child.borrow_mut().wait();
    }

    fn ended(&self) -> Option<std::process::ExitStatus> {
        self.child.borrow_mut().try_wait().expect("asked")
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Follower(Rc<Process>, Rc<Beside>);

impl Companion for Follower {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        Ok(argv)
    }

    fn directory(&self) -> &str {
        &self.1.place
    }

    fn state(&self) -> Result<CompanionState, Failure> {
        Ok(match self.1.ended() {
            None => CompanionState::Running,
            Some(status) => CompanionState::Ended {
                code: status.code().unwrap_or(137).into(),
            },
        })
    }

    fn output(&self, _: &Context<'_>) -> Result<String, Failure> {
        Ok(std::fs::read_to_string(&self.1.log).unwrap_or_default())
    }

    fn end(&self, _: &Context<'_>, signal: &str) -> Result<(), Failure> {
        let _ = Command::new("kill")
            .args([
                "-s",
                signal.trim_start_matches("SIG"),
                &self.1.pid().to_string(),
            ])
            .stderr(Stdio::null())
            .status();
        let _ = self.1.child.borrow_mut().wait();
        self.0.companion.borrow_mut().take();
        Ok(())
    }
}

struct Second {
    child: RefCell<Child>,
    place: String,
}

impl Scratch for Second {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        Ok(argv)
    }

    fn directory(&self) -> &str {
        &self.place
    }

    fn running(&self) -> Result<bool, Failure> {
        let ended = self.child.borrow_mut().try_wait();
        Ok(ended.expect("asked").is_none())
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}
