//! What is asked, and how an answer is read.

use serde_json::Value;
use switchback_model::product::Product;
use switchback_planner::path::{Path, Query, Refusal, find};

pub(crate) fn stackstorm() -> Product {
    switchback_catalog::load("stackstorm")
        .expect("the product is built in")
        .expect("its definition is well-formed")
}

pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

pub(crate) fn texts(value: &Value) -> Vec<&str> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}

pub(crate) fn ids(value: &Value) -> Vec<&str> {
    let all = value.as_array().into_iter().flatten();
    all.map(|entry| text(entry, "id")).collect()
}

pub(crate) fn on(distribution: &str, from: &str, to: &str) -> Query {
    Query::new(from, to)
        .driver("packages")
        .feature(&format!("distribution={distribution}"))
}

pub(crate) fn refused(query: &Query) -> Refusal {
    find(&stackstorm(), query).expect_err("the path is refused")
}

pub(crate) fn path(query: &Query) -> Path {
    find(&stackstorm(), query).expect("there is a path")
}

/// Ids of what is done in each stage.
pub(crate) fn done(path: &Path) -> Vec<Vec<&str>> {
    let legs = path.legs.iter();
    legs.map(|leg| leg.actions.iter().map(|act| act.id.as_str()).collect())
        .collect()
}
