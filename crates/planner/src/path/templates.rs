//! Which templates of the infrastructure change on the way, in the order in which they are updated.

use serde::{Deserialize, Serialize};
use switchback_model::Version;
use switchback_model::product::{Order, Template, TemplateChange, TemplateChangeKind, TemplateUse};

use super::because::Because;
use super::condition::{Truth, as_number};
use super::ground::{Ground, Point};

/// A template that changes on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathTemplate {
    /// Its name today.
    pub id: String,
    /// Whether a deployment has it.
    #[serde(rename = "use")]
    pub role: TemplateUse,
    /// Its name in the version in use, where that is another than today's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_before: Option<String>,
    /// Its name in the version wanted, where that is another than today's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_after: Option<String>,
    /// Names that it had, or that texts still give it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_names: Vec<String>,
    /// True where a release on the way takes it away.
    pub removed: bool,
    /// True where no source names it, so that all of its changes were assigned by the definition.
    pub inferred: bool,
    /// What changes, oldest first.
    pub changes: Vec<TemplateChange>,
}

impl PathTemplate {
    /// The releases that change it, oldest first, each once.
    pub fn versions(&self) -> Vec<&Version> {
        let mut versions: Vec<&Version> =
            self.changes.iter().map(|change| &change.version).collect();
        versions.dedup();
        versions
    }
}

/// Every template, image and release-wide note of the driver that changes on the way.
pub(super) fn templates(ground: &Ground<'_>) -> Vec<PathTemplate> {
    let of_driver = |template: &&Template| template.driver == ground.driver;
    let all = ground.product.templates.iter().filter(of_driver);
    all.filter_map(|template| changed(ground, template))
        .collect()
}

/// What breaks the order of the templates' numbers, oldest first.
pub(super) fn orders(ground: &Ground<'_>) -> Vec<Because> {
    let of_driver = |order: &&Order| order.driver == ground.driver;
    let reached = |order: &&Order| {
        let version = order.version.as_ref();
        let target = order.to.as_ref();
        version.is_none_or(|version| ground.crosses_version(version))
            && target.is_none_or(|range| ground.range_holds(range, &ground.to.key))
    };
    let all = ground.product.orders.iter().filter(of_driver);
    let mut orders: Vec<(&Order, Truth)> = all
        .filter(reached)
        .map(|order| (order, deployed(ground, order.needs.as_ref())))
        .filter(|(_, truth)| truth.applies())
        .collect();
    orders.sort_by_cached_key(|(order, _)| {
        let version = order.version.as_ref();
        version.and_then(|version| ground.product.scheme.parse(version).ok())
    });
    orders
        .into_iter()
        .map(|(order, truth)| Because {
            id: order.id.clone(),
            text: order.because.clone(),
            source: order.source.clone(),
            assumed: truth.is_assumed(),
        })
        .collect()
}

/// Whether there is a stack of a template, as far as its probe was answered.
fn deployed(ground: &Ground<'_>, id: Option<&String>) -> Truth {
    let Some(id) = id else { return Truth::Yes };
    let mut all = ground.product.templates.iter();
    let probe = all.find(|template| template.id == *id);
    let probe = probe.and_then(|template| template.probe.as_ref());
    let answer = probe.and_then(|probe| ground.query.answers.get(probe));
    match answer.map(|answer| as_number(answer.trim())) {
        None | Some(None) => Truth::Assumed,
        Some(Some(0)) => Truth::No,
        Some(Some(_)) => Truth::Yes,
    }
}

fn changed(ground: &Ground<'_>, template: &Template) -> Option<PathTemplate> {
    let gone_before = |version: &Version| {
        let key = ground.product.scheme.parse(version);
        key.is_ok_and(|key| key <= ground.from.key)
    };
    if template.removed.as_ref().is_some_and(gone_before) {
        return None;
    }
    let mut changes: Vec<TemplateChange> = template
        .changes
        .iter()
        .filter(|change| ground.crosses_version(&change.version))
        .cloned()
        .collect();
    changes.sort_by_cached_key(|change| ground.product.scheme.parse(&change.version).ok());
    (!changes.is_empty()).then(|| PathTemplate {
        id: template.id.clone(),
        role: template.role,
        name_before: name_at(ground, template, &ground.from),
        name_after: name_at(ground, template, &ground.to),
        former_names: template.former_names.clone(),
        removed: template
            .removed
            .as_ref()
            .is_some_and(|version| ground.crosses_version(version)),
        inferred: changes.iter().all(|change| change.inferred),
        changes,
    })
}

/// The name that a template has at a version, where later releases gave it the one that it has today.
fn name_at(ground: &Ground<'_>, template: &Template, point: &Point) -> Option<String> {
    let changes = template.changes.iter();
    let renames = changes.filter(|change| change.kind == TemplateChangeKind::Renamed);
    let later = renames.filter_map(|change| {
        let key = ground.product.scheme.parse(&change.version).ok()?;
        (key > point.key).then_some((key, change.parameter.as_ref()?))
    });
    let next = later.min_by(|one, other| one.0.cmp(&other.0));
    next.map(|(_, name)| name.clone())
}
