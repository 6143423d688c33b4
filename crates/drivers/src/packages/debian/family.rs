//! The port, spoken by dpkg and apt.

use std::collections::BTreeSet;
use std::path::Path;

use switchback_engine::ports::Failure;
use switchback_engine::process::Argv;

use super::super::english;
use super::super::packaging::{
    Candidate, Complaint, Conffile, Found, Package, Packaging, Part, Simulated, Source, Wanted,
    Wholeness, Words,
};
use super::super::set::Set;
use super::words::WORDS;
use super::{apt, dpkg, gather};
use crate::host::{Host, unwritable};

/// Packages of the Debian family.
#[derive(Debug)]
pub(in super::super) struct Debian;

/// How apt is told to touch nothing but what is named, and no conffile that was edited.
const CAREFULLY: [&str; 7] = [
    "--assume-yes",
    "--only-upgrade",
    "--allow-downgrades",
    "--no-install-recommends",
    "--option=Dpkg::Options::=--force-confold",
    "--option=Dpkg::Use-Pty=0",
    "--option=DPkg::Lock::Timeout=600",
];

/// How apt is told that there is nothing but the files that are named: a repository may have the same
/// version, and would be asked for it.
const FILES_ALONE: [&str; 5] = [
    "--option=Dir::Etc::SourceList=/dev/null",
    "--option=Dir::Etc::SourceParts=/dev/null",
    "--option=Dir::State::Lists=/nonexistent",
    "--option=Dir::Cache::PkgCache=",
    "--option=Dir::Cache::SrcPkgCache=",
];

/// An environment in which nothing asks questions.
const QUIET: [&str; 6] = [
    "env",
    "LC_ALL=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
    "DEBIAN_PRIORITY=critical",
    "APT_LISTCHANGES_FRONTEND=none",
    "NEEDRESTART_SUSPEND=1",
];

