//! The program `restic`: found, its version checked, called with its secrets in
//! the environment and nowhere else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchback_engine::ports::Failure;
use switchback_engine::process::{Argv, Commands, Finished, Input, Output, Secret};

use crate::failure::{self, Trouble};

/// The oldest release whose exit codes say what was wrong: 10 no repository, 11 locked, 12 wrong password.
const OLDEST: (u32, u32) = (0, 17);
/// Arguments before restic's own command.
const BEGINNING: usize = 5;
/// Settings of whoever calls us that would go before ours.
const OVERRULED: [&str; 4] = [
    "RESTIC_PASSWORD_FILE",
    "RESTIC_PASSWORD_COMMAND",
    "RESTIC_REPOSITORY",
    "RESTIC_REPOSITORY_FILE",
];

/// Which repository, and how it is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// As restic's `--repo` takes it: a directory, `s3:…`, `sftp:…`, `rest:…`, ….
    pub repository: String,
    /// Its password.
    pub password: Secret,
    /// Further secrets, e.g. `AWS_SECRET_ACCESS_KEY`. What switchback's own environment has is passed on anyway.
    pub environment: Vec<(String, Secret)>,
    /// A directory of ours: for restic's cache, and for the lock between our own processes.
    pub scratch: PathBuf,
    /// The program: a name on the search path, or a path.
    pub program: String,
    /// How long a repository elsewhere may take to answer for the first time.
    pub patience: Duration,
}

/// The program, ready to be called.
#[derive(Clone, Debug)]
pub(crate) struct Restic {
    pub(crate) settings: Settings,
    pub(crate) commands: Commands,
    program: PathBuf,
}

impl Restic {
    /// Finds the program and checks its version.
    pub(crate) fn find(settings: Settings, commands: &Commands) -> Result<Self, Failure> {
        reject_password(&settings.repository)?;
        let program = search(&settings.program).ok_or_else(|| missing(&settings.program))?;
        let asked = Argv::new(&program.to_string_lossy(), ["version"]);
        let said = commands
            .capture(&asked)
            .map_err(|error| error.into_failure("restic-broken", "`restic version` failed"))?;
        match version(&said) {
            Some(found) if found >= OLDEST => Ok(Self {
                settings,
                commands: commands.clone(),
                program,
            }),
            _ => Err(too_old(&program, &said)),
        }
    }

    /// Sees that a repository elsewhere answers at all. By itself restic tries again for a quarter of an hour, also
    /// where the name is wrong and nothing will ever answer.
    pub(crate) fn greet(&self) -> Result<(), Failure> {
        if !is_elsewhere(&self.settings.repository) {
            return Ok(());
        }
        self.for_a_while()
            .ask(&["cat", "config", "--no-lock"])
            .map(drop)
            .map_err(Failure::from)
    }

    /// Makes a new repository; where nothing has answered yet, not for long.
    pub(crate) fn init(&self, answers: bool) -> Result<(), Trouble> {
        if answers {
            self.ask(&["init"]).map(drop)
        } else {
            self.for_a_while().ask(&["init"]).map(drop)
        }
    }

    fn for_a_while(&self) -> Self {
        Self {
            commands: self.commands.clone().within(self.settings.patience),
            ..self.clone()
        }
    }

    /// Calls it with `args` and returns what it printed on standard output.
    pub(crate) fn ask(&self, args: &[&str]) -> Result<String, Trouble> {
        let mut lines = String::new();
        let mut keep = |line: &str| {
            lines.push_str(line);
            lines.push('\n');
        };
        // By lines, for a captured text is cut in the middle beyond a mebibyte.
        self.call(self.argv().args(args.iter().copied()), &mut keep)?;
        Ok(lines)
    }

    /// Calls it and hands over each line of standard output as it comes.
    pub(crate) fn call(
        &self,
        argv: Argv,
        listener: &mut dyn FnMut(&str),
    ) -> Result<Finished, Trouble> {
        let finished = self
            .commands
            .run_any(&argv, Input::Empty, Output::Lines(listener))
            .map_err(|error| Trouble::from_command(error, &self.settings.repository))?;
        if finished.code == 0 {
            return Ok(finished);
        }
        let said = failure::said(
            &self.commands.redactor().mask(&finished.stdout),
            &finished.stderr,
        );
        let command = argv.args.get(BEGINNING).map_or("", String::as_str);
        Err(Trouble::from_exit(
            finished.code,
            &said,
            &self.settings.repository,
            command,
        ))
    }

