//! A path's legs together with what the definition says about their migrations.

use switchback_model::product::{NotRepeatable, Product, StopKind};
use switchback_model::{DatastoreName, MigrationId, Version};

use super::actions;
use crate::path::{self, Act, Path};

/// One leg of the way.
#[derive(Clone, Debug)]
pub(crate) struct Leg<'a> {
    /// The version that the files say before it.
    pub(crate) from: &'a Version,
    /// Where it leads.
    pub(crate) to: &'a Version,
    /// True where the product is started there.
    pub(crate) runs: bool,
    /// Stops that demand it.
    pub(crate) required_by: &'a [String],
    /// What runs there, in order.
    pub(crate) migrations: Vec<Migration<'a>>,
    /// What people do there, in order.
    pub(crate) by_hand: Vec<ByHand<'a>>,
}

/// Work of a leg that only people can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByHand<'a> {
    pub(crate) act: &'a Act,
    /// How many of the leg's migrations come before it.
    pub(crate) behind: usize,
}

/// One migration of a leg.
#[derive(Clone, Debug)]
pub(crate) struct Migration<'a> {
    pub(crate) id: &'a MigrationId,
    pub(crate) run: &'a [String],
    pub(crate) datastore: &'a DatastoreName,
    pub(crate) not_repeatable: &'a [NotRepeatable],
    pub(crate) demanded_by: &'a [Version],
    /// True where it runs because of something that could not be known.
    pub(crate) assumed: bool,
}

/// The legs of `path`.
pub(crate) fn legs<'a>(product: &'a Product, path: &'a Path) -> Vec<Leg<'a>> {
    let mut from = &path.from;
    path.legs
        .iter()
        .map(|leg| {
            let runs = leg.kind == StopKind::Run;
            let mut migrations: Vec<Migration<'_>> = defined(product, leg).collect();
            let mut by_hand = Vec::new();
            for act in &leg.actions {
                if let Some(migration) = changing(product, act) {
                    migrations.push(migration);
                } else if actions::is_for_people(act) {
                    let behind = migrations.len();
                    by_hand.push(ByHand { act, behind });
                }
            }
            let here = Leg {
                from,
                to: &leg.to,
                runs,
                required_by: &leg.required_by,
                migrations,
                by_hand,
            };
            if runs {
                from = &leg.to;
            }
            here
        })
        .collect()
}

/// The migrations of the definition that run in a leg.
fn defined<'a>(product: &'a Product, leg: &'a path::Leg) -> impl Iterator<Item = Migration<'a>> {
    leg.migrations.iter().filter_map(|run| {
        let mut migrations = product.migrations.iter();
        let defined = migrations.find(|defined| defined.id == run.migration)?;
        Some(Migration {
            id: &run.migration,
            run: &run.run,
            datastore: &defined.datastore,
            not_repeatable: &defined.not_repeatable,
            demanded_by: &run.demanded_by,
            assumed: run.assumed,
        })
    })
}

/// An action that is done as a migration is; `None` for any other.
fn changing<'a>(product: &'a Product, act: &'a Act) -> Option<Migration<'a>> {
    Some(Migration {
        id: &act.id,
        run: &act.run,
        datastore: actions::changes(product, act)?,
        not_repeatable: &[],
        demanded_by: &act.demanded_by,
        assumed: act.assumed,
    })
}
