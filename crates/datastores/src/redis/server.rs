//! The server whose data is kept: how it is reached, what it says about itself,
//! waiting until it answers.

use std::cell::{Cell, OnceCell};
use std::thread;
use std::time::{Duration, Instant};

use switchback_engine::ports::{Context, Failure, Reach};
use switchback_engine::process::{Argv, CommandError, Commands, Input, Output, Secret};
use switchback_engine::signal::Urgency;
use switchback_model::observed::DatastoreLocation;
use switchback_model::product::DatastoreKind;
use switchback_model::{DatastoreName, RunId};

use super::client::Client;
use super::commands::{self, CLIENTS};
use super::layout::{Layout, from_file};
use super::reply::{Reply, Value};
use super::session::{Session, greets};
use crate::backup::{Backup, Manifest};
use crate::conversation::{Held, Hold};

/// A starting server opens its socket before it loads. One that has said nothing for so long, while
/// nothing about it changes, will not.
pub(super) const SILENCE: Duration = Duration::from_secs(60);
/// How often a starting server is asked.
pub(super) const ASK: Duration = Duration::from_millis(250);
/// Key of the manifest's facts under which the layout is kept.
pub(super) const LAYOUT: &str = "layout";

/// A Redis server.
pub(super) struct Server {
    pub(super) name: DatastoreName,
    pub(super) location: DatastoreLocation,
    pub(super) reach: Box<dyn Reach>,
    pub(super) password: Option<Secret>,
    /// The client program that the server's place has.
    pub(super) program: OnceCell<&'static str>,
    /// Where the client program of the original stays between questions.
    pub(super) original: Held,
    /// Where that of its replica does.
    pub(super) replica: Held,
    /// True once the server was found to be one that can be kept.
    pub(super) suitable: Cell<bool>,
}

impl Server {
    /// Keeps the client programs of the next questions, to the original and its replica, for those that come after
    /// them. Not where the original is stopped.
    pub(super) fn hold(&self) -> [Hold<'_>; 2] {
        [self.original.hold(), self.replica.hold()]
    }

