//! A real package of Debian's, in two versions that it serves at the same time: redis-server from the release itself and
//! from its security fixes, with maintainer scripts that nobody here wrote.

mod case;
mod machine;

pub(super) use case::case;
