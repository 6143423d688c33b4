//! MongoDB.

use std::fs;

use switchback_engine::ports::{Datastore, Failure, Finding};
use switchback_model::event::Completed;
use switchback_model::observed::Shadowing;
use switchback_model::plan::{BackupState, Expectation};
use switchback_testkit::contract;

use crate::bench::{ROLLBACK, SmallDisk, UPGRADE, reached, released, restored};
use crate::certificate;
use crate::mongodb_server::{MongodbServer, NAME, PASSWORD, USER};

/// Documents of every kind, odd names, a collection that is capped, one that is empty, one that empties itself.
const FILL: &str = "
db.rule_d_b.insert_many([{'_id': i, 'ref': f'core.rule-{i}', 'body': 'x' * (i % 300)} for i in range(60)])
db.rule_d_b.create_index([('ref', 1), ('body', -1)], unique=True, name='both')
db.odd.insert_many([
  {'_id': bson.ObjectId(), 'double': 1.5, 'null': None, 'yes': True, 'text': '\\u00e4\\u20ac', 'binary': b'\\x00\\xff'},
  {'_id': 'a/b', 'at': datetime.datetime(2026, 1, 1), 'long': bson.Int64(1 << 40), 'decimal': bson.Decimal128('1.10')},
  {'_id': {'a': 1}, 'regex': bson.Regex('^a', 'i'), 'stamp': bson.Timestamp(5, 6), 'list': [1, {'b': []}]},
])
db['a.b c/d'].insert_one({'_id': 1})
db.create_collection('empty')
db.create_collection('capped', capped=True, size=100000)
db.capped.insert_many([{'n': n} for n in range(5)])
db.token_d_b.insert_one({'_id': 1, 'at': datetime.datetime(2036, 1, 1)})
db.token_d_b.create_index('at', expireAfterSeconds=3600)
";

pub(crate) const CHANGE: &str = "
db.rule_d_b.update_one({'_id': 17}, {'$set': {'body': 'other'}})
db.odd.drop()
db['new'].insert_one({'_id': 1})
";

pub(crate) fn filled() -> Option<MongodbServer> {
    let server = MongodbServer::start()?;
    server.run(FILL);
    Some(server)
}

pub(crate) fn kept(server: &MongodbServer, store: &dyn Datastore) {
    server.bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares");
        store.seal(cx).expect("seals");
        store.prove(cx).expect("proves");
    });
}

/// All names in the database, sorted.
pub(crate) fn names(server: &MongodbServer) -> String {
    server.run("print(' '.join(sorted(db.list_collection_names())))")
}

pub(crate) const NAMES: &str = "a.b c/d capped empty odd rule_d_b token_d_b";

