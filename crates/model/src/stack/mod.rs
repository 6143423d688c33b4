//! Infrastructure that is described by templates: stacks as they were found, what a template says, what the
//! provider says it would change, and what a plan wants of a stack.
//!
//! ```text
//! Cloud ─┬─ Account                 whose it is: a plan is good for this one only
//!        ├─ Stack …                 parameters, outputs, resources, the digest of its template
//!        ├─ Task, Group, Store …    what the stacks made, as far as an upgrade touches it
//!        └─ Domain                  certificates that replacements use up
//! Template ◄─ parse ─ text          what a stack is or will be made from
//! StackUpdate ─► ChangeSet          what is wanted, and what the provider would do for it
//! ```
//!
//! Nothing here talks to a provider, and no secret value is ever in here.

mod change_set;
mod cloud;
mod danger;
mod half_way;
mod machine;
mod objects;
mod operations;
mod store;
mod template;
mod update;

pub use change_set::{
    Attribute, ChangeAction, ChangeDetail, ChangeReason, ChangeSet, ChangeSetState, Policy,
    Recreation, Replacement, ResourceChange,
};
pub use cloud::{
    Account, Cloud, Domain, Drift, DriftedResource, Output, ParameterNow, Stack, StackEvent,
    StackResource, StackStatus,
};
pub use danger::DangerKind;
pub use half_way::{HalfWay, Ordeal, Stuck};
pub use machine::{Launch, Machine, MachineGroup, RenewBy, Task, TaskContainer};
pub use objects::ObjectsAt;
pub use operations::{ContainerDefinition, Database, REHEARSAL, Served, TaskDefinition, TaskPlace};
pub use store::{History, KeepBy, RecalledCopy, Snapshot, Store, StoreKind};
pub use template::{
    Call, Expression, Parameter, Resource, Template, TemplateOutput, body_digest, placeholders,
};
pub use update::{
    ExpectedChanges, ForeseenChange, ParameterWish, StackIs, StackUpdate, TemplatePlace, UpdateMode,
};
