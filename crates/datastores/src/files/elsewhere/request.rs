//! What is asked of the program on the other machine, and what it says: one line each, which nothing between the two
//! may change, so no line shows what it holds.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use switchback_engine::ports::{Failure, Finding};
use switchback_model::event::Outcome;
use switchback_model::observed::DatastoreLocation;
use switchback_model::plan::{Expectation, Plan};
use switchback_model::{Contents, DatastoreName, RunId, StepNumber};

use crate::backup::Manifest;
use crate::survey::Survey;

/// The command of this program that serves requests.
pub const COMMAND: &str = "elsewhere";
/// Both sides are of one version of the program, and this is of one version of the conversation: a program that was
/// found over there might be another one.
pub(super) const FORMAT: u32 = 1;

/// One call.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) format: u32,
    /// The datastore.
    pub(super) name: DatastoreName,
    /// Where it is over there.
    pub(super) location: DatastoreLocation,
    /// Where over there things of ours outlive a call.
    pub(super) root: PathBuf,
    /// What is asked.
    pub(super) asked: Asked,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Asked {
    /// What can be told before there is a plan.
    Survey,
    /// A call of the port.
    OfRun(Box<OfRun>),
}

/// A call of the port, with its context.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OfRun {
    pub(super) plan: Plan,
    pub(super) run: RunId,
    pub(super) step: StepNumber,
    /// Where the backups are over there.
    pub(super) backups: PathBuf,
    pub(super) call: Call,
}

/// Which call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Call {
    Look(Expectation),
    Contents,
    SealedContents(RunId),
    Prepare,
    Seal,
    Prove,
    Restore(RunId),
    Release(RunId),
    Forget(RunId),
    Clean,
}

/// A line of the answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Said {
    /// How far it is. Said again and again while nothing else is.
    Progress(Report),
    /// The last line.
    Answer(Box<Answer>),
}

/// As [`switchback_engine::ports::Progress::report`] has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) doing: String,
    pub(super) done: Option<u64>,
    pub(super) of: Option<u64>,
    pub(super) unit: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) result: Result<Value, Failure>,
    /// The manifest of the backup that the call was about, where there is one now.
    pub(super) manifest: Option<Manifest>,
}

/// What calls return.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Value {
    Survey(Survey),
    Finding(Finding),
    Contents(Contents),
    Outcome(Outcome),
    Nothing,
}

impl Call {
    /// Whose backup it is about; `None` where that is the run's own.
    pub(super) fn run(&self) -> Option<&RunId> {
        match self {
            Self::Look(Expectation::Backup { run, .. }) => run.as_ref(),
            Self::Look(Expectation::Restored { run, .. } | Expectation::Released { run, .. })
            | Self::SealedContents(run)
            | Self::Restore(run)
            | Self::Release(run)
            | Self::Forget(run) => Some(run),
            Self::Look(_)
            | Self::Contents
            | Self::Prepare
            | Self::Seal
            | Self::Prove
            | Self::Clean => None,
        }
    }

    /// Whether it changes anything: no two of those at a time.
    pub(super) fn acts(&self) -> bool {
        !matches!(
            self,
            Self::Look(_) | Self::Contents | Self::SealedContents(_)
        )
    }
}

/// One line, without its end.
pub(super) fn encode(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_vec(value).map(|bytes| STANDARD.encode(bytes))
}

/// What a line says; `None` where it is not one of ours.
pub(super) fn decode<T: DeserializeOwned>(line: &str) -> Option<T> {
    let bytes = STANDARD.decode(line.trim()).ok()?;
    serde_json::from_slice(&bytes).ok()
}
