//! Files kept as a shadow.

mod faults;
mod life;
mod site;
