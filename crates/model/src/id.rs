//! Typed identifiers. Ids of our own making carry a prefix that tells people
//! what they name: `p-41aa` is a plan, `r-7c1d` a run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares a string newtype that displays as its text.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// Wraps `text` as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text, as stored.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

name! {
    /// A product of the catalog, e.g. `the-things-stack`.
    ProductId
}
name! {
    /// A saved plan: `p-` and twelve hex digits of the digest of its content.
    PlanId
}
name! {
    /// One execution of a plan: `r-` and eight hex digits.
    RunId
}
name! {
    /// A datastore as the product definition names it, e.g. `identity`.
    DatastoreName
}
name! {
    /// A migration as the product definition names it, e.g. `is-db`.
    MigrationId
}
name! {
    /// A service of the deployment as its driver names it, e.g. a Compose service.
    ServiceName
}

/// A step's place in its plan, counted from 1 through all stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepNumber(pub u32);

impl StepNumber {
    /// Stands where a call serves no step.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for StepNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
