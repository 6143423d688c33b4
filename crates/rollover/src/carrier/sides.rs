//! Both instances of a roll-over, and how what is found there is told.

use std::path::{Path, PathBuf};

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::Version;
use switchback_model::plan::Act;
use switchback_model::rollover::{Parcel, RollOver};

use crate::api::{Api, ApiError};

/// Everything that bringing one parcel needs.
pub(crate) struct Sides<'a> {
    pub(crate) content: &'a RollOver,
    pub(crate) old: &'a Api,
    pub(crate) new: &'a Api,
    pub(crate) from: &'a Version,
    pub(crate) to: &'a Version,
    pub(crate) cx: &'a Context<'a>,
}

impl Sides<'_> {
    /// The parcel of the plan that an expectation names.
    pub(crate) fn of(
        &self,
        id: &str,
        answer: impl FnOnce(&Parcel) -> Result<Finding, Failure>,
    ) -> Result<Finding, Failure> {
        let parcel = self.cx.plan.steps().find_map(|(_, step)| match &step.act {
            Act::Bring { parcel } if parcel.id == id => Some(parcel),
            _ => None,
        });
        parcel.map_or_else(
            || {
                Ok(Finding::Unknown {
                    why: format!("the plan has no `{id}`"),
                })
            },
            answer,
        )
    }

    /// The file system of the old instance.
    pub(crate) fn root(&self) -> &Path {
        Path::new(self.content.from.files.as_deref().unwrap_or("/"))
    }

    /// Where our repository of a pack is.
    pub(crate) fn repository(&self, pack: &str) -> PathBuf {
        Path::new(&self.content.keep)
            .join("packs")
            .join(format!("{pack}.git"))
    }
}

/// *Holds* where nothing was found against it.
pub(crate) fn unless(found: &[impl ToString]) -> Finding {
    if found.is_empty() {
        Finding::Holds
    } else {
        Finding::Differs {
            found: crate::compare::some(found),
        }
    }
}

/// The old instance could not be asked.
pub(crate) fn of_old(error: &ApiError) -> Failure {
    error.failure("the old instance cannot be asked")
}

/// The new instance could not be asked.
pub(crate) fn of_new(error: &ApiError) -> Failure {
    error.failure("the new instance cannot be asked")
}
