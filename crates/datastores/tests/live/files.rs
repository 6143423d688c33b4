//! Files.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::rc::Rc;

use switchback_engine::ports::{Companion, Datastore, Elsewhere, Failure, Finding, Reach};
use switchback_model::RunId;
use switchback_model::observed::{Access, DatastoreLocation};
use switchback_model::plan::BackupState;
use switchback_model::product::DatastoreKind;
use switchback_testkit::contract;

use crate::bench::{Bench, ROLLBACK, UPGRADE, reached};

mod elsewhere;
mod shadow;

const NAME: &str = "blobs";

/// Files have no server; nobody may ask for one.
#[derive(Default)]
pub(crate) struct NoServer {
    /// The machine that they are on.
    pub(crate) there: Option<Rc<dyn Elsewhere>>,
}

impl Reach for NoServer {
    fn inside(
        &self,
        _: switchback_engine::process::Argv,
    ) -> Result<switchback_engine::process::Argv, Failure> {
        Err(Failure::new("test", "files have no server"))
    }
    fn elsewhere(&self) -> Option<Rc<dyn Elsewhere>> {
        self.there.clone()
    }
    fn running(&self, _: &switchback_engine::ports::Context<'_>) -> Result<bool, Failure> {
        Err(Failure::new("test", "files have no server"))
    }
    fn stop(&self, _: &switchback_engine::ports::Context<'_>) -> Result<(), Failure> {
        Err(Failure::new("test", "files have no server"))
    }
    fn start(&self, _: &switchback_engine::ports::Context<'_>) -> Result<(), Failure> {
        Err(Failure::new("test", "files have no server"))
    }
    fn scratch(
        &self,
        _: &switchback_engine::ports::Context<'_>,
        _: &Path,
        _: switchback_engine::process::Argv,
    ) -> Result<Box<dyn switchback_engine::ports::Scratch>, Failure> {
        Err(Failure::new("test", "files have no server"))
    }

    fn accompany(
        &self,
        _: &switchback_engine::ports::Context<'_>,
        _: &str,
        _: &Path,
        _: switchback_engine::process::Argv,
    ) -> Result<Box<dyn Companion>, Failure> {
        Err(Failure::new(
            "no-companion",
            "nothing can be started beside this server",
        ))
    }

    fn companion(
        &self,
        _: &switchback_engine::ports::Context<'_>,
        _: &str,
    ) -> Result<Option<Box<dyn Companion>>, Failure> {
        Ok(None)
    }
}

pub(crate) fn opened(directory: &Path) -> Box<dyn Datastore> {
    let reach = Box::new(NoServer::default());
    switchback_datastores::open(&NAME.into(), &location(directory), reach, None)
}

fn location(directory: &Path) -> DatastoreLocation {
    DatastoreLocation {
        kind: DatastoreKind::Files,
        access: Access::Local,
        host: None,
        port: None,
        database: None,
        user: None,
        password: None,
        directory: Some(directory.display().to_string()),
        server_directory: None,
        options: std::collections::BTreeMap::new(),
    }
}

fn filled(root: &Path) {
    fs::create_dir_all(root.join("pictures/deep/empty")).expect("made");
    fs::write(root.join("pictures/-odd name's\n.png"), [0, 255, 10]).expect("written");
    fs::write(root.join("pictures/deep/one"), "one").expect("written");
    fs::hard_link(root.join("pictures/deep/one"), root.join("pictures/two")).expect("linked");
    symlink("/etc/hostname", root.join("outside")).expect("linked");
    symlink("pictures/deep/one", root.join("inside")).expect("linked");
    let sparse = fs::File::create(root.join("sparse")).expect("made");
    sparse.set_len(8 << 20).expect("a hole");
    fs::set_permissions(root.join("pictures"), fs::Permissions::from_mode(0o2751)).expect("set");
    std::os::unix::fs::chown(root.join("pictures/two"), Some(886), Some(886)).expect("given away");
    std::os::unix::fs::chown(root, Some(886), Some(886)).expect("given away");
}

