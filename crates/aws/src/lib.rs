//! Deployments that CloudFormation stacks make: the look at an account, change sets, and a driver that carries out
//! plans of them.
//!
//! Everything asynchronous stays inside: [`Account`] has a runtime of its own, and what it offers waits. It never
//! decides anything, and knows no product: a plan says what is wanted, [`Conduct`] how a product is run. Start
//! with [`Account::open`], then [`observe()`]; [`AwsDriver`] is the engine's port.

mod account;
mod calls;
mod certificates;
mod command;
mod definition;
mod described;
mod driver;
mod fault;
mod fence;
#[cfg(test)]
mod live;
mod logs;
mod machines;
mod marks;
mod notes;
mod objects;
mod observe;
mod policy;
mod refresh;
mod served;
mod services;
mod signed;
mod snapshots;
mod stacks;
mod stores;
mod tasks;
mod template;
mod waiting;
mod xml;

pub use account::{Account, Identity, Settings, whose};
pub use calls::{Calls, Count, Phase};
pub use definition::task_definition;
pub use driver::{
    AwsDriver, Conduct, Operations, kept_snapshots, kept_templates, preview, remove_copies,
};
pub use fence::Reachable;
pub use observe::{Observation, Wanted, observe};
pub use policy::page as permissions;
pub use served::served;
pub use template::fetch as fetch_template;
