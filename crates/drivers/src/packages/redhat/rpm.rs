//! rpm's record: questions in formats of our own choosing, and what the answers say.

use std::collections::BTreeMap;

use switchback_engine::process::Argv;

use super::super::packaging::{Conffile, Package, Wholeness};
use super::version;

/// One package in one line, as [`packages`] reads it. Old versions of rpm know no `EVR`.
const PACKAGE: &str =
    "%{NAME}\t%|EPOCH?{%{EPOCH}}:{0}|:%{VERSION}-%{RELEASE}\t%{ARCH}\t%{INSTALLTIME}\n";
/// One file in one line, as [`conffiles`] reads it.
const FILES: &str = "[%{=NAME}\t%{FILEFLAGS}\t%{FILEDIGESTS}\t%{FILENAMES}\n]";
/// The flag of a configuration file, and that of one that no package brings.
const CONFIG: u32 = 1;
const GHOST: u32 = 64;

/// Asks for every package.
pub(super) fn ask_packages() -> Argv {
    query(["--all", "--queryformat", PACKAGE])
}

/// Reads the answer to [`ask_packages`]: the one that came last is last. Those of `ours` that are there twice were
/// being exchanged when rpm was ended; of others, a system may have several on purpose, as of its kernel.
pub(super) fn packages(answer: &str, ours: &[String]) -> Vec<Package> {
    let mut found: Vec<(u64, Package)> = answer
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let package = Package {
                name: fields.next()?.to_owned(),
                version: without_epoch_0(fields.next()?),
                architecture: fields.next()?.to_owned(),
                state: Wholeness::Whole,
                told: "installed".to_owned(),
                held: false,
            };
            Some((fields.next()?.parse().ok()?, package))
        })
        .collect();
    found.sort_by(|(since, one), (then, other)| {
        since
            .cmp(then)
            .then_with(|| version::compare(&one.version, &other.version))
    });
    let mut versions: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (_, one) in &found {
        let key = (one.name.clone(), one.architecture.clone());
        versions.entry(key).or_default().push(one.version.clone());
    }
    found
        .into_iter()
        .map(|(_, mut one)| {
            let key = (one.name.clone(), one.architecture.clone());
            if ours.contains(&one.name) && versions[&key].len() > 1 {
                one.state = Wholeness::Broken;
                one.told = format!("there twice ({})", versions[&key].join(" and "));
            }
            one
        })
        .collect()
}

/// The version as it is named where its epoch is 0.
pub(super) fn without_epoch_0(version: &str) -> String {
    version.strip_prefix("0:").unwrap_or(version).to_owned()
}

/// Asks for the files of `names` with what rpm knows of them.
pub(super) fn ask_conffiles<'a>(names: impl IntoIterator<Item = &'a String>) -> Argv {
    query(["--queryformat", FILES]).args(names.into_iter().cloned())
}

/// Reads the answer to [`ask_conffiles`]: those that are configuration.
pub(super) fn conffiles(answer: &str) -> Vec<Conffile> {
    answer
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(4, '\t');
            let package = fields.next()?.to_owned();
            let flags: u32 = fields.next()?.parse().ok()?;
            let packaged = fields.next()?.to_owned();
            let path = fields.next()?.to_owned();
            let is_one = flags & CONFIG != 0 && flags & GHOST == 0 && !packaged.is_empty();
            is_one.then_some(Conffile {
                package,
                path,
                packaged,
            })
        })
        .collect()
}

/// Asks for every path that `names` installed.
pub(super) fn ask_files<'a>(names: impl IntoIterator<Item = &'a String>) -> Argv {
    query(["--list"]).args(names.into_iter().cloned())
}

/// How the name of a package's file begins: it has no epoch.
pub(super) fn file_begins(name: &str, version: &str) -> String {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    format!("{name}-{version}.")
}

/// Asks whether a package file is whole, and signed with a key that rpm trusts.
pub(super) fn ask_signature(path: &str) -> Argv {
    Argv::new("rpmkeys", ["--checksig", "--verbose", "--", path])
}

