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

/// Which releases there are packages of, as the installation pages say it.
pub(crate) const DISTRIBUTIONS: [(&str, &str, &str, &str); 9] = [
    ("ubuntu14", "debian", "1.4.0", "3.0.1"),
    ("ubuntu16", "debian", "2.1.0", "3.4.1"),
    ("ubuntu18", "debian", "3.1.0", "3.8.1"),
    ("ubuntu20", "debian", "3.5.0", "3.9.0"),
    ("ubuntu22", "debian", "3.9.0", "3.9.0"),
    ("el6", "rhel", "1.4.0", "3.2.0"),
    ("el7", "rhel", "1.4.0", "3.8.1"),
    ("el8", "rhel", "3.2.0", "3.9.0"),
    ("el9", "rhel", "3.9.0", "3.9.0"),
];
