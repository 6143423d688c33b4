//! What no stand-in shows, from documents in the form that AWS's own references give them: changes that are under way, a way
//! back that fails, a volume in a change set, a snapshot that takes its time. Nothing is installed for these: they are never
//! skipped.

use std::cell::RefCell;

use switchback_engine::ports::{Context, Driver, Progress};
use switchback_model::event::Completed;
use switchback_model::plan::Act;
use switchback_model::stack::{KeepBy, ParameterWish, StackUpdate, Store, StoreKind};
use switchback_testkit::aws::Replay;

use super::{Lab, standins, template, wish};
use crate::Account;

const STACK: &str = "prod-2-5-db-timescale-master";

fn account(replay: &Replay) -> Account {
    let directory = tempfile::tempdir().expect("temporary directory");
    let settings = standins::settings(directory.path()).at(&replay.url);
    Account::open(&settings).expect("it says who asks")
}

fn arn() -> String {
    format!("arn:aws:cloudformation:us-east-1:123456789012:stack/{STACK}/1")
}

fn stack(status: &str) -> String {
    let id = arn();
    format!(
        "<Stacks><member><StackName>{STACK}</StackName><StackId>{id}</StackId><StackStatus>{status}</StackStatus>\
         <CreationTime>2026-01-01T00:00:00Z</CreationTime><Parameters><member><ParameterKey>VolumeSize</ParameterKey>\
         <ParameterValue>20</ParameterValue></member></Parameters></member></Stacks>"
    )
}

/// Events as they are told, newest first, from `(resource, status, reason)`, oldest first.
fn events(of: &[(&str, &str, &str)], token: &str) -> String {
    let told = of.iter().rev().map(|(logical, status, reason)| {
        let (logical, kind) = match *logical {
            "" => (STACK, "AWS::CloudFormation::Stack"),
            "Volume" => ("Volume", "AWS::EC2::Volume"),
            other => (other, "AWS::EC2::Instance"),
        };
        format!(
            "<member><StackId>{}</StackId><StackName>{STACK}</StackName><EventId>e</EventId><LogicalResourceId>{logical}</LogicalResourceId>\
             <ResourceType>{kind}</ResourceType><Timestamp>2026-03-01T10:00:00Z</Timestamp><ResourceStatus>{status}</ResourceStatus>\
             <ResourceStatusReason>{reason}</ResourceStatusReason><ClientRequestToken>{token}</ClientRequestToken></member>",
            arn()
        )
    });
    format!("<StackEvents>{}</StackEvents>", told.collect::<String>())
}

/// Every parameter stays, and so does the template.
fn quiet() -> StackUpdate {
    StackUpdate {
        template: None,
        ..wish(
            STACK,
            &template("v1", "mechanism"),
            &[("VolumeSize", ParameterWish::Previous)],
        )
    }
}

/// Keeps what is reported.
#[derive(Default)]
pub(super) struct Heard(pub(super) RefCell<Vec<(String, Option<u64>)>>);

impl Progress for Heard {
    fn report(&self, doing: &str, done: Option<u64>, _: Option<u64>, _: Option<&str>) {
        self.0.borrow_mut().push((doing.to_owned(), done));
    }
}

/// An update that a process began which died since, in each of the states that AWS goes through.
fn followed(
    states: &[(&str, &str, &str)],
) -> (
    Result<Completed, switchback_engine::ports::Failure>,
    Vec<String>,
) {
    let replay = Replay::start();
    let update = quiet();
    let lab = Lab::new(
        account(&replay),
        Act::Update {
            update: update.clone(),
        },
    );
    let heard = Heard::default();
    let cx = Context {
        progress: &heard,
        ..lab.context()
    };
    let token = format!("{}-1", crate::notes::step_name(&cx));
    replay.answer("DescribeStacks", &[&stack("UPDATE_IN_PROGRESS")]);
    // The first look asks whose change it is; each one behind it sees one more.
    let told: Vec<String> = std::iter::once(1)
        .chain(1..=states.len())
        .map(|count| events(&states[..count], &token))
        .collect();
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    replay.answer("DescribeStackEvents", &told);
    let done = lab.driver().update(&cx, &update);
    assert_eq!(replay.heard("ExecuteChangeSet"), 0, "it is not begun again");
    let heard = heard.0.into_inner();
    let words = heard.into_iter().map(|(doing, _)| doing).collect();
    (done.map(|done| done.completed), words)
}

