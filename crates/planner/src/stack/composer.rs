//! The steps of a plan in order, and what they leave of the stacks.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::plan::{Notice, Step, WayBack};
use switchback_model::{Problem, StepNumber};

use super::absent::all_known;
use super::input::Input;
use super::recognise::recognise;
use super::refusals;
use super::review::Review;
use super::simulated::Simulated;
use crate::build::{Note, Place};
use crate::draft::Draft;

/// Composes the steps of a plan in order, and knows how each one leaves the stacks.
pub(super) struct Composer<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) stacks: BTreeMap<String, Simulated<'a>>,
    pub(super) notices: Vec<Notice>,
    pub(super) notes: Vec<Note>,
    /// What each update was seen to change, by its step.
    pub(super) reviews: BTreeMap<StepNumber, Review>,
    /// Procedures that steps carry out.
    pub(super) carried_out: BTreeSet<String>,
    /// What was already taken a snapshot of in this round.
    pub(super) snapshotted: BTreeSet<(String, String)>,
    /// Machines that are gone for good.
    pub(super) terminated: BTreeSet<String>,
    pub(super) changed: Changed,
    pub(super) direction: Direction,
    next: u32,
}

/// Where the steps lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// To another version.
    Forth,
    /// To what was there before a run.
    Back,
}

/// What the steps since the product last ran and was looked at have changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Changed {
    /// Anything at all.
    anything: bool,
    /// True where the product ran since: the next change begins anew.
    ran: bool,
    /// Stores that a migration may have changed and that their stacks make anew from a snapshot.
    pub(super) restored: BTreeSet<String>,
    /// Stores that a migration may have changed and that a person may have to bring back.
    pub(super) by_hand: BTreeSet<String>,
}

impl<'a> Composer<'a> {
    pub(super) fn new(input: &'a Input<'a>, direction: Direction) -> Result<Self, Problem> {
        let mut composer = Self {
            input,
            stacks: BTreeMap::new(),
            notices: Vec::new(),
            notes: Vec::new(),
            reviews: BTreeMap::new(),
            carried_out: BTreeSet::new(),
            snapshotted: BTreeSet::new(),
            terminated: BTreeSet::new(),
            changed: Changed::default(),
            direction,
            next: 0,
        };
        all_known(input.product, input.config)?;
        for stack in input.cloud.stacks.values() {
            if input.config.add.contains_key(&stack.name) && stack.status.is_reserved() {
                continue;
            }
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

    /// The next step changes something.
    pub(super) fn changes(&mut self) {
        if self.changed.ran {
            self.changed = Changed::default();
        }
        self.changed.anything = true;
    }

    /// The product runs and was looked at: the way back leads here once the next change is made.
    pub(super) fn runs(&mut self) {
        self.changed.ran = true;
    }

    pub(super) fn step(&mut self, draft: Draft) -> Step {
        self.timed(draft, false)
    }

    /// The step, and whether users are without service meanwhile.
    pub(super) fn timed(&mut self, draft: Draft, downtime: bool) -> Step {
        self.next += 1;
        draft.at(self.next, self.way_back(), downtime)
    }

    fn way_back(&self) -> WayBack {
        let Changed {
            anything,
            restored,
            by_hand,
            ..
        } = &self.changed;
        match self.direction {
            _ if !anything => WayBack::NotNeeded,
            Direction::Forth => WayBack::Stacks {
                restored: restored.iter().cloned().collect(),
                by_hand: by_hand.iter().cloned().collect(),
            },
            Direction::Back => WayBack::None {
                because: "a way back has none of its own: upgrade again".to_owned(),
            },
        }
    }

    pub(super) fn note(&mut self, text: String) {
        self.notes.push(Note::new(Place::Plan, text));
    }

    pub(super) fn warn(&mut self, text: String) {
        self.notes.push(Note::warning(Place::Plan, text));
    }
}
