//! A simulated upgrade that waits for people.

use switchback_model::hand_work::DoneWhen;
use switchback_model::plan::StageKind;

use crate::plans::PlanBuilder;
use crate::scenario::{FROM, Scenario, TO, to_the_stop};

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

    /// People bring a server up two rungs while the service is down, before its data is migrated.
    pub fn climbing() -> Self {
        let plan = PlanBuilder::new(FROM, TO, &["identity", "redis"])
            .fetch(TO)
            .prepare("identity")
            .prepare("redis")
            .stage(StageKind::Run { to: TO.into() }, 1)
            .stop()
            .seal("identity")
            .seal("redis")
            .prove("identity")
            .prove("redis")
            .set(TO)
            .rung("identity", &["16", "17"])
            .rung("identity", &["17"])
            .migrate("ns-db", TO, "redis", true)
            .start(TO)
            .verify(TO)
            .seal_plan();
        Self::of("climbing", plan)
    }
}
