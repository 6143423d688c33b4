//! One update of a stack with everything that makes it safe.

use std::collections::BTreeMap;

use switchback_model::plan::{Act, Expectation, Notice, Step};
use switchback_model::product::{self, NoticeKind};
use switchback_model::stack::{
    ChangeSet, ChangeSetState, DangerKind, ParameterWish, Replacement, Snapshot, StackUpdate,
    StoreKind, Template, TemplatePlace, UpdateMode,
};
use switchback_model::{Problem, Version};

use super::certificates;
use super::composer::Composer;
use super::danger::Danger;
use super::refusals;
use super::review::{Review, Reviewed, review};
use super::safety::{capabilities, cover, expected, machine};
use super::simulated::Simulated;
use crate::draft::Draft;

/// One update that is wanted of a stack.
pub(super) struct Wanted<'w, 'a> {
    pub(super) stack: &'w str,
    pub(super) template: Option<(&'w TemplatePlace, &'a Template)>,
    pub(super) wishes: BTreeMap<String, ParameterWish>,
    /// True where a disk may be made anew from a snapshot.
    pub(super) disks: bool,
    /// Snapshots of an earlier run that wishes name.
    pub(super) kept: Vec<Snapshot>,
    pub(super) because: String,
}

impl<'a> Wanted<'_, 'a> {
    /// The template that the stack will have.
    fn becomes(&self, simulated: &Simulated<'a>) -> &'a Template {
        self.template
            .map_or(simulated.template, |(_, template)| template)
    }
}

impl<'a> Composer<'a> {
    /// One update with all that makes it safe; nothing where nothing would change.
    pub(super) fn update(
        &mut self,
        mut wanted: Wanted<'_, 'a>,
        to: &Version,
    ) -> Result<Vec<Step>, Problem> {
        let mut wishes = wanted.wishes.values();
        let unchanged = wishes.all(|wish| *wish == ParameterWish::Previous);
        if wanted.template.is_none() && unchanged {
            return Ok(Vec::new());
        }
        let provided = self.provided(wanted.stack);
        if provided.is_some_and(|set| set.state == ChangeSetState::Empty) {
            return Ok(Vec::new());
        }
        let is = self.stacks[wanted.stack].is();
        let (review, mut steps) = self.made_safe(&mut wanted, to)?;
        let input = self.input;
        let replaced =
            input.config.kind.driver() == "ami" && machine(&review) >= Replacement::Maybe;
        if replaced {
            let more = certificates::replaced(input.cloud, input.config, wanted.stack, to)?;
            self.notices.extend(more);
        }
        let Some(simulated) = self.stacks.get_mut(wanted.stack) else {
            return Ok(steps);
        };
        let new = wanted.becomes(simulated);
        let update = StackUpdate {
            stack: wanted.stack.to_owned(),
            of: simulated.of.id.clone(),
            mode: UpdateMode::Update,
            template: wanted.template.map(|(place, _)| place.clone()),
            capabilities: capabilities(&simulated.stack.capabilities, new),
            tags: simulated.stack.tags.clone(),
            expected: expected(&review),
            version: to.clone(),
            parameters: wanted.wishes,
        };
        simulated.apply(&update, new, &review);
        settle_held(simulated);
        let after = simulated.is();
        self.changes();
        let kept = wanted.kept.into_iter();
        let mut before = vec![Expectation::Stack { is }];
        before.extend(kept.map(|snapshot| Expectation::Kept { snapshot }));
        let draft = Draft {
            before,
            after: vec![Expectation::Stack { is: after }],
            because: Some(wanted.because),
            ..Draft::new(Act::Update { update })
        };
        let step = self.timed(draft, replaced);
        self.reviews.insert(step.number, review);
        steps.push(step);
        Ok(steps)
    }

