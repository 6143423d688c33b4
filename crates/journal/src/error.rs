//! Everything that can go wrong with the record, and how an operator is told.

use std::io;
use std::path::PathBuf;

use switchback_model::exit::Exit;
use switchback_model::{PlanId, Problem, RunId};

use crate::holder::Holder;

/// A journal, plan or lease that cannot be read, written or had.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Written by a newer switchback.
    #[error("`{path}` has format {found}, this switchback knows up to {known}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program reads.
        known: u32,
    },
    /// A database, but not a journal.
    #[error("`{path}` is not a journal of switchback")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// SQLite or the reader found nonsense.
    #[error("`{path}` is damaged: {detail}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The hash chain does not hold.
    #[error("event {sequence} of run `{run}` is not what was written: {detail}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// Place among all events of the journal.
        position: u64,
        /// The run.
        run: RunId,
        /// Place in the run.
        sequence: u64,
        /// What does not fit.
        detail: String,
    },
    /// No space is left.
    #[error("no space left for `{path}`")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// It may not be written.
    #[error("`{path}` cannot be written")]
    ReadOnly {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        detail: String,
    },
    /// Another process holds the file for longer than a write can take.
    #[error("`{path}` is locked by another process")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Anything else that SQLite says.
    #[error("cannot use `{path}`")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: rusqlite::Error,
    },
    /// A file or directory could not be used.
    #[error("cannot use `{path}`")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An event that may not happen in this state: a defect of the writer.
    #[error("illegal event in run `{run}`: {detail}")]
    Illegal {
        /// The run.
        run: RunId,
        /// State and event.
        detail: String,
    },
    /// Another process works on the deployment.
    #[error("deployment `{deployment}` is held by {holder}")]
    Held {
        /// Name of the deployment.
        deployment: String,
        /// Who.
        holder: Box<Holder>,
        /// Why it counts as alive.
        because: String,
        /// True where it certainly lives; else nothing could tell.
        provable: bool,
    },
    /// An operator gave up another holder than the one that has the lease.
    #[error("deployment `{deployment}` is not held by `{said}`, but by {holder}")]
    AnotherHolder {
        /// Name of the deployment.
        deployment: String,
        /// Who was named.
        said: String,
        /// Who has it.
        holder: Box<Holder>,
    },
    /// Another process took the lease over.
    #[error("the lease of deployment `{deployment}` has number {now}, ours is {ours}")]
    LeaseLost {
        /// Name of the deployment.
        deployment: String,
        /// The number that this process had.
        ours: u64,
        /// The number now.
        now: u64,
    },
    /// No plan or run has this id.
    #[error("no {kind} is called `{wanted}`")]
    NoSuch {
        /// `plan` or `run`.
        kind: &'static str,
        /// What was asked for.
        wanted: String,
    },
    /// More than one plan or run begins like this.
    #[error("`{wanted}` may be {}", matches.join(" or "))]
    Ambiguous {
        /// `plan` or `run`.
        kind: &'static str,
        /// What was asked for.
        wanted: String,
        /// What it may be.
        matches: Vec<String>,
    },
    /// A plan file whose content is not what its id says.
    #[error("plan `{named}` was altered after it was made: its content is `{content}`")]
    PlanAltered {
        /// The file.
        path: PathBuf,
        /// The id that it claims.
        named: PlanId,
        /// The id that its content has.
        content: PlanId,
    },
    /// A plan file that cannot be read as a plan.
    #[error("`{path}` is not a plan: {detail}")]
    PlanUnreadable {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        detail: String,
    },
}

