//! Servers of datastores that shall become another major version: who wants it, whether it can be, and with
//! which image.

use std::ops::RangeInclusive;

use switchback_model::exit::Exit;
use switchback_model::observed::{Access, Datastore, Observed, Service};
use switchback_model::plan::EngineChange;
use switchback_model::product::{Product, ServerChange};
use switchback_model::{Config, DatastoreName, Problem, ServiceName};

use super::input::Input;
use super::keeping::Keeping;
use super::pins::pinned;
use super::preconditions::{is_numbered, major};
use super::reference;

/// A server that shall become another version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineWish {
    /// The first datastore that lives in it.
    pub datastore: DatastoreName,
    /// The service that runs it.
    pub service: ServiceName,
    /// Version that runs.
    pub from: String,
    /// Version wanted.
    pub to: String,
    /// The image that the service's configuration shall name.
    pub reference: String,
}

/// The servers that the operator wants at another version than they are, in the order of the definition; or why
/// one of them cannot come there.
pub fn engines_wanted(
    product: &Product,
    config: &Config,
    observed: &Observed,
) -> Result<Vec<EngineWish>, Problem> {
    let mut wishes: Vec<EngineWish> = Vec::new();
    if let Some(name) = config
        .datastores
        .iter()
        .filter(|(_, said)| said.engine.is_some())
        .map(|(name, _)| name)
        .find(|name| product.datastores.iter().all(|known| known.name != **name))
    {
        let known: Vec<&str> = product
            .datastores
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        return Err(refused(
            "datastore-unknown",
            format!("{} has no datastore `{name}`", product.name),
        )
        .hint(format!("it has {}", known.join(", "))));
    }
    for defined in &product.datastores {
        let said = config.datastores.get(&defined.name);
        let Some(to) = said.and_then(|said| said.engine.as_deref()) else {
            continue;
        };
        let found = observed
            .datastores
            .iter()
            .find(|found| found.name == defined.name)
            .ok_or_else(|| {
                refused(
                    "engine-unseen",
                    format!("this deployment has no `{}`", defined.name),
                )
            })?;
        let Some(wish) = wish(observed, found, to)? else {
            continue;
        };
        match wishes.iter().find(|known| known.service == wish.service) {
            None => wishes.push(wish),
            Some(known) if known.to == wish.to => {}
            Some(known) => return Err(contradiction(known, &wish)),
        }
    }
    Ok(wishes)
}

/// The changes that a plan makes, with their images.
pub(super) fn changes(input: &Input<'_>) -> Result<Vec<(DatastoreName, EngineChange)>, Problem> {
    let wishes = engines_wanted(input.product, input.config, input.observed)?;
    wishes
        .into_iter()
        .map(|wish| {
            let was = service(input.observed, &wish.service)
                .and_then(|service| service.running.clone())
                .ok_or_else(|| unseen(&wish.datastore))?;
            let image = pinned(input, Some(wish.reference))?;
            let change = EngineChange {
                service: wish.service,
                from: wish.from,
                to: wish.to,
                was,
                image,
            };
            Ok((wish.datastore, change))
        })
        .collect()
}

/// A server changes only where its datastores are kept, and where its version can be written down.
pub(super) fn can_be(
    input: &Input<'_>,
    keeping: &Keeping,
    engines: &[(DatastoreName, EngineChange)],
) -> Result<(), Problem> {
    for (_, engine) in engines {
        let unkept = in_server(keeping, engine).find(|name| keeping.keeper(name).is_none());
        if let Some(name) = unkept {
            return Err(refused(
                "engine-unkept",
                format!("`{name}` has no backup, and its server would become {}", engine.to),
            )
            .why("what a new server is built from must be proven to be there a second time")
            .hint(format!(
                "take `backup = \"none\"` out of [datastores.{name}] in switchback.toml, or leave the server as it is"
            )));
        }
    }
    if !engines.is_empty() && input.engine_edits.is_empty() {
        return Err(refused(
            "no-edit",
            "nothing in this deployment's files can be set to another version of a server"
                .to_owned(),
        )
        .why("the next start of it would bring the old server up on the new one's data")
        .hint("write the image's tag into the compose file, or into a variable that it uses"));
    }
    Ok(())
}

/// The datastores that live in the server which changes.
pub(super) fn in_server<'k>(
    keeping: &'k Keeping,
    engine: &'k EngineChange,
) -> impl Iterator<Item = &'k DatastoreName> {
    keeping.all().iter().filter(|name| {
        let access = &keeping.plans()[*name].location.access;
        matches!(access, Access::Container { service } if *service == engine.service)
    })
}

fn wish(observed: &Observed, found: &Datastore, to: &str) -> Result<Option<EngineWish>, Problem> {
    let name = &found.name;
    let supported = match found.location.kind.server_change() {
        ServerChange::Rebuilt(majors) => majors,
        ServerChange::Climbs { format, .. } => return Err(climbs_by_hand(found, to, format)),
        ServerChange::None => {
            return Err(refused(
                "engine-none",
                format!("`{name}` is files, and no server keeps them"),
            )
            .hint(format!(
                "take `engine` out of [datastores.{name}] in switchback.toml"
            )));
        }
    };
    let from = found.engine.as_deref().ok_or_else(|| unseen(name))?;
    if !is_upgrade(name, from, to, &supported)? {
        return Ok(None);
    }
    let by = reachable(found, from)?;
    let image = service(observed, by).map(|service| service.image.as_str());
    let reference = image
        .and_then(|image| at_engine(image, to))
        .ok_or_else(|| unnamed(name, by, image.unwrap_or("nothing"), to))?;
    Ok(Some(EngineWish {
        datastore: name.clone(),
        service: by.clone(),
        from: from.to_owned(),
        to: to.to_owned(),
        reference,
    }))
}

