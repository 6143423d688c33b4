//! The rounds of an upgrade: of numbered stacks, a whole round for each required stop, as if it were the goal; of a
//! single stack, the stops' migrations first and then one update.

use std::collections::BTreeSet;

use switchback_model::config::AwsConfig;
use switchback_model::product::{Order, Product, StopKind, Template, TemplateChange, TemplateUse};
use switchback_model::stack::Cloud;
use switchback_model::{Problem, Version};

use super::absent::{absent, has};
use super::input::Wanted;
use super::recognise::{names, recognise};
use crate::path::{Path, PathTemplate, Query, Run, find};

/// One round.
#[derive(Clone, Debug)]
pub(super) struct Round<'a> {
    pub(super) from: Version,
    pub(super) to: Version,
    /// False where only migrations run.
    pub(super) runs: bool,
    pub(super) required_by: Vec<String>,
    pub(super) templates: Vec<PathTemplate>,
    pub(super) migrations: Vec<Run>,
    /// What releases of this round demand of its order, oldest first.
    pub(super) orders: Vec<&'a Order>,
}

impl Round<'_> {
    /// True where the round brings another template.
    pub(super) fn brings(&self, template: &str) -> bool {
        self.templates.iter().any(|changed| changed.id == template)
    }

    /// What releases of this round change in a template, oldest first.
    pub(super) fn changes(&self, template: &str) -> &[TemplateChange] {
        self.templates
            .iter()
            .find(|changed| changed.id == template)
            .map(|changed| changed.changes.as_slice())
            .unwrap_or_default()
    }
}

/// The way, and its rounds.
pub(super) fn rounds<'a>(
    product: &'a Product,
    query: &Query,
) -> Result<(Path, Vec<Round<'a>>), Problem> {
    let path = find(product, query).map_err(|refusal| refusal.to_problem())?;
    let single = path.driver == "ami";
    let mut rounds = Vec::new();
    let mut from = path.from.clone();
    for leg in &path.legs {
        let last = leg.to == path.to;
        let here = match single {
            true => None,
            // The stop is a goal of its own: everything between is migrated by then, and services run.
            false => Some(
                find(product, &between(query, &from, &leg.to))
                    .map_err(|refusal| refusal.to_problem())?,
            ),
        };
        let runs = !single || last || leg.kind == StopKind::Run;
        let templates = match &here {
            Some(here) => here.templates.clone(),
            None if runs => of_every_release(product, &path),
            None => Vec::new(),
        };
        let migrations = match &here {
            Some(here) => with_the_stops(product, here, &leg.migrations),
            None => leg.migrations.clone(),
        };
        rounds.push(Round {
            orders: orders(product, &path.driver, &from, &leg.to),
            from: from.clone(),
            to: leg.to.clone(),
            runs,
            required_by: leg.required_by.clone(),
            templates,
            migrations,
        });
        if runs {
            from = leg.to.clone();
        }
    }
    Ok((path, rounds))
}

/// Migrations of a round to a stop: those that its releases demand, and those for whose sake it is a stop.
fn with_the_stops(product: &Product, here: &Path, of_the_stop: &[Run]) -> Vec<Run> {
    let mut runs: Vec<Run> = here
        .legs
        .iter()
        .flat_map(|leg| leg.migrations.clone())
        .collect();
    for run in of_the_stop {
        let same = |known: &Run| known.migration == run.migration && known.run == run.run;
        if !runs.iter().any(same) {
            runs.push(run.clone());
        }
    }
    let place = |run: &Run| {
        let all = &product.migrations;
        all.iter().position(|defined| defined.id == run.migration)
    };
    runs.sort_by_key(place);
    runs
}

/// The templates that change, with those that every release brings anew: the template of a single machine names
/// the machine's image, which holds the product.
fn of_every_release(product: &Product, path: &Path) -> Vec<PathTemplate> {
    let mut templates = path.templates.clone();
    for template in &product.templates {
        let known = templates.iter().any(|changed| changed.id == template.id);
        if template.driver == path.driver && template.role == TemplateUse::Mandatory && !known {
            templates.push(PathTemplate {
                id: template.id.clone(),
                role: template.role,
                name_before: None,
                name_after: None,
                former_names: template.former_names.clone(),
                removed: false,
                inferred: false,
                changes: Vec::new(),
            });
        }
    }
    templates
}

fn between(query: &Query, from: &Version, to: &Version) -> Query {
    Query {
        from: from.clone(),
        to: to.clone(),
        ..query.clone()
    }
}

fn orders<'a>(product: &'a Product, driver: &str, from: &Version, to: &Version) -> Vec<&'a Order> {
    let scheme = product.scheme;
    let key = |version: &Version| scheme.parse(version).ok();
    let crossed = |version: &Version| key(from) < key(version) && key(version) <= key(to);
    let mut orders: Vec<&Order> = product
        .orders
        .iter()
        .filter(|order| order.driver == driver)
        .filter(|order| order.version.as_ref().is_none_or(crossed))
        .filter(|order| {
            let range = order.to.as_ref();
            range.is_none_or(|range| scheme.contains(range, to).unwrap_or(true))
        })
        .collect();
    orders.sort_by_cached_key(|order| order.version.as_ref().and_then(key));
    orders
}

/// The templates that a plan needs: of every stack that is there and whose template a release on the way changes.
pub fn templates_wanted(
    product: &Product,
    config: &AwsConfig,
    query: &Query,
    cloud: &Cloud,
) -> Result<Vec<Wanted>, Problem> {
    let (_, rounds) = rounds(product, query)?;
    let needed = needed(product, config, cloud, &rounds).into_iter();
    let wanted = needed.map(|(round, template)| Wanted {
        template: template.id.clone(),
        version: round.to.clone(),
        names: names(template).map(str::to_owned).collect(),
    });
    Ok(wanted.collect())
}

/// The templates that rounds bring to stacks that are there, and those that stacks are made from, each with its round.
pub(super) fn needed<'r, 'a>(
    product: &'a Product,
    config: &AwsConfig,
    cloud: &Cloud,
    rounds: &'r [Round<'a>],
) -> Vec<(&'r Round<'a>, &'a Template)> {
    let mut here: BTreeSet<&str> = cloud
        .stacks
        .values()
        .filter(|stack| !config.leave.contains(&stack.name))
        .filter_map(|stack| recognise(product, config, stack))
        .map(|template| template.id.as_str())
        .collect();
    let mut absent = absent(product, config, cloud);
    let mut needed = Vec::new();
    for round in rounds {
        let made = |it: &(&str, &Template)| round.runs && has(product, it.1, &round.to);
        let made: BTreeSet<&str> = absent
            .extract_if(.., |it| made(it))
            .map(|(_, template)| template.id.as_str())
            .collect();
        let brought: BTreeSet<&str> = round
            .templates
            .iter()
            .filter(|changed| changed.role.is_template() && !changed.removed)
            .map(|changed| changed.id.as_str())
            .filter(|id| here.contains(id))
            .collect();
        let templates = product.templates.iter();
        needed.extend(
            templates
                .filter(|it| brought.contains(it.id.as_str()) || made.contains(it.id.as_str()))
                .map(|template| (round, template)),
        );
        here.extend(made);
    }
    needed
}