#[test]
fn an_update_that_is_under_way_is_adopted_and_followed_through_every_state() {
    let (done, told) = followed(&[
        ("", "UPDATE_IN_PROGRESS", "User Initiated"),
        (
            "Instance",
            "UPDATE_IN_PROGRESS",
            "Requested update requires the creation of a new physical resource",
        ),
        ("Instance", "UPDATE_COMPLETE", ""),
        ("", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", ""),
        ("Instance", "DELETE_COMPLETE", ""),
        ("", "UPDATE_COMPLETE", ""),
    ]);
    assert_eq!(done.expect("it ends well"), Completed::Adopted);
    assert_eq!(
        told,
        [
            format!("{STACK} UPDATE_IN_PROGRESS"),
            "Instance UPDATE_IN_PROGRESS".to_owned(),
            "Instance UPDATE_COMPLETE".to_owned(),
            format!("{STACK} UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
            "Instance DELETE_COMPLETE".to_owned(),
        ]
    );
}

#[test]
fn a_way_back_of_cloudformation_is_followed_and_one_that_fails_says_what_is_stuck() {
    let begun = [
        ("", "UPDATE_IN_PROGRESS", "User Initiated"),
        ("Volume", "UPDATE_FAILED", "Volume vol-1 cannot be detached"),
        (
            "",
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "The following resource(s) failed to update: [Volume].",
        ),
    ];
    let mut well = begun.to_vec();
    well.extend([
        ("Volume", "UPDATE_COMPLETE", ""),
        ("", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", ""),
        ("", "UPDATE_ROLLBACK_COMPLETE", ""),
    ]);
    let (failure, _) = followed(&well);
    let failure = failure.expect_err("it is taken back");
    assert_eq!(failure.code, "update-rolled-back");
    assert_eq!(
        failure.causes,
        ["`Volume` (AWS::EC2::Volume): Volume vol-1 cannot be detached"]
    );
    let mut badly = begun.to_vec();
    badly.extend([
        ("Volume", "UPDATE_FAILED", "Volume vol-1 is in use"),
        (
            "",
            "UPDATE_ROLLBACK_FAILED",
            "The following resource(s) failed to update: [Volume].",
        ),
    ]);
    let (failure, _) = followed(&badly);
    let failure = failure.expect_err("neither here nor there");
    assert_eq!(failure.code, "rollback-failed");
    let seen = failure.state[0].seen.as_deref().unwrap_or_default();
    assert!(seen.ends_with("stuck: Volume"), "{seen}");
    assert_eq!(
        failure.hints,
        [
            "correct what the cause names, then plan how the update is taken back: `switchback plan`",
            "this run waits meanwhile, and goes on once that plan was applied",
        ]
    );
}

/// AWS names a volume *Conditional* where its size changes, and lists it where nothing of it is changed at all.
#[test]
fn a_volume_that_a_change_set_lists_stops_the_update_before_it_is_executed() {
    let replay = Replay::start();
    let update = quiet();
    let lab = Lab::new(
        account(&replay),
        Act::Update {
            update: update.clone(),
        },
    );
    let set = |status: &str, changes: &str| {
        format!(
            "<ChangeSetName>switchback-1</ChangeSetName><ChangeSetId>arn:aws:cloudformation:us-east-1:123456789012:changeSet/switchback-1/1</ChangeSetId>\
             <StackId>{}</StackId><StackName>{STACK}</StackName><Status>{status}</Status><ExecutionStatus>AVAILABLE</ExecutionStatus>\
             <Changes>{changes}</Changes>",
            arn()
        )
    };
    let volume = "<member><Type>Resource</Type><ResourceChange><Action>Modify</Action><LogicalResourceId>Volume</LogicalResourceId>\
        <PhysicalResourceId>vol-1</PhysicalResourceId><ResourceType>AWS::EC2::Volume</ResourceType><Replacement>Conditional</Replacement>\
        <Scope><member>Properties</member></Scope><Details><member><Target><Attribute>Properties</Attribute><Name>Size</Name>\
        <RequiresRecreation>Conditionally</RequiresRecreation></Target><Evaluation>Dynamic</Evaluation>\
        <ChangeSource>DirectModification</ChangeSource></member></Details></ResourceChange></member>";
    replay.answer("DescribeStacks", &[&stack("UPDATE_COMPLETE")]);
    replay.answer("DeleteChangeSet", &[""]);
    replay.answer("CreateChangeSet", &["<Id>1</Id>"]);
    replay.answer(
        "DescribeChangeSet",
        &[
            &set("CREATE_PENDING", ""),
            &set("CREATE_IN_PROGRESS", ""),
            &set("CREATE_COMPLETE", volume),
        ],
    );
    let failure = lab.driver().update(&lab.context(), &update);
    let failure = failure.expect_err("a volume is in it");
    assert_eq!(failure.code, "changes-differ");
    assert!(
        failure.causes[0].contains("`Volume` (AWS::EC2::Volume)"),
        "{failure:?}"
    );
    assert_eq!(replay.heard("ExecuteChangeSet"), 0);
    assert_eq!(
        replay.heard("DeleteChangeSet"),
        2,
        "before it, and behind it"
    );
}

#[test]
fn a_snapshot_that_takes_its_time_is_asked_for_once_and_waited_for() {
    let replay = Replay::start();
    let store = Store {
        stack: STACK.to_owned(),
        logical: "DBCluster".to_owned(),
        physical: "aurora".to_owned(),
        kind: StoreKind::DatabaseCluster,
        engine: None,
        gibibytes: None,
        history: None,
    };
    let lab = Lab::new(
        account(&replay),
        Act::Snapshot {
            store: store.clone(),
            by: KeepBy::Snapshot,
        },
    );
    let snapshot = |status: &str, percent: u32| {
        format!(
            "<DBClusterSnapshots><DBClusterSnapshot><DBClusterSnapshotArn>arn:aws:rds:us-east-1:123456789012:cluster-snapshot:s</DBClusterSnapshotArn>\
             <Status>{status}</Status><PercentProgress>{percent}</PercentProgress></DBClusterSnapshot></DBClusterSnapshots>"
        )
    };
    replay.answer("CreateDBClusterSnapshot", &[""]);
    let states = [
        snapshot("creating", 0),
        snapshot("creating", 40),
        snapshot("available", 100),
    ];
    replay.answer(
        "DescribeDBClusterSnapshots",
        &states.each_ref().map(String::as_str),
    );
    replay.refuse_once(
        "DescribeDBClusterSnapshots",
        "DBClusterSnapshotNotFoundFault",
    );
    let heard = Heard::default();
    let cx = Context {
        progress: &heard,
        ..lab.context()
    };
    let done = lab.driver().snapshot(&cx, &store).expect("taken");
    assert_eq!(done.completed, Completed::Done);
    assert_eq!(replay.heard("CreateDBClusterSnapshot"), 1);
    let percents: Vec<Option<u64>> = heard
        .0
        .into_inner()
        .into_iter()
        .map(|(_, done)| done)
        .collect();
    assert_eq!(percents, [Some(0), Some(40)]);
}
