//! Which distributions a deployment may be on.

use switchback_model::product::{Distribution, Product};
use switchback_model::version::Key;
use switchback_model::{Scheme, Version};

use super::query::Query;
use super::refusal::Reason;

/// The probe that names the distribution.
pub(super) const DISTRIBUTION: &str = "distribution";

/// What is known of the host.
#[derive(Debug, Default)]
pub(super) struct Host<'a> {
    /// The distributions that it may be: the one that was named, else all that both versions can be installed on.
    pub(super) possible: Vec<&'a Distribution>,
    /// True where the distribution was named.
    pub(super) named: bool,
}

impl<'a> Host<'a> {
    /// Reads the distribution from the answers. The reason where it names none that there is.
    pub(super) fn new(
        product: &'a Product,
        query: &Query,
        (from, to): (&Key, &Key),
    ) -> Result<Self, Reason> {
        let Some(given) = query.answers.get(DISTRIBUTION) else {
            let both = |distribution: &&Distribution| {
                holds(product, distribution, from) && holds(product, distribution, to)
            };
            return Ok(Self {
                possible: product.distributions.iter().filter(both).collect(),
                named: false,
            });
        };
        let mut all = product.distributions.iter();
        match all.find(|distribution| is_named(distribution, given)) {
            Some(distribution) => Ok(Self {
                possible: vec![distribution],
                named: true,
            }),
            None if product.distributions.is_empty() => Ok(Self::default()),
            None => Err(Reason::UnknownDistribution {
                given: given.clone(),
                known: product
                    .distributions
                    .iter()
                    .map(|it| it.id.clone())
                    .collect(),
            }),
        }
    }
}

/// Operators write Ubuntu 16.04, `ubuntu-16.04` or `Ubuntu16`; the definition writes `ubuntu16`.
fn is_named(distribution: &Distribution, given: &str) -> bool {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.collect::<String>().to_ascii_lowercase()
    };
    let given = plain(given);
    let mut names = vec![plain(&distribution.id), plain(&distribution.name)];
    names.extend(distribution.os_release.iter().map(|name| plain(name)));
    names.contains(&given)
}

/// Whether a release can be installed on a distribution.
pub(super) fn holds(product: &Product, distribution: &Distribution, key: &Key) -> bool {
    let bounds = distribution.releases.bounds(product.scheme);
    bounds.is_ok_and(|bounds| bounds.contains(key))
}

/// A package version of an operator's package manager, as the release it is of: `3.8.1-2` is revision 2 of
/// the packages of 3.8.1. Anything else as it is.
pub(super) fn without_revision(product: &Product, version: &Version) -> Version {
    let text = version.as_str();
    let bare = text.split_once(':').map_or(text, |(_epoch, rest)| rest);
    match bare.rsplit_once('-') {
        // Where releases are Debian versions, a revision is part of them.
        Some((release, revision))
            if product.scheme != Scheme::Debian
                && !product.packages.is_empty()
                && !revision.is_empty()
                && revision.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            Version::new(release)
        }
        _ => version.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packages_revision_is_none_of_its_release_unless_releases_are_debian_versions() {
        let mut product = switchback_catalog::load("stackstorm")
            .expect("the product is built in")
            .expect("its definition is well-formed");
        let read = |product: &Product, version: &str| {
            let read = without_revision(product, &Version::from(version));
            read.as_str().to_owned()
        };
        assert_eq!(read(&product, "1:3.8.1-2"), "3.8.1");
        assert_eq!(read(&product, "3.8.1-rc1"), "3.8.1-rc1");
        product.scheme = Scheme::Debian;
        assert_eq!(read(&product, "1:3.8.1-2"), "1:3.8.1-2");
    }
}
