//! dnf's answers, and yum's: candidates, what an installation would do, what is wrong with a repository.

use switchback_engine::process::Argv;

use super::super::packaging::{Candidate, Change, Complaint};
use super::rpm::without_epoch_0;
use super::version;

/// One version of a package in one line, as [`rows`] reads it.
const ROW: &str = "%{name}\t%{epoch}:%{version}-%{release}\t%{arch}\t%{repoid}\n";

/// A package file that a repository has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) candidate: Candidate,
    pub(super) architecture: String,
}

/// Adds to a `repoquery` what is asked of it.
pub(super) fn ask_rows(repoquery: Argv, names: &[String]) -> Argv {
    repoquery
        .args(["--quiet", "--showduplicates", "--queryformat", ROW, "--"])
        .args(names.iter().cloned())
}

/// Reads the answer to [`ask_rows`], newest first.
pub(super) fn rows(answer: &str) -> Vec<Row> {
    let mut found: Vec<Row> = answer
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let (package, version) = (fields.next()?.to_owned(), fields.next()?);
            let architecture = fields.next()?.to_owned();
            let repository = fields.next()?.to_owned();
            Some(Row {
                candidate: Candidate {
                    package,
                    version: without_epoch_0(version),
                    repository,
                },
                architecture,
            })
        })
        .filter(|row| row.architecture != "src")
        .collect();
    found.sort_by(|one, other| {
        version::compare(&other.candidate.version, &one.candidate.version)
            .then_with(|| one.candidate.repository.cmp(&other.candidate.repository))
    });
    found
}

/// What the heading of a list of packages says of them.
#[derive(Clone, Copy)]
enum Verb {
    Adds,
    Replaces,
    Removes,
    Leaves,
}

fn verb(heading: &str) -> Option<Verb> {
    let heading = heading.strip_suffix(':')?;
    Some(match heading.split(' ').next()? {
        "Installing" => Verb::Adds,
        "Upgrading" | "Updating" | "Downgrading" | "Reinstalling" => Verb::Replaces,
        "Removing" | "Obsoleting" => Verb::Removes,
        "Skipping" | "Skipped" => Verb::Leaves,
        _ => return None,
    })
}

/// Reads the table of a transaction that nobody agreed to; `None` where there is none, or where what was read is not
/// as much as its summary says. A row is name, architecture, version, repository and size, broken over lines where
/// it is too long.
pub(super) fn changes(answer: &str) -> Option<Vec<Change>> {
    let (table, summary) = answer.split_once("Transaction Summary")?;
    let (mut found, mut verb_now, mut words) = (Vec::new(), None, Vec::<&str>::new());
    let mut counted = 0;
    for line in table.lines() {
        if let Some(told) = verb(line.trim_end()) {
            verb_now = Some(told);
            words.clear();
            continue;
        }
        let Some(verb) = verb_now else { continue };
        if let Some(old) = line.trim_start().strip_prefix("replacing ") {
            // Of another name: what is obsolete goes with it.
            let name = old.split_whitespace().next()?;
            let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
            found.push(Change::Removes {
                name: name.to_owned(),
            });
            continue;
        }
        if !line.starts_with(' ') {
            continue;
        }
        words.extend(line.split_whitespace());
        let [name, _, version, _, size, rest @ ..] = &words[..] else {
            continue;
        };
        // The size is a number, and a unit unless it is nothing.
        if rest.is_empty() && *size != "0" {
            continue;
        }
        let (name, version) = ((*name).to_owned(), without_epoch_0(version));
        words.clear();
        counted += 1;
        found.push(match verb {
            Verb::Adds => Change::Adds { name, version },
            Verb::Replaces => Change::Replaces { name, version },
            Verb::Removes => Change::Removes { name },
            Verb::Leaves => {
                counted -= 1;
                continue;
            }
        });
    }
    (counted == told_by(summary)).then_some(found)
}

/// How many packages a summary counts: `Upgrade  2 Packages`, `Install 1 Package (+1 Dependent package)`.
fn told_by(summary: &str) -> usize {
    let is_count = |line: &&str| {
        let verbs = [
            "Install ",
            "Upgrade ",
            "Downgrade ",
            "Reinstall ",
            "Remove ",
        ];
        verbs.iter().any(|verb| line.starts_with(verb))
    };
    summary
        .lines()
        .filter(is_count)
        .flat_map(str::split_whitespace)
        .filter_map(|word| word.trim_matches(['(', '+', ')']).parse::<usize>().ok())
        .sum()
}

/// Why there is no way, in lines.
pub(super) fn errors(said: &str) -> Vec<String> {
    let told = |line: &&str| {
        ["Error:", "Problem", "- "]
            .iter()
            .any(|mark| line.starts_with(mark))
    };
    said.lines()
        .map(str::trim)
        .filter(told)
        .map(|line| line.trim_start_matches("Error: ").to_owned())
        .filter(|line| line != "Error:")
        .collect()
}

