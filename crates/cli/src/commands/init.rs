//! `switchback init`: recognises what is here and writes `switchback.toml`. Nothing else changes.

use std::path::{Path, PathBuf};

use serde::Serialize;
use switchback_drivers::{Recognised, compose};
use switchback_drivers::{exec, packages};
use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::config::HostConfig;
use switchback_model::exit::Exit;
use switchback_model::observed::{Access, Datastore, Observed};
use switchback_model::product::{DatastoreKind, Product};
use switchback_model::{Config, Problem};

use crate::arguments::Init;
use crate::failure::Failed;
use crate::place::config::FILE;
use crate::place::definitions;
use crate::place::deployment::{Found, name_of};
use crate::place::starter;
use crate::render::style::{BOLD, DIM, PLAIN, WARN, paint};
use crate::render::table::{Cell, Table};
use crate::render::{measure, waiting, wrap};
use crate::session::Session;
use crate::site::Place;
use crate::stacks;

/// Version of the JSON document.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    wrote: String,
    config: &'a Config,
    observed: Option<&'a Observed>,
    unsure: Vec<Problem>,
}

/// Recognises, shows, writes.
pub(crate) fn run(session: &Session<'_>, arguments: &Init) -> Result<Exit, Failed> {
    let directory = directory(session)?;
    let file = directory.join(FILE);
    refuse_overwriting(&file, arguments.force)?;
    let recognised = recognise(session, arguments, &directory)?;
    let mut config = recognised.config.clone();
    config.name = arguments.name.clone().or(config.name);
    let found = Found {
        name: config.name.clone().unwrap_or_else(|| name_of(&directory)),
        directory,
        config,
    };
    // What cannot be looked at now is told, and does not keep the file from being written.
    let looked = Place::open(session, &found, StopSignal::default())
        .and_then(|place| place.observe(session).map_err(Failed::from));
    let (observed, unsure) = match looked {
        Ok(observed) => {
            let unsure = observed.problems.clone();
            (Some(observed), unsure)
        }
        Err(failed) => (None, vec![*failed.problem]),
    };
    let catalog = session.global.catalog.as_ref();
    let product = definitions::find(catalog, found.config.product.as_str())?.load()?;
    let text = starter::text(&found.config, &product)
        .map_err(|error| unwritable(&file, error.to_string()))?;
    write(&file, &text)?;
    if session.screen.json() {
        session.screen.document(&Document {
            format: FORMAT,
            wrote: file.display().to_string(),
            config: &found.config,
            observed: observed.as_ref(),
            unsure,
        });
    } else {
        show(session, &found, &recognised, observed.as_ref(), &unsure);
        session.screen.answer(&format!("Wrote {FILE}\n"));
        let next = match observed {
            Some(_) => "switchback plan",
            None => "switchback doctor",
        };
        session.screen.next(&[next.to_owned()]);
    }
    Ok(Exit::Ok)
}

fn directory(session: &Session<'_>) -> Result<PathBuf, Failed> {
    let said = session
        .global
        .deployment
        .as_ref()
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    said.canonicalize().map_err(|error| {
        Problem::new(
            Exit::Usage,
            "no-directory",
            format!("`{}` cannot be looked at", said.display()),
        )
        .cause(error)
        .hint("type `switchback init` in the directory of the compose file")
        .into()
    })
}

fn refuse_overwriting(file: &Path, force: bool) -> Result<(), Failed> {
    if force || !file.exists() {
        return Ok(());
    }
    Err(Problem::new(
        Exit::Usage,
        "config-exists",
        format!("`{}` is there already", file.display()),
    )
    .state(FILE, "unchanged")
    .hint("go on with it: `switchback plan`")
    .hint("or write it anew: `switchback init --force`")
    .into())
}