    /// What the provider computed: true of the first update of a stack, before anything else changed.
    fn provided(&self, stack: &str) -> Option<&'a ChangeSet> {
        let set = self.input.change_sets.get(stack);
        set.filter(|_| !self.stacks[stack].touched)
    }

    /// What an update changes, and the snapshots that come before it: wishes make stores from those where the update
    /// would lose them. Refuses what would be lost all the same.
    fn made_safe(
        &mut self,
        wanted: &mut Wanted<'_, 'a>,
        to: &Version,
    ) -> Result<(Review, Vec<Step>), Problem> {
        let stack = wanted.stack;
        let (of, new) = (self.stacks[stack].of, wanted.becomes(&self.stacks[stack]));
        let mut review = self.review(stack, new, &wanted.wishes, self.provided(stack));
        let asked = wanted.wishes.clone();
        let covered = cover(stack, of, new, &review, wanted.disks, &mut wanted.wishes);
        if wanted.wishes != asked {
            review = self.review(stack, new, &wanted.wishes, None);
        }
        let snapshots = self.snapshots_of(stack, &covered);
        self.refuse(stack, of, &review, &covered)?;
        self.tell(stack, &review, &covered, to);
        Ok((review, snapshots))
    }

    /// Removes a stack, unless somebody protects it.
    pub(super) fn remove(&mut self, stack: &str, because: &str) -> Result<Step, Problem> {
        if let Some(simulated) = self.stacks.get(stack).filter(|it| it.stack.protected) {
            return Err(refusals::protected(&simulated.stack.name, because));
        }
        let simulated = self.stacks.remove(stack);
        let (id, before) = match &simulated {
            Some(simulated) => (
                simulated.stack.id.clone(),
                vec![Expectation::Stack { is: simulated.is() }],
            ),
            None => (String::new(), Vec::new()),
        };
        self.changes();
        let stack = stack.to_owned();
        Ok(self.step(Draft {
            before,
            after: vec![Expectation::NoStack {
                stack: stack.clone(),
            }],
            because: Some(because.to_owned()),
            ..Draft::new(Act::Remove { stack, id })
        }))
    }

    /// An update of a stack as it is by now, from three sides.
    pub(super) fn review(
        &self,
        stack: &str,
        new: &Template,
        wishes: &BTreeMap<String, ParameterWish>,
        provided: Option<&ChangeSet>,
    ) -> Review {
        let simulated = &self.stacks[stack];
        review(&Reviewed {
            account: &self.input.cloud.account,
            stack: &simulated.stack,
            old: simulated.template,
            new,
            wishes,
            provided,
        })
    }

    fn refuse(
        &self,
        stack: &str,
        of: &product::Template,
        review: &Review,
        covered: &[String],
    ) -> Result<(), Problem> {
        let lost: Vec<&Danger> = review
            .dangers
            .iter()
            .filter(|danger| !covered.contains(&danger.logical))
            .collect();
        let found = refusals::types(stack, &review.changed_types)
            .or_else(|| refusals::data(stack, &lost))
            .or_else(|| refusals::exports(stack, &review.locked_exports));
        match found {
            Some(problem) => Err(problem.hint(format!("the template is `{}`", of.id))),
            None => Ok(()),
        }
    }

    /// What the operator should know of an update.
    fn tell(&mut self, stack: &str, review: &Review, covered: &[String], to: &Version) {
        for danger in &review.dangers {
            let (id, accept) = match danger.what {
                DangerKind::Data(StoreKind::Volume) => ("disk-made-anew", true),
                DangerKind::Data(_) => ("store-made-anew", false),
                DangerKind::Address => ("address-lost", true),
                DangerKind::LoadBalancer => ("entrance-replaced", true),
            };
            let from = match covered.contains(&danger.logical) {
                true => ", and made anew from a snapshot",
                false => "",
            };
            self.notices.push(Notice {
                id: format!("{id}-{stack}-{}", danger.logical),
                kind: NoticeKind::OneWay,
                version: to.clone(),
                text: format!(
                    "`{}` of stack `{stack}` ({}): {}{from}.",
                    danger.logical, danger.kind, danger.text
                ),
                found: None,
                source: "change set and prediction".to_owned(),
                accept: accept.then(|| id.to_owned()),
            });
        }
        for transform in &review.template.transforms {
            self.warn(format!(
                "macro `{transform}` rewrites the template of stack `{stack}`: what it makes of it is not predicted"
            ));
        }
        let single = self.input.config.kind.driver() == "ami";
        if !single && review.only_mappings && machine(review) >= Replacement::Maybe {
            self.warn(format!(
                "the template of stack `{stack}` differs only by fixed values such as machine images: instead of replacing the machine, leave = [\"{stack}\"] under [aws], and update the software on it"
            ));
        }
    }
}

/// Forgets what is held where the stack has it again.
fn settle_held(simulated: &mut Simulated<'_>) {
    let parameters = &simulated.stack.parameters;
    simulated
        .held
        .retain(|name, held| parameters.get(name).is_some_and(|now| now != held));
}
