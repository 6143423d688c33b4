//! A refusal in words.

use switchback_model::exit::Exit;
use switchback_model::problem::Citation;
use switchback_model::product::{Notice, Poisoned};
use switchback_model::version::Range;
use switchback_model::{MigrationId, Problem, Version};

use super::because::Because;
use super::refusal::{Hint, Reason, Refusal, Unknown};

impl Refusal {
    /// The facts it rests on, the decisive one first.
    pub fn because(&self) -> Vec<Citation> {
        match &self.reason {
            Reason::UnknownEdition { given, known } => vec![self.defined(match given {
                Some(given) => format!("`{given}` is no edition of {}", self.product),
                None => format!("{} has editions: {}", self.product, known.join(", ")),
            })],
            Reason::EditionNotDeployed {
                edition,
                driver,
                known,
            } => {
                let known = known.join(", ");
                vec![self.defined(format!(
                    "the {edition} edition does not come for {driver}, only {known}"
                ))]
            }
            Reason::UnknownDriver { given, known } => {
                let known = known.join(", ");
                vec![self.defined(format!("`{given}` is not described, only {known}"))]
            }
            Reason::UnknownVersion {
                version, detail, ..
            } => vec![self.unknown(version, detail)],
            Reason::UnknownDistribution { given, known } => vec![self.defined(format!(
                "`{given}` is no distribution that {} is packaged for: {}",
                self.product,
                known.join(", ")
            ))],
            Reason::UnknownName { given } => vec![self.defined(format!(
                "`{given}` is nothing that a path of {} depends on",
                self.product
            ))],
            Reason::UnknownAnswer { name, given, known } => vec![self.defined(format!(
                "`{given}` is no answer to `{name}`, which is {}",
                alternatives(known)
            ))],
            Reason::Contradiction { name, answers } => {
                let answers = answers.join(" and ");
                vec![self.defined(format!("`{name}` was said to be {answers}"))]
            }
            Reason::NotOnDistribution {
                version,
                distribution,
                releases,
                source,
                ..
            } => {
                let text = format!(
                    "{distribution} has packages of {} only: {version} cannot be what runs there",
                    spoken(releases)
                );
                vec![self.fact(text, source)]
            }
            Reason::RollOver {
                because, source, ..
            } => vec![self.fact(because.clone(), source)],
            Reason::Downgrade { one_way } => self.downgrade(one_way),
            Reason::Poisoned { poisoned } => vec![self.fact(must_not(poisoned), &poisoned.source)],
            Reason::PreRelease { version } => {
                let text =
                    format!("{version} is a pre-release, and the policy does not allow those");
                vec![self.fact(text, "policy: pre-releases")]
            }
            Reason::StopsForbidden { stops } => self.stops_forbidden(stops),
            Reason::Unreachable {
                because,
                source,
                at,
                poisoned,
                ..
            } => self.unreachable(because, source, at, poisoned),
            Reason::NoImage {
                migration,
                exists,
                at,
                demanded,
            } => self.no_image(migration, exists, at, demanded),
        }
    }

    /// The decisive fact.
    fn fact(&self, text: String, source: &str) -> Citation {
        Citation {
            id: self.id(),
            text,
            source: source.to_owned(),
        }
    }

    /// The decisive fact, where the product's definition says it by what is not in it.
    fn defined(&self, text: String) -> Citation {
        self.fact(text, &format!("definition of {}", self.product))
    }

    fn unknown(&self, version: &Version, detail: &Unknown) -> Citation {
        match detail {
            Unknown::Malformed { error } => self.defined(error.clone()),
            Unknown::Never => {
                self.defined(format!("there is no release {version} of {}", self.product))
            }
            Unknown::NotInEdition { editions, source } => {
                let text = format!(
                    "{version} is a release of the {} edition, not of {}",
                    editions.join(" and "),
                    self.edition.as_deref().unwrap_or("this one")
                );
                self.fact(text, source)
            }
            Unknown::Newer {
                covers: Some(covers),
                ..
            } => self.defined(format!(
                "{version} is newer than the definition, which covers {}",
                covers.as_str()
            )),
            Unknown::Newer { newest, .. } => self.defined(format!(
                "{version} is newer than the definition, which ends at {newest}"
            )),
        }
    }

    fn downgrade(&self, one_way: &[Notice]) -> Vec<Citation> {
        let mut facts = vec![self.defined(format!(
            "{} is older than {}, and no source describes how migrations are taken back",
            self.to, self.from
        ))];
        facts.extend(one_way.iter().map(|notice| Citation {
            id: notice.id.clone(),
            text: format!("{}: {}", notice.version, notice.text),
            source: notice.source.clone(),
        }));
        facts
    }