/// Reads what `makecache` says of a repository that it cannot trust or reach.
pub(super) fn complaint(said: &str) -> Option<Complaint> {
    let line = said.lines().find(|line| line.starts_with("Error: "))?;
    let about_signature = ["signature", "GPG", "Signing key"]
        .iter()
        .any(|mark| line.contains(mark));
    if !about_signature {
        return Some(Complaint::Silent(line[7..].to_owned()));
    }
    // It was offered a key that nobody had agreed to, and was told to agree to nothing.
    let offered = said
        .split_once("Importing GPG key 0x")
        .and_then(|(_, rest)| rest.split([':', '\n']).next());
    Some(match offered {
        Some(key) => Complaint::UnknownKey(key.to_owned()),
        None => Complaint::Untrusted(line[7..].to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_newest_first() {
        let answer = "flow\t0:2.9.0-1\tnoarch\tflow\n\nflow\t0:2.10.0-1\tnoarch\tflow\n\nflow\t1:1.0-1\tnoarch\t\
                      flow\nflow\t1:1.0-1\tsrc\tflow\n";
        let versions: Vec<String> = rows(answer)
            .into_iter()
            .map(|row| row.candidate.version)
            .collect();
        assert_eq!(versions, ["1:1.0-1", "2.10.0-1", "2.9.0-1"]);
    }

    fn name(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn what_would_be_changed_comes_along_and_goes() {
        // As dnf 4.14 says it; the long name is one of real packages.
        let answer = "Dependencies resolved.\n====\n Package   Architecture  Version  Repository  Size\n====\n\
                      Upgrading:\n flow           noarch   4.1.0-1   flow   9.0 k\n     replacing  flow-lib.noarch 0.9-1\n \
                      gstreamer1-plugins-bad-free\n                x86_64   1:1.20.5-1.fc37   updates   2.9 M\n\
                      Installing dependencies:\n flow-base      noarch   1.0-1     flow   5.7 k\n flow-empty     \
                      noarch   1.0-1     flow     0\nRemoving dependent packages:\n old       noarch   1.0-1     \
                      @flow  5.7 k\n\nTransaction Summary\n====\nInstall  2 Packages\nUpgrade  2 Packages\nRemove   1 \
                      Package\n\nTotal size: 22 k\nOperation aborted.\n";
        assert_eq!(
            changes(answer),
            Some(vec![
                Change::Replaces {
                    name: name("flow"),
                    version: name("4.1.0-1")
                },
                Change::Removes {
                    name: name("flow-lib")
                },
                Change::Replaces {
                    name: name("gstreamer1-plugins-bad-free"),
                    version: name("1:1.20.5-1.fc37")
                },
                Change::Adds {
                    name: name("flow-base"),
                    version: name("1.0-1")
                },
                Change::Adds {
                    name: name("flow-empty"),
                    version: name("1.0-1")
                },
                Change::Removes { name: name("old") },
            ])
        );
        let one_less = answer.replace("Install  2", "Install  3");
        assert_eq!(changes(&one_less), None);
        assert_eq!(changes("Error: Unable to find a match: flow-9-1\n"), None);
    }

    #[test]
    fn what_yum_counts_and_calls_otherwise() {
        let answer = "Dependencies Resolved\n\n====\n Package  Arch  Version  Repository  Size\n====\nUpdating:\n \
                      flow     noarch    2.2.0-1    flow    8.5 k\nInstalling for dependencies:\n flow-lib noarch    \
                      1.0-1      flow    5.7 k\n\nTransaction Summary\n====\nInstall             ( 1 Dependent \
                      package)\nUpgrade  1 Package\n\nTotal size: 16 k\n";
        assert_eq!(changes(answer).map(|found| found.len()), Some(2));
    }

    #[test]
    fn repositories_that_are_not_trusted_or_not_reached() {
        let error = "Error: Failed to download metadata for repo 'flow': ";
        let bad =
            format!("{error}repomd.xml GPG signature verification error: Bad GPG signature\n");
        assert!(matches!(complaint(&bad), Some(Complaint::Untrusted(_))));
        let rotated = format!(
            "Importing GPG key 0x83C951AD:\n Userid     : \"unknown\"\n From       : /etc/flow.asc\n{bad}"
        );
        assert_eq!(
            complaint(&rotated),
            Some(Complaint::UnknownKey(name("83C951AD")))
        );
        let silent = format!("{error}Cannot download repomd.xml: All mirrors were tried\n");
        assert!(matches!(complaint(&silent), Some(Complaint::Silent(_))));
        assert_eq!(complaint("Metadata cache created.\n"), None);
    }

    #[test]
    fn why_there_is_no_way() {
        let said = "Error: \n Problem: cannot install both\n  - package flow-4.0.0-1.noarch requires flow-lib\n(try to \
                    add '--skip-broken')\n";
        assert_eq!(
            errors(said),
            [
                "Problem: cannot install both",
                "- package flow-4.0.0-1.noarch requires flow-lib"
            ]
        );
        assert_eq!(
            errors("Error: Unable to find a match: flow-9-1\n"),
            ["Unable to find a match: flow-9-1"]
        );
    }
}
