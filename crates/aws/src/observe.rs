//! Looking at everything of an account that belongs to a deployment: in as few calls as it takes, several at a time.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use switchback_engine::ports::Failure;
use switchback_model::Digest;
use switchback_model::config::AwsConfig;
use switchback_model::stack::{Cloud, Domain, Stack, StackEvent};

use crate::account::{Account, whose};
use crate::calls::Phase;
use crate::stacks::{drift, events, read};
use crate::{machines, marks, services, stores};

/// Certificates are counted over this time.
const CERTIFICATES: Duration = Duration::from_secs(7 * 24 * 3600);

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
    let domains = domains(account, wanted, &mut stacks).map_err(failed)?;
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

/// Certificates that were asked for: one for each machine that was made, which the stacks' events tell.
fn domains(
    account: &Account,
    wanted: &Wanted,
    stacks: &mut [Stack],
) -> Result<Vec<Domain>, crate::fault::Fault> {
    if wanted.domains.is_empty() {
        return Ok(Vec::new());
    }
    let since = DateTime::from(SystemTime::now() - CERTIFICATES)
        .fmt(Format::DateTime)
        .unwrap_or_default();
    let mut issued = Vec::new();
    for stack in stacks.iter_mut() {
        let made = |kind: &str| kind == "AWS::EC2::Instance";
        if !stack.resources.iter().any(|resource| made(&resource.kind)) {
            continue;
        }
        let old = |event: &StackEvent| event.at < since;
        let all = events::until(account, &stack.id, old)?;
        for event in all.iter().filter(|event| !old(event)) {
            if made(&event.kind) && event.status == "CREATE_COMPLETE" {
                let why = format!("stack {} made {}", stack.name, event.logical);
                issued.push((event.at.clone(), why));
            }
        }
        stack.events = all;
    }
    issued.sort();
    let domains = wanted.domains.iter().map(|(name, custom)| Domain {
        name: name.clone(),
        custom: *custom,
        issued: if *custom { Vec::new() } else { issued.clone() },
    });
    Ok(domains.collect())
}
