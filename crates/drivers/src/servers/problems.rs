//! Servers that cannot be asked, in the three-part form.

use switchback_model::exit::Exit;
use switchback_model::{DatastoreName, Problem};

use super::server::Server;

/// Its password is not where it is said to be.
pub(super) fn password_unread(datastore: &DatastoreName, missing: Problem) -> Problem {
    Problem {
        exit: Exit::Refused,
        code: "datastore-password-unread".to_owned(),
        what: format!("the password of `{datastore}`: {}", missing.what),
        ..missing
    }
    .state("deployment", "not touched")
}

/// It runs and does not let us in, or does not answer.
pub(super) fn silent(datastore: &DatastoreName, server: &Server, output: &str) -> Problem {
    let lower = output.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let (code, what) = if says(&["does not let"]) {
        ("datastore-user-wrong", "does not accept the user")
    } else if says(&["password", "wrongpass", "noauth", "authentication"]) {
        ("datastore-password-wrong", "refuses the password")
    } else if says(&["does not exist"]) {
        ("datastore-not-there", "does not have it")
    } else if says(&["loading ", "is starting up"]) {
        ("datastore-starting", "is still reading its data")
    } else {
        ("datastore-silent", "does not answer")
    };
    let last = output.lines().rfind(|line| !line.trim().is_empty());
    let problem = Problem::new(
        Exit::Refused,
        code,
        format!("{}, which keeps `{datastore}`, {what}", server.name),
    )
    .state("deployment", "not touched")
    .cause(last.unwrap_or("no output").trim());
    match code {
        "datastore-user-wrong" => problem.hint(format!(
            "say who is known there: [datastores.{datastore}] user = \"…\", password = {{ env = \"…\" }} in switchback.toml"
        )),
        "datastore-password-wrong" => problem.hint(format!(
            "say where the right one is: [datastores.{datastore}] password = {{ env = \"…\" }} in switchback.toml"
        )),
        "datastore-not-there" => problem.hint(format!(
            "say what it is called: [datastores.{datastore}] database = \"…\", user = \"…\" in switchback.toml"
        )),
        "datastore-starting" => problem.hint("wait until it has, then type the same command again"),
        _ => problem.hint(server.look.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// What servers really say, and what is told of it.
    #[test]
    fn every_silence_is_told_by_its_reason() {
        let server = Server {
            name: "service `postgres`".to_owned(),
            look: "look at its log: docker compose logs --tail 50 postgres".to_owned(),
        };
        let mut text = String::new();
        for output in [
            "LOADING Redis is loading the dataset in memory\n",
            "psql: FATAL:  the database system is starting up\n",
            "psql: FATAL:  password authentication failed for user \"root\"\n",
            "psql: FATAL:  database \"x\" does not exist\n",
            "Could not connect to Redis at 127.0.0.1:6379: Connection refused\n",
            "it does not let `ada` in, and takes whoever asks for `default`",
            "",
        ] {
            let problem = silent(&DatastoreName::new("identity"), &server, output);
            let _ = writeln!(text, "{}: {}", problem.code, problem.what);
            for cause in &problem.causes {
                let _ = writeln!(text, "  caused by: {cause}");
            }
            for hint in &problem.hints {
                let _ = writeln!(text, "  hint: {hint}");
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_password_that_is_not_there_is_our_trouble() {
        let missing = Problem::new(
            Exit::Usage,
            "secret-missing",
            "cannot read the secret in the file `/etc/password`",
        )
        .hint("correct the reference in switchback.toml, or set what it names");
        let problem = password_unread(&DatastoreName::new("identity"), missing);
        assert_eq!(problem.exit, Exit::Refused);
        assert_eq!(
            problem.what,
            "the password of `identity`: cannot read the secret in the file `/etc/password`"
        );
        assert_eq!(
            problem.hints,
            ["correct the reference in switchback.toml, or set what it names"]
        );
    }
}
