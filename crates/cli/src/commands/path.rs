//! `switchback path`: what an upgrade would pass through, offline.

use switchback_model::exit::Exit;
use switchback_planner::path::{self, Query, Report};

use crate::arguments::{Global, Path};
use crate::failure::Failed;
use crate::place::definitions;
use crate::render::path as path_text;
use crate::render::screen::Screen;

/// Answers from the definition and the arguments alone.
pub(crate) fn run(screen: &Screen, global: &Global, arguments: &Path) -> Result<Exit, Failed> {
    let product = definitions::find(global.catalog.as_ref(), &arguments.product)?.load()?;
    let answer = path::find(&product, &query(arguments));
    if screen.json() {
        let mut report = Report::of(&answer);
        if let (Ok(found), true) = (&answer, arguments.explain) {
            report = report.explained(found);
        }
        screen.document(&report);
    }
    match answer {
        Ok(found) => {
            if !screen.json() {
                screen.answer(&path_text::text(&found, screen.width, arguments.explain));
            }
            Ok(Exit::Ok)
        }
        Err(refusal) if screen.json() => Err(Failed::shown(refusal.to_problem())),
        Err(refusal) => Err(refusal.to_problem().into()),
    }
}

fn query(arguments: &Path) -> Query {
    let mut query = Query::new(&arguments.from, &arguments.to);
    if let Some(edition) = &arguments.edition {
        query = query.edition(edition);
    }
    if let Some(driver) = &arguments.driver {
        query = query.driver(driver);
    }
    for feature in &arguments.features {
        query = query.feature(feature);
    }
    for (probe, answer) in &arguments.facts {
        query = query.feature(&format!("{probe}={answer}"));
    }
    query
}
