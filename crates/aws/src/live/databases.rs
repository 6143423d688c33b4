//! Snapshots, machines, buckets and whose account it is, against moto and ministack.

use switchback_engine::ports::{Driver, Finding};
use switchback_model::event::Completed;
use switchback_model::plan::{Act, Expectation};
use switchback_model::stack::{History, KeepBy, Launch, Machine, RenewBy, Store, StoreKind};

use super::standins::{Kind, StandIn};
use super::{Lab, deploy, template};
use crate::{Account, Wanted, observe, signed};

fn store(kind: StoreKind, logical: &str, physical: &str) -> Store {
    Store {
        stack: "ami".to_owned(),
        logical: logical.to_owned(),
        physical: physical.to_owned(),
        kind,
        engine: None,
        gibibytes: None,
        history: None,
    }
}

fn replication_group(account: &Account) {
    let request = account
        .elasticache
        .create_replication_group()
        .replication_group_id("redis")
        .replication_group_description("redis")
        .engine("redis")
        .cache_node_type("cache.t3.small")
        .num_cache_clusters(1);
    account.wait(request.send()).expect("a group");
}

fn aurora(account: &Account) {
    let request = account
        .rds
        .create_db_cluster()
        .db_cluster_identifier("aurora")
        .engine("aurora-postgresql")
        .master_username("postgres")
        .master_user_password("changeme1234");
    account.wait(request.send()).expect("a cluster");
}

/// Relies on D1, D3, D5, D7 (moto, ok): snapshots of all four kinds; on A0 for the types that this template has.
#[test]
fn stores_are_found_and_snapshotted_and_a_snapshot_is_adopted() {
    let Some(moto) = StandIn::start(Kind::Moto) else {
        return;
    };
    let account = moto.account();
    deploy(
        &account,
        "ami",
        &template("v1", "ami-byol"),
        &[("Domain", "tts.example.com"), ("ImageId", "ami-12c6146b")],
    );
    replication_group(&account);
    aurora(&account);
    let seen = observe(&account, &Wanted::default(), &|_| ())
        .expect("observed")
        .cloud;
    let found = |logical: &str| {
        let stores = seen.stores.iter();
        stores
            .clone()
            .find(|store| store.logical == logical)
            .expect("a store")
    };
    let volume = found("Volume").clone();
    assert_eq!(volume.gibibytes, Some(8));
    let database = found("Database").clone();
    assert_eq!(database.engine.as_deref(), Some("postgres 16.3"));
    assert_eq!(database.history, Some(History::Moments { days: 7 }));
    let stores = [
        volume,
        database,
        store(StoreKind::ReplicationGroup, "Redis", "redis"),
        store(StoreKind::DatabaseCluster, "DBCluster", "aurora"),
    ];
    let acts = stores.iter().cloned().map(|store| Act::Snapshot {
        store,
        by: KeepBy::Snapshot,
    });
    let lab = Lab::of_acts(std::rc::Rc::new(account), acts.collect());
    for (store, number) in stores.iter().zip(1..) {
        let cx = lab.step(number);
        let wanted = Expectation::Snapshotted {
            stack: store.stack.clone(),
            logical: store.logical.clone(),
        };
        assert!(
            matches!(lab.driver().look(&cx, &wanted), Finding::Differs { .. }),
            "{store:?}"
        );
        let done = lab.driver().snapshot(&cx, store).expect("taken");
        assert_eq!(done.completed, Completed::Done);
        assert_eq!(lab.driver().look(&cx, &wanted), Finding::Holds);
        // The process died after it asked for it: it is not taken a second time.
        let again = lab.driver().snapshot(&cx, store).expect("adopted");
        assert_eq!(again.completed, Completed::Adopted);
        assert_eq!(again.facts["snapshot"], done.facts["snapshot"]);
        let handle = &done.facts["snapshot"];
        match store.kind {
            StoreKind::Volume => assert!(handle.starts_with("snap-"), "{handle}"),
            StoreKind::ReplicationGroup => assert!(handle.starts_with("switchback-"), "{handle}"),
            _ => assert!(handle.starts_with("arn:aws:rds:"), "{handle}"),
        }
    }
    let gone = store(StoreKind::DatabaseInstance, "Other", "nobody");
    let failure = lab
        .driver()
        .snapshot(&lab.step(1), &gone)
        .expect_err("no such database");
    assert!(
        failure.hints.iter().any(|hint| hint.contains("plan again")),
        "{failure:?}"
    );
}

/// Relies on S1 (ministack, ok): versions as a template says.
#[test]
fn whether_buckets_keep_versions_is_seen() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let account = ministack.account();
    let path = ministack.directory().join("buckets.yml");
    let text = "Resources:
  Pictures:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: tts-pictures
      VersioningConfiguration: { Status: Enabled }
  Blobs:
    Type: AWS::S3::Bucket
    Properties: { BucketName: tts-blobs }
