//! Stacks that the operator wants and that are not there yet: made in the turn of their template, in the first round
//! whose release has it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use switchback_model::Problem;
use switchback_model::config::AwsParameter;
use switchback_model::plan::{Act, Expectation, Step};
use switchback_model::product::{self, Order};
use switchback_model::stack::{
    Drift, ParameterWish, Stack, StackStatus, StackUpdate, Template, TemplatePlace, UpdateMode,
};

use super::absent::{absent, has};
use super::carry::{Carried, Carrying, Unanswered, carry};
use super::composer::Composer;
use super::refusals;
use super::review::{Reviewed, review};
use super::rounds::Round;
use super::safety::{capabilities, expected};
use super::simulated::Simulated;
use crate::draft::Draft;

/// What a stack is made from before it is made.
static NOTHING: LazyLock<Template> = LazyLock::new(Template::default);

impl<'a> Composer<'a> {
    /// Makes the stacks of a template that are wanted and not there.
    pub(super) fn add(
        &mut self,
        template: &product::Template,
        round: &Round<'a>,
    ) -> Result<Vec<Step>, Problem> {
        let input = self.input;
        if !round.runs || !has(input.product, template, &round.to) {
            return Ok(Vec::new());
        }
        let mut steps = Vec::new();
        for (name, of) in absent(input.product, input.config, input.cloud) {
            if of.id == template.id && !self.stacks.contains_key(name) {
                steps.push(self.make(name, of, round)?);
            }
        }
        Ok(steps)
    }

    fn make(
        &mut self,
        name: &str,
        of: &'a product::Template,
        round: &Round<'a>,
    ) -> Result<Step, Problem> {
        let input = self.input;
        let key = (of.id.clone(), round.to.clone());
        let (Some(place), Some(template)) = (
            input.offered.get(&key),
            input
                .offered
                .get(&key)
                .and_then(|it| input.templates.get(&it.digest)),
        ) else {
            return Err(refusals::unread(name));
        };
        let carried = self.decided(name, template, round);
        if !carried.unanswered.is_empty() {
            return Err(refusals::unanswered(name, &of.id, &carried.unanswered));
        }
        if !carried.defaults.is_empty() {
            self.warn(format!(
                "stack `{name}` is made with the defaults of its template for {}",
                carried.defaults.join(", ")
            ));
        }
        let mut simulated = self.not_yet(name, of, place);
        let review = review(&Reviewed {
            account: &input.cloud.account,
            stack: &simulated.stack,
            old: simulated.template,
            new: template,
            wishes: &carried.wishes,
            provided: input.change_sets.get(name),
        });
        let update = StackUpdate {
            stack: name.to_owned(),
            of: of.id.clone(),
            mode: UpdateMode::Create,
            template: Some(place.clone()),
            capabilities: capabilities(&[], template),
            tags: simulated.stack.tags.clone(),
            expected: expected(&review),
            version: round.to.clone(),
            parameters: carried.wishes,
        };
        simulated.apply(&update, template, &review);
        let after = Expectation::Stack { is: simulated.is() };
        self.stacks.insert(name.to_owned(), simulated);
        self.changes();
        let step = self.step(Draft {
            before: vec![Expectation::NoStack {
                stack: name.to_owned(),
            }],
            after: vec![after],
            because: Some("it is wanted under [aws.add], and not there yet".to_owned()),
            ..Draft::new(Act::Update { update })
        });
        self.reviews.insert(step.number, review);
        Ok(step)
    }

    /// Its parameters. A default that differs from what the other stacks all have is nobody's wish: which network or
    /// environment it is for is such a parameter.
    fn decided(&self, name: &str, template: &Template, round: &Round<'_>) -> Carried {
        let said = self.input.config.parameters.get(name);
        let mut carried = carry(&Carrying {
            now: &BTreeMap::new(),
            template,
            said,
            changes: &[],
            versions: Some((&round.to, &round.to)),
        });
        for open in &mut carried.unanswered {
            if let Some(others) = self.others(&open.parameter) {
                open.because = format!("{}; the other stacks here have `{others}`", open.because);
            }
        }
        for parameter in std::mem::take(&mut carried.defaults) {
            let Some(ParameterWish::Value { value }) = carried.wishes.get(&parameter) else {
                continue;
            };
            match self.others(&parameter).filter(|others| others != value) {
                None => carried.defaults.push(parameter),
                Some(others) => {
                    carried.unanswered.push(Unanswered {
                        because: format!(
                            "its default is `{value}`, and the other stacks here have `{others}`"
                        ),
                        allowed: template.parameters[&parameter].allowed.clone(),
                        parameter: parameter.clone(),
                    });
                    carried.wishes.remove(&parameter);
                }
            }
        }
        carried
    }

    /// What the stacks that have a parameter of this name all say there. Of one alone it tells nothing.
    fn others(&self, parameter: &str) -> Option<String> {
        let stacks = self.stacks.values();
        let mut values = stacks.filter_map(|it| it.stack.parameter(parameter));
        let (first, second) = (values.next()?, values.next()?);
        let agreed = first == second && values.all(|value| value == first);
        agreed.then(|| first.to_owned())
    }

    /// The stack before it is made, with the tags that all others have.
    fn not_yet(
        &self,
        name: &str,
        of: &'a product::Template,
        place: &TemplatePlace,
    ) -> Simulated<'a> {
        let mut others = self.stacks.values().map(|it| &it.stack.tags);
        let mut tags = others.next().cloned().unwrap_or_default();
        for of_another in others {
            tags.retain(|key, value| of_another.get(key) == Some(value));
        }
        Simulated {
            stack: Stack {
                name: name.to_owned(),
                id: String::new(),
                template: Some(of.id.clone()),
                status: StackStatus::new("REVIEW_IN_PROGRESS"),
                reason: None,
                parameters: BTreeMap::new(),
                outputs: BTreeMap::new(),
                imports: Vec::new(),
                body: place.digest.clone(),
                resources: Vec::new(),
                capabilities: Vec::new(),
                tags,
                protected: false,
                drift: Drift::default(),
                events: Vec::new(),
            },
            of,
            template: &NOTHING,
            held: BTreeMap::new(),
            touched: false,
            settled: false,
        }
    }

    /// Tells which wanted stacks no round could make.
    pub(super) fn never_made(&mut self) {
        let input = self.input;
        for (name, of) in absent(input.product, input.config, input.cloud) {
            if !self.stacks.contains_key(name) {
                self.warn(format!(
                    "stack `{name}` is not made: no release that this plan stops at has `{}`",
                    of.id
                ));
            }
        }
    }

    /// Refuses where a release takes away what an order switches off for the time being, and nothing is there to take it
    /// over: what comes back on would have nothing behind it.
    pub(super) fn taken_over(&self, order: &Order) -> Result<(), Problem> {
        let Some(template) = &order.taken_over_by else {
            return Ok(());
        };
        let input = self.input;
        let mut absent = absent(input.product, input.config, input.cloud).into_iter();
        if !self.stacks_of(template).is_empty() || absent.any(|(_, of)| of.id == *template) {
            return Ok(());
        }
        for it in &order.before {
            for stack in self.stacks_of(&it.template) {
                let said = input.config.parameters.get(&stack);
                for (name, off) in &it.set {
                    let now = self.stacks[&stack].stack.parameter(name);
                    let stays_off = said.and_then(|said| said.get(name))
                        == Some(&AwsParameter::Value(off.clone()));
                    if now.is_some_and(|now| now != off) && !stays_off {
                        return Err(refusals::not_taken_over(
                            &stack,
                            (name, off),
                            template,
                            order,
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}
