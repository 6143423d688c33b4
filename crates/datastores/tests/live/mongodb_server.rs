//! A server that speaks MongoDB's protocol, in the place of MongoDB's own, which no package brings here. What that
//! does not prove is in docs/mongodb.md.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use switchback_datastores::Survey;
use switchback_engine::ports::{Datastore, Failure};
use switchback_engine::process::Secret;
use switchback_model::observed::{Access, DatastoreLocation};
use switchback_model::product::DatastoreKind;

use crate::bench::Bench;
use crate::files::NoServer;

/// Names the environment that the stand-in is installed in; `cargo xtask test` makes one.
const STAND_IN: &str = "SWITCHBACK_MONGODB";
/// How long it may take to end.
const PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const NAME: &str = "mongodb";
pub(crate) const USER: &str = "stackstorm";
pub(crate) const PASSWORD: &str = "pen,c=il ü";

/// A running server with a directory of its own; ends with the test.
pub(crate) struct MongodbServer {
    pub(crate) bench: Bench,
    environment: PathBuf,
    pub(crate) port: u16,
    settings: RefCell<Vec<String>>,
    process: RefCell<Option<Child>>,
    shell: RefCell<Option<Shell>>,
}

/// The official client, one script at a time: to start it takes longer than most scripts.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Each script gets a connection of its own, which is closed after it.
const SHELL: &str = "
import bson, contextlib, datetime, io, json, pymongo, sys, traceback
for line in sys.stdin:
    client, script = json.loads(line)
    out = io.StringIO()
    try:
        with eval(client) as client, contextlib.redirect_stdout(out):
            exec(script, dict(globals(), client=client, db=client.st2))
        answer = [True, out.getvalue()]
    except Exception:
        answer = [False, traceback.format_exc()]
    print(json.dumps(answer), flush=True)
";

/// A member of the set that is not the primary: the stand-in, saying so.
pub(crate) struct Member {
    pub(crate) port: u16,
    process: Child,
}

/// What it says of itself beside its own words: the first is the primary's address, which may be empty.
const MEMBER: &str = "
import sys
from secantus import cli, commands
real = commands._hello
def hello(document, context):
    answer = real(document, context)
    answer.update(isWritablePrimary=False, ismaster=False, secondary=True, primary=sys.argv[1])
    if not sys.argv[1]:
        del answer['primary']
    return answer
for name in ('hello', 'isMaster', 'ismaster'):
    commands._HANDLERS[name] = hello
sys.exit(cli.main(sys.argv[2:]))
";

impl MongodbServer {
    /// Starts one; `None`, and a word about it, where none is installed.
    #[expect(clippy::print_stdout, reason = "says what was not tried, and why")]
    pub(crate) fn start() -> Option<Self> {
        let Some(environment) = std::env::var_os(STAND_IN) else {
            println!("not tried: {STAND_IN} names no environment with a server");
            return None;
        };
        let port = free_port();
        let server = Self {
            bench: Bench::new(),
            environment: environment.into(),
            port,
            settings: RefCell::default(),
            process: RefCell::default(),
            shell: RefCell::default(),
        };
        server.up(&[]);
        Some(server)
    }

