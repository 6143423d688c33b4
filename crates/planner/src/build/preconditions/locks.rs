//! Locks whose holder may be dead. While one is held, nothing is stopped: a migration would refuse, wait
//! for ever, or run beside another.

use switchback_model::exit::Exit;
use switchback_model::observed::{Access, Datastore, DatastoreLocation, Observed};
use switchback_model::problem::Citation;
use switchback_model::product::{DatastoreKind, Lock, Product};
use switchback_model::{Config, DatastoreName, Problem};

use crate::build::cast;

/// Locks that are held now, each with who holds it and what to type.
pub(super) fn locks_held(product: &Product, config: &Config, observed: &Observed) -> Vec<Problem> {
    of_edition(product, config)
        .filter_map(|lock| {
            let answer = observed.probes.get(&lock.probe)?;
            let datastore = datastore(product, observed, lock);
            let place = datastore.map(|datastore| (&datastore.name, &datastore.location));
            Some(lock_held(lock, lock.holder(answer)?, place))
        })
        .collect()
}

/// Locks that nothing could ask about: they may be held. A datastore that does not answer at all is an
/// obstacle by itself.
pub fn locks_unasked<'a>(
    product: &'a Product,
    config: &Config,
    observed: &Observed,
) -> Vec<&'a Lock> {
    of_edition(product, config)
        .filter(|lock| !observed.probes.contains_key(&lock.probe))
        .filter(|lock| datastore(product, observed, lock).is_some_and(|it| it.engine.is_some()))
        .collect()
}

fn of_edition<'a>(product: &'a Product, config: &Config) -> impl Iterator<Item = &'a Lock> {
    let edition = cast::edition(product, config).map(|edition| edition.id.as_str());
    product.locks.iter().filter(move |lock| {
        let applies = |wanted: &String| Some(wanted.as_str()) == edition;
        lock.editions.is_empty() || lock.editions.iter().any(applies)
    })
}

/// One lock that `holder` holds, in the datastore at this place.
pub fn lock_held(
    lock: &Lock,
    holder: &str,
    place: Option<(&DatastoreName, &DatastoreLocation)>,
) -> Problem {
    let problem = Problem::new(
        Exit::Refused,
        "lock-held",
        format!("there is {}", lock.what),
    )
    .state("deployment", "unchanged");
    let problem = match place {
        Some((name, _)) => problem.state(format!("datastore {name}"), holder),
        None => problem.state("lock", holder),
    };
    let typed = |statement: &str| match place {
        Some((_, location)) => format!("`{}`", command(location, statement)),
        None => format!("`{statement}`"),
    };
    let see = match &lock.look {
        Some(look) => format!("{}: {}", lock.stale, typed(look)),
        None => lock.stale.clone(),
    };
    problem
        .hint(see)
        .hint(format!(
            "once nobody holds it any more, remove it and plan again: {}",
            typed(&lock.clear)
        ))
        .fact(Citation {
            id: lock.id.clone(),
            text: lock.because.clone(),
            source: lock.source.clone(),
        })
}

fn datastore<'a>(product: &Product, observed: &'a Observed, lock: &Lock) -> Option<&'a Datastore> {
    let name = product.probes.get(&lock.probe)?.datastore.as_ref()?;
    let mut datastores = observed.datastores.iter();
    datastores.find(|datastore| datastore.name == *name)
}

/// The command that sends `statement` to the datastore's server.
fn command(location: &DatastoreLocation, statement: &str) -> String {
    let mut words = Vec::new();
    let beside = match &location.access {
        Access::Container { service } => {
            words.push(format!("docker compose exec {service}"));
            true
        }
        Access::Local => false,
    };
    match location.kind {
        DatastoreKind::Postgres => {
            words.push("psql".to_owned());
            words.extend(location.user.iter().map(|user| format!("-U {user}")));
            words.extend(location.database.iter().map(|name| format!("-d {name}")));
        }
        DatastoreKind::Redis => {
            words.push("redis-cli".to_owned());
            words.extend(
                location
                    .database
                    .iter()
                    .map(|number| format!("-n {number}")),
            );
        }
        // No definition knows a lock in MongoDB.
        DatastoreKind::Mongodb | DatastoreKind::Files => {}
    }
    if !beside {
        words.extend(location.host.iter().map(|host| format!("-h {host}")));
        words.extend(location.port.iter().map(|port| format!("-p {port}")));
    }
    words.push(match location.kind {
        DatastoreKind::Postgres => format!("-c \"{statement}\""),
        DatastoreKind::Redis | DatastoreKind::Mongodb | DatastoreKind::Files => {
            statement.to_owned()
        }
    });
    words.join(" ")
}
