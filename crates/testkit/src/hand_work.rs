//! A simulated upgrade that waits for people.

use switchback_model::hand_work::DoneWhen;
use switchback_model::plan::StageKind;

use crate::scenario::{Scenario, TO, to_the_stop};

impl Scenario {
    /// People work while an intermediate version runs, and twice while the service is down: once it is seen, once
    /// they say so.
    pub fn attended() -> Self {
        let seen = DoneWhen::Command(vec!["true".to_owned()]);
        let plan = to_the_stop(TO)
            .stage(StageKind::Run { to: TO.into() }, 2)
            .by_hand("convert", DoneWhen::Said)
            .prepare("identity")
            .prepare("redis")
            .stop()
            .seal("identity")
            .seal("redis")
            .prove("identity")
            .prove("redis")
            .set(TO)
            .migrate("is-db", TO, "identity", false)
            .by_hand("merge", DoneWhen::Said)
            .by_hand("section", seen)
            .migrate("ns-db", TO, "redis", true)
            .start(TO)
            .verify(TO)
            .seal_plan();
        Self::of("attended", plan)
    }
}
