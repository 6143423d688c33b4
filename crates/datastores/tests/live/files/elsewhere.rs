//! Files of another machine, with everything between the two but the connection itself.

use std::cell::Cell;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::thread;

use switchback_datastores::{ELSEWHERE, backup, serve_elsewhere};
use switchback_engine::ports::{Datastore, Elsewhere, Failure, Finding, Reach};
use switchback_engine::signal::StopSignal;
use switchback_model::RunId;
use switchback_model::observed::Shadowing;
use switchback_model::plan::{BackupMethod, BackupState};
use switchback_testkit::contract;

use super::shadow::site::{SETTLES, Stage, listing, same};
use super::{NAME, NoServer, filled, location};
use crate::bench::{Bench, ROLLBACK, SmallDisk, UPGRADE};

/// The other machine: another root, the same program in this process.
struct Machine {
    root: PathBuf,
    /// How many calls lose their connection as soon as they say anything.
    cuts: Cell<u32>,
    asked: Cell<u32>,
    /// What is said instead of what was asked.
    garbled: Cell<bool>,
}

/// Hears lines, or is gone.
enum Ear {
    Open(Vec<u8>),
    Gone,
}

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Open(heard) => heard.write(bytes),
            Self::Gone => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Machine {
    fn at(root: PathBuf) -> Rc<Self> {
        Rc::new(Self {
            root,
            cuts: Cell::default(),
            asked: Cell::default(),
            garbled: Cell::default(),
        })
    }

    /// The next `count` connections are lost; how often was asked until then.
    fn cut(&self, count: u32) -> u32 {
        self.cuts.set(count);
        self.asked.get()
    }
}

impl Elsewhere for Machine {
    fn machine(&self) -> &str {
        "machine"
    }

    fn root(&self) -> &Path {
        &self.root
    }

    fn run(&self, words: &[&str], input: &[u8], said: &mut dyn FnMut(&str)) -> Result<(), Failure> {
        assert_eq!(words, [ELSEWHERE]);
        loop {
            self.asked.set(self.asked.get() + 1);
            let stop = StopSignal::default();
            if self.cuts.get() > 0 {
                self.cuts.set(self.cuts.get() - 1);
                serve_elsewhere(input, Ear::Gone, &stop).expect_err("nobody hears it");
                continue;
            }
            let mut ear = Ear::Open(Vec::new());
            let input = if self.garbled.get() { b"{}" } else { input };
            serve_elsewhere(input, &mut ear, &stop).expect("heard");
            let Ear::Open(heard) = ear else { continue };
            String::from_utf8(heard)
                .expect("lines")
                .lines()
                .for_each(said);
            return Ok(());
        }
    }
}

fn reach(machine: &Rc<Machine>) -> Box<dyn Reach> {
    let there: Rc<dyn Elsewhere> = Rc::<Machine>::clone(machine);
    Box::new(NoServer { there: Some(there) })
}

fn opened(machine: &Rc<Machine>, directory: &Path) -> Box<dyn Datastore> {
    switchback_datastores::open(&NAME.into(), &location(directory), reach(machine), None)
}

/// Everything that files can be, over there, kept by a shadow.
fn stage() -> (Rc<Machine>, Stage) {
    let stage = Stage::with_everything();
    let machine = Machine::at(stage.bench.path("machine"));
    let store = opened(&machine, &stage.root);
    (machine, stage.kept_by(store))
}

/// What is over there below a directory of ours.
fn names(directory: &Path) -> Vec<String> {
    let found = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = found.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with(".busy-")).collect()
}

#[test]
fn keeps_the_contract_over_there_too() {
    let bench = Bench::new();
    let root = bench.path("blob");
    filled(&root);
    let store = opened(&Machine::at(bench.path("machine")), &root);
    bench.within(UPGRADE, |cx| {
        contract::datastore(
            store.as_ref(),
            cx,
            contract::DatastoreTrial {
                name: NAME.into(),
                change: &mut || fs::write(root.join("new"), "new").expect("written"),
            },
        );
    });
    assert_eq!(names(&bench.backup(NAME)), ["manifest.json"]);
}

