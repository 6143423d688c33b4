//! What updates of stacks change, seen from three sides: the parameters and the texts of both templates, the change
//! set as AWS computes it, our own prediction. Where the last two do not agree, that is said.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use switchback_model::plan::{Act, Check, Expectation, Plan, Step};
use switchback_model::stack::{
    ChangeAction, ParameterWish, Replacement, StackUpdate, TemplatePlace,
};
use switchback_planner::stack::{ParameterDifference, Review, Reviews, TemplateDifference};

use super::plan::Detail;
use super::style::{BANG, BOLD, DIM, WARN, paint};
use super::wrap;

/// Names of resources that are told before they are merely counted.
const NAMED: usize = 4;

/// As text of at most `width` columns; empty where no stack is updated.
pub(crate) fn text(plan: &Plan, reviews: &Reviews, width: usize, detail: Detail) -> String {
    let mut text = outages(plan, width);
    let reviewed = reviewed(plan, reviews);
    if reviewed.is_empty() {
        return text;
    }
    let hint = match detail {
        Detail::Short => paint(DIM, "   (each resource: --explain)").to_string(),
        Detail::Everything => String::new(),
    };
    let _ = writeln!(text, "  {}{hint}", paint(BOLD, "what each update changes"));
    for one in &reviewed {
        let _ = writeln!(text, "    {} {}", one.step.number, paint(BOLD, one.stack()));
        for line in one.lines(detail) {
            let _ = writeln!(text, "{}", wrap::hanging("       ", &line, width));
        }
        for line in one.disagreements() {
            let mark = format!("     {} ", paint(WARN, BANG));
            let _ = writeln!(text, "{}", wrap::hanging(&mark, &line, width));
        }
    }
    text
}

/// As Markdown, with every resource.
pub(crate) fn markdown(plan: &Plan, reviews: &Reviews) -> String {
    let reviewed = reviewed(plan, reviews);
    let mut text = String::new();
    if reviewed.is_empty() {
        return text;
    }
    text.push_str("\n## What each update changes\n");
    for one in &reviewed {
        let _ = writeln!(text, "\n### Step {}: `{}`\n", one.step.number, one.stack());
        for line in one.lines(Detail::Everything) {
            let _ = writeln!(text, "- {line}");
        }
        for line in one.disagreements() {
            let _ = writeln!(text, "- **{line}**");
        }
    }
    text
}

/// What fails for a while, and is no failure.
fn outages(plan: &Plan, width: usize) -> String {
    let mut text = String::new();
    for (_, step) in plan.steps() {
        let Act::Verify { checks } = &step.act else {
            continue;
        };
        for check in checks {
            let Check::Machine {
                meanwhile: Some(meanwhile),
                ..
            } = check
            else {
                continue;
            };
            let mark = format!("  {} ", paint(WARN, BANG));
            let line = format!(
                "until step {} is done, this fails: {meanwhile}",
                step.number
            );
            let _ = writeln!(text, "{}", wrap::hanging(&mark, &line, width));
        }
    }
    text
}

/// One update with what was seen of it.
struct Reviewed<'a> {
    step: &'a Step,
    update: &'a StackUpdate,
    review: &'a Review,
}

fn reviewed<'a>(plan: &'a Plan, reviews: &'a Reviews) -> Vec<Reviewed<'a>> {
    plan.steps()
        .filter_map(|(_, step)| {
            let Act::Update { update } = &step.act else {
                return None;
            };
            let review = reviews.get(&step.number)?;
            Some(Reviewed {
                step,
                update,
                review,
            })
        })
        .collect()
}

