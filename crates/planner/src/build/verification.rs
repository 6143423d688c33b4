//! What is looked at from outside once a version runs.

use std::collections::BTreeMap;

use switchback_model::observed::{ImagePin, Service};
use switchback_model::plan::Check;
use switchback_model::product::{HttpRequest, Product};
use switchback_model::{ServiceName, Version};

use super::cast::{Cast, Role};
use super::input::{Input, Note, Place};

/// The looks that show `version` running well with `images`.
pub(crate) fn from_outside(
    input: &Input<'_>,
    cast: &Cast<'_>,
    version: &Version,
    images: &BTreeMap<ServiceName, ImagePin>,
) -> Vec<Check> {
    let mut checks = vec![Check::Stable {
        images: images.clone(),
    }];
    let migrator = cast.migrator().map(|service| &service.name);
    if let Some(path) = health_path(input.product, version) {
        for member in cast.active() {
            let service = member.service;
            if member.role == Role::Component {
                // The operator's URL leads to one service; the others are asked at their containers.
                let url = (Some(&service.name) == migrator)
                    .then(|| input.config.verify.url.clone())
                    .flatten();
                checks.extend(http_port(input.product, service).map(|port| Check::Health {
                    service: service.name.clone(),
                    port,
                    url,
                    path: path.to_owned(),
                }));
            }
        }
    }
    checks.extend(write_path(input, cast));
    checks
}

/// What cannot be looked at, and what the operator could say to change that.
pub(crate) fn notes(input: &Input<'_>, versions: &[&Version]) -> Vec<Note> {
    let mut notes = Vec::new();
    for version in versions {
        if health_path(input.product, version).is_none() {
            notes.push(Note::warning(
                Place::Verification,
                format!(
                    "the definition knows no health path for {version}: only that what was started stays up is verified"
                ),
            ));
        }
    }
    if input.product.write_path.is_some() {
        let missing = missing_names(input);
        if !missing.is_empty() {
            notes.push(Note::warning(
                Place::Verification,
                format!(
                    "no write is tried, because [verify] in switchback.toml does not name {}",
                    missing.join(", ")
                ),
            ));
        }
    }
    notes
}

fn health_path<'p>(product: &'p Product, version: &Version) -> Option<&'p str> {
    product
        .health
        .iter()
        .find(|health| {
            product
                .scheme
                .contains(&health.versions, version)
                .unwrap_or(false)
        })
        .map(|health| health.path.as_str())
}

fn http_port(product: &Product, service: &Service) -> Option<u16> {
    product
        .components
        .iter()
        .find(|component| component.id == service.name.as_str())
        // A product that says what its services are says of each whether it answers.
        .or_else(|| {
            let first = product.components.first();
            first.filter(|_| product.services.is_empty())
        })
        .map(|component| component.http_port)
}

fn write_path(input: &Input<'_>, cast: &Cast<'_>) -> Option<Check> {
    let defined = input.product.write_path.as_ref()?;
    let api_key = input.config.verify.api_key.clone()?;
    if !missing_names(input).is_empty() {
        return None;
    }
    let service = cast.migrator()?;
    Some(Check::WritePath {
        service: service.name.clone(),
        port: http_port(input.product, service)?,
        url: input.config.verify.url.clone(),
        api_key,
        requests: defined
            .requests
            .iter()
            .map(|request| filled(request, &input.config.verify.names))
            .collect(),
    })
}

fn missing_names(input: &Input<'_>) -> Vec<String> {
    let Some(defined) = &input.product.write_path else {
        return Vec::new();
    };
    let verify = &input.config.verify;
    let key = verify.api_key.is_none().then_some("api-key");
    let names = defined
        .needs
        .iter()
        .map(String::as_str)
        .filter(|name| *name != "api-key" && !verify.names.contains_key(*name));
    key.into_iter()
        .chain(names)
        .map(|name| format!("`{name}`"))
        .collect()
}

fn filled(request: &HttpRequest, names: &BTreeMap<String, String>) -> HttpRequest {
    let fill = |text: &String| {
        names.iter().fold(text.clone(), |filled, (name, value)| {
            filled.replace(&format!("{{{name}}}"), value)
        })
    };
    HttpRequest {
        method: request.method.clone(),
        path: fill(&request.path),
        body: request.body.as_ref().map(fill),
        expect: request.expect.as_ref().map(fill),
    }
}
