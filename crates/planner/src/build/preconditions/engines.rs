//! A server must come up again as what it went down: its next start may be ours.

use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::observed::{Access, Datastore, Observed};

use crate::build::reference;

/// Images whose tags begin with the version of the server in them. Others begin with a version of their own
/// (`timescale/timescaledb:2.11-pg15`) or answer with that of another server (Valkey).
const NUMBERED: [&str; 3] = ["postgres", "postgresql", "redis"];

/// Servers that the configuration would bring up at another major version than the one that runs.
pub(super) fn other_majors(observed: &Observed) -> Vec<Problem> {
    let datastores = observed.datastores.iter();
    datastores
        .filter_map(|datastore| other_major(observed, datastore))
        .collect()
}

fn other_major(observed: &Observed, datastore: &Datastore) -> Option<Problem> {
    let Access::Container { service } = &datastore.location.access else {
        return None;
    };
    let engine = datastore.engine.as_deref()?;
    let found = observed
        .services
        .iter()
        .find(|known| known.name == *service)?;
    let repository = reference::repository(&found.image);
    let (runs, written) = (major(engine)?, major(reference::tag(&found.image)?)?);
    if !is_numbered(&found.image) || runs == written {
        return None;
    }
    Some(
        Problem::new(
            Exit::Refused,
            "server-major-differs",
            format!(
                "the server of `{}` is version {engine}, and its configuration says `{}`",
                datastore.name, found.image
            ),
        )
        .state(service.as_str(), format!("runs version {engine}"))
        .why(format!(
            "its next start would put version {written} on data of version {runs}, and backups and the way back start it"
        ))
        .hint(format!(
            "write `{repository}:{runs}` for service `{service}` again; the server's own upgrade is part of a plan: `switchback plan --engine {}={written}`",
            datastore.name
        )),
    )
}

/// Whether the tag of an image begins with the version of the server in it.
pub(crate) fn is_numbered(reference: &str) -> bool {
    let repository = reference::repository(reference);
    let name = repository.rsplit('/').next();
    name.is_some_and(|name| NUMBERED.contains(&name))
}

/// The number that a version begins with.
pub(crate) fn major(version: &str) -> Option<u32> {
    let digits = version.find(|c: char| !c.is_ascii_digit());
    version[..digits.unwrap_or(version.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_without_a_number_says_nothing() {
        assert_eq!(major("15.6"), Some(15));
        assert_eq!(major("17-alpine"), Some(17));
        assert_eq!(major("latest"), None);
        assert_eq!(major("pg15"), None);
    }
}
