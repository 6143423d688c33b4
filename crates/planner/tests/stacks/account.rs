//! An account with stacks of our own, and everything that a plan for them is made from.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use switchback_model::config::{AwsConfig, AwsKind, AwsParameter};
use switchback_model::observed::Deployment;
use switchback_model::product::Product;
use switchback_model::stack::{
    Account, ChangeSet, Cloud, Domain, Drift, History, KeepBy, Launch, Machine, MachineGroup,
    ParameterNow, Stack, StackResource, StackStatus, Store, StoreKind, Template, TemplatePlace,
    body_digest,
};
use switchback_model::version::Range;
use switchback_model::{Digest, Problem, Version};
use switchback_planner::path::Query;
use switchback_planner::stack::{Input, build, templates_wanted};
use switchback_planner::{Planned, check_against, outline, refusal};

/// The fixtures, by the template's name today.
pub(crate) const FIXTURES: [(&str, &str); 17] = [
    ("1-1-vpc", include_str!("../fixtures/stacks/1-1-vpc.yml")),
    (
        "2-1-db-aurora-master",
        include_str!("../fixtures/stacks/2-1-db-aurora-master.yml"),
    ),
    (
        "2-3-db-redis",
        include_str!("../fixtures/stacks/2-3-db-redis.yml"),
    ),
    (
        "2-5-db-timescale-master",
        include_str!("../fixtures/stacks/2-5-db-timescale-master.yml"),
    ),
    (
        "3-2-load-balancer-rules",
        include_str!("../fixtures/stacks/3-2-load-balancer-rules.yml"),
    ),
    (
        "4-2a-configuration",
        include_str!("../fixtures/stacks/4-2a-configuration.yml"),
    ),
    (
        "5-1-ecs-cluster",
        include_str!("../fixtures/stacks/5-1-ecs-cluster.yml"),
    ),
    (
        "5-2-ecs-ops",
        include_str!("../fixtures/stacks/5-2-ecs-ops.yml"),
    ),
    (
        "5-3a-ecs-is-service",
        include_str!("../fixtures/stacks/5-3a-ecs-is-service.yml"),
    ),
    (
        "5-4-ecs-services",
        include_str!("../fixtures/stacks/5-4-ecs-services.yml"),
    ),
    (
        "5-6-ecs-monitoring",
        include_str!("../fixtures/stacks/5-6-ecs-monitoring.yml"),
    ),
    (
        "5-7-ecs-proxy",
        include_str!("../fixtures/stacks/5-7-ecs-proxy.yml"),
    ),
    (
        "5-8a-certs-le",
        include_str!("../fixtures/stacks/5-8a-certs-le.yml"),
    ),
    (
        "2-3-db-redis",
        include_str!("../fixtures/stacks/2-3-db-redis.yml"),
    ),
    ("ami-byol", include_str!("../fixtures/stacks/ami-byol.yml")),
    (
        "2-4c-mtls-s3",
        include_str!("../fixtures/stacks/2-4c-mtls-s3.yml"),
    ),
    (
        "2-6-db-timescale-replica",
        include_str!("../fixtures/stacks/2-6-db-timescale-replica.yml"),
    ),
];

pub(crate) fn product() -> &'static Product {
    static PRODUCT: OnceLock<Product> = OnceLock::new();
    PRODUCT.get_or_init(|| {
        switchback_catalog::load("the-things-stack")
            .expect("the product is built in")
            .expect("its definition is well-formed")
    })
}

/// The text of a template as a release has it.
pub(crate) fn text(template: &str, version: &str) -> String {
    let (_, fixture) = FIXTURES
        .iter()
        .find(|(name, _)| *name == template)
        .unwrap_or_else(|| panic!("no fixture of {template}"));
    let scheme = product().scheme;
    let mut text = String::new();
    for line in fixture.lines() {
        let kept = match line
            .strip_prefix("#[")
            .and_then(|rest| rest.split_once("] "))
        {
            None => Some(line),
            Some((range, rest)) => scheme
                .contains(&Range::new(range), &version.into())
                .expect("the range can be read")
                .then_some(rest),
        };
        if let Some(kept) = kept {
            text.push_str(&kept.replace("{version}", version));
            text.push('\n');
        }
    }
    text
}

pub(crate) fn parsed(text: &str) -> Template {
    Template::parse("fixture", text).unwrap_or_else(|faults| panic!("{}\n{text}", faults[0]))
}

/// An account, and what a plan for it is made from. Every field may be changed before the plan.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) config: AwsConfig,
    pub(crate) cloud: Cloud,
    pub(crate) query: Query,
    pub(crate) change_sets: BTreeMap<String, ChangeSet>,
    pub(crate) withheld: Vec<String>,
    /// The release whose templates lie where those of the target should.
    pub(crate) in_place_of: Option<String>,
    /// The definition that is planned with.
    pub(crate) product: &'static Product,
    templates: BTreeMap<Digest, Template>,
}

