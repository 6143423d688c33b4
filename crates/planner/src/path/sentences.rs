//! A refusal in words.

use switchback_model::Problem;
use switchback_model::Version;
use switchback_model::exit::Exit;
use switchback_model::problem::Citation;
use switchback_model::product::Notice;
use switchback_model::version::Range;

use super::refusal::{Hint, Reason, Refusal, Unknown};

impl Refusal {
    /// The facts it rests on, the decisive one first.
    pub fn because(&self) -> Vec<Citation> {
        let own = |text: String, source: &str| Citation {
            id: self.id(),
            text,
            source: source.to_owned(),
        };
        let definition = format!("definition of {}", self.product);
        match &self.reason {
            Reason::UnknownEdition { given, known } => vec![own(
                match given {
                    Some(given) => format!("`{given}` is no edition of {}", self.product),
                    None => format!("{} has editions: {}", self.product, known.join(", ")),
                },
                &definition,
            )],
            Reason::EditionNotDeployed {
                edition,
                driver,
                known,
            } => vec![own(
                format!(
                    "the {edition} edition does not come for {driver}, only {}",
                    known.join(", ")
                ),
                &definition,
            )],
            Reason::UnknownDriver { given, known } => vec![own(
                format!("`{given}` is not described, only {}", known.join(", ")),
                &definition,
            )],
            Reason::UnknownVersion {
                version, detail, ..
            } => vec![self.unknown(version, detail, &definition)],
            Reason::UnknownDistribution { given, known } => vec![own(
                format!(
                    "`{given}` is no distribution that {} is packaged for: {}",
                    self.product,
                    known.join(", ")
                ),
                &definition,
            )],
            Reason::NotOnDistribution {
                version,
                distribution,
                releases,
                source,
                ..
            } => vec![own(
                format!(
                    "{distribution} has packages of {} only: {version} cannot be what runs there",
                    spoken(releases)
                ),
                source,
            )],
            Reason::RollOver {
                because, source, ..
            } => vec![own(because.clone(), source)],
            Reason::Downgrade { one_way } => self.downgrade(one_way, &definition),
            Reason::Poisoned { poisoned } => vec![own(
                format!("{} must not be run: {}", poisoned.version, poisoned.because),
                &poisoned.source,
            )],
            Reason::PreRelease { version } => vec![own(
                format!("{version} is a pre-release, and the policy does not allow those"),
                "policy: pre-releases",
            )],
            Reason::StopsForbidden { stops } => {
                let policy = "the policy forbids stops, and this path needs them";
                let mut facts = vec![own(policy.to_owned(), "policy: stops")];
                facts.extend(stops.iter().map(|stop| Citation {
                    id: stop.id.clone(),
                    text: stop.text.clone(),
                    source: stop.source.clone(),
                }));
                facts
            }
            Reason::Unreachable {
                because,
                source,
                at,
                poisoned,
                ..
            } => {
                let text = format!("{because}; of {} none can be run here", list(at));
                let mut facts = vec![own(text, source)];
                facts.extend(poisoned.iter().map(|poisoned| Citation {
                    id: format!("poisoned:{}", poisoned.version),
                    text: format!("{} must not be run: {}", poisoned.version, poisoned.because),
                    source: poisoned.source.clone(),
                }));
                facts
            }
            Reason::NoImage {
                migration,
                exists,
                at,
                demanded,
            } => {
                let text = format!(
                    "{migration} is demanded, and {at} does not have it (releases {} do)",
                    exists.as_str()
                );
                let mut facts = vec![own(text, &definition)];
                facts.extend(demanded.iter().map(|(version, source)| Citation {
                    id: format!("{migration}:{version}"),
                    text: format!("{version} demands {migration}"),
                    source: source.clone(),
                }));
                facts
            }
        }
    }

    fn unknown(&self, version: &Version, detail: &Unknown, definition: &str) -> Citation {
        let (text, source) = match detail {
            Unknown::Malformed { error } => (error.clone(), definition),
            Unknown::Never => (
                format!("there is no release {version} of {}", self.product),
                definition,
            ),
            Unknown::NotInEdition { editions, source } => (
                format!(
                    "{version} is a release of the {} edition, not of {}",
                    editions.join(" and "),
                    self.edition.as_deref().unwrap_or("this one")
                ),
                source.as_str(),
            ),
            Unknown::Newer {
                covers: Some(covers),
                ..
            } => (
                format!(
                    "{version} is newer than the definition, which covers {}",
                    covers.as_str()
                ),
                definition,
            ),
            Unknown::Newer { newest, .. } => (
                format!("{version} is newer than the definition, which ends at {newest}"),
                definition,
            ),
        };
        Citation {
            id: self.id(),
            text,
            source: source.to_owned(),
        }
    }

    fn downgrade(&self, one_way: &[Notice], definition: &str) -> Vec<Citation> {
        let mut facts = vec![Citation {
            id: self.id(),
            text: format!(
                "{} is older than {}, and no source describes how migrations are taken back",
                self.to, self.from
            ),
            source: definition.to_owned(),
        }];
        facts.extend(one_way.iter().map(|notice| Citation {
            id: notice.id.clone(),
            text: format!("{}: {}", notice.version, notice.text),
            source: notice.source.clone(),
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
