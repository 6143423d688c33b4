//! What the acts of a plan do to an account, as far as a way back can tell.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use switchback_model::plan::{Act, Plan, Stage, StageKind, Step};
use switchback_model::stack::{
    Launch, Machine, ParameterNow, ParameterWish, Snapshot, StackResource, Store, StoreKind,
    Template, TemplatePlace, UpdateMode, body_digest,
};
use switchback_model::{Digest, Problem, RunId, StepNumber, Version};
use switchback_planner::stack::{BackInput, way_back};
use switchback_planner::{Planned, Proven, check_against, outline, refusal};

use super::account::{FIXTURES, Site, parsed, product, text};

/// The run whose plan is carried out.
pub(crate) fn run() -> RunId {
    RunId::new("r-0001")
}

/// A run that finished every step before `step`, and began it where `begun` says so.
pub(crate) fn proven(plan: &Plan, step: u32, begun: bool) -> Proven {
    let finished: BTreeSet<StepNumber> = plan
        .steps()
        .map(|(_, step)| step.number)
        .filter(|number| number.0 < step)
        .collect();
    let mut all = finished.clone();
    all.extend(begun.then_some(StepNumber(step)));
    Proven {
        run: run(),
        begun: all,
        finished,
        writing_seconds: None,
    }
}

/// What the snapshot of a round is called.
pub(crate) fn handle(round: u32, store: &Store) -> String {
    let name = format!("switchback-{round}-{}-{}", store.stack, store.logical);
    match store.kind {
        StoreKind::Volume => format!("snap-{name}"),
        StoreKind::DatabaseCluster => {
            format!("arn:aws:rds:eu-west-1:123456789012:cluster-snapshot:{name}")
        }
        StoreKind::DatabaseInstance => {
            format!("arn:aws:rds:eu-west-1:123456789012:snapshot:{name}")
        }
        _ => name,
    }
}

/// The templates of all versions that a plan passes through, and where their texts are.
#[derive(Default)]
struct Texts {
    templates: BTreeMap<Digest, Template>,
    kept: BTreeMap<Digest, TemplatePlace>,
}

/// Read once for all plans between the same versions: there are many ways back.
fn texts(plan: &Plan) -> Rc<Texts> {
    type Known = BTreeMap<BTreeSet<Version>, Rc<Texts>>;
    thread_local!(static KNOWN: RefCell<Known> = RefCell::default());
    let mut versions: BTreeSet<Version> = [plan.from.clone(), plan.to.clone()].into();
    for stage in &plan.stages {
        if let StageKind::Run { to } = &stage.kind {
            versions.insert(to.clone());
        }
    }
    KNOWN.with_borrow_mut(|known| {
        let texts = known
            .entry(versions.clone())
            .or_insert_with(|| Rc::new(read(&versions)));
        Rc::clone(texts)
    })
}

fn read(versions: &BTreeSet<Version>) -> Texts {
    let mut texts = Texts::default();
    for version in versions {
        for (template, _) in FIXTURES {
            let text = text(template, version.as_str());
            let place = TemplatePlace {
                digest: body_digest(&text),
                place: format!("/runs/{}/{template}-{version}", run()),
                bytes: text.len() as u64,
            };
            texts.templates.insert(place.digest.clone(), parsed(&text));
            texts.kept.insert(place.digest.clone(), place);
        }
    }
    texts
}

impl Site {
    /// Does what a step does.
    pub(crate) fn execute(&mut self, plan: &Plan, stage: &Stage, step: &Step) {
        match &step.act {
            Act::Remove { stack, .. } => {
                self.cloud.stacks.remove(stack).expect("it is there");
                self.cloud.machines.retain(|it| it.stack != *stack);
            }
            Act::Update { update } => {
                let texts = texts(plan);
                if update.mode == UpdateMode::Create {
                    let place = update.template.as_ref().expect("it has one");
                    self.make(&update.stack, place);
                }
                let stack = self.stack(&update.stack);
                if let Some(place) = &update.template {
                    stack.body = place.digest.clone();
                }
                let template = &texts.templates[&stack.body];
                let mut next = BTreeMap::new();
                for (name, wish) in &update.parameters {
                    let now = match wish {
                        ParameterWish::Previous => stack.parameters[name].clone(),
                        _ if template.parameters[name].no_echo => ParameterNow::masked(),
                        ParameterWish::Value { value } => ParameterNow::plain(value.clone()),
                        ParameterWish::Snapshot { stack, logical } => {
                            let store = snapshotted(stage, stack, logical);
                            ParameterNow::plain(handle(stage.round, store))
                        }
                        ParameterWish::Secret { .. } => ParameterNow::masked(),
                    };
                    next.insert(name.clone(), now);
                }
                stack.parameters = next;
                let resources = template.resources.iter();
                stack.resources = resources
                    .map(|(logical, resource)| StackResource {
                        logical: logical.clone(),
                        physical: None,
                        kind: resource.kind.clone(),
                        status: "UPDATE_COMPLETE".to_owned(),
                    })
                    .collect();
                let machine = stack.resource("Instance").is_some();
                let here = &mut self.cloud.machines;
                if machine && !here.iter().any(|it| it.stack == update.stack) {
                    here.push(Machine {
                        stack: update.stack.clone(),
                        logical: "Instance".to_owned(),
                        id: format!("i-of-step-{}", step.number),
                        state: "running".to_owned(),
                        launch: Launch::default(),
                        managed: Some(true),
                    });
                }
            }
            Act::Terminate { machine } => self.cloud.machines.retain(|it| it.id != machine.id),
            _ => {}
        }
    }

    /// The way back of a run of `plan`, which the checker must not object to.
    pub(crate) fn way_back(&self, plan: &Plan, proven: &Proven) -> Result<Planned, Problem> {
        let texts = texts(plan);
        let taken: Vec<Snapshot> = plan
            .steps()
            .filter(|(_, step)| proven.finished.contains(&step.number))
            .filter_map(|(stage, step)| match &step.act {
                Act::Snapshot { store, by } => Some(Snapshot {
                    by: *by,
                    store: store.clone(),
                    run: run(),
                    plan: plan.id.clone(),
                    round: stage.round,
                    handle: handle(stage.round, store),
                    at: Some("2026-11-21T03:00:00Z".to_owned()),
                }),
                _ => None,
            })
            .filter(|snapshot| !self.withheld.contains(&snapshot.handle))
            .collect();
        let planned = way_back(&BackInput {
            product: product(),
            config: &self.config,
            url: Some("https://thethings.example.com"),
            plan,
            proven,
            cloud: &self.cloud,
            templates: &texts.templates,
            kept: &texts.kept,
            snapshots: &taken,
            change_sets: &self.change_sets,
        })?;
        let objections = check_against(&planned.plan, product());
        if let Some(problem) = refusal(&objections) {
            panic!(
                "{problem}\n{:#?}\n{}",
                problem.causes,
                outline(&planned.plan)
            );
        }
        Ok(planned)
    }
}

fn snapshotted<'p>(stage: &'p Stage, stack: &str, logical: &str) -> &'p Store {
    let mut stores = stage.steps.iter().filter_map(|step| match &step.act {
        Act::Snapshot { store, .. } => Some(store),
        _ => None,
    });
    stores
        .find(|store| store.stack == stack && store.logical == logical)
        .expect("a snapshot was taken in this round")
}
