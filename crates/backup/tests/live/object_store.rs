//! A repository in a bucket, behind a server that speaks S3.

use std::fs;

use switchback_backup::{Opened, Settings, Storing};
use switchback_engine::process::Secret;
use switchback_testkit::aws::{Kind, StandIn};

use super::bench::{Bench, noise};

const KEY: &str = "a-secret-key-of-the-bucket";

fn settings(bench: &Bench, server: &StandIn) -> Settings {
    let secret = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
    Settings {
        repository: format!("s3:{}/backups/lorawan", server.url),
        environment: vec![
            secret("AWS_ACCESS_KEY_ID", "testing"),
            secret("AWS_SECRET_ACCESS_KEY", KEY),
            secret("AWS_DEFAULT_REGION", "us-east-1"),
        ],
        ..bench.settings()
    }
}

#[test]
fn a_bucket_is_a_repository_like_any_other() {
    let Some(bench) = Bench::new() else { return };
    let Some(server) = StandIn::start(Kind::Moto) else {
        return;
    };
    let settings = || settings(&bench, &server);
    let missing = Opened::open(settings(), &bench.commands).expect_err("nobody made it yet");
    assert_eq!(missing.code, "repository-missing", "{missing:?}");
    let mut locked = bench.lock(Opened::create(settings(), &bench.commands).expect("made"));
    let copy = bench.copy("r-1", &noise(3_000_000));
    let stored = locked.store(&copy, &bench.heard).expect("stored");
    assert!(matches!(stored, Storing::Done { .. }), "{stored:?}");
    // What it holds already is not sent again.
    let same = bench.copy("r-2", &noise(3_000_000));
    match locked.store(&same, &bench.heard).expect("stored") {
        Storing::Done { added, .. } => assert!(added < 100_000, "{added}"),
        Storing::Already(id) => panic!("another run is another backup: {id}"),
    }
    drop(locked);

    let opened = Opened::open(settings(), &bench.commands).expect("opened");
    let backups = opened.backups(Some("tts"));
    assert_eq!(backups.len(), 2);
    let fetched = opened
        .fetch(backups[0], &bench.path("back"), &bench.heard)
        .expect("fetched");
    assert_eq!(
        fs::read(fetched.copy().join("copy/data")).expect("it came back"),
        noise(3_000_000)
    );
    let (proven, ()) = fetched.read_by(|_| Ok(())).expect("read");
    let mut locked = bench.lock(opened);
    locked.mark(&proven).expect("marked");
    drop(locked);

    // A server that is gone is said, and its key is not.
    let gone = settings();
    drop(server);
    let failure = Opened::open(gone, &bench.commands).expect_err("nobody is there");
    assert_eq!(failure.code, "repository-unreachable", "{failure:?}");
    assert!(!format!("{failure:?}").contains(KEY), "{failure:?}");
}