";
    std::fs::write(&path, text).expect("written");
    deploy(&account, "buckets", &path.to_string_lossy(), &[]);
    let seen = observe(&account, &Wanted::default(), &|_| ())
        .expect("observed")
        .cloud;
    let mut found: Vec<(&str, Option<History>)> = seen
        .stores
        .iter()
        .map(|store| (store.physical.as_str(), store.history))
        .collect();
    found.sort_by_key(|(name, _)| *name);
    assert_eq!(
        found,
        [
            ("tts-blobs", Some(History::Nothing)),
            ("tts-pictures", Some(History::Versions)),
        ]
    );
    let gone = signed::s3_keeps_versions(&account, "tts-nobody").expect_err("no such bucket");
    assert!(gone.is("NoSuchBucket"), "{gone:?}");
    super::within_policy(&account);
}

/// Relies on D8 (moto, ok): machines end, protected ones do not.
#[test]
fn a_machine_is_ended_and_a_protected_one_is_not() {
    let Some(moto) = StandIn::start(Kind::Moto) else {
        return;
    };
    let account = moto.account();
    deploy(
        &account,
        "ami",
        &template("v1", "ami-byol"),
        &[("Domain", "tts.example.com"), ("ImageId", "ami-12c6146b")],
    );
    let wanted = Wanted {
        domains: [("tts.example.com".to_owned(), false)].into(),
        ..Wanted::default()
    };
    let seen = observe(&account, &wanted, &|_| ()).expect("observed").cloud;
    let [machine] = seen.machines.as_slice() else {
        panic!("one machine: {:?}", seen.machines);
    };
    assert_eq!(machine.state, "running");
    assert_eq!(machine.launch.image.as_deref(), Some("ami-12c6146b"));
    assert_eq!(seen.domains[0].name, "tts.example.com");
    let protect = |word: &str| {
        let parameters = [
            ("InstanceId", machine.id.as_str()),
            ("DisableApiTermination.Value", word),
        ];
        signed::ec2(&account, "ModifyInstanceAttribute", &parameters).expect("modified");
    };
    protect("true");
    let act = Act::Terminate {
        machine: machine.clone(),
    };
    let lab = Lab::of_acts(std::rc::Rc::new(moto.account()), vec![act]);
    let cx = lab.context();
    let failure = lab.driver().terminate(&cx, machine).expect_err("protected");
    assert!(
        failure
            .hints
            .iter()
            .any(|hint| hint.contains("disable-api-termination")),
        "{failure:?}"
    );
    let gone = Expectation::Terminated {
        machine: machine.id.clone(),
    };
    assert!(matches!(
        lab.driver().look(&cx, &gone),
        Finding::Differs { .. }
    ));
    protect("false");
    lab.driver().terminate(&cx, machine).expect("ended");
    assert_eq!(lab.driver().look(&cx, &gone), Finding::Holds);
    let nobody = Machine {
        id: "i-0123456789abcdef0".to_owned(),
        launch: Launch::default(),
        ..machine.clone()
    };
    lab.driver()
        .terminate(&cx, &nobody)
        .expect("what is gone is gone");
}

/// Relies on F4 (moto, ok): a group makes machines. What happens to one that is behind cannot be seen there: moto says
/// of every machine that it was made from what its group says now.
#[test]
fn machines_of_a_group_are_seen_with_what_they_were_made_from() {
    let Some(moto) = StandIn::start(Kind::Moto) else {
        return;
    };
    let account = moto.account();
    deploy(
        &account,
        "machines",
        &template("v1", "machines"),
        &[("ImageId", "ami-12c6146b")],
    );
    let seen = observe(&account, &Wanted::default(), &|_| ())
        .expect("observed")
        .cloud;
    let [group] = seen.groups.as_slice() else {
        panic!("one group: {:?}", seen.groups);
    };
    assert_eq!((group.machines.len(), group.behind().count()), (2, 0));
    assert_eq!(group.launch.image.as_deref(), Some("ami-12c6146b"));
    assert!(
        group
            .machines
            .iter()
            .all(|machine| machine.state == "running")
    );
    let lab = Lab::new(
        moto.account(),
        Act::Renew {
            group: group.clone(),
            by: RenewBy::OneByOne,
        },
    );
    let cx = lab.context();
    let renewed = Expectation::Renewed {
        stack: "machines".to_owned(),
        logical: "AutoScalingGroup".to_owned(),
    };
    assert_eq!(lab.driver().look(&cx, &renewed), Finding::Holds);
    let done = lab
        .driver()
        .renew(&cx, group, RenewBy::OneByOne)
        .expect("nothing to do");
    assert_eq!(done.completed, Completed::AlreadyDone);
}

/// A plan is good for one account.
#[test]
fn nothing_is_done_in_another_account() {
    let Some(standin) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let store = store(StoreKind::Volume, "Volume", "vol-1");
    let mut lab = Lab::new(
        standin.account(),
        Act::Snapshot {
            store: store.clone(),
            by: KeepBy::Snapshot,
        },
    );
    if let Some(account) = &mut lab.plan.account {
        account.id = "999999999999".to_owned();
    }
    let before = lab.account.calls().requests();
    let failure = lab
        .driver()
        .snapshot(&lab.context(), &store)
        .expect_err("another account");
    assert_eq!(failure.code, "aws-account");
    let looked = lab.driver().look(
        &lab.context(),
        &Expectation::NoStack {
            stack: "x".to_owned(),
        },
    );
    assert!(matches!(looked, Finding::Differs { .. }), "{looked:?}");
    assert_eq!(lab.account.calls().requests(), before, "nothing was asked");
}
