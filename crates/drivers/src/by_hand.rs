//! Whether a person's work is done, as far as it can be seen on the machine of the deployment.

use std::collections::BTreeSet;
use std::path::Path;

use switchback_engine::ports::Finding;
use switchback_engine::process::Argv;
use switchback_model::hand_work::DoneWhen;
use switchback_model::pattern;

use crate::host::Host;

/// Seconds after which a command that only looks is taken for one that does not answer.
const PATIENCE: &str = "60";
/// The exit code of `timeout` for a command that it ended.
const TIMED_OUT: i32 = 124;
/// Lines of a packaged text that are told; the files say the rest.
const TOLD: usize = 6;
/// What package managers call the text that they put beside a file which they left as it was.
const OFFERS: [&str; 3] = ["dpkg-dist", "ucf-dist", "rpmnew"];

/// Looks whether it is done.
pub(crate) fn look(host: &Host, done: &DoneWhen) -> Finding {
    match done {
        DoneWhen::Said => Finding::Unknown {
            why: "only a person can say so".to_owned(),
        },
        DoneWhen::Command(run) => command(host, run),
        DoneWhen::File { path, lines } => file(host, path, lines),
        DoneWhen::Merged(files) => merged(host, files),
        DoneWhen::Server(is) => Finding::Unknown {
            why: format!("only `{}` itself can say what its server is", is.datastore),
        },
    }
}

fn command(host: &Host, run: &[String]) -> Finding {
    let words = [PATIENCE.to_owned()].into_iter().chain(run.iter().cloned());
    let finished = host.run_any(&Argv::new("timeout", words), "cannot look");
    let told = run.join(" ");
    match finished {
        Err(failure) => Finding::Unknown { why: failure.what },
        Ok(finished) if finished.code == 0 => Finding::Holds,
        Ok(finished) if finished.code == TIMED_OUT => Finding::Unknown {
            why: format!("`{told}` did not end within {PATIENCE} s"),
        },
        Ok(finished) => Finding::Differs {
            found: format!("`{told}` exited with {}", finished.code),
        },
    }
}

fn file(host: &Host, path: &str, wanted: &[String]) -> Finding {
    let text = match host.text_if_there(Path::new(path)) {
        Ok(text) => text.unwrap_or_default(),
        Err(error) => return unread(path, &error),
    };
    let has = |wanted: &&String| {
        let mut lines = text.lines();
        lines.any(|line| pattern::matches(wanted, line.trim()))
    };
    let missing: Vec<String> = wanted
        .iter()
        .filter(|line| !has(line))
        .map(|line| format!("`{line}`"))
        .collect();
    if missing.is_empty() {
        return Finding::Holds;
    }
    Finding::Differs {
        found: format!("`{path}` has no line {}", missing.join(", ")),
    }
}

/// What is told of a packaged text is in everybody's package; a difference of the two files would show passwords.
fn merged(host: &Host, files: &[String]) -> Finding {
    let mut found = Vec::new();
    for path in files {
        for offer in OFFERS.map(|offer| format!("{path}.{offer}")) {
            let packaged = match host.text_if_there(Path::new(&offer)) {
                Ok(Some(packaged)) => packaged,
                Ok(None) => continue,
                Err(error) => return unread(&offer, &error),
            };
            let own = match host.text_if_there(Path::new(path)) {
                Ok(own) => own.unwrap_or_default(),
                Err(error) => return unread(path, &error),
            };
            let missing = missing(&own, &packaged);
            if !missing.is_empty() {
                found.push(lacks(path, &offer, &missing));
            }
        }
    }
    if found.is_empty() {
        return Finding::Holds;
    }
    Finding::Differs {
        found: found.join("; "),
    }
}

/// Lines that say something in the packaged text and are not in one's own.
fn missing<'t>(own: &str, packaged: &'t str) -> Vec<&'t str> {
    let own: BTreeSet<&str> = own.lines().map(str::trim).collect();
    let says = |line: &&str| !line.is_empty() && !line.starts_with(['#', ';']);
    let lines = packaged.lines().map(str::trim).filter(says);
    lines.filter(|line| !own.contains(line)).collect()
}

fn lacks(path: &str, offer: &str, missing: &[&str]) -> String {
    let told: Vec<String> = missing
        .iter()
        .take(TOLD)
        .map(|line| format!("`{line}`"))
        .collect();
    let more = match missing.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "`{path}` lacks of the packaged text: {}{more}; all of it: diff -u {path} {offer}",
        told.join(", ")
    )
}

fn unread(path: &str, error: &std::io::Error) -> Finding {
    Finding::Unknown {
        why: format!("cannot read `{path}`: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use switchback_engine::process::Commands;
    use switchback_engine::redact::Redactor;
    use switchback_engine::signal::StopSignal;

    use super::*;

    fn here(directory: &tempfile::TempDir) -> Host {
        let children = directory.path().join("children");
        let (redactor, stop) = (Redactor::default(), StopSignal::default());
        Host::Here(Commands::new(children, redactor, stop))
    }

    fn words(all: &[&str]) -> Vec<String> {
        all.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_command_says_by_its_exit_code_whether_it_is_done() {
        let directory = tempfile::tempdir().expect("a directory");
        let looked = |run: &[&str]| look(&here(&directory), &DoneWhen::Command(words(run)));
        assert_eq!(looked(&["true"]), Finding::Holds);
        let Finding::Differs { found } = looked(&["sh", "-c", "exit 3"]) else {
            panic!("it is not done");
        };
        assert_eq!(found, "`sh -c exit 3` exited with 3");
    }

    #[test]
    fn every_line_has_to_be_in_the_file_and_not_in_a_remark() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("st2.conf");
        let looked = |text: &str| {
            fs::write(&path, text).expect("it can be written");
            look(
                &here(&directory),
                &DoneWhen::File {
                    path: path.display().to_string(),
                    lines: words(&["[rbac]", "backend*=*default"]),
                },
            )
        };
        assert_eq!(looked("[rbac]\nbackend = default\n"), Finding::Holds);
        let Finding::Differs { found } = looked("[rbac]\n# backend = default\n") else {
            panic!("a remark sets nothing");
        };
        assert!(
            found.ends_with("has no line `backend*=*default`"),
            "{found}"
        );
    }

    #[test]
    fn of_a_merge_the_packaged_lines_are_told_and_nothing_of_ones_own() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("st2.conf");
        let done = DoneWhen::Merged(vec![path.display().to_string()]);
        fs::write(&path, "[database]\npassword = Ch@ngeMe\n").expect("it can be written");
        assert_eq!(
            look(&here(&directory), &done),
            Finding::Holds,
            "nothing is offered"
        );
        let offer = directory.path().join("st2.conf.dpkg-dist");
        fs::write(
            &offer,
            "[database]\n# where\n[coordination]\nurl = redis://\n",
        )
        .expect("it can be written");
        let Finding::Differs { found } = look(&here(&directory), &done) else {
            panic!("it is not merged");
        };
        assert!(
            found.contains("lacks of the packaged text: `[coordination]`, `url = redis://`;"),
            "{found}"
        );
        assert!(!found.contains("Ch@ngeMe"), "{found}");
        fs::write(
            &path,
            "[database]\npassword = x\n[coordination]\nurl = redis://\n",
        )
        .expect("it can be written");
        assert_eq!(look(&here(&directory), &done), Finding::Holds);
    }
}
