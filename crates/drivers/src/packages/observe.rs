//! What is to be seen on the host before anything is planned.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use switchback_engine::ports::Failure;
use switchback_model::observed::{
    Datastore, File, Filesystem, Observed, Pinning, Service, VersionPlace,
};
use switchback_model::product::DatastoreKind;
use switchback_model::{Problem, Version};

use super::fetch;
use super::packaging::{Package, Source, Wanted};
use super::place::Place;
use super::record::Record;
use super::set::Set;
use super::{conffiles, hold, install, locks, problems};
use crate::filesystem::{self, Directories, Use};
use crate::host::ROOT;
use crate::locate::{Search, ServiceSpec, Settings};
use crate::schedules;
use crate::servers::{Asker, Server};

/// The answer of a probe that definitions need not ask: which distribution this is.
const DISTRIBUTION: &str = "distribution";

/// Looks at everything.
pub(super) fn observe(
    place: &Place,
    identity: switchback_model::observed::Deployment,
    directories: &Directories,
) -> Result<Observed, Problem> {
    let record = place.record().map_err(problems::refused)?;
    let version = place
        .version(&record.set)
        .ok_or_else(|| problems::not_installed_here(&place.names()))?;
    // Whose run it is comes first: what that run does would be told as somebody's otherwise.
    let claimed = place
        .host
        .claimed_by_another(place.product.id.as_str(), &directories.backups)
        .map_err(problems::refused)?;
    let mut found: Vec<Problem> = claimed.map(problems::refused).into_iter().collect();
    found.extend(obstacles(place, &record).map_err(problems::refused)?);
    found.extend(remarks(place, &record).map_err(problems::refused)?);
    let services = services(place, &record, &version).map_err(problems::refused)?;
    if services.is_empty() {
        let names = place.services();
        let names: Vec<String> = names.iter().map(|name| name.as_str().to_owned()).collect();
        found.push(problems::no_units(&names));
    }
    let datastores = datastores(place, &mut found);
    let mut probes = asking(place, |asker| asker.answers(&place.product, &datastores));
    if let Some(distribution) = distribution(place) {
        probes.insert(DISTRIBUTION.to_owned(), distribution);
    }
    let is_there = |name: &str| record.all.iter().any(|package| package.name == name);
    probes.extend(place.product.features_of(is_there));
    let scheduled = scheduled(place, &datastores);
    found.extend(scheduled);
    let path = place.packaging().words().record.to_owned();
    Ok(Observed {
        deployment: identity,
        files: vec![File {
            path: path.clone(),
            digest: install::digest(place).map_err(problems::refused)?,
        }],
        version_places: vec![VersionPlace {
            path,
            offset: 0,
            text: version.as_str().to_owned(),
            line: 1,
            services: services
                .iter()
                .map(|service| service.name.clone())
                .collect(),
            pinning: Pinning::Exact,
        }],
        filesystems: filesystems(place, directories, &datastores),
        version,
        services,
        datastores,
        probes,
        problems: found,
    })
}

/// What keeps an upgrade from beginning, as far as it can be seen at any time.
pub(super) fn obstacles(place: &Place, record: &Record) -> Result<Vec<Problem>, Failure> {
    let mut found = Vec::new();
    let held: Vec<&str> = record
        .ours()
        .filter(|package| package.held)
        .map(|package| package.name.as_str())
        .collect();
    let packaging = place.packaging();
    let words = packaging.words();
    if !held.is_empty() {
        found.push(problems::held(words, &held));
    }
    if let Some(holder) = locks::holder(place)? {
        found.push(problems::locked(&holder));
    }
    let half: Vec<&Package> = record.all.iter().filter(|one| one.is_half()).collect();
    if !half.is_empty() && !hold::is_engaged(place)? {
        found.push(problems::half(words, &half));
    }
    let units = place.units()?;
    let masked = units.iter().filter(|(_, unit)| unit.load == "masked");
    found.extend(masked.map(|(_, unit)| problems::masked(unit)));
    let nowhere: Vec<String> = fetch::obtainable(place, record)?
        .into_iter()
        .filter(|(_, source)| *source == Source::Nowhere)
        .map(|(word, _)| word)
        .collect();
    if !nowhere.is_empty() {
        found.push(problems::refused(problems::no_way_back(
            words, &nowhere, None,
        )));
    }
    Ok(found)
}

/// What is worth knowing, or takes longer to look at.
fn remarks(place: &Place, record: &Record) -> Result<Vec<Problem>, Failure> {
    let mut found = repositories(place, record)?;
    let repacked: Vec<String> = fetch::obtainable(place, record)?
        .into_iter()
        .filter(|(_, source)| *source == Source::Repacked)
        .map(|(word, _)| word)
        .collect();
    if !repacked.is_empty() {
        found.push(problems::repacked(&repacked));
    }
    let versions = record.set.0.values();
    let releases: BTreeSet<Version> = versions.map(|one| place.release_of(one)).collect();
    if releases.len() > 1 {
        found.push(problems::mixed(&record.set));
    }
    let edited = conffiles::edited(place, &record.set)?;
    let words = place.packaging().words();
    found.extend(edited.iter().map(|one| problems::edited(words, one)));
    if hold::is_engaged(place)? {
        found.push(problems::held_units());
    }
    Ok(found)
}

/// Reads the product's repositories anew: so a key that is over its time, or was changed, shows before anything
/// stops.
fn repositories(place: &Place, record: &Record) -> Result<Vec<Problem>, Failure> {
    let names: Vec<String> = record.set.0.keys().cloned().collect();
    let candidates = fetch::candidates(place, &names)?;
    let packaging = place.packaging();
    let complaints = packaging.complaints(&place.host, &candidates)?;
    Ok(complaints
        .iter()
        .map(|(file, complaint)| problems::repository(packaging.words(), file, complaint))
        .collect())
}

