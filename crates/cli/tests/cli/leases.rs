//! A lease whose holder is on a machine that cannot be seen from here.

use switchback_journal::{Holder, Journal, Key, ProcessIdentity};
use switchback_testkit::Scenario;

use crate::bench::Bench;

const RUN: &str = "r-7c1d0000";

/// A run that stands, and its lease taken by a process of another machine; its journal stays open.
fn held_elsewhere(bench: &Bench) -> (Journal, Key) {
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    let (plan, ended) = bench.simulate(&Scenario::one_leg(), RUN);
    ended.expect("the simulated deployment is sound");
    let key = Key::from(&plan.deployment);
    let journal = bench.state().journal().expect("it opens");
    journal
        .acquire(
            &key,
            &Holder {
                process: ProcessIdentity {
                    host: "gone.example".to_owned(),
                    pid: 4711,
                    ..ProcessIdentity::current()
                },
                since: 1_795_237_449_000,
                run: RUN.into(),
                by: "ann@gone".to_owned(),
            },
        )
        .expect("nobody has it");
    (journal, key)
}

#[test]
fn a_holder_that_certainly_lives_is_not_given_up() {
    let bench = Bench::new();
    let (_alive, key) = held_elsewhere(&bench);
    let said = bench.switchback(&["resume", RUN, "--take-over", "4711@gone.example"]);
    assert_eq!(said.code, 3, "{said:?}");
    let told = said.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("its lock beside the journal is held"),
        "{told}"
    );
    assert!(!said.stderr.contains("--take-over"), "{}", said.stderr);
    let journal = bench.state().journal().expect("it opens");
    assert!(journal.holder(&key).expect("it can be read").is_some());
}

#[test]
fn a_holder_is_given_up_by_its_own_name_only() {
    let bench = Bench::new();
    let (journal, key) = held_elsewhere(&bench);
    drop(journal);
    let said = bench.switchback(&["resume", RUN, "--take-over", "4712@gone.example"]);
    assert_eq!(said.code, 3, "{said:?}");
    let typed = format!("switchback resume {RUN} --take-over 4711@gone.example");
    let told = said.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(&typed), "{}", said.stderr);
    let said = bench.switchback(&["resume", RUN, "--take-over", "4711@gone.example"]);
    assert_eq!(said.code, 0, "{said:?}");
    let me = Holder {
        process: ProcessIdentity::current(),
        since: 1_795_237_450_000,
        run: RUN.into(),
        by: "ann@lab".to_owned(),
    };
    let journal = bench.state().journal().expect("it opens");
    let lease = journal.acquire(&key, &me).expect("it was given up");
    let over = lease.took_over.expect("the record says in whose place");
    assert!(over.contains("declared gone by"), "{over}");
}
