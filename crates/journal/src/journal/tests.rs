use switchback_model::Digest;
use switchback_model::exit::Exit;

use super::*;
use crate::holder::{Holder, ProcessIdentity};

#[test]
fn a_full_disk_is_told_and_the_record_ends_with_what_was_written_whole() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("journal.db");
    let journal = Journal::open(&path).expect("the journal opens");
    let key = Key {
        deployment: "lab".to_owned(),
        directory: "/srv/lab".to_owned(),
    };
    let holder = Holder {
        process: ProcessIdentity::current(),
        since: 0,
        run: "r-1".into(),
        by: "ann@lab".to_owned(),
    };
    let lease = journal.acquire(&key, &holder).expect("free");
    let pages: u32 = journal
        .connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .expect("readable");
    // As if the filesystem had room for two more pages.
    journal
        .connection
        .pragma_update_and_check(None, "max_page_count", pages + 2, |_| Ok(()))
        .expect("it can be limited");
    let mut written = 0;
    let error = loop {
        let event = Event::RunStarted {
            plan: "p-1".into(),
            digest: Digest::of("plan"),
            deployment: "lab".to_owned(),
            accepted: vec!["x".repeat(900)],
            by: "ann@lab".to_owned(),
            program: "0.1.0".to_owned(),
            took_over: None,
        };
        match journal.append(&lease, &RunId::new(format!("r-{written}")), 0, &event) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    let problem = error.problem();
    assert_eq!(
        (problem.code.as_str(), problem.exit),
        ("journal-full", Exit::Refused)
    );
    assert_eq!(
        problem.what,
        format!("no space left for `{}`", path.display())
    );
    assert_eq!(
        problem.why.as_deref(),
        Some("what cannot be recorded is not done")
    );
    assert_eq!(
        problem.state[0].seen.as_deref(),
        Some("ends with the last event that was written whole")
    );
    assert!(written > 0, "some events fit");
    assert_eq!(journal.verify().expect("whole").events, written);
}
