//! What can be wrong with a packaged product, told so that an operator can act.

use switchback_engine::ports::Failure;
use switchback_model::exit::Exit;
use switchback_model::problem::State;
use switchback_model::{Problem, Version};

use super::apt::Complaint;
use super::dpkg::{Conffile, Package};
use super::locks::Holder;
use super::place::Record;
use super::set::Set;
use super::systemd::Unit;
use crate::log::Log;

/// A failure that was met while planning.
pub(super) fn refused(failure: Failure) -> Problem {
    let mut problem = Problem::new(Exit::Refused, &failure.code, failure.what);
    problem.causes = failure.causes;
    problem.hints = failure.hints;
    problem.state = failure.state;
    if problem.state.is_empty() {
        problem = problem.state("deployment", "not touched");
    }
    problem
}

/// A problem that was seen again while running.
pub(super) fn as_failure(problem: Problem) -> Failure {
    let mut failure = Failure::new(&problem.code, problem.what);
    failure.causes = problem.causes;
    failure.hints = problem.hints;
    failure.state = problem.state;
    failure
}

fn refusal(code: &str, what: impl Into<String>) -> Problem {
    Problem::new(Exit::Refused, code, what).state("deployment", "not touched")
}

/// None of the product's packages is installed.
pub(super) fn not_installed_here(names: &[String]) -> Problem {
    refusal(
        "packages-missing",
        format!("none of these packages is installed: {}", names.join(", ")),
    )
    .hint("is `product` in switchback.toml right? Name the packages there: [packages] names = [\"…\"]")
}

/// The operator put packages on hold.
pub(super) fn held(names: &[&str]) -> Problem {
    let names = names.join(" ");
    refusal("package-held", format!("held back: {names}"))
        .why("a hold says that somebody does not want it changed")
        .hint(format!("if that is over: apt-mark unhold {names}"))
}

/// dpkg was ended in the middle of something.
pub(super) fn half(packages: &[&Package]) -> Problem {
    let first = packages
        .iter()
        .map(|package| format!("{} is {}", package.name, package.status))
        .collect::<Vec<_>>()
        .join(", ");
    refusal("dpkg-unfinished", "dpkg has not finished what it began")
        .state("packages", first)
        .hint("let it finish: dpkg --configure -a")
        .hint("then see that nothing is left: dpkg --audit")
}

/// Another program changes packages now.
pub(super) fn locked(holder: &Holder) -> Problem {
    refusal(
        "dpkg-locked",
        format!(
            "`{}` (process {}) changes packages at this moment",
            holder.name, holder.pid
        ),
    )
    .hint("wait until it is done, then plan again")
}

/// A unit that can not be started.
pub(super) fn masked(unit: &Unit) -> Problem {
    refusal("unit-masked", format!("`{}` is masked", unit.id))
        .why("what was masked by somebody would not start again after the upgrade, and nobody would know why")
        .hint(format!(
            "if it shall run: systemctl unmask {}; if not: systemctl disable --now and leave it out with [packages] services",
            unit.id
        ))
}

/// What apt says of a repository of the product.
pub(super) fn repository(file: &str, complaint: &Complaint) -> Problem {
    let renewed =
        format!("fetch its present key and put it where `{file}` says, then: apt-get update");
    match complaint {
        Complaint::ExpiredKey(key) => refusal(
            "repository-key-expired",
            format!("the key {key} of the repository in `{file}` is over its time"),
        )
        .why("apt trusts nothing that it signs, and would find that out in the middle of the upgrade")
        .hint(renewed),
        Complaint::UnknownKey(key) => refusal(
            "repository-key-unknown",
            format!("the repository in `{file}` is signed with the key {key}, which is not here"),
        )
        .why("its keeper signs with another key than when it was set up")
        .hint(renewed),
        Complaint::Untrusted(said) => refusal(
            "repository-untrusted",
            format!("apt does not trust the repository in `{file}`"),
        )
        .cause(said)
        .hint("see what it says: apt-get update"),
        Complaint::Silent(said) => Problem::new(
            Exit::Ok,
            "repository-silent",
            format!("the repository in `{file}` was not reached"),
        )
        .cause(said)
        .hint("what is needed of it has to be on this host already: see that it answers, with apt-get update"),
    }
}

/// Packages whose installed version can not be had again.
pub(super) fn no_way_back(words: &[String], failure: Option<Failure>) -> Failure {
    let mut told = Failure::new(
        "no-way-back",
        format!(
            "the installed packages are nowhere to be had: {}",
            words.join(", ")
        ),
    )
    .state("services", "not touched")
    .hint("put their files into /var/cache/apt/archives")
    .hint("or let them be packed again from what is installed: apt-get install dpkg-repack");
    if let Some(failure) = failure {
        told = told.cause(failure.what);
        told.causes.extend(failure.causes);
    }
    told
}