#[test]
fn keeps_the_contract_and_indexes_and_options() {
    let Some(server) = filled() else { return };
    // More than one question and one answer carry.
    server.run("db.rule_d_b.insert_many([{'_id': i, 'ref': str(i)} for i in range(100, 2300)])");
    // Options are compared by the proof; the stand-in forgets them where a collection is renamed, MongoDB does not.
    let about = "print([sorted(index.items()) for index in db.rule_d_b.list_indexes()])";
    let before = server.run(about);
    let store = server.datastore();
    server.bench.within(UPGRADE, |cx| {
        let trial = contract::DatastoreTrial {
            name: NAME.into(),
            change: &mut || drop(server.run(CHANGE)),
        };
        contract::datastore(store.as_ref(), cx, trial);
    });
    assert_eq!(names(&server), NAMES, "nothing of ours is left");
    assert_eq!(server.run(about), before);
    assert_eq!(
        server.run("print([d['n'] for d in db.capped.find()], db.token_d_b.count_documents({}))"),
        "[0, 1, 2, 3, 4] 1"
    );
    // Whoever has MongoDB's own tools can do without us.
    let dump = server.bench.backup(NAME).join("dump/st2");
    let described = fs::read_to_string(dump.join("rule_d_b.metadata.json")).expect("there");
    assert!(
        described.contains(r#""collectionName":"rule_d_b""#),
        "{described}"
    );
    assert!(dump.join("a.b%20c%2Fd.bson").is_file());
}

#[test]
fn every_point_at_which_a_way_back_dies_leads_to_the_same_end() {
    let Some(server) = filled() else { return };
    let store = server.datastore();
    kept(&server, store.as_ref());
    let restore = |cx: &switchback_engine::ports::Context<'_>| store.restore(cx, &UPGRADE.into());
    for point in ["restoring", "reading", "switching"] {
        server.run(CHANGE);
        server.bench.dying(ROLLBACK, point, restore);
        server.bench.within(ROLLBACK, |cx| {
            store.clean(cx).expect("cleans");
            restore(cx).expect("goes on");
            assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds, "{point}");
            store.release(cx, &UPGRADE.into()).expect("releases");
            assert_eq!(store.look(cx, &released(NAME)), Finding::Holds, "{point}");
        });
        assert_eq!(names(&server), NAMES, "{point}");
    }
    // In the middle of the renames: some are done, and the file says which kind is under way.
    let note = server.bench.backup(NAME).join("switching.json");
    for (phase, renames) in [
        ("aside", "db.rule_d_b.rename('switchback_old_r-7c1d0001.rule_d_b')"),
        (
            "place",
            "[db[n].rename('switchback_old_r-7c1d0001.' + n) for n in db.list_collection_names() if not n.startswith('switchback')]
db['switchback_new_r-7c1d0001.rule_d_b'].rename('rule_d_b')",
        ),
    ] {
        server.run(CHANGE);
        server.bench.dying(ROLLBACK, "switching", restore);
        server.run(renames);
        let text = format!(r#"{{"aside":"switchback_old_r-7c1d0001.","phase":"{phase}"}}"#);
        fs::write(&note, text).expect("written");
        server.bench.within(ROLLBACK, |cx| {
            assert!(matches!(store.look(cx, &restored(NAME)), Finding::Differs { .. }), "{phase}");
            store.clean(cx).expect("cleans");
            restore(cx).expect("goes on");
            assert_eq!(store.look(cx, &restored(NAME)), Finding::Holds, "{phase}");
        });
        let kept = "print(db['switchback_old_r-7c1d0001.rule_d_b'].find_one(17)['body'])";
        assert_eq!(server.run(kept), "other", "what was there is kept");
        server.bench.within(ROLLBACK, |cx| store.release(cx, &UPGRADE.into()).expect("releases"));
        assert_eq!(names(&server), NAMES, "{phase}");
    }
}

#[test]
fn nothing_is_kept_while_somebody_is_connected_and_a_flipped_byte_is_found() {
    let Some(server) = filled() else { return };
    let store = server.datastore();
    let mut somebody = server.connected();
    server.bench.within(UPGRADE, |cx| {
        store.prepare(cx).expect("prepares while somebody works");
        let refused = store.seal(cx).expect_err("somebody could write");
        assert_eq!(refused.code, "writers-connected");
        assert!(
            refused
                .what
                .starts_with("somebody could still write to `mongodb`"),
            "{}",
            refused.what
        );
        assert!(
            refused.causes[0].contains("PyMongo"),
            "{:?}",
            refused.causes
        );
        let alone = Expectation::NoWriters {
            datastore: NAME.into(),
        };
        assert!(matches!(store.look(cx, &alone), Finding::Differs { .. }));
        drop(somebody.stdin.take());
        somebody.wait().expect("it ends");
        assert_eq!(store.look(cx, &alone), Finding::Holds);
        store.seal(cx).expect("seals");
        store.prove(cx).expect("proves");
    });
    let file = server.bench.backup(NAME).join("dump/st2/rule_d_b.bson");
    let mut bytes = fs::read(&file).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).expect("written");
    server.bench.within(UPGRADE, |cx| {
        let damaged = store.prove(cx).expect_err("a byte was changed");
        assert_eq!(damaged.code, "backup-damaged");
        assert_eq!(
            damaged.what,
            "the backup of `mongodb` by r-7c1d0001 is damaged: `dump/st2/rule_d_b.bson` has changed"
        );
        assert!(matches!(
            store.look(cx, &reached(NAME, BackupState::Proven)),
            Finding::Differs { .. }
        ));
        store
            .restore(cx, cx.run)
            .expect_err("nothing is brought back from it");
    });
    assert_eq!(names(&server), NAMES, "nothing was touched");
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let Some(server) = filled() else { return };
    server.run("db.big.insert_many([{'_id': i, 'x': 'y' * 100000} for i in range(300)])");
    let store = server.datastore();
    // The check beforehand would tell: here the disk fills up in between.
    let disk = SmallDisk::mount(&server.bench.backups.join(UPGRADE), 64);
    server
        .bench
        .within(UPGRADE, |cx| store.prepare(cx).expect("room enough"));
    fs::write(disk.0.join("somebody-else"), vec![0; 40 << 20]).expect("written");
    let failure: Failure = server
        .bench
        .within(UPGRADE, |cx| store.seal(cx).expect_err("full"));
    assert_eq!(failure.code, "disk-full");
    assert!(
        failure.hints[0].starts_with("free space"),
        "{:?}",
        failure.hints
    );
    fs::remove_file(disk.0.join("somebody-else")).expect("removed");
    kept(&server, store.as_ref());
}

