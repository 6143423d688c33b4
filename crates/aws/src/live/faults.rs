//! What goes wrong on the way: answers that are lost, too many questions, credentials that end.

use switchback_engine::ports::Driver;
use switchback_model::plan::Act;
use switchback_model::stack::{ParameterWish, StackUpdate};

use super::standins::{Kind, StandIn};
use super::{Lab, deploy, template, value, wish};
use crate::{Account, Wanted, observe};

const STACK: &str = "mechanism";

pub(super) fn deployed(account: &Account) {
    deploy(
        account,
        STACK,
        &template("v1", STACK),
        &[("Name", "one"), ("Token", "hidden")],
    );
}

pub(super) fn louder() -> StackUpdate {
    wish(
        STACK,
        &template("v1", STACK),
        &[
            ("Name", ParameterWish::Previous),
            ("Level", value("debug")),
            ("Token", ParameterWish::Previous),
            ("Kind", ParameterWish::Previous),
        ],
    )
}

pub(super) fn level(account: &Account) -> Option<String> {
    let now = crate::stacks::read::one(account, STACK)
        .expect("read")
        .expect("there");
    now.parameter("Level").map(str::to_owned)
}

/// How often the stack was updated, as its own events tell.
fn updates(account: &Account) -> usize {
    let events = crate::stacks::events::newest(account, STACK).expect("events");
    let begun = |event: &&switchback_model::stack::StackEvent| {
        crate::stacks::events::is_of_stack(event, STACK) && event.status == "UPDATE_IN_PROGRESS"
    };
    events.iter().filter(begun).count()
}

/// Relies on C20, G15 (ministack, ok): events carry the token; a change set is executed once. The proxy spoils the
/// answer after the stand-in has acted.
#[test]
fn an_execution_whose_answer_is_lost_is_not_repeated() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let Some(proxy) = ministack.spoiled() else {
        return;
    };
    let direct = ministack.account();
    deployed(&direct);
    let update = louder();
    let lab = Lab::new(
        proxy.account(),
        Act::Update {
            update: update.clone(),
        },
    );
    proxy.rules(
        r#"[{"service":"cloudformation","operation":"ExecuteChangeSet","times":1,"response":{"abort_frac":0.0}}]"#,
    );
    lab.driver()
        .update(&lab.context(), &update)
        .expect("updated");
    assert_eq!(level(&direct).as_deref(), Some("debug"));
    assert_eq!(updates(&direct), 1);

    // A connection that is reset before anything was done is simply tried again.
    let quiet = StackUpdate {
        parameters: louder()
            .parameters
            .into_iter()
            .map(|(key, wish)| match key.as_str() {
                "Level" => (key, value("info")),
                _ => (key, wish),
            })
            .collect(),
        ..louder()
    };
    proxy.rules(
        r#"[{"service":"cloudformation","operation":"CreateChangeSet","times":1,"response":{"abort_frac":0.0}},
            {"service":"cloudformation","operation":"ExecuteChangeSet","times":1,"reset":true},
            {"service":"cloudformation","operation":"DescribeChangeSet","times":2,"error":{"code":"Throttling","status":400,"message":"Rate exceeded"}}]"#,
    );
    lab.driver()
        .update(&lab.context(), &quiet)
        .expect("updated");
    assert_eq!(level(&direct).as_deref(), Some("info"));
    assert_eq!(updates(&direct), 2);
}

/// Each fault is told in three parts, and never as success or as an empty deployment.
#[test]
fn faults_are_told_apart() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let Some(proxy) = ministack.spoiled() else {
        return;
    };
    let account = proxy.account();
    for (code, status, told, hint) in [
        (
            "ExpiredToken",
            403,
            "aws-credentials-expired",
            "log in again",
        ),
        (
            "AccessDenied",
            403,
            "aws-access-denied",
            "`cloudformation:DescribeStacks`",
        ),
        (
            "InvalidClientTokenId",
            403,
            "aws-credentials-refused",
            "profile",
        ),
    ] {
        proxy.rules(&format!(
            r#"[{{"service":"cloudformation","times":1,"error":{{"code":"{code}","status":{status},"message":"no"}}}}]"#
        ));
        let failure = observe(&account, &Wanted::default(), &|_| ()).expect_err("a fault");
        assert_eq!(failure.code, told, "{failure:?}");
        assert!(failure.hints[0].contains(hint), "{failure:?}");
        assert!(!failure.state.is_empty(), "{failure:?}");
    }
    // Twice too fast is nothing that anybody hears of.
    proxy.rules(
        r#"[{"service":"cloudformation","times":2,"error":{"code":"Throttling","status":400,"message":"Rate exceeded"}}]"#,
    );
    let before = account.calls().requests();
    observe(&account, &Wanted::default(), &|_| ()).expect("the third try answers");
    assert_eq!(account.calls().requests() - before, 3);
}
