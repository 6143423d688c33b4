//! What a question stands on: the edition, the driver, both versions, and the
//! releases that exist for them.

use std::collections::BTreeMap;

use switchback_model::Version;
use switchback_model::product::{Edition, Poisoned, Product, Release};
use switchback_model::version::{Bounds, Key, Range, VersionError};

use super::host::{self, Host};
use super::query::{Query, driver_name};
use super::refusal::{End, Hint, Reason, Refusal, Unknown};
use super::said;

/// A version and its place in the order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    pub(super) key: Key,
    pub(super) version: Version,
}

/// A release and its place in the order.
pub(super) struct Known<'a> {
    pub(super) key: Key,
    pub(super) release: &'a Release,
}

/// Everything that the search reads.
pub(super) struct Ground<'a> {
    pub(super) product: &'a Product,
    pub(super) query: &'a Query,
    pub(super) edition: Option<String>,
    pub(super) driver: String,
    /// Every release of the product, oldest first, whichever edition it is of.
    pub(super) releases: Vec<Known<'a>>,
    pub(super) from: Point,
    pub(super) to: Point,
    /// What is known of the operating system.
    pub(super) host: Host<'a>,
    poisoned: BTreeMap<&'a str, &'a Poisoned>,
    covers: Option<Bounds>,
}

impl<'a> Ground<'a> {
    /// Resolves the question, or says which part of it leads nowhere.
    pub(super) fn new(product: &'a Product, query: &'a Query) -> Result<Self, Refusal> {
        let refuse = |reason| Refusal::new(product, query, reason);
        let covers = product.covers.as_ref().map(|range| bounds(product, range));
        let from = host::without_revision(product, &query.from);
        let nowhere = Point {
            key: key(product, &from).map_err(|error| {
                refuse(malformed(End::From, &query.from, &error)).hinting(near(
                    product,
                    query,
                    &query.from,
                ))
            })?,
            version: from,
        };
        let driver = driver(product, query).map_err(refuse)?;
        let mut ground = Self {
            product,
            query,
            edition: edition(product, query, &driver).map_err(refuse)?,
            driver,
            releases: sorted(product),
            from: nowhere.clone(),
            to: nowhere,
            host: Host::default(),
            poisoned: product
                .poisoned
                .iter()
                .map(|poisoned| (poisoned.version.as_str(), poisoned))
                .collect(),
            covers: covers.transpose().ok().flatten(),
        };
        ground.from = ground.end(End::From, &query.from)?;
        ground.to = ground.end(End::To, &query.to)?;
        let ends = (&ground.from.key, &ground.to.key);
        ground.host = Host::new(product, query, ends).map_err(refuse)?;
        said::check(product, query)?;
        Ok(ground)
    }

