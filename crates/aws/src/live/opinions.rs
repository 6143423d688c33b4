//! The same on two stand-ins for stacks whose authors know nothing of each other, wherever the rows of both say ok: what
//! a change set lists, what it replaces, what becomes of a stack that could not be made.

use std::fs;

use switchback_engine::ports::{Driver, Finding};
use switchback_model::plan::{Act, Expectation};
use switchback_model::stack::{
    ChangeAction, ChangeSet, ChangeSetState, ParameterWish, Replacement, StackUpdate, Template,
    UpdateMode,
};
use switchback_planner::stack::{Review, Reviewed, review};

use super::refusals::told;
use super::standins::{Kind, StandIn};
use super::{Lab, deploy, foreseen, template, value, wish};
use crate::stacks::read;
use crate::{Account, preview, whose};

const WAYS: &str = include_str!("opinions/ways.yml");
const STACK: &str = "ways";

/// Something that an update changes, and what AWS documents for it.
struct Case {
    row: &'static str,
    /// The text of the template that is replaced, and by what.
    text: (&'static str, &'static str),
    parameter: Option<(&'static str, &'static str)>,
    lists: &'static [(&'static str, ChangeAction, Replacement)],
    /// Who is known to say something else.
    but: &'static [Kind],
}

const SAME: (&str, &str) = ("", "");
const CASES: [Case; 6] = [
    Case {
        row: "G1: a parameter, by itself and within a text",
        text: SAME,
        parameter: Some(("Level", "debug")),
        lists: &[
            ("ByRef", ChangeAction::Modify, Replacement::Never),
            ("BySub", ChangeAction::Modify, Replacement::Never),
        ],
        but: &[],
    },
    Case {
        row: "G5: a mapping",
        text: ("Image: first", "Image: second"),
        parameter: None,
        lists: &[("ByMapping", ChangeAction::Modify, Replacement::Never)],
        but: &[],
    },
    Case {
        row: "G6: a condition",
        text: SAME,
        parameter: Some(("More", "yes")),
        lists: &[("ByCondition", ChangeAction::Add, Replacement::Never)],
        but: &[Kind::Ministack],
    },
    Case {
        row: "G3: a name that only another resource can have, by parameter",
        text: SAME,
        parameter: Some(("Name", "two")),
        lists: &[("Topic", ChangeAction::Modify, Replacement::Always)],
        but: &[],
    },
    Case {
        row: "B26: the name of a bucket, literally",
        text: ("BucketName: first-ways", "BucketName: second-ways"),
        parameter: None,
        lists: &[("Bucket", ChangeAction::Modify, Replacement::Always)],
        but: &[Kind::Ministack],
    },
    Case {
        row: "B17: one resource for another",
        text: ("  Apart:", "  Instead:"),
        parameter: None,
        lists: &[
            ("Apart", ChangeAction::Remove, Replacement::Never),
            ("Instead", ChangeAction::Add, Replacement::Never),
        ],
        but: &[],
    },
];

impl Case {
    fn update(&self, lab: &tempfile::TempDir) -> StackUpdate {
        let path = lab.path().join("after.yml");
        fs::write(&path, self.after()).expect("written");
        let parameters = ["Level", "More", "Name"].map(|key| {
            let changed = self.parameter.filter(|(name, _)| *name == key);
            let wish = changed.map_or(ParameterWish::Previous, |(_, text)| value(text));
            (key, wish)
        });
        wish(STACK, &path.to_string_lossy(), &parameters)
    }

    fn after(&self) -> String {
        match self.text {
            SAME => WAYS.to_owned(),
            (from, to) => WAYS.replace(from, to),
        }
    }
}

/// What we say of an update beside what the stand-in says.
fn both_sides(account: &Account, case: &Case, update: &StackUpdate, set: &ChangeSet) -> Review {
    let now = read::one(account, STACK).expect("read").expect("there");
    let now = read::complete(account, vec![now]).expect("read");
    let [now] = now.as_slice() else {
        panic!("one stack");
    };
    let parsed = |text: &str| {
        let template = Template::parse("a template", text);
        template.unwrap_or_else(|faults| panic!("{}\n{text}", faults[0]))
    };
    review(&Reviewed {
        account: &whose(account),
        stack: &now.stack,
        old: &parsed(&now.text),
        new: &parsed(&case.after()),
        wishes: &update.parameters,
        provided: Some(set),
    })
}

/// What a change set lists, but for what only follows another resource: only one of both tells that (row G4).
fn listed(set: &ChangeSet) -> Vec<(&str, ChangeAction, Replacement)> {
    let changes = set.changes.iter().filter(|it| it.logical != "Follower");
    let mut listed: Vec<_> = changes
        .map(|it| (it.logical.as_str(), it.action, it.replacement))
        .collect();
    listed.sort_unstable();
    listed
}

