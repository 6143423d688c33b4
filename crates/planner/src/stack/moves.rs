//! The sequence of a round: which stack comes when, and what is done with it.
//!
//! ```text
//! snapshots · moves before all · template by template: moves before it, its stacks, their looks,
//! migrations behind the stack that runs them, moves after it · moves after all · a look from outside
//! ```

use std::collections::BTreeMap;

use switchback_model::plan::{Act, Expectation, Interrupted, Notice, Step};
use switchback_model::product::{self, Move, MoveKind, NoticeKind, Order};
use switchback_model::stack::{
    ChangeSetState, ParameterNow, ParameterWish, StackUpdate, StoreKind, Template, TemplatePlace,
    UpdateMode,
};
use switchback_model::{Problem, Version};

use super::carry::{Carrying, carry};
use super::certificates;
use super::danger::{Danger, DangerKind};

use super::composer::{Changed, Composer, Draft};
use super::refusals;
use super::review::{Review, Reviewed, review};
use super::rounds::Round;
use super::safety::{capabilities, cover, expected, machine_replaced};
use super::simulated::Simulated;

/// One update that is wanted of a stack.
struct Wanted<'w, 'a> {
    stack: &'w str,
    template: Option<(&'w TemplatePlace, &'a Template)>,
    wishes: BTreeMap<String, ParameterWish>,
    /// True where a disk may be made anew from a snapshot.
    disks: bool,
    because: String,
}

impl<'a> Composer<'a> {
    /// The steps of one round.
    pub(super) fn round(&mut self, round: &Round<'a>) -> Result<Vec<Step>, Problem> {
        self.snapshots.clear();
        for stack in self.stacks.values_mut() {
            stack.settled = false;
        }
        let orders: Vec<&Order> = round
            .orders
            .iter()
            .copied()
            .filter(|order| {
                let needs = order.needs.as_deref();
                needs.is_none_or(|template| !self.stacks_of(template).is_empty())
            })
            .collect();
        for order in &orders {
            self.carried_out.extend(order.instead_of.clone());
        }
        let mut steps = self.keep();
        let around_all = |order: &&&Order| order.around.is_none();
        // What changes on the templates of before comes first, whichever release demands it.
        for parameters in [true, false] {
            for order in orders.iter().filter(around_all) {
                for it in &order.before {
                    if (it.what == MoveKind::Parameters) == parameters {
                        steps.extend(self.step_of(order, it, round)?);
                    }
                }
            }
        }
        let product = self.input.product;
        let driver = self.input.config.kind.driver();
        let skipped: Vec<&String> = orders.iter().flat_map(|order| &order.skip).collect();
        let mut migrated = round.migrations.is_empty();
        for template in product.templates.iter().filter(|it| it.driver == driver) {
            if !template.role.is_template() {
                continue;
            }
            if skipped.contains(&&template.id) {
                self.skip(template, &orders);
                continue;
            }
            steps.extend(self.turn(template, &orders, round)?);
            let runner = template
                .migrations
                .is_some()
                .then(|| self.stacks_of(&template.id));
            if let Some(stack) = runner.and_then(|stacks| stacks.into_iter().next()) {
                steps.extend(self.migrate(&stack, round)?);
                migrated = true;
            }
        }
        if !migrated {
            return Err(refusals::no_runner(round.to.as_str()));
        }
        for order in orders.iter().filter(around_all) {
            for it in &order.after {
                steps.extend(self.step_of(order, it, round)?);
            }
        }
        if round.runs {
            steps.push(self.look(&round.to));
        }
        Ok(steps)
    }

    /// Everything of one template, in its turn.
    fn turn(
        &mut self,
        template: &product::Template,
        orders: &[&Order],
        round: &Round<'a>,
    ) -> Result<Vec<Step>, Problem> {
        let mut steps = Vec::new();
        let stacks = self.stacks_of(&template.id);
        if stacks.is_empty() || !round.runs {
            return Ok(steps);
        }
        let around: Vec<&&Order> = orders
            .iter()
            .filter(|order| order.around.as_deref() == Some(template.id.as_str()))
            .collect();
        for order in &around {
            for it in &order.before {
                steps.extend(self.step_of(order, it, round)?);
            }
        }
        let disks = around
            .iter()
            .flat_map(|order| &order.before)
            .any(|it| it.what == MoveKind::Terminate);
        for stack in stacks {
            if !self.stacks[&stack].settled {
                steps.extend(self.ordinary(&stack, round, &BTreeMap::new(), disks, None)?);
            }
        }
        for order in &around {
            for it in &order.after {
                steps.extend(self.step_of(order, it, round)?);
            }
        }
        Ok(steps)
    }

    fn skip(&mut self, template: &product::Template, orders: &[&Order]) {
        let because = orders
            .iter()
            .find(|order| order.skip.contains(&template.id))
            .map(|order| order.because.clone())
            .unwrap_or_default();
        for stack in self.stacks_of(&template.id) {
            self.warn(format!("stack `{stack}` is left as it is: {because}"));
        }
    }

