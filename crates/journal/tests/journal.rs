//! The record on disk: its chain, its format, its leases, and what an operator is told when it is not as
//! it should be.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use switchback_journal::{
    Holder, Journal, JournalError, Key, Lease, ProcessIdentity, RunStatus, StepStatus,
};
use switchback_model::event::{Event, Outcome};
use switchback_model::exit::Exit;
use switchback_model::{Digest, RunId, StepNumber};

fn key() -> Key {
    Key {
        deployment: "lab".to_owned(),
        directory: "/srv/lab".to_owned(),
    }
}

fn holder(process: ProcessIdentity) -> Holder {
    Holder {
        process,
        since: 1_795_237_449_000,
        run: "r-1".into(),
        by: "ann@lab".to_owned(),
    }
}

/// A process that has certainly ended: no kernel hands out such a pid.
fn dead() -> ProcessIdentity {
    ProcessIdentity {
        pid: 5_000_000,
        started: "1".to_owned(),
        ..ProcessIdentity::current()
    }
}

fn started() -> Event {
    Event::RunStarted {
        plan: "p-1".into(),
        digest: Digest::of("plan"),
        deployment: "lab".to_owned(),
        accepted: Vec::new(),
        by: "ann@lab".to_owned(),
        program: "0.1.0".to_owned(),
        took_over: None,
    }
}

fn begin(step: u32) -> Event {
    Event::StepStarted {
        step: StepNumber(step),
        attempt: 1,
    }
}

fn finish(step: u32) -> Event {
    Event::StepFinished {
        step: StepNumber(step),
        outcome: Outcome::default(),
        took: 12,
    }
}

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("journal.db")
    }

    fn journal(&self) -> Journal {
        Journal::open(self.path()).expect("the journal opens")
    }

    /// Two runs, the second open.
    fn filled(&self) -> (Journal, Lease) {
        let journal = self.journal();
        let lease = journal.acquire(&key(), &holder(dead())).expect("free");
        for (run, events) in [
            (
                "r-1",
                vec![
                    started(),
                    begin(1),
                    finish(1),
                    Event::RunFinished { downtime: 5 },
                ],
            ),
            ("r-2", vec![started(), begin(1)]),
        ] {
            for (at, event) in (1000..).zip(events) {
                journal
                    .append(&lease, &run.into(), at, &event)
                    .expect("legal");
            }
        }
        (journal, lease)
    }

    fn sql(&self, text: &str) {
        Connection::open(self.path())
            .and_then(|connection| connection.execute_batch(text))
            .expect("plain SQL works");
    }
}

fn digest(path: &Path) -> Digest {
    Digest::of(fs::read(path).expect("the file is there"))
}

fn refused(result: Result<impl Sized, JournalError>) -> JournalError {
    match result {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error,
    }
}

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
    place.sql(include_str!("fixtures/format-1.sql"));
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

#[test]
fn a_live_holder_is_named_with_what_to_type() {
    let place = Place::new();
    let journal = place.journal();
    let me = ProcessIdentity::current();
    journal.acquire(&key(), &holder(me.clone())).expect("free");
    let error = refused(place.journal().acquire(&key(), &holder(dead())));
    let problem = error.problem();
    assert_eq!(problem.code, "deployment-held");
    assert_eq!(problem.exit, Exit::Refused);
    assert_eq!(
        problem.what,
        format!(
            "deployment `lab` is held by process {} of `ann@lab` on `{}` since 2026-11-21 05:04:09 UTC for run `r-1`",
            me.pid, me.host
        )
    );
    assert_eq!(
        problem.hints,
        [
            "watch it: switchback log r-1".to_owned(),
            format!(
                "or end it on `{}` (kill {}), then: switchback resume r-1",
                me.host, me.pid
            )
        ]
    );
}

#[test]
fn a_dead_holder_is_taken_over_and_fenced_off() {
    let place = Place::new();
    let (journal, old) = place.filled();
    let mine = place
        .journal()
        .acquire(&key(), &holder(ProcessIdentity::current()))
        .expect("the holder is dead");
    assert_eq!(mine.number, old.number + 1);
    let told = mine.took_over.expect("it says so");
    assert!(
        told.ends_with("for run `r-1`: process 5000000 has ended"),
        "{told}"
    );
    let error = refused(journal.append(&old, &"r-2".into(), 1, &finish(1)));
    assert_eq!(
        error.to_string(),
        "the lease of deployment `lab` has number 2, ours is 1"
    );
    assert_eq!(error.problem().code, "lease-lost");
    // Nor can it give back what is no longer its own.
    journal.release(&old).expect("harmless");
    assert!(journal.holder(&key()).expect("readable").is_some());
}

