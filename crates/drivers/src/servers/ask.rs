//! Cheap, read-only questions to a datastore's server, through its own client program.

use switchback_engine::process::{Argv, Commands, Input, Output, Secret};
use switchback_model::observed::DatastoreLocation;

/// Seconds that a client waits for a connection: a server that is up answers in far less.
const CONNECT_SECONDS: &str = "10";

/// What `psql` prints after each answer.
const PSQL_MARK: &str = "-- answered --";
/// A line that `redis-cli` cannot read, and what it says by itself then: never more answers than questions.
const REDIS_MARK: (&str, &str) = ("\"", "Invalid argument(s)");
/// How answers of Redis begin that are none. Its client ends with 0 whatever the server says.
const REFUSALS: [&str; 6] = [
    "ERR ",
    "NOAUTH",
    "WRONGPASS",
    "WRONGTYPE",
    "NOPERM",
    "LOADING",
];

/// Questions to one server, for one client program: each is answered by itself, whatever becomes of the others.
pub(crate) struct Questions {
    argv: Argv,
    input: String,
    mark: &'static str,
    refusals: &'static [&'static str],
}

impl Questions {
    /// Asks, by the command that `inside` makes of the client program: what it printed to each question, or what
    /// the server said instead. A failure where it answered none.
    pub(crate) fn ask(
        self,
        commands: &Commands,
        inside: impl FnOnce(Argv) -> Result<Argv, String>,
    ) -> Result<Vec<Result<String, String>>, String> {
        let argv = inside(self.argv)?;
        let finished = commands
            .run_any(&argv, Input::Bytes(self.input.as_bytes()), Output::Capture)
            .map_err(|error| error.to_string())?;
        let answers = answers(&finished.stdout, self.mark);
        if answers.iter().all(String::is_empty) {
            let mut said: Vec<&str> = finished.stderr.lines().collect();
            said.dedup();
            if !said.is_empty() {
                return Err(said.join("\n"));
            }
            if finished.code != 0 {
                return Err(commands.redactor().mask(&finished.stdout));
            }
        }
        let understood = |answer: String| {
            let refused = self.refusals.iter().any(|word| answer.starts_with(word));
            if refused { Err(answer) } else { Ok(answer) }
        };
        Ok(answers.into_iter().map(understood).collect())
    }
}

/// What was printed before each mark.
fn answers(printed: &str, mark: &str) -> Vec<String> {
    let mut answers = Vec::new();
    let mut answer = Vec::new();
    for line in printed.lines() {
        if line.trim_end() == mark {
            answers.push(std::mem::take(&mut answer).join("\n").trim().to_owned());
        } else {
            answer.push(line);
        }
    }
    answers
}

/// Statements that answer with bare values, for `psql`.
pub(crate) fn psql(
    location: &DatastoreLocation,
    password: Option<&Secret>,
    statements: &[&str],
) -> Questions {
    let mut argv = Argv::new(
        "psql",
        [
            "--no-psqlrc",
            "--no-align",
            "--tuples-only",
            "--quiet",
            "--no-password",
        ],
    );
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
    for statement in statements {
        argv = argv
            .args(["--command", statement])
            .args(["--command", &format!("\\echo {PSQL_MARK}")]);
    }
    argv = argv.env("PGCONNECT_TIMEOUT", Secret::new(CONNECT_SECONDS));
    if let Some(password) = password {
        argv = argv.env("PGPASSWORD", password.clone());
    }
    Questions {
        argv,
        input: String::new(),
        mark: PSQL_MARK,
        refusals: &[],
    }
}

/// Commands for `redis-cli`.
pub(crate) fn redis(
    location: &DatastoreLocation,
    password: Option<&Secret>,
    lines: &[String],
) -> Questions {
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
    argv = argv.args(location.redis_tls());
    if let Some(password) = password {
        argv = argv.env("REDISCLI_AUTH", password.clone());
    }
    let (line, mark) = REDIS_MARK;
    Questions {
        argv,
        input: lines
            .iter()
            .map(|command| format!("{command}\n{line}\n"))
            .collect(),
        mark,
        refusals: &REFUSALS,
    }
}