fn recognise(
    session: &Session<'_>,
    arguments: &Init,
    directory: &Path,
) -> Result<Recognised, Failed> {
    let catalog = session.global.catalog.as_ref();
    let products: Vec<Product> = match &arguments.product {
        Some(id) => vec![definitions::find(catalog, id)?.load()?],
        None => definitions::all(catalog)?
            .iter()
            .map(definitions::Definition::load)
            .collect::<Result<_, _>>()?,
    };
    let commands = Commands::new(
        session.state.root().join("looking"),
        Redactor::default(),
        StopSignal::default(),
    );
    if arguments.aws {
        return at_aws(session, arguments, &products).map_err(Failed::from);
    }
    if let Some(ssh) = &arguments.ssh {
        let host = HostConfig {
            ssh: ssh.clone(),
            config: arguments.ssh_config.clone(),
        };
        return there(session, &host, directory, &products, &commands).map_err(Failed::from);
    }
    waiting::during(session.screen, "looking at what is here", || {
        match compose::recognise(directory, &arguments.files, &products, &commands) {
            // A host has packages of a product whatever directory this is; what is here is nearer.
            Err(problem) if arguments.files.is_empty() => {
                let mut installed = exec::recognise(directory, &products);
                if installed.is_empty() {
                    installed = packages::recognise(directory, &products, None, &commands)?;
                }
                match installed.len() {
                    0 => Err(problem),
                    1 => Ok(installed.remove(0)),
                    _ => Err(several(&installed)),
                }
            }
            found => found,
        }
    })
    .map_err(Failed::from)
}

/// What stacks of an account were made from.
fn at_aws(
    session: &Session<'_>,
    arguments: &Init,
    products: &[Product],
) -> Result<Recognised, Problem> {
    let access = stacks::Access {
        profile: arguments.profile.clone(),
        region: arguments.region.clone(),
        role: arguments.role.clone(),
        stacks: arguments.stacks.clone(),
    };
    let found = waiting::telling(session.screen, "looking at the account", |told| {
        stacks::recognise(&access, products, told)
    })?;
    Ok(Recognised {
        product: found.config.product.clone(),
        edition: found.config.edition.clone(),
        image: found.because,
        config: found.config,
    })
}

/// What is installed on another machine.
fn there(
    session: &Session<'_>,
    host: &HostConfig,
    directory: &Path,
    products: &[Product],
    commands: &Commands,
) -> Result<Recognised, Problem> {
    let doing = format!("looking at what is on {}", host.ssh);
    let mut installed = waiting::during(session.screen, &doing, || {
        packages::recognise(directory, products, Some(host), commands)
    })?;
    match installed.len() {
        0 => Err(Problem::new(
            Exit::Refused,
            "product-not-recognised",
            format!(
                "no package of a known product is installed on `{}`",
                host.ssh
            ),
        )
        .state("deployment", "not touched")
        .hint("which products are known: switchback catalog")),
        1 => Ok(installed.remove(0)),
        _ => Err(several(&installed)),
    }
}

fn several(installed: &[Recognised]) -> Problem {
    let named: Vec<String> = installed
        .iter()
        .map(|found| format!("{} (`{}`)", found.product, found.image))
        .collect();
    Problem::new(
        Exit::Usage,
        "several-products",
        format!("{} are installed here", named.join(" and ")),
    )
    .state("deployment", "not touched")
    .hint(format!(
        "say which: `switchback init --product {}`",
        installed[0].product
    ))
}

fn write(file: &Path, text: &str) -> Result<(), Failed> {
    // Beside and renamed: a full disk leaves the file that was there.
    let beside = file.with_extension(format!("toml.{}", std::process::id()));
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::rename(&beside, file))
        .map_err(|error| {
            let _ = std::fs::remove_file(&beside);
            unwritable(file, error.to_string())
        })?;
    Ok(())
}

fn unwritable(file: &Path, cause: String) -> Problem {
    Problem::new(
        Exit::Usage,
        "config-unwritable",
        format!("`{}` cannot be written", file.display()),
    )
    .cause(cause)
    .state("deployment", "not touched")
    .hint("make the directory writable for this user")
}