#[test]
fn everything_goes_into_the_shadow_over_there_and_comes_back() {
    let (machine, stage) = stage();
    let shadows = machine.root.join("shadows");
    stage.prepare();
    stage.prove();
    stage.seal();
    let before = listing(&stage.root);
    same(&listing(&stage.copy()), &before);
    // Here is what is known of it, and nothing else.
    assert_eq!(names(&stage.bench.backup(NAME)), ["manifest.json"]);
    let kept = backup::manifest_in(&stage.bench.backup(NAME)).expect("readable");
    let kept = kept.expect("there");
    assert_eq!(
        (kept.state, kept.method),
        (BackupState::Proven, BackupMethod::Shadow)
    );
    let there = kept.there.expect("elsewhere");
    assert_eq!(there.machine, "machine");
    assert!(there.backups.starts_with(&shadows), "{there:?}");
    let run = RunId::new(UPGRADE);
    fs::write(stage.root.join("large"), "migrated").expect("written");
    fs::remove_file(stage.root.join("outside")).expect("removed");
    assert!(!stage.is_restored(ROLLBACK));
    stage.bench.within(ROLLBACK, |cx| {
        stage.store.clean(cx).expect("cleans");
        stage.store.restore(cx, &run).expect("restores");
        stage.store.restore(cx, &run).expect("is back already");
    });
    assert!(stage.is_restored(ROLLBACK));
    same(&listing(&stage.root), &before);
    stage.bench.within(ROLLBACK, |cx| {
        stage.store.release(cx, &run).expect("releases");
        stage.store.forget(cx, &run).expect("forgets");
        stage.store.forget(cx, &run).expect("has forgotten");
    });
    assert_eq!(names(&shadows), [""; 0], "left over there");
    same(&listing(&stage.root), &before);
}

#[test]
fn a_call_that_was_cut_off_is_asked_again_and_goes_on() {
    let (machine, stage) = stage();
    thread::sleep(SETTLES);
    let before = machine.cut(2);
    stage.upgrade(|cx| stage.store.prepare(cx).expect("prepares"));
    assert_eq!(machine.asked.get(), before + 3);
    assert_eq!(stage.reached(BackupState::Prepared), Finding::Holds);
    machine.cut(1);
    stage.prove();
    fs::write(stage.root.join("pictures/deep/one"), "while up").expect("written");
    machine.cut(1);
    stage.seal();
    let sealed = listing(&stage.root);
    same(&listing(&stage.copy()), &sealed);
    fs::write(stage.root.join("large"), "migrated").expect("written");
    machine.cut(1);
    let run = RunId::new(UPGRADE);
    stage.bench.within(ROLLBACK, |cx| {
        stage.store.restore(cx, &run).expect("restores")
    });
    assert!(stage.is_restored(ROLLBACK));
    same(&listing(&stage.root), &sealed);
}

#[test]
fn a_flipped_byte_over_there_is_found_and_told_with_the_machine() {
    let (_machine, stage) = stage();
    thread::sleep(SETTLES);
    stage.prepare();
    stage.flip("large", 2 << 20);
    let refused = stage.upgrade(|cx| stage.store.prove(cx).expect_err("a flipped byte"));
    assert_eq!(
        (
            refused.code.as_str(),
            refused.what.as_str(),
            &refused.causes[0][..]
        ),
        (
            "backup-differs",
            "the shadow of `blobs` does not hold what the original holds (on `machine`)",
            "\"large\" has other bytes"
        )
    );
    assert!(refused.hints[0].contains("then resume"), "{refused:?}");
    stage.prove();
    stage.seal();
}

#[test]
fn no_room_over_there_is_said_before_anything_is_copied() {
    let bench = Bench::new();
    let disk = SmallDisk::mount(&bench.path("disk"), 64);
    let root = disk.0.join("blob");
    fs::create_dir_all(&root).expect("made");
    fs::write(root.join("large"), vec![7; 40 << 20]).expect("written");
    let machine = Machine::at(bench.path("machine"));
    let store = opened(&machine, &root);
    let stage = Stage::set(root, bench).kept_by(store);
    let refused = stage.upgrade(|cx| stage.store.prepare(cx).expect_err("no room"));
    assert_eq!(refused.code, "disk-full");
    assert!(
        refused.what.ends_with(" are free (on `machine`)"),
        "{refused:?}"
    );
    fs::write(stage.root.join("large"), vec![7; 8 << 20]).expect("written");
    stage.prepare();
}

