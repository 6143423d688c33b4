//! `switchback status`: what runs, what was done last, what is open, which ways back exist.
//!
//! It is quick: one question to the Docker Engine, the rest from the journal. Of stacks it asks AWS.

mod stacks;

use serde::Serialize;
use switchback_datastores::backup::{self, Manifest};
use switchback_drivers::Glance;
use switchback_journal::{Journal, RunRecord};
use switchback_model::exit::Exit;
use switchback_model::observed::ServiceState;
use switchback_model::plan::{BackupMethod, BackupState, Purpose};
use switchback_model::product::Product;
use switchback_model::{Problem, RunId};

use self::stacks::Glanced;
use super::rehearse::{self, CopyHere, CopyStanding};
use crate::failure::Failed;
use crate::hand_work::{self, Awaited};
use crate::place::deployment::Found;
use crate::render::plan::route;
use crate::render::style::{BAD, BOLD, DIM, GOOD, PLAIN, WARN, paint};
use crate::render::table::{Cell, Table};
use crate::render::{measure, step, wrap};
use crate::runs::{self, Standing};
use crate::session::{Session, now};

/// Version of the JSON document.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Document {
    format: u32,
    deployment: String,
    directory: String,
    /// The machine that it is on, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    product: String,
    edition: Option<String>,
    /// Tags of the product's images that run or would run.
    versions: Vec<String>,
    services: Vec<Glance>,
    /// The account, where it is stacks at AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    aws: Option<Glanced>,
    /// Why the services could not be looked at.
    unseen: Option<Problem>,
    last_run: Option<LastRun>,
    ways_back: Vec<Way>,
    /// Copies of rehearsals, kept, left or in use.
    copies: Vec<CopyHere>,
    next: Vec<String>,
}

#[derive(Serialize)]
struct LastRun {
    run: RunId,
    purpose: Option<Purpose>,
    route: Option<String>,
    standing: &'static str,
    reason: Option<String>,
    /// Work of people that it waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    awaits: Vec<Awaited>,
    /// What to type about it, where it is open.
    #[serde(skip)]
    next: Vec<String>,
    started: u64,
    downtime: Option<u64>,
}

/// A run that can be taken back.
#[derive(Serialize)]
struct Way {
    run: RunId,
    to: String,
    /// True where its backups were removed from this machine, and the repository may have them.
    gone: bool,
    /// Bytes of its proven backups on this machine.
    backups: u64,
    /// True where shadows take the place of the data, whatever their size.
    instant: bool,
    /// From when on `backup prune` may free its shadows, in milliseconds since the epoch.
    shadows_until: Option<u64>,
    /// Until when it can be taken; `None` where it rests on nothing that could be removed.
    until: Option<String>,
}

/// Shows how things are.
pub(crate) fn run(session: &Session<'_>) -> Result<Exit, Failed> {
    let found = session.deployment()?;
    let journal = session.journal()?;
    let product = product(session, &found);
    let (services, aws, unseen) = look(session, &found, product.as_ref());
    // One that is done says less than one that waits for it.
    let last = match runs::open(session, &journal, &found.key())? {
        Some((record, _)) => Some(record),
        None => journal.last_run(&found.key())?,
    };
    let last_run = match &last {
        Some(record) => Some(last_run(session, &journal, record)?),
        None => None,
    };
    let ways_back = ways_back(session, &journal, &found)?;
    let copies = rehearse::copies(session, &journal, &found)?;
    let next = next(last_run.as_ref(), &copies);
    let document = Document {
        format: FORMAT,
        versions: match &aws {
            Some(glanced) => vec![glanced.version.clone()],
            None => versions(product.as_ref(), &found, &services),
        },
        aws,
        deployment: found.name.clone(),
        directory: found.directory.display().to_string(),
        host: found.config.host.as_ref().map(|host| host.ssh.clone()),
        product: found.config.product.to_string(),
        edition: found.config.edition.clone(),
        services,
        unseen,
        last_run,
        ways_back,
        copies,
        next,
    };
    if session.screen.json() {
        session.screen.document(&document);
    } else {
        session
            .screen
            .answer(&text(&document, session.screen.width));
        if let Some(problem) = &document.unseen {
            let told = crate::render::problem::text(problem, session.screen.progress_width);
            session.screen.advice(&told);
        }
        session.screen.next(&document.next);
    }
    Ok(Exit::Ok)
}

