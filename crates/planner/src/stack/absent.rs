//! Stacks that the operator wants under `[aws.add]`, before anything of them is there.

use switchback_model::config::AwsConfig;
use switchback_model::product::{Product, Template};
use switchback_model::stack::Cloud;
use switchback_model::{Problem, Version};

use super::recognise::{called, known};
use super::refusals;

/// The stacks under `[aws.add]` that are not there, each with its template. One that was reserved for a change set and
/// has nothing in it is not there.
pub(super) fn absent<'a>(
    product: &'a Product,
    config: &'a AwsConfig,
    cloud: &Cloud,
) -> Vec<(&'a str, &'a Template)> {
    let mut absent = Vec::new();
    for (name, template) in &config.add {
        let here = cloud.stacks.get(name);
        if here.is_none_or(|stack| stack.status.is_reserved())
            && let Some(template) = called(product, config, template)
        {
            absent.push((name.as_str(), template));
        }
    }
    absent
}

/// Refuses where `[aws.add]` names a template that there is none of.
pub(super) fn all_known(product: &Product, config: &AwsConfig) -> Result<(), Problem> {
    let mut wanted = config.add.iter();
    match wanted.find(|(_, template)| called(product, config, template).is_none()) {
        None => Ok(()),
        Some((stack, template)) => {
            let ids: Vec<&str> = known(product, config).map(|it| it.id.as_str()).collect();
            Err(refusals::no_such_template((stack, template), product, &ids))
        }
    }
}

/// True where a release has the template.
pub(super) fn has(product: &Product, template: &Template, version: &Version) -> bool {
    let scheme = product.scheme;
    let reached = |of: &Version| match (scheme.parse(of), scheme.parse(version)) {
        (Ok(of), Ok(version)) => of <= version,
        _ => false,
    };
    template.since.as_ref().is_none_or(reached) && !template.removed.as_ref().is_some_and(reached)
}
