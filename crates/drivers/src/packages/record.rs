//! What the host's record of packages says of the product.

use super::packaging::Package;
use super::set::Set;

/// What the record of packages says of the product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Every package of the host.
    pub(super) all: Vec<Package>,
    /// The product's, with their versions.
    pub(super) set: Set,
}

impl Record {
    /// Packages of the product.
    pub(super) fn ours(&self) -> impl Iterator<Item = &Package> {
        let ours = |package: &&Package| self.set.0.contains_key(&package.name);
        self.all.iter().filter(ours)
    }

    /// Whether one of the product's packages was begun and not finished.
    pub(super) fn is_half(&self) -> bool {
        self.ours().any(Package::is_half)
    }
}
