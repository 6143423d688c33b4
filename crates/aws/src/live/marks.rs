//! Marks of databases, and the snapshots that they become, against moto.

use std::collections::BTreeMap;
use std::rc::Rc;

use switchback_engine::ports::{Context, Driver, Finding, Progress};
use switchback_model::event::Completed;
use switchback_model::plan::{Act, Expectation};
use switchback_model::stack::{History, KeepBy, Snapshot, Store, StoreKind};
use switchback_testkit::crash::{CrashPoints, survive};

use super::Lab;
use super::refusals::told;
use super::standins::{Kind, StandIn};
use crate::marks::{self, CopyState};
use crate::{Account, Phase, kept_snapshots, snapshots};

const STACK: &str = "tts";

fn store(kind: StoreKind, logical: &str, physical: &str) -> Store {
    Store {
        stack: STACK.to_owned(),
        logical: logical.to_owned(),
        physical: physical.to_owned(),
        kind,
        engine: None,
        gibibytes: None,
        history: Some(History::Moments { days: 7 }),
    }
}

/// A cluster and a database whose automated backups are on, and a database whose are off.
fn databases(account: &Account) -> [Store; 3] {
    let request = account
        .rds
        .create_db_cluster()
        .db_cluster_identifier("aurora")
        .engine("aurora-postgresql")
        .backup_retention_period(7)
        .master_username("postgres")
        .master_user_password("changeme1234");
    account.wait(request.send()).expect("a cluster");
    for (name, days) in [("postgres", 7), ("unkept", 0)] {
        let request = account
            .rds
            .create_db_instance()
            .db_instance_identifier(name)
            .engine("postgres")
            .db_instance_class("db.t3.micro")
            .allocated_storage(20)
            .backup_retention_period(days)
            .master_username("postgres")
            .master_user_password("changeme1234");
        account.wait(request.send()).expect("a database");
    }
    [
        store(StoreKind::DatabaseCluster, "DBCluster", "aurora"),
        store(StoreKind::DatabaseInstance, "Database", "postgres"),
        store(StoreKind::DatabaseInstance, "Unkept", "unkept"),
    ]
}

fn lab(moto: &StandIn, stores: &[Store]) -> Lab {
    let acts = stores.iter().cloned().map(|store| Act::Snapshot {
        store,
        by: KeepBy::Mark,
    });
    Lab::of_acts(Rc::new(moto.account()), acts.collect())
}

fn kept(lab: &Lab) -> Vec<Snapshot> {
    let places = BTreeMap::from([(1, lab.directory.path().to_owned())]);
    kept_snapshots(&lab.account, &lab.plan, &lab.run, &places).expect("told")
}

/// Relies on D11 (moto): moments that can be brought back, and databases restored to one.
#[test]
fn a_mark_is_noted_once_and_becomes_a_snapshot_that_leaves_nothing_behind() {
    let Some(moto) = StandIn::start(Kind::Moto) else {
        return;
    };
    let stores = databases(&moto.account());
    let [cluster, database, _] = &stores;
    let lab = lab(&moto, &stores);
    assert_eq!(kept(&lab), [], "nothing is marked yet");
    for (store, number) in [(cluster, 1), (database, 2)] {
        let cx = lab.step(number);
        let marked = Expectation::Snapshotted {
            stack: store.stack.clone(),
            logical: store.logical.clone(),
        };
        let looked = lab.driver().look(&cx, &marked);
        assert!(matches!(looked, Finding::Differs { .. }), "{looked:?}");
        let done = lab.driver().mark(&cx, store).expect("marked");
        assert_eq!(done.completed, Completed::Done);
        assert_eq!(lab.driver().look(&cx, &marked), Finding::Holds);
        // The process died after it noted the moment: that one counts, however late it is looked at.
        let again = lab.driver().mark(&cx, store).expect("adopted");
        assert_eq!(again.completed, Completed::Adopted);
        assert_eq!(again.facts["mark"], done.facts["mark"]);
    }

    let marks = kept(&lab);
    let [first, second] = marks.as_slice() else {
        panic!("two marks: {marks:?}");
    };
    assert_eq!((&first.store, &second.store), (cluster, database));
    assert!(marks.iter().all(|mark| mark.by == KeepBy::Mark));
    for mark in [first, second] {
        let killed = recalled(&lab, mark);
        assert!(killed >= 3, "copy, snapshot, end of the copy: {killed}");
    }
    // What was made a snapshot counts without its database.
    marks::remove(&moto.account(), cluster.kind, &cluster.physical).expect("removed");
    assert_eq!(kept(&lab), marks);
}

