//! Looking at everything of an account that belongs to a deployment: in as few calls as it takes, several at a time.

use std::collections::BTreeMap;

use switchback_engine::ports::Failure;
use switchback_model::Digest;
use switchback_model::config::AwsConfig;
use switchback_model::stack::{Cloud, Ordeal, Stack};

use crate::account::{Account, whose};
use crate::calls::Phase;
use crate::stacks::{drift, half_way, read};
use crate::{certificates, machines, marks, services, stores};

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The deployment's stacks: name of the stack, and of the definition's template where the operator says it. Empty:
    /// every stack of the region.
    pub stacks: BTreeMap<String, Option<String>>,
    /// Domains whose certificates the machines ask for, and whether the operator brings them.
    pub domains: BTreeMap<String, bool>,
    /// Whether to ask CloudFormation what was changed by other means: minutes on AWS.
    pub drift: bool,
    /// Whether to ask who uses each export: one call per export.
    pub imports: bool,
    /// Whether to look for databases that ways back left: every database of the region is looked at.
    pub recalled: bool,
}

impl Wanted {
    /// As a deployment's configuration says; what takes long is left out.
    pub fn of(config: &AwsConfig) -> Self {
        let stacks = config.stacks.iter();
        let domains = config.domains.iter();
        Self {
            stacks: stacks
                .map(|(name, template)| (name.clone(), Some(template.clone())))
                .collect(),
            domains: domains
                .map(|name| (name.clone(), config.custom_certificates))
                .collect(),
            drift: false,
            imports: false,
            recalled: false,
        }
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The account with everything of the deployment.
    pub cloud: Cloud,
    /// Texts of the stacks' templates, by the digest that [`Stack::body`] says.
    pub texts: BTreeMap<Digest, String>,
}

/// Looks at `wanted`. `progress` hears what is looked at.
pub fn observe(
    account: &Account,
    wanted: &Wanted,
    progress: &dyn Fn(&str),
) -> Result<Observation, Failure> {
    account.calls().enter(Phase::Observe);
    let failed =
        |fault: crate::fault::Fault| fault.failure("cannot look at the deployment's stacks");
    progress("stacks");
    let mut found = read::all(account).map_err(failed)?;
    if !wanted.stacks.is_empty() {
        found.retain(|stack| wanted.stacks.contains_key(&stack.name));
        missing(wanted, &found)?;
    }
    progress("templates and resources");
    let completed = read::complete(account, found).map_err(failed)?;
    let mut texts = BTreeMap::new();
    let mut stacks = Vec::new();
    for each in completed {
        texts.insert(each.stack.body.clone(), each.text);
        stacks.push(each.stack);
    }
    for stack in &mut stacks {
        stack.template = wanted.stacks.get(&stack.name).cloned().flatten();
    }
    if wanted.imports {
        progress("exports");
        read::importers(account, &mut stacks).map_err(failed)?;
    }
    if wanted.drift {
        progress("changes by other means");
        drift::look(account, &mut stacks)?;
    }
    progress("services, machines and what holds data");
    let tasks = services::of_stacks(account, &stacks).map_err(failed)?;
    let (groups, machines) = machines::of_stacks(account, &stacks).map_err(failed)?;
    let stores = stores::of_stacks(account, &stacks).map_err(failed)?;
    let recalled = match wanted.recalled {
        true => marks::copies(account).map_err(failed)?,
        false => Vec::new(),
    };
    let domains = certificates::of_domains(account, wanted, &mut stacks).map_err(failed)?;
    let half = stacks.iter_mut().filter(|it| Ordeal::of(it).is_some());
    half.into_iter()
        .try_for_each(|stack| half_way::add_events(account, stack))
        .map_err(failed)?;
    Ok(Observation {
        cloud: Cloud {
            account: whose(account),
            stacks: stacks
                .into_iter()
                .map(|stack| (stack.name.clone(), stack))
                .collect(),
            tasks: tasks.into_iter().map(|running| running.task).collect(),
            groups,
            machines,
            stores,
            recalled,
            domains,
        },
        texts,
    })
}

fn missing(wanted: &Wanted, found: &[Stack]) -> Result<(), Failure> {
    let missing: Vec<&str> = wanted
        .stacks
        .keys()
        .filter(|name| !found.iter().any(|stack| stack.name == **name))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        "stack-missing",
        format!("there is no stack `{}`", missing.join("`, `")),
    )
    .state("AWS", "was looked at; nothing was changed")
    .hint("correct the names of the stacks, or the account and region"))
}