/// What runs, or why that cannot be told.
fn look(
    session: &Session<'_>,
    found: &Found,
    product: Option<&Product>,
) -> (Vec<Glance>, Option<Glanced>, Option<Problem>) {
    if found.config.aws.is_some() {
        return match stacks::glance(session, found) {
            Ok(Some(mut glanced)) => {
                let services = std::mem::take(&mut glanced.services);
                (services, Some(glanced), None)
            }
            Ok(None) => (Vec::new(), None, None),
            Err(failed) => (Vec::new(), None, Some(*failed.problem)),
        };
    }
    match switchback_drivers::glance(&found.directory, &found.config, product) {
        Ok(services) => (services, None, None),
        Err(problem) => (Vec::new(), None, Some(problem)),
    }
}

fn last_run(
    session: &Session<'_>,
    journal: &Journal,
    record: &RunRecord,
) -> Result<LastRun, Failed> {
    let plan = session.plan_of(record).ok();
    let standing = runs::standing(journal, record)?;
    let state = journal.state(&record.run)?;
    let awaits = match (&standing, &plan) {
        (Standing::Halted(_) | Standing::Interrupted { .. }, Some(plan)) => {
            hand_work::of(plan, &state)
        }
        _ => Vec::new(),
    };
    Ok(LastRun {
        awaits,
        next: runs::next(&record.run, plan.as_ref(), &state),
        run: record.run.clone(),
        purpose: plan.as_ref().map(|plan| plan.purpose.clone()),
        route: plan.as_ref().map(route),
        standing: standing.word(),
        reason: standing.reason(),
        started: record.started,
        downtime: match standing {
            Standing::Done { downtime } => Some(downtime),
            _ => None,
        },
    })
}

/// Runs that can be taken back now, newest first: the last upgrade that stands.
fn ways_back(session: &Session<'_>, journal: &Journal, found: &Found) -> Result<Vec<Way>, Failed> {
    let Some(record) = runs::standing_upgrade(session, journal, &found.key())? else {
        return Ok(Vec::new());
    };
    let Ok(plan) = session.plan_of(&record) else {
        return Ok(Vec::new());
    };
    let kept = kept(session, found, &record.run);
    let needs_backup = plan
        .datastores
        .values()
        .any(|datastore| datastore.method != BackupMethod::None);
    let done = matches!(runs::standing(journal, &record)?, Standing::Done { .. });
    let gone = kept.is_empty() && needs_backup && done;
    let in_repository = found.config.backup.repository.is_some();
    if gone && !in_repository {
        // A finished run whose backups were removed has no way back any more.
        return Ok(Vec::new());
    }
    let shadowed = |manifest: &&Manifest| manifest.method == BackupMethod::Shadow;
    let shadows: Vec<&Manifest> = kept.iter().filter(shadowed).collect();
    let oldest = shadows.iter().map(|manifest| manifest.at).min();
    let stays = found.config.backup.shadows_stay().ok();
    let shadows_until = oldest
        .zip(stays)
        .filter(|_| in_repository)
        .map(|(at, seconds)| at.saturating_add(seconds.saturating_mul(1_000)));
    Ok(vec![Way {
        run: record.run.clone(),
        to: plan.from.to_string(),
        gone,
        backups: kept.iter().map(|manifest| manifest.bytes).sum(),
        instant: !kept.is_empty() && shadows.len() == kept.len(),
        shadows_until,
        until: (!kept.is_empty()).then(|| until(shadows_until)),
    }])
}