impl JournalError {
    /// What the operator is told.
    pub fn problem(&self) -> Problem {
        let problem = Problem::new(self.exit(), self.code(), self.to_string());
        let problem = match std::error::Error::source(self) {
            Some(source) => problem.caused_by(source),
            None => problem,
        };
        self.advised(problem)
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Illegal { .. } => Exit::Bug,
            Self::NoSuch { .. } | Self::Ambiguous { .. } | Self::PlanUnreadable { .. } => {
                Exit::Usage
            }
            _ => Exit::Refused,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Newer { .. } => "journal-newer",
            Self::Foreign { .. } => "journal-foreign",
            Self::Damaged { .. } => "journal-damaged",
            Self::Broken { .. } => "journal-broken",
            Self::Full { .. } => "journal-full",
            Self::ReadOnly { .. } => "journal-read-only",
            Self::Busy { .. } => "journal-busy",
            Self::Sqlite { .. } => "journal-unusable",
            Self::Io { .. } => "state-directory-unusable",
            Self::Illegal { .. } => "illegal-event",
            Self::Held { .. } => "deployment-held",
            Self::AnotherHolder { .. } => "another-holder",
            Self::LeaseLost { .. } => "lease-lost",
            Self::NoSuch { kind: "plan", .. } => "plan-missing",
            Self::NoSuch { .. } => "run-missing",
            Self::Ambiguous { .. } => "ambiguous-id",
            Self::PlanAltered { .. } => "plan-altered",
            Self::PlanUnreadable { .. } => "plan-unreadable",
        }
    }

    fn advised(&self, problem: Problem) -> Problem {
        match self {
            Self::Newer { .. } => problem
                .state("journal", "unchanged")
                .hint("use the newer switchback that wrote it"),
            Self::Foreign { .. } => problem
                .state("file", "unchanged")
                .hint("choose another state directory with --state, or move that file away"),
            Self::Damaged { path, .. } | Self::Broken { path, .. } => problem
                .state("deployment", "not touched: without a trusted journal nothing is done")
                .hint("find out who or what wrote to it: switchback doctor")
                .hint(format!(
                    "restore `{}` from a backup of this machine, or move it away to begin a new history",
                    path.display()
                )),
            Self::Full { path } => problem
                .state("journal", "ends with the last event that was written whole")
                .why("what cannot be recorded is not done")
                .hint(format!(
                    "make space on the filesystem of `{}`, then run the same command again",
                    path.display()
                )),
            Self::ReadOnly { path, detail } => problem
                .cause(detail)
                .state("journal", "unchanged")
                .hint(format!(
                    "make `{}` writable for this user, or choose another state directory with --state",
                    path.display()
                )),
            Self::Busy { .. } => problem
                .state("journal", "unchanged")
                .hint("run the same command again"),
            Self::Sqlite { .. } | Self::Io { .. } => problem.unknown("journal"),
            Self::Illegal { .. } => problem
                .state("journal", "unchanged")
                .hint("this is a defect of switchback: please report it"),
            Self::Held {
                holder,
                because,
                provable,
                ..
            } => held(problem.state("holder", because.clone()), holder, *provable),
            Self::AnotherHolder { holder, .. } => problem
                .state("lease", "unchanged")
                .why("what is given up is one process, by its name, so that no other is meant by mistake")
                .hint(format!("if that is the one: {}", take_over(holder))),
            Self::LeaseLost { .. } => problem
                .state("this process", "does nothing more")
                .why("another process found this one dead and went on in its place")
                .hint("look at what it does: switchback status"),
            Self::NoSuch { kind: "plan", .. } => problem.hint("make one: switchback plan"),
            Self::NoSuch { .. } => problem.hint("list them: switchback history"),
            Self::Ambiguous { .. } => problem.hint("give more of the id"),
            Self::PlanAltered { .. } => problem
                .state("deployment", "not touched")
                .why("a plan is executed exactly as it was reviewed, or not at all")
                .hint("plan again: switchback plan"),
            Self::PlanUnreadable { .. } => problem
                .state("deployment", "not touched")
                .hint("plan again: switchback plan"),
        }
    }

    /// Sorts an error of SQLite about the file at `path`.
    pub(crate) fn sqlite(path: &std::path::Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let path = path.to_owned();
        let detail = source.to_string();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::ReadOnly { path, detail }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, detail }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            _ => Self::Sqlite { path, source },
        }
    }

    /// Sorts an error of the operating system about `path`.
    pub(crate) fn io(path: &std::path::Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly {
                path,
                detail: source.to_string(),
            },
            _ => Self::Io { path, source },
        }
    }
}

/// What to do about another process that holds the deployment; `provable` says whether it certainly lives.
fn held(problem: Problem, holder: &Holder, provable: bool) -> Problem {
    let process = &holder.process;
    // A rehearsal has no run to watch, and holds the deployment only while it copies.
    if holder.run.as_str().starts_with("e-") {
        return problem
            .why("a rehearsal is copying the deployment, which must not change meanwhile")
            .hint("wait until it has its copy")
            .hint(format!(
                "or end it on `{}`: kill {}",
                process.host, process.pid
            ));
    }
    let problem = problem
        .hint(format!("watch it: switchback log {}", holder.run))
        .hint(format!(
            "or end it on `{}` (kill {}), then: switchback resume {}",
            process.host, process.pid, holder.run
        ));
    if provable {
        return problem;
    }
    problem.hint(format!(
        "or, once it is certain that it will never run again: {}",
        take_over(holder)
    ))
}

/// Printed in full: an unlock command that needs an id which nobody printed helps nobody.
fn take_over(holder: &Holder) -> String {
    format!(
        "switchback resume {} --take-over {}",
        holder.run,
        holder.name()
    )
}
