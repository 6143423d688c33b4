//! A family of packages in several versions, made on the fly.

use std::path::Path;

use anyhow::Result;

use super::repository::{self, Deb};

/// What comes in each version: packaging revision, format of its data.
const VERSIONS: [(&str, u32); 5] = [
    ("2.1.0", 1),
    ("2.2.0", 2),
    ("3.0.0", 3),
    ("4.0.0", 3),
    ("4.1.0", 3),
];

/// The definition of the product.
pub(super) const DEFINITION: &str = include_str!("family/product.toml");
const API: &str = include_str!("family/flow-api.pl");
const RUNNER: &str = include_str!("family/flow-runner.pl");
const IDLE: &str = include_str!("family/flow-idle.pl");
const MIGRATE: &str = include_str!("family/flow-migrate.sh");
const POSTINST: &str = include_str!("family/postinst.sh");

/// Everything that the packages are made from.
pub(super) const INPUTS: [&str; 8] = [
    DEFINITION,
    API,
    RUNNER,
    IDLE,
    MIGRATE,
    POSTINST,
    include_str!("family.rs"),
    repository::INPUT,
];

/// Makes the packages and a repository of them below `root`.
pub(super) fn repository(root: &Path) -> Result<()> {
    repository::make(root, packages().iter().map(Package::debian))
}

/// Every package in every version.
pub(super) fn packages() -> Vec<Package> {
    let product = VERSIONS.iter().flat_map(|(version, format)| {
        ["flow", "flow-web"].map(|name| Package {
            name,
            version,
            format: *format,
        })
    });
    let others = ["0.9", "1.0"].map(|version| Package {
        name: "flow-lib",
        version,
        format: 0,
    });
    product.chain(others).collect()
}

/// One version of a package.
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    format: u32,
}

/// What a package says of another one.
pub(super) enum Relation {
    /// It needs it, at this version or a later one.
    Needs(&'static str, &'static str),
    /// The other one must not be there.
    Forbids(&'static str),
}

impl Package {
    fn units(&self) -> Vec<&'static str> {
        match (self.name, self.format) {
            ("flow", 3) => vec!["flow-api", "flow-runner", "flow-scheduler"],
            ("flow", _) => vec!["flow-api", "flow-runner"],
            ("flow-web", _) => vec!["flow-web"],
            _ => Vec::new(),
        }
    }

    pub(super) fn relation(&self) -> Option<Relation> {
        match (self.name, self.version) {
            ("flow-web", _) => Some(Relation::Needs("flow", "2")),
            ("flow", "4.0.0") => Some(Relation::Needs("flow-lib", "1.0")),
            ("flow", "4.1.0") => Some(Relation::Forbids("flow-lib")),
            _ => None,
        }
    }

    fn filled(&self, text: &str, name: &str) -> String {
        text.replace("@VERSION@", self.version)
            .replace("@FORMAT@", &self.format.to_string())
            .replace("@UNITS@", &self.units().join(" "))
            .replace("@NAME@", name)
    }

    /// What runs when it was installed.
    pub(super) fn script(&self) -> Option<String> {
        let runs = !self.units().is_empty();
        runs.then(|| self.filled(POSTINST, self.name))
    }

    /// Its files: path, text, mode. Those below `etc` are configuration.
    pub(super) fn files(&self) -> Vec<(String, String, u32)> {
        let mut files = Vec::new();
        for unit in self.units() {
            let script = match unit {
                "flow-api" => API,
                "flow-runner" => RUNNER,
                _ => IDLE,
            };
            let program = self.filled(script, unit);
            files.push((format!("opt/flow/bin/{unit}"), program, 0o755));
            let text = format!(
                "[Unit]\nDescription={unit}\n\n[Service]\nExecStart=/opt/flow/bin/{unit}\n\n[Install]\nWantedBy=multi-user.target\n"
            );
            files.push((format!("lib/systemd/system/{unit}.service"), text, 0o644));
        }
        if self.name == "flow" {
            let migrate = self.filled(MIGRATE, self.name);
            files.push(("opt/flow/bin/flow-migrate".to_owned(), migrate, 0o755));
            let of = format!("# Of Flow {}.\n", self.version);
            let workers = if self.format < 3 { "" } else { "workers = 2\n" };
            let conf = format!("{of}port = 9101\n{workers}");
            files.push(("etc/flow/flow.conf".to_owned(), conf, 0o640));
            files.push(("etc/flow/limits.conf".to_owned(), of, 0o644));
        }
        files
    }

    fn debian(&self) -> Deb {
        Deb {
            name: self.name,
            version: self.version,
            relation: match self.relation() {
                Some(Relation::Needs(name, version)) => format!("Depends: {name} (>= {version})\n"),
                Some(Relation::Forbids(name)) => format!("Conflicts: {name}\n"),
                None => String::new(),
            },
            script: self.script(),
            files: self.files(),
        }
    }
}
