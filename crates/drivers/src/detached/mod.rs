//! Processes that outlive us, for drivers without a container engine: started in sessions of their
//! own, found again by their notes, their ends told by files.

pub(crate) mod migration;
pub(crate) mod one_off;
