//! A step before it has its place in a plan.

use switchback_model::StepNumber;
use switchback_model::plan::{Act, Expectation, Interrupted, Step, WayBack};

/// What a step is, before it has a number.
pub(crate) struct Draft {
    pub(crate) act: Act,
    pub(crate) before: Vec<Expectation>,
    pub(crate) after: Vec<Expectation>,
    pub(crate) interrupted: Interrupted,
    pub(crate) because: Option<String>,
}

impl Draft {
    /// One that can be done at any time, again and again, and that nothing tells the end of.
    pub(crate) fn new(act: Act) -> Self {
        Self {
            act,
            before: Vec::new(),
            after: Vec::new(),
            interrupted: Interrupted::Repeat,
            because: None,
        }
    }

    /// The step at this place.
    pub(crate) fn at(self, number: u32, way_back: WayBack, downtime: bool) -> Step {
        Step {
            number: StepNumber(number),
            act: self.act,
            before: self.before,
            after: self.after,
            interrupted: self.interrupted,
            way_back,
            downtime,
            because: self.because,
        }
    }
}
