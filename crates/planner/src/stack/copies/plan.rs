//! The plan that makes copies of databases and migrates them.

use std::collections::BTreeMap;

use switchback_model::config::{SecretRef, Unit};
use switchback_model::plan::{
    Act, Expectation, FORMAT, Forecast, Interrupted, Origin, Plan, Purpose, Stage, StageKind, Step,
    WayBack,
};
use switchback_model::stack::{
    ChangeAction, ExpectedChanges, ForeseenChange, KeepBy, ParameterWish, REHEARSAL, Replacement,
    Served, StackIs, StackUpdate, TaskDefinition, TemplatePlace, UpdateMode, body_digest,
};
use switchback_model::{PlanId, ServiceName, Version, pattern};

use super::environment::{environment, is_of_production};
use super::input::{Copies, CopyInput, LeftOut};
use super::lead::{self, Lead};
use super::operations::{Operations, operations};
use super::template::{self, Drawing, Drawn, IMAGE, TASK};
use crate::draft::Draft;
use crate::stack::cost::Billed;

/// Plans copies and their migrations. A pure function: equal inputs, equal bytes.
pub fn copies(input: &CopyInput<'_>) -> Copies {
    let operations = operations(input);
    let mut lead = Lead::of(input, operations.as_ref());
    let stack = format!("{REHEARSAL}{}", input.id);
    let mut copies = Copies {
        plan: None,
        stack,
        files: BTreeMap::new(),
        left: std::mem::take(&mut lead.left),
        withheld: Vec::new(),
        made: Vec::new(),
        billed: Vec::new(),
    };
    let (Some(operations), Some(definition)) = (operations, input.definition) else {
        return copies;
    };
    let Ok(container) = lead::task(input, Some(&operations)) else {
        return copies;
    };
    if lead.steps.is_empty() {
        return copies;
    }
    let environment = environment(input, container, &lead.databases);
    let secrets = &input.product.secrets;
    let drawn = template::draw(&Drawing {
        stack: &copies.stack,
        place: &operations.place,
        output: operations.output,
        definition,
        container,
        databases: &lead.databases,
        environment: &environment,
        is_secret: &|name| secrets.iter().any(|it| pattern::matches(it, name)),
    });
    // The last look before it is handed out: neither text nor secrets may name an address of production.
    let mut said = drawn.secrets.values().chain([&drawn.text]);
    if said.any(|text| is_of_production(input, text)) {
        let left = lead.steps.iter().filter_map(|(_, step)| {
            LeftOut::of(step, "what its task is told still leads to production")
        });
        copies.left.extend(left);
        return copies;
    }
    copies.withheld = environment.withheld;
    copies.made = made(&lead, &operations, definition);
    copies.billed = billed(&lead, definition);
    let mut composer = Composer::new(input, &copies.stack, &drawn, &lead.databases);
    copies.plan = Some(composer.plan(&lead));
    copies.files = composer.files();
    copies
}

/// What is made and costs something, for people.
fn made(lead: &Lead<'_>, operations: &Operations<'_>, definition: &TaskDefinition) -> Vec<String> {
    let mut made = Vec::new();
    for served in &lead.databases {
        let store = &served.store;
        let size = store.gibibytes.map_or_else(
            || "as large as its data".to_owned(),
            |size| format!("{size} GiB"),
        );
        made.push(format!(
            "a snapshot of the {} `{}`, {size}",
            store.kind.word(),
            store.physical
        ));
        if let Some(database) = &served.database {
            made.push(format!(
                "a {} restored from it: one server `{}`, {} {}, in `{}`, reached by the migrations alone",
                store.kind.word(),
                database.class,
                database.engine,
                database.version,
                database.subnets
            ));
        }
    }
    let size: Vec<String> = [
        definition.cpu.as_ref().map(|it| format!("{it} CPU units")),
        definition.memory.as_ref().map(|it| format!("{it} MiB")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let tasks = match lead.steps.len() {
        1 => "1 task".to_owned(),
        several => format!("{several} tasks, one after the other"),
    };
    made.push(format!(
        "{tasks} in `{}`, {}",
        operations.place.cluster,
        size.join(", ")
    ));
    made
}

/// The same in the units of AWS. Tasks run one after the other, so there is one at a time.
fn billed(lead: &Lead<'_>, definition: &TaskDefinition) -> Vec<Billed> {
    let mut billed = Vec::new();
    for served in &lead.databases {
        let (store, size) = (&served.store, served.store.gibibytes);
        let of = format!("of the {} `{}`", store.kind.word(), store.physical);
        billed.push(Billed::whole(
            format!("the snapshot {of}"),
            Unit::Snapshot,
            size,
        ));
        billed.push(Billed::whole(
            format!("storage of the copy {of}"),
            Unit::Storage,
            size,
        ));
        if let Some(database) = &served.database {
            let server = Unit::Server(database.class.clone());
            billed.push(Billed::whole(
                format!("the server of the copy {of}"),
                server,
                Some(1),
            ));
        }
    }
    // A thousand and twenty-four units are a processor, as many MiB a GiB.
    let parts = |said: &Option<String>| {
        let said = said.as_ref().and_then(|said| said.parse::<u64>().ok());
        said.map(|said| said.saturating_mul(1_000).div_ceil(1_024))
    };
    let sizes = [
        (Unit::TaskProcessor, parts(&definition.cpu)),
        (Unit::TaskMemory, parts(&definition.memory)),
    ];
    billed.extend(sizes.into_iter().map(|(unit, thousandths)| Billed {
        what: "a task, while migrations run".to_owned(),
        unit,
        thousandths,
    }));
    billed
}

struct Composer<'a> {
    input: &'a CopyInput<'a>,
    stack: &'a str,
    drawn: &'a Drawn,
    databases: &'a [&'a Served],
    template: TemplatePlace,
    parameters: BTreeMap<String, Option<String>>,
    next: u32,
}

