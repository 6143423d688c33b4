//! The simulated host of a packaged product: what dpkg has, and what an installation left.

use std::collections::BTreeMap;

/// Where dpkg writes the versions down.
pub(crate) const RECORD: &str = "/var/lib/dpkg/status";
/// The product's packages, in the order in which they are installed.
pub(crate) const PACKAGES: [&str; 2] = ["stack", "stack-web"];

/// What a version consists of, as dpkg's record says it.
pub(crate) fn set(version: &str) -> String {
    let words = PACKAGES.map(|name| format!("{name}={version}"));
    words.join(" ")
}

/// The host of a packaged product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimHost {
    /// Packages by name.
    pub packages: BTreeMap<&'static str, SimPackage>,
    /// The file that the operator edited, and whether the packaged one lies beside it.
    pub conffile: (String, bool),
    /// Copies of it by the set under which they were made.
    pub(crate) kept: BTreeMap<String, (String, bool)>,
    /// Between which sets an installation is.
    pub(crate) installing: Option<(String, String)>,
    /// The installation that runs, or has ended and was not looked at: where it leads, and its exit code.
    pub(crate) apt: Option<(String, Option<i64>)>,
    /// No unit of the product starts.
    pub(crate) held: bool,
    /// What was there when that began is noted.
    pub(crate) noted: bool,
}

/// A package as dpkg has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimPackage {
    /// Its version.
    pub version: String,
    /// Unpacked, and its script has not come to its end.
    pub half: bool,
}

/// How far the packages are.
pub(crate) enum Standing {
    /// Whole, and nothing is left to do.
    Settled(String),
    /// In the middle of an installation of ours.
    Between(String, String),
    /// Half installed, and nobody knows why.
    Broken,
}

/// What counts of a host in the end: its packages, and its conffile with whether it was edited.
pub(crate) type HostOutcome = (BTreeMap<&'static str, SimPackage>, (String, bool));

impl SimHost {
    /// A host with this version, whose operator edited the conffile.
    pub fn with(version: &str) -> Self {
        let package = SimPackage {
            version: version.to_owned(),
            half: false,
        };
        Self {
            packages: PACKAGES.map(|name| (name, package.clone())).into(),
            conffile: ("port = 1885 # mine".to_owned(), false),
            kept: BTreeMap::new(),
            installing: None,
            apt: None,
            held: false,
            noted: false,
        }
    }

    /// The line that dpkg's record says of the product.
    pub(crate) fn line(&self) -> String {
        let words = self.packages.iter();
        let words = words.map(|(name, package)| format!("{name}={}", package.version));
        words.collect::<Vec<_>>().join(" ")
    }

    /// What the record counts as: in the middle of an installation as that which will be.
    pub fn told(&self) -> String {
        match self.standing() {
            Standing::Between(_, to) => to,
            _ => self.line(),
        }
    }

    /// What must not outlive a run, named.
    pub(crate) fn left(&self) -> Vec<String> {
        [
            (self.installing.is_some(), "a noted installation"),
            (self.apt.is_some(), "an installation"),
            (self.held || self.noted, "held units"),
        ]
        .into_iter()
        .filter(|(there, _)| *there)
        .map(|(_, what)| what.to_owned())
        .collect()
    }

    /// What counts in the end: packages and the conffile.
    pub(crate) fn outcome(&self) -> HostOutcome {
        (self.packages.clone(), self.conffile.clone())
    }

    pub(crate) fn is_half(&self) -> bool {
        self.packages.values().any(|package| package.half)
    }

    pub(crate) fn apt_runs(&self) -> bool {
        matches!(self.apt, Some((_, None)))
    }

    pub(crate) fn standing(&self) -> Standing {
        let line = self.line();
        match &self.installing {
            // Where it has arrived and the note is there still, what comes after dpkg is not done.
            Some((from, to)) if self.apt_runs() || self.is_half() || line != *from => {
                Standing::Between(from.clone(), to.clone())
            }
            None if self.is_half() => Standing::Broken,
            _ => Standing::Settled(line),
        }
    }
}
