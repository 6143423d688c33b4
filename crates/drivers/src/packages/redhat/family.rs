//! The port, spoken by rpm and dnf, or yum where there is no dnf.

use std::collections::BTreeSet;
use std::path::Path;

use switchback_engine::ports::Failure;
use switchback_engine::process::Argv;

use super::super::english;
use super::super::packaging::{
    Candidate, Complaint, Conffile, Found, Package, Packaging, Part, Simulated, Source, Wanted,
    Words,
};
use super::super::set::Set;
use super::dnf::{self, Row};
use super::gather::{self, Means};
use super::repositories::{self, Settings};
use super::{holds, rpm};
use crate::host::{Host, unwritable};

/// Packages of the Red Hat family.
#[derive(Debug)]
pub(in super::super) struct RedHat {
    words: &'static Words,
}

const DNF: Words = Words {
    keeper: "rpm",
    finder: "dnf",
    record: "/var/lib/rpm",
    record_is_exact: false,
    file_ends: ".rpm",
    offered: "rpmnew",
    saved: Some("rpmsave"),
    locks: &["/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock"],
    notes: &["/var/lib/dnf/rpmdb_lock.pid"],
    log: "/var/log/dnf.rpm.log",
    refresh: "dnf makecache --refresh",
    simulate: "dnf --assumeno install",
    unhold: "take them out of exclude= below /etc/dnf and /etc/yum.repos.d, or: dnf versionlock delete",
    finish: &[
        "see what is there twice: dnf repoquery --duplicates",
        "let the newer of both stay: dnf remove --duplicates",
    ],
    obtain: &[
        "put their files anywhere below /var/cache/dnf",
        "or pack them again from what is installed: rpmrebuild",
    ],
};

const YUM: Words = Words {
    finder: "yum",
    notes: &["/var/run/yum.pid"],
    log: "/var/log/yum.log",
    refresh: "yum makecache",
    simulate: "yum --assumeno install",
    unhold: "take them out of exclude= in /etc/yum.conf and below /etc/yum.repos.d, or: yum versionlock delete",
    finish: &[
        "let it finish: yum-complete-transaction",
        "then see what is there twice: package-cleanup --dupes",
    ],
    obtain: &[
        "put their files anywhere below /var/cache/yum",
        "or pack them again from what is installed: rpmrebuild",
    ],
    ..DNF
};

impl RedHat {
    /// The family as this machine speaks it; `None` where there is no rpm.
    pub(in super::super) fn on(host: &Host) -> Result<Option<Self>, Failure> {
        let is_there = |path: &str| {
            let there = host.exists(Path::new(path));
            there.map_err(|error| unwritable(Path::new(path), &error))
        };
        if !is_there("/usr/bin/rpm")? && !is_there("/bin/rpm")? {
            return Ok(None);
        }
        let words = if is_there("/usr/bin/dnf")? {
            &DNF
        } else {
            &YUM
        };
        Ok(Some(Self { words }))
    }

    fn has_dnf(&self) -> bool {
        self.words.finder == DNF.finder
    }

