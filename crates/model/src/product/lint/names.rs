//! Names: each defined once, each use of one defined.

use std::collections::BTreeMap;

use super::Lint;
use super::meant::unknown;

pub(super) fn check(lint: &mut Lint<'_>) {
    duplicates(lint);
    datastores(lint);
    migrations(lint);
    editions(lint);
    conditions(lint);
    locks(lint);
}

fn duplicates(lint: &mut Lint<'_>) {
    let product = lint.product;
    fn names<T>(all: &[T], name: impl Fn(&T) -> &str) -> Vec<&str> {
        all.iter().map(name).collect()
    }
    let sections = [
        ("edition", "id", names(&product.editions, |it| &it.id)),
        (
            "datastore",
            "name",
            names(&product.datastores, |it| it.name.as_str()),
        ),
        (
            "migration",
            "id",
            names(&product.migrations, |it| it.id.as_str()),
        ),
        (
            "release",
            "version",
            names(&product.releases, |it| it.version.as_str()),
        ),
        ("stop", "id", names(&product.stops, |it| &it.id)),
        (
            "poisoned",
            "version",
            names(&product.poisoned, |it| it.version.as_str()),
        ),
        ("notice", "id", names(&product.notices, |it| &it.id)),
        ("remark", "id", names(&product.remarks, |it| &it.id)),
        ("lock", "id", names(&product.locks, |it| &it.id)),
        ("procedure", "id", names(&product.procedures, |it| &it.id)),
        ("template", "id", names(&product.templates, |it| &it.id)),
        ("order", "id", names(&product.orders, |it| &it.id)),
        ("action", "id", names(&product.actions, |it| &it.id)),
        ("engine", "id", names(&product.engines, |it| it.id.as_str())),
        (
            "distribution",
            "id",
            names(&product.distributions, |it| &it.id),
        ),
        ("package", "name", names(&product.packages, |it| &it.name)),
        ("service", "name", names(&product.services, |it| &it.name)),
        ("conffile", "path", names(&product.conffiles, |it| &it.path)),
        ("feature", "id", names(&product.features, |it| &it.id)),
        ("dead-end", "id", names(&product.dead_ends, |it| &it.id)),
        ("advice", "id", names(&product.advice, |it| &it.id)),
    ];
    for (section, field, names) in sections {
        let mut first = BTreeMap::new();
        for (index, name) in names.into_iter().enumerate() {
            if let Some(first) = first.insert(name, index) {
                let first = lint.whereabouts(&format!("{section}[{first}].{field}"));
                let diagnostic = lint.error(
                    &format!("{section}[{index}].{field}"),
                    "duplicate",
                    format!("the {section} `{name}` is there twice"),
                );
                diagnostic.hint = Some(format!("the other one is at {first}"));
            }
        }
    }
}

fn datastores(lint: &mut Lint<'_>) {
    let product = lint.product;
    let mut uses = Vec::new();
    for (index, migration) in product.migrations.iter().enumerate() {
        uses.push((
            format!("migration[{index}].datastore"),
            &migration.datastore,
        ));
    }
    for (index, notice) in product.notices.iter().enumerate() {
        if let Some(requires) = &notice.requires {
            let path = format!("notice[{index}].requires.datastore");
            uses.push((path, &requires.datastore));
        }
    }
    for (index, deletion) in product.deletions.iter().enumerate() {
        uses.push((format!("deletion[{index}].datastore"), &deletion.datastore));
    }
    for (name, probe) in &product.probes {
        if let Some(datastore) = &probe.datastore {
            uses.push((format!("probe.{name}.datastore"), datastore));
        }
    }
    let known: Vec<&str> = product
        .datastores
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    for (path, name) in uses {
        unknown(lint, &path, "datastore", name.as_str(), &known);
    }
}