    /// The client program: of Redis, or of Valkey.
    pub(super) fn program(&self, commands: &Commands) -> &'static str {
        if let Some(known) = self.program.get() {
            return known;
        }
        let found = CLIENTS.into_iter().find(|program| {
            self.started_as(program).is_ok_and(|argv| {
                let greeted = self.original.with(commands, &argv, None, greets);
                greeted.is_ok()
            })
        });
        match found {
            Some(program) => self.program.get_or_init(|| program),
            // Nothing can be run there now (the container is stopped): asked again next time.
            None => CLIENTS[0],
        }
    }

    pub(super) fn client<'a>(&'a self, commands: &'a Commands) -> Result<Client<'a>, Failure> {
        Ok(Client {
            name: &self.name,
            commands,
            argv: self.started_as(self.program(commands))?,
            held: &self.original,
        })
    }

    /// The client program as it is started on this host.
    fn started_as(&self, program: &str) -> Result<Argv, Failure> {
        let argv = commands::client(program, &self.location, self.password.as_ref());
        self.reach.inside(argv)
    }

    pub(super) fn backup(&self, cx: &Context<'_>, run: &RunId) -> Backup {
        Backup::of(cx, run, &self.name, DatastoreKind::Redis)
    }

    /// Version of the server, e.g. `7.0.15`.
    pub(super) fn engine(&self, commands: &Commands) -> Result<String, Failure> {
        let info = self.client(commands)?.info("server")?;
        let field = |name: &str| info.get(name).cloned();
        let version = field("valkey_version").or_else(|| field("redis_version"));
        version.ok_or_else(|| {
            Failure::new(
                "datastore-answer",
                format!("the server of `{}` does not tell its version", self.name),
            )
        })
    }

    /// Why this server cannot be kept, where it cannot.
    pub(super) fn obstacle(&self, commands: &Commands) -> Result<Option<String>, Failure> {
        // Its files are those of one moment while it is stopped.
        if let Some(because) = self.reach.foreign() {
            return Ok(Some(format!("it cannot be stopped: {because}")));
        }
        self.client(commands)?.converse(|mut session| {
            let field = |mut info: std::collections::BTreeMap<String, String>, name: &str| {
                info.remove(name).unwrap_or_default()
            };
            let server = session.info("server")?;
            // Valkey calls it otherwise.
            let mode = ["redis_mode", "server_mode"]
                .map(|name| field(server.clone(), name))
                .concat();
            if mode == "cluster" || mode == "sentinel" {
                return Ok(Some(format!("the server runs in {mode} mode")));
            }
            if field(session.info("replication")?, "role") == "slave" {
                return Ok(Some(
                    "the server is a replica: it would fetch from its master what was taken back"
                        .to_owned(),
                ));
            }
            let clients = session.verbatim("CLIENT LIST")?;
            Ok(clients.contains(" name=sentinel-").then(|| {
                "Sentinel watches the server: it would make another one the primary when this one is stopped".to_owned()
            }))
        })
    }

    pub(super) fn require_suitable(&self, commands: &Commands) -> Result<(), Failure> {
        if self.suitable.get() {
            return Ok(());
        }
        match self.obstacle(commands)? {
            None => {
                self.suitable.set(true);
                Ok(())
            }
            Some(why) => Err(Failure::new(
                "datastore-unsupported",
                format!("`{}` cannot be kept", self.name),
            )
            .cause(why)
            .hint(format!(
                "point [datastores.{}] at a single primary server, or set backup = \"none\" there",
                self.name
            ))),
        }
    }

    /// Where the data is: from the server, or from its configuration file where `CONFIG` is not for us.
    pub(super) fn layout(&self, commands: &Commands) -> Result<Layout, Failure> {
        self.client(commands)?
            .converse(|mut session| self.told_layout(commands, &mut session))
    }

    fn told_layout(
        &self,
        commands: &Commands,
        session: &mut Session<'_>,
    ) -> Result<Layout, Failure> {
        let info = session.info("server")?;
        // Valkey tells the Redis version that it is compatible with, 7.2, which is what counts here.
        let major = info
            .get("redis_version")
            .and_then(|version| version.split('.').next()?.parse().ok())
            .unwrap_or(7);
        let names = [
            "dir",
            "appendonly",
            "appendfilename",
            "appenddirname",
            "dbfilename",
            "databases",
        ];
        let settings = match session.settings(&names)? {
            Some(settings) => settings,
            None => {
                let path = info.get("config_file").filter(|path| !path.is_empty());
                let mut settings = match path {
                    Some(path) => self.configuration(commands, path)?,
                    None => std::collections::BTreeMap::new(),
                };
                // Also right where it was switched at run time or on the command line.
                if let Some(on) = session.info("persistence")?.get("aof_enabled") {
                    let value = if on == "1" { "yes" } else { "no" };
                    settings.insert("appendonly".to_owned(), value.to_owned());
                }
                settings
            }
        };
        let mut layout = Layout::from_settings(&settings, &self.location, major);
        layout.modules = match session.ask("MODULE LIST")? {
            Reply::Values(values) => loaded(values),
            Reply::Error(_) => Vec::new(),
        };
        Ok(layout)
    }

    fn configuration(
        &self,
        commands: &Commands,
        path: &str,
    ) -> Result<std::collections::BTreeMap<String, String>, Failure> {
        let argv = self.reach.inside(Argv::new("cat", ["--", path]))?;
        let read: Result<_, CommandError> = commands.run(&argv, Input::Empty, Output::Capture);
        let text = read.map_err(|error| {
            error
                .into_failure(
                    "datastore-permission",
                    format!("cannot find out where `{}` keeps its files", self.name),
                )
                .hint("allow `CONFIG GET` to the user that switchback connects as")
        })?;
        Ok(from_file(&text.stdout))
    }

    /// Who could write, one line each: who, from where, since when.
    pub(super) fn writers(&self, commands: &Commands) -> Result<Vec<String>, Failure> {
        self.client(commands)?
            .converse(|mut session| writers(&mut session))
    }

    /// Waits until the server has loaded its data. Given up only when nothing moves any more.
    pub(super) fn wait_loaded(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let client = self.client(cx.commands)?;
        wait_loaded(cx, &client, &|| self.reach.running(cx))
    }

    /// Starts the server where it does not run, and waits until it answers.
    pub(super) fn start(&self, cx: &Context<'_>) -> Result<(), Failure> {
        if !self.reach.running(cx)? {
            cx.progress.report(
                &format!("starting the server of `{}`", self.name),
                None,
                None,
                None,
            );
            self.reach.start(cx)?;
        }
        self.wait_loaded(cx)
    }

    /// Stops the server, and knows that it stopped.
    pub(super) fn stop(&self, cx: &Context<'_>) -> Result<(), Failure> {
        cx.progress.report(
            &format!("stopping the server of `{}`", self.name),
            None,
            None,
            None,
        );
        self.reach.stop(cx)?;
        if self.reach.running(cx)? {
            return Err(Failure::new(
                "datastore-not-stopped",
                format!("the server of `{}` still runs", self.name),
            )
            .hint("see what starts it again, then resume"));
        }
        Ok(())
    }
}

