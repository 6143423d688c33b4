//! What is in the way of any plan, whatever it leads to.

use switchback_model::Problem;
use switchback_model::config::AwsConfig;
use switchback_model::product::Product;
use switchback_model::stack::{Cloud, Stack};

use super::recognise::recognise;
use super::refusals;

/// Everything that would refuse a plan for these stacks as they are, one problem each.
pub fn obstacles(product: &Product, config: &AwsConfig, cloud: &Cloud) -> Vec<Problem> {
    let stacks = cloud.stacks.values();
    let ours: Vec<&Stack> = stacks
        .filter(|stack| !config.leave.contains(&stack.name))
        .filter(|stack| recognise(product, config, stack).is_some())
        .collect();
    if ours.is_empty() {
        return vec![refusals::no_stacks(product)];
    }
    ours.into_iter().filter_map(refusals::not_ready).collect()
}