#[test]
fn keeps_the_contract_with_everything_that_files_can_be() {
    let bench = Bench::new();
    let root = bench.path("blob");
    filled(&root);
    let (before, picture) = (
        fs::metadata(root.join("pictures/two"))
            .expect("there")
            .mtime_nsec(),
        fs::metadata(root.join("pictures")).expect("there").mode(),
    );
    let store = opened(&root);
    bench.within(UPGRADE, |cx| {
        contract::datastore(
            store.as_ref(),
            cx,
            contract::DatastoreTrial {
                name: NAME.into(),
                change: &mut || {
                    fs::write(root.join("pictures/deep/one"), "ONE").expect("written");
                    fs::remove_file(root.join("outside")).expect("removed");
                    fs::write(root.join("new"), "new").expect("written");
                },
            },
        );
    });
    let found = |path: &str| fs::symlink_metadata(root.join(path)).expect("there");
    assert_eq!(
        found("pictures/two").ino(),
        found("pictures/deep/one").ino(),
        "still one file"
    );
    assert_eq!(
        (
            found("pictures/two").uid(),
            found("pictures/two").mtime_nsec()
        ),
        (886, before)
    );
    assert_eq!((found("pictures").mode(), found("").uid()), (picture, 886));
    assert_eq!(
        fs::read_link(root.join("outside")).expect("a link"),
        Path::new("/etc/hostname")
    );
    assert!(
        found("sparse").blocks() * 512 < 1 << 20,
        "still mostly a hole"
    );
    assert!(found("pictures/deep/empty").is_dir() && !root.join("new").exists());
}

#[test]
fn the_second_pass_takes_what_changed_since_the_first() {
    let bench = Bench::new();
    let root = bench.path("blob");
    filled(&root);
    let store = opened(&root);
    bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        assert_eq!(
            store.look(cx, &reached(NAME, BackupState::Prepared)),
            Finding::Holds
        );
        // Same size, and the time set back: only the time of change tells.
        let path = root.join("pictures/-odd name's\n.png");
        let times = fs::metadata(&path)
            .expect("there")
            .modified()
            .expect("a time");
        fs::write(&path, [1, 255, 10]).expect("written");
        fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(times))
            .expect("set back");
        fs::remove_dir_all(root.join("pictures/deep")).expect("removed");
        fs::write(root.join("pictures/deep"), "now a file").expect("written");
        fs::write(root.join("later"), "later").expect("written");
        store.seal(cx).expect("seals");
        store.prove(cx).expect("proves");
    });
    let copy = bench.backup(NAME).join("copy");
    assert_eq!(
        fs::read(copy.join("pictures/-odd name's\n.png")).expect("there"),
        [1, 255, 10]
    );
    assert_eq!(
        fs::read_to_string(copy.join("pictures/deep")).expect("there"),
        "now a file"
    );
    assert!(copy.join("later").exists());
}

#[test]
fn a_directory_that_is_not_there_is_kept_as_that() {
    let bench = Bench::new();
    let root = bench.path("absent/blob");
    let store = opened(&root);
    bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        store.seal(cx).expect("seals");
        store.prove(cx).expect("proves");
    });
    let run = RunId::new(UPGRADE);
    bench.within(ROLLBACK, |cx| {
        store.restore(cx, &run).expect("nothing to restore")
    });
    assert!(!root.exists());
    fs::create_dir_all(&root).expect("made");
    fs::write(root.join("made by the new version"), "x").expect("written");
    std::os::unix::fs::chown(&root, Some(886), Some(886)).expect("given away");
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("set");
    bench.within(ROLLBACK, |cx| {
        store.restore(cx, &run).expect("restores");
        store.release(cx, &run).expect("releases");
    });
    assert_eq!(fs::read_dir(&root).expect("readable").count(), 0);
    let found = fs::metadata(&root).expect("there");
    assert_eq!((found.uid(), found.mode() & 0o7777), (886, 0o755));
}

#[test]
fn a_name_that_cannot_be_kept_is_said_while_the_service_is_up() {
    use std::os::unix::ffi::OsStrExt as _;
    let bench = Bench::new();
    let root = bench.path("blob");
    filled(&root);
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
    fs::write(root.join(name), "x").expect("written");
    let store = opened(&root);
    bench.within(UPGRADE, |cx| {
        let refused = store.prepare(cx).expect_err("not UTF-8");
        assert_eq!(refused.code, "files-name");
        assert!(
            refused.causes[0].starts_with("\"caf\\xE9.png\" in "),
            "{refused:?}"
        );
    });
}

#[test]
fn a_changed_byte_in_the_copy_is_seen_when_proving() {
    let bench = Bench::new();
    let root = bench.path("blob");
    filled(&root);
    let store = opened(&root);
    bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        store.seal(cx).expect("seals");
        fs::write(bench.backup(NAME).join("copy/pictures/deep/one"), "onE").expect("written");
        assert_eq!(store.prove(cx).expect_err("damaged").code, "backup-damaged");
        assert!(
            matches!(
                store.look(cx, &reached(NAME, BackupState::Proven)),
                Finding::Differs { .. }
            ),
            "no longer proven"
        );
        assert_eq!(
            store.restore(cx, cx.run).expect_err("damaged").code,
            "backup-damaged"
        );
    });
    assert_eq!(
        fs::read_to_string(root.join("pictures/deep/one")).expect("there"),
        "one"
    );
}
