//! What Redis and its client are called with. Pure: values in, values out.

use switchback_engine::ports::SCRATCH_DIRECTORY;
use switchback_engine::process::{Argv, Secret};
use switchback_model::observed::DatastoreLocation;

use super::layout::Layout;

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
        };
        let secret = Secret::new("hunter2");
        let argv = client("redis-cli", &location, Some(&secret));
        assert_eq!(
            argv.to_string(),
            "redis-cli --csv -h 127.0.0.1 -p 6380 --user app"
        );
        assert_eq!(argv.env, [("REDISCLI_AUTH".to_owned(), secret)]);
        let layout = Layout {
            directory: "/data".to_owned(),
            appendonly: true,
            aof: "appendonly.aof".to_owned(),
            aof_directory: Some("appendonlydir".to_owned()),
            rdb: "dump.rdb".to_owned(),
            databases: 16,
        };
        assert_eq!(
            scratch_server("valkey-cli", &layout).to_string(),
            "valkey-server --dir '{directory}' --port 0 --unixsocket switchback.sock --daemonize no --save '' \
             --dbfilename dump.rdb --databases 16 --appendonly yes --appendfsync no --auto-aof-rewrite-percentage 0 \
             --appendfilename appendonly.aof --appenddirname appendonlydir"
        );
        assert_eq!(
            scratch_client("redis-cli", "/scratch").to_string(),
            "redis-cli --csv -s /scratch/switchback.sock"
        );
    }
}
