//! Packs into version control: a repository of our own for each, beside what they came from.

use switchback_engine::ports::{Failure, Finding};
use switchback_model::rollover::Parcel;

use super::sides::Sides;
use crate::git::{self, PackState};
use crate::inventory::pack;

/// The pack is as it was when planning: at the same commit, with nothing changed.
pub(super) fn original(sides: &Sides<'_>, parcel: &Parcel) -> Result<Finding, Failure> {
    let directory = pack(sides.root(), parcel.name());
    Ok(match git::state(sides.cx.commands, &directory)? {
        PackState::Versioned { changed, .. } if !changed.is_empty() => Finding::Differs {
            found: format!(
                "changes that are not committed: {}",
                crate::compare::some(&changed)
            ),
        },
        PackState::Versioned { commit, .. } if commit != parcel.fact("commit") => {
            Finding::Differs {
                found: format!("commit {commit}"),
            }
        }
        PackState::Versioned { .. } => Finding::Holds,
        PackState::Unversioned => {
            match git::kept(sides.cx.commands, &sides.repository(parcel.name()))? {
                // Once it is kept, what is kept counts: the old instance may go on to write into its directory.
                Some(commit) if commit == parcel.fact("commit") => Finding::Holds,
                _ => {
                    let repository = sides.repository(parcel.name());
                    std::fs::create_dir_all(&repository)
                        .map_err(|error| unwritten(sides, &error))?;
                    let commit = git::commit_of_files(sides.cx.commands, &directory, &repository)?;
                    if commit == parcel.fact("commit") {
                        Finding::Holds
                    } else {
                        Finding::Differs {
                            found: "other files".to_owned(),
                        }
                    }
                }
            }
        }
    })
}

/// A repository that is there must be of this pack, or be unfinished.
pub(super) fn room(sides: &Sides<'_>, parcel: &Parcel) -> Result<Finding, Failure> {
    let repository = sides.repository(parcel.name());
    Ok(match git::kept(sides.cx.commands, &repository)? {
        Some(commit) if commit != parcel.fact("commit") => Finding::Differs {
            found: format!("`{}` with commit {commit}", repository.display()),
        },
        _ => Finding::Holds,
    })
}

pub(super) fn arrived(sides: &Sides<'_>, parcel: &Parcel) -> Result<Finding, Failure> {
    let kept = git::kept(sides.cx.commands, &sides.repository(parcel.name()))?;
    Ok(match kept {
        Some(commit) if commit == parcel.fact("commit") => Finding::Holds,
        Some(commit) => Finding::Differs {
            found: format!("commit {commit}"),
        },
        None => Finding::Differs {
            found: "no repository yet".to_owned(),
        },
    })
}

pub(super) fn bring(sides: &Sides<'_>, parcel: &Parcel) -> Result<String, Failure> {
    let (commands, directory) = (sides.cx.commands, pack(sides.root(), parcel.name()));
    let repository = sides.repository(parcel.name());
    std::fs::create_dir_all(&repository).map_err(|error| unwritten(sides, &error))?;
    match git::state(commands, &directory)? {
        PackState::Versioned { .. } => git::keep_history(commands, &directory, &repository)?,
        PackState::Unversioned => git::keep_files(commands, &directory, &repository)?,
    }
    Ok(format!("kept in packs/{}.git", parcel.name()))
}

fn unwritten(sides: &Sides<'_>, error: &std::io::Error) -> Failure {
    Failure::new(
        "keep-unwritable",
        format!("nothing can be kept in `{}`", sides.content.keep),
    )
    .cause(error)
    .hint("make room or give the right to write there")
}
