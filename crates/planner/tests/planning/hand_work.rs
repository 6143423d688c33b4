//! Work for people in the middle of a plan: where it stands, what holds meanwhile, and what a way back says of it.

use switchback_model::hand_work::DoneWhen;
use switchback_model::plan::{Act, Expectation, Plan, Step};
use switchback_model::product::Moment;
use switchback_planner::{check, check_against, outline};

use super::atelier::atelier_site;
use super::packages::sections;
use super::site::{Site, proven_until};

/// An action for people, with what tells that it is done.
fn action(id: &str, moment: &str, version: &str, done: &str) -> String {
    format!(
        "[[action]]\nid = \"{id}\"\nmoment = \"{moment}\"\nversion = \"{version}\"\nsteps = [\"do {id}\"]\n{done}\n\
         because = \"because of {id}\"\nsource = \"notes\"\n"
    )
}

fn site(actions: &[String]) -> Site {
    let mut site = atelier_site("1.0.0", true);
    site.product.actions = sections(&actions.concat()).actions;
    site
}

fn planned(site: &Site) -> Plan {
    let plan = site.plan("3.0.0").expect("there is a plan").plan;
    assert_eq!(check_against(&plan, &site.product), []);
    plan
}

/// Every step by its verb, with the name of what people do.
fn acts(plan: &Plan) -> Vec<String> {
    let mut acts: Vec<String> = plan
        .steps()
        .map(|(_, step)| match &step.act {
            Act::HandWork { work } => format!("by hand {}", work.id),
            act => plan.verb(act).to_owned(),
        })
        .collect();
    acts.dedup();
    acts
}

fn step<'p>(plan: &'p Plan, id: &str) -> &'p Step {
    let is = |step: &&Step| matches!(&step.act, Act::HandWork { work } if work.id == id);
    let mut steps = plan.steps().map(|(_, step)| step);
    steps.find(is).expect("the step is there")
}

#[test]
fn it_stands_where_the_definition_wants_it_and_as_early_as_it_can() {
    let site = site(&[
        action("first", "running", "2.0.0", ""),
        action("tidy", "started", "2.0.0", ""),
        action("drain", "running", "3.0.0", ""),
        action("node", "stopped", "3.0.0", ""),
        action(
            "merge",
            "replaced",
            "3.0.0",
            "done = { merged = [\"/etc/atelier.conf\"] }",
        ),
        action("last", "started", "3.0.0", ""),
    ]);
    let plan = planned(&site);
    let acts = acts(&plan);
    let place = |what: &str| {
        let found = acts.iter().rposition(|act| act == what);
        found.unwrap_or_else(|| panic!("{what}: {acts:?}"))
    };
    // While 2.0.0 runs: before anything of the second round is begun.
    assert!(place("by hand tidy") < place("by hand drain"));
    assert!(place("by hand drain") < place("prepare"));
    assert!(place("prove") < place("by hand node"));
    assert!(place("by hand node") < place("set"));
    assert!(place("set") < place("by hand merge"));
    assert!(place("by hand merge") < place("start"));
    for id in ["tidy", "drain"] {
        let step = step(&plan, id);
        assert!(!step.downtime, "{id}");
        let runs = |it: &Expectation| matches!(it, Expectation::Running { .. });
        assert!(step.before.iter().any(runs), "{id}");
    }
    for id in ["node", "merge"] {
        let step = step(&plan, id);
        assert!(step.downtime, "{id}");
        let stopped = |it: &Expectation| matches!(it, Expectation::Stopped { .. });
        assert!(step.before.iter().any(stopped), "{id}");
    }
    // What comes before the first stop and after the last start is told with the plan.
    assert!(!acts.contains(&"by hand first".to_owned()));
    assert!(!acts.contains(&"by hand last".to_owned()));
    assert_eq!(plan.notices[0].accept.as_deref(), Some("first"));
}

#[test]
fn a_plan_tells_what_to_do_and_how_it_is_known() {
    let site = site(&[action(
        "section",
        "replaced",
        "3.0.0",
        "done = { file = { path = \"/etc/atelier.conf\", lines = [\"[mail]\"] } }",
    )]);
    let plan = planned(&site);
    let step = step(&plan, "section");
    assert_eq!(
        step.after,
        [Expectation::DoneByHand {
            work: "section".to_owned(),
            done: DoneWhen::File {
                path: "/etc/atelier.conf".to_owned(),
                lines: vec!["[mail]".to_owned()],
            },
        }]
    );
    let told = plan.procedures.iter().find(|it| it.id == "section");
    let told = told.expect("it is told");
    assert_eq!(
        told.title,
        format!(
            "step {} waits for it, while the service is down: because of section",
            step.number
        )
    );
    assert_eq!(
        told.steps,
        [
            "do section",
            "it is done when /etc/atelier.conf has the lines: [mail]"
        ]
    );
    let because = &plan.forecast.downtime_because;
    assert!(
        because.contains("and as long as people take for section"),
        "{because}"
    );
    let line = outline(&plan);
    assert!(
        line.contains("by hand  section (/etc/atelier.conf: [mail])"),
        "{line}"
    );
}

