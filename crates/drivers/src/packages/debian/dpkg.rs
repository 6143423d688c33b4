//! dpkg's record: questions in a format of our own choosing, and what the answers say.

use switchback_engine::process::Argv;

use super::super::packaging::{Conffile, Package, Wholeness};

/// One package in one line, as [`packages`] reads it.
const PACKAGE: &str = "${Package}\\t${Version}\\t${Architecture}\\t${db:Status-Want}\\t${db:Status-Status}\\t${db:Status-Eflag}\\n";
/// A package's name, then its conffiles, each in a line that begins with a space.
const CONFFILES: &str = "${Package}\\n${Conffiles}\\n";

/// Asks for every package.
pub(super) fn ask_packages() -> Argv {
    query(["--show", "--showformat", PACKAGE])
}

/// Reads the answer to [`ask_packages`], without those that are gone.
pub(super) fn packages(answer: &str) -> Vec<Package> {
    answer
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            let (name, version) = (fields.next()?, fields.next()?);
            let architecture = fields.next()?;
            let held = fields.next()? == "hold";
            let told = fields.next()?;
            let whole = fields.next()? == "ok";
            let state = match (told.as_str(), whole) {
                ("not-installed" | "config-files", _) => return None,
                ("half-installed", _) | (_, false) => Wholeness::Broken,
                ("installed", true) => Wholeness::Whole,
                (_, true) => Wholeness::Begun,
            };
            Some(Package {
                name,
                version,
                architecture,
                state,
                told,
                held,
            })
        })
        .collect()
}

/// Asks for the conffiles of `names`.
pub(super) fn ask_conffiles<'a>(names: impl IntoIterator<Item = &'a String>) -> Argv {
    query(["--show", "--showformat", CONFFILES]).args(names.into_iter().cloned())
}

/// Reads the answer to [`ask_conffiles`], without those that their package no longer has.
pub(super) fn conffiles(answer: &str) -> Vec<Conffile> {
    let mut package = String::new();
    let mut found = Vec::new();
    for line in answer.lines() {
        let Some(entry) = line.strip_prefix(' ') else {
            if !line.is_empty() {
                line.clone_into(&mut package);
            }
            continue;
        };
        // A path may hold spaces; the digest and the mark behind it do not.
        let entry = entry.trim_end();
        let (rest, mark) = match entry.strip_suffix(" obsolete") {
            Some(rest) => (rest, true),
            None => (entry, entry.ends_with(" remove-on-upgrade")),
        };
        if let (Some((path, packaged)), false) = (rest.rsplit_once(' '), mark) {
            found.push(Conffile {
                package: package.clone(),
                path: path.to_owned(),
                packaged: packaged.to_owned(),
            });
        }
    }
    found
}

/// Asks for every path that `names` installed.
pub(super) fn ask_files<'a>(names: impl IntoIterator<Item = &'a String>) -> Argv {
    query(["--listfiles"]).args(names.into_iter().cloned())
}

/// How the name of a package's file begins, as apt and dpkg call it.
pub(super) fn file_begins(name: &str, version: &str) -> String {
    format!("{name}_{}_", version.replace(':', "%3a"))
}

fn query<const N: usize>(words: [&str; N]) -> Argv {
    Argv::new("dpkg-query", words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_half_held_and_removed_packages() {
        let answer = "st2\t2.1.0-1\tall\tinstall\tinstalled\tok\n\
                      st2web\t2.1.0-1\tall\thold\tinstalled\tok\n\
                      st2chatops\t2.1.0-1\tamd64\tinstall\thalf-configured\tok\n\
                      st2mistral\t2.1.0-1\tamd64\tinstall\tunpacked\treinstreq\n\
                      st2enterprise\t2.1.0-1\tall\tinstall\thalf-installed\tok\n\
                      old\t1-1\tall\tdeinstall\tconfig-files\tok\n";
        let found = packages(answer);
        let told: Vec<_> = found.iter().map(|one| (one.state, one.held)).collect();
        assert_eq!(
            told,
            [
                (Wholeness::Whole, false),
                (Wholeness::Whole, true),
                (Wholeness::Begun, false),
                (Wholeness::Broken, false),
                (Wholeness::Broken, false)
            ]
        );
    }

    #[test]
    fn conffiles_without_those_that_are_gone() {
        let answer = "st2\n /etc/st2/st2.conf 7a96d066385fc19c62eb2ce7dba65969\n \
                      /etc/st2/my file 11 \n /etc/st2/old 22 obsolete\n\nst2web\n \
                      /etc/st2web/st2web.conf 8a2db93b76b4b12b627b4d120dc49794\nempty\n\n";
        let told: Vec<_> = conffiles(answer)
            .into_iter()
            .map(|one| (one.package, one.path, one.packaged))
            .collect();
        let expected = [
            (
                "st2",
                "/etc/st2/st2.conf",
                "7a96d066385fc19c62eb2ce7dba65969",
            ),
            ("st2", "/etc/st2/my file", "11"),
            (
                "st2web",
                "/etc/st2web/st2web.conf",
                "8a2db93b76b4b12b627b4d120dc49794",
            ),
        ];
        let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(told, expected);
    }

    #[test]
    fn an_epoch_is_written_out_in_a_files_name() {
        assert_eq!(file_begins("st2", "1:2.0-1"), "st2_1%3a2.0-1_");
    }
}