    /// What repositories have of packages, newest first: as dnf last saw it, where it ever did.
    fn rows(&self, host: &Host, names: &[String]) -> Result<Vec<Row>, Failure> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let ask = |cached: bool| match (self.has_dnf(), cached) {
            (true, true) => Argv::new("dnf", ["--cacheonly", "repoquery"]),
            (true, false) => Argv::new("dnf", ["--assumeno", "repoquery"]),
            (false, true) => Argv::new("repoquery", ["--cache"]),
            (false, false) => Argv::new("repoquery", [""; 0]),
        };
        let what = format!("cannot ask {} which versions there are", self.words.finder);
        let seen = english::try_to(host, &dnf::ask_rows(ask(true), names), &what)?;
        let answer = if seen.code == 0 {
            seen.stdout
        } else {
            english::ask(host, &dnf::ask_rows(ask(false), names), &what)?
        };
        Ok(dnf::rows(&answer))
    }

    fn settings(host: &Host) -> Result<Settings, Failure> {
        // Exits with another code where one of the places is not there.
        let said = english::try_to(
            host,
            &repositories::ask(),
            "cannot read the settings of repositories",
        )?;
        Ok(repositories::settings(&said.stdout))
    }

    /// What dnf says when it reads a repository into a place that is thrown away, with the keys that were agreed to for
    /// it, and agrees to none.
    fn refreshed(&self, host: &Host, id: &str) -> Result<String, Failure> {
        let unmade = |error: std::io::Error| unwritable(Path::new("/tmp"), &error);
        let place = host.scratch().map_err(unmade)?;
        let said = self.refreshed_into(host, id, &place);
        host.remove_tree(&place).map_err(unmade)?;
        said
    }

    fn refreshed_into(&self, host: &Host, id: &str, place: &Path) -> Result<String, Failure> {
        let cache = Path::new("/var/cache").join(self.words.finder);
        let unread = |error: std::io::Error| unwritable(&cache, &error);
        for name in host.list_if_there(&cache).map_err(unread)? {
            // A repository's directory is called after it and the digest of where it is.
            let (from, to) = (cache.join(&name).join("pubring"), place.join(&name));
            let is_its = name.rsplit_once('-').is_some_and(|(of, digest)| {
                of == id && digest.chars().all(|c| c.is_ascii_hexdigit())
            });
            if is_its && host.exists(&from).map_err(unread)? {
                host.make_directory(&to).map_err(unread)?;
                let argv = Argv::new("cp", ["--archive", "--"])
                    .args([from.to_string_lossy(), to.to_string_lossy()]);
                english::ask(host, &argv, "cannot copy the keys of a repository")?;
            }
        }
        let argv = Argv::new(self.words.finder, ["--assumeno", "--disablerepo=*"]).args([
            format!("--enablerepo={id}"),
            format!("--setopt=cachedir={}", place.display()),
            format!("--setopt={id}.skip_if_unavailable=0"),
            "--setopt=timeout=10".to_owned(),
            "--setopt=retries=1".to_owned(),
            "makecache".to_owned(),
        ]);
        let what = format!("cannot ask {} to read a repository", self.words.finder);
        let said = english::try_to(host, &argv, &what)?;
        Ok(format!("{}{}", said.stdout, said.stderr))
    }

    /// An installation by dnf of files alone, or of what repositories have.
    fn install(&self, consent: &str, alone: bool) -> Vec<String> {
        let mut words = vec![self.words.finder, consent];
        if self.has_dnf() {
            words.push("--setopt=install_weak_deps=False");
        }
        words.push(if alone {
            "--disablerepo=*"
        } else {
            "--cacheonly"
        });
        words.push("install");
        words.into_iter().map(str::to_owned).collect()
    }
}

