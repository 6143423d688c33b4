//! CloudFormation: stacks as they are, what would change them, and changing them.

pub(crate) mod change_set;
pub(crate) mod drift;
pub(crate) mod events;
pub(crate) mod execute;
pub(crate) mod half_way;
pub(crate) mod read;
pub(crate) mod removal;