#[test]
fn a_holder_on_another_machine_is_never_taken_for_dead() {
    let place = Place::new();
    let elsewhere = ProcessIdentity {
        host: "other.example".to_owned(),
        ..dead()
    };
    place
        .journal()
        .acquire(&key(), &holder(elsewhere))
        .expect("free");
    let problem = refused(place.journal().acquire(&key(), &holder(dead()))).problem();
    assert_eq!(problem.code, "deployment-held");
    let seen = problem.state[0].seen.clone().expect("it says why");
    assert!(
        seen.starts_with("runs on `other.example`, which cannot be seen from"),
        "{seen}"
    );
}

/// A process that nothing here can look at.
fn elsewhere() -> ProcessIdentity {
    ProcessIdentity {
        host: "other.example".to_owned(),
        ..dead()
    }
}

#[test]
fn what_nothing_can_look_at_is_taken_over_on_an_operators_word() {
    let place = Place::new();
    let before = place
        .journal()
        .acquire(&key(), &holder(elsewhere()))
        .expect("free");
    let journal = place.journal();
    let me = ProcessIdentity::current();
    let problem = refused(journal.acquire(&key(), &holder(me.clone()))).problem();
    let typed = "switchback resume r-1 --take-over 5000000@other.example";
    assert!(
        problem.hints.iter().any(|hint| hint.ends_with(typed)),
        "the command is printed in full: {:?}",
        problem.hints
    );
    let problem = refused(journal.give_up(&key(), "7@other.example", "ann@lab", &me)).problem();
    assert_eq!(problem.code, "another-holder");
    assert!(problem.hints[0].ends_with(typed), "{:?}", problem.hints);
    refused(journal.acquire(&key(), &holder(me.clone())));
    journal
        .give_up(&key(), "5000000@other.example", "ann@lab", &me)
        .expect("nothing says that it lives");
    let lease = journal.acquire(&key(), &holder(me)).expect("given up");
    assert_eq!(lease.number, before.number + 1);
    let told = lease.took_over.expect("the record says so");
    assert!(told.ends_with("declared gone by ann@lab"), "{told}");
}

#[test]
fn what_certainly_lives_is_not_given_up_wherever_it_is() {
    let place = Place::new();
    let theirs = place.journal();
    theirs.acquire(&key(), &holder(elsewhere())).expect("free");
    let mine = place.journal();
    let me = ProcessIdentity::current();
    // Its file beside the journal is locked for as long as it is open.
    let name = "5000000@other.example";
    let problem = refused(mine.give_up(&key(), name, "ann@lab", &me)).problem();
    assert_eq!(problem.code, "deployment-held");
    let seen = problem.state[0].seen.clone().expect("it says why");
    assert!(
        seen.ends_with("its lock beside the journal is held"),
        "{seen}"
    );
    assert!(
        problem
            .hints
            .iter()
            .all(|hint| !hint.contains("--take-over")),
        "{:?}",
        problem.hints
    );
    drop(theirs);
    mine.give_up(&key(), name, "ann@lab", &me)
        .expect("it has ended");
}

#[test]
fn what_runs_on_this_machine_is_not_given_up() {
    let place = Place::new();
    let journal = place.journal();
    let me = ProcessIdentity::current();
    journal.acquire(&key(), &holder(me.clone())).expect("free");
    let name = holder(me.clone()).name();
    let problem = refused(place.journal().give_up(&key(), &name, "ann@lab", &me)).problem();
    assert_eq!(problem.code, "deployment-held");
}

#[test]
fn a_released_lease_is_free_and_its_number_goes_on_rising() {
    let place = Place::new();
    let journal = place.journal();
    for number in 1..4 {
        let lease = journal
            .acquire(&key(), &holder(ProcessIdentity::current()))
            .expect("free");
        assert_eq!((lease.number, lease.took_over.as_ref()), (number, None));
        journal.release(&lease).expect("ours");
    }
    let other = Key {
        directory: "/srv/other".to_owned(),
        ..key()
    };
    let lease = journal
        .acquire(&other, &holder(dead()))
        .expect("another deployment");
    assert_eq!(lease.number, 1);
}

#[test]
fn two_processes_at_once_get_one_lease() {
    let place = Place::new();
    drop(place.journal());
    let path = place.path();
    let winners: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                scope.spawn(move || {
                    let journal = Journal::open(path).expect("the journal opens");
                    journal
                        .acquire(&key(), &holder(ProcessIdentity::current()))
                        .is_ok()
                })
            })
            .collect();
        tries
            .into_iter()
            .map(|handle| usize::from(handle.join().expect("no panic")))
            .sum()
    });
    assert_eq!(winners, 1);
}
