//! Change sets: computed, compared, executed once, followed, taken back.

use switchback_engine::ports::{Driver, Finding};
use switchback_model::event::Completed;
use switchback_model::plan::{Act, Expectation};
use switchback_model::stack::{
    ChangeAction, ChangeSetState, ExpectedChanges, ForeseenChange, ParameterWish, Replacement,
    StackIs, StackUpdate, UpdateMode, body_digest,
};

use super::standins::{Kind, StandIn};
use super::{Lab, deploy, foreseen, place, template, value, wish};
use crate::stacks::{change_set, read};
use crate::{Account, Phase, preview};

const STACK: &str = "mechanism";

fn deployed(account: &Account) -> String {
    deploy(
        account,
        STACK,
        &template("v1", "mechanism"),
        &[("Name", "one"), ("Token", "hidden")],
    )
}

/// Everything is as it is, but for `changed`.
fn to(version: &str, changed: &[(&str, &str)]) -> StackUpdate {
    let parameters: Vec<(&str, ParameterWish)> = ["Name", "Level", "Token", "Kind"]
        .iter()
        .map(|key| {
            let changed = changed.iter().find(|(name, _)| name == key);
            let wish = changed.map_or(ParameterWish::Previous, |(_, text)| value(text));
            (*key, wish)
        })
        .collect();
    wish(STACK, &template(version, "mechanism"), &parameters)
}

pub(super) fn change(
    logical: &str,
    kind: &str,
    action: ChangeAction,
    worst: Replacement,
) -> ForeseenChange {
    ForeseenChange {
        logical: logical.to_owned(),
        kind: kind.to_owned(),
        action,
        replacement: worst,
    }
}

/// The new template with another name: a topic is replaced, and something is added.
fn jump() -> StackUpdate {
    StackUpdate {
        expected: foreseen(&[
            change(
                "Topic",
                "AWS::SNS::Topic",
                ChangeAction::Modify,
                Replacement::Always,
            ),
            change(
                "Second",
                "AWS::SSM::Parameter",
                ChangeAction::Add,
                Replacement::Never,
            ),
            change(
                "Follower",
                "AWS::SSM::Parameter",
                ChangeAction::Modify,
                Replacement::Maybe,
            ),
        ]),
        ..to("v2", &[("Name", "two")])
    }
}

fn is(id: &str, version: &str, name: &str) -> Expectation {
    let path = template(version, "mechanism");
    let text = std::fs::read_to_string(path).expect("a template");
    let plain = |text: &str| Some(text.to_owned());
    Expectation::Stack {
        is: StackIs {
            stack: STACK.to_owned(),
            id: Some(id.to_owned()),
            body: body_digest(&text),
            parameters: [
                ("Name", plain(name)),
                ("Level", plain("info")),
                ("Token", None),
                ("Kind", plain("String")),
            ]
            .map(|(key, value)| (key.to_owned(), value))
            .into(),
        },
    }
}

/// Relies on G2-G4, G7, G9, C9, B17 (ministack, ok): details of changes, replacement, dependents, adds; masked
/// parameters.
#[test]
fn a_stack_is_brought_to_a_template_and_keeps_what_nobody_named() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let account = ministack.account();
    let id = deployed(&account);
    let update = jump();
    let lab = Lab::new(
        account,
        Act::Update {
            update: update.clone(),
        },
    );
    let cx = lab.context();
    assert_eq!(
        lab.driver().look(&cx, &is(&id, "v1", "one")),
        Finding::Holds
    );

    let set = preview(&lab.account, &lab.conduct(), &update, &lab.stop).expect("computed");
    let topic = set.change("Topic").expect("it is replaced");
    assert_eq!(topic.replacement, Replacement::Always);
    assert!(topic.takes_away());
    assert_eq!(topic.details[0].name.as_deref(), Some("TopicName"));
    assert!(set.change("Setting").is_none(), "{set:?}");
    assert!(matches!(
        set.change("Second").map(|change| change.action),
        Some(ChangeAction::Add)
    ));
    assert!(update.expected.surprises(&set).is_empty());
    let left = change_set::leftovers(&lab.account, STACK, change_set::OURS).expect("listed");
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(
        lab.driver().look(&cx, &is(&id, "v1", "one")),
        Finding::Holds,
        "nothing was executed"
    );

    // What was reviewed and what is computed anew have the same digest.
    let reviewed = StackUpdate {
        expected: ExpectedChanges::Reviewed {
            digest: set.digest(),
        },
        ..update
    };
    let done = lab.driver().update(&cx, &reviewed).expect("updated");
    assert_eq!(done.completed, Completed::Done);
    assert_eq!(done.facts["changes"], set.digest().as_str());
    assert_eq!(
        lab.driver().look(&cx, &is(&id, "v2", "two")),
        Finding::Holds
    );
    let Finding::Differs { found } = lab.driver().look(&cx, &is(&id, "v2", "one")) else {
        panic!("the name is another");
    };
    assert_eq!(found, "parameter `Name` of `mechanism` is `two`");

    let again = lab.driver().update(&cx, &jump()).expect("nothing to do");
    assert_eq!(again.completed, Completed::AlreadyDone);
    lab.driver().clean(&cx).expect("clean");
    assert_eq!(
        change_set::leftovers(&lab.account, STACK, "").expect("listed"),
        Vec::<String>::new()
    );
}

