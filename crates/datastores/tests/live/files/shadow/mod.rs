//! Files kept as a shadow.

mod faults;
mod life;
pub(super) mod site;
