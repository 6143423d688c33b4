//! `switchback.toml`: the little that cannot be observed.

mod aws;
mod prices;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::aws::{AwsConfig, AwsKind, AwsParameter, AwsRefresh};
pub use self::prices::{Price, Prices, Unit};
use crate::exit::Exit;
use crate::id::{DatastoreName, ProductId, ServiceName};
use crate::problem::Problem;
use crate::rate::Rate;

/// What the operator says about a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Name of the deployment; the directory's name where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which product of the catalog.
    pub product: ProductId,
    /// Which of its editions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// Features that the deployment uses and nothing can probe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Another machine that the deployment is on; this one where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostConfig>,
    /// Docker Compose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compose: Option<ComposeConfig>,
    /// Local processes started by commands (no container engine).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecConfig>,
    /// Packages of this host's distribution, run by systemd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages: Option<PackagesConfig>,
    /// Stacks at AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsConfig>,
    /// Where observation is not enough.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub datastores: BTreeMap<DatastoreName, DatastoreConfig>,
    /// How success is verified from outside.
    #[serde(default, skip_serializing_if = "VerifyConfig::is_empty")]
    pub verify: VerifyConfig,
    /// What plans may contain.
    #[serde(default, skip_serializing_if = "PolicyConfig::is_empty")]
    pub policy: PolicyConfig,
    /// Where backups go for good, and how long they stay.
    #[serde(default, skip_serializing_if = "BackupConfig::is_empty")]
    pub backup: BackupConfig,
}

/// `[host]`: another machine, reached with the operator's own `ssh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HostConfig {
    /// Where to: `user@host`, or a name of the operator's `ssh_config`. What is to be done as root is done with
    /// `sudo` where the user is another.
    pub ssh: String,
    /// An `ssh_config` to go by, relative to `switchback.toml`; the operator's own where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

/// `[compose]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ComposeConfig {
    /// Compose files in order, relative to `switchback.toml`; empty: what Compose itself would take.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Project name, where Compose's own choice is not right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// `[exec]`: how a product of plain processes is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExecConfig {
    /// Directory with one release per version, `<version>/…`.
    pub releases: String,
    /// File whose one line is the version in use; changed to switch.
    pub current: String,
    /// Environment file of the processes, `KEY=value` lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Where the processes run, relative to `switchback.toml`; its own directory where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Component processes by service name: arguments after the binary, or a release's program and its arguments.
    /// What the product's definition says where it is not given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<ServiceName, Vec<String>>,
    /// The one program of a release's directory; what the product's definition says where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<String>,
}

/// `[packages]`: a product that is installed from packages. All of it is found where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PackagesConfig {
    /// The product's packages, the one that tells its version first; those of the definition where not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Its services in the order of their start; those of the definition where not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceName>,
    /// Seconds that its processes may take to end before they are killed; 30 where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
}

/// `[datastores.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DatastoreConfig {
    /// The service that runs its server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// Database name (PostgreSQL, MongoDB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Role or user to connect as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Password, by reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// Host and port, where no service runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Directory on this host: of files, or of the server's data (exec driver).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Command that starts its server, word by word (exec driver). It runs as the owner of `directory`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<String>,
    /// Major version that its server shall have, e.g. `17`: the next plan brings it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// `shadow`, `dump` or `none`; what the planner chooses where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// How much the first copy of its shadow takes per second at most, e.g. `50MB`; no limit where it is not given.
    /// A Redis server sends as fast as it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rate: Option<Rate>,
    /// Collections that may change while the product merely runs, and may be lost, beside those that the product's
    /// definition names, e.g. `public.sessions`; `*` matches any run of characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volatile: Vec<String>,
    /// What else a connection takes and observation did not find: `tls`, `tls-ca-file`, `tls-certificate-file`,
    /// `tls-key-file`. Paths are those of where the server runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// `[verify]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VerifyConfig {
    /// Base URL as users reach the product; the published port where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// API key for the write path, by reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretRef>,
    /// Further names that the product's write path needs, e.g. `application`.
    #[serde(flatten)]
    pub names: BTreeMap<String, String>,
}

/// `[policy]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyConfig {
    /// False refuses paths with required stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops: Option<bool>,
    /// True lets pre-releases be targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_releases: Option<bool>,
    /// How long ago a plan of the same steps must have been rehearsed at most to be applied, e.g. `7d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_rehearsal: Option<String>,
}

