//! Which files a Redis server keeps its data in.
//!
//! ```text
//! dir/appendonly.aof                        append-only, before 7
//!    /appendonlydir/*.{base,incr}.*, *.manifest   append-only, since 7; a stale appendonly.aof may lie beside
//!    /dump.rdb                              snapshot; all there is where append-only is off
//! ```

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use switchback_engine::ports::Failure;
use switchback_model::DatastoreName;
use switchback_model::observed::DatastoreLocation;

/// Where a server keeps its data, and in which form it loads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Layout {
    /// The directory as the server sees it.
    pub(super) directory: String,
    /// Whether the append-only files are what is loaded.
    pub(super) appendonly: bool,
    /// Name of the append-only file, or what the names of its parts begin with.
    pub(super) aof: String,
    /// Directory of the parts; `None` before Redis 7.
    pub(super) aof_directory: Option<String>,
    /// Name of the snapshot.
    pub(super) rdb: String,
    /// How many databases it has.
    pub(super) databases: u32,
    /// What it loaded: each a path and its arguments. Without them its data cannot be loaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) modules: Vec<Vec<String>>,
}

impl Layout {
    /// From settings as `CONFIG GET` or a configuration file names them; defaults are the server's own.
    pub(super) fn from_settings(
        settings: &BTreeMap<String, String>,
        location: &DatastoreLocation,
        major: u32,
    ) -> Self {
        let setting = |name: &str, default: &str| {
            settings
                .get(name)
                .filter(|value| !value.is_empty())
                .cloned()
                .unwrap_or_else(|| default.to_owned())
        };
        let default_directory = location.server_directory.as_deref().unwrap_or("/data");
        Self {
            directory: setting("dir", default_directory),
            appendonly: setting("appendonly", "no") == "yes",
            aof: setting("appendfilename", "appendonly.aof"),
            aof_directory: (major >= 7).then(|| setting("appenddirname", "appendonlydir")),
            rdb: setting("dbfilename", "dump.rdb"),
            databases: setting("databases", "16").parse().unwrap_or(16),
            modules: Vec::new(),
        }
    }

    /// Whether a name in the directory is part of the data, also as another version of Redis would keep it.
    pub(super) fn holds(&self, name: &OsStr) -> bool {
        let parts = self.aof_directory.as_deref().unwrap_or("appendonlydir");
        [self.aof.as_str(), parts, self.rdb.as_str()]
            .iter()
            .any(|known| name == *known)
    }

    /// What must be there for the server to load anything.
    pub(super) fn loaded(&self) -> Vec<&str> {
        match (&self.aof_directory, self.appendonly) {
            (Some(directory), true) => vec![directory],
            (None, true) => vec![&self.aof],
            (_, false) => vec![&self.rdb],
        }
    }

    /// The directory as this host sees it.
    pub(super) fn on_host(
        &self,
        name: &DatastoreName,
        location: &DatastoreLocation,
    ) -> Result<PathBuf, Failure> {
        let unreachable = |cause: String| {
            Failure::new(
                "redis-files-unreachable",
                format!("cannot reach the files of `{name}` from this host"),
            )
            .cause(cause)
            .hint(format!(
                "say where they are: [datastores.{name}] directory in switchback.toml"
            ))
        };
        let Some(root) = &location.directory else {
            return Err(unreachable(
                "no volume or bind mount of it is known".to_owned(),
            ));
        };
        let below = match &location.server_directory {
            None => "",
            Some(mounted) => self
                .directory
                .strip_prefix(mounted.trim_end_matches('/'))
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
                .ok_or_else(|| {
                    unreachable(format!(
                        "the server keeps them in {}, and what is mounted is {mounted}",
                        self.directory
                    ))
                })?,
        };
        let path = PathBuf::from(root).join(below.trim_start_matches('/'));
        match std::fs::read_dir(&path) {
            Ok(_) => Ok(path),
            Err(error) => Err(unreachable(format!("{}: {error}", path.display()))),
        }
    }
}

/// Settings of a configuration file, the last of each name.
pub(super) fn from_file(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let (name, value) = line.trim().split_once(char::is_whitespace)?;
            let value = value.trim().trim_matches(['"', '\'']);
            (!name.starts_with('#')).then(|| (name.to_lowercase(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use switchback_model::observed::Access;
    use switchback_model::product::DatastoreKind;

    use super::*;

    fn location(directory: &str) -> DatastoreLocation {
        DatastoreLocation {
            kind: DatastoreKind::Redis,
            access: Access::Local,
            host: None,
            port: None,
            database: None,
            user: None,
            password: None,
            directory: Some(directory.to_owned()),
            server_directory: Some("/data".to_owned()),
            options: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn finds_the_directory_below_what_is_mounted() {
        let host = tempfile::tempdir().expect("temporary directory");
        std::fs::create_dir(host.path().join("redis")).expect("made");
        let location = location(&host.path().to_string_lossy());
        let settings =
            from_file("# a comment\ndir \"/data/redis\"\nappendonly yes\nappendonly  no\n");
        let layout = Layout::from_settings(&settings, &location, 7);
        let name = DatastoreName::new("redis");
        assert_eq!(
            layout.on_host(&name, &location).expect("found"),
            host.path().join("redis")
        );
        assert_eq!(layout.loaded(), ["dump.rdb"]);
        let elsewhere = Layout {
            directory: "/database".to_owned(),
            ..layout
        };
        let failure = elsewhere
            .on_host(&name, &location)
            .expect_err("not mounted");
        assert_eq!(failure.code, "redis-files-unreachable");
        assert_eq!(
            failure.causes,
            ["the server keeps them in /database, and what is mounted is /data"]
        );
    }

    #[test]
    fn one_file_before_seven_and_parts_since() {
        let settings = from_file("appendonly yes\n");
        let six = Layout::from_settings(&settings, &location("/x"), 6);
        let seven = Layout::from_settings(&settings, &location("/x"), 7);
        assert_eq!(
            (six.loaded(), seven.loaded()),
            (vec!["appendonly.aof"], vec!["appendonlydir"])
        );
        // Whichever it is, a restore moves both aside: the newer would win over the older one.
        for name in ["appendonly.aof", "appendonlydir", "dump.rdb"] {
            assert!(six.holds(OsStr::new(name)) && seven.holds(OsStr::new(name)));
        }
        assert!(!seven.holds(OsStr::new("nodes.conf")));
    }
}