    /// One move, for every stack of its template.
    fn step_of(
        &mut self,
        order: &Order,
        it: &Move,
        round: &Round<'a>,
    ) -> Result<Vec<Step>, Problem> {
        let mut steps = Vec::new();
        for stack in self.stacks_of(&it.template) {
            match it.what {
                MoveKind::Parameters => steps.extend(self.parameters(&stack, order, it, round)?),
                MoveKind::Update => {
                    let because = Some(order.because.clone());
                    steps.extend(self.ordinary(&stack, round, &it.set, false, because)?);
                    if let Some(stack) = self.stacks.get_mut(&stack) {
                        stack.settled = true;
                    }
                }
                MoveKind::Terminate => steps.extend(self.terminate(&stack, order)),
                MoveKind::Remove => steps.push(self.remove(&stack, order)),
            }
        }
        Ok(steps)
    }

    /// Other parameters on the template that the stack has.
    fn parameters(
        &mut self,
        stack: &str,
        order: &Order,
        it: &Move,
        round: &Round<'a>,
    ) -> Result<Vec<Step>, Problem> {
        let Some(simulated) = self.stacks.get_mut(stack) else {
            return Ok(Vec::new());
        };
        let mut wishes: BTreeMap<String, ParameterWish> = simulated
            .stack
            .parameters
            .keys()
            .map(|name| (name.clone(), ParameterWish::Previous))
            .collect();
        // What two releases want to be something else stays so, and is given back after the second.
        let mut held: BTreeMap<String, ParameterNow> = simulated
            .held
            .extract_if(.., |name, _| it.set.contains_key(name))
            .collect();
        restore(simulated, &mut wishes);
        for (name, value) in &it.set {
            let Some(now) = simulated.stack.parameters.get(name) else {
                continue;
            };
            if now.value.as_deref() != Some(value) {
                held.entry(name.clone()).or_insert_with(|| now.clone());
                wishes.insert(
                    name.clone(),
                    ParameterWish::Value {
                        value: value.clone(),
                    },
                );
            }
        }
        simulated.held.extend(held);
        self.update(
            Wanted {
                stack,
                template: None,
                wishes,
                disks: false,
                because: order.because.clone(),
            },
            &round.to,
        )
    }

    /// The update that the round brings, with parameters that are something else for the time being.
    fn ordinary(
        &mut self,
        stack: &str,
        round: &Round<'a>,
        set: &BTreeMap<String, String>,
        disks: bool,
        because: Option<String>,
    ) -> Result<Vec<Step>, Problem> {
        let input = self.input;
        let Some(simulated) = self.stacks.get_mut(stack) else {
            return Ok(Vec::new());
        };
        let of = simulated.of;
        let changes = round.changes(&of.id);
        let offered = round
            .brings(&of.id)
            .then(|| input.offered.get(&(of.id.clone(), round.to.clone())))
            .flatten()
            .filter(|place| place.digest != simulated.stack.body);
        let template = match offered {
            Some(place) => match input.templates.get(&place.digest) {
                Some(template) => Some((place, template)),
                None => return Err(refusals::unread(stack)),
            },
            None => None,
        };
        let now = simulated.parameters();
        let carried = carry(&Carrying {
            now: &now,
            template: template.map_or(simulated.template, |(_, template)| template),
            said: input.config.parameters.get(stack),
            changes,
            versions: Some((&round.from, &round.to)),
        });
        if !carried.unanswered.is_empty() {
            return Err(refusals::unanswered(stack, &of.id, &carried.unanswered));
        }
        let mut wishes = carried.wishes;
        restore(simulated, &mut wishes);
        for (name, value) in set {
            let Some(wish) = wishes.get_mut(name) else {
                continue;
            };
            let carried = match &*wish {
                ParameterWish::Value { value } => Some(ParameterNow::plain(value.clone())),
                ParameterWish::Previous => simulated.stack.parameters.get(name).cloned(),
                _ => None,
            };
            simulated
                .held
                .extend(carried.map(|carried| (name.clone(), carried)));
            *wish = ParameterWish::Value {
                value: value.clone(),
            };
        }
        for name in &carried.defaults {
            self.warn(format!(
                "`{name}` of stack `{stack}` is new and gets the default of its template"
            ));
        }
        let because = because.unwrap_or_else(|| match template {
            Some(_) => format!("its template changes on the way to {}", round.to),
            None => format!("its images get the tag {}", round.to),
        });
        let mut steps = self.update(
            Wanted {
                stack,
                template,
                wishes,
                disks,
                because,
            },
            &round.to,
        )?;
        if !steps.is_empty() {
            steps.extend(self.afterwards(stack));
        }
        Ok(steps)
    }