/// Recalls a mark again and again, each time by a process that dies one report later than the one before and by another
/// that goes on, until one lives to the end. Says how many died.
fn recalled(lab: &Lab, mark: &Snapshot) -> u64 {
    let (kind, name) = (mark.store.kind, mark.handle.rsplit(':').next());
    let name = name.expect("a name");
    let is_recalled = Expectation::Recalled { mark: mark.clone() };
    let is_kept = Expectation::Kept {
        snapshot: mark.clone(),
    };
    let crash = CrashPoints::default();
    let dies = Dies(&crash);
    let dying = Context {
        progress: &dies,
        ..lab.context()
    };
    let cx = lab.context();
    let mut left = 0;
    for fatal in 1.. {
        let looked = lab.driver().look(&cx, &is_recalled);
        assert!(matches!(looked, Finding::Differs { .. }), "{looked:?}");
        crash.arm(fatal);
        let lived = survive(|| lab.driver().recall(&dying, mark));
        let lives = lived.is_ok();
        left += told_of(&lab.account, kind, name);
        let done = lived.unwrap_or_else(|_| lab.driver().recall(&cx, mark));
        let done = done.expect("a snapshot");
        assert_eq!(done.facts["snapshot"], mark.handle, "as it was foreseen");
        assert_eq!(lab.driver().look(&cx, &is_recalled), Finding::Holds);
        assert_eq!(lab.driver().look(&cx, &is_kept), Finding::Holds);
        let copy = marks::copy(&lab.account, kind, name).expect("looked");
        assert!(matches!(copy, None | Some(CopyState::Going)), "{copy:?}");
        let now = marks::copies(&lab.account).expect("listed");
        assert!(now.iter().all(|copy| copy.status == "deleting"), "{now:?}");
        let source = marks::copy(&lab.account, kind, &mark.store.physical);
        assert_eq!(source.expect("looked"), Some(CopyState::Available));
        if lives {
            assert_eq!(done.completed, Completed::Done);
            let again = lab.driver().recall(&cx, mark).expect("adopted");
            assert_eq!(again.completed, Completed::Adopted);
            assert!(left >= 1, "a process died while there was a copy");
            return fatal - 1;
        }
        forget(&lab.account, kind, name);
    }
    unreachable!("there is always another process")
}

/// How many copies a look at the whole region tells of: none but this one, which an operator could remove.
fn told_of(account: &Account, kind: StoreKind, name: &str) -> u64 {
    let told = marks::copies(account).expect("listed");
    for copy in &told {
        assert_eq!((copy.kind, copy.name.as_str()), (kind, name));
        let class = (kind == StoreKind::DatabaseInstance).then_some("db.t3.micro");
        assert_eq!(copy.class.as_deref(), class);
    }
    told.len() as u64
}

/// Removes a snapshot, as an operator would.
fn forget(account: &Account, kind: StoreKind, name: &str) {
    account.calls().enter(Phase::Rehearse);
    snapshots::remove(account, kind, name).expect("removed");
}

/// Dies at a report.
struct Dies<'a>(&'a CrashPoints);

impl Progress for Dies<'_> {
    fn report(&self, _: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {
        self.0.point("in the middle");
    }
}

/// Relies on D11 (moto).
#[test]
fn what_cannot_be_marked_or_brought_back_is_told_and_changes_nothing() {
    let Some(moto) = StandIn::start(Kind::Moto) else {
        return;
    };
    let stores = databases(&moto.account());
    let [cluster, _, unkept] = &stores;
    let lab = lab(&moto, &stores);
    let failure = lab.driver().mark(&lab.step(3), unkept);
    assert_eq!(
        told(&failure.expect_err("its backups are off")),
        "cannot mark a moment of the database `unkept` of `tts`\n\
         caused by: `unkept` keeps automated backups for 0 days\n\
         state: Unkept: was not changed\n\
         hint: plan again: it is kept by a snapshot then\n"
    );
    lab.driver().mark(&lab.context(), cluster).expect("marked");
    let marks = kept(&lab);
    marks::remove(&moto.account(), cluster.kind, &cluster.physical).expect("removed");
    assert_eq!(kept(&lab), [], "its automated backups went with it");
    let [mark] = marks.as_slice() else {
        panic!("one mark: {marks:?}");
    };
    let at = mark.at.as_deref().unwrap_or_default();
    let failure = lab.driver().recall(&lab.context(), mark);
    let failure = failure.expect_err("the cluster is gone");
    let [cause] = failure.causes.as_slice() else {
        panic!("{failure:?}");
    };
    assert!(cause.contains("DBClusterNotFoundFault"), "{cause}");
    assert_eq!(
        told(&failure),
        format!(
            "cannot make the database cluster `aurora` of `tts` as it was at {at}\n\
             caused by: {cause}\n\
             state: DBCluster: was not changed\n\
             hint: the database of the mark is gone, and its automated backups with it: bring it back from a snapshot of your own\n"
        )
    );
}
