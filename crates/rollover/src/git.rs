//! Packs under version control. What it does to a pack of the old instance is reading.

use std::path::Path;

use switchback_engine::ports::Failure;
use switchback_engine::process::{Argv, CommandError, Commands, Input, Output};

/// The branch of our repositories that holds what was found.
const BRANCH: &str = "refs/heads/switchback";

/// What git says of a pack's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PackState {
    /// It has a repository of its own.
    Versioned {
        /// What is checked out.
        commit: String,
        /// Files that differ from it.
        changed: Vec<String>,
        /// Commits that no remote is known to have.
        unpushed: u64,
    },
    /// It has none.
    Unversioned,
}

/// Looks at a pack's directory.
pub(crate) fn state(commands: &Commands, pack: &Path) -> Result<PackState, Failure> {
    if !pack.join(".git").exists() {
        return Ok(PackState::Unversioned);
    }
    let ask = |words: &[&str]| {
        commands
            .capture(&reading(pack, words))
            .map_err(|error| failed(error, pack))
    };
    let changed = ask(&["status", "--porcelain", "--untracked-files=all"])?;
    let commit = ask(&["rev-parse", "HEAD"])?.trim().to_owned();
    let unpushed = ask(&["rev-list", "--count", "HEAD", "--not", "--remotes"])?;
    Ok(PackState::Versioned {
        commit,
        changed: changed
            .lines()
            .filter_map(|line| line.get(3..))
            .map(str::to_owned)
            .collect(),
        unpushed: unpushed.trim().parse().unwrap_or(0),
    })
}

/// The commit that [`keep_files`] makes of a pack without a repository, found by means of the empty directory
/// `scratch`. The same files are always the same commit.
pub(crate) fn commit_of_files(
    commands: &Commands,
    pack: &Path,
    scratch: &Path,
) -> Result<String, Failure> {
    let error = |error| failed(error, pack);
    commands
        .capture(&in_repository(scratch, &["init", "--quiet", "--bare"]))
        .map_err(error)?;
    commit_files(commands, pack, scratch)
}

/// Brings a pack's history into a repository of our own.
pub(crate) fn keep_history(
    commands: &Commands,
    pack: &Path,
    repository: &Path,
) -> Result<(), Failure> {
    let error = |error| failed(error, pack);
    commands
        .capture(&in_repository(repository, &["init", "--quiet", "--bare"]))
        .map_err(error)?;
    let from = pack.display().to_string();
    // The far end of a fetch does not inherit our settings, and the pack may belong to another user.
    let fetch = in_repository(repository, &["fetch", "--quiet", "--update-shallow"]).args([
        "--upload-pack=git -c safe.directory='*' upload-pack",
        from.as_str(),
        "+refs/heads/*:refs/heads/*",
        "+refs/tags/*:refs/tags/*",
        &format!("+HEAD:{BRANCH}"),
    ]);
    commands.capture(&fetch).map_err(error)?;
    let head = in_repository(repository, &["symbolic-ref", "HEAD", BRANCH]);
    commands.capture(&head).map(drop).map_err(error)
}

/// Makes a repository of our own from a pack that has none.
pub(crate) fn keep_files(
    commands: &Commands,
    pack: &Path,
    repository: &Path,
) -> Result<(), Failure> {
    let error = |error| failed(error, pack);
    let commit = commit_of_files(commands, pack, repository)?;
    for words in [
        ["update-ref", BRANCH, &commit],
        ["symbolic-ref", "HEAD", BRANCH],
    ] {
        commands
            .capture(&in_repository(repository, &words))
            .map_err(error)?;
    }
    Ok(())
}

/// What our repository of a pack holds; `None` where there is none yet.
pub(crate) fn kept(commands: &Commands, repository: &Path) -> Result<Option<String>, Failure> {
    if !repository.join("HEAD").is_file() {
        return Ok(None);
    }
    let ask = in_repository(repository, &["rev-parse", "--quiet", "--verify", BRANCH]);
    let said = commands
        .run_any(&ask, Input::Empty, Output::Capture)
        .map_err(|error| failed(error, repository))?;
    Ok(Some(said.stdout.trim().to_owned()).filter(|commit| said.code == 0 && !commit.is_empty()))
}

/// What is checked out in a directory; `None` where it is no repository.
pub(crate) fn checked_out(commands: &Commands, pack: &Path) -> Result<Option<String>, Failure> {
    match state(commands, pack)? {
        PackState::Versioned { commit, .. } => Ok(Some(commit)),
        PackState::Unversioned => Ok(None),
    }
}

/// Author, committer and time never differ, so that the commit says nothing but what the files are.
fn commit_files(commands: &Commands, pack: &Path, repository: &Path) -> Result<String, Failure> {
    let error = |error| failed(error, pack);
    let with_files = |words: &[&str]| {
        Argv::new(
            "git",
            [
                "-c",
                "safe.directory=*",
                "-c",
                "core.bare=false",
                "-c",
                "core.autocrlf=false",
            ],
        )
        .arg(format!("--git-dir={}", repository.display()))
        .arg(format!("--work-tree={}", pack.display()))
        .args(words.iter().copied())
    };
    // Ignored files as well: what the old instance runs may be among them.
    commands
        .capture(&with_files(&["add", "--all", "--force", "."]))
        .map_err(error)?;
    let tree = commands
        .capture(&with_files(&["write-tree"]))
        .map_err(error)?;
    let by = "switchback <switchback@localhost> 946684800 +0000";
    let text = format!(
        "tree {}\nauthor {by}\ncommitter {by}\n\nAs found at the old instance\n",
        tree.trim()
    );
    let write = in_repository(
        repository,
        &["hash-object", "-t", "commit", "-w", "--stdin"],
    );
    let written = commands
        .run(&write, Input::Bytes(text.as_bytes()), Output::Capture)
        .map_err(error)?;
    Ok(written.stdout.trim().to_owned())
}

/// Reads a pack without writing even an index: it belongs to the old instance, maybe to another user.
fn reading(pack: &Path, words: &[&str]) -> Argv {
    Argv::new(
        "git",
        ["--no-optional-locks", "-c", "safe.directory=*", "-C"],
    )
    .arg(pack.display().to_string())
    .args(words.iter().copied())
}

fn in_repository(repository: &Path, words: &[&str]) -> Argv {
    Argv::new("git", ["-c", "safe.directory=*"])
        .arg(format!("--git-dir={}", repository.display()))
        .args(words.iter().copied())
}

fn failed(error: CommandError, place: &Path) -> Failure {
    error.into_failure(
        "git-failed",
        format!("git cannot work on `{}`", place.display()),
    )
}
