//! How an instance does not answer.

use switchback_engine::ports::Failure;

/// An instance that did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// Nobody answered.
    #[error("{address} does not answer: {why}")]
    Unreachable { address: String, why: String },
    /// The API key is not one of the instance's.
    #[error("{address} does not accept the API key (status {status})")]
    Key { address: String, status: u16 },
    /// It answered with something else than success.
    #[error("{address} answered {status} to {asked}: {said}")]
    Status {
        address: String,
        asked: String,
        status: u16,
        said: String,
    },
    /// It answered with something else than it should.
    #[error("{address} answered something unexpected to {asked}: {why}")]
    Answer {
        address: String,
        asked: String,
        why: String,
    },
    /// Fewer came than there are.
    #[error("{address} told of {total} {what} and listed {listed}")]
    Incomplete {
        address: String,
        what: String,
        total: usize,
        listed: usize,
    },
}

impl ApiError {
    /// As a step tells it.
    pub(crate) fn failure(&self, what: impl Into<String>) -> Failure {
        let failure = Failure::new(self.code(), what).cause(self);
        match self {
            Self::Key { .. } => {
                failure.hint("set the variable, or write the file, that holds its API key")
            }
            _ => failure,
        }
    }

    /// Stable identifier.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "instance-unreachable",
            Self::Key { .. } => "api-key-refused",
            Self::Status { .. } => "api-refused",
            Self::Answer { .. } => "api-answer",
            Self::Incomplete { .. } => "listing-incomplete",
        }
    }
}