    /// One update with all that makes it safe; nothing where nothing would change.
    fn update(&mut self, wanted: Wanted<'_, 'a>, to: &Version) -> Result<Vec<Step>, Problem> {
        let input = self.input;
        let Wanted {
            stack,
            template,
            mut wishes,
            disks,
            because,
        } = wanted;
        let unchanged = wishes.values().all(|wish| *wish == ParameterWish::Previous);
        if template.is_none() && unchanged {
            return Ok(Vec::new());
        }
        let simulated = &self.stacks[stack];
        // What the provider computed is true of the first update of a stack, before anything else changed.
        let provided = input.change_sets.get(stack).filter(|_| !simulated.touched);
        if provided.is_some_and(|set| set.state == ChangeSetState::Empty) {
            return Ok(Vec::new());
        }
        let new = template.map_or(simulated.template, |(_, template)| template);
        let look = |wishes: &BTreeMap<String, ParameterWish>, provided| {
            review(&Reviewed {
                account: &input.cloud.account,
                stack: &simulated.stack,
                old: simulated.template,
                new,
                wishes,
                provided,
            })
        };
        let mut review = look(&wishes, provided);
        let is = simulated.is();
        let name = simulated.stack.name.clone();
        let of = simulated.of;
        let covered = cover(&name, of, new, &review, disks, &mut wishes);
        if !covered.is_empty() {
            review = look(&wishes, None);
        }
        let steps = self.snapshots_of(&name, &covered);
        self.refuse(&name, of, &review, &covered)?;
        self.tell(&name, &review, &covered, to);
        let machine = machine_replaced(&review);
        let single = input.config.kind.driver() == "ami";
        if single && machine {
            let more = certificates::replaced(input.cloud, input.config, &name, to)?;
            self.notices.extend(more);
        }
        let update = StackUpdate {
            stack: name.clone(),
            of: of.id.clone(),
            mode: UpdateMode::Update,
            template: template.map(|(place, _)| place.clone()),
            capabilities: capabilities(&self.stacks[&name].stack.capabilities, new),
            tags: self.stacks[&name].stack.tags.clone(),
            expected: expected(&review),
            version: to.clone(),
            parameters: wishes,
        };
        let Some(simulated) = self.stacks.get_mut(&name) else {
            return Ok(steps);
        };
        simulated.apply(&update, new, &review);
        simulated.held.retain(|held, _| {
            // What is something else for the time being is held until an update gives it back.
            let now = simulated.stack.parameters.get(held);
            now.is_some()
        });
        settle_held(simulated);
        let after = simulated.is();
        self.changed = self.changed.max(Changed::Stacks);
        let mut steps = steps;
        steps.push(self.step(Draft {
            act: Act::Update { update },
            before: vec![Expectation::Stack { is }],
            after: vec![Expectation::Stack { is: after }],
            interrupted: Interrupted::Repeat,
            downtime: single && machine,
            because: Some(because),
        }));
        Ok(steps)
    }

    fn remove(&mut self, stack: &str, order: &Order) -> Step {
        let simulated = self.stacks.remove(stack);
        let (id, before) = match &simulated {
            Some(simulated) => (
                simulated.stack.id.clone(),
                vec![Expectation::Stack { is: simulated.is() }],
            ),
            None => (String::new(), Vec::new()),
        };
        self.changed = self.changed.max(Changed::Stacks);
        self.step(Draft {
            act: Act::Remove {
                stack: stack.to_owned(),
                id,
            },
            before,
            after: vec![Expectation::NoStack {
                stack: stack.to_owned(),
            }],
            interrupted: Interrupted::Repeat,
            downtime: false,
            because: Some(order.because.clone()),
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
        for it in &review.disagreements {
            self.warn(format!(
                "`{}` of stack `{stack}`: {} by our prediction, {} by the change set",
                it.logical, it.ours, it.theirs
            ));
        }
        for transform in &review.template.transforms {
            self.warn(format!(
                "macro `{transform}` rewrites the template of stack `{stack}`: what it makes of it is not predicted"
            ));
        }
        let single = self.input.config.kind.driver() == "ami";
        if !single && review.only_mappings && machine_replaced(review) {
            self.warn(format!(
                "the template of stack `{stack}` differs only by fixed values such as machine images: instead of replacing the machine, leave = [\"{stack}\"] under [aws], and update the software on it"
            ));
        }
    }
}

/// Gives back what was something else for the time being: *previous* would keep it.
fn restore(simulated: &mut Simulated<'_>, wishes: &mut BTreeMap<String, ParameterWish>) {
    for (name, held) in std::mem::take(&mut simulated.held) {
        if let (Some(wish), Some(value)) = (wishes.get_mut(&name), held.value)
            && *wish == ParameterWish::Previous
            && simulated.stack.parameter(&name) != Some(&value)
        {
            *wish = ParameterWish::Value { value };
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