    /// The entry of a release that must not be run.
    pub(super) fn poisoned(&self, version: &Version) -> Option<&'a Poisoned> {
        self.poisoned.get(version.as_str()).copied()
    }

    /// The version to run in place of this one: itself, or its substitute where it is poisoned.
    /// `None` where it does not exist for this edition or nothing takes its place.
    pub(super) fn runnable(&self, version: &Version) -> Option<Point> {
        let mut version = version;
        // A chain of substitutes is no longer than the list; a cycle would be.
        for _ in 0..=self.poisoned.len() {
            match self.poisoned(version) {
                Some(poisoned) => version = poisoned.substitute.as_ref()?,
                None => return self.locate(version).ok(),
            }
        }
        None
    }

    /// Reads a range; a malformed one holds nothing, and lint tells it.
    pub(super) fn range_holds(&self, range: &Range, key: &Key) -> bool {
        bounds(self.product, range).is_ok_and(|bounds| bounds.contains(key))
    }

    /// Whether `from < boundary <= to`.
    pub(super) fn crosses(&self, boundary: &Key) -> bool {
        self.from.key < *boundary && *boundary <= self.to.key
    }

    /// Whether a release or rule at this version lies on the way.
    pub(super) fn crosses_version(&self, version: &Version) -> bool {
        key(self.product, version).is_ok_and(|key| self.crosses(&key))
    }

    /// Releases on the way that the edition has, oldest first.
    pub(super) fn crossed(&self) -> impl Iterator<Item = &Known<'a>> {
        self.releases
            .iter()
            .filter(|known| self.crosses(&known.key) && self.is_edition(&known.release.editions))
    }

    /// Finds a version among the releases.
    pub(super) fn locate(&self, version: &Version) -> Result<Point, Unknown> {
        let key = key(self.product, version).map_err(|error| Unknown::Malformed {
            error: error.to_string(),
        })?;
        let itself = |key| Point {
            key,
            version: version.clone(),
        };
        let after = self.releases.partition_point(|known| known.key <= key);
        let exact = after.checked_sub(1).map(|index| &self.releases[index]);
        let line = self.releases.get(after);
        if let Some(known) = exact.filter(|known| known.key == key) {
            // `24.8` and `24.8.0` are one release: its own spelling is what tags and rules say.
            let version = known.release.version.clone();
            return self.in_edition(known).map(|()| Point { key, version });
        }
        if let Some(known) = line.filter(|known| key.is_of_line(&known.key)) {
            self.in_edition(known)?;
            return Ok(if key.names_line(&known.key) {
                Point {
                    key: known.key.clone(),
                    version: known.release.version.clone(),
                }
            } else {
                itself(key)
            });
        }
        if self
            .covers
            .as_ref()
            .is_some_and(|covers| covers.contains(&key))
        {
            return Ok(itself(key));
        }
        match self.releases.last() {
            Some(newest) if key > newest.key => Err(Unknown::Newer {
                newest: newest.release.version.clone(),
                covers: self.product.covers.clone(),
            }),
            _ => Err(Unknown::Never),
        }
    }

    /// The release at a point, where the definition lists it.
    pub(super) fn listed(&self, point: &Point) -> Option<&'a Release> {
        let of = |known: &&Known<'_>| known.key == point.key || point.key.is_of_line(&known.key);
        let found = self.releases.iter().find(of);
        found.map(|known| known.release)
    }

    fn in_edition(&self, known: &Known<'_>) -> Result<(), Unknown> {
        if self.is_edition(&known.release.editions) {
            return Ok(());
        }
        Err(Unknown::NotInEdition {
            editions: known.release.editions.clone(),
            source: known.release.source.clone(),
        })
    }

    fn end(&self, end: End, version: &Version) -> Result<Point, Refusal> {
        let release = host::without_revision(self.product, version);
        let located = match self.locate(&release) {
            // Staying where one is needs no knowledge of what is there.
            Err(Unknown::Newer { .. } | Unknown::NotInEdition { .. })
                if self.query.from == self.query.to =>
            {
                Ok(self.from.clone())
            }
            located => located,
        };
        located.map_err(|detail| {
            let reason = Reason::UnknownVersion {
                end,
                version: version.clone(),
                detail,
            };
            Refusal::new(self.product, self.query, reason).hinting(near(
                self.product,
                self.query,
                version,
            ))
        })
    }
}

/// The newest finished release of an edition: where an upgrade goes when nobody says where.
pub fn newest(product: &Product, edition: Option<&str>) -> Option<Version> {
    product
        .releases
        .iter()
        .filter(|release| exists_for(release, edition))
        .filter(|release| !edition.is_some_and(|edition| is_unconfirmed(release, edition)))
        .filter(|release| {
            let poisoned = |poisoned: &Poisoned| poisoned.version == release.version;
            !product.poisoned.iter().any(poisoned)
        })
        .filter_map(|release| Some((key(product, &release.version).ok()?, &release.version)))
        .filter(|(key, _)| !key.is_pre_release())
        .max()
        .map(|(_, version)| version.clone())
}

/// Where an upgrade from `from` goes when nobody says where: to the newest finished release of the
/// edition, and nowhere from one that is newer or that nothing is known to come after.
pub fn next_goal(product: &Product, edition: Option<&str>, from: &Version) -> Version {
    let newer = |to: &Version| {
        let order = product.scheme.compare(from, to);
        order.is_ok_and(|order| order.is_lt())
    };
    newest(product, edition)
        .filter(|to| newer(to) || key(product, from).is_err())
        .unwrap_or_else(|| from.clone())
}

/// True where nobody has seen the release for this edition.
pub(super) fn is_unconfirmed(release: &Release, edition: &str) -> bool {
    release.unconfirmed.iter().any(|known| known == edition)
}

fn exists_for(release: &Release, edition: Option<&str>) -> bool {
    release.editions.is_empty()
        || edition.is_none_or(|edition| release.editions.iter().any(|known| known == edition))
}

pub(super) fn key(product: &Product, version: &Version) -> Result<Key, VersionError> {
    product.scheme.parse(version)
}

