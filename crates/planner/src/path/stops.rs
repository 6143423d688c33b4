//! Which stops a path may not skip, and the fewest releases that satisfy them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use switchback_model::Version;
use switchback_model::product::Stop;
use switchback_model::version::{Bounds, Key, Range};

use super::condition::Truth;
use super::ground::{Ground, Point};
use super::refusal::{Reason, Refusal};

/// What was found about one stop of the definition: the derivation of a path, for `--explain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// Which stop.
    pub stop: String,
    /// What was found.
    pub verdict: Verdict,
}

/// Why a stop is on the path or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The path may not skip it.
    Required {
        /// The release that satisfies it.
        at: Version,
        /// True where a condition could not be known and counts as true.
        assumed: bool,
    },
    /// The path does not cross its range.
    NotCrossed,
    /// It is for another edition, driver or feature, or a probe answered that it is not needed.
    DoesNotApply,
}

/// A stop that the path may not skip.
#[derive(Clone, Debug)]
pub(super) struct Required<'a> {
    pub(super) stop: &'a Stop,
    pub(super) assumed: bool,
    /// Releases that satisfy it, best first; never empty.
    candidates: Vec<Point>,
}

/// A release that the path passes through, and the stops it satisfies. The last one is the target.
#[derive(Clone, Debug)]
pub(super) struct Station<'a> {
    pub(super) at: Point,
    pub(super) stops: Vec<Required<'a>>,
}

/// Finds the stations of the path, in order, and tells about every stop why it is there or not.
pub(super) fn stations<'a>(
    ground: &Ground<'a>,
) -> Result<(Vec<Station<'a>>, Vec<Considered>), Refusal> {
    let product = ground.product;
    let rules: Vec<Rule<'a>> = product
        .stops
        .iter()
        .map(|stop| Rule::new(ground, stop))
        .collect();
    let (from, to) = (&ground.from.key, &ground.to.key);
    let mut required: BTreeMap<usize, Required<'a>> = BTreeMap::new();
    let mut open = vec![(from.clone(), to.clone())];
    let mut found = Vec::new();
    // A stop can be needed for one leg that is not needed for the whole: every leg is asked again until
    // nothing new is found. Each round adds a stop, so there are no more rounds than stops.
    while !open.is_empty() {
        let before = required.len();
        for (index, rule) in rules.iter().enumerate() {
            if required.contains_key(&index) || !rule.truth.applies() {
                continue;
            }
            let crossed = open.iter().find(|(from, to)| rule.is_crossed(from, to));
            if let Some((leg_from, leg_to)) = crossed {
                required.insert(index, require(ground, rule, leg_from, leg_to)?);
            }
        }
        if required.len() == before && !found.is_empty() {
            break;
        }
        found = choose(&ground.to, required.values().cloned().collect());
        open = legs(from, &found);
    }
    let considered = consider(&rules, &found);
    Ok((found, considered))
}

/// A stop as the definition states it, read once.
struct Rule<'a> {
    stop: &'a Stop,
    truth: Truth,
    /// Releases that satisfy it wherever the path begins.
    places: Vec<Point>,
    /// The lowest release that it names or that takes its place.
    lowest: Option<Key>,
    from: Option<Bounds>,
    to: Option<Bounds>,
}

impl<'a> Rule<'a> {
    fn new(ground: &Ground<'a>, stop: &'a Stop) -> Self {
        let scheme = ground.product.scheme;
        let places = places(ground, stop);
        // Where nothing satisfies the stop, what it names still says where it lies.
        let named = || stop.at.iter().filter_map(|at| scheme.parse(at).ok()).min();
        let lowest = places.iter().map(|place| place.key.clone()).min();
        // A range that cannot be read holds nothing; lint tells it.
        let bounds = |range: &Option<Range>| {
            let range = range.as_ref()?;
            Some(range.bounds(scheme).unwrap_or_else(|_| Bounds::nothing()))
        };
        Self {
            stop,
            truth: truth(ground, stop),
            lowest: lowest.or_else(named),
            places,
            from: bounds(&stop.from),
            to: bounds(&stop.to),
        }
    }

    /// Whether a path between two releases crosses it.
    fn is_crossed(&self, from: &Key, to: &Key) -> bool {
        let Some(lowest) = &self.lowest else {
            return false;
        };
        let from_holds = match &self.from {
            Some(bounds) => bounds.contains(from),
            None => from < lowest,
        };
        from_holds
            && match &self.to {
                Some(bounds) => bounds.contains(to),
                None => to >= lowest,
            }
    }
}

fn truth(ground: &Ground<'_>, stop: &Stop) -> Truth {
    if !ground.is_edition(&stop.editions) {
        return Truth::No;
    }
    let when = ground.when(stop.when.as_ref());
    when.and(ground.unless(stop.unless.as_ref()))
}

