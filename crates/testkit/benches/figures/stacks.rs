//! What planning a deployment of thirty stacks costs beside what the provider takes to answer.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use switchback_model::config::{AwsConfig, AwsKind, AwsParameter};
use switchback_model::observed::Deployment;
use switchback_model::product::Product;
use switchback_model::stack::{
    Account, Cloud, Drift, ParameterNow, Stack, StackResource, StackStatus, Store, StoreKind,
    Template, TemplatePlace, body_digest,
};
use switchback_model::{Digest, Version};
use switchback_planner::check_against;
use switchback_planner::path::Query;
use switchback_planner::stack::{Input, build, templates_wanted};
use switchback_testkit::aws::as_released;

use super::median;

/// Stacks of the deployment.
pub(crate) const STACKS: usize = 30;
const FROM: &str = "3.14.0";
const TO: &str = "3.26.0";

/// Templates of the planner's own tests.
macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../planner/tests/fixtures/stacks/", $name, ".yml")))),*]
    };
}

const TEMPLATES: [(&str, &str); 13] = templates![
    "1-1-vpc",
    "2-1-db-aurora-master",
    "2-3-db-redis",
    "2-5-db-timescale-master",
    "3-2-load-balancer-rules",
    "4-2a-configuration",
    "5-1-ecs-cluster",
    "5-2-ecs-ops",
    "5-3a-ecs-is-service",
    "5-4-ecs-services",
    "5-6-ecs-monitoring",
    "5-7-ecs-proxy",
    "5-8a-certs-le",
];

/// Median milliseconds from what was observed to a plan that was checked, and how many steps it has. Planned twice, as the
/// command does: once to know which change sets to ask for, once with them.
pub(crate) fn planning(product: &Product) -> (f64, usize) {
    let site = Site::new(product);
    let steps = site.planned(product);
    let mut times: Vec<f64> = (0..9)
        .map(|_| {
            let since = Instant::now();
            black_box(site.planned(black_box(product)));
            since.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    (median(&mut times), steps)
}

struct Site {
    config: AwsConfig,
    cloud: Cloud,
    /// The text of each stack's template.
    texts: Vec<String>,
    query: Query,
}

impl Site {
    fn new(product: &Product) -> Self {
        let mut config = AwsConfig {
            kind: AwsKind::Cloudformation,
            ..AwsConfig::default()
        };
        let mut stacks = BTreeMap::new();
        let mut stores = Vec::new();
        let mut texts = Vec::new();
        // One whole deployment, then caches.
        let redis = TEMPLATES[2];
        let names = TEMPLATES.iter().chain(std::iter::repeat(&redis));
        for (number, (template, marked)) in names.take(STACKS).enumerate() {
            let name = format!("prod-{number}-{template}");
            let text = as_released(marked, product.scheme, template, FROM);
            let stack = stack(&name, &text);
            stores.extend(
                stack
                    .resources
                    .iter()
                    .filter_map(|resource| store(&name, resource)),
            );
            stacks.insert(name.clone(), stack);
            texts.push(text);
            config.stacks.insert(name.clone(), (*template).to_owned());
            if *template == "2-5-db-timescale-master" {
                let said = [
                    ("DBEngineVersion", "12"),
                    ("DBTimescaleDBExtensionVersion", "2.5.1"),
                ];
                let said = said
                    .map(|(key, value)| (key.to_owned(), AwsParameter::Value(value.to_owned())));
                config.parameters.insert(name, said.into());
            }
        }
        Self {
            config,
            cloud: Cloud {
                account: Account {
                    id: "123456789012".to_owned(),
                    region: "eu-west-1".to_owned(),
                    partition: "aws".to_owned(),
                    caller: "arn:aws:iam::123456789012:user/ops".to_owned(),
                },
                stacks,
                tasks: Vec::new(),
                groups: Vec::new(),
                machines: Vec::new(),
                stores,
                recalled: Vec::new(),
                domains: Vec::new(),
            },
            texts,
            query: Query::new(FROM, TO)
                .edition("enterprise")
                .driver("cloudformation")
                .feature("noc-wanted=0"),
        }
    }

    /// Steps of the plan.
    fn planned(&self, product: &Product) -> usize {
        let mut templates: BTreeMap<Digest, Template> = BTreeMap::new();
        for text in &self.texts {
            templates.insert(body_digest(text), parsed(text));
        }
        let wanted = templates_wanted(product, &self.config, &self.query, &self.cloud);
        let mut offered: BTreeMap<(String, Version), TemplatePlace> = BTreeMap::new();
        for wanted in wanted.expect("there is a way") {
            let Some((_, marked)) = TEMPLATES.iter().find(|(name, _)| *name == wanted.template)
            else {
                continue;
            };
            let version = wanted.version.as_str();
            let text = as_released(marked, product.scheme, &wanted.template, version);
            let place = TemplatePlace {
                digest: body_digest(&text),
                place: format!("/templates/{version}/{}.yml", wanted.template),
                bytes: text.len() as u64,
            };
            templates.insert(place.digest.clone(), parsed(&text));
            offered.insert((wanted.template, wanted.version), place);
        }
        let input = Input {
            product,
            config: &self.config,
            url: Some("https://thethings.example.com"),
            query: &self.query,
            deployment: &Deployment {
                name: "prod".to_owned(),
                directory: "/srv/prod".to_owned(),
                driver: "cloudformation".to_owned(),
                project: "123456789012/eu-west-1".to_owned(),
            },
            cloud: &self.cloud,
            templates: &templates,
            offered: &offered,
            change_sets: &BTreeMap::new(),
            parent: None,
        };
        drop(black_box(build(&input)));
        let plan = build(&input)
            .unwrap_or_else(|problem| panic!("{problem:?}"))
            .plan;
        black_box(check_against(&plan, product));
        plan.steps().count()
    }
}

fn parsed(text: &str) -> Template {
    Template::parse("fixture", text).unwrap_or_else(|faults| panic!("{}\n{text}", faults[0]))
}

/// A stack that was made with the defaults of its template.
fn stack(name: &str, text: &str) -> Stack {
    let template = parsed(text);
    let parameters = template.parameters.iter().map(|(name, parameter)| {
        let now = match parameter.no_echo {
            true => ParameterNow::masked(),
            false => ParameterNow::plain(parameter.default.clone().unwrap_or_default()),
        };
        (name.clone(), now)
    });
    let resources = template
        .resources
        .iter()
        .map(|(logical, resource)| StackResource {
            logical: logical.clone(),
            physical: Some(format!("{name}-{logical}")),
            kind: resource.kind.clone(),
            status: "CREATE_COMPLETE".to_owned(),
        });
    Stack {
        name: name.to_owned(),
        id: format!("arn:aws:cloudformation:eu-west-1:123456789012:stack/{name}/1"),
        template: None,
        status: StackStatus::new("UPDATE_COMPLETE"),
        reason: None,
        parameters: parameters.collect(),
        outputs: BTreeMap::new(),
        imports: Vec::new(),
        body: body_digest(text),
        resources: resources.collect(),
        capabilities: Vec::new(),
        tags: BTreeMap::new(),
        protected: false,
        drift: Drift::Unknown,
        events: Vec::new(),
    }
}

fn store(stack: &str, resource: &StackResource) -> Option<Store> {
    let kind = StoreKind::of(&resource.kind).filter(|kind| *kind != StoreKind::DatabaseInstance)?;
    Some(Store {
        stack: stack.to_owned(),
        logical: resource.logical.clone(),
        physical: resource.physical.clone()?,
        kind,
        engine: None,
        gibibytes: Some(20),
        history: None,
    })
}