impl Packaging for RedHat {
    fn words(&self) -> &'static Words {
        self.words
    }

    fn installed(&self, host: &Host, ours: &[String]) -> Result<Vec<Package>, Failure> {
        let answer = english::ask(host, &rpm::ask_packages(), "cannot read rpm's record")?;
        let mut found = rpm::packages(&answer, ours);
        let argv = Argv::new("cat", ["--"]).args(holds::LOCKED);
        // A list that is not there locks nothing.
        let lists = english::try_to(host, &argv, "cannot read which versions are locked")?.stdout;
        let settings = Self::settings(host)?;
        for package in found.iter_mut().filter(|one| ours.contains(&one.name)) {
            package.held = holds::is_locked(&lists, &package.name)
                || settings
                    .excluded()
                    .any(|excluded| holds::is_excluded(excluded, &package.name));
        }
        Ok(found)
    }

    fn candidates(&self, host: &Host, names: &[String]) -> Result<Vec<Candidate>, Failure> {
        let rows = self.rows(host, names)?;
        Ok(rows.into_iter().map(|row| row.candidate).collect())
    }

    fn complaints(
        &self,
        host: &Host,
        candidates: &[Candidate],
    ) -> Result<Vec<(String, Complaint)>, Failure> {
        let settings = Self::settings(host)?;
        let ids: BTreeSet<&str> = candidates
            .iter()
            .map(|candidate| candidate.repository.as_str())
            .collect();
        let mut found = Vec::new();
        for id in ids {
            // What is installed by hand is of no repository.
            let Some(section) = settings.section(id) else {
                continue;
            };
            let said = self.refreshed(host, id)?;
            found.extend(dnf::complaint(&said).map(|told| (section.file.clone(), told)));
        }
        Ok(found)
    }

    fn simulate(&self, host: &Host, wanted: &Wanted<'_>) -> Result<Simulated, Failure> {
        let (alone, files) = match wanted {
            Wanted::Versions(set) => {
                let pairs = set.0.iter();
                let named = pairs.map(|(name, version)| self.named(name, version));
                (false, named.collect())
            }
            Wanted::Files(files) => (true, files.to_vec()),
        };
        let words = self.install("--assumeno", alone);
        let argv = Argv::new(&words[0], &words[1..]).args(files);
        let what = format!(
            "cannot ask {} what an installation would do",
            self.words.finder
        );
        let said = english::try_to(host, &argv, &what)?;
        Ok(match dnf::changes(&said.stdout) {
            Some(changes) => Simulated::Changes(changes),
            None if said.code == 0 => Simulated::Changes(Vec::new()),
            None => Simulated::Refused {
                errors: dnf::errors(&said.stderr),
                said: format!("{}{}", said.stdout, said.stderr),
            },
        })
    }

    fn at_hand(&self, host: &Host, package: &Package) -> Result<Option<Source>, Failure> {
        gather::at_hand(host, package)
    }

    fn gather(&self, host: &Host, part: &Part<'_>, into: &Path) -> Result<(), Failure> {
        let rows = self.rows(host, &[part.name.to_owned()])?;
        let means = Means {
            words: self.words,
            rows: &rows,
            settings: &Self::settings(host)?,
            download: if self.has_dnf() {
                Argv::new("dnf", ["--assumeno", "download", "--destdir"])
            } else {
                Argv::new("yumdownloader", ["--destdir"])
            },
        };
        gather::gather(host, part, into, means)
    }

    fn file_begins(&self, name: &str, version: &str) -> String {
        rpm::file_begins(name, version)
    }

    fn named(&self, name: &str, version: &str) -> String {
        format!("{name}-{version}")
    }

    /// By dnf, so that it is in its history, and by rpm from the files at every other try: where a transaction
    /// was killed, dnf takes what rpm has noted already for done.
    fn installing(&self, attempt: u32, found: Found<'_>, files: &[String]) -> Vec<String> {
        let ours = |one: &&Package| found.set.0.contains_key(&one.name);
        let half = found.all.iter().filter(ours).any(Package::is_half);
        let mut words = vec!["env".to_owned(), "LC_ALL=C.UTF-8".to_owned()];
        if half || found.anew || !attempt.is_multiple_of(2) {
            let rpm = ["rpm", "--upgrade", "--oldpackage", "--replacepkgs"];
            words.extend(rpm.map(str::to_owned));
        } else {
            words.extend(self.install("--assumeyes", true));
        }
        words.extend(files.iter().cloned());
        words
    }

    fn conffiles(&self, host: &Host, set: &Set) -> Result<Vec<Conffile>, Failure> {
        let argv = rpm::ask_conffiles(set.0.keys());
        let answer = english::ask(host, &argv, "cannot read which conffiles there are")?;
        Ok(rpm::conffiles(&answer))
    }

    fn files(&self, host: &Host, set: &Set) -> Result<Vec<String>, Failure> {
        let argv = rpm::ask_files(set.0.keys());
        let answer = english::ask(host, &argv, "cannot read which files the packages have")?;
        let paths = answer.lines().filter(|path| path.starts_with('/'));
        Ok(paths.map(str::to_owned).collect())
    }
}