    fn stops_forbidden(&self, stops: &[Because]) -> Vec<Citation> {
        let policy = "the policy forbids stops, and this path needs them";
        let mut facts = vec![self.fact(policy.to_owned(), "policy: stops")];
        facts.extend(stops.iter().map(|stop| Citation {
            id: stop.id.clone(),
            text: stop.text.clone(),
            source: stop.source.clone(),
        }));
        facts
    }

    fn unreachable(
        &self,
        because: &str,
        source: &str,
        at: &[Version],
        poisoned: &[Poisoned],
    ) -> Vec<Citation> {
        let text = format!("{because}; of {} none can be run here", list(at));
        let mut facts = vec![self.fact(text, source)];
        facts.extend(poisoned.iter().map(|poisoned| Citation {
            id: format!("poisoned:{}", poisoned.version),
            text: must_not(poisoned),
            source: poisoned.source.clone(),
        }));
        facts
    }

    fn no_image(
        &self,
        migration: &MigrationId,
        exists: &Range,
        at: &Version,
        demanded: &[(Version, String)],
    ) -> Vec<Citation> {
        let text = format!(
            "{migration} is demanded, and {at} does not have it (releases {} do)",
            exists.as_str()
        );
        let mut facts = vec![self.defined(text)];
        facts.extend(demanded.iter().map(|(version, source)| Citation {
            id: format!("{migration}:{version}"),
            text: format!("{version} demands {migration}"),
            source: source.clone(),
        }));
        facts
    }

    /// Why there is no way, in at most three sentences, each with its source.
    pub fn sentences(&self) -> Vec<String> {
        let facts = self.because();
        let sentence = |fact: &Citation| format!("{} [{}]", fact.text, fact.source);
        facts.iter().take(SENTENCES).map(sentence).collect()
    }

    /// The refusal as the three-part error that every command prints.
    pub fn to_problem(&self) -> Problem {
        let (from, to) = (&self.from, &self.to);
        let facts = self.because();
        let reason = facts.first().map(|fact| fact.text.as_str());
        let what = format!("{from} → {to}: {}", reason.unwrap_or("there is no way"));
        let mut problem = Problem::new(Exit::Refused, &self.id(), what);
        problem.facts = facts;
        problem.hints = self.hints.iter().map(Hint::text).collect();
        problem
    }
}

impl Hint {
    /// The hint as text.
    pub fn text(&self) -> String {
        match self {
            Self::Near { versions } => format!("known versions near it: {}", list(versions)),
            Self::PreReleaseAvailable { version } => {
                format!("only a pre-release of it exists: --to {version}")
            }
            Self::Target { version } => format!("use --to {version}"),
            Self::Edition { known } => format!("use --edition with one of: {}", known.join(", ")),
            Self::Driver { known } => format!("use --driver with one of: {}", known.join(", ")),
            Self::Names {
                meant: Some(meant), ..
            } => format!("did you mean `{meant}`?"),
            Self::Names { known, .. } => format!("there are: {}", known.join(", ")),
            Self::Distributions { version, known } => format!(
                "{version} runs on {}: name it with --fact distribution=NAME",
                alternatives(known)
            ),
            Self::RollOver {
                version,
                distributions,
            } if distributions.is_empty() => {
                format!("roll the content over to a new instance of a release after {version}")
            }
            Self::RollOver {
                version,
                distributions,
            } => format!(
                "roll the content over to a new instance of {version} on {}: \
                 switchback rollover --from OLD --to NEW",
                alternatives(distributions)
            ),
            Self::InPlace { version } => {
                format!("in place it goes up to {version}: --to {version}")
            }
            Self::UpdateDefinition => {
                "a newer switchback may know it; see switchback catalog show".to_owned()
            }
            Self::RestoreBackup => {
                "going back means restoring a backup: switchback rollback takes back a run"
                    .to_owned()
            }
            Self::AllowStops => "drop `stops = false` under [policy] in switchback.toml".to_owned(),
            Self::AllowPreReleases => {
                "set `pre-releases = true` under [policy] in switchback.toml".to_owned()
            }
        }
    }
}

/// More than this is a list, not an explanation; the JSON has all of them.
const SENTENCES: usize = 3;

/// `>=1.4.0, <=3.0.1` as people say it; any other range as it is written.
pub(super) fn spoken(range: &Range) -> String {
    let text = range.as_str();
    let Some(first) = text.strip_prefix(">=") else {
        return text.to_owned();
    };
    match first.split_once(',') {
        None => format!("{first} and later"),
        Some((first, last)) => match last.trim().strip_prefix("<=") {
            Some(last) => format!("{first} to {last}"),
            None => text.to_owned(),
        },
    }
}

fn must_not(poisoned: &Poisoned) -> String {
    format!("{} must not be run: {}", poisoned.version, poisoned.because)
}

/// `a, b or c`.
fn alternatives(names: &[String]) -> String {
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => "no distribution".to_owned(),
    }
}

fn list(versions: &[Version]) -> String {
    let texts: Vec<&str> = versions.iter().map(Version::as_str).collect();
    texts.join(", ")
}
