//! apt's answers: candidates, checksums, what an installation would do, repositories and their keys.

use std::collections::BTreeMap;

use super::super::packaging::{Candidate, Change, Complaint};

/// Reads `apt-cache madison`: newest first for each package. A repository is named by its index, e.g.
/// `file:/srv/st2 ./ Packages`.
pub(super) fn candidates(answer: &str) -> Vec<Candidate> {
    answer
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, '|').map(|field| field.trim().to_owned());
            Some(Candidate {
                package: fields.next()?,
                version: fields.next()?,
                repository: fields.next()?,
            })
        })
        .filter(|candidate| candidate.repository.ends_with(" Packages"))
        .collect()
}

/// Reads `apt-cache show`: the SHA-256 by package and version.
pub(super) fn checksums(answer: &str) -> BTreeMap<(String, String), String> {
    answer
        .split("\n\n")
        .filter_map(|stanza| {
            let field = |name: &str| {
                stanza
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                    .map(str::to_owned)
            };
            Some(((field("Package")?, field("Version")?), field("SHA256")?))
        })
        .collect()
}

/// Reads `apt-get --simulate install`.
pub(super) fn changes(answer: &str) -> Vec<Change> {
    answer
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let verb = words.next()?;
            let name = words.next()?.to_owned();
            match verb {
                // Inst NAME [OLD] (NEW ARCHIVE [ARCH]) [what waits for it]; without OLD where it was not there.
                "Inst" => {
                    let next = words.next()?;
                    let is_there = next.starts_with('[');
                    let new = if is_there { words.next()? } else { next };
                    let version = new.trim_start_matches('(').to_owned();
                    Some(if is_there {
                        Change::Replaces { name, version }
                    } else {
                        Change::Adds { name, version }
                    })
                }
                "Remv" | "Purg" => Some(Change::Removes { name }),
                _ => None,
            }
        })
        .collect()
}

/// Reads `apt-get indextargets`: the file that lists a source, by index.
pub(super) fn sources(answer: &str) -> BTreeMap<String, String> {
    answer
        .split("\n\n")
        .filter_map(|stanza| {
            let field = |name: &str| {
                stanza
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            };
            let place = field("Sourcesentry")?;
            let file = place.rsplit_once(':').map_or(place, |(file, _)| file);
            Some((field("Description")?.to_owned(), file.to_owned()))
        })
        .collect()
}

/// Reads what `apt-get update` says of a repository that it cannot trust or reach.
pub(super) fn complaint(said: &str) -> Option<Complaint> {
    let word_after = |mark: &str| {
        let (_, rest) = said.split_once(mark)?;
        let word = rest.split_whitespace().next()?;
        Some(word.trim_end_matches([',', '.']).to_owned())
    };
    let told = |marks: &[&str]| {
        said.lines()
            .find(|line| {
                let told = line.starts_with("E:") || line.starts_with("W:");
                told && marks.iter().any(|mark| line.contains(mark))
            })
            .map(|line| line[2..].trim().to_owned())
    };
    word_after("EXPKEYSIG ")
        .map(Complaint::ExpiredKey)
        .or_else(|| word_after("NO_PUBKEY ").map(Complaint::UnknownKey))
        .or_else(|| told(&["not signed", "signature", "GPG error"]).map(Complaint::Untrusted))
        .or_else(|| told(&[""]).map(Complaint::Silent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_newest_first() {
        let answer = "       st2 |    2.2.0-2 | file:/srv/st2 ./ Packages\n       st2 |    2.1.0-1 | \
                      file:/srv/st2 ./ Packages\n       apt |    2.6.1 | http://example.org/debian \
                      bookworm/main Sources\n";
        let found = candidates(answer);
        let versions: Vec<&str> = found.iter().map(|one| one.version.as_str()).collect();
        assert_eq!(versions, ["2.2.0-2", "2.1.0-1"]);
        assert_eq!(found[0].repository, "file:/srv/st2 ./ Packages");
    }

    #[test]
    fn checksums_of_stanzas() {
        let answer = "Package: st2\nVersion: 2.2.0-1\nFilename: ./st2_2.2.0-1_all.deb\nSHA256: \
                      6c99\nDescription: stand-in\n\nPackage: st2web\nVersion: 2.2.0-1\n\n";
        let key = ("st2".to_owned(), "2.2.0-1".to_owned());
        assert_eq!(checksums(answer), [(key, "6c99".to_owned())].into());
    }

    #[test]
    fn what_would_be_changed() {
        let answer = "Reading package lists...\n1 upgraded, 0 newly installed\n\
                      Remv old [1.0-1]\n\
                      Inst libnew (1.2-1 Debian:12.11/stable [amd64])\n\
                      Inst st2 [2.1.0-1] (2.2.0-2 stable, local-deb [all]) [st2web:amd64 ]\n\
                      Conf st2 (2.2.0-2 stable, local-deb [all])\n";
        let name = |text: &str| text.to_owned();
        assert_eq!(
            changes(answer),
            [
                Change::Removes { name: name("old") },
                Change::Adds {
                    name: name("libnew"),
                    version: name("1.2-1")
                },
                Change::Replaces {
                    name: name("st2"),
                    version: name("2.2.0-2")
                },
            ]
        );
    }

    #[test]
    fn the_file_that_lists_a_repository() {
        let answer = "MetaKey: Packages\nDescription: file:/srv/st2 ./ Packages\nSourcesentry: \
                      /etc/apt/sources.list.d/st2.list:1\nTarget-Of: deb\n\n";
        let found = sources(answer);
        assert_eq!(
            found["file:/srv/st2 ./ Packages"],
            "/etc/apt/sources.list.d/st2.list"
        );
    }

    #[test]
    fn keys_that_are_over_their_time_or_not_here() {
        let expired = "W: GPG error: file:/srv/st2 ./ InRelease: The following signatures were invalid: \
                       EXPKEYSIG 66F7DF4B7EF96885 switchback test\nE: The repository is not signed.\n";
        assert_eq!(
            complaint(expired),
            Some(Complaint::ExpiredKey("66F7DF4B7EF96885".to_owned()))
        );
        let rotated = "W: GPG error: https://packagecloud.io InRelease: The following signatures couldn't be \
                       verified because the public key is not available: NO_PUBKEY C2E73424D59097AB\n";
        assert_eq!(
            complaint(rotated),
            Some(Complaint::UnknownKey("C2E73424D59097AB".to_owned()))
        );
        let silent = "Err:1 http://localhost:1 ./ InRelease\nW: Failed to fetch http://localhost:1/InRelease  \
                      Could not connect\n";
        assert!(matches!(complaint(silent), Some(Complaint::Silent(_))));
        let unsigned = "W: The repository 'file:/srv/st2 ./ Release' is not signed.\n";
        assert!(matches!(complaint(unsigned), Some(Complaint::Untrusted(_))));
        assert_eq!(complaint("Hit:1 http://example.org bookworm\n"), None);
    }
}
