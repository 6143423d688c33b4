//! An engine that goes away in the middle: a door before the real one, which is shut.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use switchback_engine::ports::CompanionState;

use super::*;

/// Listens for the real engine, until it is shut.
struct Door {
    socket: PathBuf,
    streams: Arc<Mutex<Vec<UnixStream>>>,
}

impl Door {
    fn open(directory: &Path) -> Self {
        let socket = directory.join("engine.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let streams: Arc<Mutex<Vec<UnixStream>>> = Arc::default();
        let passing = Arc::clone(&streams);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let engine = UnixStream::connect("/var/run/docker.sock").expect("an engine");
                let mut passing = passing.lock().expect("no panic");
                for (from, to) in [(&client, &engine), (&engine, &client)] {
                    passing.push(from.try_clone().expect("clone"));
                    let (mut from, mut to) = (
                        from.try_clone().expect("clone"),
                        to.try_clone().expect("clone"),
                    );
                    std::thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { socket, streams }
    }

    /// From now on nobody is there.
    fn shut(&self) {
        fs::remove_file(&self.socket).expect("removed");
        for stream in self.streams.lock().expect("no panic").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// What failed, what state things are in, what to type next.
fn in_three_parts(failure: &Failure) {
    assert_eq!(failure.code, "docker-engine-down", "{failure:?}");
    assert!(!failure.causes.is_empty(), "{failure:?}");
    // What nobody could look at is not claimed.
    assert!(
        failure.state.iter().any(|state| state.seen.is_none()),
        "{failure:?}"
    );
    assert!(failure.hints[0].contains("start"), "{failure:?}");
}

#[test]
fn an_engine_that_goes_away_is_told_and_a_companion_found_when_it_is_back() {
    let Some(lab) = lab() else { return };
    lab.up();
    let directory = lab.directory.path().join("shadow");
    fs::create_dir_all(&directory).expect("directory");
    let door = Door::open(lab.directory.path());
    let deployment = lab.open();
    let engine = Engine::connect(&format!("unix://{}", door.socket.display()));
    let engine = engine.expect("answers");
    deployment.shared.engine.set(engine).expect("not asked yet");
    let reach = deployment.reach(&store());
    let driver = deployment.driver();
    let stop = StopSignal::default();
    let follow = || Argv::new("sleep", ["1000"]);
    lab.with("r-door", &stop, |cx| {
        let companion = reach
            .accompany(cx, "standby", &directory, follow())
            .expect("starts");
        assert_eq!(companion.state(), Ok(CompanionState::Running));
        door.shut();
        in_three_parts(&companion.state().expect_err("nobody there"));
        in_three_parts(&companion.output(cx).expect_err("nobody there"));
        in_three_parts(&companion.end(cx, "SIGTERM").expect_err("nobody there"));
        let found = reach.companion(cx, "standby");
        in_three_parts(&found.err().expect("nobody there"));
        let another = reach.accompany(cx, "other", &directory, follow());
        in_three_parts(&another.err().expect("nobody there"));
        in_three_parts(&reach.running(cx).expect_err("nobody there"));
        in_three_parts(&driver.clean(cx).expect_err("nobody there"));
        let looked = driver.look(
            cx,
            &Expectation::Running {
                services: vec![ServiceName::new("app")],
            },
        );
        assert!(matches!(looked, Finding::Unknown { .. }), "{looked:?}");
    });
    // It is back: nothing was lost of what ran on.
    let deployment = lab.open();
    let reach = deployment.reach(&store());
    lab.with("r-door", &stop, |cx| {
        let found = reach.companion(cx, "standby").expect("can look");
        let companion = found.expect("runs on");
        assert_eq!(companion.state(), Ok(CompanionState::Running));
        deployment.driver().clean(cx).expect("cleans");
    });
    assert_eq!(left_of("r-door"), "");
}
