//! What this host runs by the clock: cron's tables and systemd's timers, looked
//! through for what works on a deployment. Only read; nothing of their text is shown,
//! for it may hold passwords.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::observed::Datastore;

/// A script longer than this is not a script.
const MOST: u64 = 64 * 1024;
/// Tables whose lines begin with five fields of time (or `@daily`) and, where `true`, a user.
const TABLES: [(&str, bool); 5] = [
    ("etc/crontab", true),
    ("etc/cron.d", true),
    ("var/spool/cron/crontabs", false),
    ("var/spool/cron/root", false),
    ("etc/crontabs", false),
];
/// Directories of scripts, and how often each runs.
const SCRIPTS: [(&str, &str); 4] = [
    ("etc/cron.hourly", "every hour"),
    ("etc/cron.daily", "every day"),
    ("etc/cron.weekly", "every week"),
    ("etc/cron.monthly", "every month"),
];
/// Where systemd looks for units, first wins.
const UNITS: [&str; 4] = [
    "etc/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// What tells that a command is about a deployment.
#[derive(Debug, Default)]
pub(crate) struct About<'a> {
    /// Its directory, and those of its data.
    pub(crate) directories: Vec<&'a str>,
    /// Names of its project and containers: only beside `docker`, for they are ordinary words.
    pub(crate) names: Vec<&'a str>,
    /// True where what removes unused images takes the way back along.
    pub(crate) in_containers: bool,
}

/// Something that the clock starts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scheduled {
    /// File and line, or unit.
    pub(crate) place: String,
    /// As its table says it.
    pub(crate) when: String,
    /// What it does, in our words.
    pub(crate) does: String,
}

impl Scheduled {
    /// It may run at any time, also in the middle of an upgrade.
    pub(crate) fn problem(&self) -> Problem {
        Problem::new(
            Exit::Ok,
            "foreign-schedule",
            format!("{} {} {}", self.place, self.does, self.when),
        )
        .why("if it runs in the middle of an upgrade, it finds services stopped and data half changed")
        .hint("see that it does not run meanwhile")
    }
}

/// What the clock starts on this machine that is about processes in `directory`, or about the data of `datastores`.
pub(crate) fn of_processes(directory: &Path, datastores: &[Datastore]) -> Vec<Problem> {
    let directory = directory.to_string_lossy();
    let data = datastores
        .iter()
        .filter_map(|datastore| datastore.location.directory.as_deref());
    let about = About {
        directories: std::iter::once(directory.as_ref()).chain(data).collect(),
        ..About::default()
    };
    let scheduled = look(Path::new("/"), &about);
    scheduled.iter().map(Scheduled::problem).collect()
}

/// Everything below `root` (`/`) that the clock starts and that is about this deployment.
pub(crate) fn look(root: &Path, about: &About<'_>) -> Vec<Scheduled> {
    let mut found = BTreeSet::new();
    for (table, with_user) in TABLES {
        for path in files(&root.join(table)) {
            let text = read(&path).unwrap_or_default();
            for (number, when, command) in cron_lines(&text, with_user) {
                found.extend(tell(root, about, command).map(|does| Scheduled {
                    place: format!("`{}:{number}`", shown(root, &path)),
                    when: format!("(at `{when}`)"),
                    does,
                }));
            }
        }
    }
    for (directory, when) in SCRIPTS {
        for path in files(&root.join(directory)) {
            let text = read(&path).unwrap_or_default();
            found.extend(deed(about, &text).map(|does| Scheduled {
                place: format!("`{}`", shown(root, &path)),
                when: when.to_owned(),
                does,
            }));
        }
    }
    found.extend(timers(root, about));
    found.into_iter().collect()
}

/// Timers that are switched on, with the commands of their services.
fn timers(root: &Path, about: &About<'_>) -> Vec<Scheduled> {
    let mut found = Vec::new();
    let wanted: Vec<PathBuf> = UNITS
        .iter()
        .flat_map(|units| directories(&root.join(units)))
        .filter(|path| path.extension().is_some_and(|end| end == "wants"))
        .flat_map(|wants| entries(&wants))
        .filter(|path| path.extension().is_some_and(|end| end == "timer"))
        .collect();
    for link in wanted {
        let Some(name) = link.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let timer = unit(root, name).unwrap_or_default();
        let service = setting(&timer, "Unit")
            .next()
            .map_or_else(|| name.replace(".timer", ".service"), str::to_owned);
        let text = unit(root, &service).unwrap_or_default();
        let when = ["OnCalendar", "OnUnitActiveSec", "OnBootSec"]
            .into_iter()
            .find_map(|key| setting(&timer, key).next())
            .unwrap_or("its own times");
        let works_in = setting(&text, "WorkingDirectory")
            .next()
            .unwrap_or_default();
        let does = ["ExecStartPre", "ExecStart", "ExecStartPost"]
            .into_iter()
            .flat_map(|key| setting(&text, key))
            .find_map(|command| tell(root, about, &format!("{works_in} {command}")));
        found.extend(does.map(|does| Scheduled {
            place: format!("timer `{name}`"),
            when: format!("(at `{when}`)"),
            does,
        }));
    }
    found
}

