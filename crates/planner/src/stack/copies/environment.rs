//! What the task beside production is told, and what it is not.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::stack::{ContainerDefinition, Served};

use super::hosts::{Piece, pieces};
use super::input::CopyInput;

/// The environment of the copied task.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// Each variable's value in parts.
    pub(super) variables: BTreeMap<String, Vec<Part>>,
    /// Secrets by reference, as they are.
    pub(super) secrets: BTreeMap<String, String>,
    /// Variables that lead to production.
    pub(super) withheld: Vec<String>,
}

/// A part of a variable's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// The address of the copy of the database at this place.
    Address(usize),
}

/// Leads the variables that tell of copied databases to the copies. Whatever else names an address of production, or is
/// known to tell of a store, is not given at all.
pub(super) fn environment(
    input: &CopyInput<'_>,
    container: &ContainerDefinition,
    databases: &[&Served],
) -> Environment {
    let mut given = Environment::default();
    let telling: BTreeSet<&str> = input
        .product
        .templates
        .iter()
        .flat_map(|template| template.told_by.values().flatten())
        .map(String::as_str)
        .collect();
    for (name, value) in &container.environment {
        let of = databases
            .iter()
            .position(|served| input.told_by(served).contains(name));
        let led = of.and_then(|place| led(value, databases[place], place));
        if let Some(parts) = led {
            given.variables.insert(name.clone(), parts);
        } else if telling.contains(name.as_str()) || is_of_production(input, value) {
            given.withheld.push(name.clone());
        } else {
            let text = Part::Text(value.clone());
            given.variables.insert(name.clone(), vec![text]);
        }
    }
    for (name, from) in &container.secrets {
        if telling.contains(name.as_str()) {
            given.withheld.push(name.clone());
        } else {
            given.secrets.insert(name.clone(), from.clone());
        }
    }
    given
}

/// The value with every host exchanged for the copy's; nothing where it names any other, or cannot be read.
pub(super) fn led(value: &str, served: &Served, place: usize) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for piece in pieces(value)? {
        match (piece, parts.last_mut()) {
            (Piece::Text(text), Some(Part::Text(before))) => before.push_str(text),
            (Piece::Text(text), _) => parts.push(Part::Text(text.to_owned())),
            (Piece::Host(host), _) if served.addresses.contains(&host.to_ascii_lowercase()) => {
                parts.push(Part::Address(place));
            }
            (Piece::Host(_), _) => return None,
        }
    }
    Some(parts)
}

/// True where a text names an address of anything that holds data.
pub(super) fn is_of_production(input: &CopyInput<'_>, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let mut addresses = input.served.iter().flat_map(|served| &served.addresses);
    addresses.any(|address| text.contains(address.as_str()))
}