/// Relies on C13 (ministack, ok): a failed update is taken back, and its events say why.
#[test]
fn an_update_that_fails_is_told_with_its_reason_and_can_be_tried_again() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let account = ministack.account();
    let id = deployed(&account);
    // No such kind of setting exists: the resource fails, and CloudFormation takes the update back.
    let update = to("v1", &[("Kind", "Impossible")]);
    let lab = Lab::new(
        account,
        Act::Update {
            update: update.clone(),
        },
    );
    let cx = lab.context();
    let failure = lab.driver().update(&cx, &update).expect_err("rolled back");
    assert_eq!(failure.code, "update-rolled-back", "{failure:?}");
    assert!(
        failure.causes[0].starts_with("`Setting` (AWS::SSM::Parameter): "),
        "{failure:?}"
    );
    assert!(
        failure.state.iter().any(|state| state.subject == "data"),
        "{failure:?}"
    );
    assert_eq!(
        lab.driver().look(&cx, &is(&id, "v1", "one")),
        Finding::Holds
    );

    // The same step, tried again with what was wrong corrected.
    let done = lab.driver().update(&cx, &jump()).expect("updated");
    assert_eq!(done.completed, Completed::Done);
    assert_eq!(
        lab.driver().look(&cx, &is(&id, "v2", "two")),
        Finding::Holds
    );
}

/// Relies on G13, G14, B19 (ministack, ok): refusals of CreateChangeSet; names are taken once.
#[test]
fn nothing_is_executed_that_the_plan_does_not_expect() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let account = ministack.account();
    let id = deployed(&account);
    let update = to("v2", &[("Name", "two")]);
    let lab = Lab::new(
        account,
        Act::Update {
            update: update.clone(),
        },
    );
    let cx = lab.context();
    let failure = lab.driver().update(&cx, &update).expect_err("surprised");
    assert_eq!(failure.code, "changes-differ");
    assert!(
        failure
            .causes
            .iter()
            .any(|cause| cause.contains("`Topic` (AWS::SNS::Topic)")),
        "{failure:?}"
    );
    assert_eq!(
        lab.driver().look(&cx, &is(&id, "v1", "one")),
        Finding::Holds
    );

    // A try that died after it made its change set leaves one; the next makes its own.
    let jump = jump();
    let body = crate::template::body(&lab.account, jump.template.as_ref(), None).expect("a text");
    let name = crate::notes::step_name(&cx);
    change_set::create(&lab.account, &to("v1", &[]), &name, &body, &[]).ok();
    let done = lab.driver().update(&cx, &jump).expect("updated");
    assert_eq!(done.completed, Completed::Done);

    let wrong = to("v2", &[("Level", "loud")]);
    let failure = lab.driver().update(&cx, &wrong).expect_err("not allowed");
    assert_eq!(failure.code, "aws-refused");
    assert!(failure.hints[0].contains("other parameters"), "{failure:?}");
    let mut moved = to("v2", &[]);
    moved.template = Some(place(&template("v1", "mechanism")));
    moved.template.as_mut().expect("one").digest = body_digest("another text");
    let failure = lab.driver().update(&cx, &moved).expect_err("another text");
    assert_eq!(failure.code, "template-differs");
}

/// Relies on A7, A8, G11 (ministack and LocalStack, ok): the limit of a request, templates from a bucket.
#[test]
fn a_long_template_goes_through_a_bucket_and_a_new_stack_is_made() {
    for stand_in in StandIn::of_stacks() {
        a_long_template_is_brought(stand_in.account());
    }
}

