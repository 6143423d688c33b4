//! Steps that people do while the run waits: where in a stage, and what must hold meanwhile.
//!
//! While an intermediate release runs, its own work and that for the next one are done before the backups of the
//! next round are begun, so that nothing has to follow for as long as a person takes. What the definition wants
//! while the product is down comes once everything is kept and proven.

use switchback_model::hand_work::HandWork;
use switchback_model::plan::{Act, Expectation, Interrupted, Step};
use switchback_model::product::Moment;

use super::actions;
use super::climbs;
use super::guards;
use super::route::{ByHand, Leg};
use super::stages::Composer;
use crate::draft::Draft;

impl Composer<'_> {
    /// What people do between the stage before `legs[place]` and its stop, while users are served. What comes before
    /// the first stop of all is accepted with the plan.
    pub(super) fn between_stages(&mut self, legs: &[Leg<'_>], place: usize) -> Vec<Step> {
        let Some(before) = place.checked_sub(1).and_then(|place| legs.get(place)) else {
            return Vec::new();
        };
        let mut steps = self.at(before, Moment::Started);
        for leg in &legs[place..] {
            steps.extend(self.at(leg, Moment::Running));
            if leg.runs {
                break;
            }
        }
        steps
    }

    /// What people do in a leg at this moment.
    pub(super) fn at(&mut self, leg: &Leg<'_>, moment: Moment) -> Vec<Step> {
        let works = leg.by_hand.iter().filter(|it| it.act.moment == moment);
        works.map(|work| self.by_hand(work)).collect()
    }

    /// What people do with the new release installed and down, in front of the migration with this place.
    pub(super) fn before_migration(&mut self, leg: &Leg<'_>, place: usize) -> Vec<Step> {
        let works = leg.by_hand.iter();
        works
            .filter(|it| it.act.moment == Moment::Replaced && it.behind == place)
            .flat_map(|work| match climbs::is_waited_for(work.act) {
                true => self.climb(leg, work.act),
                false => vec![self.by_hand(work)],
            })
            .collect()
    }

    fn by_hand(&mut self, ByHand { act, .. }: &ByHand<'_>) -> Step {
        self.wait_for(actions::hand_work(act), Some(act.because.clone()))
    }

    /// The step at which the run waits until `work` is done.
    pub(super) fn wait_for(&mut self, work: HandWork, because: Option<String>) -> Step {
        let mut before = Vec::new();
        if self.is_down() {
            before.push(guards::stopped(&self.services));
            before.extend(self.proven());
        } else {
            before.push(guards::running(&self.running));
        }
        before.extend(guards::files(&self.files));
        self.step(Draft {
            after: vec![Expectation::DoneByHand {
                work: work.id.clone(),
                done: work.done.clone(),
            }],
            act: Act::HandWork { work },
            before,
            interrupted: Interrupted::Repeat,
            because,
        })
    }
}
