//! MongoDB as a replica set: who is asked, who is refused, and what counts as written. The stand-in is a set of one
//! member that can step down, as MongoDB's own does; other members are stand-ins that say so.

use std::cell::Cell;

use switchback_engine::ports::{Context, Failure, Finding, Progress};
use switchback_model::RunId;
use switchback_model::observed::{DatastoreLocation, Shadowing};
use switchback_model::plan::{BackupState, Expectation};

use crate::bench::{ROLLBACK, UPGRADE, reached, restored};
use crate::mongodb::{CHANGE, NAMES, filled, kept, names};
use crate::mongodb_server::{MongodbServer, NAME, PASSWORD};

/// The primary gives up its office for longer than a test takes.
const STEP_DOWN: &str = "client.admin.command({'replSetStepDown': 600, 'force': True})";
const SET: &str = "secantus";

fn at(server: &MongodbServer, port: u16) -> DatastoreLocation {
    DatastoreLocation {
        port: Some(port),
        ..server.location()
    }
}

fn with(mut location: DatastoreLocation, option: &str, value: &str) -> DatastoreLocation {
    location.options.insert(option.to_owned(), value.to_owned());
    location
}

/// Does something as soon as that progress is reported, once.
struct When<'d> {
    at: &'static str,
    act: &'d dyn Fn(),
    done: Cell<bool>,
}

impl Progress for When<'_> {
    fn report(&self, doing: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {
        if doing.starts_with(self.at) && !self.done.replace(true) {
            (self.act)();
        }
    }
}

