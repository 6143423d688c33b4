//! What of a product an account holds: for `init`.

use std::collections::BTreeMap;

use switchback_aws::{Account, Wanted, observe};
use switchback_engine::ports::Progress;
use switchback_model::config::{AwsConfig, AwsKind};
use switchback_model::exit::Exit;
use switchback_model::product::Product;
use switchback_model::stack::Cloud;
use switchback_model::{Config, Problem};
use switchback_planner::stack;

use super::answer::{Access, Found};
use super::{opened, seen};
use crate::failure::told;

/// Finds the one product whose templates stacks were made from.
pub(crate) fn recognise(
    access: &Access,
    products: &[Product],
    progress: &dyn Progress,
) -> Result<Found, Problem> {
    let named = named(&access.stacks)?;
    let reached = AwsConfig {
        profile: access.profile.clone(),
        region: access.region.clone(),
        role: access.role.clone(),
        ..AwsConfig::default()
    };
    let account = opened::open(&reached)?;
    let wanted = Wanted {
        stacks: named
            .iter()
            .map(|(name, template)| (name.clone(), Some(template.clone())))
            .collect(),
        ..Wanted::default()
    };
    let observation = observe(&account, &wanted, &|what| {
        progress.report(what, None, None, None);
    });
    let cloud = observation.map_err(|failure| told(&failure))?.cloud;
    let mut candidates = Vec::new();
    for product in products {
        for kind in [AwsKind::Cloudformation, AwsKind::Ami] {
            let config = AwsConfig {
                kind,
                stacks: named.clone(),
                ..reached.clone()
            };
            let stacks = known(product, &config, &cloud);
            if !stacks.is_empty() {
                candidates.push((product, AwsConfig { stacks, ..config }));
            }
        }
    }
    candidates.sort_by_key(|(_, config)| std::cmp::Reverse(config.stacks.len()));
    match candidates.into_iter().next() {
        Some((product, config)) => Ok(found(product, config, &cloud, &account)),
        None => Err(nothing(&account)),
    }
}

/// The account's stacks that were made from a template of the product, each with it.
fn known(product: &Product, config: &AwsConfig, cloud: &Cloud) -> BTreeMap<String, String> {
    let stacks = cloud.stacks.values();
    stacks
        .filter_map(|found| {
            let template = stack::recognise(product, config, found)?;
            Some((found.name.clone(), template.id.clone()))
        })
        .collect()
}

fn found(product: &Product, aws: AwsConfig, cloud: &Cloud, account: &Account) -> Found {
    let ours = |stack: &String| aws.stacks.contains_key(stack);
    let tasks = cloud.tasks.iter().filter(|task| ours(&task.stack));
    let mut images = tasks.filter_map(|task| seen::own(product, task));
    let image = images.next();
    let edition = image.and_then(|image| seen::edition(product, image));
    let stacks = match aws.stacks.len() {
        1 => "1 stack".to_owned(),
        count => format!("{count} stacks"),
    };
    let identity = account.identity();
    let running = image.map_or_else(String::new, |image| format!(", running {image}"));
    Found {
        because: format!(
            "{stacks} of account {} in {}{running}",
            identity.account, identity.region
        ),
        config: Config {
            name: None,
            product: product.id.clone(),
            edition: edition.map(str::to_owned),
            features: Vec::new(),
            host: None,
            compose: None,
            exec: None,
            packages: None,
            datastores: BTreeMap::new(),
            verify: Default::default(),
            policy: Default::default(),
            backup: Default::default(),
            aws: Some(AwsConfig {
                // What was found is pinned: another region by another day's environment is not this deployment.
                region: Some(identity.region.clone()),
                ..aws
            }),
        },
    }
}

/// Stacks as they are said, `NAME=TEMPLATE`.
fn named(said: &[String]) -> Result<BTreeMap<String, String>, Problem> {
    said.iter()
        .map(|said| {
            let parts = said.split_once('=');
            parts
                .filter(|(name, template)| !name.is_empty() && !template.is_empty())
                .map(|(name, template)| (name.to_owned(), template.to_owned()))
                .ok_or_else(|| {
                    Problem::new(
                        Exit::Usage,
                        "stack-usage",
                        format!("`--stack {said}` names no stack and template"),
                    )
                    .hint("as in `--stack prod-vpc=1-1-vpc`")
                })
        })
        .collect()
}

fn nothing(account: &Account) -> Problem {
    let identity = account.identity();
    Problem::new(
        Exit::Refused,
        "product-not-recognised",
        format!(
            "no stack of account {} in {} is called as a template of a known product",
            identity.account, identity.region
        ),
    )
    .state("stacks", "unchanged")
    .hint("name them, each with its template: `switchback init --aws --stack prod-vpc=1-1-vpc`")
    .hint("or choose another account or region: --profile, --region")
    .hint("which products are known: switchback catalog")
}
