//! `switchback catalog`: the product definitions.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::product::diagnostic::Diagnostic;
use switchback_model::product::{Edition, Product};
use switchback_planner::path;

use super::scenarios;
use crate::arguments::{Catalog, Global};
use crate::failure::Failed;
use crate::place::definitions::{self, Definition};
use crate::render::measure;
use crate::render::screen::Screen;
use crate::render::style::{BAD, BOLD, CHECK, DIM, GOOD, PLAIN, paint};
use crate::render::table::{Cell, Table};
use crate::render::wrap;

/// More releases than this are not told one by one.
const FEW: usize = 5;
/// Version of the JSON documents.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Listed {
    format: u32,
    products: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    id: String,
    name: String,
    newest: Vec<String>,
    releases: usize,
    stops: usize,
    editions: Vec<String>,
    path_only: bool,
    origin: String,
}

#[derive(Serialize)]
struct Linted {
    format: u32,
    definitions: Vec<Findings>,
}

#[derive(Serialize)]
struct Findings {
    id: String,
    origin: String,
    diagnostics: Vec<Diagnostic>,
}

/// Lists, shows or checks definitions.
pub(crate) fn run(screen: &Screen, global: &Global, command: &Catalog) -> Result<Exit, Failed> {
    match command {
        Catalog::List => list(screen, global),
        Catalog::Show { product } => show(screen, global, product),
        Catalog::Lint { directory } => lint(screen, global, directory.as_deref()),
        Catalog::Test { directory, update } => scenarios::run(screen, directory, *update),
    }
}

fn list(screen: &Screen, global: &Global) -> Result<Exit, Failed> {
    let mut lines = Vec::new();
    for definition in definitions::all(global.catalog.as_ref())? {
        let product = definition.load()?;
        lines.push(Line {
            id: definition.id,
            name: product.name.clone(),
            newest: newest(&product),
            releases: product.releases.len(),
            stops: product.stops.len(),
            editions: product.editions.iter().map(|one| one.id.clone()).collect(),
            path_only: product.path_only,
            origin: definition.origin,
        });
    }
    if screen.json() {
        screen.document(&Listed {
            format: FORMAT,
            products: lines,
        });
        return Ok(Exit::Ok);
    }
    let mut table = Table::indented(0);
    table.row(
        [
            "product", "newest", "releases", "stops", "editions", "", "from",
        ]
        .map(|head| Cell::new(DIM, head)),
    );
    for line in lines {
        table.row([
            Cell::new(BOLD, line.id),
            Cell::from(line.newest.join(", ")),
            Cell::right(PLAIN, line.releases.to_string()),
            Cell::right(PLAIN, line.stops.to_string()),
            Cell::from(line.editions.join(", ")),
            Cell::from(if line.path_only { "paths only" } else { "" }),
            Cell::new(DIM, line.origin),
        ]);
    }
    screen.answer(&table.text(screen.width));
    Ok(Exit::Ok)
}

fn show(screen: &Screen, global: &Global, id: &str) -> Result<Exit, Failed> {
    let definition = definitions::find(global.catalog.as_ref(), id)?;
    let product = definition.load()?;
    if screen.json() {
        screen.document(&product);
    } else {
        screen.answer(&described(&definition, &product, screen.width));
    }
    Ok(Exit::Ok)
}

fn described(definition: &Definition, product: &Product, width: usize) -> String {
    let mut text = format!(
        "{}  {}  ({}, digest {})\n",
        paint(BOLD, &product.id),
        product.name,
        definition.origin,
        product.digest.short()
    );
    text.push_str(&facts(product).text(width));
    text.push_str(&warnings(product, width));
    text
}

/// What the product consists of, and what it runs on.
fn facts(product: &Product) -> Table {
    let mut facts = Table::indented(2);
    for edition in &product.editions {
        let images = [edition.images.clone(), edition.companions.clone()].concat();
        facts.row([
            Cell::new(DIM, "edition"),
            Cell::from(edition.id.as_str()),
            Cell::from(images.join(", ")),
        ]);
    }
    for datastore in &product.datastores {
        let kind = format!("{:?}", datastore.kind).to_lowercase();
        let optional = if datastore.optional { ", optional" } else { "" };
        facts.row([
            Cell::new(DIM, "datastore"),
            Cell::from(datastore.name.as_str()),
            Cell::from(format!("{kind}{optional}")),
        ]);
    }
    for migration in &product.migrations {
        facts.row([
            Cell::new(DIM, "migration"),
            Cell::from(migration.id.as_str()),
            Cell::from(format!(
                "{} on {}{}",
                migration.run.join(" "),
                migration.datastore,
                if migration.editions.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", migration.editions.join(", "))
                }
            )),
        ]);
    }
    if let (Some(first), Some(last)) = (product.releases.first(), product.releases.last()) {
        facts.row([
            Cell::new(DIM, "releases"),
            Cell::from(product.releases.len().to_string()),
            Cell::from(format!("{} to {}", first.version, last.version)),
        ]);
    }
    host(&mut facts, product);
    facts
}

