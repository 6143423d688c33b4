//! The engine's port: which module answers for which parcel.

use switchback_engine::content::Carrier;
use switchback_engine::ports::{Context, Failure, Finding};
use switchback_engine::redact::Redactor;
use switchback_model::Problem;
use switchback_model::event::Outcome;
use switchback_model::plan::{Act, Expectation};
use switchback_model::rollover::{Parcel, RollOver};

use super::sides::Sides;
use super::{api_keys, configs, install, keys, logs, repositories, rules};
use crate::api::{Api, open};

/// What brings the content of a roll-over.
pub fn carrier(content: &RollOver, redactor: &Redactor) -> Result<Box<dyn Carrier>, Problem> {
    let (old, new) = open(content, redactor)?;
    Ok(Box::new(StackStorm {
        content: content.clone(),
        old,
        new,
    }))
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
            Expectation::Original { parcel } => sides.of(parcel, |parcel| original(&sides, parcel)),
            Expectation::Room { parcel } => sides.of(parcel, |parcel| room(&sides, parcel)),
            Expectation::Arrived { parcel } => sides.of(parcel, |parcel| arrived(&sides, parcel)),
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
            match arrived(&sides, parcel)? {
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

/// Whether the old instance still has what was planned with.
fn original(sides: &Sides<'_>, parcel: &Parcel) -> Result<Finding, Failure> {
    let now = match parcel.kind() {
        "repository" | "pack" => return repositories::original(sides, parcel),
        "audit-logs" => return logs::original(sides, parcel),
        "keys" => keys::original(sides)?,
        "configs" => configs::original(sides)?,
        "api-keys" => api_keys::original(sides)?,
        "rules" => rules::original(sides)?,
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

/// Whether nothing is in its place on the new instance.
fn room(sides: &Sides<'_>, parcel: &Parcel) -> Result<Finding, Failure> {
    match parcel.kind() {
        "repository" => repositories::room(sides, parcel),
        "audit-logs" => Ok(Finding::Holds),
        "keys" => keys::room(sides),
        "pack" => install::room(sides, parcel),
        "configs" => configs::room(sides),
        "api-keys" => Ok(Finding::Holds),
        "rules" => rules::room(sides),
        _ => Err(unknown(parcel)),
    }
}

/// Whether the new instance has it.
fn arrived(sides: &Sides<'_>, parcel: &Parcel) -> Result<Finding, Failure> {
    match parcel.kind() {
        "repository" => repositories::arrived(sides, parcel),
        "audit-logs" => logs::arrived(sides, parcel),
        "keys" => keys::arrived(sides),
        "pack" => install::arrived(sides, parcel),
        "configs" => configs::arrived(sides),
        "api-keys" => api_keys::arrived(sides),
        "rules" => rules::arrived(sides),
        _ => Err(unknown(parcel)),
    }
}

fn unknown(parcel: &Parcel) -> Failure {
    Failure::new(
        "parcel-unknown",
        format!("nobody knows how to bring `{}`", parcel.id),
    )
}
