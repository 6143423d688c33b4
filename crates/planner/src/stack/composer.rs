//! The steps of a plan in order, and what they leave of the stacks.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::plan::{Act, Expectation, Interrupted, Notice, Step, WayBack};
use switchback_model::{Problem, StepNumber};

use super::input::Input;
use super::recognise::recognise;
use super::refusals;
use super::simulated::Simulated;
use crate::build::{Note, Place};

/// Composes the steps of a plan in order, and knows how each one leaves the stacks.
pub(super) struct Composer<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) stacks: BTreeMap<String, Simulated<'a>>,
    pub(super) notices: Vec<Notice>,
    pub(super) notes: Vec<Note>,
    /// Procedures that steps carry out.
    pub(super) carried_out: BTreeSet<String>,
    /// What was already taken a snapshot of in this round.
    pub(super) snapshots: BTreeSet<(String, String)>,
    /// Machines that are gone for good.
    pub(super) terminated: BTreeSet<String>,
    pub(super) changed: Changed,
    next: u32,
}

/// What the steps so far have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Changed {
    Nothing,
    Stacks,
    Data,
}

/// What a step is, before it has a number.
pub(super) struct Draft {
    pub(super) act: Act,
    pub(super) before: Vec<Expectation>,
    pub(super) after: Vec<Expectation>,
    pub(super) interrupted: Interrupted,
    pub(super) downtime: bool,
    pub(super) because: Option<String>,
}

impl<'a> Composer<'a> {
    pub(super) fn new(input: &'a Input<'a>) -> Result<Self, Problem> {
        let mut composer = Self {
            input,
            stacks: BTreeMap::new(),
            notices: Vec::new(),
            notes: Vec::new(),
            carried_out: BTreeSet::new(),
            snapshots: BTreeSet::new(),
            terminated: BTreeSet::new(),
            changed: Changed::Nothing,
            next: 0,
        };
        for stack in input.cloud.stacks.values() {
            let Some(of) = recognise(input.product, input.config, stack) else {
                composer.note(format!(
                    "stack `{}` is left alone: no template of this product is known by its name",
                    stack.name
                ));
                continue;
            };
            if input.config.leave.contains(&stack.name) {
                composer.warn(format!(
                    "stack `{}` is left as it is, as switchback.toml says: what releases change in `{}` is yours to apply",
                    stack.name, of.id
                ));
                continue;
            }
            if let Some(problem) = refusals::not_ready(stack) {
                return Err(problem);
            }
            let Some(template) = input.templates.get(&stack.body) else {
                return Err(refusals::unread(&stack.name));
            };
            let simulated = Simulated {
                stack: stack.clone(),
                of,
                template,
                held: BTreeMap::new(),
                touched: false,
                settled: false,
            };
            composer.stacks.insert(stack.name.clone(), simulated);
        }
        if composer.stacks.is_empty() {
            return Err(refusals::no_stacks(input.product));
        }
        Ok(composer)
    }

    /// The names of the stacks that were made from a template, in order.
    pub(super) fn stacks_of(&self, template: &str) -> Vec<String> {
        self.stacks
            .values()
            .filter(|stack| stack.of.id == template)
            .map(|stack| stack.stack.name.clone())
            .collect()
    }

    pub(super) fn step(&mut self, draft: Draft) -> Step {
        self.next += 1;
        Step {
            number: StepNumber(self.next),
            act: draft.act,
            before: draft.before,
            after: draft.after,
            interrupted: draft.interrupted,
            way_back: match self.changed {
                Changed::Nothing => WayBack::NotNeeded,
                Changed::Stacks => WayBack::None {
                    because: "stacks are brought back by hand, to the templates and parameters that this plan found".to_owned(),
                },
                Changed::Data => WayBack::None {
                    because: "migrated data is brought back by hand, from the snapshots of this run".to_owned(),
                },
            },
            downtime: draft.downtime,
            because: draft.because,
        }
    }

    pub(super) fn note(&mut self, text: String) {
        self.notes.push(Note::new(Place::Plan, text));
    }

    pub(super) fn warn(&mut self, text: String) {
        self.notes.push(Note::warning(Place::Plan, text));
    }
}