    /// Starts a member that names `primary`, or none.
    pub(crate) fn member(&self, primary: Option<u16>) -> Member {
        let port = free_port();
        let primary = primary.map_or_else(String::new, |port| format!("127.0.0.1:{port}"));
        let process = Command::new(self.environment.join("bin/python"))
            .args(["-c", MEMBER, &primary, "--host", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .arg("--storage-path")
            .arg(self.bench.path(&format!("member-{port}")))
            .current_dir(self.bench.root())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the member starts");
        until_answers(port);
        Member { port, process }
    }

    /// Starts it again with these settings on the same data.
    pub(crate) fn up(&self, settings: &[&str]) {
        self.down();
        *self.settings.borrow_mut() = settings.iter().map(|it| (*it).to_owned()).collect();
        let log = std::fs::File::create(self.bench.path("server.log")).expect("a log");
        let process = Command::new(self.environment.join("bin/secantusd-py"))
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .arg("--storage-path")
            .arg(self.bench.path("data"))
            .args(settings)
            .current_dir(self.bench.root())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        *self.process.borrow_mut() = Some(process);
        until_answers(self.port);
    }

    pub(crate) fn down(&self) {
        if let Some(mut process) = self.process.borrow_mut().take() {
            let _ = Command::new("kill").arg(process.id().to_string()).status();
            let asked = Instant::now();
            // The stand-in sometimes waits for itself then, for ever. What it has said it wrote is on the disk.
            while asked.elapsed() < PATIENCE && matches!(process.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn client(&self) -> String {
        let secured = self.settings.borrow().iter().any(|it| it == "--auth");
        let who = if secured {
            format!(", username='{USER}', password='{PASSWORD}', authSource='st2'")
        } else {
            String::new()
        };
        format!(
            "pymongo.MongoClient('127.0.0.1', {}, directConnection=True{who})",
            self.port
        )
    }

    fn python(&self, script: &str) -> Command {
        let mut python = Command::new(self.environment.join("bin/python"));
        python
            .arg("-c")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        python
    }

    /// Runs a script of the official client, whose database is `db`, and returns what it prints.
    pub(crate) fn run(&self, script: &str) -> String {
        let mut shell = self.shell.borrow_mut();
        let shell = shell.get_or_insert_with(|| {
            let mut child = self.python(SHELL).spawn().expect("python starts");
            let (input, output) = (child.stdin.take(), child.stdout.take());
            Shell {
                child,
                input: input.expect("its input"),
                output: BufReader::new(output.expect("its output")),
            }
        });
        let asked = serde_json::json!([self.client(), script]);
        writeln!(shell.input, "{asked}").expect("told");
        let mut line = String::new();
        shell.output.read_line(&mut line).expect("heard");
        let (done, said): (bool, String) = serde_json::from_str(&line).expect("an answer");
        assert!(done, "{said}");
        said.trim().to_owned()
    }

    /// A client that stays connected until its input ends.
    pub(crate) fn connected(&self) -> Child {
        let script = format!(
            "import pymongo, sys\nclient = {}\nclient.st2.command('ping')\nprint('here', flush=True)\nsys.stdin.read()",
            self.client()
        );
        let mut child = self.python(&script).spawn().expect("python starts");
        let mut line = String::new();
        let output = child.stdout.as_mut().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("read");
        assert_eq!(line, "here\n");
        child
    }

    pub(crate) fn location(&self) -> DatastoreLocation {
        let secured = self.settings.borrow().iter().any(|it| it == "--auth");
        DatastoreLocation {
            kind: DatastoreKind::Mongodb,
            access: Access::Local,
            host: Some("127.0.0.1".to_owned()),
            port: Some(self.port),
            database: Some("st2".to_owned()),
            user: secured.then(|| USER.to_owned()),
            password: None,
            directory: None,
            server_directory: None,
            options: std::collections::BTreeMap::new(),
        }
    }

    pub(crate) fn datastore(&self) -> Box<dyn Datastore> {
        self.opened(&self.location(), PASSWORD)
    }

    pub(crate) fn opened(
        &self,
        location: &DatastoreLocation,
        password: &str,
    ) -> Box<dyn Datastore> {
        let password = location.user.as_ref().map(|_| Secret::new(password));
        switchback_datastores::open(
            &NAME.into(),
            location,
            Box::new(NoServer::default()),
            password,
        )
    }

    pub(crate) fn survey(&self, location: &DatastoreLocation) -> Result<Survey, Failure> {
        let password = location.user.as_ref().map(|_| Secret::new(PASSWORD));
        let commands = &self.bench.commands;
        let reach = Box::new(NoServer::default());
        switchback_datastores::survey(&NAME.into(), location, reach, password, commands)
    }

    /// The same once nobody is connected: a client that has ended is seen for another moment.
    pub(crate) fn survey_alone(&self) -> Survey {
        self.end_shell();
        let since = Instant::now();
        loop {
            let survey = self.survey(&self.location()).expect("answers");
            if survey.writers.is_empty() {
                return survey;
            }
            assert!(
                since.elapsed() < Duration::from_secs(60),
                "{:?} stay connected",
                survey.writers
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn end_shell(&self) {
        if let Some(mut shell) = self.shell.borrow_mut().take() {
            drop(shell.input);
            let _ = shell.child.wait();
        }
    }
}

fn free_port() -> u16 {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    free.local_addr().expect("its address").port()
}

fn until_answers(port: u16) {
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it never answers");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for MongodbServer {
    fn drop(&mut self) {
        self.down();
        self.end_shell();
    }
}