/// True where `to` is a later major version that switchback keeps; false where it is the one that runs.
fn is_upgrade(
    name: &DatastoreName,
    from: &str,
    to: &str,
    supported: &RangeInclusive<u32>,
) -> Result<bool, Problem> {
    let (Some(is), Some(wanted)) = (major(from), major(to)) else {
        return Err(refused(
            "engine-version",
            format!("`{to}` is no version of the server of `{name}`"),
        )
        .hint(format!("name one by its number: `--engine {name}=17`")));
    };
    if is == wanted {
        return Ok(false);
    }
    if wanted < is {
        return Err(refused(
            "engine-older",
            format!("the server of `{name}` is version {from}, and {to} is older"),
        )
        .state(name.as_str(), format!("version {from}"))
        .why("an older server cannot read what a newer one has written")
        .hint("where an upgrade by switchback brought it there: `switchback rollback` puts the old server back"));
    }
    if !supported.contains(&wanted) {
        return Err(refused(
            "engine-unsupported",
            format!(
                "the server of `{name}` cannot become {to}: switchback keeps versions {} to {}",
                supported.start(),
                supported.end()
            ),
        )
        .state(name.as_str(), format!("version {from}"))
        .why("there would be no backup of it that is known to hold")
        .hint(format!("`--engine {name}={}`", supported.end())));
    }
    Ok(true)
}

/// The service whose image decides the server's version, and whose data can be changed from here.
fn reachable<'f>(found: &'f Datastore, from: &str) -> Result<&'f ServiceName, Problem> {
    let name = &found.name;
    let Access::Container { service: by } = &found.location.access else {
        return Err(refused(
            "engine-elsewhere",
            format!("the server of `{name}` is no service of this deployment"),
        )
        .state(name.as_str(), format!("version {from}"))
        .why("only what Compose runs can be made from another image, and back")
        .hint("upgrade it where it runs, as its own documentation says, then plan again"));
    };
    if found.location.directory.is_none() {
        return Err(refused(
            "engine-unreachable",
            format!("the directory of `{name}` was not found on this host"),
        )
        .state(name.as_str(), format!("version {from}"))
        .why("what the new server runs on is built beside it, and takes its place by renaming")
        .hint("keep its data in a volume or in a directory of this host"));
    }
    Ok(by)
}

/// The image `reference` with the server's version in its tag replaced; what follows the version names a variant
/// of the image and stays.
fn at_engine(reference: &str, to: &str) -> Option<String> {
    if !is_numbered(reference) || reference.contains('@') {
        return None;
    }
    let tag = reference::tag(reference)?;
    let number = tag
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(tag.len());
    (number > 0).then(|| {
        format!(
            "{}:{to}{}",
            reference::repository(reference),
            &tag[number..]
        )
    })
}

/// Such a server climbs line by line where its packages are installed, and cannot go back down.
fn climbs_by_hand(found: &Datastore, to: &str, format: &str) -> Problem {
    let name = &found.name;
    let runs = found.engine.as_deref().unwrap_or("unknown");
    refused(
        "engine-by-hand",
        format!("the server of `{name}` cannot become {to} by a plan"),
    )
    .state(name.as_str(), format!("version {runs}"))
    .why(format!(
        "it goes up one line at a time, each with {format} set before the next, and not down again"
    ))
    .hint("upgrade it where it runs, as its own documentation says, then plan again")
    .hint(format!(
        "take `engine` out of [datastores.{name}] in switchback.toml"
    ))
}

fn service<'o>(observed: &'o Observed, name: &ServiceName) -> Option<&'o Service> {
    observed.services.iter().find(|known| known.name == *name)
}

fn refused(code: &str, what: String) -> Problem {
    Problem::new(Exit::Refused, code, what).state("deployment", "unchanged")
}

fn unseen(name: &DatastoreName) -> Problem {
    refused(
        "engine-unseen",
        format!("nothing could ask the server of `{name}` for its version"),
    )
    .hint("start it, then plan again")
}

fn unnamed(name: &DatastoreName, service: &ServiceName, image: &str, to: &str) -> Problem {
    refused(
        "engine-image",
        format!("nothing tells which image has version {to} of the server of `{name}`"),
    )
    .state(service.as_str(), format!("made from `{image}`"))
    .why("only a tag that begins with the server's own version can be changed to another one")
    .hint(format!(
        "where it is one of those, write it in full for service `{service}`, e.g. `postgres:15` or `redis:7-alpine`"
    ))
}

fn contradiction(one: &EngineWish, other: &EngineWish) -> Problem {
    refused(
        "engine-contradiction",
        format!(
            "`{}` and `{}` live in one server, which cannot become both {} and {}",
            one.datastore, other.datastore, one.to, other.to
        ),
    )
    .hint("ask for one version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variant_of_an_image_stays() {
        let moved = |reference: &str| at_engine(reference, "17");
        assert_eq!(moved("postgres:15").as_deref(), Some("postgres:17"));
        assert_eq!(
            moved("mirror:5000/library/postgres:15.6-alpine").as_deref(),
            Some("mirror:5000/library/postgres:17-alpine")
        );
        for unknown in [
            "postgres",
            "postgres:latest",
            "postgres:15@sha256:ff",
            "timescale/timescaledb:2.11-pg15",
        ] {
            assert_eq!(moved(unknown), None, "{unknown}");
        }
    }
}
