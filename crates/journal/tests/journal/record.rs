//! What is appended is read again, or refused where it is not what was written.

use std::fs;

use switchback_journal::{Journal, JournalError, Key, RunStatus, StepStatus};
use switchback_model::exit::Exit;
use switchback_model::{RunId, StepNumber};

use crate::place::{Place, begin, dead, digest, finish, holder, key, refused};

#[test]
fn what_was_appended_is_read_again_by_another_process() {
    let place = Place::new();
    place.filled();
    let journal = place.journal();
    let runs: Vec<String> = journal
        .runs()
        .expect("readable")
        .into_iter()
        .map(|record| record.run.to_string())
        .collect();
    assert_eq!(runs, ["r-1", "r-2"]);
    let last = journal.last_run(&key()).expect("readable").expect("there");
    assert_eq!(last.run, RunId::new("r-2"));
    let finished = journal.state(&"r-1".into()).expect("readable");
    assert_eq!(finished.status, RunStatus::Finished { downtime: 5 });
    let open = journal.state(&"r-2".into()).expect("readable");
    assert_eq!(
        *open.step(StepNumber(1)),
        StepStatus::Started { attempt: 1 }
    );
    let since: Vec<u64> = journal
        .since(&"r-1".into(), 2)
        .expect("readable")
        .into_iter()
        .map(|stamped| stamped.sequence)
        .collect();
    assert_eq!(since, [3, 4]);
    let audit = journal.verify().expect("untouched");
    assert_eq!((audit.events, audit.runs), (6, 2));
}

#[test]
fn an_illegal_event_is_refused_and_leaves_no_trace() {
    let place = Place::new();
    let (journal, lease) = place.filled();
    let error = refused(journal.append(&lease, &"r-2".into(), 1, &begin(1)));
    assert_eq!(
        error.to_string(),
        "illegal event in run `r-2`: step-started while step 1 is started (try 1)"
    );
    assert_eq!(error.problem().exit, Exit::Bug);
    assert_eq!(journal.verify().expect("untouched").events, 6);
    journal
        .append(&lease, &"r-2".into(), 1, &finish(1))
        .expect("the legal one still works");
}

#[test]
fn the_audit_names_the_first_event_that_was_touched() {
    let cases = [
        (
            "UPDATE events SET body = replace(body, '12', '13') WHERE run = 'r-1' AND sequence = 3",
            "event 3 of run `r-1` is not what was written: its content was changed",
        ),
        (
            "UPDATE events SET at = 7 WHERE run = 'r-2' AND sequence = 1",
            "event 1 of run `r-2` is not what was written: its content was changed",
        ),
        (
            "DELETE FROM events WHERE run = 'r-1' AND sequence = 2",
            "event 3 of run `r-1` is not what was written: an event before it is missing",
        ),
        (
            "DELETE FROM events WHERE position = 6; UPDATE events SET position = position + 1 WHERE position = 5;",
            "event 1 of run `r-2` is not what was written: an event before it is missing",
        ),
        (
            "UPDATE events SET previous = 'x' WHERE position = 4",
            "event 4 of run `r-1` is not what was written: it does not follow the event before it",
        ),
    ];
    for (change, expected) in cases {
        let place = Place::new();
        place.filled();
        place.sql(change);
        let error = refused(place.journal().verify());
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.problem().code, "journal-broken");
        assert_eq!(error.problem().exit, Exit::Refused);
    }
}

#[test]
fn a_newer_journal_is_refused_and_left_as_it_is() {
    let place = Place::new();
    drop(place.filled());
    place.sql(
        "PRAGMA user_version = 2; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE",
    );
    let before = digest(&place.path());
    let error = refused(Journal::open(place.path()));
    let path = place.path();
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` has format 2, this switchback knows up to 1",
            path.display()
        )
    );
    let problem = error.problem();
    assert_eq!(problem.code, "journal-newer");
    assert_eq!(problem.hints, ["use the newer switchback that wrote it"]);
    assert_eq!(digest(&path), before);
}

#[test]
fn another_programs_database_is_refused_and_left_as_it_is() {
    let place = Place::new();
    place.sql("CREATE TABLE songs (title TEXT)");
    let before = digest(&place.path());
    let problem = refused(Journal::open(place.path())).problem();
    assert_eq!(problem.code, "journal-foreign");
    assert_eq!(
        problem.what,
        format!(
            "`{}` is not a journal of switchback",
            place.path().display()
        )
    );
    assert_eq!(digest(&place.path()), before);
}

#[test]
fn a_journal_of_format_1_is_read() {
    let place = Place::new();
    place.sql(include_str!("../fixtures/format-1.sql"));
    let journal = place.journal();
    assert_eq!(journal.verify().expect("its chain holds").events, 14);
    let state = journal.state(&"r-0000beef".into()).expect("readable");
    assert_eq!(state.status, RunStatus::Finished { downtime: 41_000 });
    assert_eq!(state.accepted, ["contact-infos"]);
    assert!(matches!(
        state.step(StepNumber(2)),
        StepStatus::Finished { attempt: 2, outcome, .. } if outcome.summary == "19 migrations"
    ));
    let key = Key {
        deployment: "lorawan".to_owned(),
        directory: "/srv/lorawan".to_owned(),
    };
    let lease = journal.acquire(&key, &holder(dead())).expect("free");
    assert_eq!(lease.number, 3);
}

#[test]
fn flipped_bytes_are_called_damage() {
    let place = Place::new();
    drop(place.filled());
    place.sql("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE");
    let whole = fs::read(place.path()).expect("readable");
    // The header; the first byte of the schema's page; every page's kind.
    for at in [0, 100, 4096, 8192] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        fs::write(place.path(), bytes).expect("writable");
        let error = refused(Journal::open(place.path()).and_then(|journal| journal.verify()));
        let problem = error.problem();
        assert_eq!(problem.code, "journal-damaged", "byte {at}: {error}");
        assert!(problem.what.contains("is damaged"), "{}", problem.what);
        assert_eq!(
            problem.state[0].seen.as_deref(),
            Some("not touched: without a trusted journal nothing is done")
        );
        assert_eq!(problem.hints.len(), 2);
    }
}

#[test]
fn a_flipped_byte_inside_an_event_breaks_the_chain() {
    let place = Place::new();
    drop(place.filled());
    place.sql("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE");
    let mut bytes = fs::read(place.path()).expect("readable");
    let text = b"run-finished";
    let at = bytes
        .windows(text.len())
        .position(|window| window == text)
        .expect("the event is in the file");
    bytes[at] ^= 1;
    fs::write(place.path(), bytes).expect("writable");
    let error = refused(place.journal().verify());
    assert!(
        matches!(error, JournalError::Broken { sequence: 4, .. }),
        "{error}"
    );
}

#[test]
fn a_directory_that_cannot_be_made_or_a_file_that_is_none_is_told() {
    let place = Place::new();
    fs::create_dir(place.path()).expect("a directory in its place");
    let problem = refused(Journal::open(place.path())).problem();
    assert_eq!(problem.code, "journal-read-only");
    assert!(
        problem.hints[0].starts_with("make `"),
        "{:?}",
        problem.hints
    );
}
