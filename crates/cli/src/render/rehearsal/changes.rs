//! What a rehearsal changed in each datastore: its structure, how much it holds, and what was written anew.

use std::fmt::Write as _;

use switchback_model::Rehearsal;
use switchback_model::contents::Difference;
use switchback_model::rehearsal::Changes;
use switchback_model::structure::StructureChanges;

use crate::render::style::{BOLD, paint};
use crate::render::{measure, wrap};

/// Longest list of changes of one kind that is shown; the rest is counted.
const NAMED: usize = 6;

pub(super) fn changes(report: &Rehearsal, width: usize) -> String {
    let mut text = String::new();
    for change in &report.changes {
        let lines = changed(change);
        let objects = |number| measure::plural(number, "object", "objects");
        let said = match (lines.is_empty(), change.unchanged) {
            (true, _) => format!("nothing, {}", objects(change.objects.1)),
            (false, unchanged) => format!(
                "{} before, {} after, {} as before",
                objects(change.objects.0),
                measure::count(change.objects.1),
                measure::plural(unchanged as u64, "collection", "collections")
            ),
        };
        let first = format!("    {} ", paint(BOLD, format!("{:<9}", change.datastore)));
        let _ = writeln!(text, "{}", wrap::hanging(&first, &said, width));
        for (label, list) in lines {
            let first = format!("      {label:<9} ");
            let _ = writeln!(text, "{}", wrap::hanging(&first, &list, width));
        }
    }
    text
}

/// What changed in one datastore, by kind.
fn changed(change: &Changes) -> Vec<(&'static str, String)> {
    let StructureChanges {
        tables_added,
        tables_removed,
        columns_added,
        columns_removed,
        columns_changed,
        indexes_added,
        indexes_removed,
        indexes_changed,
    } = &change.structure;
    let signed = |sign: &str, list: &[String]| -> Vec<String> {
        list.iter().map(|name| format!("{sign}{name}")).collect()
    };
    let added: Vec<String> = tables_added
        .iter()
        .map(|(name, columns)| {
            let columns = measure::plural(*columns as u64, "column", "columns");
            format!("+{} ({columns})", short(name))
        })
        .collect();
    let short_all = |list: &[String]| -> Vec<String> {
        list.iter().map(|name| short(name).to_owned()).collect()
    };
    let tables = [added, signed("-", &short_all(tables_removed))].concat();
    let columns = [
        signed("+", &short_all(columns_added)),
        signed("-", &short_all(columns_removed)),
        signed("~", &short_all(columns_changed)),
    ]
    .concat();
    let indexes = [
        signed("+", &short_all(indexes_added)),
        signed("-", &short_all(indexes_removed)),
        signed("~", &short_all(indexes_changed)),
    ]
    .concat();
    // In brackets are properties of the whole, which have a line of their own where they matter.
    let collections = |difference: &&Difference| !difference.collection.starts_with('(');
    let collections = change.counts.iter().filter(collections);
    let counts: Vec<String> = collections.clone().filter_map(counted).collect();
    let rewritten: Vec<String> = collections
        .filter(|difference| is_rewritten(difference))
        .map(|difference| short(&difference.collection).to_owned())
        .collect();
    [
        ("tables", tables),
        ("columns", columns),
        ("indexes", indexes),
        ("counts", counts),
        ("rewritten", rewritten),
    ]
    .into_iter()
    .filter(|(_, list)| !list.is_empty())
    .map(|(label, list)| (label, listed(&list)))
    .collect()
}

fn listed(list: &[String]) -> String {
    let mut text = list
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if list.len() > NAMED {
        let _ = write!(text, " and {} more", list.len() - NAMED);
    }
    text
}

/// `users 300 → 301`; `None` where only the content changed.
fn counted(difference: &Difference) -> Option<String> {
    let name = short(&difference.collection);
    Some(match (&difference.before, &difference.after) {
        (Some(before), Some(after)) if before.count == after.count => return None,
        (Some(before), Some(after)) => format!(
            "{name} {} → {}",
            measure::count(before.count),
            measure::count(after.count)
        ),
        (Some(before), None) => format!("{name} {} → gone", measure::count(before.count)),
        (None, Some(after)) => format!("{name} new, {}", measure::count(after.count)),
        (None, None) => return None,
    })
}

fn is_rewritten(difference: &Difference) -> bool {
    matches!((&difference.before, &difference.after), (Some(before), Some(after)) if before.count == after.count)
}

/// The schema that everything is in needs no mention.
fn short(name: &str) -> &str {
    name.strip_prefix("public.").unwrap_or(name)
}