/// Releases that satisfy a stop wherever the path begins: existing, not poisoned, best first.
fn places(ground: &Ground<'_>, stop: &Stop) -> Vec<Point> {
    let mut seen = BTreeSet::new();
    let all = stop.at.iter().filter_map(|at| ground.runnable(at));
    let all = all.filter(|point| ground.is_installable(&point.key));
    all.filter(|point| seen.insert(point.key.clone())).collect()
}

fn require<'a>(
    ground: &Ground<'a>,
    rule: &Rule<'a>,
    from: &Key,
    to: &Key,
) -> Result<Required<'a>, Refusal> {
    let stop = rule.stop;
    let on_the_way = |place: &&Point| *from < place.key && place.key <= *to;
    let candidates: Vec<Point> = rule.places.iter().filter(on_the_way).cloned().collect();
    if candidates.is_empty() {
        let poisoned = stop.at.iter().filter_map(|at| ground.poisoned(at));
        let reason = Reason::Unreachable {
            stop: stop.id.clone(),
            because: stop.because.clone(),
            source: stop.source.clone(),
            at: stop.at.clone(),
            poisoned: poisoned.cloned().collect(),
        };
        return Err(Refusal::new(ground.product, ground.query, reason));
    }
    Ok(Required {
        stop,
        assumed: rule.truth.is_assumed(),
        candidates,
    })
}

/// The fewest releases that satisfy all stops, each stop at the best of them.
///
/// Stops are taken by their highest candidate, lowest first, and each takes the candidate that satisfies
/// most others. Where candidates are neighbours, as releases of one line are, no choice needs fewer.
fn choose<'a>(to: &Point, required: Vec<Required<'a>>) -> Vec<Station<'a>> {
    let mut satisfies: BTreeMap<&Key, Vec<usize>> = BTreeMap::new();
    for (index, entry) in required.iter().enumerate() {
        for candidate in &entry.candidates {
            satisfies.entry(&candidate.key).or_default().push(index);
        }
    }
    let mut order: Vec<usize> = (0..required.len()).collect();
    order.sort_by_key(|index| {
        required[*index]
            .candidates
            .iter()
            .map(|place| &place.key)
            .max()
    });
    let mut open = vec![true; required.len()];
    let mut picked: BTreeMap<Key, Point> = BTreeMap::new();
    let mut pick = |place: &Point, open: &mut Vec<bool>| {
        for index in satisfies.get(&place.key).into_iter().flatten() {
            open[*index] = false;
        }
        picked.insert(place.key.clone(), place.clone());
    };
    pick(to, &mut open);
    for index in order {
        if !open[index] {
            continue;
        }
        let others = |place: &Point| {
            let all = satisfies.get(&place.key).into_iter().flatten();
            all.filter(|other| open[**other]).count()
        };
        let candidates = &required[index].candidates;
        let most = candidates.iter().map(others).max();
        let best = candidates.iter().find(|place| Some(others(place)) == most);
        if let Some(best) = best.cloned() {
            pick(&best, &mut open);
        }
    }
    assign(to, picked, required)
}

/// Gives each stop to the release that it likes best among those on the path.
fn assign<'a>(
    to: &Point,
    picked: BTreeMap<Key, Point>,
    required: Vec<Required<'a>>,
) -> Vec<Station<'a>> {
    let mut stations: BTreeMap<Key, Station<'a>> = picked
        .into_iter()
        .map(|(key, at)| {
            let stops = Vec::new();
            (key, Station { at, stops })
        })
        .collect();
    for entry in required {
        let best = entry
            .candidates
            .iter()
            .find(|place| stations.contains_key(&place.key))
            .map(|place| place.key.clone());
        if let Some(station) = best.and_then(|key| stations.get_mut(&key)) {
            station.stops.push(entry);
        }
    }
    let needed = |station: &Station<'_>| !station.stops.is_empty() || station.at.key == to.key;
    stations.into_values().filter(needed).collect()
}

fn legs(from: &Key, stations: &[Station<'_>]) -> Vec<(Key, Key)> {
    let starts = std::iter::once(from).chain(stations.iter().map(|station| &station.at.key));
    let ends = stations.iter().map(|station| &station.at.key);
    let both = starts.zip(ends);
    both.map(|(start, end)| (start.clone(), end.clone()))
        .collect()
}

fn consider(rules: &[Rule<'_>], stations: &[Station<'_>]) -> Vec<Considered> {
    let mut required: BTreeMap<&str, (&Version, bool)> = BTreeMap::new();
    for station in stations {
        for entry in &station.stops {
            required.insert(&entry.stop.id, (&station.at.version, entry.assumed));
        }
    }
    rules
        .iter()
        .map(|rule| Considered {
            stop: rule.stop.id.clone(),
            verdict: match required.get(rule.stop.id.as_str()) {
                Some((at, assumed)) => Verdict::Required {
                    at: (*at).clone(),
                    assumed: *assumed,
                },
                None if rule.truth.applies() => Verdict::NotCrossed,
                None => Verdict::DoesNotApply,
            },
        })
        .collect()
}