impl Packaging for Debian {
    fn words(&self) -> &'static Words {
        &WORDS
    }

    fn installed(&self, host: &Host, _: &[String]) -> Result<Vec<Package>, Failure> {
        let answer = english::ask(host, &dpkg::ask_packages(), "cannot read dpkg's record")?;
        Ok(dpkg::packages(&answer))
    }

    fn candidates(&self, host: &Host, names: &[String]) -> Result<Vec<Candidate>, Failure> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let argv = Argv::new("apt-cache", ["madison"]).args(names.iter().cloned());
        let answer = english::ask(host, &argv, "cannot ask apt which versions there are")?;
        Ok(apt::candidates(&answer))
    }

    fn complaints(
        &self,
        host: &Host,
        candidates: &[Candidate],
    ) -> Result<Vec<(String, Complaint)>, Failure> {
        let argv = Argv::new("apt-get", ["indextargets"]);
        let answer = english::ask(host, &argv, "cannot ask apt for its repositories")?;
        let sources = apt::sources(&answer);
        let files: BTreeSet<&String> = candidates
            .iter()
            .filter_map(|candidate| sources.get(&candidate.repository))
            .collect();
        let mut found = Vec::new();
        for file in files {
            let said = updated(host, file)?;
            found.extend(apt::complaint(&said).map(|told| (file.clone(), told)));
        }
        Ok(found)
    }

    fn simulate(&self, host: &Host, wanted: &Wanted<'_>) -> Result<Simulated, Failure> {
        let (words, alone) = match wanted {
            Wanted::Versions(set) => (set.words(), &[][..]),
            Wanted::Files(files) => (files.to_vec(), &FILES_ALONE[..]),
        };
        // A hold is told in words of its own. What would be removed is to be named, so it is not forbidden here.
        let argv = Argv::new("apt-get", ["--simulate", "--quiet", "install"])
            .arg("--allow-change-held-packages")
            .args(CAREFULLY)
            .args(alone.iter().copied())
            .args(words);
        let said = english::try_to(host, &argv, "cannot ask apt what an installation would do")?;
        if said.code == 0 {
            return Ok(Simulated::Changes(apt::changes(&said.stdout)));
        }
        let lines = said.stderr.lines();
        let errors = lines
            .filter(|line| !line.starts_with("WARNING"))
            .map(|line| line.trim().trim_start_matches("E: ").to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        Ok(Simulated::Refused {
            errors,
            said: format!("{}{}", said.stdout, said.stderr),
        })
    }

    fn at_hand(&self, host: &Host, package: &Package) -> Result<Option<Source>, Failure> {
        gather::at_hand(host, package)
    }

    fn gather(&self, host: &Host, part: &Part<'_>, into: &Path) -> Result<(), Failure> {
        gather::gather(host, part, into)
    }

    fn file_begins(&self, name: &str, version: &str) -> String {
        dpkg::file_begins(name, version)
    }

    fn named(&self, name: &str, version: &str) -> String {
        format!("{name}={version}")
    }

    /// Configures what was begun at every other try: what dpkg was killed in keeps apt from doing anything.
    fn installing(&self, attempt: u32, found: Found<'_>, files: &[String]) -> Vec<String> {
        let broken =
            |one: &Package| found.set.0.contains_key(&one.name) && one.state == Wholeness::Broken;
        let (program, files): (Vec<&str>, _) =
            if attempt.is_multiple_of(2) && found.all.iter().any(Package::is_half) {
                (
                    vec!["dpkg", "--force-confold", "--configure", "--pending"],
                    &[][..],
                )
            } else if found.all.iter().any(broken) {
                // apt does not touch what has to be installed anew; dpkg does, from the file.
                (
                    vec!["dpkg", "--force-confold", "--force-downgrade", "--install"],
                    files,
                )
            } else {
                let mut program = vec!["apt-get", "--quiet", "install", "--no-remove"];
                program.extend(CAREFULLY.iter().chain(&FILES_ALONE));
                (program, files)
            };
        QUIET
            .into_iter()
            .chain(program)
            .map(str::to_owned)
            .chain(files.iter().cloned())
            .collect()
    }

    fn conffiles(&self, host: &Host, set: &Set) -> Result<Vec<Conffile>, Failure> {
        let argv = dpkg::ask_conffiles(set.0.keys());
        let answer = english::ask(host, &argv, "cannot read which conffiles there are")?;
        Ok(dpkg::conffiles(&answer))
    }

    fn files(&self, host: &Host, set: &Set) -> Result<Vec<String>, Failure> {
        let argv = dpkg::ask_files(set.0.keys());
        let answer = english::ask(host, &argv, "cannot read which files the packages have")?;
        let paths = answer.lines().filter(|path| path.starts_with('/'));
        Ok(paths.map(str::to_owned).collect())
    }
}

/// What apt says when it reads the repositories of one file into a place that is thrown away.
fn updated(host: &Host, file: &str) -> Result<String, Failure> {
    let unmade = |error: std::io::Error| unwritable(Path::new("/tmp"), &error);
    let lists = host.scratch().map_err(unmade)?;
    let option = |name: &str, value: &str| format!("--option={name}={value}");
    let directory = lists.to_string_lossy();
    let argv = Argv::new("apt-get", ["update", "--quiet"]).args([
        option("Dir::Etc::SourceList", file),
        option("Dir::Etc::SourceParts", "-"),
        option("Dir::State::Lists", &directory),
        option("Dir::Cache::PkgCache", ""),
        option("Dir::Cache::SrcPkgCache", ""),
        option("APT::Sandbox::User", "root"),
        option("Acquire::Retries", "0"),
        option("Acquire::http::Timeout", "10"),
        option("Acquire::https::Timeout", "10"),
    ]);
    let said = english::try_to(host, &argv, "cannot ask apt to read a repository");
    host.remove_tree(&lists).map_err(unmade)?;
    let said = said?;
    Ok(format!("{}{}", said.stdout, said.stderr))
}
