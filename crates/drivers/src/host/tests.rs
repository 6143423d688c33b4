//! The same questions to this machine and, over a real connection, to the same machine as if it were another:
//! `sshd` on a port of the loopback interface, with keys of its own.

mod program;
mod sshd;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use rustix::process::Signal;
use switchback_engine::ports::{Context, MigrationTrace, Silent};
use switchback_engine::process::{Argv, Commands, Secret};
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::{Digest, RunId, StepNumber};
use switchback_testkit::plans;

use self::sshd::Sshd;
use super::{Far, Host, failure_of};
use crate::detached::one_off::OneOff;
use crate::filesystem::Use;

fn commands(directory: &Path) -> Commands {
    let children = directory.join("children");
    Commands::new(children, Redactor::default(), StopSignal::default())
}

fn far(sshd: &Sshd) -> Host {
    let config = Some(sshd.client_config());
    Host::Far(Rc::new(Far::new(
        "machine",
        config,
        commands(sshd.directory()),
    )))
}

/// Everything that can be done with files, and what came of it.
fn files(host: &Host, root: &Path) -> Vec<String> {
    let mut told = Vec::new();
    let mut tell = |what: &str, found: io::Result<String>| {
        told.push(match found {
            Ok(found) => format!("{what}: {found}"),
            Err(error) => format!("{what}: {:?}", error.kind()),
        });
    };
    let done = |done: io::Result<()>| done.map(|()| "done".to_owned());
    let file = root.join("a b/it's $HOME.txt");
    let bytes: Vec<u8> = (0..=255u8).cycle().take(70_000).collect();
    tell("read nothing", host.text(&file));
    tell("write", done(host.write(&file, &bytes)));
    tell(
        "read",
        host.read(&file).map(|read| (read == bytes).to_string()),
    );
    tell(
        "read on",
        host.read_from(&file, 69_990)
            .map(|read| read.len().to_string()),
    );
    tell(
        "digest",
        host.digest(&file)
            .map(|found| (found == Digest::of(&bytes)).to_string()),
    );
    tell("exists", host.exists(&file).map(|found| found.to_string()));
    tell(
        "is no file",
        host.is_file(root).map(|found| found.to_string()),
    );
    tell("copy", done(host.copy(&file, &root.join("copy"))));
    tell(
        "rename",
        done(host.rename(&root.join("copy"), &root.join("moved"))),
    );
    tell(
        "rename nothing",
        done(host.rename(&root.join("copy"), &root.join("none"))),
    );
    tell(
        "directory",
        done(host.make_directory(&root.join("one/two"))),
    );
    let names = host.list(root).map(|mut names| {
        names.sort();
        names.join(" ")
    });
    tell("list", names);
    tell(
        "list nothing",
        host.list(&root.join("none")).map(|names| names.join(" ")),
    );
    tell(
        "size",
        host.tree_size(root)
            .map(|(count, size)| format!("{count} {size}")),
    );
    tell("sync", done(host.sync(&root.join("moved"))));
    tell("remove", done(host.remove(&root.join("moved"))));
    tell("remove nothing", done(host.remove(&root.join("moved"))));
    tell(
        "remove what is full",
        done(host.remove_empty(&root.join("one"))),
    );
    tell("remove a tree", done(host.remove_tree(&root.join("one"))));
    tell(
        "write below a file",
        done(host.write(&file.join("below"), "x")),
    );
    told
}

#[test]
fn files_over_there_are_as_here() {
    let Some(sshd) = Sshd::start() else { return };
    let roots = [(); 2].map(|()| tempfile::tempdir().expect("temporary directory"));
    let here = files(&Host::Here(commands(sshd.directory())), roots[0].path());
    let there = files(&far(&sshd), roots[1].path());
    assert_eq!(here, there);
    assert!(here.contains(&"read: true".to_owned()), "{here:?}");
    assert!(
        here.contains(&"read nothing: NotFound".to_owned()),
        "{here:?}"
    );
}

#[test]
fn processes_space_and_secrets_over_there() {
    let Some(sshd) = Sshd::start() else { return };
    let host = far(&sshd);
    let own = i32::try_from(std::process::id()).expect("a pid");
    let all = host.processes().expect("seen");
    let seen = all
        .iter()
        .find(|seen| seen.process.pid() == own)
        .expect("this one");
    assert_eq!(
        seen.words,
        crate::host::process::Process::with_pid(own)
            .expect("alive")
            .arguments()
    );
    assert_eq!(host.lives(seen.process).ok(), Some(true));
    assert!(host.processor_time(own).expect("seen").expect("alive") > Duration::ZERO);
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .expect("started");
    let pid = i32::try_from(child.id()).expect("a pid");
    let process = crate::host::process::Process::with_pid(pid).expect("alive");
    host.signal(&[process], Signal::TERM).expect("sent");
    child.wait().expect("it was ended");
    assert_eq!(host.lives(process).ok(), Some(false));
    let found = host.filesystems(&[Use::new("/tmp/not/yet", "packages", true)]);
    assert_eq!(found[0].path, "machine:/tmp/not/yet");
    assert!(found[0].writable && found[0].free > 0 && found[0].free <= found[0].total);
    // Both sides of the connection are this machine: neither shows it.
    let look = "grep -alE 'hunter[2]' /proc/[0-9]*/cmdline; echo \"got $TOKEN\"";
    let argv = Argv::new("sh", ["-c", look]).env("TOKEN", Secret::new("hunter2"));
    assert_eq!(host.capture(&argv, "").expect("answered"), "got hunter2\n");
    let failed = Argv::new("sh", ["-c", "echo \"no $TOKEN\" >&2; exit 3"])
        .env("TOKEN", Secret::new("hunter2"));
    let failure = host.capture(&failed, "cannot ask").expect_err("it failed");
    assert!(failure.causes[0].ends_with("exited with 3"), "{failure:?}");
    assert_eq!(failure.causes[1], "no •••");
}

