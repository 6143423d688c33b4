//! Companions beside a real Redis server.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use switchback_engine::ports::{Companion, CompanionState, Reach};

use super::*;

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port().to_string()
}

/// What `words` answer on the server with this socket, once it is `wanted`.
fn answers(cx: &Context<'_>, socket: &str, words: &[&str], wanted: &str) {
    let argv = Argv::new("redis-cli", ["--raw", "-s", socket]).args(words.iter().copied());
    let mut last = String::new();
    for _ in 0..200 {
        last = cx.commands.capture(&argv).unwrap_or_default();
        if last.trim() == wanted {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{words:?} answer `{last}`, not `{wanted}`");
}

/// Whether a user gets to a directory that is open to its owner.
fn may_read(directory: &Path, user: &str) -> bool {
    Command::new("setpriv")
        .args(["--reuid", user, "--regid", user, "--clear-groups"])
        .args(["ls", &directory.to_string_lossy()])
        .output()
        .expect("starts")
        .status
        .success()
}

fn found(reach: &dyn Reach, cx: &Context<'_>) -> Box<dyn Companion> {
    let found = reach.companion(cx, "replica").expect("can look");
    found.expect("is there")
}

fn ended(companion: &dyn Companion) -> i64 {
    for _ in 0..200 {
        if let CompanionState::Ended { code } = companion.state().expect("known") {
            return code;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("still runs");
}

#[test]
fn a_replica_follows_its_server_outlives_us_and_ends_in_order() {
    let Some(redis) = redis_program() else { return };
    let port = free_port();
    let (lab, location) = redis_lab(redis, &port);
    let original = lab.path().join("redis/redis.sock");
    let original = original.to_string_lossy();
    // Longer than the path of a socket may be.
    let shadow = lab.path().join("shadow".repeat(20));
    fs::create_dir_all(&shadow).expect("directory");
    if rustix::process::geteuid().is_root() {
        // What follows works as the owner of its directory, and must get there.
        run(&["chown", "1234:1234", &shadow.to_string_lossy()]);
        run(&["chmod", "700", &lab.path().to_string_lossy()]);
    }
    let mut words = redis_words(redis, Path::new(SCRATCH_DIRECTORY), "0");
    words.extend(["--replicaof", "127.0.0.1", &port].map(str::to_owned));
    let replica = || Argv::new(&words[0], words[1..].to_vec());
    lab.with(&StopSignal::default(), |deployment, cx| {
        let reach = deployment.reach(&location);
        let failure = reach
            .accompany(cx, "replica", &shadow, replica())
            .err()
            .expect("no server to stand beside");
        assert_eq!(failure.code, "service-stopped");
        assert!(!failure.state.is_empty() && !failure.hints.is_empty());
        reach.start(cx).expect("starts");
        answers(cx, &original, &["SET", "k", "kept"], "OK");
        let companion = reach
            .accompany(cx, "replica", &shadow, replica())
            .expect("starts");
        let socket = format!("{}/redis.sock", companion.directory());
        answers(cx, &socket, &["GET", "k"], "kept");
        let again = reach.accompany(cx, "replica", &shadow, replica());
        assert_eq!(again.err().expect("one runs").code, "companion-runs");
        if rustix::process::geteuid().is_root() {
            assert!(may_read(&shadow, "1234") && !may_read(&shadow, "1235"));
        }
    });
    // Another process, which knows the run only.
    lab.with(&StopSignal::default(), |deployment, cx| {
        let reach = deployment.reach(&location);
        let companion = found(reach.as_ref(), cx);
        assert_eq!(companion.state(), Ok(CompanionState::Running));
        let socket = format!("{}/redis.sock", companion.directory());
        // A server that was started anew is where it was: its companion goes on.
        reach.stop(cx).expect("stops");
        reach.start(cx).expect("starts");
        answers(cx, &original, &["SET", "k", "newer"], "OK");
        answers(cx, &socket, &["GET", "k"], "newer");
        let output = companion.output(cx).expect("readable");
        assert!(output.contains("MASTER <-> REPLICA sync"), "{output}");
        companion.end(cx, "SIGINT").expect("ends");
        assert!(reach.companion(cx, "replica").expect("can look").is_none());
        // It wrote its data out before it ended.
        assert!(shadow.join("dump.rdb").exists());
        reach.stop(cx).expect("stops");
    });
}

#[test]
fn a_companion_that_ended_says_how_and_cleaning_leaves_none() {
    let Some(redis) = redis_program() else { return };
    let (lab, location) = redis_lab(redis, "0");
    let shadow = lab.path().join("shadow");
    fs::create_dir_all(&shadow).expect("directory");
    lab.with(&StopSignal::default(), |deployment, cx| {
        let reach = deployment.reach(&location);
        reach.start(cx).expect("starts");
        cx.commands.redactor().register("s3cret-token");
        let begin = |script: &str| {
            // Where the tests themselves run in the background, a shell could not trap what they ignore.
            let words = ["--default-signal=INT", "sh", "-c", script];
            let companion = reach.accompany(cx, "replica", &shadow, Argv::new("env", words));
            companion.expect("starts")
        };
        let first = begin("echo no right as s3cret-token >&2; exit 7");
        assert_eq!(ended(first.as_ref()), 7);
        assert_eq!(first.output(cx).as_deref(), Ok("no right as •••"));
        // The next of its name replaces it; a signal that ends it is its code.
        let second = begin("exec sleep 1000");
        let other = found(reach.as_ref(), cx);
        second.end(cx, "SIGTERM").expect("ends");
        assert_eq!(ended(other.as_ref()), -1, "nothing is left of it");
        let third = begin("kill -9 $$");
        assert_eq!(ended(third.as_ref()), 137);
        // Cleaning asks first.
        let script = "trap 'echo asked > asked; exit 0' INT; echo up; while :; do sleep 0.1; done";
        let fourth = begin(script);
        let begun = Instant::now();
        while !fourth.output(cx).expect("readable").contains("up") {
            assert!(begun.elapsed() < Duration::from_mins(1), "it never began");
            std::thread::sleep(Duration::from_millis(20));
        }
        deployment.driver().clean(cx).expect("cleans");
        assert!(shadow.join("asked").exists());
        assert!(reach.companion(cx, "replica").expect("can look").is_none());
        assert!(!lab.path().join(".switchback/companions/r-1").exists());
        reach.stop(cx).expect("stops");
    });
}
