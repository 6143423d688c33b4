//! The right to write about one deployment.

use switchback_model::observed::Deployment;

/// What a lease is about: two deployments of the same name in different directories are two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Name of the deployment.
    pub deployment: String,
    /// Its directory, as an absolute path.
    pub directory: String,
}

/// The right to write about one deployment, until another holder has a higher number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it is about.
    pub key: Key,
    /// Its number: every holder's is higher than that of the one before, and an older one can append nothing.
    pub number: u64,
    /// The holder that was found dead, and how that is known.
    pub took_over: Option<String>,
}

impl From<&Deployment> for Key {
    fn from(deployment: &Deployment) -> Self {
        Self {
            deployment: deployment.name.clone(),
            directory: deployment.directory.clone(),
        }
    }
}