fn until(shadows_until: Option<u64>) -> String {
    match shadows_until {
        Some(at) => format!(
            "{} UTC at least; then `switchback backup prune` may free its shadows, and the repository has them",
            measure::minute(at)
        ),
        None => "`switchback backup prune` removes its backups".to_owned(),
    }
}

/// A run's proven backups on this machine.
fn kept(session: &Session<'_>, found: &Found, run: &RunId) -> Vec<Manifest> {
    let listed = backup::list(&session.state.backups(&found.key()));
    let readable = listed.into_iter().flatten().flatten();
    readable
        .filter(|manifest| manifest.run == *run && manifest.state == BackupState::Proven)
        .collect()
}

fn next(last: Option<&LastRun>, copies: &[CopyHere]) -> Vec<String> {
    let unused = |copy: &CopyHere| copy.standing != CopyStanding::InUse;
    let mut commands = after(last);
    if copies.iter().any(unused) {
        commands.push(rehearse::REMOVE.to_owned());
    }
    commands
}

fn after(last: Option<&LastRun>) -> Vec<String> {
    match last {
        Some(last) if matches!(last.standing, "halted" | "interrupted") => last.next.clone(),
        Some(last) if last.standing == "running" => vec![format!("switchback log {}", last.run)],
        _ => vec!["switchback plan".to_owned()],
    }
}

/// The product's definition, where it can be read: how things are is shown also without it.
fn product(session: &Session<'_>, found: &Found) -> Option<Product> {
    let catalog = session.global.catalog.as_ref();
    let definition = crate::place::definitions::find(catalog, found.config.product.as_str());
    definition.and_then(|definition| definition.load()).ok()
}

/// Tags of the product's own images among the services.
fn versions(product: Option<&Product>, found: &Found, services: &[Glance]) -> Vec<String> {
    let Some(product) = product else {
        return Vec::new();
    };
    // Local processes and units run nothing but the product.
    let only_the_product = found.config.exec.is_some() || found.config.packages.is_some();
    let images: Vec<&String> = product
        .editions
        .iter()
        .flat_map(|edition| &edition.images)
        .collect();
    let mut versions: Vec<String> = services
        .iter()
        .filter_map(|service| {
            let (repository, tag) = step::split(&service.image);
            let tag = tag?;
            let of_product = only_the_product
                || images.iter().any(|image| {
                    repository == *image || repository.ends_with(&format!("/{image}"))
                });
            of_product.then(|| tag.to_owned())
        })
        .collect();
    versions.sort();
    versions.dedup();
    versions
}

fn text(document: &Document, width: usize) -> String {
    let mut text = heading(document, width);
    let mut table = Table::indented(2);
    if let Some(glanced) = &document.aws {
        stacks::rows(&mut table, glanced);
    }
    services(&mut table, document);
    match &document.last_run {
        Some(last) => table.row(in_words(last)),
        None => table.row([
            Cell::new(DIM, "last run"),
            Cell::from("none yet"),
            Cell::from(""),
        ]),
    }
    let awaited = document.last_run.iter().flat_map(|last| &last.awaits);
    for (place, awaited) in awaited.enumerate() {
        table.row([
            Cell::new(DIM, if place == 0 { "by hand" } else { "" }),
            Cell::new(BOLD, &awaited.name),
            Cell::from(awaited.todo.join("; ")),
        ]);
    }
    for way in &document.ways_back {
        table.row([
            Cell::new(DIM, "way back"),
            Cell::new(BOLD, format!("to {}", way.to)),
            Cell::from(way_in_words(way)),
        ]);
    }
    if document.ways_back.is_empty() && document.last_run.is_some() {
        table.row([
            Cell::new(DIM, "way back"),
            Cell::from("none"),
            Cell::from("no upgrade stands that could be taken back"),
        ]);
    }
    for copy in &document.copies {
        table.row([
            Cell::new(DIM, "copy"),
            Cell::new(BOLD, copy.rehearsal.as_str()),
            Cell::from(copy.in_words()),
        ]);
    }
    text.push_str(&table.text(width));
    text
}

