//! What drivers and datastores saw of a deployment: plain values, nothing
//! assumed from an earlier run. Secrets are never in here, only where they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::SecretRef;
use crate::digest::Digest;
use crate::id::{DatastoreName, ServiceName};
use crate::problem::Problem;
use crate::product::DatastoreKind;
use crate::version::Version;

/// A deployment as it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Which deployment this is.
    pub deployment: Deployment,
    /// The version in use, from the declared image and what runs.
    pub version: Version,
    /// Every service, in the order of its configuration.
    pub services: Vec<Service>,
    /// The files that decide the configuration, with digests.
    pub files: Vec<File>,
    /// Where the product's version is written.
    pub version_places: Vec<VersionPlace>,
    /// The datastores that were found.
    pub datastores: Vec<Datastore>,
    /// Filesystems that the upgrade will write to.
    pub filesystems: Vec<Filesystem>,
    /// Answers of the definition's probes; a probe that could not be asked is absent.
    pub probes: BTreeMap<String, String>,
    /// What is not as it should be: shown by `init` and `doctor`; those with exit code `Refused` stop a plan.
    pub problems: Vec<Problem>,
}

/// Identity of a deployment: a plan is good for this one only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Name shown to people and used with `--deployment`.
    pub name: String,
    /// Directory of `switchback.toml`, absolute.
    pub directory: String,
    /// `compose`, `exec`, ….
    pub driver: String,
    /// Name of the project in the driver's own terms, e.g. the Compose project.
    pub project: String,
}

/// Whether a service's processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// At least one container or process runs.
    Running,
    /// It exists and does not run.
    Stopped,
    /// It was never created.
    Absent,
    /// It restarts again and again.
    Restarting,
}

/// A service of the deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// True where it runs the product's own image.
    pub component: bool,
    /// The image as the configuration names it.
    pub image: String,
    /// What its containers actually run, where they exist.
    pub running: Option<ImagePin>,
    /// Whether it runs.
    pub state: ServiceState,
    /// How many containers or processes it has.
    pub replicas: u32,
    /// Where its HTTP port can be reached from this host, `host:port`, by container port.
    pub published: BTreeMap<u16, String>,
}

/// What an image reference stands for, immutably.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImagePin {
    /// The reference as people write it, with its tag.
    pub reference: String,
    /// The local image id (digest of the image's configuration), where the image is here.
    pub id: Option<String>,
    /// The digest under which a registry serves it, where a registry was asked or had served it.
    pub digest: Option<String>,
}

/// A file of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Absolute path.
    pub path: String,
    /// Digest of all its bytes.
    pub digest: Digest,
}

/// A place in a file whose text decides the version of one or more services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionPlace {
    /// Absolute path.
    pub path: String,
    /// First byte of the text.
    pub offset: usize,
    /// The text that is there now, e.g. `3.23.2`.
    pub text: String,
    /// 1-based line, for people.
    pub line: usize,
    /// The services it decides.
    pub services: Vec<ServiceName>,
    /// Whether that text is pinned, moving or a digest.
    pub pinning: Pinning,
}

/// How firmly a version is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pinning {
    /// An exact version.
    Exact,
    /// `latest`, `3.x` or another tag that moves.
    Moving,
    /// The operator pinned a digest after the tag.
    Digest,
}

/// How to reach a datastore's server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Through a program inside the service's container.
    Container {
        /// The service; its container is looked up by the driver each time.
        service: ServiceName,
    },
    /// Through a program on this host.
    Local,
}

/// A datastore as it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Datastore {
    /// Its name in the definition.
    pub name: DatastoreName,
    /// Everything needed to reach it again.
    pub location: DatastoreLocation,
    /// Version of its server, e.g. `15.6`; `None` where it could not be asked.
    pub engine: Option<String>,
    /// Bytes it occupies; `None` where it could not be asked.
    pub size: Option<u64>,
    /// Objects it holds (rows, keys, files), as far as cheap to tell.
    pub count: Option<u64>,
    /// Whether a shadow of it can be made.
    #[serde(default)]
    pub shadow: Shadowing,
    /// Bytes of changes that it writes down in a second, as of lately; `None` where nothing tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_rate: Option<u64>,
}

/// Whether a live copy of a datastore can be made that follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shadowing {
    /// Nothing could look.
    #[default]
    Unknown,
    /// It can.
    Possible,
    /// It can, and it will not hold what is in these collections: it is never written to the log that a
    /// follower gets.
    Without {
        /// Which, as they are called in contents.
        collections: Vec<String>,
    },
    /// It cannot.
    Impossible {
        /// Why not, as half a sentence: `the role may not replicate`.
        because: String,
    },
}

/// Everything needed to reach a datastore. Part of a plan, so without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatastoreLocation {
    /// What keeps it.
    pub kind: DatastoreKind,
    /// How to reach its server.
    pub access: Access,
    /// Host as seen from where `access` runs.
    pub host: Option<String>,
    /// Port as seen from where `access` runs.
    pub port: Option<u16>,
    /// Database: a name for PostgreSQL, a number for Redis.
    pub database: Option<String>,
    /// Role or ACL user.
    pub user: Option<String>,
    /// Where the password is, where there is one.
    pub password: Option<SecretRef>,
    /// The data's directory as this host sees it (bind mount or volume), where it can.
    pub directory: Option<String>,
    /// The data's directory as the server sees it.
    pub server_directory: Option<String>,
    /// What else a connection takes, e.g. `tls = "true"`, `auth-source = "admin"` (MongoDB).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl DatastoreLocation {
    /// What a client program of Redis is told of TLS; nothing where `options` do not ask for it. A server of the same
    /// machine or container for which no authorities are named is taken as it is: nothing that is said to it leaves that.
    pub fn redis_tls(&self) -> Vec<String> {
        let option = |name: &str| self.options.get(name).map(String::as_str);
        if option("tls") != Some("true") {
            return Vec::new();
        }
        let mut words = vec!["--tls"];
        for (flag, name) in [
            ("--cacert", "tls-ca-file"),
            ("--cert", "tls-certificate-file"),
            ("--key", "tls-key-file"),
        ] {
            words.extend(option(name).into_iter().flat_map(|value| [flag, value]));
        }
        let host = self.host.as_deref().unwrap_or("localhost");
        let near = host == "localhost" || host == "::1" || host.starts_with("127.");
        if near && option("tls-ca-file").is_none() {
            words.push("--insecure");
        }
        words.into_iter().map(str::to_owned).collect()
    }
}

/// A filesystem that will be written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filesystem {
    /// A path on it that will be written to.
    pub path: String,
    /// What it is used for: `backup`, `postgres`, `docker`, `journal`, `temporary`; see [`Filesystem::backup_of`].
    pub uses: Vec<String>,
    /// Identity of the filesystem: uses with the same identity share its space.
    pub device: String,
    /// Free bytes for this user.
    pub free: u64,
    /// All bytes.
    pub total: u64,
    /// True where a probe file could be written.
    pub writable: bool,
}

impl Filesystem {
    /// The use of a filesystem that holds the backups of one datastore alone: those of files stay on the machine that
    /// the files are on.
    pub fn backup_of(datastore: &DatastoreName) -> String {
        format!("backup of {datastore}")
    }
}
