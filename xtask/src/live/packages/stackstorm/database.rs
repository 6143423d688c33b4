//! A server that speaks MongoDB's protocol, where the machine finds its own: on the machine's loopback interface.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::super::host::Host;
use crate::live::lab::Lab;
use crate::tool::{Tool, tool};

/// It is a Python program, on a slow machine beside others.
const PATIENCE: Duration = Duration::from_secs(60);

/// Content as an installation in use has it.
const FILL: &str = "
import pymongo
db = pymongo.MongoClient('127.0.0.1', 27017, directConnection=True).st2
db.key_value_pair_d_b.insert_many({'_id': n, 'name': f'key {n}', 'scope': 'st2kv.system'} for n in range(300))
db.key_value_pair_d_b.create_index('name')
db.action_d_b.insert_many({'_id': f'core.{n}'} for n in range(40))
";

const HELLO: &str = "
import pymongo
pymongo.MongoClient('127.0.0.1', 27017, directConnection=True).admin.command('ping')
";

/// Everything of the product that is there, in one line.
const SUM: &str = "
import bson, hashlib, pymongo
db = pymongo.MongoClient('127.0.0.1', 27017, directConnection=True).st2
sum = hashlib.sha256()
for name in sorted(name for name in db.list_collection_names() if not name.startswith(('system.', 'switchback_'))):
    sum.update(name.encode())
    for document in sorted(bson.encode(it) for it in db[name].find()):
        sum.update(document)
print(sum.hexdigest())
";

/// The stand-in says of itself, and of the format of its data, what a server of MongoDB would: the first two words. While
/// there is a file `slow-find` beside it, it stays in the middle of whoever reads keys; with `slow-insert`, of whoever
/// restores anything.
const SERVER: &str = "
import os, sys, time
from secantus import cli, commands
commands.SERVER_VERSION = sys.argv[1]
commands.SERVER_VERSION_ARRAY = [int(number) for number in sys.argv[2].split('.')] + [0, 0]
def slowly(command, is_meant):
    real = commands._HANDLERS[command]
    def answer(document, context):
        while is_meant(document[command]) and os.path.exists('slow-' + command):
            open('waits', 'w').close()
            time.sleep(0.05)
        return real(document, context)
    commands._HANDLERS[command] = answer
slowly('find', lambda name: name == 'key_value_pair_d_b')
slowly('insert', lambda name: name.startswith('switchback_new_'))
sys.exit(cli.main(sys.argv[3:]))
";

/// Another member of its set, which takes no writes and names it.
const SECONDARY: &str = "
import sys
from secantus import cli, commands
real = commands._hello
def hello(document, context):
    return {**real(document, context), 'isWritablePrimary': False, 'ismaster': False, 'secondary': True, 'primary': '127.0.0.1:27017'}
for name in ('hello', 'isMaster', 'ismaster'):
    commands._HANDLERS[name] = hello
sys.exit(cli.main(sys.argv[1:]))
";

/// Ends with the case.
pub(super) struct Database {
    environment: PathBuf,
    place: PathBuf,
    machine: String,
    /// How many directories it has had.
    directories: u32,
    server: Option<Child>,
    secondary: Option<Child>,
}

impl Database {
    /// Starts it as MongoDB 3.4 with content in it. `name` is that of the case.
    pub(super) fn start(lab: &Lab, host: &Host, name: &str, environment: PathBuf) -> Result<Self> {
        let place = lab.place(&format!("{name}-mongodb"));
        fs::create_dir_all(&place)?;
        let mut database = Self {
            environment,
            place,
            machine: host.pid()?,
            directories: 1,
            server: None,
            secondary: None,
        };
        database.becomes("3.4.24", "3.4")?;
        database.run(FILL)?;
        Ok(database)
    }

    /// Starts it again on its data, as another version with the format of this line.
    pub(super) fn becomes(&mut self, version: &str, format: &str) -> Result<()> {
        self.stop();
        let data = self.place.join(format!("data-{}", self.directories));
        self.server = Some(self.member(&["-c", SERVER, version, format], "27017", &data)?);
        self.until_answers("27017")
    }

    /// Starts another member of its set, on this port of the machine.
    pub(super) fn has_a_secondary(&mut self, port: &str) -> Result<()> {
        let data = self.place.join("data-of-the-other");
        self.secondary = Some(self.member(&["-c", SECONDARY], port, &data)?);
        self.until_answers(port)
    }

    fn member(&self, words: &[&str], port: &str, data: &Path) -> Result<Child> {
        let server = beside(&self.machine, self.environment.join("bin/python"))
            .args(words)
            .args(["--host", "127.0.0.1", "--port", port, "--storage-path"])
            .arg(data)
            .dir(&self.place)
            .into_command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.place.join(format!("log-{port}")))?)
            .spawn()?;
        Ok(server)
    }

    fn until_answers(&self, port: &str) -> Result<()> {
        let since = Instant::now();
        while self.run(&HELLO.replace("27017", port)).is_err() {
            ensure!(
                since.elapsed() < PATIENCE,
                "MongoDB's stand-in does not answer"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// From now on whoever reads keys (`find`) or restores anything (`insert`) stays in the middle of it.
    pub(super) fn slows_down(&self, command: &str) -> Result<()> {
        drop(fs::remove_file(self.place.join("waits")));
        Ok(fs::write(self.place.join(format!("slow-{command}")), "")?)
    }

    /// Waits until somebody does.
    pub(super) fn until_it_is_waited_for(&self) -> Result<()> {
        let since = Instant::now();
        while !self.place.join("waits").exists() {
            ensure!(since.elapsed() < PATIENCE, "nobody asks MongoDB's stand-in");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(super) fn goes_on(&self) -> Result<()> {
        for command in ["find", "insert"] {
            drop(fs::remove_file(self.place.join(format!("slow-{command}"))));
        }
        Ok(())
    }

    /// As [`Self::becomes`], on an empty directory.
    pub(super) fn begins_anew(&mut self, version: &str, format: &str) -> Result<()> {
        self.directories += 1;
        self.becomes(version, format)
    }

    /// Ends it, as whoever exchanges its packages does.
    pub(super) fn stop(&mut self) {
        end(self.server.take());
    }

    /// Everything that it holds, as one number.
    pub(super) fn sum(&self) -> Result<String> {
        self.run(SUM)
    }

    fn run(&self, script: &str) -> Result<String> {
        let answer = beside(&self.machine, self.environment.join("bin/python"))
            .args(["-c", script])
            .answer()?;
        if !answer.status.success() {
            bail!("{}", answer.stderr);
        }
        Ok(answer.stdout.trim().to_owned())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.stop();
        end(self.secondary.take());
    }
}

fn end(server: Option<Child>) {
    if let Some(mut server) = server {
        drop(tool("kill").arg(server.id().to_string()).answer());
        drop(server.wait());
    }
}

/// A program of this machine with the network of the other one.
fn beside(machine: &str, program: PathBuf) -> Tool {
    tool("nsenter")
        .args(["--target", machine, "--net", "--"])
        .arg(program)
}
