//! How things are where a deployment is stacks at AWS.

use serde::Serialize;
use switchback_drivers::Glance;
use switchback_engine::signal::StopSignal;
use switchback_model::stack::{Account, Stack};

use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::render::style::{BAD, DIM, GOOD};
use crate::render::table::{Cell, Table};
use crate::render::waiting;
use crate::session::Session;
use crate::site::Place;

/// An account at a glance.
#[derive(Serialize)]
pub(super) struct Glanced {
    /// Whose it is.
    pub(super) account: Account,
    /// The version in use.
    pub(super) version: String,
    /// Its stacks.
    stacks: Vec<Standing>,
    /// What they run.
    #[serde(skip)]
    pub(super) services: Vec<Glance>,
}

#[derive(Serialize)]
struct Standing {
    stack: String,
    status: String,
    #[serde(skip)]
    steady: bool,
}

/// Looks at the account.
pub(super) fn glance(session: &Session<'_>, found: &Found) -> Result<Option<Glanced>, Failed> {
    let place = Place::open(session, found, StopSignal::default())?;
    let Some(stacks) = place.stacks() else {
        return Ok(None);
    };
    let seen = waiting::telling(session.screen, "looking at the stacks", |told| {
        stacks.look(&place.product, told)
    })?;
    let services = seen.observed.services.into_iter();
    Ok(Some(Glanced {
        account: stacks.account(),
        version: seen.observed.version.to_string(),
        stacks: seen.cloud.stacks.values().map(standing).collect(),
        services: services
            .map(|service| Glance {
                service: service.name,
                image: service.image,
                state: service.state,
            })
            .collect(),
    }))
}

fn standing(stack: &Stack) -> Standing {
    Standing {
        stack: stack.name.clone(),
        status: stack.status.to_string(),
        steady: stack.status.is_steady(),
    }
}

/// A line for all that are steady, and one for each that is not.
pub(super) fn rows(table: &mut Table, glanced: &Glanced) {
    let account = &glanced.account;
    table.row([
        Cell::new(DIM, "account"),
        Cell::from(account.id.as_str()),
        Cell::from(format!("in {}, seen as {}", account.region, account.caller)),
    ]);
    let steady = glanced.stacks.iter().filter(|stack| stack.steady).count();
    table.row([
        Cell::new(DIM, "stacks"),
        Cell::from(glanced.stacks.len().to_string()),
        Cell::new(GOOD, format!("{steady} steady")),
    ]);
    for stack in glanced.stacks.iter().filter(|stack| !stack.steady) {
        table.row([
            Cell::from(""),
            Cell::from(stack.stack.as_str()),
            Cell::new(BAD, stack.status.as_str()),
        ]);
    }
}