fn services(place: &Place, record: &Record, version: &Version) -> Result<Vec<Service>, Failure> {
    let reference = place.reference(version);
    let pin = record.set.pin(&reference);
    let port = |name: &str| {
        let mut services = place.product.services.iter();
        services.find(|service| service.name == name)?.port
    };
    Ok(place
        .units()?
        .into_iter()
        .map(|(name, unit)| Service {
            component: true,
            image: reference.clone(),
            running: Some(pin.clone()),
            state: unit.state(),
            replicas: 1,
            published: port(name.as_str())
                .map(|port| (port, format!("127.0.0.1:{port}")))
                .into_iter()
                .collect(),
            name,
        })
        .collect())
}

/// The distribution as the definition calls it, or as it calls itself.
fn distribution(place: &Place) -> Option<String> {
    let text = place.host.text(Path::new("/etc/os-release")).ok()?;
    Some(distribution_in(&text, place))
}

fn distribution_in(text: &str, place: &Place) -> String {
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(|value| value.trim_matches('"'))
            .unwrap_or_default()
    };
    let named = format!("{} {}", field("ID"), field("VERSION_ID"));
    let is = |release: &String| {
        let rest = named.strip_prefix(release.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    place
        .product
        .distributions
        .iter()
        .find(|known| known.os_release.iter().any(is))
        .map_or(named.clone(), |known| known.id.clone())
}

fn datastores(place: &Place, found: &mut Vec<Problem>) -> Vec<Datastore> {
    let first = place.services().into_iter().next();
    let component = ServiceSpec::of_process(
        first.unwrap_or_else(|| switchback_model::ServiceName::new("")),
        BTreeMap::new(),
    );
    let settings = Settings::read(&component, &place.product, &|_| None);
    let search = Search {
        services: &[],
        component: &component,
        settings: &settings,
        config: &place.config,
        directory: &place.directory,
        read: &|path| place.host.text_if_there(Path::new(path)),
        // Paths of a unit are paths of this host.
        on_host: &|_, path| Some(path.to_owned()),
    };
    let mut datastores = Vec::new();
    for (_, mut seen) in search.all(&place.product, found) {
        if seen.location.kind == DatastoreKind::Files && place.host.name().is_some() {
            measure_there(place, &mut seen);
            datastores.push(seen);
            continue;
        }
        found.extend(asking(place, |asker| {
            asker.look(&mut seen, &Server::outside())
        }));
        datastores.push(seen);
    }
    datastores
}

/// How much a directory of another machine holds, where nobody but the driver looks: what is kept is measured by what
/// keeps it.
fn measure_there(place: &Place, seen: &mut Datastore) {
    if !place.config.declines(&seen.name) {
        return;
    }
    let directory = seen.location.directory.clone().unwrap_or_default();
    if let Ok((count, size)) = place.host.tree_size(Path::new(&directory)) {
        seen.count = Some(count);
        seen.size = Some(size);
    }
}

/// Asks datastores.
pub(super) fn asking<T>(place: &Place, ask: impl FnOnce(&Asker<'_>) -> T) -> T {
    ask(&Asker {
        commands: &place.commands,
        secret: &|reference| place.secret(reference),
        inside: &|_, argv| place.host.inside(argv).map_err(|failure| failure.what),
    })
}

/// Space here for what is kept here, and there for what is changed there.
fn filesystems(
    place: &Place,
    directories: &Directories,
    datastores: &[Datastore],
) -> Vec<Filesystem> {
    let kept = [
        Use::new(&directories.backups, "backup", true),
        Use::new(&directories.journal, "journal", true),
        Use::new(std::env::temp_dir(), "temporary", true),
    ];
    let mut there = vec![Use::new(&place.there, "packages", true)];
    for datastore in datastores {
        let directory = datastore.location.directory.as_ref();
        there.extend(directory.map(|path| Use::new(path, datastore.name.as_str(), false)));
        // Files are kept where they are; everything else is brought here.
        let kept = datastore.location.kind == DatastoreKind::Files
            && place.host.name().is_some()
            && !place.config.declines(&datastore.name);
        if kept {
            let what = Filesystem::backup_of(&datastore.name);
            there.push(Use::new(ROOT, &what, true));
        }
    }
    let mut found = filesystem::look(&kept);
    found.extend(place.host.filesystems(&there));
    found
}

/// What the clock starts here; another machine's tables are not read.
fn scheduled(place: &Place, datastores: &[Datastore]) -> Vec<Problem> {
    if place.host.name().is_some() {
        return Vec::new();
    }
    schedules::of_processes(&place.directory, datastores)
}

/// The sets that references name, pinned; a refusal where an installation would change anything else.
pub(super) fn resolve(
    place: &Place,
    references: &[String],
) -> Result<Vec<switchback_model::observed::ImagePin>, Problem> {
    let record = place.record().map_err(problems::refused)?;
    // The package programs would say the same, and less clearly.
    let obstacles = obstacles(place, &record).map_err(problems::refused)?;
    if let Some(problem) = obstacles.into_iter().next() {
        return Err(problem);
    }
    let mut pins = Vec::new();
    for reference in references {
        let set = set_named(place, &record, reference).map_err(problems::refused)?;
        let beyond = set.beyond(&record.set);
        if !beyond.0.is_empty() {
            fetch::simulate(place, &set, &Wanted::Versions(&beyond)).map_err(problems::refused)?;
        }
        pins.push(set.pin(reference));
    }
    Ok(pins)
}

/// The set that a reference names.
pub(super) fn set_named(place: &Place, record: &Record, reference: &str) -> Result<Set, Failure> {
    fetch::set_of(place, record, &place.referred(reference))
}
