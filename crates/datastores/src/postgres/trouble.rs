//! From what the tools print to failures with a code, a cause and a next step.

use switchback_engine::ports::Failure;
use switchback_engine::process::CommandError;

/// What the output of a failed tool means: pattern, code, explanation, next step.
const KNOWN: &[(&str, &str, &str, &str)] = &[
    (
        "password authentication failed",
        "postgres-password",
        "the server refused the password",
        "check the password reference under [datastores] in switchback.toml",
    ),
    (
        "no password supplied",
        "postgres-password",
        "the server wants a password and none is known",
        "name it under [datastores] in switchback.toml: password = { env = \"…\" }",
    ),
    (
        "no space left on device",
        "no-space",
        "a filesystem is full",
        "free space where the server keeps its data, then resume",
    ),
    (
        "permission denied to create database",
        "postgres-rights",
        "the role may not create databases, which proving and restoring a backup needs",
        "as a superuser: ALTER ROLE … CREATEDB",
    ),
    (
        "permission denied",
        "postgres-rights",
        "the role may not read or write everything in the database",
        "name a role under [datastores] that owns the database or is a superuser",
    ),
    (
        "server closed the connection unexpectedly",
        "postgres-lost",
        "the server went away in the middle",
        "start it, wait until it accepts connections, then resume",
    ),
    (
        "the database system is starting up",
        "postgres-starting",
        "the server is still starting",
        "wait until it accepts connections, then resume",
    ),
    (
        "connection to server",
        "postgres-unreachable",
        "no server answers",
        "start the database service, then try again",
    ),
    (
        "could not connect",
        "postgres-unreachable",
        "no server answers",
        "start the database service, then try again",
    ),
    (
        "is not running",
        "postgres-unreachable",
        "its container does not run",
        "start the database service, then try again",
    ),
];

/// The failure of a tool, with what is known about its message.
pub(super) fn explained(error: CommandError, doing: &str, database: &str) -> Failure {
    let text = match &error {
        CommandError::Exit { output, .. } => output.to_lowercase(),
        _ => String::new(),
    };
    let missing = text.contains(&format!(
        "database \"{}\" does not exist",
        database.to_lowercase()
    ));
    let known = KNOWN.iter().find(|(pattern, ..)| text.contains(pattern));
    let what = format!("cannot {doing} PostgreSQL database `{database}`");
    match known {
        _ if missing => error
            .into_failure(
                "postgres-database-missing",
                format!("{what}: it does not exist"),
            )
            .hint("name the right one under [datastores] in switchback.toml: database = \"…\""),
        Some((_, code, meaning, next)) => error
            .into_failure(code, format!("{what}: {meaning}"))
            .hint(*next),
        None => error.into_failure("postgres-failed", what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(output: &str) -> Failure {
        let error = CommandError::Exit {
            command: "psql".into(),
            code: 2,
            output: output.into(),
        };
        explained(error, "read", "app")
    }

    #[test]
    fn tells_a_wrong_password_from_a_missing_database_and_a_dead_server() {
        let refused = "psql: error: connection to server at \"db\", port 5432 failed: FATAL:  ";
        let code = |message: &str| failed(&format!("{refused}{message}")).code;
        assert_eq!(
            code("password authentication failed for user \"root\""),
            "postgres-password"
        );
        assert_eq!(
            code("database \"app\" does not exist"),
            "postgres-database-missing"
        );
        assert_eq!(
            code("the database system is starting up"),
            "postgres-starting"
        );
        assert_eq!(
            failed("connection to server on socket … failed: No such file").code,
            "postgres-unreachable"
        );
        assert_eq!(failed("ERROR:  something else").code, "postgres-failed");
    }
}
