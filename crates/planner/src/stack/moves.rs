//! The sequence of a round: which stack comes when, and what is done with it.
//!
//! ```text
//! snapshots · moves before all · template by template: moves before it, its stacks, their looks,
//! migrations behind the stack that runs them, moves after it · moves after all · a look from outside
//! ```

use std::collections::BTreeMap;

use switchback_model::Problem;
use switchback_model::plan::Step;
use switchback_model::product::{self, Move, MoveKind, Order};
use switchback_model::stack::{ParameterNow, ParameterWish, Template, TemplatePlace};

use super::carry::{Carrying, carry};
use super::composer::Composer;
use super::input::Input;
use super::refusals;
use super::rounds::Round;
use super::simulated::Simulated;
use super::updates::Wanted;

impl<'a> Composer<'a> {
    /// The steps of one round.
    pub(super) fn round(&mut self, round: &Round<'a>) -> Result<Vec<Step>, Problem> {
        self.snapshotted.clear();
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
            self.taken_over(order)?;
            self.carried_out.extend(order.instead_of.clone());
        }
        let mut steps = self.keep();
        let around_all: Vec<&Order> = orders
            .iter()
            .copied()
            .filter(|order| order.around.is_none())
            .collect();
        // What changes on the templates of before comes first, whichever release demands it.
        for parameters in [true, false] {
            for order in &around_all {
                for it in &order.before {
                    if (it.what == MoveKind::Parameters) == parameters {
                        steps.extend(self.step_of(order, it, round)?);
                    }
                }
            }
        }
        steps.extend(self.turns(&orders, round)?);
        for order in &around_all {
            for it in &order.after {
                steps.extend(self.step_of(order, it, round)?);
            }
        }
        if round.runs {
            steps.push(self.look(&round.to));
            self.runs();
        }
        Ok(steps)
    }

    /// Template by template, each with the migrations that run behind it.
    fn turns(&mut self, orders: &[&Order], round: &Round<'a>) -> Result<Vec<Step>, Problem> {
        let mut steps = Vec::new();
        let product = self.input.product;
        let driver = self.input.config.kind.driver();
        let skipped: Vec<&String> = orders.iter().flat_map(|order| &order.skip).collect();
        let mut migrated = round.migrations.is_empty();
        for template in product.templates.iter().filter(|it| it.driver == driver) {
            if !template.role.is_template() {
                continue;
            }
            if skipped.contains(&&template.id) {
                self.skip(template, orders);
                continue;
            }
            steps.extend(self.turn(template, orders, round)?);
            steps.extend(self.add(template, round)?);
            let runner = template
                .migrations
                .is_some()
                .then(|| self.stacks_of(&template.id));
            if let Some(stack) = runner.and_then(|stacks| stacks.into_iter().next()) {
                steps.extend(self.migrate(&stack, round)?);
                migrated = true;
            }
        }
        match migrated {
            true => Ok(steps),
            false => Err(refusals::no_runner(round.to.as_str())),
        }
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
                MoveKind::Terminate => steps.extend(self.terminate(&stack, &order.because)),
                MoveKind::Remove => steps.push(self.remove(&stack, &order.because)?),
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
                kept: Vec::new(),
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
        let template = brought(input, round, stack, simulated)?;
        let now = simulated.parameters();
        let carried = carry(&Carrying {
            now: &now,
            template: template.map_or(simulated.template, |(_, template)| template),
            said: input.config.parameters.get(stack),
            changes: round.changes(&of.id),
            versions: Some((&round.from, &round.to)),
        });
        if !carried.unanswered.is_empty() {
            return Err(refusals::unanswered(stack, &of.id, &carried.unanswered));
        }
        let mut wishes = carried.wishes;
        restore(simulated, &mut wishes);
        hold(simulated, &mut wishes, set);
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
                kept: Vec::new(),
                because,
            },
            &round.to,
        )?;
        if !steps.is_empty() {
            steps.extend(self.afterwards(stack));
        }
        Ok(steps)
    }
}

/// The template that a round brings to a stack, where it is another than it has.
fn brought<'a>(
    input: &'a Input<'a>,
    round: &Round<'_>,
    stack: &str,
    simulated: &Simulated<'_>,
) -> Result<Option<(&'a TemplatePlace, &'a Template)>, Problem> {
    let of = &simulated.of.id;
    if !round.brings(of) {
        return Ok(None);
    }
    let offered = input.offered.get(&(of.clone(), round.to.clone()));
    let Some(place) = offered.filter(|place| place.digest != simulated.stack.body) else {
        return Ok(None);
    };
    match input.templates.get(&place.digest) {
        Some(template) => Ok(Some((place, template))),
        None => Err(refusals::unread(stack)),
    }
}

/// Makes parameters something else for the time being, and remembers what they would be.
fn hold(
    simulated: &mut Simulated<'_>,
    wishes: &mut BTreeMap<String, ParameterWish>,
    set: &BTreeMap<String, String>,
) {
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
