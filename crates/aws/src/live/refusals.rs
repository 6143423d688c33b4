//! What AWS refuses in the middle of a run: said in three parts, with nothing changed by it.

use std::rc::Rc;

use switchback_engine::ports::{Driver, Failure};
use switchback_model::plan::Act;
use switchback_model::stack::{KeepBy, Store, StoreKind};

use super::faults::{deployed, level, louder};
use super::migrations::{self, OPERATIONS};
use super::standins::{Kind, StandIn};
use super::{Lab, deploy, template};

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
