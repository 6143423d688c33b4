//! One writer per deployment: who holds it, who may take it over.

use switchback_journal::{Journal, Key, ProcessIdentity};
use switchback_model::exit::Exit;

use crate::place::{Place, dead, finish, holder, key, refused};

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
