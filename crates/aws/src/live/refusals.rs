//! What AWS refuses in the middle of a run: said in three parts, with nothing changed by it.

use std::rc::Rc;

use switchback_engine::ports::{Driver, Failure};
use switchback_model::plan::Act;
use switchback_model::stack::{ChangeSet, KeepBy, StackUpdate, Store, StoreKind};

use super::faults::{deployed, level, louder};
use super::migrations::{self, OPERATIONS};
use super::standins::{Kind, StandIn};
use super::{Lab, deploy, template};
use crate::stacks::change_set::{self, Sent};
use crate::stacks::execute;
use crate::waiting::Pace;

/// All that an operator reads.
pub(super) fn told(failure: &Failure) -> String {
    let state = failure.state.iter().map(|it| {
        let seen = it.seen.as_deref().unwrap_or("unknown");
        format!("state: {}: {seen}\n", it.subject)
    });
    let causes = failure.causes.iter().map(|it| format!("caused by: {it}\n"));
    let hints = failure.hints.iter().map(|it| format!("hint: {it}\n"));
    format!("{}\n", failure.what) + &causes.chain(state).chain(hints).collect::<String>()
}

fn refuse(proxy: &StandIn, service: &str, operation: &str, code: &str, message: &str) {
    let status = if code.starts_with("Expired") {
        403
    } else {
        400
    };
    proxy.rules(&format!(
        r#"[{{"service":"{service}","operation":"{operation}","times":1,"error":{{"code":"{code}","status":{status},"message":"{message}"}}}}]"#
    ));
}

/// The proxy refuses as AWS documents it; what comes before and after is ministack's.
#[test]
fn what_an_update_is_refused_for_is_told_and_changes_nothing() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let Some(proxy) = ministack.spoiled() else {
        return;
    };
    let direct = ministack.account();
    deployed(&direct);
    let update = louder();
    let act = Act::Update {
        update: update.clone(),
    };
    let lab = Lab::new(proxy.account(), act);
    for (operation, code, message, said) in [
        (
            "CreateChangeSet",
            "InsufficientCapabilitiesException",
            "Requires capabilities : [CAPABILITY_NAMED_IAM]",
            "cannot make a change set of `mechanism`\n\
             caused by: `cloudformation:CreateChangeSet`: InsufficientCapabilitiesException: Requires capabilities : [CAPABILITY_NAMED_IAM]\n\
             state: mechanism: was not changed\n\
             hint: the template makes roles or users and the plan does not allow it: plan again, and accept its capabilities\n",
        ),
        (
            "CreateChangeSet",
            "ValidationError",
            "Parameters: [Level] do not exist in the template",
            "cannot make a change set of `mechanism`\n\
             caused by: `cloudformation:CreateChangeSet`: ValidationError: Parameters: [Level] do not exist in the template\n\
             state: mechanism: was not changed\n\
             hint: the template wants other parameters than the plan says: plan again with the template that will be used\n",
        ),
        (
            "ExecuteChangeSet",
            "ExpiredToken",
            "The security token included in the request is expired",
            "cannot execute the change set of `mechanism`\n\
             caused by: `cloudformation:ExecuteChangeSet`: ExpiredToken: The security token included in the request is expired\n\
             state: AWS: refused the request; nothing was changed by it\n\
             state: mechanism: was not changed: no event of this step is there\n\
             hint: log in again, then type the same command again: nothing that was done is done twice\n",
        ),
    ] {
        refuse(&proxy, "cloudformation", operation, code, message);
        let failure = lab.driver().update(&lab.context(), &update);
        assert_eq!(told(&failure.expect_err(code)), said);
        assert_eq!(level(&direct).as_deref(), Some("info"), "{code}");
    }
    proxy.rules("[]");
    // With nothing in the way any more, the same step goes on.
    lab.driver()
        .update(&lab.context(), &update)
        .expect("updated");
    assert_eq!(level(&direct).as_deref(), Some("debug"));
}