/// What rpm says of a package file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// It is whole, and signed with a key that is known.
    Good,
    /// It is whole, and nobody signed it.
    Missing,
    /// It is signed with this key, which is not here.
    UnknownKey(String),
    /// It is signed with this key, which is over its time.
    ExpiredKey(String),
    /// It is not what was packed.
    Spoiled,
}

/// Reads the answer to [`ask_signature`].
pub(super) fn signature(answer: &str) -> Signature {
    let mut found = Signature::Missing;
    for line in answer.lines().map(str::trim) {
        let Some((about, said)) = line.rsplit_once(": ") else {
            continue;
        };
        let key = about.rsplit_once("key ID ").map(|(_, key)| key.to_owned());
        match (key, said) {
            (Some(key), "NOKEY") => return Signature::UnknownKey(key),
            (Some(key), said) if said.contains("EXPIRED") => return Signature::ExpiredKey(key),
            (Some(_), "OK") => found = Signature::Good,
            (_, said) if said.starts_with("BAD") => return Signature::Spoiled,
            _ => {}
        }
    }
    found
}

fn query<const N: usize>(words: [&str; N]) -> Argv {
    Argv::new("rpm", ["--query"]).args(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_once_and_twice() {
        let answer = "st2\t0:2.2.0-1\tx86_64\t1700000100\nst2\t0:2.1.0-1\tx86_64\t1700000000\n\
                      st2web\t1:2.1.0-1\tnoarch\t1700000000\nkernel\t0:5.14-1\tx86_64\t1\n\
                      kernel\t0:5.14-2\tx86_64\t2\n";
        let found = packages(answer, &["st2".to_owned(), "st2web".to_owned()]);
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.name.as_str(), one.version.as_str(), one.is_half()))
            .collect();
        assert_eq!(
            told,
            [
                ("kernel", "5.14-1", false),
                ("kernel", "5.14-2", false),
                ("st2", "2.1.0-1", true),
                ("st2web", "1:2.1.0-1", false),
                ("st2", "2.2.0-1", true),
            ]
        );
        assert_eq!(found[2].told, "there twice (2.1.0-1 and 2.2.0-1)");
    }

    #[test]
    fn configuration_is_what_is_flagged_so() {
        let answer = "st2\t17\t7a96\t/etc/st2/st2.conf\nst2\t1\t7a97\t/etc/st2/my file\n\
                      st2\t0\t7a98\t/opt/st2\nst2\t81\t\t/etc/st2/ghost\n";
        let paths: Vec<String> = conffiles(answer).into_iter().map(|one| one.path).collect();
        assert_eq!(paths, ["/etc/st2/st2.conf", "/etc/st2/my file"]);
    }

    #[test]
    fn an_epoch_is_not_in_a_files_name() {
        assert_eq!(file_begins("st2", "1:2.0-1.el7"), "st2-2.0-1.el7.");
        assert_eq!(file_begins("st2", "2.0-1"), "st2-2.0-1.");
    }

    #[test]
    fn signatures_known_unknown_and_none() {
        let begin = "/srv/flow.rpm:\n    ";
        let said =
            |line: &str| signature(&format!("{begin}{line}\n    Payload SHA256 digest: OK\n"));
        assert_eq!(
            said("Header V4 EdDSA/SHA256 Signature, key ID 7ef96885: OK"),
            Signature::Good
        );
        assert_eq!(
            said("Header V4 EdDSA/SHA256 Signature, key ID 7ef96885: NOKEY"),
            Signature::UnknownKey("7ef96885".to_owned())
        );
        assert_eq!(
            said("Header V4 EdDSA/SHA256 Signature, key ID 7ef96885: NOTTRUSTED (EXPIRED)"),
            Signature::ExpiredKey("7ef96885".to_owned())
        );
        assert_eq!(said("Header SHA256 digest: OK"), Signature::Missing);
        assert_eq!(
            said("Header SHA256 digest: BAD (Expected 11 != 22)"),
            Signature::Spoiled
        );
    }
}