/// `[backup]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BackupConfig {
    /// The restic repository: a directory, relative to `switchback.toml`, or what restic reaches otherwise, e.g. `s3:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Its password, by reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// Environment variables for restic, by reference, e.g. `AWS_SECRET_ACCESS_KEY`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, SecretRef>,
    /// How long shadows of finished runs stay for an instant way back, e.g. `24h`; `24h` where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_shadows: Option<String>,
    /// Keep this many newest backups in the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<u32>,
    /// Keep the newest backup of each of this many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_daily: Option<u32>,
    /// Keep the newest backup of each of this many weeks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_weekly: Option<u32>,
    /// Keep the newest backup of each of this many months.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_monthly: Option<u32>,
}

impl Config {
    /// A configuration that names the product and leaves everything else to what is found.
    pub fn of(product: ProductId) -> Self {
        Self {
            name: None,
            product,
            edition: None,
            features: Vec::new(),
            host: None,
            compose: None,
            exec: None,
            packages: None,
            aws: None,
            datastores: BTreeMap::new(),
            verify: VerifyConfig::default(),
            policy: PolicyConfig::default(),
            backup: BackupConfig::default(),
        }
    }

    /// Whether the operator wants no backup of this datastore.
    pub fn declines(&self, datastore: &DatastoreName) -> bool {
        let said = self.datastores.get(datastore);
        said.is_some_and(|said| said.backup.as_deref() == Some("none"))
    }
}

impl BackupConfig {
    /// How long shadows of finished runs stay where nothing is said, in seconds: a day is enough to see that an
    /// upgrade was right.
    const KEEP_SHADOWS: u64 = 24 * 3600;

    /// How long shadows of finished runs stay, in seconds. The problem, where what is said is no period, lacks a state.
    pub fn shadows_stay(&self) -> Result<u64, Problem> {
        let Some(said) = self.keep_shadows.as_deref() else {
            return Ok(Self::KEEP_SHADOWS);
        };
        period(said).ok_or_else(|| {
            Problem::new(
                Exit::Usage,
                "keep-shadows-unknown",
                format!("`{said}` is no period: `keep-shadows` under [backup] in switchback.toml"),
            )
            .hint("write a number and a unit: `24h`, `7d`, `2w`")
        })
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl VerifyConfig {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl PolicyConfig {
    /// How long ago a rehearsal may be that an upgrade needs, in seconds; `None` where none is needed. The problem, where
    /// what is said is no period, lacks a state.
    pub fn rehearsed_within(&self) -> Result<Option<u64>, Problem> {
        let Some(said) = self.require_rehearsal.as_deref() else {
            return Ok(None);
        };
        let seconds = period(said).ok_or_else(|| {
            Problem::new(
                Exit::Usage,
                "config-invalid",
                format!(
                    "`{said}` is no period: `require-rehearsal` under [policy] in switchback.toml"
                ),
            )
            .hint("write a number and a unit: `7d`, `24h`, `90min`")
        })?;
        Ok(Some(seconds))
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Seconds of a period in whole minutes, hours, days or weeks, e.g. `90min`, `24h`, `7d`, `2w`.
fn period(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let seconds = match &text[digits.len()..] {
        "min" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(seconds)
}

/// Where a secret is read from, at the last moment. The secret itself is never stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SecretRef {
    /// An environment variable of switchback.
    Env(String),
    /// A file; a final newline does not count.
    File(String),
    /// A key of a file of settings in sections.
    Setting {
        /// The file.
        file: String,
        /// Its section.
        section: String,
        /// The key; where its value is a URI, the password inside.
        key: String,
    },
    /// An environment variable of a service of the deployment, as its configuration resolves it.
    Service {
        /// The service.
        service: ServiceName,
        /// The variable.
        variable: String,
    },
    /// The password inside a URI that a service's environment variable holds.
    ServiceUri {
        /// The service.
        service: ServiceName,
        /// The variable.
        variable: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stay(said: Option<&str>) -> Option<u64> {
        let config = BackupConfig {
            keep_shadows: said.map(str::to_owned),
            ..BackupConfig::default()
        };
        config.shadows_stay().ok()
    }

    #[test]
    fn shadows_stay_a_day_unless_another_period_is_said() {
        assert_eq!(stay(None), Some(86_400));
        assert_eq!(stay(Some("12h")), Some(43_200));
        assert_eq!(stay(Some("7d")), Some(604_800));
        assert_eq!(stay(Some("2w")), stay(Some("14d")));
        assert_eq!(stay(Some("90min")), Some(5_400));
        for wrong in [
            "",
            "h",
            "12",
            "12m",
            "-1h",
            "1 h",
            "1ü",
            "99999999999999999h",
        ] {
            assert_eq!(stay(Some(wrong)), None, "{wrong}");
        }
    }
}