#[test]
fn a_user_with_a_password_is_enough_and_a_wrong_one_is_told() {
    let Some(server) = filled() else { return };
    server.run(&format!(
        "db.command('createUser', '{USER}', pwd='{PASSWORD}', roles=[
  {{'role': 'readWrite', 'db': 'st2'}}, {{'role': 'clusterMonitor', 'db': 'admin'}}])
db.command('createUser', 'writer', pwd='{PASSWORD}', roles=[{{'role': 'readWrite', 'db': 'st2'}}])
db.command('createUser', 'reader', pwd='{PASSWORD}', roles=[{{'role': 'read', 'db': 'st2'}}])"
    ));
    server.up(&["--auth"]);
    kept(&server, server.datastore().as_ref());
    let survey = server.survey(&server.location()).expect("answers");
    assert_eq!(survey.obstacles, [""; 0]);
    let look = |location: &switchback_model::observed::DatastoreLocation, password: &str| {
        let store = server.opened(location, password);
        server
            .bench
            .within(ROLLBACK, |cx| store.prepare(cx).expect_err("refused"))
    };
    let mut location = server.location();
    let wrong = look(&location, "other");
    assert_eq!(wrong.code, "datastore-password-wrong");
    assert_eq!(
        wrong.what,
        "the server of `mongodb` refuses the password or the user"
    );
    assert!(!format!("{wrong:?}").contains("other\""), "{wrong:?}");
    // MongoDB shows a user its own sessions; the stand-in none.
    location.user = Some("writer".to_owned());
    let blind = server.opened(&location, PASSWORD);
    let blind = server
        .bench
        .within(ROLLBACK, |cx| blind.seal(cx).expect_err("refused"));
    assert_eq!(
        blind.what,
        "the user of `mongodb` may not see who is connected"
    );
    assert!(
        blind.hints[0].contains("clusterMonitor"),
        "{:?}",
        blind.hints
    );
    location.user = Some("reader".to_owned());
    let denied = look(&location, PASSWORD);
    assert_eq!(denied.code, "datastore-permission");
    assert_eq!(
        denied.what,
        "the user of `mongodb` may not run `create` on database `st2`"
    );
    assert_eq!((denied.state.len(), denied.hints.len()), (1, 2));
}

#[test]
fn a_server_behind_tls_is_trusted_for_its_authority_only() {
    let Some(server) = filled() else { return };
    let [certificate, key] = certificate::made(&server.bench.path(""));
    let path = |path: &std::path::Path| path.display().to_string();
    server.up(&[
        "--tls-cert-file",
        &path(&certificate),
        "--tls-key-file",
        &path(&key),
    ]);
    let mut location = server.location();
    location.host = Some("localhost".to_owned());
    let plain = server.survey(&location).expect_err("it wants TLS");
    assert!(
        ["datastore-silent", "datastore-answer"].contains(&plain.code.as_str()),
        "{plain:?}"
    );
    location.options.insert("tls".to_owned(), "true".to_owned());
    let strange = server.survey(&location).expect_err("nobody trusts it");
    assert_eq!(strange.code, "datastore-silent");
    assert!(
        strange.causes[0].contains("certificate"),
        "{:?}",
        strange.causes
    );
    location
        .options
        .insert("tls-ca-file".to_owned(), "/nowhere.pem".to_owned());
    let missing = server.survey(&location).expect_err("there is no such file");
    assert_eq!(
        missing.what,
        "`/nowhere.pem` is of no use for TLS to `mongodb`"
    );
    location
        .options
        .insert("tls-ca-file".to_owned(), path(&certificate));
    assert!(server.survey(&location).expect("trusted").count >= Some(60));
    kept(&server, server.opened(&location, PASSWORD).as_ref());
}

#[test]
fn what_is_there_is_told_and_a_server_that_is_not() {
    let Some(server) = filled() else { return };
    let survey = server.survey_alone();
    assert!(survey.engine.is_some_and(|version| version.contains('.')));
    assert!(survey.compatibility.is_some_and(|line| line.contains('.')));
    assert!(survey.count >= Some(60), "{:?}", survey.count);
    assert!(survey.size > Some(1_000), "{:?}", survey.size);
    assert!(
        matches!(survey.shadow, Shadowing::Impossible { because } if because.contains("replica set"))
    );
    server.run("db.create_collection('seen', viewOn='odd', pipeline=[])");
    let store = server.datastore();
    server.bench.within(UPGRADE, |cx| {
        let refused = store.prepare(cx).expect_err("a view");
        assert_eq!(refused.code, "datastore-unsupported");
        assert_eq!(
            refused.causes,
            ["`seen` is a view, and only collections are kept"]
        );
    });
    server.run("db.seen.drop()");
    kept(&server, store.as_ref());
    server.bench.within(UPGRADE, |cx| {
        assert_eq!(
            store.seal(cx).expect("again").completed,
            Completed::AlreadyDone
        );
        let engine = |version: &str| Expectation::Engine {
            datastore: NAME.into(),
            version: version.to_owned(),
        };
        assert!(matches!(
            store.look(cx, &engine("3.4.24")),
            Finding::Differs { .. }
        ));
    });
    server.down();
    let silent = server.survey(&server.location()).expect_err("it is down");
    assert_eq!(silent.code, "datastore-silent");
    assert!(
        silent
            .what
            .starts_with("the server of `mongodb` does not answer at 127.0.0.1:"),
        "{}",
        silent.what
    );
    assert_eq!(silent.hints[0], "start it, look at its log, then try again");
    server.bench.within(UPGRADE, |cx| {
        let reachable = Expectation::Reachable {
            datastore: NAME.into(),
        };
        assert!(matches!(
            store.look(cx, &reachable),
            Finding::Differs { .. }
        ));
    });
}
