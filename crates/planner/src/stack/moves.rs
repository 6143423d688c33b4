//! The sequence of a round: which stack comes when, and what is done with it.
//!
//! ```text
//! snapshots · moves before all · template by template: moves before it, its stacks, their looks,
//! migrations behind the stack that runs them, moves after it · moves after all · a look from outside
//! ```

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::plan::{Act, Check, Expectation, Interrupted, Notice, Step, WayBack};
use switchback_model::product::{self, Move, MoveKind, NoticeKind, Order};
use switchback_model::stack::{
    ChangeSetState, ParameterNow, ParameterWish, StackUpdate, Store, StoreKind, Template,
    TemplatePlace, UpdateMode,
};
use switchback_model::{Problem, StepNumber, Version};

use super::carry::{Carrying, carry};
use super::certificates;
use super::danger::{Danger, DangerKind};
use super::input::Input;
use super::recognise::recognise;
use super::refusals;
use super::review::{Review, Reviewed, review};
use super::rounds::Round;
use super::safety::{capabilities, cover, expected, machine_replaced};
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
    snapshots: BTreeSet<(String, String)>,
    /// Machines that are gone for good.
    terminated: BTreeSet<String>,
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

    /// What an update needs behind it: a machine that comes back, machines that are made anew on request.
    fn afterwards(&mut self, stack: &str) -> Vec<Step> {
        let input = self.input;
        let mut steps = Vec::new();
        let outage = self.stacks[stack].of.outage.clone();
        let machine = self.stacks[stack]
            .template
            .resources
            .iter()
            .find(|(_, resource)| resource.kind == "AWS::EC2::Instance")
            .map(|(logical, _)| logical.clone());
        if let (Some(meanwhile), Some(logical)) = (outage, machine) {
            steps.push(self.step(Draft {
                act: Act::Verify {
                    checks: vec![Check::Machine {
                        stack: stack.to_owned(),
                        logical,
                        meanwhile: Some(meanwhile),
                    }],
                },
                before: Vec::new(),
                after: Vec::new(),
                interrupted: Interrupted::Repeat,
                downtime: false,
                because: Some("what fails until it is back is no failure".to_owned()),
            }));
        }
        for group in input
            .cloud
            .groups
            .iter()
            .filter(|group| group.stack == stack)
        {
            if input.config.renew.iter().any(|renew| renew == stack) {
                steps.push(self.step(Draft {
                    act: Act::Renew {
                        group: group.clone(),
                    },
                    before: Vec::new(),
                    after: vec![Expectation::Renewed {
                        stack: stack.to_owned(),
                        logical: group.logical.clone(),
                    }],
                    interrupted: Interrupted::Repeat,
                    downtime: false,
                    because: Some("running machines do not follow their template".to_owned()),
                }));
                continue;
            }
            let behind: Vec<&str> = group.behind().map(|machine| machine.id.as_str()).collect();
            let found = match behind.is_empty() {
                true => String::new(),
                false => format!("; behind already: {}", behind.join(", ")),
            };
            self.warn(format!(
                "machines of `{}` in stack `{stack}` stay as they are: an update does not reach running ones{found}; renew = [\"{stack}\"] under [aws] replaces them one by one",
                group.logical
            ));
        }
        steps
    }

    fn terminate(&mut self, stack: &str, order: &Order) -> Vec<Step> {
        let machines = self.input.cloud.machines.iter();
        let here: Vec<_> = machines
            .filter(|machine| machine.stack == stack && !self.terminated.contains(&machine.id))
            .cloned()
            .collect();
        let mut steps = Vec::new();
        for machine in here {
            self.terminated.insert(machine.id.clone());
            self.changed = self.changed.max(Changed::Stacks);
            steps.push(self.step(Draft {
                after: vec![Expectation::Terminated {
                    machine: machine.id.clone(),
                }],
                act: Act::Terminate { machine },
                before: Vec::new(),
                interrupted: Interrupted::Repeat,
                downtime: false,
                because: Some(order.because.clone()),
            }));
        }
        steps
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

    /// Snapshots of everything that can have one, before the round changes anything.
    fn keep(&mut self) -> Vec<Step> {
        let stores: Vec<Store> = self
            .input
            .cloud
            .stores
            .iter()
            .filter(|store| store.kind.can_be_snapshotted())
            .filter(|store| self.stacks.contains_key(&store.stack))
            .cloned()
            .collect();
        stores
            .into_iter()
            .filter_map(|store| self.snapshot(store))
            .collect()
    }

    fn snapshots_of(&mut self, stack: &str, covered: &[String]) -> Vec<Step> {
        let stores: Vec<Store> = self
            .input
            .cloud
            .stores
            .iter()
            .filter(|store| store.stack == stack && covered.contains(&store.logical))
            .cloned()
            .collect();
        stores
            .into_iter()
            .filter_map(|store| self.snapshot(store))
            .collect()
    }

    fn snapshot(&mut self, store: Store) -> Option<Step> {
        let key = (store.stack.clone(), store.logical.clone());
        self.snapshots.insert(key).then(|| {
            let what = store.kind.word();
            self.step(Draft {
                after: vec![Expectation::Snapshotted {
                    stack: store.stack.clone(),
                    logical: store.logical.clone(),
                }],
                act: Act::Snapshot { store },
                before: Vec::new(),
                interrupted: Interrupted::Repeat,
                downtime: false,
                because: Some(format!("the {what} as it was before this round")),
            })
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

    fn note(&mut self, text: String) {
        self.notes.push(Note::new(Place::Plan, text));
    }

    pub(super) fn warn(&mut self, text: String) {
        self.notes.push(Note::warning(Place::Plan, text));
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