#[test]
fn a_command_that_no_backup_could_take_back_is_for_people() {
    let mut site = site(&[]);
    site.product.actions = sections(
        "[[action]]
        id = \"node\"
        moment = \"replaced\"
        version = \"3.0.0\"
        run = [\"install\", \"node\"]
        expect = \"version 14\"
        because = \"3.0.0 needs it\"
        source = \"notes\"",
    )
    .actions;
    let plan = planned(&site);
    let Act::HandWork { work } = &step(&plan, "node").act else {
        panic!("it is for people");
    };
    assert_eq!(work.steps, ["install node", "version 14"]);
}

#[test]
fn a_way_back_names_what_was_done_by_hand() {
    let mut site = site(&[action("merge", "replaced", "3.0.0", "")]);
    let plan = planned(&site);
    let number = step(&plan, "merge").number.0;
    for (_, step) in plan.steps().filter(|(_, step)| step.number.0 < number) {
        site.execute(&step.act);
    }
    // Waited for, and not done: there is nothing to take back.
    let back = site.way_back(&plan, &proven_until(&plan, number, false));
    assert_eq!(back.expect("there is a way back").procedures, []);
    let back = site.way_back(&plan, &proven_until(&plan, number, true));
    let back = back.expect("there is a way back");
    assert_eq!(check(&back), []);
    assert_eq!(back.procedures.len(), 1);
    assert_eq!(
        back.procedures[0].title,
        "`merge` was done on the way: because of merge"
    );
    assert_eq!(
        back.procedures[0].steps,
        ["see whether 2.0.0 can do with what was done:", "do merge"]
    );
}

/// The rules that a plan breaks once its work for people was changed.
fn broken(plan: &Plan, change: impl FnOnce(&mut Step)) -> Vec<String> {
    let mut plan = plan.clone();
    let mut steps = plan.stages.iter_mut().flat_map(|stage| &mut stage.steps);
    let is = |step: &&mut Step| matches!(step.act, Act::HandWork { .. });
    change(steps.find(is).expect("there is one"));
    drop(steps);
    check(&plan.seal())
        .into_iter()
        .map(|objection| objection.rule)
        .collect()
}

#[test]
fn the_checker_sees_a_wait_at_the_wrong_place_or_for_nothing() {
    let site = site(&[action("merge", "replaced", "3.0.0", "")]);
    let plan = planned(&site);
    assert_eq!(broken(&plan, |_| {}), [""; 0]);
    let silent = broken(&plan, |step| step.after.clear());
    assert!(silent.contains(&"verification".to_owned()), "{silent:?}");
    let empty = broken(&plan, |step| {
        if let Act::HandWork { work } = &mut step.act {
            work.steps.clear();
        }
    });
    assert_eq!(empty, ["hand-work"]);
    let blind = broken(&plan, |step| step.before.clear());
    assert!(blind.contains(&"guard".to_owned()), "{blind:?}");
    // Moved behind the begin of the backups, which would have to follow while somebody works.
    let mut late = plan.clone();
    let mut steps: Vec<Step> = late.stages.iter().flat_map(|it| it.steps.clone()).collect();
    let from = steps
        .iter()
        .position(|step| matches!(step.act, Act::HandWork { .. }));
    let work = steps.remove(from.expect("there is one"));
    for stage in &mut late.stages {
        stage.steps.retain(|step| step.act != work.act);
        let prepared = |step: &Step| matches!(step.act, Act::Prepare { .. });
        if stage.round == 2
            && let Some(place) = stage.steps.iter().rposition(prepared)
        {
            stage.steps.insert(place + 1, work.clone());
        }
    }
    let mut number = 0;
    for stage in &mut late.stages {
        for step in &mut stage.steps {
            number += 1;
            step.number = switchback_model::StepNumber(number);
        }
    }
    let rules: Vec<String> = check(&late.seal()).into_iter().map(|it| it.rule).collect();
    assert!(rules.contains(&"hand-work-late".to_owned()), "{rules:?}");
    // What the definition says otherwise is another work.
    let mut other = site.product.clone();
    other.actions[0].done = DoneWhen::Command(vec!["true".to_owned()]);
    let rules: Vec<String> = check_against(&plan, &other)
        .into_iter()
        .map(|it| it.rule)
        .collect();
    assert_eq!(rules, ["other-hand-work"]);
    other.actions[0].moment = Moment::Running;
    other.actions.clear();
    let objections = check_against(&plan, &other);
    assert_eq!(objections[0].rule, "unknown-hand-work");
}
