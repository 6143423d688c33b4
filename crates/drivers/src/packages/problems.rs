//! What can be wrong with a packaged product, told so that an operator can act.

use std::path::Path;
use std::time::Duration;

use switchback_engine::ports::Failure;
use switchback_model::exit::Exit;
use switchback_model::problem::State;
use switchback_model::{Problem, Version};

use super::packaging::{Complaint, Conffile, Holder, Package, Packaging, Words};
use super::record::Record;
use super::set::Set;
use super::systemd::Unit;
use crate::log::Log;

/// A failure that was met while planning.
pub(super) fn refused(failure: Failure) -> Problem {
    let mut problem = failure.refused();
    if problem.state.is_empty() {
        problem = problem.state("deployment", "not touched");
    }
    problem
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
pub(super) fn held(words: &Words, names: &[&str]) -> Problem {
    let names = names.join(" ");
    refusal("package-held", format!("held back: {names}"))
        .why("a hold says that somebody does not want it changed")
        .hint(format!("if that is over: {} {names}", words.unhold))
}

/// An installation was ended in the middle.
pub(super) fn half(words: &Words, packages: &[&Package]) -> Problem {
    let first = packages
        .iter()
        .map(|package| format!("{} is {}", package.name, package.told))
        .collect::<Vec<_>>()
        .join(", ");
    let what = format!("{} has not finished what it began", words.keeper);
    let problem = refusal("packages-unfinished", what).state("packages", first);
    words.finish.iter().copied().fold(problem, Problem::hint)
}

/// Another program changes packages now.
pub(super) fn locked(holder: &Holder) -> Problem {
    refusal(
        "packages-locked",
        format!(
            "`{}` (process {}) changes packages at this moment",
            holder.name, holder.pid
        ),
    )
    .hint("wait until it is done, then plan again")
}

/// Another program has changed packages for too long, or for longer than the operator wants to wait.
pub(super) fn still_locked(keeper: &str, holder: &Holder, waited: Duration) -> Failure {
    let Holder { name, pid } = holder;
    Failure::new(
        "packages-locked",
        format!("`{name}` (process {pid}) holds {keeper}'s lock"),
    )
    .state(
        keeper,
        format!("locked for {} s at least", waited.as_secs()),
    )
    .hint(format!(
        "see what it does: ps -fp {pid}; when it is done: switchback resume"
    ))
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

/// Something else runs the services of this machine: Upstart, say, or scripts.
pub(super) fn no_systemd(product: &str) -> Failure {
    Failure::new("no-systemd", "systemd does not run the services of this machine").hint(format!(
        "see every step, to do it by hand: switchback path {product} --from VERSION --to VERSION --driver packages"
    ))
}

/// What is wrong with a repository of the product.
pub(super) fn repository(words: &Words, file: &str, complaint: &Complaint) -> Problem {
    let (finder, refresh) = (words.finder, words.refresh);
    let renewed = format!("fetch its present key and put it where `{file}` says, then: {refresh}");
    match complaint {
        Complaint::ExpiredKey(key) => refusal(
            "repository-key-expired",
            format!("the key {key} of the repository in `{file}` is over its time"),
        )
        .why(format!(
            "{finder} trusts nothing that it signs, and would find that out in the middle of the upgrade"
        ))
        .hint(renewed),
        Complaint::UnknownKey(key) => refusal(
            "repository-key-unknown",
            format!("the repository in `{file}` is signed with the key {key}, which is not here"),
        )
        .why("its keeper signs with another key than when it was set up")
        .hint(renewed),
        Complaint::Untrusted(said) => refusal(
            "repository-untrusted",
            format!("{finder} does not trust the repository in `{file}`"),
        )
        .cause(said)
        .hint(format!("see what it says: {refresh}")),
        Complaint::Silent(said) => Problem::new(
            Exit::Ok,
            "repository-silent",
            format!("the repository in `{file}` was not reached"),
        )
        .cause(said)
        .hint(format!(
            "what is needed of it has to be on this host already: see that it answers, with {refresh}"
        )),
    }
}

/// Packages whose installed version can not be had again.
pub(super) fn no_way_back(words: &Words, packages: &[String], failure: Option<Failure>) -> Failure {
    let what = format!(
        "the installed packages are nowhere to be had: {}",
        packages.join(", ")
    );
    let told = Failure::new("no-way-back", what).state("services", "not touched");
    let mut told = words.obtain.iter().copied().fold(told, Failure::hint);
    if let Some(failure) = failure {
        told = told.cause(failure.what);
        told.causes.extend(failure.causes);
    }
    told
}

/// There is no room for package files.
pub(super) fn no_room(into: &Path, word: &str, failure: Failure) -> Failure {
    let what = format!("no room for `{word}` in `{}`", into.display());
    let mut told = Failure::new("no-room-for-packages", what)
        .state("services", "not touched")
        .hint("make room there, then switchback resume");
    told.causes = failure.causes;
    told.output = failure.output;
    told
}

/// Whether a failure says that there was no room.
pub(super) fn is_no_room(failure: &Failure) -> bool {
    let output = failure.output.iter();
    output.chain(&failure.causes).any(|line| {
        ["No space left on device", "enough free space"]
            .iter()
            .any(|mark| line.contains(mark))
    })
}

/// The way back is made of what is installed.
pub(super) fn repacked(words: &[String]) -> Problem {
    Problem::new(
        Exit::Ok,
        "way-back-repacked",
        format!(
            "no repository has the installed packages any more: {}",
            words.join(", ")
        ),
    )
    .why("their files are packed again from what is installed, with conffiles as they are now")
}

/// A package file of the next version can not be had.
pub(super) fn not_fetched(
    words: &Words,
    set: &Set,
    word: &str,
    failure: Option<Failure>,
) -> Failure {
    let mut told = Failure::new("package-unavailable", format!("cannot fetch `{word}`"))
        .state("services", "not touched")
        .state("wanted", set.to_string())
        .hint(format!(
            "see whether the repository still has it: {}; then switchback resume",
            words.refresh
        ));
    if let Some(failure) = failure {
        told = told.cause(failure.what);
        told.causes.extend(failure.causes);
    }
    told
}

/// No repository has a package at a release.
pub(super) fn no_such_version(
    words: &Words,
    name: &str,
    version: &Version,
    had: &[&str],
) -> Failure {
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
    .hint(format!(
        "read the repositories anew: {}; then plan again",
        words.refresh
    ))
}

/// What resolves dependencies sees no way.
pub(super) fn unsolvable(
    packaging: &dyn Packaging,
    set: &Set,
    errors: Vec<String>,
    said: String,
) -> Failure {
    let words = packaging.words();
    let named: Vec<String> = set
        .0
        .iter()
        .map(|(name, version)| packaging.named(name, version))
        .collect();
    let what = format!("{} would not install {set}", words.finder);
    let mut failure = Failure::new("packages-refused", what)
        .state("packages", "unchanged")
        .hint(format!(
            "see what it says: {} {}",
            words.simulate,
            named.join(" ")
        ))
        .output(said);
    failure.causes = errors.into_iter().take(3).collect();
    failure
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
pub(super) fn drifted(words: &Words, found: &str, wanted: &Set) -> Failure {
    Failure::new(
        "packages-drifted",
        "other packages are installed than the plan expects",
    )
    .state("installed", found)
    .state("wanted", wanted.to_string())
    .hint(format!(
        "see who changed them: {}; then switchback rollback, or plan again",
        words.log
    ))
}

/// Packages that somebody else left half installed.
pub(super) fn broken(words: &Words, all: &[Package]) -> Failure {
    let half_done: Vec<&Package> = all.iter().filter(|package| package.is_half()).collect();
    half(words, &half_done).into()
}

/// An installation did not get there.
pub(super) fn not_installed(
    words: &Words,
    to: &Set,
    record: &Record,
    last: Option<(i64, Log)>,
) -> Failure {
    let what = format!("{} did not install {to}", words.keeper);
    let mut failure = Failure::new("install-failed", what);
    for package in record
        .ours()
        .filter(|package| package.is_half() || to.0.get(&package.name) != Some(&package.version))
    {
        failure = failure.state(
            package.name.as_str(),
            format!("{} {}", package.version, package.told),
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
        .hint(format!(
            "see why in {}; switchback resume tries again",
            words.log
        ))
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
pub(super) fn edited(words: &Words, conffile: &Conffile) -> Problem {
    let (path, offered) = (&conffile.path, words.offered);
    Problem::new(
        Exit::Ok,
        "conffile-edited",
        format!("`{path}` was edited: yours is kept"),
    )
    .why(format!(
        "what the next version has there is put beside it, as .{offered}, to be merged by hand"
    ))
    .hint(format!("afterwards: diff -u {path} {path}.{offered}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_too_long_says_by_whom_and_what_to_type() {
        let holder = Holder {
            pid: 4374,
            name: "unattended-upgr".to_owned(),
        };
        let told = still_locked("dpkg", &holder, Duration::from_secs(1200));
        assert_eq!(
            told.what,
            "`unattended-upgr` (process 4374) holds dpkg's lock"
        );
        let seen = told.state[0].seen.as_deref();
        assert_eq!(seen, Some("locked for 1200 s at least"));
        assert_eq!(
            told.hints,
            ["see what it does: ps -fp 4374; when it is done: switchback resume"]
        );
    }

    #[test]
    fn no_room_is_told_as_such_and_other_failures_are_not() {
        let said =
            |text: &str| Failure::new("host-silent", "cannot download `st2=2.2.0-1`").cause(text);
        let full = said("E: Write error - write (28: No space left on device)");
        assert!(is_no_room(&full));
        assert!(is_no_room(&said(
            "E: You don't have enough free space in /var/cache/apt/archives/."
        )));
        assert!(!is_no_room(&said("E: Unable to fetch some archives")));
        let told = no_room(Path::new("/srv/flow/packages"), "st2=2.2.0-1", full);
        assert_eq!(
            told.what,
            "no room for `st2=2.2.0-1` in `/srv/flow/packages`"
        );
        assert_eq!(told.state[0].subject, "services");
        assert_eq!(told.hints, ["make room there, then switchback resume"]);
    }
}