/// Releases that one must pass through, and those that one must not run.
fn warnings(product: &Product, width: usize) -> String {
    let mut text = String::new();
    for stop in &product.stops {
        let at: Vec<&str> = stop.at.iter().map(|version| version.as_str()).collect();
        let line = format!(
            "at {}: {} [{}]",
            places(&at),
            stop.because.trim_end_matches('.'),
            stop.source
        );
        let first = format!("  stop {}  ", paint(BOLD, &stop.id));
        let _ = writeln!(text, "{}", wrap::hanging(&first, &line, width));
    }
    for poisoned in &product.poisoned {
        let instead = poisoned
            .substitute
            .as_ref()
            .map_or_else(String::new, |version| {
                format!(", {version} takes its place")
            });
        let line = format!("{}{instead} [{}]", poisoned.because, poisoned.source);
        let first = format!("  never run {}  ", paint(BAD, &poisoned.version));
        let _ = writeln!(text, "{}", wrap::hanging(&first, &line, width));
    }
    text
}

/// Releases that satisfy a stop, best first: a few by name, many by their ends.
fn places(at: &[&str]) -> String {
    match at {
        [first, .., last] if at.len() > FEW => {
            format!("{first} or one of {} others down to {last}", at.len() - 1)
        }
        few => few.join(" or "),
    }
}

/// Where the product is installed, from which packages, and what its servers run with.
fn host(facts: &mut Table, product: &Product) {
    for distribution in &product.distributions {
        facts.row([
            Cell::new(DIM, "distribution"),
            Cell::from(distribution.id.as_str()),
            Cell::from(format!(
                "{}, {}",
                distribution.name,
                distribution.releases.as_str()
            )),
        ]);
    }
    for package in &product.packages {
        facts.row([
            Cell::new(DIM, "package"),
            Cell::from(package.name.as_str()),
            Cell::from(match package.to.as_str() {
                "*" => String::new(),
                range => range.to_owned(),
            }),
        ]);
    }
    for engine in &product.engines {
        for works in &engine.works {
            facts.row([
                Cell::new(DIM, "engine"),
                Cell::from(format!("{} {}", engine.name, works.lines.join(", "))),
                Cell::from(works.releases.as_str().to_owned()),
            ]);
        }
    }
    for feature in &product.features {
        let usual = if feature.usual { " (usual)" } else { "" };
        facts.row([
            Cell::new(DIM, "feature"),
            Cell::from(feature.id.as_str()),
            Cell::from(format!("{}{usual}", feature.what)),
        ]);
    }
}

fn lint(screen: &Screen, global: &Global, directory: Option<&Path>) -> Result<Exit, Failed> {
    let definitions = match directory {
        Some(directory) => vec![definitions::read(directory)?],
        None => definitions::all(global.catalog.as_ref())?,
    };
    let findings: Vec<Findings> = definitions
        .into_iter()
        .map(|definition| Findings {
            diagnostics: definition.lint(),
            id: definition.id,
            origin: definition.origin,
        })
        .collect();
    let errors: usize = findings.iter().map(errors).sum();
    if screen.json() {
        screen.document(&Linted {
            format: FORMAT,
            definitions: findings,
        });
    } else {
        for one in &findings {
            screen.answer(&verdict(one));
        }
    }
    if errors == 0 {
        return Ok(Exit::Ok);
    }
    let number = measure::plural(errors as u64, "error", "errors");
    let problem = Problem::new(
        Exit::Usage,
        "definition-invalid",
        format!("{number} in the definitions"),
    )
    .hint("fix the lines shown above, then `switchback catalog lint` again");
    Err(if screen.json() {
        Failed::shown(problem)
    } else {
        problem.into()
    })
}

fn verdict(findings: &Findings) -> String {
    if findings.diagnostics.is_empty() {
        return format!(
            "{} {}  {}\n",
            paint(GOOD, CHECK),
            paint(BOLD, &findings.id),
            paint(DIM, &findings.origin)
        );
    }
    findings
        .diagnostics
        .iter()
        .fold(String::new(), |mut text, diagnostic| {
            let _ = write!(text, "{diagnostic}\n\n");
            text
        })
}

fn errors(findings: &Findings) -> usize {
    findings
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .count()
}

/// Where an upgrade goes when nobody says where: one version per edition, where they differ.
fn newest(product: &Product) -> Vec<String> {
    let mut found: Vec<String> = if product.editions.is_empty() {
        path::newest(product, None).into_iter().collect::<Vec<_>>()
    } else {
        let of = |edition: &Edition| path::newest(product, Some(&edition.id));
        product.editions.iter().filter_map(of).collect()
    }
    .iter()
    .map(ToString::to_string)
    .collect();
    found.dedup();
    found
}
