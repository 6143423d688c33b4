//! Rules for what people do in the middle of a plan.

use switchback_model::hand_work::{DoneWhen, HandWork};
use switchback_model::plan::{Expectation, Purpose};

use super::walk::Walk;

impl<'p> Walk<'_, 'p> {
    /// Whoever is waited for knows what to do, and it is done where nothing is lost by the wait: before the backups
    /// of a round are begun, or while the product is down and everything of it is kept.
    pub(super) fn hand_work(&mut self, work: &'p HandWork) {
        let upgrade = self.world.plan.purpose == Purpose::Upgrade;
        if !upgrade && !matches!(work.done, DoneWhen::Server(_)) {
            self.object(
                "hand-work-in-way-back",
                "a way back waits for a server and for nothing else: it keeps users waiting",
            );
        }
        if work.id.is_empty() || work.steps.is_empty() {
            self.object("hand-work", "it does not say what is to be done");
        }
        self.needs_after(&Expectation::DoneByHand {
            work: work.id.clone(),
            done: work.done.clone(),
        });
        match &work.done {
            DoneWhen::Server(is) if upgrade => self.rung(work, is),
            DoneWhen::Server(is) => return self.server_again(is),
            _ => {}
        }
        if self.world.is_down() {
            self.all_proven("hand-work-before-proof");
            self.needs_stopped();
            self.needs_files();
            return;
        }
        if !self.world.stopped.is_empty() {
            self.object("hand-work", "a part of the services is stopped meanwhile");
        }
        let round = self.stage.round;
        if self.world.backups.keys().any(|(begun, _)| *begun == round) {
            self.object(
                "hand-work-late",
                "the backups that are begun would have to follow for as long as it takes",
            );
        }
    }
}