/// Says that a test is the one that root's right to read everything was taken from.
const BOUNDED: &str = "SWITCHBACK_TEST_BOUNDED";

/// Runs this test once more, as a root that may not read what is not its own: as a server that exports a network
/// filesystem has it. True in that process.
fn as_bounded_root(test: &str) -> bool {
    if std::env::var_os(BOUNDED).is_some() {
        return true;
    }
    let ended = Command::new("setpriv")
        .args(["--bounding-set", "-dac_override,-dac_read_search"])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", test, "--nocapture"])
        .env(BOUNDED, "1")
        .status()
        .expect("setpriv is there");
    assert!(ended.success(), "{ended}");
    false
}

/// Nobody but user 7 may read it.
fn close(path: &Path) {
    std::os::unix::fs::chown(path, Some(7), Some(7)).expect("given away");
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("closed");
}

fn unreadable(failure: Failure, what: &str, path: &Path) {
    assert_eq!(
        (failure.code.as_str(), failure.what.as_str()),
        ("files-unreadable", what)
    );
    let named = format!("cannot read {}", path.display());
    assert_eq!(
        failure.causes,
        ["Permission denied (os error 13)", named.as_str()]
    );
    assert!(
        failure.hints[0].starts_with("let root read it, then resume: "),
        "{:?}",
        failure.hints
    );
}

#[test]
fn what_even_root_may_not_read_over_there_is_named_with_who_can_change_that() {
    let name = "files::elsewhere::what_even_root_may_not_read_over_there_is_named_with_who_can_change_that";
    if !as_bounded_root(name) {
        return;
    }
    let bench = Bench::new();
    let root = bench.path("blob");
    fs::create_dir_all(root.join("pictures/deep")).expect("made");
    let machine = Machine::at(bench.path("machine"));
    let store = opened(&machine, &root);
    let stage = Stage::set(root, bench).kept_by(store);
    let secret = stage.root.join("pictures/secret");
    fs::write(&secret, "of user 7").expect("written");
    close(&secret);
    let refused = stage.upgrade(|cx| stage.store.prepare(cx).expect_err("unreadable"));
    unreadable(refused, "cannot copy `blobs` (on `machine`)", &secret);
    // With a directory it is known before there is a plan.
    let closed = stage.root.join("pictures/deep");
    close(&closed);
    let directory = location(&stage.root);
    let commands = &stage.bench.commands;
    let refused =
        switchback_datastores::survey(&NAME.into(), &directory, reach(&machine), None, commands);
    let what = format!(
        "cannot read `blobs` in {} (on `machine`)",
        stage.root.display()
    );
    unreadable(refused.expect_err("unreadable"), &what, &closed);
    for path in [&secret, &closed] {
        std::os::unix::fs::chown(path, Some(0), Some(0)).expect("given back");
    }
    stage.prepare();
    stage.prove();
    same(&listing(&stage.copy()), &listing(&stage.root));
}

#[test]
fn a_survey_over_there_is_one_as_here() {
    let bench = Bench::new();
    let root = bench.path("blob");
    filled(&root);
    let machine = Machine::at(bench.path("machine"));
    let survey = |machine: &Rc<Machine>| {
        let commands = &bench.commands;
        switchback_datastores::survey(
            &NAME.into(),
            &location(&root),
            reach(machine),
            None,
            commands,
        )
    };
    let found = survey(&machine).expect("looked at");
    assert_eq!(found.shadow, Shadowing::Possible);
    assert_eq!(found.count, Some(6));
    assert!(!machine.root.exists(), "whoever looks leaves nothing");
    machine.garbled.set(true);
    let refused = survey(&machine).expect_err("not understood");
    assert_eq!(refused.code, "elsewhere-other");
    assert!(
        refused.hints[0].contains("switchback --version"),
        "{refused:?}"
    );
}

#[test]
fn what_is_declined_is_not_asked_for() {
    let (machine, stage) = stage();
    stage.bench.decline(NAME);
    stage.upgrade(|cx| {
        let reachable = switchback_model::plan::Expectation::Reachable {
            datastore: NAME.into(),
        };
        assert_eq!(stage.store.look(cx, &reachable), Finding::Holds);
        stage.store.clean(cx).expect("nothing to clean");
    });
    assert_eq!(machine.asked.get(), 0);
}
