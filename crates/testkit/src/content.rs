//! A simulated roll-over: parcels of several pieces, some of which the new instance fetches by itself.

use std::collections::{BTreeMap, BTreeSet};

use switchback_engine::content::Carrier;
use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::config::SecretRef;
use switchback_model::event::Outcome;
use switchback_model::plan::{
    Act, Check, Expectation, Interrupted, Origin, Plan, Purpose, Stage, StageKind, Step, WayBack,
};
use switchback_model::rollover::{Instance, Parcel, RollOver};
use switchback_model::{Digest, StepNumber};

use crate::crash::Meanwhile;
use crate::instances::SimContent;
use crate::plans;
use crate::world::{Reality, World};

/// The kind of parcels that the new instance fetches by itself once it was told to.
const FETCHED: &str = "pack";

/// Time passes for what the new instance fetches; how many fetches there are.
pub(crate) fn pass(now: &mut Reality, meanwhile: Meanwhile) -> usize {
    let Some(content) = now.content.as_mut() else {
        return 0;
    };
    if content.fetching.is_none() {
        return 0;
    }
    match meanwhile {
        Meanwhile::TheyGoOn => {}
        Meanwhile::TheyEnd => {
            while content.fetching.is_some() {
                content.fetch_on();
            }
        }
        Meanwhile::TheyDie => content.fetching = None,
    }
    1
}

/// A plan that brings everything that the old instance holds, packs last.
pub fn plan(content: &SimContent) -> Plan {
    let mut steps: Vec<Step> = content
        .old
        .iter()
        .map(|(id, pieces)| bring(id, pieces))
        .collect();
    steps.push(step(
        Act::Verify {
            checks: vec![Check::Content],
        },
        Vec::new(),
        Vec::new(),
    ));
    for (number, step) in (1..).zip(&mut steps) {
        step.number = StepNumber(number);
    }
    let instance = |api: &str| Instance {
        api: api.to_owned(),
        key: SecretRef::Env("KEY".to_owned()),
        files: None,
    };
    let mut plan = plans::smallest();
    plan.purpose = Purpose::RollOver(RollOver {
        from: instance("http://old"),
        into: instance("http://new"),
        keep: "/srv/lab".to_owned(),
        repositories: None,
        users: Vec::new(),
    });
    plan.origin = Origin::default();
    plan.stages = vec![Stage {
        kind: StageKind::RollOver {
            to: plan.to.clone(),
        },
        required_by: Vec::new(),
        round: 1,
        steps,
    }];
    plan.seal()
}

fn bring(id: &str, pieces: &BTreeSet<String>) -> Step {
    let named = || id.to_owned();
    let parcel = Parcel {
        id: named(),
        what: format!("{} pieces", pieces.len()),
        original: Digest::of(format!("{pieces:?}")),
        facts: BTreeMap::new(),
    };
    step(
        Act::Bring { parcel },
        vec![
            Expectation::Original { parcel: named() },
            Expectation::Room { parcel: named() },
        ],
        vec![Expectation::Arrived { parcel: named() }],
    )
}

fn step(act: Act, before: Vec<Expectation>, after: Vec<Expectation>) -> Step {
    Step {
        number: StepNumber(0),
        act,
        before,
        after,
        interrupted: Interrupted::Repeat,
        way_back: WayBack::NotNeeded,
        downtime: false,
        because: None,
    }
}

/// Brings parcels from the one to the other.
pub struct SimCarrier {
    world: World,
}

impl SimCarrier {
    /// That of a world with two instances.
    pub fn of(world: &World) -> Self {
        Self {
            world: world.clone(),
        }
    }

    fn content<T>(&self, look: impl FnOnce(&SimContent) -> T) -> T {
        let look = |now: &mut Reality| now.content.as_ref().map(look);
        self.world.touch(look).expect("two instances")
    }

    fn change<T>(&self, name: &str, change: impl FnOnce(&mut SimContent) -> T) -> T {
        let change = |now: &mut Reality| now.content.as_mut().map(change);
        self.world.effect(name, change).expect("two instances")
    }

    /// Waits for what the new instance fetches, whoever told it to.
    fn wait(&self) {
        while self.content(|content| content.fetching.is_some()) {
            self.world.crash.point("while the new instance fetches");
            self.world
                .touch(|now| now.content.as_mut().map(SimContent::fetch_on));
        }
    }
}

impl Carrier for SimCarrier {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        let planned = |id: &str| {
            cx.plan.steps().find_map(|(_, step)| match &step.act {
                Act::Bring { parcel } if parcel.id == id => Some(parcel.original.clone()),
                _ => None,
            })
        };
        let (holds, found) = self.content(|content| match expectation {
            Expectation::Original { parcel } => {
                let now = content
                    .old
                    .get(parcel)
                    .map(|it| Digest::of(format!("{it:?}")));
                (now == planned(parcel), "it changed since".to_owned())
            }
            Expectation::Room { parcel } => {
                let there = content.pieces(parcel);
                let original = content.old.get(parcel);
                let room = original.is_some_and(|original| there.is_subset(original));
                (room, format!("{there:?}"))
            }
            Expectation::Arrived { parcel } => {
                let there = content.pieces(parcel);
                let whole = content.old.get(parcel) == Some(there);
                // What is fetched still may be overwritten by it.
                let fetching = content.fetching.as_ref() == Some(parcel);
                (whole && !fetching, format!("{there:?}"))
            }
            _ => (false, "not content".to_owned()),
        });
        if holds {
            Finding::Holds
        } else {
            Finding::Differs { found }
        }
    }

    fn bring(&self, _: &Context<'_>, parcel: &Parcel) -> Result<Outcome, Failure> {
        let id = &parcel.id;
        if parcel.kind() == FETCHED {
            self.wait();
            let whole = |content: &SimContent| content.old.get(id) == Some(content.pieces(id));
            if !self.content(whole) {
                self.change("tell it to fetch", |content| {
                    *content.told.entry(id.clone()).or_default() += 1;
                    content.fetching = Some(id.clone());
                });
                self.wait();
            }
        } else {
            self.change("set the trial key", |content| content.trial = true);
            while self.change("bring a piece", |content| content.bring_one(id)) {}
            self.change("remove the trial key", |content| content.trial = false);
        }
        Ok(Outcome::default())
    }

    fn compare(&self, _: &Context<'_>) -> Result<Outcome, Failure> {
        if self.content(|content| content.old == content.new) {
            Ok(Outcome::default())
        } else {
            Err(Failure::new(
                "content-differs",
                "not the same on both sides",
            ))
        }
    }

    fn clean(&self, _: &Context<'_>) -> Result<(), Failure> {
        if self.content(|content| content.trial) {
            self.change("remove the trial key", |content| content.trial = false);
        }
        Ok(())
    }
}
