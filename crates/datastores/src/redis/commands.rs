//! What Redis and its client are called with. Pure: values in, values out.

use std::collections::BTreeMap;

use switchback_engine::ports::SCRATCH_DIRECTORY;
use switchback_engine::process::{Argv, Secret};
use switchback_model::observed::DatastoreLocation;

use super::layout::Layout;
use super::reply::quoted;

/// The client of Redis, and of Valkey where an image has only that.
pub(super) const CLIENTS: [&str; 2] = ["redis-cli", "valkey-cli"];
/// The socket of a scratch server, in its directory.
const SOCKET: &str = "switchback.sock";

/// Reads commands from standard input and answers each with one line.
pub(super) fn client(
    program: &str,
    location: &DatastoreLocation,
    password: Option<&Secret>,
) -> Argv {
    let mut argv = Argv::new(program, ["--csv"]);
    if let Some(host) = &location.host {
        argv = argv.args(["-h", host]);
    }
    if let Some(port) = location.port {
        argv = argv.args(["-p".to_owned(), port.to_string()]);
    }
    argv = argv.args(location.redis_tls());
    if let Some(user) = location
        .user
        .as_deref()
        .filter(|user| *user != "default" && !user.is_empty())
    {
        argv = argv.args(["--user", user]);
    }
    match password {
        Some(password) => argv.env("REDISCLI_AUTH", password.clone()),
        None => argv,
    }
}

/// The same for a scratch server in `directory`.
pub(super) fn scratch_client(program: &str, directory: &str) -> Argv {
    Argv::new(program, ["--csv", "-s"]).arg(format!("{directory}/{SOCKET}"))
}

/// A server that only reads: it loads what the original would load, and writes nothing more.
pub(super) fn scratch_server(client: &str, layout: &Layout) -> Argv {
    let program = client.replace("-cli", "-server");
    let argv = Argv::new(&program, ["--dir", SCRATCH_DIRECTORY])
        .args([
            "--port",
            "0",
            "--unixsocket",
            SOCKET,
            "--daemonize",
            "no",
            "--save",
            "",
        ])
        .args([
            "--dbfilename",
            &layout.rdb,
            "--databases",
            &layout.databases.to_string(),
        ]);
    let argv = layout.modules.iter().fold(argv, |argv, module| {
        argv.arg("--loadmodule").args(module.clone())
    });
    if !layout.appendonly {
        return argv.args(["--appendonly", "no"]);
    }
    let argv = argv
        .args([
            "--appendonly",
            "yes",
            "--appendfsync",
            "no",
            "--auto-aof-rewrite-percentage",
            "0",
        ])
        .args(["--appendfilename", &layout.aof]);
    match &layout.aof_directory {
        Some(directory) => argv.args(["--appenddirname", directory]),
        None => argv,
    }
}

/// The settings of a replica, in its directory while it starts: they hold the password.
pub(super) const SETTINGS: &str = "replica.conf";
/// Where a replica keeps its data, in its directory.
pub(super) const DATA: &str = "data";

/// A replica that listens on a socket in its directory and nowhere else.
pub(super) fn replica(client: &str) -> Argv {
    Argv::new(
        &client.replace("-cli", "-server"),
        [
            format!("{SCRATCH_DIRECTORY}/{SETTINGS}"),
            "--dir".to_owned(),
            format!("{SCRATCH_DIRECTORY}/{DATA}"),
        ],
    )
}

