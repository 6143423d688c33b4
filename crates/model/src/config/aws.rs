//! `[aws]`: a deployment that CloudFormation stacks describe.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Prices, SecretRef};
use crate::stack::KeepBy;
use crate::version::Version;

/// `[aws]`. What is not said is found: credentials and region as every AWS tool finds them, stacks by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AwsConfig {
    /// `cloudformation` for numbered stacks, `ami` for the single one.
    pub kind: AwsKind,
    /// Profile of the shared configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Role to assume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The version in use, where neither images nor stacks tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// URL that answers instead of AWS, for all of its services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Names of the stacks, each with the template it is made from: `"prod-1-1-vpc" = "1-1-vpc"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stacks: BTreeMap<String, String>,
    /// Stacks that are made where they are not there yet, each with its template: `"prod-2-4c-mtls-s3" = "2-4c-mtls-s3"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, String>,
    /// Where the templates of a release are: a path or URL with `{version}` and `{template}` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates: Option<String>,
    /// Bucket for templates that are too large to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Stacks that are left as they are, though a release changes their template.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leave: Vec<String>,
    /// Stacks whose running machines are replaced where they are behind what the stack says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renew: Vec<String>,
    /// Stacks whose running machines are replaced by their group itself, in an instance refresh, and how.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refresh: BTreeMap<String, AwsRefresh>,
    /// Values of parameters, by stack. They go before everything that would be carried over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, BTreeMap<String, AwsParameter>>,
    /// How a database is kept before each round, by stack and the database's name in its template: `snapshot`, or `mark`
    /// where its automated backups are on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keep: BTreeMap<String, BTreeMap<String, KeepBy>>,
    /// Buckets whose objects a way back brings back as well, from the versions that they keep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects_back: Vec<String>,
    /// Domains whose certificates a replaced machine asks for anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// True where the operator brings certificates, so that none is asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub custom_certificates: bool,
    /// How many certificates were asked for in the last seven days by other means than this stack, by domain.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub certificates_used: BTreeMap<String, u32>,
    /// What the operator pays AWS, so that what is made or kept is shown with a sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
}

/// How stacks make up a deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AwsKind {
    /// Numbered stacks that run containers.
    #[default]
    Cloudformation,
    /// One stack that runs a machine.
    Ami,
}

/// How an instance refresh replaces machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AwsRefresh {
    /// Per cent of the group's machines that stay in service meanwhile, up to 100.
    #[serde(default = "AwsRefresh::healthy")]
    pub healthy: u8,
    /// Seconds that a new machine is given before it counts; as the group says where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<u32>,
}

impl AwsRefresh {
    /// What AWS takes where nobody says anything.
    fn healthy() -> u8 {
        90
    }
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AwsParameter {
    /// This.
    Value(String),
    /// A secret, read at the last moment.
    Secret(SecretRef),
}

impl AwsKind {
    /// The name of the driver.
    pub fn driver(self) -> &'static str {
        match self {
            Self::Cloudformation => "cloudformation",
            Self::Ami => "ami",
        }
    }
}
