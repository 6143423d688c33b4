//! A PostgreSQL server that becomes another major version.
//!
//! The new cluster is made by the new version's own programs beside the data, in a container without a network,
//! from dumps of every database of the old server, which runs and has no writers. It is compared with the
//! original, row by row in checksums, before it takes the place: [`carry`]. Before anything stops the same is
//! tried with everything but the rows: [`fits`]. Collations and index formats of the old version never come
//! near the new one, because every index is built there.

mod beside;
mod carry;
mod cluster;
mod exchange;
mod fits;
