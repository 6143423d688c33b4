//! What the distributions that a deployment may be on leave open.

use switchback_model::product::{Condition, Distribution, Package};
use switchback_model::version::Key;

use super::condition::Truth;
use super::ground::{Ground, Point};
use super::host::holds;
use super::refusal::{End, Hint, Reason, Refusal};
use super::sentences::spoken;

impl Ground<'_> {
    /// Whether what a condition says of the distribution holds.
    pub(super) fn on_distribution(&self, condition: &Condition) -> Truth {
        let asks = condition.family.is_some()
            || !condition.distributions.is_empty()
            || !condition.not_distributions.is_empty();
        if !asks {
            return Truth::Yes;
        }
        let wanted = |distribution: &Distribution| {
            let id = &distribution.id;
            let family = condition.family.as_ref();
            family.is_none_or(|family| *family == distribution.family)
                && (condition.distributions.is_empty() || condition.distributions.contains(id))
                && !condition.not_distributions.contains(id)
        };
        self.among(wanted)
    }

    /// Whether something holds of the distribution: surely, surely not, or of some that it may be.
    pub(super) fn among(&self, wanted: impl Fn(&Distribution) -> bool) -> Truth {
        let possible = &self.host.possible;
        let count = possible.iter().filter(|it| wanted(it)).count();
        match count {
            0 if !possible.is_empty() => Truth::No,
            count if count == possible.len() && count > 0 => Truth::Yes,
            _ => Truth::Assumed,
        }
    }

    /// Whether a release can be installed here, as far as the distribution is known.
    pub(super) fn is_installable(&self, key: &Key) -> bool {
        let product = self.product;
        product.distributions.is_empty()
            || self.host.possible.iter().any(|it| holds(product, it, key))
    }

    /// Refuses what cannot be done in place: versions that nothing leads between, and targets that the
    /// distribution has no packages of.
    pub(super) fn check_in_place(&self) -> Result<(), Refusal> {
        self.check_dead_ends()?;
        let product = self.product;
        if product.distributions.is_empty() {
            return Ok(());
        }
        let (from, to) = (&self.from, &self.to);
        let Some(distribution) = self.host.possible.first() else {
            return Err(self.roll_over(
                format!(
                    "no distribution has packages of both {} and {}",
                    from.version, to.version
                ),
                &self.sources(),
            ));
        };
        if !self.host.named {
            return Ok(());
        }
        if !holds(product, distribution, &from.key) {
            let reason = Reason::NotOnDistribution {
                end: End::From,
                version: from.version.clone(),
                distribution: distribution.name.clone(),
                releases: distribution.releases.clone(),
                source: distribution.source.clone(),
            };
            return Err(
                Refusal::new(product, self.query, reason).hinting([Hint::Distributions {
                    version: from.version.clone(),
                    known: self.distributions_with(&from.key),
                }]),
            );
        }
        if holds(product, distribution, &to.key) {
            return Ok(());
        }
        let text = format!(
            "{} has packages of {} only: {} cannot be installed on it",
            distribution.name,
            spoken(&distribution.releases),
            to.version
        );
        Err(self.roll_over(text, &distribution.source))
    }

    fn check_dead_ends(&self) -> Result<(), Refusal> {
        for end in &self.product.dead_ends {
            let to = end.to.as_ref();
            let crossed = self.range_holds(&end.from, &self.from.key)
                && to.is_none_or(|range| self.range_holds(range, &self.to.key));
            if crossed && self.when(end.when.as_ref()).applies() {
                let reason = Reason::RollOver {
                    id: Some(end.id.clone()),
                    because: end.because.clone(),
                    source: end.source.clone(),
                    in_place_to: None,
                    distributions: self.distributions_with(&self.to.key),
                };
                return Err(self.refuse_in_place(reason));
            }
        }
        Ok(())
    }

    fn roll_over(&self, because: String, source: &str) -> Refusal {
        self.refuse_in_place(Reason::RollOver {
            id: None,
            because,
            source: source.to_owned(),
            in_place_to: self.furthest().map(|point| point.version),
            distributions: self.distributions_with(&self.to.key),
        })
    }

    fn refuse_in_place(&self, reason: Reason) -> Refusal {
        let Reason::RollOver {
            in_place_to,
            distributions,
            ..
        } = &reason
        else {
            return Refusal::new(self.product, self.query, reason);
        };
        let mut hints = vec![Hint::RollOver {
            version: self.to.version.clone(),
            distributions: distributions.clone(),
        }];
        hints.extend(in_place_to.clone().map(|version| Hint::InPlace { version }));
        Refusal::new(self.product, self.query, reason).hinting(hints)
    }

    /// The newest release that this host can go to in place.
    fn furthest(&self) -> Option<Point> {
        let product = self.product;
        let hosts = product.distributions.iter().filter(|it| {
            let here = self
                .host
                .possible
                .iter()
                .any(|possible| possible.id == it.id);
            here || (!self.host.named && holds(product, it, &self.from.key))
        });
        let hosts: Vec<&Distribution> = hosts.collect();
        let known = self.releases.iter().rev().find(|known| {
            self.from.key < known.key
                && self.poisoned(&known.release.version).is_none()
                && hosts.iter().any(|it| holds(product, it, &known.key))
        })?;
        Some(Point {
            key: known.key.clone(),
            version: known.release.version.clone(),
        })
    }

    /// The distributions that a release can be installed on, by id.
    fn distributions_with(&self, key: &Key) -> Vec<String> {
        let product = self.product;
        let all = product.distributions.iter();
        all.filter(|it| holds(product, it, key))
            .map(|it| it.id.clone())
            .collect()
    }

    fn sources(&self) -> String {
        format!("definition of {}", self.product.id)
    }

    /// The packages of a stage to `to`, each with whether its presence was assumed.
    pub(super) fn packages(&self, to: &Key) -> Vec<(&Package, Truth)> {
        let all = self.product.packages.iter();
        all.filter(|package| self.range_holds(&package.to, to))
            .map(|package| (package, self.when(package.when.as_ref())))
            .filter(|(_, truth)| truth.applies())
            .collect()
    }
}
