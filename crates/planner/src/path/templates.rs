//! Which templates of the infrastructure change on the way, in the order in which they are updated.

use serde::{Deserialize, Serialize};
use switchback_model::Version;
use switchback_model::product::{Template, TemplateChange, TemplateUse};

use super::ground::Ground;

/// A template that changes on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathTemplate {
    /// Its name today.
    pub id: String,
    /// Whether a deployment has it.
    #[serde(rename = "use")]
    pub role: TemplateUse,
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
        former_names: template.former_names.clone(),
        removed: template
            .removed
            .as_ref()
            .is_some_and(|version| ground.crosses_version(version)),
        inferred: changes.iter().all(|change| change.inferred),
        changes,
    })
}
