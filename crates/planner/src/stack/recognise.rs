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
    let driver = config.kind.driver();
    let known = || {
        let of_driver =
            |template: &&Template| template.driver == driver && template.role.is_template();
        product.templates.iter().filter(of_driver)
    };
    let said = config.stacks.get(&stack.name).or(stack.template.as_ref());
    if let Some(said) = said {
        return known().find(|template| is_called(template, said));
    }
    known()
        .flat_map(|template| names(template).map(move |name| (name, template)))
        .filter(|(name, _)| ends_with(&stack.name, name))
        .max_by_key(|(name, _)| name.len())
        .map(|(_, template)| template)
}

/// Every name of a template, today's first.
pub(super) fn names(template: &Template) -> impl Iterator<Item = &str> {
    std::iter::once(template.id.as_str()).chain(template.former_names.iter().map(String::as_str))
}

fn is_called(template: &Template, name: &str) -> bool {
    names(template).any(|known| known == name)
}

/// True where `name` ends with `end`, by itself or behind a hyphen.
fn ends_with(name: &str, end: &str) -> bool {
    name.strip_suffix(end)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('-'))
}
