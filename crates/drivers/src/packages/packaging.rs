//! The port to a family of packages: what has to be asked of a host's packages, and how they are changed,
//! in one vocabulary for dpkg with apt and for rpm with dnf. Nothing else in this driver names their programs.

use std::fmt;
use std::path::Path;

use switchback_engine::ports::Failure;

use super::set::Set;
use crate::host::Host;

/// How packages of one family are asked about and changed.
pub(super) trait Packaging: fmt::Debug {
    /// How this family calls things.
    fn words(&self) -> &'static Words;

    /// Every package that is installed, whole or not; where one is there twice, the one that came last is last.
    /// `ours` are the product's: a family in which a package may rightly be there twice judges these only.
    fn installed(&self, host: &Host, ours: &[String]) -> Result<Vec<Package>, Failure>;

    /// What repositories have of packages, newest first.
    fn candidates(&self, host: &Host, names: &[String]) -> Result<Vec<Candidate>, Failure>;

    /// Reads the repositories of `candidates` anew into a place of our own, so that what the host knows of them stays
    /// as it is, and tells what is wrong with them, by the file that lists them.
    fn complaints(
        &self,
        host: &Host,
        candidates: &[Candidate],
    ) -> Result<Vec<(String, Complaint)>, Failure>;

    /// What an installation would do. Nothing is changed.
    fn simulate(&self, host: &Host, wanted: &Wanted<'_>) -> Result<Simulated, Failure>;

    /// Where the file of an installed package comes from, when no repository has it.
    fn at_hand(&self, host: &Host, package: &Package) -> Result<Option<Source>, Failure>;

    /// Brings the file of one package into a directory, checked as far as there is something to check it with. One
    /// that is there and right stays.
    fn gather(&self, host: &Host, part: &Part<'_>, into: &Path) -> Result<(), Failure>;

    /// How the name of a package's file begins, up to the architecture.
    fn file_begins(&self, name: &str, version: &str) -> String;

    /// How a version of a package is named on a command line.
    fn named(&self, name: &str, version: &str) -> String;

    /// The program that brings an installation of `files` further, as words; `attempt` counts from 0.
    /// Nothing but these packages may change, and no question may be answered.
    fn installing(&self, attempt: u32, found: Found<'_>, files: &[String]) -> Vec<String>;

    /// The configuration files that packages brought, with the digests of what they brought.
    fn conffiles(&self, host: &Host, set: &Set) -> Result<Vec<Conffile>, Failure>;

    /// Every path that packages installed.
    fn files(&self, host: &Host, set: &Set) -> Result<Vec<String>, Failure>;
}

/// How a family calls things, for people and for paths.
#[derive(Debug)]
pub(super) struct Words {
    /// What keeps the record, e.g. `dpkg`.
    pub(super) keeper: &'static str,
    /// What asks repositories, e.g. `apt`.
    pub(super) finder: &'static str,
    /// Where the record of versions is, as an edit of a plan names it.
    pub(super) record: &'static str,
    /// Whether the record tells what was ended in the middle. Where it does not, what was killed is done anew.
    pub(super) record_is_exact: bool,
    /// How names of package files end, with the dot.
    pub(super) file_ends: &'static str,
    /// What the keeper puts beside a conffile that it did not replace is called after it, without the dot.
    pub(super) offered: &'static str,
    /// What the keeper makes of an edited conffile that it replaced, where it ever does.
    pub(super) saved: Option<&'static str>,
    /// Files that are locked while packages change.
    pub(super) locks: &'static [&'static str],
    /// Files with the pid of a program that changes packages.
    pub(super) notes: &'static [&'static str],
    /// The log of what was changed.
    pub(super) log: &'static str,
    /// What reads the repositories anew.
    pub(super) refresh: &'static str,
    /// What says what an installation would do.
    pub(super) simulate: &'static str,
    /// What takes a hold away, before the names.
    pub(super) unhold: &'static str,
    /// How what was begun is finished.
    pub(super) finish: &'static [&'static str],
    /// How the file of an installed package is obtained.
    pub(super) obtain: &'static [&'static str],
}

/// A package that is installed, whole or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
    pub(super) state: Wholeness,
    /// The state as the family calls it, e.g. `half-configured`.
    pub(super) told: String,
    /// Whether its operator forbids to change it.
    pub(super) held: bool,
}

impl Package {
    /// Whether an installation or removal of it was begun and not finished.
    pub(super) fn is_half(&self) -> bool {
        self.state != Wholeness::Whole
    }
}

/// How much of a package is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wholeness {
    /// All of it.
    Whole,
    /// Its installation can be completed.
    Begun,
    /// It has to be installed anew, from its file.
    Broken,
}

/// A version that a repository has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) package: String,
    pub(super) version: String,
    /// The repository, as the family names it.
    pub(super) repository: String,
}

/// What is to be installed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'a> {
    /// Versions that repositories have.
    Versions(&'a Set),
    /// Files, which are all that there is.
    Files(&'a [String]),
}

/// What an installation would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Simulated {
    /// It would change these packages.
    Changes(Vec<Change>),
    /// There is no way.
    Refused {
        /// Why, in lines.
        errors: Vec<String>,
        /// All that was said.
        said: String,
    },
}

/// What an installation would do to one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It comes, and was not there.
    Adds { name: String, version: String },
    /// It becomes another version.
    Replaces { name: String, version: String },
    /// It goes.
    Removes { name: String },
}

/// What is wrong with a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    /// Its key is over its time.
    ExpiredKey(String),
    /// It is signed with a key that is not here: one that took another's place.
    UnknownKey(String),
    /// Something else is wrong with its signature.
    Untrusted(String),
    /// It does not answer.
    Silent(String),
}

/// Where a package file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It is kept already.
    Kept,
    /// A repository has it.
    Repository,
    /// It was downloaded once.
    Cache,
    /// It is packed again from what is installed: its conffiles are as they are now.
    Repacked,
    /// It cannot be had.
    Nowhere,
}

/// A package whose file is gathered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    /// The package where this version of it is installed now.
    pub(super) installed: Option<&'a Package>,
    /// The set that it is for.
    pub(super) set: &'a Set,
}

/// What an installation finds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    /// Every package.
    pub(super) all: &'a [Package],
    /// The product's.
    pub(super) set: &'a Set,
    /// Whether what was killed has to be done anew.
    pub(super) anew: bool,
}

/// A process that changes packages at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: i32,
    /// Its program, e.g. `unattended-upgr`.
    pub(super) name: String,
}

/// A configuration file as its package brought it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Conffile {
    pub(super) package: String,
    pub(super) path: String,
    /// MD5 or SHA-256, told by its length.
    pub(super) packaged: String,
}
