//! What was measured, in lines of the table.

use super::again::Whole;
use super::{ByHand, ThereAndBack, seconds, subject};
use crate::bench::Row;

pub(super) fn data(size: &str, by_hand: f64) -> [Row; 2] {
    let devices = subject::DEVICES;
    [
        Row::new(
            format!("data: PostgreSQL; Redis, {devices} end devices in it; pictures"),
            size,
            "",
        ),
        Row::new(
            "downtime of the documented runbook, seen from outside",
            seconds(by_hand),
            "1 ×",
        ),
    ]
}

pub(super) fn shadow(whole: &Whole, by_hand: f64) -> Vec<Row> {
    let shadow = &whole.first;
    let mut rows = downtime("shadow", shadow, by_hand);
    rows.push(Row::new(
        "shadow: downtime ÷ (stop + migrate + start + verify)",
        format!(
            "{:.2} ×",
            shadow.upgrade.downtime() / shadow.upgrade.needed()
        ),
        "≤ 1.05 ×",
    ));
    rows.push(Row::new(
        "shadow: space, foretold and taken",
        format!(
            "{:.2} GB, {:.2} GB",
            shadow.upgrade.foretold as f64 / 1e9,
            shadow.kept as f64 / 1e9
        ),
        format!(
            "{:.2} ×, goal 0.8 to 1.2",
            shadow.upgrade.foretold as f64 / shadow.kept as f64
        ),
    ));
    rows.extend(whole.rows());
    rows
}

pub(super) fn downtime(method: &str, found: &ThereAndBack, by_hand: f64) -> Vec<Row> {
    vec![
        Row::new(
            format!("downtime by {method}, seen from outside"),
            seconds(found.outside),
            format!("the runbook's is {:.1} ×", by_hand / found.outside),
        ),
        Row::new(
            format!("downtime by {method}, as the journal has it"),
            seconds(found.upgrade.downtime()),
            format!(
                "stop {}, seal {}, prove {}, migrate {}, start {}, verify {}",
                seconds(found.upgrade.down("stop")),
                seconds(found.upgrade.down("seal")),
                seconds(found.upgrade.down("prove")),
                seconds(found.upgrade.down("migrate")),
                seconds(found.upgrade.down("start")),
                seconds(found.upgrade.down("verify")),
            ),
        ),
    ]
}

pub(super) fn back(method: &str, found: &ThereAndBack, goal: &str) -> [Row; 3] {
    [
        Row::new(
            format!("way back by {method}: `rollback` until healthy"),
            seconds(found.back),
            goal,
        ),
        Row::new(
            format!("way back by {method}, downtime seen from outside"),
            seconds(found.back_outside),
            goal,
        ),
        Row::new(
            format!("way back by {method}, as the journal has it"),
            seconds(found.rollback.downtime()),
            found.rollback.in_words(),
        ),
    ]
}

/// `alone`: what the server's own tools took, where they were measured.
pub(super) fn copy(shadow: &ThereAndBack, alone: Option<&ByHand>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut pair = |tool: &str, alone: Option<f64>, what: &str, verb: &str| {
        let ours = shadow.upgrade.of_kind(verb, "postgres");
        let ratio = alone.map(|alone| {
            rows.push(Row::new(tool, seconds(alone), ""));
            format!("{:.2} × the speed, goal ≥ 0.9 ×", alone / ours)
        });
        rows.push(Row::new(what, seconds(ours), ratio.unwrap_or_default()));
    };
    pair(
        "`pg_basebackup` and `pg_verifybackup` alone",
        alone.map(|alone| alone.base_backup),
        "shadow: prepare PostgreSQL, until it follows",
        "prepare",
    );
    pair(
        "`pg_dump` alone",
        alone.map(|alone| alone.dump),
        "shadow: prove PostgreSQL, both sides read",
        "prove",
    );
    rows
}
