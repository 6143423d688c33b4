//! A server that speaks MongoDB's protocol, where the machine finds its own: on the machine's loopback interface.

use std::fs;
use std::path::PathBuf;
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

/// Everything that is there, in one line.
const SUM: &str = "
import bson, hashlib, pymongo
db = pymongo.MongoClient('127.0.0.1', 27017, directConnection=True).st2
sum = hashlib.sha256()
for name in sorted(name for name in db.list_collection_names() if not name.startswith('system.')):
    sum.update(name.encode())
    for document in sorted(bson.encode(it) for it in db[name].find()):
        sum.update(document)
print(sum.hexdigest())
";

/// Ends with the case.
pub(super) struct Database {
    environment: PathBuf,
    machine: String,
    server: Child,
}

impl Database {
    /// Starts it with content in it.
    pub(super) fn start(lab: &Lab, host: &Host, environment: PathBuf) -> Result<Self> {
        let machine = host.pid()?;
        let place = lab.place("st2-mongodb");
        fs::create_dir_all(&place)?;
        let server = beside(&machine, environment.join("bin/secantusd-py"))
            .args(["--host", "127.0.0.1", "--port", "27017", "--storage-path"])
            .arg(place.join("data"))
            .dir(&place)
            .into_command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(place.join("log"))?)
            .spawn()?;
        let database = Self {
            environment,
            machine,
            server,
        };
        let since = Instant::now();
        while database.run(FILL).is_err() {
            ensure!(
                since.elapsed() < PATIENCE,
                "MongoDB's stand-in does not answer"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(database)
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
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// A program of this machine with the network of the other one.
fn beside(machine: &str, program: PathBuf) -> Tool {
    tool("nsenter")
        .args(["--target", machine, "--net", "--"])
        .arg(program)
}