/// Calls, and has `act` happen in the middle.
fn meanwhile<T>(
    server: &MongodbServer,
    run: &str,
    (at, act): (&'static str, &dyn Fn()),
    call: impl FnOnce(&Context<'_>) -> T,
) -> T {
    let progress = When {
        at,
        act,
        done: Cell::new(false),
    };
    let result = server.bench.within(run, |cx| {
        call(&Context {
            progress: &progress,
            ..*cx
        })
    });
    assert!(progress.done.get(), "it never came to `{at}`");
    result
}

#[test]
fn a_member_leads_to_the_primary_and_one_that_does_not_answer_to_the_next() {
    let Some(server) = filled() else { return };
    let member = server.member(Some(server.port));
    let by_member = with(at(&server, member.port), "replica-set", SET);
    let survey = server.survey(&by_member).expect("the primary answers");
    assert!(survey.count >= Some(60), "{survey:?}");
    assert!(
        matches!(&survey.shadow, Shadowing::Impossible { because }
            if because.starts_with("a member of ours would change the configuration of the replica set `secantus`")
                && because.ends_with("a hidden, delayed member of your own")),
        "{survey:?}"
    );
    kept(&server, server.opened(&by_member, PASSWORD).as_ref());
    server.run(CHANGE);
    let others = format!("127.0.0.1:{}", member.port);
    let by_another = with(at(&server, 1), "others", &others);
    let store = server.opened(&by_another, PASSWORD);
    server.bench.within(ROLLBACK, |cx| {
        store.restore(cx, &UPGRADE.into()).expect("restores");
        assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds);
        store.release(cx, &UPGRADE.into()).expect("releases");
    });
    assert_eq!(names(&server), NAMES, "it came back on the primary");
    // Where nobody answers, the first that is named is told.
    server.down();
    let silent = server.survey(&by_another).expect_err("nobody answers");
    assert_eq!(
        silent.what,
        "the server of `mongodb` does not answer at 127.0.0.1:1"
    );
}

#[test]
fn a_member_that_knows_no_primary_is_refused_and_so_is_another_set() {
    let Some(server) = filled() else { return };
    let lonely = server.member(None);
    let location = at(&server, lonely.port);
    let refused = server.survey(&location).expect_err("no primary");
    let address = format!("127.0.0.1:{}", lonely.port);
    assert_eq!(
        (refused.code.as_str(), refused.what),
        (
            "datastore-not-primary",
            format!(
                "the server of `mongodb` at {address} is a secondary of the replica set `secantus`, which has no primary"
            )
        )
    );
    assert_eq!(
        refused.state[0].seen.as_deref(),
        Some("not changed, takes no writes")
    );
    assert_eq!(
        refused.hints,
        ["see why, in a shell there: rs.status(); once a member is primary, try again"]
    );
    // A primary that is none when it is asked, as between two elections.
    let misled = server.member(Some(lonely.port));
    let refused = server.survey(&at(&server, misled.port));
    assert!(
        refused.as_ref().is_err_and(|it| it.what.contains(&address)),
        "{refused:?}"
    );
    let other = with(server.location(), "replica-set", "rs0");
    let store = server.opened(&other, PASSWORD);
    server.bench.within(UPGRADE, |cx| {
        let refused = store.prepare(cx).expect_err("another set");
        assert_eq!(refused.code, "datastore-other-set");
        assert_eq!(
            refused.what,
            format!(
                "the server of `mongodb` at 127.0.0.1:{} is of the replica set `secantus`, and `rs0` is asked for",
                server.port
            )
        );
        assert_eq!(
            refused.hints,
            ["name a member of `rs0`: `address` under [datastores.mongodb] in switchback.toml"]
        );
    });
    server.up(&["--standalone"]);
    let alone = server.survey(&other).expect_err("no set at all");
    assert!(
        alone
            .what
            .ends_with(" is no member of a replica set, and `rs0` is asked for"),
        "{}",
        alone.what
    );
}

#[test]
fn a_primary_that_stepped_down_is_neither_read_nor_written() {
    let Some(server) = filled() else { return };
    let store = server.datastore();
    kept(&server, store.as_ref());
    server.run(CHANGE);
    let before = names(&server);
    server.run(STEP_DOWN);
    let what = |failure: Failure| {
        assert_eq!(failure.code, "datastore-not-primary", "{failure:?}");
        assert_eq!((failure.state.len(), failure.hints.len()), (1, 1));
        failure.what
    };
    server.bench.within(ROLLBACK, |cx| {
        for refused in [
            store.restore(cx, &UPGRADE.into()),
            store.prepare(cx),
            store.release(cx, &UPGRADE.into()),
        ] {
            let told = what(refused.expect_err("no primary"));
            assert!(told.ends_with("which has no primary"), "{told}");
        }
        what(
            store
                .contents(cx)
                .expect_err("it may lack what was written"),
        );
        let reachable = Expectation::Reachable {
            datastore: NAME.into(),
        };
        assert!(matches!(
            store.look(cx, &reachable),
            Finding::Differs { .. }
        ));
        assert!(matches!(
            store.look(cx, &restored(NAME)),
            Finding::Unknown { .. }
        ));
    });
    server.up(&[]);
    assert_eq!(names(&server), before, "nothing was touched");
}

#[test]
fn what_was_read_while_another_was_elected_does_not_count() {
    let Some(server) = filled() else { return };
    let store = server.datastore();
    server
        .bench
        .within(UPGRADE, |cx| store.prepare(cx).expect("prepares"));
    let step_down = || drop(server.run(STEP_DOWN));
    let elected = meanwhile(&server, UPGRADE, ("dumping `rule_d_b`", &step_down), |cx| {
        store.seal(cx).expect_err("an election")
    });
    assert_eq!(
        (elected.code.as_str(), elected.what.as_str()),
        (
            "datastore-elected",
            "the replica set `secantus` elected while `mongodb` was read"
        )
    );
    assert_eq!(elected.state[0].seen.as_deref(), Some("not changed"));
    assert!(elected.hints[0].ends_with("resume: it is read anew, from that one"));
    assert!(!server.bench.backup(NAME).join("dump").exists());
    server.bench.within(UPGRADE, |cx| {
        let sealed = store.look(cx, &reached(NAME, BackupState::Sealed));
        assert!(matches!(sealed, Finding::Differs { .. }), "{sealed:?}");
    });
    server.up(&[]);
    kept(&server, store.as_ref());
    // In the middle of a way back: what was restored beside is left, and made anew.
    server.run(CHANGE);
    let stopped = meanwhile(&server, ROLLBACK, ("restoring", &step_down), |cx| {
        store.restore(cx, &UPGRADE.into()).expect_err("no primary")
    });
    assert_eq!(
        stopped.what,
        "the server of `mongodb` is the primary of its replica set no longer"
    );
    assert!(stopped.hints[0].contains("then resume"), "{stopped:?}");
    server.up(&[]);
    server.bench.within(ROLLBACK, |cx| {
        store.clean(cx).expect("cleans");
        store.restore(cx, &UPGRADE.into()).expect("goes on");
        store.release(cx, &UPGRADE.into()).expect("releases");
    });
    assert_eq!(names(&server), NAMES);
}

#[test]
fn nothing_goes_on_before_most_members_have_what_was_written() {
    let Some(server) = filled() else { return };
    server.up(&["--enable-test-commands"]);
    // Twice they do not say so in time.
    let slowly =
        "client.admin.command({'configureFailPoint': 'failCommand', 'mode': {'times': 2}, 'data': {
  'failCommands': ['insert'], 'appName': 'switchback',
  'writeConcernError': {'code': 64, 'errmsg': 'waiting for replication timed out'}}})";
    server.run(slowly);
    let store = server.datastore();
    server
        .bench
        .within(UPGRADE, |cx| store.prepare(cx).expect("prepares"));
    let waits = "waiting until most members of `secantus` have what was written";
    let heard = || {
        let heard = server.bench.progress.0.borrow();
        heard.iter().filter(|doing| *doing == waits).count()
    };
    assert_eq!(heard(), 2);
    assert_eq!(names(&server), NAMES, "its mark is gone");
    kept(&server, store.as_ref());
    server.run(CHANGE);
    server.run(slowly);
    // The restore itself waits for each of its writes, so what is not confirmed is told at once there.
    server.bench.within(ROLLBACK, |cx| {
        let run = RunId::new(UPGRADE);
        let told = store.restore(cx, &run).expect_err("not confirmed");
        assert_eq!(
            told.what,
            "most members of the replica set of `mongodb` do not confirm a write"
        );
    });
    server.run("client.admin.command({'configureFailPoint': 'failCommand', 'mode': 'off'})");
    server.bench.within(ROLLBACK, |cx| {
        store.restore(cx, &UPGRADE.into()).expect("goes on");
        store.release(cx, &UPGRADE.into()).expect("releases");
    });
    assert_eq!(names(&server), NAMES);
}

#[test]
fn a_server_that_stands_alone_waits_for_nobody() {
    let Some(server) = filled() else { return };
    server.up(&["--standalone"]);
    let store = server.datastore();
    kept(&server, store.as_ref());
    server.run(CHANGE);
    server.bench.within(ROLLBACK, |cx| {
        store.restore(cx, &UPGRADE.into()).expect("restores");
        store.release(cx, &UPGRADE.into()).expect("releases");
    });
    assert_eq!(names(&server), NAMES);
    let survey = server.survey(&server.location()).expect("answers");
    assert!(matches!(survey.shadow, Shadowing::Impossible { because }
            if because == "the server is no member of a replica set, and nothing else can follow it"));
}
