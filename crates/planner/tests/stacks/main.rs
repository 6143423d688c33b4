//! Plans for deployments that stacks describe: order, parameters, dangers, refusals.

mod account;
mod added;
mod copies;
mod marks;
mod mutations;
mod orders;
mod recoveries;
mod refusals;
mod reviews;
mod simulation;
mod ways_back;