impl Site {
    fn new(kind: AwsKind, from: &str, to: &str) -> Self {
        Self {
            config: AwsConfig {
                kind,
                ..AwsConfig::default()
            },
            cloud: Cloud {
                account: Account {
                    id: "123456789012".to_owned(),
                    region: "eu-west-1".to_owned(),
                    partition: "aws".to_owned(),
                    caller: "arn:aws:iam::123456789012:user/ops".to_owned(),
                },
                stacks: BTreeMap::new(),
                tasks: Vec::new(),
                groups: Vec::new(),
                machines: Vec::new(),
                stores: Vec::new(),
                recalled: Vec::new(),
                domains: Vec::new(),
            },
            query: Query::new(from, to)
                .edition("enterprise")
                .driver(kind.driver())
                .feature("noc-wanted=0"),
            change_sets: BTreeMap::new(),
            withheld: Vec::new(),
            in_place_of: None,
            product: product(),
            templates: BTreeMap::new(),
        }
    }

    /// Numbered stacks at a release.
    pub(crate) fn numbered(from: &str, to: &str) -> Self {
        let mut site = Self::new(AwsKind::Cloudformation, from, to);
        for (template, _) in &FIXTURES[..13] {
            site.add(template, &format!("prod-{template}"), from);
        }
        site.add("2-3-db-redis", "prod-cache-2-3-db-redis", from);
        site.set("prod-cache-2-3-db-redis", "Purpose", "cache");
        site.set(
            "prod-3-2-load-balancer-rules",
            "TLSCertificateARN",
            "arn:aws:acm:1",
        );
        site.set("prod-4-2a-configuration", "Domain", "thethings.example.com");
        for stack in ["prod-5-2-ecs-ops", "prod-5-4-ecs-services"] {
            site.set(stack, "ApplicationServerStorageEnabled", "true");
        }
        site.say("prod-2-5-db-timescale-master", "DBEngineVersion", "12");
        site.say(
            "prod-2-5-db-timescale-master",
            "DBTimescaleDBExtensionVersion",
            "2.5.1",
        );
        site.machine("prod-2-5-db-timescale-master", "Instance", "i-timescale");
        site.store(
            "prod-2-5-db-timescale-master",
            "Volume",
            StoreKind::Volume,
            "vol-1",
        );
        site.store(
            "prod-2-1-db-aurora-master",
            "DBCluster",
            StoreKind::DatabaseCluster,
            "aurora",
        );
        site.store(
            "prod-2-3-db-redis",
            "ReplicationGroup",
            StoreKind::ReplicationGroup,
            "redis",
        );
        site.cloud.groups.push(MachineGroup {
            stack: "prod-5-1-ecs-cluster".to_owned(),
            logical: "AutoScalingGroup".to_owned(),
            name: "asg".to_owned(),
            launch: Launch::default(),
            machines: Vec::new(),
        });
        site
    }

    /// The one stack of a single machine at a release.
    pub(crate) fn single(from: &str, to: &str) -> Self {
        let mut site = Self::new(AwsKind::Ami, from, to);
        site.add("ami-byol", "tts", from);
        site.config
            .stacks
            .insert("tts".to_owned(), "ami-byol".to_owned());
        site.set("tts", "Domain", "thethings.example.com");
        site.machine("tts", "Instance", "i-tts");
        site.store("tts", "Database", StoreKind::DatabaseInstance, "tts-db");
        site.store("tts", "Redis", StoreKind::ReplicationGroup, "tts-redis");
        site.cloud.domains.push(Domain {
            name: "thethings.example.com".to_owned(),
            custom: false,
            issued: Vec::new(),
        });
        site
    }

    fn add(&mut self, template: &str, name: &str, version: &str) {
        let text = text(template, version);
        let template = parsed(&text);
        let parameters = template
            .parameters
            .iter()
            .map(|(name, parameter)| {
                let now = match parameter.no_echo {
                    true => ParameterNow::masked(),
                    false => ParameterNow::plain(parameter.default.clone().unwrap_or_default()),
                };
                (name.clone(), now)
            })
            .collect();
        let resources = template
            .resources
            .iter()
            .map(|(logical, resource)| StackResource {
                logical: logical.clone(),
                physical: Some(format!("{name}-{logical}")),
                kind: resource.kind.clone(),
                status: "CREATE_COMPLETE".to_owned(),
            })
            .collect();
        let stack = Stack {
            parameters,
            body: body_digest(&text),
            resources,
            ..empty(name)
        };
        self.templates.insert(stack.body.clone(), template);
        self.cloud.stacks.insert(name.to_owned(), stack);
    }

    /// A stack that is made, before anything is in it.
    pub(crate) fn make(&mut self, name: &str, place: &TemplatePlace) {
        let made = Stack {
            body: place.digest.clone(),
            ..empty(name)
        };
        let was = self.cloud.stacks.insert(name.to_owned(), made);
        assert!(was.is_none(), "{name} is there already");
    }

    pub(crate) fn stack(&mut self, name: &str) -> &mut Stack {
        self.cloud
            .stacks
            .get_mut(name)
            .expect("there is this stack")
    }

    /// What a service keeps of a store's past.
    pub(crate) fn remembers(&mut self, logical: &str, history: History) {
        let mut stores = self.cloud.stores.iter_mut();
        let store = stores.find(|store| store.logical == logical);
        store.expect("there is this store").history = Some(history);
    }

