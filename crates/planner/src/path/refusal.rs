//! Why there is no way: the facts it rests on, with sources, and what to do instead.

use serde::{Deserialize, Serialize};
use switchback_model::product::{Notice, Poisoned, Product};
use switchback_model::version::Range;
use switchback_model::{MigrationId, ProductId, Version};

use super::because::Because;
use super::query::{Query, driver_name};

/// A path that was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// Product of the catalog.
    pub product: ProductId,
    /// Edition as it was asked.
    pub edition: Option<String>,
    /// Kind of deployment as it was asked.
    pub driver: String,
    /// Version in use, as it was asked.
    pub from: Version,
    /// Version wanted, as it was asked.
    pub to: Version,
    /// What rules it out.
    pub reason: Reason,
    /// What to do instead, best first.
    pub hints: Vec<Hint>,
}

/// Which end of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Where it begins.
    From,
    /// Where it leads.
    To,
}

/// What rules a path out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The product has editions, and this is none of them, or none was named.
    UnknownEdition {
        /// What was named.
        given: Option<String>,
        /// What there is.
        known: Vec<String>,
    },
    /// The edition does not come for this kind of deployment.
    EditionNotDeployed {
        /// What was named.
        edition: String,
        /// The kind of deployment.
        driver: String,
        /// The editions that do.
        known: Vec<String>,
    },
    /// The definition does not cover this kind of deployment.
    UnknownDriver {
        /// What was named.
        given: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A version that the definition does not know, for this edition.
    UnknownVersion {
        /// Which end of the path.
        end: End,
        /// What was asked.
        version: Version,
        /// In which way it is unknown.
        detail: Unknown,
    },
    /// The version wanted is older than the one in use.
    Downgrade {
        /// What cannot be taken back in between.
        one_way: Vec<Notice>,
    },
    /// The version wanted must not be run.
    Poisoned {
        /// Which, and why.
        poisoned: Poisoned,
    },
    /// The version wanted is a pre-release, which the policy does not allow.
    PreRelease {
        /// The version wanted.
        version: Version,
    },
    /// A distribution that the definition does not know.
    UnknownDistribution {
        /// What was named.
        given: String,
        /// What there is.
        known: Vec<String>,
    },
    /// What was said is nothing that the definition asks about.
    UnknownName {
        /// What was named.
        given: String,
    },
    /// What was said of something is no answer to it.
    UnknownAnswer {
        /// What it was said of.
        name: String,
        /// What was said.
        given: String,
        /// What there is to say.
        known: Vec<String>,
    },
    /// What was said of something contradicts itself.
    Contradiction {
        /// What it was said of.
        name: String,
        /// All that was said.
        answers: Vec<String>,
    },
    /// A version that never was on the distribution that was named: one of both is wrong.
    NotOnDistribution {
        /// Which end of the path.
        end: End,
        /// The version.
        version: Version,
        /// The distribution's name.
        distribution: String,
        /// Releases that there are packages of.
        releases: Range,
        /// Where that was read.
        source: String,
    },
    /// Nothing leads there in place: content has to be rolled over to a new instance.
    RollOver {
        /// The dead end of the definition; `None` where the distribution ends.
        id: Option<String>,
        /// Why.
        because: String,
        /// Where that was read.
        source: String,
        /// How far the deployment can go in place, where it can.
        in_place_to: Option<Version>,
        /// Distributions that the version wanted can be installed on.
        distributions: Vec<String>,
    },
    /// The policy forbids stops, and these are required.
    StopsForbidden {
        /// The stops.
        stops: Vec<Because>,
    },
    /// A required stop has no release that could be run.
    Unreachable {
        /// The stop.
        stop: String,
        /// Why it is required.
        because: String,
        /// Where that was read.
        source: String,
        /// The releases it names.
        at: Vec<Version>,
        /// Those of them that must not be run.
        poisoned: Vec<Poisoned>,
    },
    /// A demanded migration has no image on the path that could run it.
    NoImage {
        /// The migration.
        migration: MigrationId,
        /// Releases that have it.
        exists: Range,
        /// Where it would have to run.
        at: Version,
        /// Releases that demand it, with sources.
        demanded: Vec<(Version, String)>,
    },
}

/// In which way a version is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// It is not a version of the product's scheme; a moving tag such as `3.24` is one case.
    Malformed {
        /// What was expected.
        error: String,
    },
    /// No such release.
    Never,
    /// Another edition has it.
    NotInEdition {
        /// The editions that have it.
        editions: Vec<String>,
        /// Where the release was read.
        source: String,
    },
    /// It is above everything that the definition knows.
    Newer {
        /// The newest that it lists.
        newest: Version,
        /// What it speaks for beyond its list.
        covers: Option<Range>,
    },
}

