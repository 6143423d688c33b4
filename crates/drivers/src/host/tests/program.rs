//! A program that is brought to another machine: a script stands in for ours.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use switchback_engine::ports::{Elsewhere as _, Failure};

use super::super::program::Program;
use super::super::{Far, problems};
use super::commands;
use super::sshd::Sshd;

const VERSION: &str = "switchback 9.9.9-test";

/// Says its version, or what it was given.
const SCRIPT: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then echo "switchback 9.9.9-test"; exit; fi
echo "$1" && cat && echo
"#;

/// A machine, and the program that is to be run there.
struct Stage {
    sshd: Sshd,
    file: PathBuf,
    root: PathBuf,
}

impl Stage {
    fn set(script: &str) -> Option<Self> {
        let sshd = Sshd::start()?;
        let file = sshd.directory().join("ours");
        fs::write(&file, script).expect("written");
        let root = sshd.directory().join("over there");
        Some(Self { sshd, file, root })
    }

    /// A new connection, which knows nothing yet.
    fn far(&self) -> Far {
        self.far_with(&self.root)
    }

    fn far_with(&self, root: &Path) -> Far {
        let config = Some(self.sshd.client_config());
        let mut far = Far::new("machine", config, commands(self.sshd.directory()));
        far.program = Program::of(self.file.clone(), root.to_owned(), VERSION);
        far
    }

    /// The program over there.
    fn placed(&self) -> PathBuf {
        let programs = fs::read_dir(self.root.join("programs")).expect("made");
        let all: Vec<PathBuf> = programs
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].join("switchback")
    }
}

fn ask(far: &Far, words: &[&str], input: &[u8]) -> Result<Vec<String>, Failure> {
    let mut heard = Vec::new();
    far.run(words, input, &mut |line| heard.push(line.to_owned()))?;
    Ok(heard)
}

#[test]
fn it_is_brought_once_and_again_where_it_is_no_longer_what_it_was() {
    let Some(stage) = Stage::set(SCRIPT) else {
        return;
    };
    let asked = |far: &Far| ask(far, &["elsewhere"], b"one\ntwo");
    let far = stage.far();
    assert_eq!(asked(&far).expect("answered"), ["elsewhere", "one", "two"]);
    let placed = stage.placed();
    let before = fs::metadata(&placed).expect("there");
    assert_eq!(before.permissions().mode() & 0o777, 0o700);
    let above = fs::metadata(placed.parent().expect("a directory")).expect("there");
    assert_eq!(above.permissions().mode() & 0o777, 0o700);
    asked(&far).expect("answered");
    asked(&stage.far()).expect("answered");
    assert_eq!(fs::metadata(&placed).expect("there").ino(), before.ino());

    fs::write(
        &placed,
        "#!/bin/sh\necho 'switchback 9.9.9-test'; echo evil",
    )
    .expect("written");
    assert_eq!(
        asked(&stage.far()).expect("answered"),
        ["elsewhere", "one", "two"]
    );
    assert_ne!(fs::metadata(&placed).expect("there").ino(), before.ino());
}

#[test]
fn a_call_whose_connection_was_lost_is_asked_again() {
    let waits = SCRIPT.replace(
        "echo \"$1\" && cat",
        "date > \"$2/begun\"; until [ -e \"$2/go\" ] || ! echo waiting; do sleep 0.05; done; cat",
    );
    let Some(stage) = Stage::set(&waits) else {
        return;
    };
    let place = stage.sshd.directory().to_owned();
    let far = stage.far();
    let shown = place.to_string_lossy().into_owned();
    let mut cut = false;
    let mut last = String::new();
    far.run(&["elsewhere", &shown], b"the answer", &mut |line| {
        if !cut {
            stage.sshd.cut_connections();
            fs::write(place.join("go"), "").expect("written");
            cut = true;
        }
        last = line.to_owned();
    })
    .expect("asked again");
    assert!(cut);
    assert_eq!(last, "the answer");
}

#[test]
fn what_keeps_it_from_being_there_is_told_with_a_way_on() {
    let Some(stage) = Stage::set(SCRIPT) else {
        return;
    };
    // Root may write everywhere but where there is nothing to write to.
    let far = stage.far_with(Path::new("/proc/switchback"));
    let failure = ask(&far, &["elsewhere"], b"").expect_err("no place");
    assert_eq!(failure.code, "program-not-placed");
    assert!(
        failure
            .what
            .starts_with("cannot put switchback on `machine`: /proc/switchback/programs/"),
        "{failure:?}"
    );
    assert!(
        failure.causes[0].contains("cannot create directory"),
        "{failure:?}"
    );
    assert!(failure.hints[0].starts_with("make room in /proc/switchback over there"));
    assert_eq!(failure.state[0].seen.as_deref(), Some("not touched"));

    let old = "#!/bin/sh\necho \"/lib/libc.so.6: version 'GLIBC_2.99' not found\" >&2; exit 1";
    fs::write(&stage.file, old).expect("written");
    let failure = ask(&stage.far(), &["elsewhere"], b"").expect_err("it does not start");
    assert_eq!(failure.code, "program-cannot-run");
    assert_eq!(failure.what, "switchback cannot run on `machine`");
    assert!(failure.causes[0].contains("GLIBC_2.99"), "{failure:?}");
    assert!(
        failure.causes[1].starts_with("switchback installed there: "),
        "{failure:?}"
    );
    assert!(failure.hints[0].contains(VERSION), "{failure:?}");
    // Bytes of no kind that a kernel starts.
    fs::write(&stage.file, [0x7f, b'E', b'L', b'F', 9, 9]).expect("written");
    let failure = ask(&stage.far(), &["elsewhere"], b"").expect_err("it does not start");
    assert_eq!(failure.code, "program-cannot-run");
}

#[test]
fn one_that_ends_in_the_middle_says_so() {
    let Some(stage) = Stage::set(&SCRIPT.replace("cat", "echo 'out of memory' >&2; exit 3")) else {
        return;
    };
    let failure = ask(&stage.far(), &["elsewhere"], b"").expect_err("it ended");
    assert_eq!(failure.code, "elsewhere-ended");
    assert_eq!(failure.what, "switchback on `machine` ended in the middle");
    assert!(failure.causes[0].ends_with("exited with 3"), "{failure:?}");
    assert_eq!(failure.causes[1], "out of memory");
    assert!(!problems::is_of_the_line(&failure));
}
