//! Reads a definition from the text of its files. Any file may hold any
//! section: the split into `releases.toml` and `rules.toml` is for people.
//! What can be told from one section alone is found here, what takes the whole
//! definition in [`super::lint`].

mod places;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::diagnostic::{Diagnostic, Place, Severity};
use super::{
    Action, Advice, Component, Conffile, Datastore, DeadEnd, Deletion, Distribution, Edition,
    Engine, Exec, Feature, Health, Lock, Migration, Notice, Order, Package, Poisoned, Probe,
    Procedure, Product, Release, Remark, Service, Stop, Template, WritePath,
};
use crate::digest::Digest;
use crate::id::ProductId;
use crate::version::{Range, Scheme};

pub use places::Places;

/// A definition as read, with the place of everything in it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The definition.
    pub product: Product,
    /// Where each value was read.
    pub places: Places,
}

/// `[product]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Head {
    id: ProductId,
    name: String,
    scheme: Scheme,
    #[serde(default)]
    path_only: bool,
    #[serde(default)]
    covers: Option<Range>,
    #[serde(default)]
    version_output: Option<String>,
    #[serde(default)]
    drivers: Vec<String>,
    #[serde(default)]
    secrets: Vec<String>,
}

/// One file: every section is optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Sections {
    product: Option<Head>,
    edition: Vec<Edition>,
    component: Vec<Component>,
    exec: Option<Exec>,
    datastore: Vec<Datastore>,
    migration: Vec<Migration>,
    release: Vec<Release>,
    stop: Vec<Stop>,
    poisoned: Vec<Poisoned>,
    notice: Vec<Notice>,
    remark: Vec<Remark>,
    procedure: Vec<Procedure>,
    template: Vec<Template>,
    order: Vec<Order>,
    action: Vec<Action>,
    engine: Vec<Engine>,
    distribution: Vec<Distribution>,
    package: Vec<Package>,
    service: Vec<Service>,
    conffile: Vec<Conffile>,
    feature: Vec<Feature>,
    dead_end: Vec<DeadEnd>,
    health: Vec<Health>,
    write_path: Option<WritePath>,
    probe: BTreeMap<String, Probe>,
    lock: Vec<Lock>,
    deletion: Vec<Deletion>,
    advice: Vec<Advice>,
}

/// Reads a definition from its files, name and text each.
pub fn parse(files: &[(&str, &str)]) -> Result<Parsed, Vec<Diagnostic>> {
    let mut places = Places::default();
    let mut all = Sections::default();
    let mut found = Vec::new();
    for (index, (_, text)) in files.iter().enumerate() {
        match toml::from_str::<Sections>(text) {
            Ok(sections) => {
                places.add_file(index, text);
                append(&mut all, sections, index, &places, files, &mut found);
            }
            Err(error) => found.push(malformed(files, index, &error)),
        }
    }
    let start = Place {
        file: 0,
        start: 0,
        end: 0,
    };
    let Some(head) = all.product.take() else {
        if found.is_empty() {
            let missing = Diagnostic::at(
                files,
                start,
                Severity::Error,
                "no-product",
                "no file has a section `[product]`",
            );
            found.push(missing.hint("begin product.toml with [product], id, name and scheme"));
        }
        return Err(found);
    };
    if !found.is_empty() {
        return Err(found);
    }
    Ok(Parsed {
        product: assemble(head, all, digest(files)),
        places,
    })
}

/// A TOML date, as text.
pub(super) fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    toml::value::Datetime::deserialize(deserializer).map(|date| Some(date.to_string()))
}

/// Names and lengths are part of it, so that moving text between files changes it.
fn digest(files: &[(&str, &str)]) -> Digest {
    let mut all = String::new();
    for (name, text) in files {
        all.push_str(&format!("{name}\n{}\n{text}\n", text.len()));
    }
    Digest::of(all)
}

fn malformed(files: &[(&str, &str)], file: usize, error: &toml::de::Error) -> Diagnostic {
    let span = error.span().unwrap_or(0..0);
    let place = Place {
        file,
        start: span.start,
        end: span.end,
    };
    let message = error.message().trim().replace('\n', " ");
    Diagnostic::at(files, place, Severity::Error, "malformed", message)
}

/// Adds the sections of one file to those of the files before it.
fn append(
    all: &mut Sections,
    mut more: Sections,
    file: usize,
    places: &Places,
    files: &[(&str, &str)],
    found: &mut Vec<Diagnostic>,
) {
    let twice = |section: &str| {
        let place = places.in_file(file, section);
        let message = format!("the section `[{section}]` is in two files");
        Diagnostic::at(files, place, Severity::Error, "duplicate", message).hint("keep one of them")
    };
    if all.product.is_some() && more.product.is_some() {
        found.push(twice("product"));
    }
    if all.write_path.is_some() && more.write_path.is_some() {
        found.push(twice("write-path"));
    }
    if all.exec.is_some() && more.exec.is_some() {
        found.push(twice("exec"));
    }
    for name in more
        .probe
        .keys()
        .filter(|name| all.probe.contains_key(*name))
    {
        found.push(twice(&format!("probe.{name}")));
    }
    all.product = all.product.take().or(more.product);
    all.write_path = all.write_path.take().or(more.write_path);
    all.exec = all.exec.take().or(more.exec);
    all.probe.append(&mut more.probe);
    all.edition.append(&mut more.edition);
    all.component.append(&mut more.component);
    all.datastore.append(&mut more.datastore);
    all.migration.append(&mut more.migration);
    all.release.append(&mut more.release);
    all.stop.append(&mut more.stop);
    all.poisoned.append(&mut more.poisoned);
    all.notice.append(&mut more.notice);
    all.remark.append(&mut more.remark);
    all.procedure.append(&mut more.procedure);
    all.template.append(&mut more.template);
    all.order.append(&mut more.order);
    all.action.append(&mut more.action);
    all.engine.append(&mut more.engine);
    all.distribution.append(&mut more.distribution);
    all.package.append(&mut more.package);
    all.service.append(&mut more.service);
    all.conffile.append(&mut more.conffile);
    all.feature.append(&mut more.feature);
    all.dead_end.append(&mut more.dead_end);
    all.health.append(&mut more.health);
    all.lock.append(&mut more.lock);
    all.deletion.append(&mut more.deletion);
    all.advice.append(&mut more.advice);
}

fn assemble(head: Head, all: Sections, digest: Digest) -> Product {
    Product {
        id: head.id,
        name: head.name,
        scheme: head.scheme,
        digest,
        path_only: head.path_only,
        covers: head.covers,
        editions: all.edition,
        drivers: head.drivers,
        components: all.component,
        exec: all.exec,
        datastores: all.datastore,
        migrations: all.migration,
        releases: all.release,
        stops: all.stop,
        poisoned: all.poisoned,
        notices: all.notice,
        remarks: all.remark,
        procedures: all.procedure,
        templates: all.template,
        version_output: head.version_output,
        orders: all.order,
        actions: all.action,
        engines: all.engine,
        distributions: all.distribution,
        packages: all.package,
        services: all.service,
        conffiles: all.conffile,
        features: all.feature,
        dead_ends: all.dead_end,
        health: all.health,
        write_path: all.write_path,
        probes: all.probe,
        locks: all.lock,
        deletions: all.deletion,
        advice: all.advice,
        secrets: head.secrets,
    }
}

#[cfg(test)]
mod tests;
