//! PostgreSQL kept by a shadow: what follows, what is found, and what is said.

mod crashes;
mod damage;
mod life;
mod possible;
mod roles;
mod site;
mod tls;