/// Relies on G1, G5, G3, B17 (ministack and LocalStack, ok) and G6, B26 (LocalStack, ok).
#[test]
fn change_sets_list_what_we_predict() {
    for stand_in in StandIn::of_stacks() {
        let account = stand_in.account();
        let lab = tempfile::tempdir().expect("temporary directory");
        let before = lab.path().join("before.yml");
        fs::write(&before, WAYS).expect("written");
        deploy(&account, STACK, &before.to_string_lossy(), &[]);
        let bench = Lab::new(account, Act::Verify { checks: Vec::new() });
        for case in &CASES {
            let who = format!("{:?}, {}", stand_in.kind, case.row);
            let update = case.update(&lab);
            let set = preview(&bench.account, &bench.conduct(), &update, &bench.stop);
            let set = set.unwrap_or_else(|failure| panic!("{who}: {failure:?}"));
            let seen = both_sides(&bench.account, case, &update, &set);
            let ours: Vec<_> = seen.predicted.iter().map(|it| &it.change).collect();
            let ours: Vec<_> = ours
                .into_iter()
                .filter(|it| it.logical != "Follower")
                .map(|it| (it.logical.as_str(), it.action, it.replacement))
                .collect();
            assert_eq!(ours, case.lists, "{who}");
            if case.but.contains(&stand_in.kind) {
                assert!(!seen.disagreements.is_empty(), "{who}: it is told");
                continue;
            }
            assert_eq!(listed(&set), case.lists, "{who}");
            let others = seen.disagreements.iter();
            let others: Vec<_> = others.filter(|it| it.logical != "Follower").collect();
            assert!(others.is_empty(), "{who}: {others:?}");
        }
    }
}

/// A stack that could not be made is told with the resource that failed, and nothing is built on what is left of it.
/// Relies on A14, A18 (ministack and LocalStack, ok): events of resources with reasons.
#[test]
fn a_stack_that_could_not_be_made_is_told_and_not_updated() {
    for stand_in in StandIn::of_stacks() {
        let left = "ROLLBACK_COMPLETE";
        let parameters = [
            ("Name", value("made")),
            ("Level", value("info")),
            ("Token", value("hidden")),
            ("Kind", value("Impossible")),
        ];
        let mut update = wish("broken", &template("v1", "mechanism"), &parameters);
        update.mode = UpdateMode::Create;
        update.expected = foreseen(&["Topic", "Setting", "Follower"].map(|logical| {
            let kind = match logical {
                "Topic" => "AWS::SNS::Topic",
                _ => "AWS::SSM::Parameter",
            };
            super::updates::change(logical, kind, ChangeAction::Add, Replacement::Never)
        }));
        let act = Act::Update {
            update: update.clone(),
        };
        let lab = Lab::new(stand_in.account(), act);
        let failure = lab.driver().update(&lab.context(), &update);
        let failure = failure.expect_err("no such kind of setting");
        assert_eq!(failure.code, "stack-not-created", "{failure:?}");
        let cause = &failure.causes[0];
        assert!(
            cause.starts_with("`Setting` (AWS::SSM::Parameter): "),
            "{cause}"
        );
        assert_eq!(
            told(&failure),
            format!(
                "`broken` could not be made\n\
                 caused by: {cause}\n\
                 state: broken: {left}: such a stack can only be deleted\n\
                 hint: correct what the cause names, delete the stack (aws cloudformation delete-stack --stack-name broken), then resume\n"
            )
        );

        update.mode = UpdateMode::Update;
        let failure = lab.driver().update(&lab.context(), &update);
        let failure = failure.expect_err("from there no update begins");
        assert_eq!(failure.code, "stack-unsteady");
        assert_eq!(
            failure.what,
            format!("`broken` is {left}, from where no update begins")
        );
        assert!(
            failure.hints[0].contains("aws cloudformation delete-stack --stack-name broken"),
            "{failure:?}"
        );
        let gone = Expectation::NoStack {
            stack: "broken".to_owned(),
        };
        let Finding::Differs { found } = lab.driver().look(&lab.context(), &gone) else {
            panic!("something is left");
        };
        assert_eq!(found, format!("there is a stack `broken`: {left}"));
    }
}

/// Relies on B1, B2 (ministack and LocalStack, ok): a change set without changes fails with a reason.
#[test]
fn an_update_that_changes_nothing_is_none() {
    for stand_in in StandIn::of_stacks() {
        let account = stand_in.account();
        let lab = tempfile::tempdir().expect("temporary directory");
        let before = lab.path().join("before.yml");
        fs::write(&before, WAYS).expect("written");
        deploy(&account, STACK, &before.to_string_lossy(), &[]);
        let update = Case {
            row: "B1, B2",
            text: SAME,
            parameter: None,
            lists: &[],
            but: &[],
        }
        .update(&lab);
        let act = Act::Update {
            update: update.clone(),
        };
        let lab = Lab::new(account, act);
        let set = preview(&lab.account, &lab.conduct(), &update, &lab.stop).expect("computed");
        assert_eq!(set.state, ChangeSetState::Empty, "{:?}", stand_in.kind);
        let done = lab.driver().update(&lab.context(), &update).expect("none");
        assert_eq!(done.summary, "`ways`: nothing to change");
        let events = crate::stacks::events::newest(&lab.account, STACK).expect("events");
        let updates = events.iter().filter(|it| it.status.starts_with("UPDATE"));
        assert_eq!(updates.count(), 0, "{:?}", stand_in.kind);
    }
}
