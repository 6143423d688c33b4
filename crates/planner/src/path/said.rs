//! Whether what an operator said is something that the definition asks about: a word that is misspelt would be said of
//! nothing, and the path be that of another deployment.

use std::collections::BTreeSet;

use switchback_model::product::lint::nearest;
use switchback_model::product::{Engine, Product};

use super::condition::as_number;
use super::feature::is_same;
use super::ground::Ground;
use super::host::DISTRIBUTION;
use super::query::Query;
use super::refusal::{Hint, Reason, Refusal};

/// What can be said of a name.
enum Sayable<'a> {
    /// That it is there, or is not.
    Truth,
    /// One of these.
    OneOf(&'a [String]),
    /// A version of a server.
    VersionOf(&'a Engine),
    /// Anything.
    Anything,
}

/// Refuses a name that nothing asks about, where the definition lists what there is, and an answer that is none.
pub(super) fn check(product: &Product, query: &Query) -> Result<(), Refusal> {
    let refuse = |reason| Refusal::new(product, query, reason);
    for (name, answers) in &query.said {
        if is_closed(product) && !is_asked(product, name) {
            let known = names(product);
            let words: Vec<&str> = known.iter().map(String::as_str).collect();
            let meant = nearest(name, &words).map(str::to_owned);
            let given = name.clone();
            let refusal = refuse(Reason::UnknownName { given });
            return Err(refusal.hinting([Hint::Names { meant, known }]));
        }
        let sayable = sayable(product, name);
        if let Some(given) = answers.iter().find(|given| !sayable.holds(given)) {
            return Err(refuse(Reason::UnknownAnswer {
                name: name.clone(),
                given: given.clone(),
                known: sayable.words(),
            }));
        }
        // `yes` and `1` are one answer.
        let meant = |answer: &String| as_number(answer).ok_or_else(|| answer.clone());
        let meanings: BTreeSet<_> = answers.iter().map(meant).collect();
        if meanings.len() > 1 {
            return Err(refuse(Reason::Contradiction {
                name: name.clone(),
                answers: answers.iter().cloned().collect(),
            }));
        }
    }
    Ok(())
}

/// What was said and changed nothing, where the definition does not list all that there is.
pub(super) fn unused(ground: &Ground<'_>) -> Vec<String> {
    let said = ground.query.said.keys();
    let unused = said.filter(|name| !is_asked(ground.product, name));
    unused
        .map(|name| {
            format!("`{name}` is nothing that the definition asks about: it changed nothing")
        })
        .collect()
}

/// A definition that lists features lists all.
fn is_closed(product: &Product) -> bool {
    !product.features.is_empty()
}

fn is_asked(product: &Product, name: &str) -> bool {
    names(product).iter().any(|known| is_same(name, known))
}

/// Everything that something can be said of, each once.
fn names(product: &Product) -> Vec<String> {
    let features = product.features.iter();
    let mut names: Vec<String> = features
        .flat_map(|feature| std::iter::once(&feature.id).chain(&feature.implied_by))
        .cloned()
        .collect();
    let conditions = product.conditions().into_iter();
    names.extend(conditions.filter_map(|(_, condition)| condition.feature.clone()));
    names.extend(product.probes.keys().cloned());
    for engine in &product.engines {
        names.extend([engine.probe.clone(), engine.compatibility()]);
    }
    if !product.distributions.is_empty() {
        names.push(DISTRIBUTION.to_owned());
    }
    names.sort();
    names.dedup();
    names
}

fn sayable<'a>(product: &'a Product, name: &str) -> Sayable<'a> {
    let is_feature = |id: &String| is_same(name, id);
    if let Some(probe) = product.probes.get(name)
        && !probe.answers.is_empty()
    {
        return Sayable::OneOf(&probe.answers);
    }
    let mut engines = product.engines.iter();
    if let Some(engine) = engines.find(|it| it.probe == name || it.compatibility() == name) {
        return Sayable::VersionOf(engine);
    }
    let mut features = product.features.iter();
    if features.any(|it| is_feature(&it.id) || it.implied_by.iter().any(is_feature)) {
        return Sayable::Truth;
    }
    Sayable::Anything
}

impl Sayable<'_> {
    fn holds(&self, given: &str) -> bool {
        match self {
            Self::Truth => as_number(given).is_some(),
            Self::OneOf(answers) => answers.iter().any(|answer| answer == given),
            // One that is newer than the definition is told in words of its own.
            Self::VersionOf(_) => given
                .trim_start_matches(['v', 'V'])
                .starts_with(|first: char| first.is_ascii_digit()),
            Self::Anything => true,
        }
    }

    fn words(&self) -> Vec<String> {
        match self {
            Self::Truth => vec!["yes".to_owned(), "no".to_owned()],
            Self::OneOf(answers) => answers.to_vec(),
            Self::VersionOf(engine) => engine.lines.clone(),
            Self::Anything => Vec::new(),
        }
    }
}
