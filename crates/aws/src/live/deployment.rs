//! A whole deployment of stacks at a stand-in, and what an operator's commands do with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use switchback_engine::ports::Site;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_engine::{Ended, Engine, Order};
use switchback_journal::{Key, StateDirectory, StepStatus};
use switchback_model::config::{AwsConfig, AwsKind};
use switchback_model::event::Event;
use switchback_model::plan::{Act, Plan};
use switchback_model::product::Product;
use switchback_model::stack::{
    ChangeSet, ChangeSetState, ParameterWish, Template, UpdateMode, body_digest,
};
use switchback_model::{Digest, Problem, RunId, observed};
use switchback_planner::path::Query;
use switchback_planner::stack::{BackInput, Input, build, templates_wanted, way_back};
use switchback_planner::{Planned, Proven, check_against, outline, refusal};
use switchback_testkit::crash::{Crashed, survive};

use super::dying::{Dying, Witness, process};
use super::releases::text;
use super::{deploy, place, within_policy};
use crate::stacks::read;
use crate::{
    Account, Conduct, Observation, Operations, Settings, Wanted, kept_snapshots, kept_templates,
    observe, preview,
};

/// What each stack has: the digest of its template, and its parameters but for what names snapshots.
pub(super) type Stood = BTreeMap<String, (Digest, BTreeMap<String, Option<String>>)>;

/// Stacks, their templates, and the state that is kept beside them.
pub(super) struct Deployment {
    settings: Settings,
    operations: Operations,
    directory: tempfile::TempDir,
    state: StateDirectory,
    product: Product,
    /// What the operator says.
    pub(super) config: AwsConfig,
    features: &'static [&'static str],
}