/// What to do instead. Data, so that console buttons and text agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hint {
    /// These were probably meant.
    Near {
        /// Newest first.
        versions: Vec<Version>,
    },
    /// Only pre-releases of it exist.
    PreReleaseAvailable {
        /// The newest.
        version: Version,
    },
    /// Go there instead.
    Target {
        /// Where.
        version: Version,
    },
    /// Name an edition.
    Edition {
        /// What there is.
        known: Vec<String>,
    },
    /// Name a driver.
    Driver {
        /// What there is.
        known: Vec<String>,
    },
    /// Say something that the definition asks about.
    Names {
        /// The name that was probably meant.
        meant: Option<String>,
        /// What there is.
        known: Vec<String>,
    },
    /// Name a distribution.
    Distributions {
        /// The version that is looked for.
        version: Version,
        /// Those that have it.
        known: Vec<String>,
    },
    /// Install the version wanted elsewhere and move the content there.
    RollOver {
        /// The version wanted.
        version: Version,
        /// Distributions that it can be installed on.
        distributions: Vec<String>,
    },
    /// This far it goes in place.
    InPlace {
        /// The newest release that can be reached.
        version: Version,
    },
    /// The definition is older than the version.
    UpdateDefinition,
    /// Older data comes back from a backup only.
    RestoreBackup,
    /// Lift the policy against stops.
    AllowStops,
    /// Lift the policy against pre-releases.
    AllowPreReleases,
}

impl Refusal {
    pub(super) fn new(product: &Product, query: &Query, reason: Reason) -> Self {
        let hints = match &reason {
            Reason::UnknownEdition { known, .. } | Reason::EditionNotDeployed { known, .. } => {
                vec![Hint::Edition {
                    known: known.clone(),
                }]
            }
            Reason::UnknownDriver { known, .. } => vec![Hint::Driver {
                known: known.clone(),
            }],
            Reason::UnknownVersion {
                detail: Unknown::Newer { .. },
                ..
            } => vec![Hint::UpdateDefinition],
            _ => Vec::new(),
        };
        let driver = query.driver.as_deref().map(driver_name);
        let first = || product.drivers.first().map(String::as_str);
        Self {
            product: product.id.clone(),
            edition: query.edition.clone(),
            driver: driver.or_else(first).unwrap_or_default().to_owned(),
            from: query.from.clone(),
            to: query.to.clone(),
            reason,
            hints,
        }
    }

    pub(super) fn hinting(mut self, hints: impl IntoIterator<Item = Hint>) -> Self {
        self.hints.extend(hints);
        self
    }

    /// Stable identifier of the reason, e.g. `downgrade` or `unknown-version:to`.
    pub fn id(&self) -> String {
        match &self.reason {
            Reason::UnknownEdition { .. } => "unknown-edition".to_owned(),
            Reason::EditionNotDeployed { .. } => "edition-not-deployed".to_owned(),
            Reason::UnknownDriver { .. } => "unknown-driver".to_owned(),
            Reason::UnknownVersion { end: End::From, .. } => "unknown-version:from".to_owned(),
            Reason::UnknownVersion { end: End::To, .. } => "unknown-version:to".to_owned(),
            Reason::UnknownDistribution { .. } => "unknown-distribution".to_owned(),
            Reason::UnknownName { .. } => "unknown-name".to_owned(),
            Reason::UnknownAnswer { .. } => "unknown-answer".to_owned(),
            Reason::Contradiction { .. } => "contradiction".to_owned(),
            Reason::NotOnDistribution { end: End::From, .. } => {
                "not-on-distribution:from".to_owned()
            }
            Reason::NotOnDistribution { end: End::To, .. } => "not-on-distribution:to".to_owned(),
            Reason::RollOver { .. } => "rollover-required".to_owned(),
            Reason::Downgrade { .. } => "downgrade".to_owned(),
            Reason::Poisoned { poisoned } => format!("poisoned:{}", poisoned.version),
            Reason::PreRelease { .. } => "pre-release:to".to_owned(),
            Reason::StopsForbidden { .. } => "stops-forbidden".to_owned(),
            Reason::Unreachable { stop, .. } => format!("stop-unreachable:{stop}"),
            Reason::NoImage { migration, .. } => format!("no-image:{migration}"),
        }
    }
}