#[test]
fn what_was_begun_over_there_outlives_the_connection_and_is_begun_once() {
    let Some(sshd) = Sshd::start() else { return };
    let host = far(&sshd);
    let root = tempfile::tempdir().expect("temporary directory");
    let one = OneOff::at(&host, root.path().join("one"));
    let go_on = root.path().join("go-on");
    let script = format!(
        "echo begun >> '{0}/times'; while ! test -e '{1}'; do sleep 0.05; done; echo ended; exit 7",
        root.path().display(),
        go_on.display()
    );
    let program: Vec<String> = ["sh", "-c", &script].map(str::to_owned).into();
    one.begin("it", &program, &[], root.path())
        .map_err(|_| ())
        .expect("begun");
    assert_eq!(one.trace(), Ok(MigrationTrace::Running));
    sshd.cut_connections();
    assert_eq!(
        one.trace(),
        Ok(MigrationTrace::Running),
        "looked at over a new connection"
    );
    // As after an answer that was lost: the second finds the first and leaves it alone.
    let again = OneOff::at(&host, root.path().join("one"));
    again
        .begin("it", &program, &[], root.path())
        .map_err(|_| ())
        .expect("seen");
    fs::write(&go_on, "").expect("written");
    let (plan, stop) = (plans::smallest(), StopSignal::default());
    let cx = Context {
        plan: &plan,
        run: &RunId::new("r-1"),
        step: StepNumber(1),
        backups: root.path(),
        commands: &commands(sshd.directory()),
        progress: &Silent,
        stop: &stop,
    };
    let log = one.follow(&cx, "it").expect("followed");
    assert_eq!(log.text(), "ended");
    assert_eq!(one.trace(), Ok(MigrationTrace::Exited { code: 7 }));
    let times = fs::read_to_string(root.path().join("times")).expect("written");
    assert_eq!(times, "begun\n");
    assert_eq!(one.what(), Ok(Some("it".to_owned())));
    one.remove().expect("removed");
    assert_eq!(one.trace(), Ok(MigrationTrace::NeverStarted));
}

#[test]
fn a_port_over_there_is_reached_from_here_after_a_cut_too() {
    let Some(sshd) = Sshd::start() else { return };
    let host = far(&sshd);
    let server = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = server.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.expect("accepted");
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let mut bases = Vec::new();
    for _ in 0..2 {
        let base = host.base(port).expect("forwarded");
        assert_ne!(base, format!("http://127.0.0.1:{port}"));
        let agent = crate::http::agent(&base, false, Duration::from_secs(10));
        let answer = agent.get(&base).call().expect("answered");
        assert_eq!(answer.status(), 200);
        bases.push(base);
        sshd.cut_connections();
    }
    assert_eq!(bases[0], bases[1]);
}

#[test]
fn what_stands_between_is_told_with_a_way_on() {
    let Some(mut sshd) = Sshd::start() else {
        return;
    };
    let asked = |sshd: &Sshd| {
        let error = far(sshd)
            .text(Path::new("/etc/hostname"))
            .expect_err("no way");
        failure_of(&error).expect("it is of the way")
    };
    sshd.trust_no_key();
    let failure = asked(&sshd);
    assert_eq!(failure.what, "the host key of `machine` is not known here");
    sshd.trust_another_key();
    let failure = asked(&sshd);
    assert_eq!(
        failure.what,
        "`machine` shows another host key than it did before"
    );
    assert!(failure.causes[0].contains("known_hosts:1"), "{failure:?}");
    sshd.trust();
    sshd.let_nobody_in();
    let failure = asked(&sshd);
    assert_eq!(
        failure.what,
        "`machine` takes none of the keys that ssh has here"
    );
    assert!(
        failure.causes[0].contains("Permission denied"),
        "{failure:?}"
    );
    sshd.stop();
    let failure = asked(&sshd);
    assert_eq!(failure.what, "`machine` cannot be reached");
    assert!(
        failure.causes[0].contains("Connection refused"),
        "{failure:?}"
    );
    assert_eq!(failure.state[0].seen.as_deref(), Some("not touched"));
    assert!(failure.hints[0].contains("ssh machine true"), "{failure:?}");
}