/// Which deployment it is, what it runs and where; on two lines where one is too narrow.
fn heading(document: &Document, width: usize) -> String {
    let edition = document
        .edition
        .as_ref()
        .map_or_else(String::new, |edition| format!(" {edition}"));
    let versions = if document.versions.is_empty() {
        "version unknown".to_owned()
    } else {
        document.versions.join(", ")
    };
    let mut text = format!(
        "{}   {}{edition} {}",
        paint(BOLD, &document.deployment),
        document.product,
        paint(BOLD, versions),
    );
    let place = match &document.host {
        Some(host) => format!("   on {host}, described in {}", document.directory),
        None => format!("   in {}", document.directory),
    };
    if wrap::width(&text) + wrap::width(&place) > width {
        text.push('\n');
    }
    text.push_str(&place);
    text.push('\n');
    text
}

/// `switchback rollback r-7c1d, instant (67 MB of shadows, proven), until …`
fn way_in_words(way: &Way) -> String {
    if way.gone {
        return format!(
            "by the repository: `switchback backup list` names the backups of {}, `switchback backup restore` brings them \
             here",
            way.run
        );
    }
    let backups = match way.backups {
        0 => String::new(),
        bytes => format!(
            "{} ({}, proven)",
            if way.instant { ", instant" } else { "" },
            measure::bytes(bytes)
        ),
    };
    let until = way
        .until
        .as_ref()
        .map_or_else(String::new, |until| format!(", until {until}"));
    format!("switchback rollback {}{backups}{until}", way.run)
}

fn services(table: &mut Table, document: &Document) {
    let mut label = "services";
    for service in &document.services {
        let (style, word) = match service.state {
            ServiceState::Running => (GOOD, "runs"),
            ServiceState::Stopped => (WARN, "is stopped"),
            ServiceState::Absent => (WARN, "was never created"),
            ServiceState::Restarting => (BAD, "restarts again and again"),
        };
        table.row([
            Cell::new(DIM, label),
            Cell::new(PLAIN, service.service.as_str()),
            Cell::new(style, format!("{word}, {}", service.image)),
        ]);
        label = "";
    }
    if document.services.is_empty() && document.aws.is_none() {
        let (word, why) = match &document.unseen {
            None => ("none", "no container of this project exists".to_owned()),
            Some(_) => ("unknown", "see below".to_owned()),
        };
        table.row([
            Cell::new(DIM, label),
            Cell::new(WARN, word),
            Cell::from(why),
        ]);
    }
}

fn in_words(last: &LastRun) -> [Cell; 3] {
    let style = match last.standing {
        "done" => GOOD,
        "running" => WARN,
        _ => BAD,
    };
    let what = match &last.purpose {
        Some(Purpose::Upgrade) => "upgrade ".to_owned(),
        Some(Purpose::Rollback { run }) => format!("rollback of {run} "),
        Some(Purpose::RollOver(_)) => "roll-over ".to_owned(),
        Some(Purpose::Recovery { .. }) => "recovery ".to_owned(),
        Some(Purpose::Rehearsal { of }) => format!("rehearsal of {of} "),
        None => String::new(),
    };
    let route = last.route.as_deref().unwrap_or("its plan file is gone");
    let downtime = last.downtime.map_or_else(String::new, |downtime| {
        format!(", downtime {}", measure::duration(downtime))
    });
    let reason = last
        .reason
        .as_ref()
        .map_or_else(String::new, |reason| format!(": {reason}"));
    [
        Cell::new(DIM, "last run"),
        Cell::new(BOLD, last.run.as_str()),
        Cell::new(
            style,
            format!(
                "{}, {what}{route}, {}{downtime}{reason}",
                last.standing,
                measure::ago(last.started, now())
            ),
        ),
    ]
}
