//! The engine's port: which module answers for which parcel.

use std::path::{Path, PathBuf};

use switchback_engine::content::Carrier;
use switchback_engine::ports::{Context, Failure, Finding};
use switchback_engine::redact::Redactor;
use switchback_model::event::Outcome;
use switchback_model::exit::Exit;
use switchback_model::plan::{Act, Expectation};
use switchback_model::rollover::{Instance, Parcel, RollOver};
use switchback_model::{Problem, Version};

use super::{api_keys, configs, install, keys, logs, repositories, rules};
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

/// What brings the content of a roll-over.
pub fn carrier(content: &RollOver, redactor: &Redactor) -> Result<Box<dyn Carrier>, Problem> {
    let (old, new) = open(content, redactor)?;
    Ok(Box::new(StackStorm {
        content: content.clone(),
        old,
        new,
    }))
}

/// Both instances, each with its key.
pub(crate) fn open(content: &RollOver, redactor: &Redactor) -> Result<(Api, Api), Problem> {
    let open = |instance: &Instance| -> Result<Api, Problem> {
        let key = switchback_drivers::plain_secret(&instance.key, Path::new("."))
            .unwrap_or_else(|| Err(no_service(instance)))?;
        Ok(Api::new(&instance.api, key, redactor))
    };
    Ok((open(&content.from)?, open(&content.into)?))
}

fn no_service(instance: &Instance) -> Problem {
    Problem::new(
        Exit::Usage,
        "secret-missing",
        format!(
            "the API key of {} is in no service that can be seen from here",
            instance.api
        ),
    )
    .hint("give it as `env:VARIABLE` or `file:PATH`")
}

struct StackStorm {
    content: RollOver,
    old: Api,
    new: Api,
}

impl StackStorm {
    fn sides<'a>(&'a self, cx: &'a Context<'a>) -> Sides<'a> {
        Sides {
            content: &self.content,
            old: &self.old,
            new: &self.new,
            from: &cx.plan.from,
            to: &cx.plan.to,
            cx,
        }
    }
}

impl Carrier for StackStorm {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        let sides = self.sides(cx);
        let answer = match expectation {
            Expectation::Original { parcel } => sides.of(parcel, |parcel| sides.original(parcel)),
            Expectation::Room { parcel } => sides.of(parcel, |parcel| sides.room(parcel)),
            Expectation::Arrived { parcel } => sides.of(parcel, |parcel| sides.arrived(parcel)),
            _ => Ok(Finding::Unknown {
                why: "a roll-over has only content".to_owned(),
            }),
        };
        answer.unwrap_or_else(|failure| Finding::Unknown {
            why: failure
                .causes
                .into_iter()
                .fold(failure.what, |what, cause| format!("{what}: {cause}")),
        })
    }

    fn bring(&self, cx: &Context<'_>, parcel: &Parcel) -> Result<Outcome, Failure> {
        let sides = self.sides(cx);
        let summary = match parcel.kind() {
            "repository" => repositories::bring(&sides, parcel),
            "audit-logs" => logs::bring(&sides, parcel),
            "keys" => keys::bring(&sides),
            "pack" => install::bring(&sides, parcel),
            "configs" => configs::bring(&sides),
            "api-keys" => api_keys::bring(&sides),
            "rules" => rules::bring(&sides),
            _ => Err(unknown(parcel)),
        }?;
        Ok(Outcome {
            summary,
            ..Outcome::default()
        })
    }

    fn compare(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let sides = self.sides(cx);
        let mut told = Vec::new();
        for (_, step) in cx.plan.steps() {
            let Act::Bring { parcel } = &step.act else {
                continue;
            };
            cx.progress
                .report(&format!("compare {}", parcel.id), None, None, None);
            match sides.arrived(parcel)? {
                Finding::Holds => told.push(parcel.id.clone()),
                Finding::Differs { found } => {
                    return Err(Failure::new("content-differs", format!("`{}` is not the same on both sides: {found}", parcel.id))
                        .hint("where the old instance changed meanwhile: provision the new one anew, and plan again"));
                }
                Finding::Unknown { why } => {
                    return Err(Failure::new(
                        "cannot-compare",
                        format!("`{}` cannot be compared: {why}", parcel.id),
                    ));
                }
            }
        }
        Ok(Outcome {
            summary: format!("equal: {}", told.join(", ")),
            ..Outcome::default()
        })
    }

    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        keys::clean(&self.sides(cx))
    }
}

impl Sides<'_> {
    /// The parcel of the plan that an expectation names.
    fn of(
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

    fn original(&self, parcel: &Parcel) -> Result<Finding, Failure> {
        let now = match parcel.kind() {
            "repository" | "pack" => return repositories::original(self, parcel),
            "audit-logs" => return logs::original(self, parcel),
            "keys" => keys::original(self)?,
            "configs" => configs::original(self)?,
            "api-keys" => api_keys::original(self)?,
            "rules" => rules::original(self)?,
            _ => return Err(unknown(parcel)),
        };
        Ok(if now == parcel.original {
            Finding::Holds
        } else {
            Finding::Differs {
                found: "it changed since".to_owned(),
            }
        })
    }

    fn room(&self, parcel: &Parcel) -> Result<Finding, Failure> {
        match parcel.kind() {
            "repository" => repositories::room(self, parcel),
            "audit-logs" => Ok(Finding::Holds),
            "keys" => keys::room(self),
            "pack" => install::room(self, parcel),
            "configs" => configs::room(self),
            "api-keys" => Ok(Finding::Holds),
            "rules" => rules::room(self),
            _ => Err(unknown(parcel)),
        }
    }

    fn arrived(&self, parcel: &Parcel) -> Result<Finding, Failure> {
        match parcel.kind() {
            "repository" => repositories::arrived(self, parcel),
            "audit-logs" => logs::arrived(self, parcel),
            "keys" => keys::arrived(self),
            "pack" => install::arrived(self, parcel),
            "configs" => configs::arrived(self),
            "api-keys" => api_keys::arrived(self),
            "rules" => rules::arrived(self),
            _ => Err(unknown(parcel)),
        }
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

fn unknown(parcel: &Parcel) -> Failure {
    Failure::new(
        "parcel-unknown",
        format!("nobody knows how to bring `{}`", parcel.id),
    )
}