/// What a replica is started with. It never evicts, never becomes a primary, and writes every change to its
/// append-only file under the names that the original would load. `known` are settings that the original has:
/// not every version has all.
pub(super) fn replica_settings(
    layout: &Layout,
    primary: (&str, u16),
    user: Option<&str>,
    password: Option<&Secret>,
    known: &BTreeMap<String, String>,
) -> String {
    let word = |text: &str| quoted(text.as_bytes());
    let mut lines: Vec<String> = [
        "port 0",
        "daemonize no",
        "save \"\"",
        "appendonly yes",
        "appendfsync everysec",
        "maxmemory 0",
        "maxmemory-policy noeviction",
        "replica-priority 0",
        "replica-read-only yes",
        "replica-serve-stale-data yes",
    ]
    .map(str::to_owned)
    .to_vec();
    // The socket lies beside the data, not in it: relative to the data's directory.
    lines.push(format!("unixsocket ../{SOCKET}"));
    lines.push(format!("databases {}", layout.databases));
    lines.push(format!("dbfilename {}", word(&layout.rdb)));
    lines.push(format!("appendfilename {}", word(&layout.aof)));
    if let Some(directory) = &layout.aof_directory {
        lines.push(format!("appenddirname {}", word(directory)));
    }
    // A watcher must not take it for one of its own; and where memory ends, it goes before the original.
    for (name, value) in [("replica-announced", "no"), ("oom-score-adj", "yes")] {
        if known.contains_key(name) {
            lines.push(format!("{name} {value}"));
        }
    }
    for module in &layout.modules {
        let words: Vec<String> = module.iter().map(|part| word(part)).collect();
        lines.push(format!("loadmodule {}", words.join(" ")));
    }
    if let Some(user) = user {
        lines.push(format!("masteruser {}", word(user)));
    }
    if let Some(password) = password {
        lines.push(format!("masterauth {}", word(password.expose())));
    }
    lines.push(format!("replicaof {} {}", word(primary.0), primary.1));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use switchback_model::observed::Access;
    use switchback_model::product::DatastoreKind;

    use super::*;

    #[test]
    fn every_command_as_it_would_be_typed() {
        let location = DatastoreLocation {
            kind: DatastoreKind::Redis,
            access: Access::Local,
            host: Some("127.0.0.1".to_owned()),
            port: Some(6380),
            database: None,
            user: Some("app".to_owned()),
            password: None,
            directory: None,
            server_directory: None,
            options: std::collections::BTreeMap::new(),
        };
        let secret = Secret::new("hunter2");
        let argv = client("redis-cli", &location, Some(&secret));
        assert_eq!(
            argv.to_string(),
            "redis-cli --csv -h 127.0.0.1 -p 6380 --user app"
        );
        assert_eq!(argv.env, [("REDISCLI_AUTH".to_owned(), secret.clone())]);
        let layout = Layout {
            directory: "/data".to_owned(),
            appendonly: true,
            aof: "appendonly.aof".to_owned(),
            aof_directory: Some("appendonlydir".to_owned()),
            rdb: "dump.rdb".to_owned(),
            databases: 16,
            modules: vec![vec!["/lib/bloom.so".to_owned(), "SIZE".to_owned()]],
        };
        assert_eq!(
            scratch_server("valkey-cli", &layout).to_string(),
            "valkey-server --dir '{directory}' --port 0 --unixsocket switchback.sock --daemonize no --save '' \
             --dbfilename dump.rdb --databases 16 --loadmodule /lib/bloom.so SIZE --appendonly yes --appendfsync no --auto-aof-rewrite-percentage 0 \
             --appendfilename appendonly.aof --appenddirname appendonlydir"
        );
        assert_eq!(
            replica("valkey-cli").to_string(),
            "valkey-server '{directory}/replica.conf' --dir '{directory}/data'"
        );
        let known = BTreeMap::from([("replica-announced".to_owned(), "yes".to_owned())]);
        let settings = replica_settings(
            &layout,
            ("127.0.0.1", 6380),
            Some("app"),
            Some(&secret),
            &known,
        );
        for line in [
            "port 0",
            "unixsocket ../switchback.sock",
            "maxmemory 0",
            "replica-announced no",
            "appenddirname \"appendonlydir\"",
            "loadmodule \"/lib/bloom.so\" \"SIZE\"",
            "masteruser \"app\"",
            "masterauth \"hunter2\"",
            "replicaof \"127.0.0.1\" 6380",
        ] {
            assert!(
                settings.lines().any(|found| found == line),
                "{line} in {settings}"
            );
        }
        assert!(!settings.contains("oom-score-adj"));
        assert_eq!(
            scratch_client("redis-cli", "/scratch").to_string(),
            "redis-cli --csv -s /scratch/switchback.sock"
        );
    }
}