    /// How the operator wants a database to be kept.
    pub(crate) fn keep(&mut self, stack: &str, logical: &str, by: KeepBy) {
        let said = self.config.keep.entry(stack.to_owned()).or_default();
        said.insert(logical.to_owned(), by);
    }

    /// What a parameter of a stack is.
    pub(crate) fn set(&mut self, stack: &str, parameter: &str, value: &str) {
        self.stack(stack)
            .parameters
            .insert(parameter.to_owned(), ParameterNow::plain(value));
    }

    /// A stack that the operator wants, of a template.
    pub(crate) fn want(&mut self, stack: &str, template: &str) {
        let add = &mut self.config.add;
        add.insert(stack.to_owned(), template.to_owned());
    }

    /// What the operator says a parameter shall be.
    pub(crate) fn say(&mut self, stack: &str, parameter: &str, value: &str) {
        self.config
            .parameters
            .entry(stack.to_owned())
            .or_default()
            .insert(parameter.to_owned(), AwsParameter::Value(value.to_owned()));
    }

    fn machine(&mut self, stack: &str, logical: &str, id: &str) {
        self.cloud.machines.push(Machine {
            stack: stack.to_owned(),
            logical: logical.to_owned(),
            id: id.to_owned(),
            state: "running".to_owned(),
            launch: Launch::default(),
            managed: Some(true),
        });
    }

    pub(crate) fn store(&mut self, stack: &str, logical: &str, kind: StoreKind, physical: &str) {
        self.cloud.stores.push(Store {
            stack: stack.to_owned(),
            logical: logical.to_owned(),
            physical: physical.to_owned(),
            kind,
            engine: None,
            gibibytes: Some(20),
            history: None,
        });
    }

    /// The plan, which the checker must not object to.
    pub(crate) fn plan(&self) -> Result<Planned, Problem> {
        let product = self.product;
        let mut templates = self.templates.clone();
        let mut offered = BTreeMap::new();
        let wanted = templates_wanted(product, &self.config, &self.query, &self.cloud)?;
        for wanted in wanted {
            let known = FIXTURES.iter().any(|(name, _)| *name == wanted.template);
            if !known || self.withheld.contains(&wanted.template) {
                continue;
            }
            let release = self.in_place_of.as_deref();
            let text = text(&wanted.template, release.unwrap_or(wanted.version.as_str()));
            let digest = body_digest(&text);
            templates.insert(digest.clone(), parsed(&text));
            let place = TemplatePlace {
                digest,
                place: format!("/templates/{}/{}.yml", wanted.version, wanted.template),
                bytes: text.len() as u64,
            };
            offered.insert((wanted.template, wanted.version), place);
        }
        let planned = build(&Input {
            product,
            config: &self.config,
            url: Some("https://thethings.example.com"),
            query: &self.query,
            deployment: &Deployment {
                name: "prod".to_owned(),
                directory: "/srv/prod".to_owned(),
                driver: self.config.kind.driver().to_owned(),
                project: "123456789012/eu-west-1".to_owned(),
            },
            cloud: &self.cloud,
            templates: &templates,
            offered: &offered,
            change_sets: &self.change_sets,
            parent: None,
        })?;
        let objections = check_against(&planned.plan, product);
        if let Some(problem) = refusal(&objections) {
            panic!(
                "{problem}\n{:#?}\n{}",
                problem.causes,
                outline(&planned.plan)
            );
        }
        Ok(planned)
    }

    pub(crate) fn planned(&self) -> Planned {
        self.plan()
            .unwrap_or_else(|problem| panic!("{}", told(&problem)))
    }

    pub(crate) fn refused(&self) -> String {
        match self.plan() {
            Err(problem) => told(&problem),
            Ok(planned) => panic!("{}", outline(&planned.plan)),
        }
    }
}

fn empty(name: &str) -> Stack {
    Stack {
        name: name.to_owned(),
        id: format!("arn:aws:cloudformation:eu-west-1:123456789012:stack/{name}/1"),
        template: None,
        status: StackStatus::new("UPDATE_COMPLETE"),
        reason: None,
        parameters: BTreeMap::new(),
        outputs: BTreeMap::new(),
        imports: Vec::new(),
        body: body_digest(""),
        resources: Vec::new(),
        capabilities: Vec::new(),
        tags: BTreeMap::new(),
        protected: false,
        drift: Drift::Unknown,
        events: Vec::new(),
    }
}

/// A problem in all its parts.
pub(crate) fn told(problem: &Problem) -> String {
    let mut text = format!("{}: {}\n", problem.code, problem.what);
    for state in &problem.state {
        let seen = state.seen.as_deref().unwrap_or("unknown");
        text.push_str(&format!("state: {}: {seen}\n", state.subject));
    }
    for cause in &problem.causes {
        text.push_str(&format!("caused by: {cause}\n"));
    }
    if let Some(why) = &problem.why {
        text.push_str(&format!("why: {why}\n"));
    }
    for hint in &problem.hints {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text
}

pub(crate) fn version(text: &str) -> Version {
    text.into()
}
