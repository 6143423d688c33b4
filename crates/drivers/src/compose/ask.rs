//! Cheap, read-only questions to a datastore's server, through its own client program.

use switchback_engine::process::{Argv, CommandError, Commands, Secret};
use switchback_model::observed::DatastoreLocation;

/// Seconds that a client waits for a connection: a server that is up answers in far less.
const CONNECT_SECONDS: &str = "10";

/// `psql` with one statement, which answers with bare values.
pub(crate) fn psql(location: &DatastoreLocation, password: Option<&Secret>, sql: &str) -> Argv {
    let mut argv = Argv::new(
        "psql",
        [
            "--no-psqlrc",
            "--no-align",
            "--tuples-only",
            "--quiet",
            "--no-password",
        ],
    )
    .args(["--set", "ON_ERROR_STOP=1"]);
    let port = location.port.map(|port| port.to_string());
    for (flag, value) in [
        ("--host", location.host.as_ref()),
        ("--port", port.as_ref()),
        ("--username", location.user.as_ref()),
        ("--dbname", location.database.as_ref()),
    ] {
        if let Some(value) = value {
            argv = argv.arg(flag).arg(value);
        }
    }
    argv = argv
        .args(["--command", sql])
        .env("PGCONNECT_TIMEOUT", Secret::new(CONNECT_SECONDS));
    match password {
        Some(password) => argv.env("PGPASSWORD", password.clone()),
        None => argv,
    }
}

/// `redis-cli` with one command.
pub(crate) fn redis(
    location: &DatastoreLocation,
    password: Option<&Secret>,
    words: &[&str],
) -> Argv {
    let mut argv = Argv::new("redis-cli", ["--raw"]);
    let port = location.port.map(|port| port.to_string());
    for (flag, value) in [
        ("-h", location.host.as_ref()),
        ("-p", port.as_ref()),
        ("-n", location.database.as_ref()),
        ("--user", location.user.as_ref()),
    ] {
        if let Some(value) = value {
            argv = argv.arg(flag).arg(value);
        }
    }
    argv = argv.args(words.iter().copied());
    match password {
        Some(password) => argv.env("REDISCLI_AUTH", password.clone()),
        None => argv,
    }
}

/// What the client printed, or what it said went wrong.
pub(crate) fn answer(commands: &Commands, argv: &Argv) -> Result<String, String> {
    match commands.capture(argv) {
        Ok(text) => {
            let text = text.trim().to_owned();
            // redis-cli ends with 0 whatever the server says.
            let refused = argv.args.iter().any(|arg| arg == "--raw")
                && [
                    "ERR ",
                    "NOAUTH",
                    "WRONGPASS",
                    "WRONGTYPE",
                    "NOPERM",
                    "LOADING",
                ]
                .iter()
                .any(|word| text.starts_with(word));
            if refused { Err(text) } else { Ok(text) }
        }
        Err(CommandError::Exit { output, .. }) => Err(output),
        Err(error) => Err(error.to_string()),
    }
}

/// The value of `field:` in the answer to `INFO`.
pub(crate) fn info_field<'t>(info: &'t str, field: &str) -> Option<&'t str> {
    info.lines()
        .find_map(|line| line.trim_end().strip_prefix(field)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use switchback_model::observed::Access;
    use switchback_model::product::DatastoreKind;

    use super::*;

    fn location(kind: DatastoreKind) -> DatastoreLocation {
        DatastoreLocation {
            kind,
            access: Access::Local,
            host: None,
            port: Some(5432),
            database: Some("ttn".to_owned()),
            user: Some("root".to_owned()),
            password: None,
            directory: None,
            server_directory: None,
            options: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn clients_get_passwords_by_environment_only() {
        let secret = Secret::new("s3cret");
        let psql = psql(
            &location(DatastoreKind::Postgres),
            Some(&secret),
            "select 1",
        );
        assert_eq!(
            psql.to_string(),
            "psql --no-psqlrc --no-align --tuples-only --quiet --no-password --set ON_ERROR_STOP=1 --port 5432 --username root --dbname ttn --command 'select 1'"
        );
        let redis = redis(
            &location(DatastoreKind::Redis),
            Some(&secret),
            &["GET", "k"],
        );
        assert_eq!(
            redis.to_string(),
            "redis-cli --raw -p 5432 -n ttn --user root GET k"
        );
        for argv in [psql, redis] {
            assert!(!argv.to_string().contains("s3cret"));
            assert!(argv.env.iter().any(|(_, value)| value.expose() == "s3cret"));
        }
    }

    #[test]
    fn reads_fields_of_info() {
        let info = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n";
        assert_eq!(info_field(info, "redis_version"), Some("7.0.15"));
        assert_eq!(info_field(info, "redis"), None);
    }
}