impl Reviewed<'_> {
    fn stack(&self) -> &str {
        &self.update.stack
    }

    fn lines(&self, detail: Detail) -> Vec<String> {
        let mut lines = vec![self.resources(detail), self.parameters()];
        if detail == Detail::Everything {
            lines.extend(self.defaults());
            lines.extend(self.each_resource());
            lines.push(template(&self.review.template));
            lines.extend(self.update.template.as_ref().map(from));
        }
        lines.retain(|line| !line.is_empty());
        lines
    }

    /// Who says what happens.
    fn resources(&self, detail: Detail) -> String {
        let ours = self.review.predicted.iter().map(|it| {
            let change = &it.change;
            let outcome = Outcome::of(change.action, change.replacement);
            (change.logical.as_str(), outcome)
        });
        let limit = match detail {
            Detail::Short => NAMED,
            Detail::Everything => usize::MAX,
        };
        match &self.review.provided {
            None => format!(
                "{}, as we predict; AWS computes it when its turn comes",
                counted(ours, limit)
            ),
            Some(set) => {
                let theirs = set.changes.iter().map(|it| {
                    let outcome = Outcome::of(it.action, it.replacement);
                    (it.logical.as_str(), outcome)
                });
                let agreed = match self.review.disagreements.len() {
                    0 => "as AWS computes it and as we predict",
                    _ => "as AWS computes it; our prediction differs",
                };
                format!("{}, {agreed}", counted(theirs, limit))
            }
        }
    }

    fn disagreements(&self) -> Vec<String> {
        let found = self.review.disagreements.iter();
        found
            .map(|it| format!("{}: AWS says {}; we say {}", it.logical, it.theirs, it.ours))
            .collect()
    }

    /// What becomes of every parameter.
    fn parameters(&self) -> String {
        let before = self.before();
        let mut carried = 0;
        let mut said = Vec::new();
        for (name, wish) in &self.update.parameters {
            let was = before.get(name);
            match wish {
                ParameterWish::Previous => carried += 1,
                ParameterWish::Value { value } if was == Some(&Some(value.clone())) => carried += 1,
                ParameterWish::Value { value } => said.push(match was {
                    Some(Some(was)) => format!("{name} {}", change(was, value)),
                    Some(None) => format!("{name} gets {}", quoted(value)),
                    None => format!("{name} is new: {}", quoted(value)),
                }),
                ParameterWish::Snapshot { logical, .. } => {
                    said.push(format!("{name} gets the snapshot of {logical}"));
                }
                ParameterWish::Secret { .. } => said.push(format!("{name} gets a secret")),
            }
        }
        for difference in &self.review.parameters {
            match difference {
                ParameterDifference::Removed { name, value } => {
                    let was = value.as_deref().map(quoted);
                    let was = was.map_or_else(String::new, |was| format!(" (was {was})"));
                    said.push(format!("{name} is gone{was}"));
                }
                ParameterDifference::Allowed {
                    name,
                    not_any_more: Some(value),
                    ..
                } => said.push(format!("{name} may no longer be {}", quoted(value))),
                _ => {}
            }
        }
        let carried = match carried {
            0 => None,
            1 => Some("1 parameter carried over".to_owned()),
            count => Some(format!("{count} parameters carried over")),
        };
        carried
            .into_iter()
            .chain(said)
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// What a parameter was, by name; `None` inside where it is masked.
    fn before(&self) -> BTreeMap<&String, Option<String>> {
        let guards = self.step.before.iter();
        let mut stacks = guards.filter_map(|guard| match guard {
            Expectation::Stack { is } if is.stack == self.update.stack => Some(is),
            _ => None,
        });
        stacks.next().map_or_else(BTreeMap::new, |is| {
            let parameters = is.parameters.iter();
            parameters
                .map(|(name, value)| (name, value.clone()))
                .collect()
        })
    }

    /// Defaults and choices that are others, though nothing of it is taken in silence.
    fn defaults(&self) -> Vec<String> {
        let found = self.review.parameters.iter();
        found
            .filter_map(|difference| match difference {
                ParameterDifference::Default {
                    name, after, value, ..
                } => Some(format!(
                    "the default of {name} is now {}, yours stays {}",
                    after.as_deref().map_or("none".to_owned(), quoted),
                    value.as_deref().map_or("what it is".to_owned(), quoted)
                )),
                ParameterDifference::Allowed {
                    name, fewer, more, ..
                } => {
                    let list = |word: &str, values: &[String]| match values.is_empty() {
                        true => String::new(),
                        false => format!(" {word} {}", values.join(", ")),
                    };
                    Some(format!(
                        "{name} may be other values:{}{}",
                        list("also", more),
                        list("no longer", fewer)
                    ))
                }
                ParameterDifference::Kind {
                    name,
                    before,
                    after,
                } => Some(format!("{name} was of type {before}, and is {after}")),
                _ => None,
            })
            .collect()
    }

    /// Why each resource changes, by our prediction.
    fn each_resource(&self) -> Vec<String> {
        let predicted = self.review.predicted.iter();
        predicted
            .map(|it| {
                let change = &it.change;
                let outcome = Outcome::of(change.action, change.replacement);
                let causes: Vec<String> = it
                    .causes
                    .iter()
                    .map(|cause| format!("{} {}", cause.property, change_of(cause)))
                    .collect();
                let why = match causes.is_empty() {
                    true => String::new(),
                    false => format!(": {}", causes.join(", ")),
                };
                format!(
                    "{} ({}) {}{why}",
                    change.logical,
                    change.kind,
                    outcome.word()
                )
            })
            .collect()
    }
}