    /// The beginning of every call.
    pub(crate) fn argv(&self) -> Argv {
        let settings = &self.settings;
        let cache = settings.scratch.join("restic-cache");
        let mut argv = Argv::new(
            &self.program.to_string_lossy(),
            ["--json", "--repo", &settings.repository, "--cache-dir"],
        )
        .arg(cache.to_string_lossy())
        .env("RESTIC_PASSWORD", settings.password.clone())
        // Days are counted in UTC, here and when we say what expires.
        .env("TZ", Secret::new("UTC"))
        // One line of progress a second is enough for anybody.
        .env("RESTIC_PROGRESS_FPS", Secret::new("1"));
        for name in OVERRULED {
            argv = argv.env(name, Secret::new(""));
        }
        settings
            .environment
            .iter()
            .fold(argv, |argv, (name, secret)| argv.env(name, secret.clone()))
    }
}

/// A secret inside the address would be seen in every list of processes.
fn reject_password(repository: &str) -> Result<(), Failure> {
    let authority = repository
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next());
    let secret = authority
        .and_then(|authority| authority.rsplit_once('@'))
        .is_some_and(|(user, _)| user.contains(':'));
    if !secret {
        return Ok(());
    }
    Err(Failure::new(
        "repository-address-secret",
        "the address of the backup repository holds a password",
    )
    .state("repository", "not touched")
    .hint("leave it out of `repository`, and name it under [backup.environment] in switchback.toml, e.g. RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD"))
}

/// A directory has no scheme; whatever has one is reached through a network or another program.
fn is_elsewhere(repository: &str) -> bool {
    repository.split_once(':').is_some_and(|(scheme, _)| {
        scheme != "local" && !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

fn search(program: &str) -> Option<PathBuf> {
    let runs = |path: &Path| {
        path.metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| runs(path));
    }
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(program))
        .find(|path| runs(path))
}

fn missing(program: &str) -> Failure {
    Failure::new(
        "restic-missing",
        format!("`{program}` is not installed: it keeps the backup repository"),
    )
    .state("repository", "not touched")
    .hint("install restic 0.17 or newer: Debian 13 has it (`apt install restic`), for others see https://restic.net")
}

fn too_old(program: &Path, said: &str) -> Failure {
    let found = said.lines().next().unwrap_or_default();
    let what = match version(said) {
        Some(_) => format!("`{}` is too old: {found}", program.display()),
        None => format!("`{}` does not say its version", program.display()),
    };
    Failure::new("restic-too-old", what)
        .cause("switchback needs restic 0.17 or newer, whose exit codes say what went wrong")
        .state("repository", "not touched")
        .hint("install a newer one: Debian 13 has it, for others see https://restic.net")
}

/// The first two numbers of `restic 0.18.0 compiled with …`.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.strip_prefix("restic ")?.split(['.', ' ', '-', '\n']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_where_restic_says_it() {
        assert_eq!(
            version("restic 0.18.0 compiled with go1.24.4 on linux/amd64"),
            Some((0, 18))
        );
        assert_eq!(
            version("restic 0.17-dev (compiled manually)"),
            Some((0, 17))
        );
        assert_eq!(version("restic: command not found"), None);
    }

    #[test]
    fn an_old_program_is_named_with_what_it_says() {
        let failure = too_old(
            Path::new("/usr/bin/restic"),
            "restic 0.14.0 compiled with go1.19.8 on linux/amd64\n",
        );
        assert_eq!(
            failure.what,
            "`/usr/bin/restic` is too old: restic 0.14.0 compiled with go1.19.8 on linux/amd64"
        );
        assert_eq!(failure.hints.len(), 1);
    }

    #[test]
    fn an_address_may_not_hold_a_password() {
        for fine in [
            "/srv/backups",
            "s3:https://s3.example.org/bucket",
            "rest:https://user@backup.example.org/",
            "sftp://user@host:2222//srv/backups",
            "sftp:user@host:/srv/backups",
        ] {
            assert_eq!(reject_password(fine), Ok(()), "{fine}");
        }
        let failure =
            reject_password("rest:https://user:secret@backup.example.org/").expect_err("a secret");
        assert!(!format!("{failure:?}").contains("secret@"), "{failure:?}");
        assert_eq!(failure.code, "repository-address-secret");
    }
}
