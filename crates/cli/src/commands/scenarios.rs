//! `switchback catalog test`: plays the scenarios of a definition and compares what they print.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::product::Product;
use switchback_planner::scenario;

use crate::failure::Failed;
use crate::place::definitions;
use crate::render::measure;
use crate::render::screen::Screen;
use crate::render::style::{BAD, BOLD, CHECK, CROSS, GOOD, WARN, paint};
use crate::render::wrap;

/// Version of the JSON document.
const FORMAT: u32 = 1;
/// The folder of a definition that holds its scenarios.
const FOLDER: &str = "scenarios";

#[derive(Serialize)]
struct Document {
    format: u32,
    product: String,
    scenarios: Vec<Scenario>,
}

#[derive(Serialize)]
struct Scenario {
    file: String,
    verdict: Verdict,
    /// What is otherwise than it was written down, line by line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<Difference>,
    /// Why it cannot be played.
    #[serde(skip_serializing_if = "Option::is_none")]
    mistake: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    AsWritten,
    Otherwise,
    Updated,
    Unplayable,
}

/// The first line that differs, from 1, and both texts of it.
#[derive(Serialize)]
struct Difference {
    line: usize,
    written: String,
    prints: String,
}

/// Plays every scenario of the definition in `directory`; with `update`, writes what they print.
pub(super) fn run(screen: &Screen, directory: &Path, update: bool) -> Result<Exit, Failed> {
    let product = definitions::read(directory)?.load()?;
    let mut scenarios = Vec::new();
    for file in scripts(directory)? {
        scenarios.push(played(&product, &file, update)?);
    }
    let wrong = scenarios
        .iter()
        .filter(|one| matches!(one.verdict, Verdict::Otherwise | Verdict::Unplayable))
        .count();
    if screen.json() {
        screen.document(&Document {
            format: FORMAT,
            product: product.id.to_string(),
            scenarios,
        });
    } else {
        for one in &scenarios {
            screen.answer(&shown(one, screen.width));
        }
    }
    if wrong == 0 {
        return Ok(Exit::Ok);
    }
    let number = measure::plural(wrong as u64, "scenario", "scenarios");
    let problem = Problem::new(
        Exit::Usage,
        "scenarios-differ",
        format!("{number} of {} not as written down", product.id),
    )
    .hint("where the definition is right, write down what they print now: add --update, and review the change")
    .hint("else mend the definition: what `plan` says is what an operator would get");
    Err(if screen.json() {
        Failed::shown(problem)
    } else {
        problem.into()
    })
}

fn scripts(directory: &Path) -> Result<Vec<PathBuf>, Failed> {
    let folder = directory.join(FOLDER);
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    if scripts.is_empty() {
        return Err(Problem::new(
            Exit::Usage,
            "no-scenarios",
            format!("there is no scenario in `{}`", folder.display()),
        )
        .hint(format!(
            "write one, e.g. `{}/01-first.txt`, with a line `> observe PRODUCT EDITION VERSION` and a line \
             `> plan VERSION`, then add --update",
            folder.display()
        ))
        .into());
    }
    scripts.sort();
    Ok(scripts)
}

fn played(product: &Product, file: &Path, update: bool) -> Result<Scenario, Failed> {
    let failed = |error: std::io::Error| {
        Problem::new(
            Exit::Usage,
            "scenario-unusable",
            format!("`{}` cannot be read or written", file.display()),
        )
        .cause(error)
        .hint("make it readable and, for --update, writable for this user")
    };
    let written = std::fs::read_to_string(file).map_err(failed)?;
    let mut scenario = Scenario {
        file: file.display().to_string(),
        verdict: Verdict::AsWritten,
        differences: Vec::new(),
        mistake: None,
    };
    match scenario::play(product, &written) {
        Err(mistake) => {
            scenario.verdict = Verdict::Unplayable;
            scenario.mistake = Some(mistake.to_string());
        }
        Ok(prints) if prints == written => {}
        Ok(prints) if update => {
            std::fs::write(file, &prints).map_err(failed)?;
            scenario.verdict = Verdict::Updated;
        }
        Ok(prints) => {
            scenario.verdict = Verdict::Otherwise;
            scenario.differences = differences(&written, &prints);
        }
    }
    Ok(scenario)
}

/// Every line up to where the texts are the same again would be a guess; the first one says enough.
fn differences(written: &str, prints: &str) -> Vec<Difference> {
    let mut old = written.lines();
    let mut new = prints.lines();
    let mut line = 0;
    loop {
        line += 1;
        match (old.next(), new.next()) {
            (None, None) => return Vec::new(),
            (was, is) if was == is => {}
            (was, is) => {
                return vec![Difference {
                    line,
                    written: was.unwrap_or_default().to_owned(),
                    prints: is.unwrap_or_default().to_owned(),
                }];
            }
        }
    }
}

fn shown(scenario: &Scenario, width: usize) -> String {
    let (mark, word) = match scenario.verdict {
        Verdict::AsWritten => (paint(GOOD, CHECK), ""),
        Verdict::Updated => (paint(WARN, CHECK), "  written anew"),
        Verdict::Otherwise | Verdict::Unplayable => (paint(BAD, CROSS), ""),
    };
    let mut text = format!("{mark} {}{word}\n", paint(BOLD, &scenario.file));
    for difference in &scenario.differences {
        let at = format!("    line {}\n", difference.line);
        let was = wrap::hanging("      written  ", &difference.written, width);
        let is = wrap::hanging("      prints   ", &difference.prints, width);
        let _ = writeln!(text, "{at}{was}\n{is}");
    }
    if let Some(mistake) = &scenario.mistake {
        let _ = writeln!(text, "{}", wrap::hanging("    ", mistake, width));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_told() {
        let found = differences("a\nb\nc\n", "a\nx\nc\n");
        assert_eq!(
            (
                found[0].line,
                found[0].written.as_str(),
                found[0].prints.as_str()
            ),
            (2, "b", "x")
        );
        let shorter = differences("a\nb\n", "a\n");
        assert_eq!((shorter[0].line, shorter[0].prints.as_str()), (2, ""));
        assert!(differences("a\n", "a\n").is_empty());
    }
}