fn change_of(cause: &switchback_planner::stack::Cause) -> String {
    match &cause.causing {
        Some(causing) => format!("(by {causing})"),
        None => change(&cause.before, &cause.after),
    }
}

/// `3.30.0 → 3.32.1` of one image; both values otherwise.
fn change(before: &str, after: &str) -> String {
    match (before.rsplit_once(':'), after.rsplit_once(':')) {
        (Some((one, was)), Some((other, is))) if one == other && !is.contains('/') => {
            format!("…:{was} → …:{is}")
        }
        _ => format!("{} → {}", quoted(before), quoted(after)),
    }
}

fn quoted(value: &str) -> String {
    format!("`{}`", wrap::cut(value, 60))
}

fn from(template: &TemplatePlace) -> String {
    format!(
        "template from {}, {}",
        template.place,
        template.digest.short()
    )
}

/// What else differs between the templates.
fn template(difference: &TemplateDifference) -> String {
    let parts = [
        ("new", &difference.added),
        ("gone", &difference.removed),
        ("changed", &difference.changed),
        ("mappings and conditions", &difference.ground),
        ("outputs", &difference.outputs),
        ("macros", &difference.transforms),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(word, names)| format!("{word} {}", names.join(", ")))
        .collect();
    match parts.is_empty() {
        true => String::new(),
        false => format!("in the template: {}", parts.join("; ")),
    }
}

/// What happens to a resource, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Removed,
    Replaced,
    Perhaps,
    Late,
    Added,
    InPlace,
}

impl Outcome {
    fn of(action: ChangeAction, replacement: Replacement) -> Self {
        match (action, replacement) {
            (ChangeAction::Remove, _) => Self::Removed,
            (ChangeAction::Unknown, _) => Self::Late,
            (ChangeAction::Add | ChangeAction::Import, _) => Self::Added,
            (ChangeAction::Modify, Replacement::Always) => Self::Replaced,
            (ChangeAction::Modify, Replacement::Maybe) => Self::Perhaps,
            (ChangeAction::Modify, Replacement::Never) => Self::InPlace,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Replaced => "replaced",
            Self::Perhaps => "perhaps replaced",
            Self::Late => "known only when it is done",
            Self::Added => "new",
            Self::InPlace => "changed in place",
        }
    }
}

/// `1 replaced (TaskDefinition), 2 changed in place (Service, Rule)`
fn counted<'n>(found: impl Iterator<Item = (&'n str, Outcome)>, limit: usize) -> String {
    let mut by: BTreeMap<Outcome, Vec<&str>> = BTreeMap::new();
    for (logical, outcome) in found {
        by.entry(outcome).or_default().push(logical);
    }
    let groups: Vec<String> = by
        .into_iter()
        .map(|(outcome, names)| {
            let shown = names.iter().take(limit).copied().collect::<Vec<_>>();
            let more = match names.len().saturating_sub(limit) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                "{} {} ({}{more})",
                names.len(),
                outcome.word(),
                shown.join(", ")
            )
        })
        .collect();
    match groups.is_empty() {
        true => "no resource".to_owned(),
        false => groups.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_many_names_are_counted() {
        let changes = [
            ("A", Outcome::InPlace),
            ("B", Outcome::Replaced),
            ("C", Outcome::InPlace),
            ("D", Outcome::InPlace),
        ];
        assert_eq!(
            counted(changes.into_iter(), 2),
            "1 replaced (B), 3 changed in place (A, C and 1 more)"
        );
        assert_eq!(counted(std::iter::empty(), 2), "no resource");
    }

    #[test]
    fn an_image_is_told_by_its_tags() {
        assert_eq!(change("r/a:1.0", "r/a:2.0"), "…:1.0 → …:2.0");
        assert_eq!(change("r/a:1.0", "r/b:2.0"), "`r/a:1.0` → `r/b:2.0`");
        assert_eq!(change("small", "large"), "`small` → `large`");
    }
}
