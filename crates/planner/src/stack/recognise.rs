//! Which template of the definition a stack was made from.

use switchback_model::config::AwsConfig;
use switchback_model::product::{Product, Template};
use switchback_model::stack::Stack;

/// The template that a stack was made from: as the operator says, as the observation says, or as the stack's name
/// ends (`prod-5-2-ecs-ops`), names that the template had before included. The longest name wins.
pub fn recognise<'p>(
    product: &'p Product,
    config: &AwsConfig,
    stack: &Stack,
) -> Option<&'p Template> {
    let said = config
        .stacks
        .get(&stack.name)
        .or_else(|| config.add.get(&stack.name))
        .or(stack.template.as_ref());
    if let Some(said) = said {
        return called(product, config, said);
    }
    known(product, config)
        .flat_map(|template| names(template).map(move |name| (name, template)))
        .filter(|(name, _)| ends_with(&stack.name, name))
        .max_by_key(|(name, _)| name.len())
        .map(|(_, template)| template)
}

/// The template of this name, today's or one that it had before.
pub(super) fn called<'p>(
    product: &'p Product,
    config: &AwsConfig,
    name: &str,
) -> Option<&'p Template> {
    known(product, config).find(|template| names(template).any(|known| known == name))
}

/// The templates of this kind of deployment.
pub(super) fn known<'p>(
    product: &'p Product,
    config: &AwsConfig,
) -> impl Iterator<Item = &'p Template> {
    let driver = config.kind.driver();
    let of_driver =
        move |template: &&Template| template.driver == driver && template.role.is_template();
    product.templates.iter().filter(of_driver)
}

/// Every name of a template, today's first.
pub(super) fn names(template: &Template) -> impl Iterator<Item = &str> {
    std::iter::once(template.id.as_str()).chain(template.former_names.iter().map(String::as_str))
}

/// True where `name` ends with `end`, by itself or behind a hyphen.
fn ends_with(name: &str, end: &str) -> bool {
    name.strip_suffix(end)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('-'))
}
