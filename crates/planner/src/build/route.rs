//! A path's legs together with what the definition says about their migrations.

use switchback_model::product::{NotRepeatable, Product, StopKind};
use switchback_model::{DatastoreName, MigrationId, Version};

use super::actions;
use crate::path::Path;

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
}

/// One migration of a leg.
#[derive(Clone, Debug)]
pub(crate) struct Migration<'a> {
    pub(crate) id: &'a MigrationId,
    pub(crate) run: &'a [String],
    pub(crate) datastore: &'a DatastoreName,
    pub(crate) not_repeatable: &'a [NotRepeatable],
    pub(crate) demanded_by: &'a [Version],
    /// Why it runs, where that rests on something that could not be known.
    pub(crate) assumed: bool,
}

/// The legs of `path`.
pub(crate) fn legs<'a>(product: &'a Product, path: &'a Path) -> Vec<Leg<'a>> {
    let mut from = &path.from;
    path.legs
        .iter()
        .map(|leg| {
            let runs = leg.kind == StopKind::Run;
            let here = Leg {
                from,
                to: &leg.to,
                runs,
                required_by: &leg.required_by,
                migrations: leg
                    .migrations
                    .iter()
                    .filter_map(|run| {
                        let defined = product
                            .migrations
                            .iter()
                            .find(|defined| defined.id == run.migration)?;
                        Some(Migration {
                            id: &run.migration,
                            run: &run.run,
                            datastore: &defined.datastore,
                            not_repeatable: &defined.not_repeatable,
                            demanded_by: &run.demanded_by,
                            assumed: run.assumed,
                        })
                    })
                    .chain(actions::steps(product, leg))
                    .collect(),
            };
            if runs {
                from = &leg.to;
            }
            here
        })
        .collect()
}