#[test]
fn a_snapshot_that_is_one_too_many_and_a_task_without_a_place_are_told() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let Some(proxy) = ministack.spoiled() else {
        return;
    };
    let image = "thethingsindustries/lorawan-stack:3.32.1";
    let direct = ministack.account();
    migrations::cluster(&direct, image);
    let database = "tts-2-1-db-aurora-master";
    let path = template("v1", "2-1-db-aurora-master");
    deploy(
        &direct,
        database,
        &path,
        &[("MasterPassword", "changeme1234")],
    );
    let stack = crate::stacks::read::one(&direct, database).expect("read");
    let stacks = crate::stacks::read::resources(&direct, stack.into_iter().collect());
    let stacks = stacks.expect("read");
    let cluster = stacks[0].resource("DBCluster").expect("a cluster");
    let store = Store {
        stack: database.to_owned(),
        logical: "DBCluster".to_owned(),
        physical: cluster.physical.clone().expect("it is there"),
        kind: StoreKind::DatabaseCluster,
        engine: None,
        gibibytes: None,
        history: None,
    };
    let snapshot = Act::Snapshot {
        store: store.clone(),
        by: KeepBy::Snapshot,
    };
    let migration = migrations::act_of(OPERATIONS, "is-db migrate", image);
    let wanted = migrations::Wanted::of(&migration);
    let lab = Lab::of_acts(Rc::new(proxy.account()), vec![snapshot, migration]);

    let message = "The request would exceed the user's quota of snapshots";
    let operation = "CreateDBClusterSnapshot";
    refuse(&proxy, "rds", operation, "SnapshotQuotaExceeded", message);
    let failure = lab.driver().snapshot(&lab.step(1), &store);
    assert_eq!(
        told(&failure.expect_err("one too many")),
        format!(
            "cannot take a snapshot of the database cluster `{}` of `tts-2-1-db-aurora-master`\n\
             caused by: `rds:CreateDBClusterSnapshot`: SnapshotQuotaExceeded: {message}\n\
             state: DBCluster: was not changed\n\
             hint: remove snapshots that nobody needs, or ask AWS for more, then resume\n",
            store.physical
        )
    );
    proxy.rules("[]");
    lab.driver()
        .snapshot(&lab.step(1), &store)
        .expect("there is room again");

    let message = "The subnet ID 'subnet-1' does not exist";
    refuse(
        &proxy,
        "ecs",
        "RunTask",
        "InvalidParameterException",
        message,
    );
    let failure = lab.driver().migrate(&lab.step(2), &wanted.call());
    assert_eq!(
        told(&failure.expect_err("no subnet")),
        "cannot start `is-db migrate`\n\
         caused by: `ecs:RunTask`: InvalidParameterException: The subnet ID 'subnet-1' does not exist\n\
         state: database: was not migrated\n\
         hint: subnets, security group or task definition are gone or do not fit: look at the output of the stack, then resume\n"
    );
}

/// Relies on A16, G15 (ministack, ok): protection is told and kept; a change set is executed once.
#[test]
fn a_protected_stack_and_a_change_set_that_somebody_else_executed_are_told() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let account = ministack.account();
    deployed(&account);
    let protect = |on: &str| {
        let form = [
            ("Action", "UpdateTerminationProtection"),
            ("StackName", "mechanism"),
            ("EnableTerminationProtection", on),
        ];
        ministack.cloudformation(
            form.map(|(key, value)| (key.to_owned(), value.to_owned()))
                .to_vec(),
        );
    };
    protect("true");
    let id = crate::stacks::read::one(&account, "mechanism")
        .expect("read")
        .expect("there")
        .id;
    let update = louder();
    let remove = Act::Remove {
        stack: "mechanism".to_owned(),
        id: id.clone(),
    };
    let lab = Lab::of_acts(
        Rc::new(account),
        vec![
            Act::Update {
                update: update.clone(),
            },
            remove,
        ],
    );
    let failure = lab.driver().remove(&lab.step(2), "mechanism", &id);
    assert_eq!(
        told(&failure.expect_err("protected")),
        "cannot remove the stack `mechanism`\n\
         caused by: termination protection is on\n\
         state: mechanism: was not changed\n\
         hint: where it shall go: aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name mechanism, then resume\n"
    );
    assert_eq!(level(&lab.account).as_deref(), Some("info"));

    let set = preview_kept(&lab, &update);
    let form = [
        ("Action", "ExecuteChangeSet"),
        ("StackName", "mechanism"),
        ("ChangeSetName", set.id.as_str()),
    ];
    ministack.cloudformation(
        form.map(|(key, value)| (key.to_owned(), value.to_owned()))
            .to_vec(),
    );
    while level(&lab.account).as_deref() != Some("debug") {
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    let failure = execute::execute(&lab.account, &set, "switchback-token").expect_err("too late");
    assert_eq!(failure.code, "change-set-executed", "{failure:?}");
    assert!(
        failure.causes[0].starts_with("`cloudformation:ExecuteChangeSet`: "),
        "{failure:?}"
    );
    let said = told(&failure);
    let (what, rest) = said.split_once('\n').expect("lines");
    assert_eq!(
        what,
        "somebody else executed or removed the change set of `mechanism`, or changes the stack"
    );
    let (_, rest) = rest.split_once('\n').expect("a cause");
    assert_eq!(
        rest,
        "state: mechanism: UPDATE_COMPLETE, not by this step\n\
         hint: see who did what: aws cloudformation describe-stack-events --stack-name mechanism\n\
         hint: resume once the stack is steady: what is as the plan wants it is not done again, and what is not halts\n"
    );

    protect("false");
    lab.driver()
        .remove(&lab.step(2), "mechanism", &id)
        .expect("nothing keeps it any more");
}

/// The change set of an update, computed and left.
fn preview_kept(lab: &Lab, update: &StackUpdate) -> ChangeSet {
    let parameters: Vec<(String, Sent)> = ["Name", "Level", "Token", "Kind"]
        .map(|name| match name {
            "Level" => (name.to_owned(), Sent::Value("debug".to_owned())),
            _ => (name.to_owned(), Sent::Previous),
        })
        .to_vec();
    let body = crate::template::body(&lab.account, update.template.as_ref(), None).expect("a text");
    change_set::create(&lab.account, update, "switchback-kept", &body, &parameters).expect("made");
    let mut pace = Pace::new(&lab.stop);
    change_set::computed(&lab.account, "mechanism", "switchback-kept", &mut pace).expect("computed")
}