/// A package file of the next version can not be had.
pub(super) fn not_fetched(set: &Set, word: &str, failure: Option<Failure>) -> Failure {
    let mut told = Failure::new("package-unavailable", format!("cannot fetch `{word}`"))
        .state("services", "not touched")
        .state("wanted", set.to_string())
        .hint("see whether the repository still has it: apt-get update; then switchback resume");
    if let Some(failure) = failure {
        told = told.cause(failure.what);
        told.causes.extend(failure.causes);
    }
    told
}

/// No repository has a package at a release.
pub(super) fn no_such_version(name: &str, version: &Version, had: &[&str]) -> Failure {
    let shown = match had {
        [] => "none".to_owned(),
        had => had.join(", "),
    };
    Failure::new(
        "package-version-missing",
        format!("no repository of this host has `{name}` at {version}"),
    )
    .state("deployment", "not touched")
    .state(name, format!("to be had: {shown}"))
    .hint("read the repositories anew: apt-get update; then plan again")
}

/// apt sees no way.
pub(super) fn unsolvable(set: &Set, errors: &str, said: &str) -> Failure {
    let mut failure = Failure::new("apt-refuses", format!("apt would not install {set}"))
        .state("packages", "unchanged")
        .hint(format!(
            "see what it says: apt-get --simulate install {set}"
        ));
    let told = errors.lines().filter(|line| !line.starts_with("WARNING"));
    failure.causes = told
        .map(|line| line.trim().trim_start_matches("E: ").to_owned())
        .filter(|line| !line.is_empty())
        .take(3)
        .collect();
    failure.output(format!("{said}{errors}"))
}

/// An installation would change what does not belong to the product.
pub(super) fn surprises(set: &Set, surprises: &[String]) -> Failure {
    Failure::new(
        "other-packages-change",
        format!(
            "more than the product would change: {}",
            surprises.join(", ")
        ),
    )
    .state("packages", "unchanged")
    .state("wanted", set.to_string())
    .hint("bring the others to where the product needs them first, then plan again")
}

/// The record is neither what the plan begins with nor what it leads to.
pub(super) fn drifted(found: &str, wanted: &Set) -> Failure {
    Failure::new(
        "packages-drifted",
        "other packages are installed than the plan expects",
    )
    .state("installed", found)
    .state("wanted", wanted.to_string())
    .hint("see who changed them: /var/log/dpkg.log; then switchback rollback, or plan again")
}

/// Packages that somebody else left half installed.
pub(super) fn broken(all: &[Package]) -> Failure {
    let half_done: Vec<&Package> = all.iter().filter(|package| package.is_half()).collect();
    as_failure(half(&half_done))
}

/// dpkg did not get there.
pub(super) fn not_installed(to: &Set, record: &Record, last: Option<(i64, Log)>) -> Failure {
    let mut failure = Failure::new("install-failed", format!("dpkg did not install {to}"));
    for package in record
        .ours()
        .filter(|package| package.is_half() || to.0.get(&package.name) != Some(&package.version))
    {
        failure = failure.state(
            package.name.as_str(),
            format!("{} {}", package.version, package.status),
        );
    }
    if let Some((code, log)) = last {
        failure.causes = log.last_words();
        failure
            .causes
            .insert(0, format!("the last try exited with {code}"));
        failure = failure.output(log.text());
    }
    failure
        .hint("see why in /var/log/dpkg.log; switchback resume tries again")
        .hint("or go back to the kept packages: switchback rollback")
}

/// Versions of the product's packages that do not belong together.
pub(super) fn mixed(set: &Set) -> Problem {
    Problem::new(
        Exit::Ok,
        "packages-mixed",
        format!("the product's packages are of several releases: {set}"),
    )
    .hint("an upgrade brings all of them to one")
}

/// A conffile that is not what its package brought.
pub(super) fn edited(conffile: &Conffile) -> Problem {
    Problem::new(
        Exit::Ok,
        "conffile-edited",
        format!("`{}` was edited: yours is kept", conffile.path),
    )
    .why("what the next version has there is put beside it, as .dpkg-dist, to be merged by hand")
    .hint(format!(
        "afterwards: diff -u {path} {path}.dpkg-dist",
        path = conffile.path
    ))
}

/// Units do not start because a run is open.
pub(super) fn held_units() -> Problem {
    Problem::new(
        Exit::Ok,
        "services-held",
        "an open run keeps the product's services from starting",
    )
    .hint("switchback resume, or switchback rollback, lets them start again")
}

/// A unit that was looked for and is not there.
pub(super) fn no_units(names: &[String]) -> Problem {
    let mut problem = refusal(
        "services-missing",
        "systemd knows none of the product's services",
    );
    problem.state.push(State {
        subject: "looked for".to_owned(),
        seen: Some(names.join(", ")),
    });
    problem.hint("name them in switchback.toml: [packages] services = [\"…\"]")
}