fn a_long_template_is_brought(account: Account) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let long = directory.path().join("long.yml");
    let text = std::fs::read_to_string(template("v1", "mechanism")).expect("a template");
    let padding = format!("# {}\n", "x".repeat(98)).repeat(600);
    std::fs::write(&long, format!("{text}{padding}")).expect("written");
    let mut update = to(
        "v1",
        &[
            ("Name", "long"),
            ("Level", "info"),
            ("Token", "t"),
            ("Kind", "String"),
        ],
    );
    update.mode = UpdateMode::Create;
    update.stack = "long".to_owned();
    update.template = Some(place(&long.to_string_lossy()));
    update.expected = foreseen(&[
        change(
            "Topic",
            "AWS::SNS::Topic",
            ChangeAction::Add,
            Replacement::Never,
        ),
        change(
            "Setting",
            "AWS::SSM::Parameter",
            ChangeAction::Add,
            Replacement::Never,
        ),
        change(
            "Follower",
            "AWS::SSM::Parameter",
            ChangeAction::Add,
            Replacement::Never,
        ),
    ]);
    let lab = Lab::new(
        account,
        Act::Update {
            update: update.clone(),
        },
    );
    let cx = lab.context();
    let mut conduct = lab.conduct();
    conduct.bucket = None;
    let failure = preview(&lab.account, &conduct, &update, &lab.stop).expect_err("too long");
    assert_eq!(failure.code, "template-too-long");

    crate::signed::s3_make_bucket(&lab.account, "templates");
    let gone = Expectation::NoStack {
        stack: "long".to_owned(),
    };
    assert_eq!(lab.driver().look(&cx, &gone), Finding::Holds);
    let done = lab.driver().update(&cx, &update).expect("made");
    assert_eq!(done.completed, Completed::Done);
    let made = read::one(&lab.account, "long")
        .expect("read")
        .expect("there");
    assert!(matches!(
        lab.driver().look(&cx, &gone),
        Finding::Differs { .. }
    ));
    assert_eq!(made.parameter("Token"), None, "it is masked");
    assert_eq!(
        read::text(&lab.account, "long").expect("text").len(),
        text.len() + padding.len()
    );

    let removed = lab.driver().remove(&cx, "long", &made.id).expect("removed");
    assert_eq!(removed.completed, Completed::Done);
    assert_eq!(lab.driver().look(&cx, &gone), Finding::Holds);
    let again = lab.driver().remove(&cx, "long", &made.id).expect("gone");
    assert_eq!(again.completed, Completed::AlreadyDone);
}

/// Relies on B1, B2 (ministack and LocalStack, ok): a change set without changes fails with a reason.
#[test]
fn what_cannot_be_computed_yet_is_said() {
    for stand_in in StandIn::of_stacks() {
        nothing_is_computed(stand_in.account());
    }
}

fn nothing_is_computed(account: Account) {
    let id = deployed(&account);
    let mut update = to("v1", &[]);
    update.parameters.insert(
        "Name".to_owned(),
        ParameterWish::Snapshot {
            stack: "2-1-db-aurora-master".to_owned(),
            logical: "DBCluster".to_owned(),
        },
    );
    let mut lab = Lab::new(
        account,
        Act::Update {
            update: update.clone(),
        },
    );
    let failure = preview(&lab.account, &lab.conduct(), &update, &lab.stop).expect_err("too early");
    assert_eq!(failure.code, "snapshot-missing");
    let set = preview(&lab.account, &lab.conduct(), &to("v1", &[]), &lab.stop).expect("computed");
    assert_eq!(set.state, ChangeSetState::Empty);
    let planned = lab.account.calls().counts();
    assert!(
        planned.keys().all(|(phase, _)| *phase != Phase::Apply),
        "{planned:?}"
    );
    // Where the plan wants more than that, ending well would be a lie.
    lab.plan.stages[0].steps[0].after = vec![is(&id, "v1", "two")];
    let failure = lab
        .driver()
        .update(&lab.context(), &to("v1", &[]))
        .expect_err("it stays as it was");
    assert_eq!(failure.code, "nothing-to-change");
    assert_eq!(
        failure.causes,
        ["parameter `Name` of `mechanism` is `one`"],
        "{failure:?}"
    );
}