/// See [`Server::wait_loaded`]; also for a scratch server.
pub(super) fn wait_loaded(
    cx: &Context<'_>,
    client: &Client<'_>,
    running: &dyn Fn() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let _held = client.held.hold();
    let mut moved = Instant::now();
    let mut last = (String::new(), None);
    loop {
        let (doing, loaded) = match client.command("PING") {
            Ok(_) => return Ok(()),
            Err(failure) if failure.stopped || failure.code == "datastore-password-wrong" => {
                return Err(failure);
            }
            Err(failure) if failure.code == "datastore-loading" => {
                let info = client.info("persistence").unwrap_or_default();
                let number =
                    |name: &str| info.get(name).and_then(|value| value.parse::<u64>().ok());
                let loaded = number("loading_loaded_bytes");
                cx.progress
                    .report("loading", loaded, number("loading_total_bytes"), Some("B"));
                ("loading".to_owned(), loaded)
            }
            Err(failure) => {
                if !running()? {
                    return Err(Failure::new(
                        "datastore-ended",
                        format!(
                            "the server of `{}` stopped while it was starting",
                            client.name
                        ),
                    )
                    .cause(failure)
                    .hint("look at its log: it may not be able to read its files"));
                }
                if moved.elapsed() > SILENCE {
                    return Err(failure);
                }
                let doing = format!("waiting for the server of `{}`", client.name);
                cx.progress.report(&doing, None, None, None);
                (doing, None)
            }
        };
        if cx.stop.urgency() == Urgency::Now {
            return Err(Failure::stopped("stopped by the operator while waiting"));
        }
        if (doing.as_str(), loaded) != (last.0.as_str(), last.1) {
            moved = Instant::now();
            last = (doing, loaded);
        }
        thread::sleep(ASK);
    }
}

/// The layout that a sealed backup was made with.
pub(super) fn kept_layout(manifest: &Manifest) -> Result<Layout, Failure> {
    manifest.fact(LAYOUT)
}

/// What `MODULE LIST` tells: of each module its path and arguments; of one that is part of the program
/// nothing, and of one whose path an older server does not tell an empty list.
fn loaded(values: Vec<Value>) -> Vec<Vec<String>> {
    let words: Vec<String> = values
        .into_iter()
        .map(|value| String::from_utf8_lossy(&value.into_bytes()).into_owned())
        .collect();
    let mut modules = Vec::new();
    for module in words.split(|word| word == "name").skip(1) {
        let Some(path) = module.iter().position(|word| word == "path") else {
            modules.push(Vec::new());
            continue;
        };
        let loaded = &module[path + 1..];
        let built_in = loaded.first().is_none_or(String::is_empty);
        if !built_in {
            modules.push(
                loaded
                    .iter()
                    .filter(|word| *word != "args")
                    .cloned()
                    .collect(),
            );
        }
    }
    modules
}

/// Who could write, one line each.
pub(super) fn writers(session: &mut Session<'_>) -> Result<Vec<String>, Failure> {
    // Tells our own connection from others.
    session.command("CLIENT SETNAME switchback")?;
    let list = session.verbatim("CLIENT LIST")?;
    Ok(list.lines().filter_map(writer).collect())
}

/// A line of `CLIENT LIST` that could be a writer: not ours, not a replica, not the master's.
fn writer(line: &str) -> Option<String> {
    let field = |name: &str| {
        line.split(' ')
            .find_map(|part| part.split_once('=').filter(|(key, _)| *key == name))
            .map(|(_, value)| value)
    };
    field("addr")?;
    let flags = field("flags").unwrap_or_default();
    if field("name") == Some("switchback") || flags.contains(['S', 'M']) {
        return None;
    }
    let called = match field("name") {
        Some("") | None => field("user").unwrap_or("default"),
        Some(name) => name,
    };
    Some(format!(
        "`{called}` from {}, since {} s, last `{}` {} s ago",
        field("addr").unwrap_or("?"),
        field("age").unwrap_or("?"),
        field("cmd").unwrap_or("?"),
        field("idle").unwrap_or("?"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_told_with_their_paths_or_without() {
        let told = |words: &[&str]| {
            loaded(
                words
                    .iter()
                    .map(|word| Value::Bytes(word.as_bytes().to_vec()))
                    .collect(),
            )
        };
        assert_eq!(
            told(&[
                "name",
                "bf",
                "ver",
                "20609",
                "path",
                "/lib/bloom.so",
                "args",
                "SIZE",
                "9",
                "name",
                "vectorset",
                "ver",
                "1",
                "path",
                "",
                "args"
            ]),
            [["/lib/bloom.so", "SIZE", "9"]]
        );
        assert_eq!(
            told(&["name", "bf", "ver", "20609"]),
            [Vec::<String>::new()]
        );
        assert!(told(&[]).is_empty());
    }

    #[test]
    fn tells_who_from_where_since_when() {
        let line = "id=5 addr=172.18.0.4:51234 laddr=172.18.0.2:6379 fd=9 name= age=35 idle=2 flags=N db=0 cmd=brpop user=default";
        assert_eq!(
            writer(line).as_deref(),
            Some("`default` from 172.18.0.4:51234, since 35 s, last `brpop` 2 s ago")
        );
        assert_eq!(
            writer("id=6 addr=127.0.0.1:1 name=switchback age=0 idle=0 flags=N cmd=client"),
            None
        );
        assert_eq!(
            writer("id=7 addr=10.0.0.2:1 name= age=9 idle=0 flags=S cmd=replconf"),
            None
        );
    }
}
