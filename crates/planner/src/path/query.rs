//! The question: from where to where, and what is known of the deployment.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::Version;
use switchback_model::config::PolicyConfig;

/// What the operator allows a path to contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Paths may pass through required stops.
    pub stops: bool,
    /// A pre-release may be the target.
    pub pre_releases: bool,
}

impl Default for Policy {
    /// Everything that leads somewhere: what an offline question wants to know.
    fn default() -> Self {
        Self {
            stops: true,
            pre_releases: true,
        }
    }
}

impl From<&PolicyConfig> for Policy {
    /// Upgrades of real deployments go to pre-releases only where the operator says so.
    fn from(config: &PolicyConfig) -> Self {
        Self {
            stops: config.stops.unwrap_or(true),
            pre_releases: config.pre_releases.unwrap_or(false),
        }
    }
}

/// A question to [`super::find()`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Edition in use; may be left out where the product has one or none.
    pub edition: Option<String>,
    /// Kind of deployment; the product's first where it is left out.
    pub driver: Option<String>,
    /// Version in use.
    pub from: Version,
    /// Version wanted.
    pub to: Version,
    /// What the deployment uses, as the operator says.
    pub features: BTreeSet<String>,
    /// What probes answered; a probe that is not in here counts as unknown.
    pub answers: BTreeMap<String, String>,
    /// All that the operator said of each feature and probe: more than one answer contradict each other.
    pub said: BTreeMap<String, BTreeSet<String>>,
    /// What the path may contain.
    pub policy: Policy,
}

impl Query {
    /// Asks for the way between two versions, as an operator types them.
    pub fn new(from: &str, to: &str) -> Self {
        Self {
            edition: None,
            driver: None,
            from: Version::typed(from),
            to: Version::typed(to),
            features: BTreeSet::new(),
            answers: BTreeMap::new(),
            said: BTreeMap::new(),
            policy: Policy::default(),
        }
    }

    /// Names the edition.
    #[must_use]
    pub fn edition(mut self, edition: impl Into<String>) -> Self {
        self.edition = Some(edition.into());
        self
    }

    /// Names the kind of deployment.
    #[must_use]
    pub fn driver(mut self, driver: impl Into<String>) -> Self {
        self.driver = Some(driver.into());
        self
    }

    /// Adds what the operator says: `npm-packages` is a feature in use, `noc-wanted=0` answers a probe that
    /// nothing else can answer. A feature also answers the probe of its name with 1.
    #[must_use]
    pub fn feature(mut self, said: &str) -> Self {
        let (name, answer) = match said.split_once('=') {
            Some((probe, answer)) => {
                let (probe, answer) = (probe.trim(), answer.trim());
                self.answers.insert(probe.to_owned(), answer.to_owned());
                (probe, answer)
            }
            None => {
                self.answers
                    .entry(said.to_owned())
                    .or_insert_with(|| "1".to_owned());
                self.features.insert(said.to_owned());
                (said, "yes")
            }
        };
        let answers = self.said.entry(name.to_owned()).or_default();
        answers.insert(answer.to_owned());
        self
    }

    /// Adds what probes answered; what the operator said stays.
    #[must_use]
    pub fn answers<'a>(
        mut self,
        found: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Self {
        for (probe, answer) in found {
            self.answers
                .entry(probe.clone())
                .or_insert_with(|| answer.clone());
        }
        self
    }

    /// Says what the path may contain.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }
}

/// The name that definitions use for a kind of deployment.
pub(super) fn driver_name(given: &str) -> &str {
    match given {
        // The product's documentation and operators say Docker where the driver is Compose.
        "docker" | "docker-compose" => "compose",
        // ECS is what the stacks hold, Helm how Kubernetes is told.
        "ecs" => "cloudformation",
        "k8s" | "helm" => "kubernetes",
        other => other,
    }
}
