//! What the operator has to know of this path, with what was found about it here; and what the path
//! demands of the datastores' servers.

use switchback_model::exit::Exit;
use switchback_model::plan::{Notice, Procedure, Stage};
use switchback_model::problem::Citation;
use switchback_model::product::ProcedureKind;
use switchback_model::{Problem, amount};

use super::actions;
use super::engines::engines_wanted;
use super::input::Input;
use super::preconditions::major;
use crate::path::{PathNotice, PathProcedure};

/// What is found where a counting probe counts nothing.
const NO_ROWS: &str = "0 rows here";

/// The path's notices, those to accept first.
pub(super) fn notices(input: &Input<'_>) -> Vec<Notice> {
    let path = input.path;
    let mut notices: Vec<Notice> = path
        .notices
        .iter()
        .chain(&path.deprecations)
        .map(|notice| {
            let found = found(input, notice);
            // Where there is nothing to lose there is nothing to accept.
            let harmless = found.as_deref() == Some(NO_ROWS);
            Notice {
                id: notice.id.clone(),
                kind: notice.kind,
                version: notice.version.clone(),
                text: notice.text.clone(),
                found,
                source: notice.source.clone(),
                accept: notice.accept.clone().filter(|_| !harmless),
            }
        })
        .chain(actions::notices(path))
        .collect();
    notices.sort_by_key(|notice| notice.accept.is_none());
    notices
}

/// Hand-work of the path, what is demanded first.
pub(super) fn procedures(input: &Input<'_>, stages: &[Stage]) -> Vec<Procedure> {
    let path = input.path;
    path.procedures
        .iter()
        .chain(&path.optional_procedures)
        .map(|procedure: &PathProcedure| Procedure {
            id: procedure.id.clone(),
            title: procedure.title.clone(),
            steps: procedure.steps.clone(),
            optional: procedure.kind != ProcedureKind::Mandatory,
            source: procedure.source.clone(),
        })
        .chain(actions::procedures(path, stages))
        .collect()
}

/// Refuses where a server is older than a release on the way demands.
pub(super) fn engines(input: &Input<'_>) -> Result<(), Problem> {
    let wishes = engines_wanted(input.product, input.config, input.observed)?;
    for notice in &input.path.notices {
        let Some(required) = &notice.requires else {
            continue;
        };
        let datastores = &input.observed.datastores;
        let Some(datastore) = datastores
            .iter()
            .find(|datastore| datastore.name == required.datastore)
        else {
            continue;
        };
        let wish = wishes.iter().find(|wish| wish.datastore == datastore.name);
        let engine = match wish {
            Some(wish) => Some(wish.to.as_str()),
            None => datastore.engine.as_deref(),
        };
        if engine.is_some_and(|engine| numbers(engine) >= numbers(&required.at_least)) {
            continue;
        }
        let problem = Problem::new(
            Exit::Refused,
            "engine-too-old",
            format!(
                "`{}` must be {} or newer from {} on, and is {}",
                datastore.name,
                required.at_least,
                notice.version,
                engine.unwrap_or("unknown")
            ),
        );
        let problem = match engine {
            Some(engine) => problem.state(datastore.name.as_str(), format!("version {engine}")),
            None => problem.unknown(datastore.name.as_str()),
        };
        return Err(problem
            .why("the new version does not run on it")
            .hint(format!(
                "let the plan upgrade its server as well: `switchback plan --to {} --engine {}={}`, or to a newer one",
                input.path.to,
                datastore.name,
                next_major(engine, &required.at_least)
            ))
            .hint("or upgrade it by itself, see that all runs well, then plan again")
            .fact(Citation {
                id: notice.id.clone(),
                text: notice.text.clone(),
                source: notice.source.clone(),
            }));
    }
    Ok(())
}

/// The first major version after what runs that is as new as demanded.
fn next_major(engine: Option<&str>, at_least: &str) -> u32 {
    let runs = engine.and_then(major).unwrap_or(0);
    major(at_least).unwrap_or(0).max(runs + 1)
}

/// What a probe answered about a notice: one named like it, like its word to accept, or the one that
/// its condition asks.
fn found(input: &Input<'_>, notice: &PathNotice) -> Option<String> {
    let condition = input
        .product
        .notices
        .iter()
        .find(|defined| defined.id == notice.id)
        .and_then(|defined| defined.when.as_ref())
        .and_then(|when| when.probe.as_ref())
        .map(|probe| &probe.name);
    let names = [Some(&notice.id), notice.accept.as_ref(), condition];
    let (name, answer) = names
        .into_iter()
        .flatten()
        .find_map(|name| input.observed.probes.get_key_value(name))?;
    let probe = input.product.probes.get(name)?;
    Some(match answer.parse::<u64>() {
        // A probe that only counts needs no more words than its number.
        Ok(count) if probe.sql.as_deref().is_some_and(counts_rows) => {
            format!("{} rows here", amount::count(count))
        }
        Ok(count) => format!("{} ({})", amount::count(count), probe.question),
        Err(_) => format!("{answer} ({})", probe.question),
    })
}

fn counts_rows(sql: &str) -> bool {
    sql.to_lowercase().contains("count(")
}

/// The leading numbers of a server's version, e.g. `[15, 6]` of `15.6 (Debian 15.6-1)`.
fn numbers(version: &str) -> Vec<u64> {
    version
        .trim_start_matches(|c: char| !c.is_ascii_digit())
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next()
        .unwrap_or_default()
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_versions_compare_by_number() {
        assert!(numbers("7.2.4") >= numbers("6.2"));
        assert!(numbers("6.0.16") < numbers("6.2"));
        assert!(numbers("6.2") >= numbers("6.2"));
        assert!(numbers("PostgreSQL 15.6 (Debian 15.6-1)") >= numbers("14"));
        assert!(numbers("unknown") < numbers("6.2"));
    }
}
