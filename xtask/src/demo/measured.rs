//! What a run took, as its own journal tells it.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// One run.
#[derive(Default)]
pub(super) struct Measured {
    /// Without service, as the program measured it.
    pub(super) downtime: Duration,
    /// From the first event to the last.
    pub(super) whole: Duration,
    /// Of it, ending shadows.
    pub(super) sealing: Duration,
    /// Of it, bringing data back.
    pub(super) restoring: Duration,
}

impl Measured {
    /// `log` is what `switchback log --format json` printed, `plan` what `switchback plan --show` did of its plan.
    pub(super) fn read(log: &str, plan: &Value) -> Result<Self> {
        let mut measured = Self::default();
        let mut ends = Vec::new();
        for line in log.lines() {
            let stamped: Value = serde_json::from_str(line).context("an event is no JSON")?;
            ends.extend(stamped["at"].as_u64());
            let event = &stamped["event"];
            let took = Duration::from_millis(event["took"].as_u64().unwrap_or(0));
            match (event["event"].as_str(), act_of(plan, &event["step"])) {
                (Some("step-finished"), Some("seal")) => measured.sealing += took,
                (Some("step-finished"), Some("restore")) => measured.restoring += took,
                (Some("run-finished"), _) => {
                    measured.downtime =
                        Duration::from_millis(event["downtime"].as_u64().unwrap_or(0));
                }
                _ => {}
            }
        }
        if let (Some(first), Some(last)) = (ends.first(), ends.last()) {
            measured.whole = Duration::from_millis(last.saturating_sub(*first));
        }
        Ok(measured)
    }
}

/// The plan that the first event of a run names.
pub(super) fn plan_of(log: &str) -> Option<String> {
    let first: Value = serde_json::from_str(log.lines().next()?).ok()?;
    Some(first["event"]["plan"].as_str()?.to_owned())
}

fn act_of<'p>(plan: &'p Value, step: &Value) -> Option<&'p str> {
    let stages = plan["plan"]["stages"].as_array()?;
    stages
        .iter()
        .filter_map(|stage| stage["steps"].as_array())
        .flatten()
        .find(|known| known["number"] == *step)?["act"]["do"]
        .as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_summed_by_what_they_do() {
        let plan = serde_json::json!({"plan": {"stages": [{"steps": [
            {"number": 1, "act": {"do": "seal"}}, {"number": 2, "act": {"do": "seal"}},
            {"number": 3, "act": {"do": "restore"}}, {"number": 4, "act": {"do": "stop"}}]}]}});
        let log = [
            r#"{"at":1000,"event":{"event":"run-started","plan":"p-1"}}"#,
            r#"{"at":1100,"event":{"event":"step-finished","step":1,"took":200}}"#,
            r#"{"at":1200,"event":{"event":"step-finished","step":2,"took":30}}"#,
            r#"{"at":1300,"event":{"event":"step-finished","step":3,"took":4}}"#,
            r#"{"at":1400,"event":{"event":"step-finished","step":4,"took":500}}"#,
            r#"{"at":3500,"event":{"event":"run-finished","downtime":700}}"#,
        ]
        .join("\n");
        assert_eq!(plan_of(&log).as_deref(), Some("p-1"));
        let measured = Measured::read(&log, &plan).expect("read");
        assert_eq!(measured.sealing, Duration::from_millis(230));
        assert_eq!(measured.restoring, Duration::from_millis(4));
        assert_eq!(measured.downtime, Duration::from_millis(700));
        assert_eq!(measured.whole, Duration::from_millis(2_500));
    }
}
