//! Copies of databases beside production: what they would be, and their end.

use switchback_aws::{Wanted, remove_copies, served, task_definition};
use switchback_engine::ports::{Context, Progress};
use switchback_model::Problem;
use switchback_model::plan::Plan;
use switchback_model::product::Product;
use switchback_planner::stack::{Copies, CopyInput, copies, operations};

use super::opened::Stacks;
use crate::failure::told;

impl Stacks {
    /// Looks, and plans copies on which the migrations of `plan` can be rehearsed. Nothing is made.
    pub(crate) fn copies(
        &self,
        product: &Product,
        plan: &Plan,
        id: &str,
        directory: &str,
        progress: &dyn Progress,
    ) -> Result<Copies, Problem> {
        self.must_be_of(plan)?;
        let cloud = self.observe(&Wanted::of(&self.aws), progress)?.cloud;
        let served = served(&self.account, &cloud.stores).map_err(|failure| told(&failure))?;
        let input = CopyInput {
            id,
            product,
            config: &self.aws,
            plan,
            cloud: &cloud,
            served: &served,
            definition: None,
            directory,
        };
        let definition = match operations(&input) {
            Some(operations) => Some(
                task_definition(&self.account, &operations.place.definition)
                    .map_err(|failure| told(&failure))?,
            ),
            None => None,
        };
        Ok(copies(&CopyInput {
            definition: definition.as_ref(),
            ..input
        }))
    }

    /// Removes what the run of a rehearsal's plan made.
    pub(crate) fn remove_copies(&self, cx: &Context<'_>) -> Result<(), Problem> {
        remove_copies(cx, &self.account).map_err(|failure| told(&failure))
    }
}
