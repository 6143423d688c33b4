//! How long users are without service: measured by a clock that never jumps
//! while a process lives, and by the journal's time stamps across processes.

use std::time::Duration;

use switchback_model::StepNumber;
use switchback_model::event::{Event, Stamped};
use switchback_model::plan::Plan;

/// Downtime so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    /// Of intervals that are over.
    sum: Duration,
    /// When the interval that goes on began.
    since: Option<Duration>,
}

/// What the journal of earlier processes says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Milliseconds.
    pub(crate) sum: u64,
    /// Whether users are without service now.
    pub(crate) down: bool,
}

impl Meter {
    /// Goes on after earlier processes.
    pub(crate) fn resumed(recorded: Recorded, now: Duration) -> Self {
        Self {
            sum: Duration::from_millis(recorded.sum),
            since: recorded.down.then_some(now),
        }
    }

    /// Users are without service from now on, unless they were already.
    pub(crate) fn down(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// Users have their service again.
    pub(crate) fn up(&mut self, now: Duration) {
        self.sum = self.total(now);
        self.since = None;
    }

    /// Altogether.
    pub(crate) fn total(&self, now: Duration) -> Duration {
        self.sum
            + self
                .since
                .map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }
}

/// Adds up what the events of one run tell. Time stamps may have jumped: backwards counts as nothing.
pub(crate) fn recorded(plan: &Plan, events: &[Stamped]) -> Recorded {
    let mut recorded = Recorded::default();
    let mut last_at = None;
    for stamped in events {
        if recorded.down {
            let passed = stamped.at.saturating_sub(last_at.unwrap_or(stamped.at));
            // What a step took was measured; only what was not is left to the time stamps.
            recorded.sum += match &stamped.event {
                Event::StepFinished { took, .. } => *took,
                _ => passed,
            };
        }
        match &stamped.event {
            Event::StepStarted { step, .. } if is_downtime(plan, *step) => recorded.down = true,
            Event::StepFinished { step, .. } if ends_after(plan, *step) => recorded.down = false,
            _ => {}
        }
        last_at = Some(stamped.at);
    }
    recorded
}

/// True for the last step without service before one with it, or before the end.
pub(crate) fn ends_after(plan: &Plan, number: StepNumber) -> bool {
    is_downtime(plan, number) && !is_downtime(plan, StepNumber(number.0 + 1))
}

pub(crate) fn is_downtime(plan: &Plan, number: StepNumber) -> bool {
    plan.step(number).is_some_and(|step| step.downtime)
}
