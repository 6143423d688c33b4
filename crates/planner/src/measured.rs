//! What a rehearsal measured takes the place of what was estimated.

use switchback_model::{Plan, Rehearsal};

/// The plan with the downtime that was measured for its steps, sealed anew. A rehearsal that did not succeed,
/// or that was of other steps, leaves it as it is.
#[must_use]
pub fn measured(plan: Plan, rehearsal: &Rehearsal) -> Plan {
    let Some(downtime) = rehearsal.downtime.filter(|_| rehearsal.succeeded()) else {
        return plan;
    };
    let shape = switchback_model::Digest::of(crate::shape(&plan));
    if shape != rehearsal.shape {
        return plan;
    }
    let mut plan = plan;
    plan.forecast.downtime_seconds = Some(downtime.div_ceil(1000));
    let passed = rehearsal.passed_over();
    let without = match passed.is_empty() {
        true => String::new(),
        false => format!(", without the time of people: {}", passed.join(", ")),
    };
    plan.forecast.downtime_because = format!("measured in rehearsal {}{without}", rehearsal.id);
    plan.seal()
}
