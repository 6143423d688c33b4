//! What `doctor` looks at where a deployment is stacks at AWS.

use switchback_model::Problem;
use switchback_model::config::AwsConfig;
use switchback_model::stack::{Cloud, Drift, REHEARSAL, Stack, Store};
use switchback_planner::stack::recognise;

use super::{Check, Verdict, of_service, recalled};
use crate::commands::rehearse::REMOVE;
use crate::place::deployment::Found;
use crate::render::{measure, waiting};
use crate::session::Session;
use crate::site::Place;
use crate::stacks::{Seen, Stacks};

/// Every check of an account.
pub(super) fn checks(
    session: &Session<'_>,
    place: &Place,
    found: &Found,
    stacks: &Stacks,
) -> Vec<Check> {
    let account = stacks.account();
    let mut checks = vec![Check::good(
        "account",
        format!(
            "{} in {}, seen as {}",
            account.id, account.region, account.caller
        ),
    )];
    let seen = waiting::telling(session.screen, "looking at the stacks", |told| {
        stacks.examine(&place.product, told)
    });
    match seen {
        Ok(seen) => {
            checks.extend(looked(place, found, &seen));
            checks.extend(recalled::checks(session, found, &seen.cloud.recalled));
        }
        Err(problem) => checks.push(Check::of("deployment", &problem)),
    }
    checks
}

fn looked(place: &Place, found: &Found, seen: &Seen) -> Vec<Check> {
    let (cloud, observed) = (&seen.cloud, &seen.observed);
    let aws = found.config.aws.clone().unwrap_or_default();
    let mut checks = vec![Check::good(
        "deployment",
        format!(
            "{}, version {}",
            observed.deployment.driver, observed.version
        ),
    )];
    checks.extend(of_stacks(place, &aws, cloud));
    checks.extend(observed.services.iter().map(of_service));
    checks.extend(cloud.stores.iter().map(of_store));
    checks.extend(behind(cloud));
    checks.extend(certificates(&aws, cloud));
    if aws.templates.is_none() {
        let problem = Problem::new(
            switchback_model::exit::Exit::Ok,
            "templates-unset",
            "nothing says where the templates of releases are",
        )
        .hint("templates = \"…/{version}/{template}.yml\" under [aws] in switchback.toml");
        checks.push(Check::of("templates", &problem));
    }
    let problems = observed.problems.iter();
    checks.extend(problems.map(|problem| Check::of(&problem.code, problem)));
    checks
}

/// Those that are well, and those that are no part of this.
fn of_stacks(place: &Place, aws: &AwsConfig, cloud: &Cloud) -> Vec<Check> {
    let ours = |stack: &&Stack| {
        !aws.leave.contains(&stack.name) && recognise(&place.product, aws, stack).is_some()
    };
    let is_copy = |stack: &&Stack| stack.name.starts_with(REHEARSAL);
    let (copies, stacks): (Vec<&Stack>, Vec<&Stack>) = cloud.stacks.values().partition(is_copy);
    let (ours, others): (Vec<&Stack>, Vec<&Stack>) = stacks.into_iter().partition(ours);
    let well = ours.iter().filter(|stack| stack.status.is_steady());
    let asked = ours.iter().filter(|stack| stack.drift == Drift::None);
    let mut checks = Vec::new();
    if !ours.is_empty() {
        checks.push(Check::good(
            "stacks",
            format!(
                "{} of {} steady, {} as their templates say",
                well.count(),
                ours.len(),
                asked.count()
            ),
        ));
    }
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|stack| stack.name.as_str()).collect();
        checks.push(Check::good("left alone", names.join(", ")));
    }
    checks.extend(copies.into_iter().map(of_copies));
    checks
}

/// What a rehearsal made, of whatever state directory it is.
fn of_copies(stack: &Stack) -> Check {
    let name = &stack.name;
    Check {
        name: format!("copies {name}"),
        verdict: Verdict::Unsure,
        found: format!(
            "of a rehearsal, billed by AWS; where none goes on: {REMOVE}, or aws cloudformation delete-stack --stack-name {name}"
        ),
        problem: None,
    }
}

fn of_store(store: &Store) -> Check {
    let engine = store
        .engine
        .as_ref()
        .map_or_else(String::new, |engine| format!(", {engine}"));
    let size = store
        .gibibytes
        .map_or_else(String::new, |size| format!(", {size} GiB"));
    let kept = match store.kind.can_be_snapshotted() {
        true => "; a snapshot is taken before each round",
        false => "; no plan takes it away",
    };
    Check::good(
        &format!("store {}/{}", store.stack, store.logical),
        format!("{}{engine}{size}{kept}", store.kind.word()),
    )
}

/// Groups whose machines were made from something else than the next one will be.
fn behind(cloud: &Cloud) -> Vec<Check> {
    let groups = cloud.groups.iter();
    groups
        .filter_map(|group| {
            let behind: Vec<&str> = group.behind().map(|machine| machine.id.as_str()).collect();
            (!behind.is_empty()).then(|| Check {
                name: format!("machines {}/{}", group.stack, group.logical),
                verdict: Verdict::Unsure,
                found: format!(
                    "{} behind what the stack says: {}; renew = [\"{}\"] under [aws] replaces them with the next upgrade, one by one",
                    measure::plural(behind.len() as u64, "machine is", "machines are"),
                    behind.join(", "),
                    group.stack
                ),
                problem: None,
            })
        })
        .collect()
}

/// Certificates of the last seven days, which a replaced machine adds to.
fn certificates(aws: &AwsConfig, cloud: &Cloud) -> Vec<Check> {
    let domains = cloud.domains.iter().filter(|domain| !domain.custom);
    domains
        .map(|domain| {
            let said = aws.certificates_used.get(&domain.name).copied();
            let used = domain.issued.len() as u64 + u64::from(said.unwrap_or_default());
            Check {
                name: format!("certificates {}", domain.name),
                verdict: match used {
                    0..=3 => Verdict::Good,
                    _ => Verdict::Unsure,
                },
                found: format!("{used} of 5 used within seven days; a replaced machine takes one"),
                problem: None,
            }
        })
        .collect()
}
