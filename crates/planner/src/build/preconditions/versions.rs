//! Which version runs must be certain, and written where an edit can change it.

use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::observed::{Observed, Pinning, ServiceState, VersionPlace};

use super::advice::with_command;
use crate::build::cast::Cast;
use crate::build::reference;

pub(super) fn versions(observed: &Observed, cast: &Cast<'_>) -> Vec<Problem> {
    let mut found = Vec::new();
    for member in cast.all() {
        let service = member.service;
        if service.state == ServiceState::Restarting {
            found.push(
                Problem::new(
                    Exit::Refused,
                    "service-restarting",
                    format!("service `{}` restarts again and again", service.name),
                )
                .state(service.name.as_str(), "restarting")
                .why("an upgrade would hide what is wrong with it now, and could not tell its own failure from it")
                .hint(with_command(
                    observed,
                    "read its log and repair it first",
                    &format!("docker compose logs {}", service.name),
                )),
            );
        }
        if let Some(running) = &service.running
            && reference::tag(&running.reference) != reference::tag(&service.image)
        {
            found.push(
                Problem::new(
                    Exit::Refused,
                    "running-differs",
                    format!(
                        "service `{}` runs `{}`, its configuration says `{}`",
                        service.name, running.reference, service.image
                    ),
                )
                .state(
                    service.name.as_str(),
                    format!("runs `{}`", running.reference),
                )
                .why("which version its data is at cannot be told")
                .hint(with_command(
                    observed,
                    "put the file back, or let what it says run first",
                    "docker compose up -d",
                )),
            );
        }
    }
    found.extend(mixed(observed, cast));
    for place in relevant(observed, cast) {
        found.extend(place_problem(observed, place));
    }
    for member in cast.active() {
        let name = &member.service.name;
        if !observed
            .version_places
            .iter()
            .any(|place| place.services.contains(name))
        {
            found.push(
                Problem::new(
                    Exit::Refused,
                    "version-not-found",
                    format!("no place was found that decides the version of service `{name}`"),
                )
                .state(name.as_str(), format!("image `{}`", member.service.image))
                .hint("write the image with its tag into the compose file, or into a variable that it uses"),
            );
        }
    }
    found
}

/// Components at different versions: an upgrade that stopped half-way, or a hand that did.
fn mixed(observed: &Observed, cast: &Cast<'_>) -> Option<Problem> {
    let wanted = observed.version.as_str();
    let tags: Vec<(&str, &str)> = cast
        .all()
        .iter()
        .filter_map(|member| {
            let tag = reference::tag(&member.service.image)?;
            Some((member.service.name.as_str(), tag))
        })
        .collect();
    // A moving tag has its own message.
    let exact = |tag: &str| tag.starts_with(|c: char| c.is_ascii_digit()) && !tag.ends_with('x');
    if !tags
        .iter()
        .any(|(_, tag)| exact(tag) && !tag.contains(wanted))
    {
        return None;
    }
    let mut problem = Problem::new(
        Exit::Refused,
        "versions-mixed",
        "services of the product are at different versions",
    );
    for (service, tag) in tags {
        problem = problem.state(service, tag);
    }
    Some(
        problem
            .why("a path begins at one version")
            .hint("set the same tag everywhere and let the product start with it, then plan again"),
    )
}

fn relevant<'o>(
    observed: &'o Observed,
    cast: &'o Cast<'_>,
) -> impl Iterator<Item = &'o VersionPlace> {
    observed.version_places.iter().filter(|place| {
        cast.all()
            .iter()
            .any(|member| place.services.contains(&member.service.name))
    })
}

fn place_problem(observed: &Observed, place: &VersionPlace) -> Option<Problem> {
    let at = format!("{}:{}", place.path, place.line);
    let services: Vec<&str> = place.services.iter().map(|name| name.as_str()).collect();
    let services = services.join(", ");
    let (code, what, why, hint) = match place.pinning {
        Pinning::Exact if place.text.contains(observed.version.as_str()) => return None,
        Pinning::Exact => (
            "version-places-disagree",
            format!("{at} says `{}`, not {}", place.text, observed.version),
            "a path begins at one version",
            format!(
                "set it to {} as elsewhere, then plan again",
                observed.version
            ),
        ),
        Pinning::Moving => (
            "moving-tag",
            format!(
                "the image of {services} has the moving tag `{}` ({at})",
                place.text
            ),
            "a restart may bring another version, and nothing could go back to this one",
            format!("write `{}`, which runs now, in its place", observed.version),
        ),
        Pinning::Digest => (
            "digest-pinned",
            format!("the image of {services} is pinned to a digest ({at})"),
            "a new tag before an old digest changes nothing: the digest decides",
            "remove `@sha256:…` behind the tag; plans pin the digest themselves".to_owned(),
        ),
    };
    Some(
        Problem::new(Exit::Refused, code, what)
            .state("deployment", "unchanged")
            .why(why)
            .hint(hint),
    )
}