/// Number, time and command of every line of a table that is one.
fn cron_lines(text: &str, with_user: bool) -> impl Iterator<Item = (usize, String, &str)> {
    text.lines().enumerate().filter_map(move |(at, line)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let times = if line.starts_with('@') { 1 } else { 5 };
        let mut rest = line;
        let mut taken = Vec::new();
        for _ in 0..times + usize::from(with_user) {
            let (word, others) = rest.split_once(char::is_whitespace)?;
            taken.push(word);
            rest = others.trim_start();
        }
        // `NAME = value` is no line of times.
        let assigns = taken.first()?.contains('=') || taken.get(1) == Some(&"=");
        (!assigns).then(|| (at + 1, taken[..times].join(" "), rest))
    })
}

/// What a command does, itself or by the script that it starts.
fn tell(root: &Path, about: &About<'_>, command: &str) -> Option<String> {
    deed(about, command).or_else(|| {
        let words = command.split(|c: char| c.is_whitespace() || "\"';&|()=".contains(c));
        let scripts = words.filter(|word| word.starts_with('/'));
        scripts
            .filter_map(|word| read(&root.join(word.trim_start_matches('/'))))
            .find_map(|script| deed(about, &script))
    })
}

/// What a text does to the deployment, `None` where it has nothing to do with it.
fn deed(about: &About<'_>, text: &str) -> Option<String> {
    let code: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .collect();
    let mentions = |word: &str| code.iter().any(|line| has_word(line, word));
    let docker = mentions("docker") || mentions("docker-compose") || mentions("podman");
    let directory = about
        .directories
        .iter()
        .find(|directory| code.iter().any(|line| has_path(line, directory)));
    let name = about
        .names
        .iter()
        .find(|name| docker && code.iter().any(|line| has_word(line, name)));
    let prunes = about.in_containers
        && code.iter().any(|line| {
            has_word(line, "docker")
                && has_word(line, "prune")
                && ["system", "image", "volume"]
                    .iter()
                    .any(|what| has_word(line, what))
        });
    let with = match (directory, name) {
        (Some(directory), _) => format!("`{directory}`"),
        (None, Some(name)) => format!("`{name}`"),
        (None, None) if prunes => {
            return Some(
                "removes what Docker does not use at that moment, images of the way back included,"
                    .to_owned(),
            );
        }
        (None, None) => return None,
    };
    let program = [
        "pg_dumpall",
        "pg_dump",
        "pg_basebackup",
        "redis-cli",
        "restic",
        "borg",
        "rsync",
        "tar",
        "docker",
        "docker-compose",
    ]
    .into_iter()
    .find(|program| mentions(program));
    Some(match program {
        Some(program) => format!("works on {with} with `{program}`"),
        None => format!("works on {with}"),
    })
}

/// `word` between characters that cannot be part of a name.
fn has_word(line: &str, word: &str) -> bool {
    bounded(line, word, |c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// `path` itself or something below it.
fn has_path(line: &str, path: &str) -> bool {
    bounded(line, path.trim_end_matches('/'), |c| {
        c.is_alphanumeric() || c == '_' || c == '-' || c == '.'
    })
}

fn bounded(line: &str, text: &str, part: impl Fn(char) -> bool) -> bool {
    !text.is_empty()
        && line.match_indices(text).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + text.len()..].chars().next();
            !before.is_some_and(&part) && !after.is_some_and(&part)
        })
}

/// The text of a unit, wherever it is.
fn unit(root: &Path, name: &str) -> Option<String> {
    UNITS
        .iter()
        .find_map(|units| read(&root.join(units).join(name)))
}

/// Values of `key` in a unit.
fn setting<'t>(text: &'t str, key: &str) -> impl Iterator<Item = &'t str> {
    text.lines()
        .filter_map(move |line| {
            line.trim()
                .strip_prefix(key)?
                .trim_start()
                .strip_prefix('=')
        })
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

/// A file, or the files of a directory: what cannot be read is not there for us.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        entries(path)
    } else {
        vec![path.to_owned()]
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| !path.is_dir())
        .collect();
    paths.sort();
    paths
}

fn directories(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

/// The text of a small file, not of a program.
fn read(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > MOST {
        return None;
    }
    fs::read_to_string(path).ok()
}

/// The path as it is for people: below `/`.
fn shown(root: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(root).unwrap_or(path);
    format!("/{}", inner.display())
}

#[cfg(test)]
mod tests;
