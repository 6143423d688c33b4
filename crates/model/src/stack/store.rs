//! What holds data in an account.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{PlanId, RunId};

/// Something in an account that holds data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// The stack that made it.
    pub stack: String,
    /// Its name in the template.
    pub logical: String,
    /// Its name in the account: volume id, cluster or instance identifier, group id, bucket.
    pub physical: String,
    /// What it is.
    pub kind: StoreKind,
    /// Its engine and version, e.g. `aurora-postgresql 13.8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// Gibibytes that it takes or is given, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gibibytes: Option<u64>,
    /// What its service keeps of its past by itself; `None` where that was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// What a service keeps of a store's past by itself, without being asked each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "keeps")]
pub enum History {
    /// Nothing: automated backups or versions are off.
    Nothing,
    /// Every moment of the last days, by automated backups.
    Moments {
        /// How many days.
        days: u32,
    },
    /// Every version of every object.
    Versions,
}

/// How a run keeps what a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepBy {
    /// A snapshot, which stays until somebody deletes it.
    #[default]
    Snapshot,
    /// A moment that its automated backups can bring back. It goes with them and with the store itself.
    Mark,
}

impl KeepBy {
    /// True for what is not written down: a snapshot.
    pub fn is_snapshot(&self) -> bool {
        *self == Self::Snapshot
    }

    /// What it is, for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Mark => "mark",
        }
    }
}

/// `DBCluster of prod-2-1-db-aurora-master`.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.logical, self.stack)
    }
}

/// What a run kept of a store: a complete snapshot, or a mark that its automated backups have reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Of what, as it was found then.
    pub store: Store,
    /// The run that took it.
    pub run: RunId,
    /// Its plan.
    pub plan: PlanId,
    /// In which round: each takes its own.
    pub round: u32,
    /// What a stack is given to make the store from it: an ARN, an id or a name. Of a mark, of the snapshot that
    /// [`crate::plan::Act::Recall`] makes of it.
    pub handle: String,
    /// When it was taken, as the provider writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// How it was kept.
    #[serde(default, skip_serializing_if = "KeepBy::is_snapshot")]
    pub by: KeepBy,
}

impl Snapshot {
    /// What a snapshot of a database is called, and the copy that a mark is restored to on its way to be one.
    pub fn name(&self) -> &str {
        self.handle.rsplit(':').next().unwrap_or_default()
    }
}

/// A database beside the deployment's own: a way back restores a mark to it, and removes it once a snapshot of it is
/// complete. One that is left is billed until somebody removes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecalledCopy {
    /// Its name in the account, see [`Snapshot::name`].
    pub name: String,
    /// A cluster or a database.
    pub kind: StoreKind,
    /// Its status, as the provider writes it.
    pub status: String,
    /// The class of its server; a cluster that was restored has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Gibibytes that it is given, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gibibytes: Option<u64>,
}

/// What holds data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// A disk.
    Volume,
    /// A cluster of database servers that share their storage.
    DatabaseCluster,
    /// A database server with storage of its own.
    DatabaseInstance,
    /// Redis servers.
    ReplicationGroup,
    /// A bucket of objects.
    Bucket,
    /// A network file system.
    FileSystem,
    /// A key: what it encrypted cannot be read without it.
    Key,
    /// A table.
    Table,
}

impl StoreKind {
    /// What a resource of this type holds; `None` where it holds nothing that would be missed. A database
    /// instance that belongs to a cluster holds nothing itself; the template tells (`DBClusterIdentifier`).
    pub fn of(resource_type: &str) -> Option<Self> {
        Some(match resource_type {
            "AWS::EC2::Volume" => Self::Volume,
            "AWS::RDS::DBCluster" | "AWS::RDS::GlobalCluster" => Self::DatabaseCluster,
            "AWS::RDS::DBInstance" => Self::DatabaseInstance,
            "AWS::ElastiCache::ReplicationGroup"
            | "AWS::ElastiCache::CacheCluster"
            | "AWS::ElastiCache::ServerlessCache" => Self::ReplicationGroup,
            "AWS::S3::Bucket" => Self::Bucket,
            "AWS::EFS::FileSystem" => Self::FileSystem,
            "AWS::KMS::Key" | "AWS::KMS::ReplicaKey" => Self::Key,
            "AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable" => Self::Table,
            _ => return None,
        })
    }

    /// True where a snapshot of it can be taken and given to a stack that makes it anew.
    pub fn can_be_snapshotted(self) -> bool {
        matches!(
            self,
            Self::Volume | Self::DatabaseCluster | Self::DatabaseInstance | Self::ReplicationGroup
        )
    }

    /// True where automated backups can bring it back to a moment.
    pub fn can_be_marked(self) -> bool {
        matches!(self, Self::DatabaseCluster | Self::DatabaseInstance)
    }

    /// What it is, for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::DatabaseCluster => "database cluster",
            Self::DatabaseInstance => "database",
            Self::ReplicationGroup => "replication group",
            Self::Bucket => "bucket",
            Self::FileSystem => "file system",
            Self::Key => "key",
            Self::Table => "table",
        }
    }
}