fn migrations(lint: &mut Lint<'_>) {
    let product = lint.product;
    let known: Vec<&str> = product.migrations.iter().map(|it| it.id.as_str()).collect();
    let mut uses = Vec::new();
    for (index, release) in product.releases.iter().enumerate() {
        for (place, demand) in release.demands.iter().enumerate() {
            let path = format!("release[{index}].demands[{place}].migration");
            uses.push((path, &demand.migration));
        }
    }
    for (index, stop) in product.stops.iter().enumerate() {
        for (field, ids) in [("run", &stop.run), ("then-run", &stop.then_run)] {
            for (place, id) in ids.iter().enumerate() {
                uses.push((format!("stop[{index}].{field}[{place}]"), id));
            }
        }
    }
    for (index, remark) in product.remarks.iter().enumerate() {
        for (field, ids) in [("runs", &remark.runs), ("runs-not", &remark.runs_not)] {
            for (place, id) in ids.iter().enumerate() {
                uses.push((format!("remark[{index}].{field}[{place}]"), id));
            }
        }
    }
    for (path, id) in uses {
        unknown(lint, &path, "migration", id.as_str(), &known);
    }
    let probes: Vec<&str> = product.probes.keys().map(String::as_str).collect();
    for (index, migration) in product.migrations.iter().enumerate() {
        if let Some(probe) = &migration.schema_version {
            let path = format!("migration[{index}].schema-version");
            unknown(lint, &path, "probe", probe, &probes);
        }
    }
    for (name, probe) in &product.probes {
        let asks = probe.sql.is_some() || probe.redis.is_some();
        if asks && probe.datastore.is_none() {
            let message = format!("the probe `{name}` does not say which datastore it asks");
            let path = format!("probe.{name}.question");
            lint.error(&path, "unknown-datastore", message).hint =
                Some("add datastore = \"…\"".to_owned());
        }
    }
}

fn editions(lint: &mut Lint<'_>) {
    let product = lint.product;
    let mut uses = Vec::new();
    for (index, migration) in product.migrations.iter().enumerate() {
        uses.push((format!("migration[{index}].editions"), &migration.editions));
    }
    for (index, stop) in product.stops.iter().enumerate() {
        uses.push((format!("stop[{index}].editions"), &stop.editions));
    }
    for (index, release) in product.releases.iter().enumerate() {
        uses.push((format!("release[{index}].editions"), &release.editions));
        uses.push((
            format!("release[{index}].unconfirmed"),
            &release.unconfirmed,
        ));
        for (place, demand) in release.demands.iter().enumerate() {
            let path = format!("release[{index}].demands[{place}].editions");
            uses.push((path, &demand.editions));
        }
    }
    for (index, lock) in product.locks.iter().enumerate() {
        uses.push((format!("lock[{index}].editions"), &lock.editions));
    }
    let known: Vec<&str> = product.editions.iter().map(|it| it.id.as_str()).collect();
    for (path, editions) in uses {
        for (place, edition) in editions.iter().enumerate() {
            unknown(
                lint,
                &format!("{path}[{place}]"),
                "edition",
                edition,
                &known,
            );
        }
    }
    let drivers: Vec<&str> = product.drivers.iter().map(String::as_str).collect();
    for (index, edition) in product.editions.iter().enumerate() {
        for (place, driver) in edition.drivers.iter().enumerate() {
            let path = format!("edition[{index}].drivers[{place}]");
            unknown(lint, &path, "driver", driver, &drivers);
        }
    }
}

fn conditions(lint: &mut Lint<'_>) {
    let product = lint.product;
    let probes: Vec<&str> = product.probes.keys().map(String::as_str).collect();
    let editions: Vec<&str> = product.editions.iter().map(|it| it.id.as_str()).collect();
    let drivers: Vec<&str> = product.drivers.iter().map(String::as_str).collect();
    for (path, condition) in product.conditions() {
        if let Some(probe) = &condition.probe {
            let place = format!("{path}.probe.name");
            unknown(lint, &place, "probe", &probe.name, &probes);
            let asked = product.probes.get(&probe.name);
            let answers = asked.map_or(&[][..], |probe| &probe.answers);
            if let (Some(wanted), false) = (&probe.equals, answers.is_empty()) {
                let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
                let place = format!("{path}.probe.equals");
                unknown(lint, &place, "answer", wanted, &answers);
            }
        }
        for (place, edition) in condition.editions.iter().enumerate() {
            let path = format!("{path}.editions[{place}]");
            unknown(lint, &path, "edition", edition, &editions);
        }
        for (place, driver) in condition.drivers.iter().enumerate() {
            let path = format!("{path}.drivers[{place}]");
            unknown(lint, &path, "driver", driver, &drivers);
        }
        super::host::condition(lint, &path, condition);
    }
}

/// Whether a lock is held must be asked of the datastore: an operator is asked for what to do, not for that.
fn locks(lint: &mut Lint<'_>) {
    let product = lint.product;
    let probes: Vec<&str> = product.probes.keys().map(String::as_str).collect();
    for (index, lock) in product.locks.iter().enumerate() {
        let path = format!("lock[{index}].probe");
        let Some(probe) = product.probes.get(&lock.probe) else {
            unknown(lint, &path, "probe", &lock.probe, &probes);
            continue;
        };
        if probe.sql.is_none() && probe.redis.is_none() {
            let message = format!("the probe `{}` of a lock asks nothing", lock.probe);
            lint.error(&path, "silent-probe", message).hint = Some(
                "give the probe `sql` or `redis`: a lock is looked for before every upgrade"
                    .to_owned(),
            );
        }
    }
}