/// Reads a key, whatever it is called.
pub(crate) fn get(key: &str) -> String {
    format!("GET \"{}\"", key.replace('\\', r"\\").replace('"', "\\\""))
}

/// The value of `field:` in the answer to `INFO`.
pub(crate) fn info_field<'t>(info: &'t str, field: &str) -> Option<&'t str> {
    info.lines()
        .find_map(|line| line.trim_end().strip_prefix(field)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use switchback_engine::redact::Redactor;
    use switchback_engine::signal::StopSignal;
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
            &["select 1"],
        );
        assert_eq!(
            psql.argv.to_string(),
            "psql --no-psqlrc --no-align --tuples-only --quiet --no-password --port 5432 --username root --dbname ttn --command 'select 1' --command '\\echo -- answered --'"
        );
        let redis = redis(
            &location(DatastoreKind::Redis),
            Some(&secret),
            &[get("k"), get("a \"b\"")],
        );
        assert_eq!(
            redis.argv.to_string(),
            "redis-cli --raw -p 5432 -n ttn --user root"
        );
        assert_eq!(redis.input, "GET \"k\"\n\"\nGET \"a \\\"b\\\"\"\n\"\n");
        for Questions { argv, .. } in [psql, redis] {
            assert!(!argv.to_string().contains("s3cret"));
            assert!(argv.env.iter().any(|(_, value)| value.expose() == "s3cret"));
        }
    }

    /// A client that prints and says these, and exits with `code`.
    fn asked(
        printed: &str,
        said: &str,
        code: i32,
        refusals: &'static [&'static str],
    ) -> Result<Vec<Result<String, String>>, String> {
        let directory = tempfile::tempdir().expect("temporary directory");
        let commands = Commands::new(directory.path(), Redactor::default(), StopSignal::default());
        let script = format!("printf '{printed}'; printf '{said}' >&2; exit {code}");
        let questions = Questions {
            argv: Argv::new("sh", ["-c", &script]),
            input: String::new(),
            mark: REDIS_MARK.1,
            refusals,
        };
        questions.ask(&commands, Ok)
    }

    #[test]
    fn each_question_has_its_own_answer_whatever_became_of_the_others() {
        let mark = REDIS_MARK.1;
        let printed = format!("6\n{mark}\nNOPERM no\n{mark}\n\n{mark}\na\nb\r\n{mark}\n");
        let answers = asked(&printed, "", 0, &REFUSALS).expect("answered");
        assert_eq!(
            answers,
            [
                Ok("6".to_owned()),
                Err("NOPERM no".to_owned()),
                Ok(String::new()),
                Ok("a\nb".to_owned())
            ]
        );
        // A statement that fails is said on the side.
        let answers = asked(&format!("{mark}\n5\n{mark}\n"), "ERROR: no", 0, &[]);
        assert_eq!(
            answers.expect("the other one"),
            [Ok(String::new()), Ok("5".to_owned())]
        );
    }

    #[test]
    fn a_server_that_answers_nothing_says_why() {
        let mark = REDIS_MARK.1;
        let silent = format!("{mark}\n{mark}\n");
        let refused = "Could not connect\nCould not connect\n";
        assert_eq!(
            asked(&silent, refused, 0, &REFUSALS),
            Err("Could not connect".to_owned())
        );
        assert_eq!(asked("", "FATAL: no", 2, &[]), Err("FATAL: no".to_owned()));
        assert_eq!(asked("gone", "", 137, &[]), Err("gone".to_owned()));
        // Two keys that are not there are two empty answers.
        let empty = asked(&silent, "", 0, &REFUSALS).expect("answered");
        assert_eq!(empty, [Ok(String::new()), Ok(String::new())]);
    }

    #[test]
    fn reads_fields_of_info() {
        let info = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n";
        assert_eq!(info_field(info, "redis_version"), Some("7.0.15"));
        assert_eq!(info_field(info, "redis"), None);
    }
}