impl<'a> Composer<'a> {
    fn new(
        input: &'a CopyInput<'a>,
        stack: &'a str,
        drawn: &'a Drawn,
        databases: &'a [&'a Served],
    ) -> Self {
        let snapshots = (0..databases.len()).map(template::snapshot);
        let masked = drawn.secrets.keys().cloned();
        let parameters = snapshots.chain(masked).map(|name| (name, None)).collect();
        Self {
            input,
            stack,
            drawn,
            databases,
            template: TemplatePlace {
                digest: body_digest(&drawn.text),
                place: format!("{}/copies.json", input.directory),
                bytes: drawn.text.len() as u64,
            },
            parameters,
            next: 1,
        }
    }

    fn files(&self) -> BTreeMap<String, String> {
        let secrets = self.drawn.secrets.iter();
        let mut files: BTreeMap<String, String> = secrets
            .map(|(name, value)| (self.secret(name), value.clone()))
            .collect();
        files.insert(self.template.place.clone(), self.drawn.text.clone());
        files
    }

    fn secret(&self, parameter: &str) -> String {
        format!("{}/{parameter}", self.input.directory)
    }

    fn plan(&mut self, lead: &Lead<'_>) -> Plan {
        let mut stages: Vec<Stage> = Vec::new();
        for (_, step) in &lead.steps {
            let Act::Migrate { version, image, .. } = &step.act else {
                continue;
            };
            let mut steps = self.prepared(&image.reference, version);
            steps.extend(self.migrated(step));
            match stages.last_mut() {
                Some(stage) if matches!(&stage.kind, StageKind::Migrate { to } if to == version) => {
                    stage.steps.extend(steps);
                }
                _ => stages.push(Stage {
                    kind: StageKind::Migrate {
                        to: version.clone(),
                    },
                    required_by: Vec::new(),
                    // Nobody writes to a copy between two versions.
                    round: 1,
                    steps,
                }),
            }
        }
        let of = self.input.plan;
        Plan {
            format: FORMAT,
            id: PlanId::new(""),
            purpose: Purpose::Rehearsal { of: of.id.clone() },
            parent: None,
            deployment: of.deployment.clone(),
            account: of.account.clone(),
            product: of.product.clone(),
            product_name: of.product_name.clone(),
            edition: of.edition.clone(),
            definition: of.definition.clone(),
            from: of.from.clone(),
            to: of.to.clone(),
            because: Vec::new(),
            notices: Vec::new(),
            procedures: Vec::new(),
            origin: Origin::default(),
            datastores: BTreeMap::new(),
            stages,
            forecast: Forecast::default(),
            advice: of.advice.clone(),
            secrets: of.secrets.clone(),
        }
        .seal()
    }

    /// What comes before a migration with this image: everything before the first one, another task for another image.
    fn prepared(&mut self, image: &str, version: &Version) -> Vec<Step> {
        let was = self.parameters.get(IMAGE).cloned().flatten();
        if was.as_deref() == Some(image) {
            return Vec::new();
        }
        let first = was.is_none();
        let before = match first {
            true => Expectation::NoStack {
                stack: self.stack.to_owned(),
            },
            false => Expectation::Stack { is: self.is() },
        };
        let mut steps = Vec::new();
        if first {
            steps.extend(self.snapshots());
        }
        self.parameters
            .insert(IMAGE.to_owned(), Some(image.to_owned()));
        let update = StackUpdate {
            stack: self.stack.to_owned(),
            of: "copies".to_owned(),
            mode: match first {
                true => UpdateMode::Create,
                false => UpdateMode::Update,
            },
            template: first.then(|| self.template.clone()),
            parameters: self.wishes(first),
            capabilities: Vec::new(),
            tags: BTreeMap::from([("switchback".to_owned(), self.stack.to_owned())]),
            expected: ExpectedChanges::Foreseen {
                changes: self.foreseen(first),
            },
            version: version.clone(),
        };
        let after = vec![Expectation::Stack { is: self.is() }];
        steps.push(self.step(Draft {
            before: vec![before],
            after,
            ..Draft::new(Act::Update { update })
        }));
        steps
    }

    fn snapshots(&mut self) -> Vec<Step> {
        let databases = self.databases.iter();
        let drafts: Vec<Draft> = databases
            .map(|served| Draft {
                after: vec![Expectation::Snapshotted {
                    stack: served.store.stack.clone(),
                    logical: served.store.logical.clone(),
                }],
                because: Some("what is copied, as it is now".to_owned()),
                ..Draft::new(Act::Snapshot {
                    by: KeepBy::Snapshot,
                    store: served.store.clone(),
                })
            })
            .collect();
        drafts.into_iter().map(|draft| self.step(draft)).collect()
    }

    fn wishes(&self, first: bool) -> BTreeMap<String, ParameterWish> {
        let mut wishes = BTreeMap::new();
        for (name, value) in &self.parameters {
            let wish = match value {
                Some(value) => ParameterWish::Value {
                    value: value.clone(),
                },
                None if first => ParameterWish::Secret {
                    from: SecretRef::File(self.secret(name)),
                },
                None => ParameterWish::Previous,
            };
            wishes.insert(name.clone(), wish);
        }
        for (place, served) in self.databases.iter().enumerate().filter(|_| first) {
            let wish = ParameterWish::Snapshot {
                stack: served.store.stack.clone(),
                logical: served.store.logical.clone(),
            };
            wishes.insert(template::snapshot(place), wish);
        }
        wishes
    }

    fn foreseen(&self, first: bool) -> Vec<ForeseenChange> {
        let resources = self.drawn.resources.iter();
        resources
            .filter(|(name, _)| first || name == TASK)
            .map(|(name, kind)| ForeseenChange {
                logical: name.clone(),
                kind: kind.clone(),
                action: match first {
                    true => ChangeAction::Add,
                    false => ChangeAction::Modify,
                },
                replacement: match first {
                    true => Replacement::Never,
                    false => Replacement::Always,
                },
            })
            .collect()
    }

    /// The migration as the plan has it, run from the copy's own stack.
    fn migrated(&mut self, step: &Step) -> Option<Step> {
        let mut act = step.act.clone();
        let Act::Migrate {
            service,
            migration,
            version,
            ..
        } = &mut act
        else {
            return None;
        };
        *service = ServiceName::new(self.stack);
        let after = vec![Expectation::Migrated {
            migration: migration.clone(),
            version: version.clone(),
        }];
        let draft = Draft {
            act,
            before: vec![Expectation::Stack { is: self.is() }],
            after,
            interrupted: match &step.interrupted {
                Interrupted::RestoreFirst { because, .. } => Interrupted::Halt {
                    because: because.clone(),
                },
                other => other.clone(),
            },
            because: step.because.clone(),
        };
        Some(self.step(draft))
    }

    fn step(&mut self, draft: Draft) -> Step {
        let number = self.next;
        self.next += 1;
        let way_back = match draft.act {
            Act::Snapshot { .. } => WayBack::NotNeeded,
            _ => WayBack::None {
                because: "it is a copy, and removed afterwards".to_owned(),
            },
        };
        draft.at(number, way_back, false)
    }

    fn is(&self) -> StackIs {
        StackIs {
            stack: self.stack.to_owned(),
            id: None,
            body: self.template.digest.clone(),
            parameters: self.parameters.clone(),
        }
    }
}