impl Deployment {
    /// Nothing yet, in the account that `settings` reach.
    pub(super) fn new(
        settings: Settings,
        operations: Operations,
        config: AwsConfig,
        features: &'static [&'static str],
    ) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let product = switchback_catalog::load("the-things-stack")
            .expect("the product is built in")
            .expect("its definition is well-formed");
        Self {
            state: StateDirectory::open(directory.path().join("state")).expect("a state"),
            settings,
            operations,
            directory,
            product,
            config,
            features,
        }
    }

    /// The account, as a new process opens it.
    pub(super) fn account(&self) -> Rc<Account> {
        Rc::new(Account::open(&self.settings).expect("the stand-in says who asks"))
    }

    /// Makes a stack as an operator would have, long before, with those of `parameters` that its template has.
    pub(super) fn make(
        &self,
        stack: &str,
        template: &str,
        version: &str,
        parameters: &[(&str, &str)],
    ) {
        let text = text(&self.product, template, version);
        let path = self.directory.path().join(format!("{stack}.yml"));
        fs::write(&path, &text).expect("written");
        let own = |name: &str| text.contains(&format!("\n  {name}:"));
        let parameters: Vec<(&str, &str)> = parameters
            .iter()
            .copied()
            .filter(|(name, _)| own(name))
            .collect();
        deploy(&self.account(), stack, &path.to_string_lossy(), &parameters);
    }

    /// What the parameter of a stack is.
    pub(super) fn parameter(&self, stack: &str, name: &str) -> String {
        let now = read::one(&self.account(), stack)
            .expect("read")
            .expect("there");
        now.parameter(name).unwrap_or_default().to_owned()
    }

    /// What is there now.
    pub(super) fn stood(&self) -> Stood {
        let seen = self.seen(&self.account());
        let stacks = seen.cloud.stacks.into_iter();
        stacks
            .map(|(name, stack)| {
                let parameters = stack.parameters.into_iter();
                let parameters = parameters
                    .filter(|(name, _)| !name.contains("Snapshot"))
                    .map(|(name, now)| (name, now.value));
                (name, (stack.body, parameters.collect()))
            })
            .collect()
    }

    /// Observes and plans, as the command does.
    pub(super) fn plan(&self, account: &Account, from: &str, to: &str) -> Plan {
        let seen = self.seen(account);
        let features = self.features.iter();
        let query = features.fold(
            Query::new(from, to)
                .edition("enterprise")
                .driver(self.config.kind.driver()),
            |query, feature| query.feature(feature),
        );
        let mut templates = parsed(seen.texts.values());
        let mut offered = BTreeMap::new();
        let wanted = templates_wanted(&self.product, &self.config, &query, &seen.cloud);
        for wanted in wanted.expect("there is a way") {
            let text = text(&self.product, &wanted.template, wanted.version.as_str());
            let file = format!("{}-{}.yml", wanted.template, wanted.version);
            let path = self.directory.path().join(file);
            fs::write(&path, &text).expect("written");
            templates.extend(parsed([&text]));
            let place = place(&path.to_string_lossy());
            offered.insert((wanted.template, wanted.version), place);
        }
        let plan = |change_sets: &BTreeMap<String, ChangeSet>| {
            build(&Input {
                product: &self.product,
                config: &self.config,
                url: None,
                query: &query,
                deployment: &self.itself(),
                cloud: &seen.cloud,
                templates: &templates,
                offered: &offered,
                change_sets,
                parent: self.last_run().as_ref(),
            })
        };
        let planned = self.reviewed(account, plan);
        let plan = planned.unwrap_or_else(|problem| panic!("{problem:?}"));
        within_policy(account);
        self.sound(&plan);
        plan
    }

    /// Looks, and plans the way back, as the command does.
    pub(super) fn way_back(&self, plan: &Plan, run: &RunId) -> Result<Plan, Problem> {
        let account = self.account();
        let seen = self.seen(&account);
        let places = plan.stages.iter().map(|stage| {
            let place = self.state.backups_of_round(&self.key(), stage.round);
            (stage.round, place)
        });
        let places = places.collect();
        let snapshots = kept_snapshots(&account, plan, run, &places).expect("told");
        let texts = kept_templates(&self.backups(plan), run).expect("read");
        let mut templates = parsed(seen.texts.values());
        templates.extend(parsed(texts.values().map(|(_, text)| text)));
        let kept = texts
            .into_iter()
            .map(|(digest, (place, _))| (digest, place))
            .collect();
        let proven = self.proven(run);
        let mut back = self.reviewed(&account, |change_sets| {
            way_back(&BackInput {
                product: &self.product,
                config: &self.config,
                url: None,
                plan,
                proven: &proven,
                cloud: &seen.cloud,
                templates: &templates,
                kept: &kept,
                snapshots: &snapshots,
                change_sets,
            })
        })?;
        within_policy(&account);
        back.parent = self.last_run();
        let back = back.seal();
        self.sound(&back);
        Ok(back)
    }

    /// A process works on the run until it ends or dies; with the account that it asked.
    pub(super) fn work(
        &self,
        plan: &Plan,
        run: &RunId,
        witness: &Witness<'_>,
    ) -> (Result<Ended, Crashed>, Rc<Account>) {
        let engine = Engine::new(
            self.state.clone(),
            Redactor::default(),
            StopSignal::default(),
        )
        .with_process(process());
        let account = self.account();
        let site = Site {
            driver: Box::new(Dying::new(&account, self.conduct(), witness.crash)),
            datastores: BTreeMap::new(),
        };
        let notices = plan.notices.iter();
        let accepted: Vec<String> = notices.filter_map(|it| it.accept.clone()).collect();
        let order = Order {
            plan,
            run,
            deployment: &plan.deployment,
            accepted: &accepted,
            done: &[],
            by: "tester@lab",
            program: "0.0.0",
        };
        let ended = survive(|| {
            engine
                .run(&order, &site, witness)
                .expect("the order is taken")
        });
        within_policy(&account);
        (ended, account)
    }

    /// What the journal has of a run.
    pub(super) fn events(&self, run: &RunId) -> Vec<Event> {
        let journal = self.state.journal().expect("a journal");
        let events = journal.events(run).expect("read");
        events.into_iter().map(|stamped| stamped.event).collect()
    }

    /// How migrations run.
    pub(super) fn operations(&self) -> &Operations {
        &self.operations
    }

    /// Plans, asks the stand-in what the first update of each stack would change, and plans again with that.
    fn reviewed(
        &self,
        account: &Account,
        plan: impl Fn(&BTreeMap<String, ChangeSet>) -> Result<Planned, Problem>,
    ) -> Result<Plan, Problem> {
        let first = plan(&BTreeMap::new())?.plan;
        let mut change_sets = BTreeMap::new();
        let mut known = Vec::new();
        for (_, step) in first.steps() {
            let Act::Update { update } = &step.act else {
                continue;
            };
            let mut wishes = update.parameters.values();
            let waits = wishes.any(|wish| matches!(wish, ParameterWish::Snapshot { .. }));
            let seen = known.contains(&&update.stack);
            known.push(&update.stack);
            if waits || seen || update.mode == UpdateMode::Create {
                continue;
            }
            let set = preview(account, &self.conduct(), update, &StopSignal::default());
            let set = set.unwrap_or_else(|failure| panic!("{}: {failure:?}", update.stack));
            if !matches!(set.state, ChangeSetState::Failed { .. }) {
                change_sets.insert(update.stack.clone(), set);
            }
        }
        Ok(plan(&change_sets)?.plan)
    }

    fn seen(&self, account: &Account) -> Observation {
        let wanted = Wanted {
            imports: true,
            drift: self.config.kind == AwsKind::Ami,
            ..Wanted::of(&self.config)
        };
        observe(account, &wanted, &|_| ()).expect("observed")
    }

    fn sound(&self, plan: &Plan) {
        let objections = check_against(plan, &self.product);
        if let Some(problem) = refusal(&objections) {
            panic!("{problem:?}\n{}", outline(plan));
        }
    }

    fn conduct(&self) -> Conduct {
        Conduct {
            operations: self.operations.clone(),
            bucket: None,
            directory: self.directory.path().to_owned(),
        }
    }

    fn itself(&self) -> observed::Deployment {
        observed::Deployment {
            name: "tts".to_owned(),
            directory: self.directory.path().to_string_lossy().into_owned(),
            driver: self.config.kind.driver().to_owned(),
            project: "123456789012/us-east-1".to_owned(),
        }
    }

    fn key(&self) -> Key {
        let itself = self.itself();
        Key {
            deployment: itself.name,
            directory: itself.directory,
        }
    }

    fn backups(&self, plan: &Plan) -> Vec<PathBuf> {
        let rounds = plan.stages.iter().map(|stage| stage.round);
        rounds
            .map(|round| self.state.backups_of_round(&self.key(), round))
            .collect()
    }

    fn last_run(&self) -> Option<RunId> {
        let journal = self.state.journal().expect("a journal");
        let last = journal.last_run(&self.key()).expect("read");
        last.map(|record| record.run)
    }

    fn proven(&self, run: &RunId) -> Proven {
        let journal = self.state.journal().expect("a journal");
        let steps = journal.state(run).expect("read").steps;
        let of = |wanted: &dyn Fn(&StepStatus) -> bool| {
            let steps = steps.iter().filter(|(_, status)| wanted(status));
            steps.map(|(number, _)| *number).collect()
        };
        Proven {
            run: run.clone(),
            begun: of(&|status| *status != StepStatus::NotStarted),
            finished: of(&|status| matches!(status, StepStatus::Finished { .. })),
            writing_seconds: None,
        }
    }
}

fn parsed<'t>(texts: impl IntoIterator<Item = &'t String>) -> BTreeMap<Digest, Template> {
    let parse = |text: &String| {
        let template = Template::parse("a template", text);
        let template = template.unwrap_or_else(|faults| panic!("{}\n{text}", faults[0]));
        (body_digest(text), template)
    };
    texts.into_iter().map(parse).collect()
}
