//! Shadows of Redis servers: what follows, what is compared, what is sealed, and what comes back.

mod faults;
mod life;
mod site;
