//! The kinds of datastores, and what can be done with the server of each. The planner decides by this and knows no
//! server itself; the datastore that is meant keeps to it.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// What kind of program keeps a datastore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatastoreKind {
    /// A PostgreSQL database.
    Postgres,
    /// A Redis or Valkey server.
    Redis,
    /// A directory of files.
    Files,
    /// A MongoDB database.
    Mongodb,
}

/// How the server of a datastore becomes another version, and which of its versions are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerChange {
    /// There is no server.
    None,
    /// In a plan: the new one is built from a backup. Of others than these majors none can be made.
    Rebuilt(RangeInclusive<u32>),
    /// By people, one line after the other, and never down again.
    Climbs {
        /// The first line of which a backup can be made.
        kept_from: &'static str,
        /// What the server calls the setting by which its data stays readable to the line before.
        format: &'static str,
    },
}

impl DatastoreKind {
    /// As definitions and people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Files => "files",
            Self::Mongodb => "mongodb",
        }
    }

    /// How its server becomes another version.
    pub fn server_change(self) -> ServerChange {
        match self {
            Self::Postgres => ServerChange::Rebuilt(12..=18),
            Self::Redis => ServerChange::Rebuilt(6..=8),
            Self::Files => ServerChange::None,
            Self::Mongodb => ServerChange::Climbs {
                kept_from: "3.2",
                format: "featureCompatibilityVersion",
            },
        }
    }
}