pub(super) fn bounds(product: &Product, range: &Range) -> Result<Bounds, VersionError> {
    range.bounds(product.scheme)
}

fn sorted(product: &Product) -> Vec<Known<'_>> {
    let mut releases: Vec<Known<'_>> = product
        .releases
        .iter()
        .filter_map(|release| {
            let key = key(product, &release.version).ok()?;
            Some(Known { key, release })
        })
        .collect();
    releases.sort_by(|left, right| left.key.cmp(&right.key));
    releases
}

fn edition(product: &Product, query: &Query, driver: &str) -> Result<Option<String>, Reason> {
    let all = product.editions.iter();
    let fitting: Vec<&Edition> = all.filter(|it| it.comes_for(driver)).collect();
    let names = |editions: &[&Edition]| editions.iter().map(|it| it.id.clone()).collect();
    match &query.edition {
        // A product without editions takes any name: it makes no difference.
        given if product.editions.is_empty() => Ok(given.clone()),
        Some(given) if fitting.iter().any(|edition| edition.id == *given) => {
            Ok(Some(given.clone()))
        }
        Some(given) if product.editions.iter().any(|edition| edition.id == *given) => {
            Err(Reason::EditionNotDeployed {
                edition: given.clone(),
                driver: driver.to_owned(),
                known: names(&fitting),
            })
        }
        None if fitting.len() == 1 => Ok(Some(fitting[0].id.clone())),
        None if fitting.iter().any(|edition| edition.default) => {
            let meant = fitting.iter().find(|edition| edition.default);
            Ok(meant.map(|edition| edition.id.clone()))
        }
        given => Err(Reason::UnknownEdition {
            given: given.clone(),
            known: names(&fitting),
        }),
    }
}

fn driver(product: &Product, query: &Query) -> Result<String, Reason> {
    match query.driver.as_deref().map(driver_name) {
        None => Ok(product.drivers.first().cloned().unwrap_or_default()),
        Some(given) if product.drivers.iter().any(|known| known == given) => Ok(given.to_owned()),
        // Where only versions are described, and not what is done in a stage, the way is the same for every
        // kind of deployment.
        Some(given) if product.path_only && product.actions.is_empty() => Ok(given.to_owned()),
        Some(given) => Err(Reason::UnknownDriver {
            given: given.to_owned(),
            known: product.drivers.clone(),
        }),
    }
}

fn malformed(end: End, version: &Version, error: &VersionError) -> Reason {
    Reason::UnknownVersion {
        end,
        version: version.clone(),
        detail: Unknown::Malformed {
            error: error.to_string(),
        },
    }
}

/// How many versions a hint offers.
const OFFERED: usize = 3;

/// Releases of the edition that were probably meant: a pre-release of it, or those that share the most
/// leading numbers, newest first.
fn near(product: &Product, query: &Query, version: &Version) -> Option<Hint> {
    // `3.24` and `3.x` are no versions; what they have before the first letter still says which line is meant.
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let leading: Vec<&str> = version.as_str().split('.').take_while(is_number).collect();
    let common = |known: &Version| {
        let numbers = known.as_str().split(['.', '-']);
        let same = numbers
            .zip(&leading)
            .take_while(|(left, right)| left == *right);
        same.count()
    };
    let mut candidates: Vec<(usize, Key, &Version)> = product
        .releases
        .iter()
        .filter(|release| exists_for(release, query.edition.as_deref()))
        .filter_map(|release| {
            let key = key(product, &release.version).ok()?;
            Some((common(&release.version), key, &release.version))
        })
        .collect();
    candidates.sort_by(|left, right| right.cmp(left));
    let leads_to_it = |known: &Version| {
        let rest = known.as_str().strip_prefix(version.as_str());
        rest.is_some_and(|rest| rest.starts_with('-'))
    };
    if let Some((_, _, pre_release)) = candidates.iter().find(|(_, _, known)| leads_to_it(known)) {
        let version = (*pre_release).clone();
        return Some(Hint::PreReleaseAvailable { version });
    }
    candidates.retain(|(common, key, _)| *common > 0 && !key.is_pre_release());
    let nearest = candidates.first()?.0;
    let versions: Vec<Version> = candidates
        .into_iter()
        .filter(|(common, _, _)| *common == nearest)
        .take(OFFERED)
        .map(|(_, _, version)| version.clone())
        .collect();
    Some(Hint::Near { versions })
}
