//! What a deployment of stacks is asked for: looks, plans, ways back.

use switchback_aws::Wanted;
use switchback_engine::ports::Progress;
use switchback_model::Problem;
use switchback_model::product::Product;
use switchback_planner::Planned;

use super::answer::{Answer, Asked, Seen, TakenBack};
use super::opened::Stacks;
use super::{back, planning, seen};
use crate::failure::Failed;

impl Stacks {
    /// Looks at everything.
    pub(crate) fn look(&self, product: &Product, progress: &dyn Progress) -> Result<Seen, Problem> {
        self.seen(product, &Wanted::of(&self.aws), progress)
    }

    /// As [`Stacks::look`], also for what was changed by other means, which takes a minute, and for what ways back left.
    pub(crate) fn examine(
        &self,
        product: &Product,
        progress: &dyn Progress,
    ) -> Result<Seen, Problem> {
        let wanted = Wanted {
            drift: true,
            recalled: true,
            ..Wanted::of(&self.aws)
        };
        self.seen(product, &wanted, progress)
    }

    /// Looks and plans.
    pub(crate) fn plan(
        &self,
        product: &Product,
        asked: &Asked<'_>,
        progress: &dyn Progress,
    ) -> Result<Answer, Failed> {
        planning::plan(self, product, asked, progress)
    }

    /// Looks, and plans the way back of a run.
    pub(crate) fn way_back(
        &self,
        product: &Product,
        run: &TakenBack<'_>,
        progress: &dyn Progress,
    ) -> Result<Planned, Failed> {
        back::way_back(self, product, run, progress)
    }

    fn seen(
        &self,
        product: &Product,
        wanted: &Wanted,
        progress: &dyn Progress,
    ) -> Result<Seen, Problem> {
        let cloud = self.observe(wanted, progress)?.cloud;
        let observed = seen::observed(self, product, &cloud);
        Ok(Seen { cloud, observed })
    }
}
