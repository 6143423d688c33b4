//! Reading the copy against the manifest that its server sent along: every file's size and checksum, before
//! anything is replayed into it. The service is up; nothing waits for it but the shadow.

use std::time::Duration;

use switchback_engine::ports::{CompanionState, Context, Failure, SCRATCH_DIRECTORY};
use switchback_engine::process::{Argv, Input, Output};

use super::super::server::Server;
use super::follower::stopped;
use super::layout::Layout;

/// The companion that reads it.
pub(super) const VERIFY: &str = "verify";
/// Code of a copy that is not what was sent.
pub(super) const COPY_DAMAGED: &str = "shadow-copy-damaged";
/// How often a running check is looked at.
const LOOK: Duration = Duration::from_millis(100);
const PROGRAM: &str = "pg_verifybackup";
/// What it exits with where something is not as the manifest says.
const DIFFERS: i64 = 1;
/// So many of its complaints are told.
const NAMED: usize = 3;

/// Whether a copy is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It is.
    Wanted,
    /// The original went on too far while the one before was read: there is no time for it.
    TooSlow,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// Every file is as it was sent.
    Whole,
    /// An earlier process made it, and looked.
    Before,
    /// It was not read.
    Unread {
        /// Why not.
        because: String,
    },
}

impl Checked {
    /// What is said of a copy that follows by now.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Before => "copied, and follows".to_owned(),
            Self::Whole => "copied, every file as it was sent, and follows".to_owned(),
            Self::Unread { because } => {
                format!("copied, and follows; its files were not checked: {because}")
            }
        }
    }
}

impl Server {
    /// Reads a whole copy; goes on with what an earlier process began.
    pub(super) fn check_copy(
        &self,
        cx: &Context<'_>,
        layout: &Layout,
        reading: Reading,
    ) -> Result<Checked, Failure> {
        let unread = |because: &str| {
            Ok(Checked::Unread {
                because: because.to_owned(),
            })
        };
        if reading == Reading::TooSlow {
            return unread("its server keeps too little of its log for that");
        }
        if !layout.has_manifest() {
            return unread("its server sent no manifest, as before version 13");
        }
        let companion = match self.reach.companion(cx, VERIFY)? {
            Some(companion) => companion,
            None => {
                if !self.has_verifier(cx)? {
                    return unread("the server came without pg_verifybackup");
                }
                self.tell_check(cx);
                let argv = self.of_the_servers_own(verifier());
                self.reach.accompany(cx, VERIFY, layout.place(), argv)?
            }
        };
        loop {
            if let CompanionState::Ended { code } = companion.state()? {
                let output = companion.output(cx)?;
                companion.end(cx, "SIGINT")?;
                return match code {
                    0 => Ok(Checked::Whole),
                    DIFFERS => Err(self.not_as_sent(output)),
                    code => unread(&format!("{PROGRAM} ended with {code}")),
                };
            }
            self.tell_check(cx);
            stopped(cx, "checking the copy")?;
            std::thread::sleep(LOOK);
        }
    }

    fn tell_check(&self, cx: &Context<'_>) {
        cx.progress
            .report("checking the copy's files", None, None, None);
    }

    fn has_verifier(&self, cx: &Context<'_>) -> Result<bool, Failure> {
        let asked = self.of_the_servers_own(Argv::new(PROGRAM, ["--version"]));
        let argv = self.reach.inside(asked)?;
        let answer = cx.commands.run_any(&argv, Input::Empty, Output::Capture);
        Ok(answer.is_ok_and(|finished| finished.code == 0))
    }

    fn not_as_sent(&self, output: String) -> Failure {
        let what = format!("the copy of `{}` is not what its server sent", self.name);
        output
            .lines()
            .filter(|line| line.contains("error"))
            .take(NAMED)
            .fold(Failure::new(COPY_DAMAGED, what), |failure, line| {
                failure.cause(line.trim())
            })
            .state(self.name.to_string(), "up, and not touched")
            .hint("look for a broken disk or broken memory, then resume: the copy is made anew")
            .output(output)
    }
}

/// The log that came along is left out: whoever follows replays it, and stops where it is damaged.
fn verifier() -> Argv {
    Argv::new(PROGRAM, ["--exit-on-error", "--no-parse-wal", "--quiet"])
        .arg(format!("{SCRATCH_DIRECTORY}/data"))
}
