//! What every datastore says in the same words: outcomes, findings, failures.

use switchback_engine::ports::{Failure, Finding};
use switchback_model::contents::{Collection, Difference};
use switchback_model::event::{Completed, Outcome};
use switchback_model::{Contents, DatastoreName};

use crate::backup::Manifest;

/// Contents that are not what they must be, the first few named.
pub(crate) fn differs(code: &str, what: String, differences: &[Difference]) -> Failure {
    const NAMED: usize = 5;
    let held = |side: &Option<Collection>| match side {
        None => "nothing".to_owned(),
        Some(found) => match &found.checksum {
            Some(checksum) => format!(
                "{} ({})",
                found.count,
                checksum.chars().rev().take(8).collect::<String>()
            ),
            None => found.count.to_string(),
        },
    };
    let mut failure = Failure::new(code, what);
    for difference in differences.iter().take(NAMED) {
        let (before, after) = (held(&difference.before), held(&difference.after));
        failure = failure.cause(format!(
            "`{}`: {before} expected, {after} found",
            difference.collection
        ));
    }
    if differences.len() > NAMED {
        failure = failure.cause(format!("and {} more", differences.len() - NAMED));
    }
    failure
}

/// Somebody could write while nobody may.
pub(crate) fn connected(name: &DatastoreName, writers: Vec<String>) -> Failure {
    let mut failure = Failure::new(
        "writers-connected",
        format!(
            "somebody could still write to `{name}`: {} connected",
            writers.len()
        ),
    );
    failure.causes = writers;
    failure.hint("stop what is connected there, then resume")
}

/// What another server ran on is gone, and nothing else was there to be removed.
pub(crate) fn other_server_removed() -> Outcome {
    Outcome {
        summary: "removed what another server ran on".to_owned(),
        ..Outcome::default()
    }
}

/// Nothing had to be done.
pub(crate) fn already(summary: &str) -> Outcome {
    Outcome {
        completed: Completed::AlreadyDone,
        summary: summary.to_owned(),
        ..Outcome::default()
    }
}

/// A backup in one line, and its facts.
pub(crate) fn summary(manifest: &Manifest, done: &str) -> Outcome {
    let contents: &Contents = &manifest.contents;
    Outcome {
        summary: format!("{done}: {}", contents.in_words()),
        facts: [
            ("backup-bytes".to_owned(), manifest.bytes.to_string()),
            ("backup-objects".to_owned(), contents.total().to_string()),
        ]
        .into(),
        ..Outcome::default()
    }
}

/// Nobody could write, where `writers` are those who could.
pub(crate) fn no_writers(writers: Result<Vec<String>, Failure>) -> Finding {
    match writers {
        Err(failure) => Finding::Unknown { why: failure.what },
        Ok(writers) if writers.is_empty() => Finding::Holds,
        Ok(writers) => Finding::Differs {
            found: writers.join("; "),
        },
    }
}

/// What was brought back is not what was sealed; what was there is kept at `aside`.
pub(crate) fn restored_otherwise(
    name: &DatastoreName,
    differences: &[Difference],
    aside: &str,
) -> Failure {
    let what = format!("`{name}` was brought back and does not hold what was sealed");
    differs("restore-differs", what, differences).state(
        name.to_string(),
        format!("what was there is kept in {aside}"),
    )
}

/// Compares the major parts of two versions.
pub(crate) fn same_major(expected: &str, found: &str) -> Finding {
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(expected) == major(found) {
        Finding::Holds
    } else {
        Finding::Differs {
            found: format!("version {found}"),
        }
    }
}