fn show(
    session: &Session<'_>,
    found: &Found,
    recognised: &Recognised,
    observed: Option<&Observed>,
    unsure: &[Problem],
) {
    let looked = looked_at(found, observed);
    let edition = recognised
        .edition
        .as_ref()
        .map_or_else(String::new, |edition| format!(", {edition} edition"));
    let config = &found.config;
    let kind = match (&config.packages, &config.exec, &config.aws) {
        (Some(_), _, _) => "package ",
        (None, Some(_), _) => "release ",
        (None, None, Some(_)) => "",
        (None, None, None) => "image ",
    };
    let product = format!(
        "{}{edition}, {kind}{}",
        paint(BOLD, &recognised.product),
        recognised.image
    );
    let product = wrap::hanging("  product     ", &product, session.screen.width);
    let mut table = Table::indented(2);
    let mut label = "datastores";
    for datastore in observed.iter().flat_map(|observed| &observed.datastores) {
        table.row([
            Cell::new(DIM, label),
            Cell::new(BOLD, datastore.name.as_str()),
            Cell::from(described(datastore)),
        ]);
        label = "";
    }
    let screen = session.screen;
    screen.answer(&format!("Looked at {}\n", paint(BOLD, looked)));
    screen.answer(&format!("{product}\n"));
    screen.answer(&table.text(screen.width));
    screen.answer(&doubts(unsure).text(screen.width));
}

/// Where it was looked, for people.
fn looked_at(found: &Found, observed: Option<&Observed>) -> String {
    let inside = |file: &switchback_model::observed::File| {
        let path = Path::new(&file.path);
        let path = path.strip_prefix(&found.directory).unwrap_or(path);
        path.display().to_string()
    };
    let files = observed.iter().flat_map(|observed| &observed.files);
    let files: Vec<String> = files.map(inside).collect();
    match &found.config.host {
        Some(host) => host.ssh.clone(),
        None if found.config.aws.is_some() => "AWS".to_owned(),
        None if files.is_empty() => found.directory.display().to_string(),
        None => files.join(", "),
    }
}

fn doubts(unsure: &[Problem]) -> Table {
    let mut label = "unsure";
    let mut doubts = Table::indented(2);
    for problem in unsure {
        let mut text = problem.what.clone();
        if !problem.hints.is_empty() {
            text = format!("{text}: {}", problem.hints.join("; "));
        }
        doubts.row([
            Cell::new(WARN, format!("{label:<10}")),
            Cell::new(PLAIN, text),
        ]);
        label = "";
    }
    doubts
}

/// `postgres 14 in service postgres, database ttn_lorawan_dev, 1.2 GB`
pub(crate) fn described(datastore: &Datastore) -> String {
    let kind = datastore.location.kind.name();
    let engine = datastore
        .engine
        .as_ref()
        .map_or_else(String::new, |engine| format!(" {engine}"));
    let place = match (&datastore.location.access, datastore.location.kind) {
        (_, DatastoreKind::Files) => datastore
            .location
            .directory
            .as_ref()
            .map_or_else(String::new, |directory| format!(" in {directory}")),
        (Access::Container { service }, _) => format!(" in service {service}"),
        (Access::Local, _) => datastore
            .location
            .host
            .as_ref()
            .map_or_else(String::new, |host| format!(" on {host}")),
    };
    let database = datastore
        .location
        .database
        .as_ref()
        .filter(|_| {
            let kind = datastore.location.kind;
            matches!(kind, DatastoreKind::Postgres | DatastoreKind::Mongodb)
        })
        .map_or_else(String::new, |database| format!(", database {database}"));
    let size = datastore.size.map_or_else(
        || ", size unknown".to_owned(),
        |size| format!(", {}", measure::bytes(size)),
    );
    format!("{kind}{engine}{place}{database}{size}")
}
