//! Products whose stages consist of more than migrations: what no step does refuses the plan.

use switchback_model::Problem;
use switchback_model::plan::Act;
use switchback_model::product::{Product, parse};

use switchback_planner::check_against;

use super::atelier::atelier_site;

/// Sections that are added to those of Atelier.
pub(crate) fn sections(more: &str) -> Product {
    let head = "[product]\nid = \"more\"\nname = \"More\"\nscheme = \"semver\"\n";
    let parsed = parse::parse(&[("more.toml", &format!("{head}{more}"))]);
    parsed.expect("the definition is well-formed").product
}

fn refused(more: &str) -> Problem {
    let mut site = atelier_site("2.0.0", true);
    let more = sections(more);
    site.product.actions = more.actions;
    site.product.engines = more.engines;
    site.plan("3.0.0").expect_err("it is refused")
}

#[test]
fn an_action_that_no_step_does_refuses_the_plan() {
    let problem = refused(
        "[[action]]
        id = \"move-keys\"
        moment = \"replace\"
        version = \"3.0.0\"
        run = [\"move-keys\"]
        because = \"3.0.0 looks for keys elsewhere\"
        source = \"notes\"",
    );
    assert_eq!(
        (problem.exit.code(), problem.code.as_str()),
        (3, "action-unplanned")
    );
    assert_eq!(
        problem.what,
        "on the way to 3.0.0 has to be done what no step of a plan does: move-keys"
    );
    assert_eq!(
        problem.hints,
        ["see all of it in its order: `switchback path atelier --from 2.0.0 --to 3.0.0 --explain`"]
    );
    assert_eq!(problem.facts[0].text, "3.0.0 looks for keys elsewhere");
}

#[test]
fn what_the_driver_does_and_what_is_offered_refuses_nothing() {
    let mut site = atelier_site("2.0.0", true);
    site.product.actions = sections(
        "[[action]]
        id = \"halt\"
        moment = \"stop\"
        role = \"stop\"
        because = \"nothing may write\"
        source = \"notes\"

        [[action]]
        id = \"tidy\"
        moment = \"started\"
        version = \"3.0.0\"
        optional = true
        run = [\"tidy\"]
        because = \"nobody reads it any more\"
        source = \"notes\"

        [[action]]
        id = \"older\"
        moment = \"started\"
        version = \"2.0.0\"
        run = [\"older\"]
        because = \"2.0.0 wants it\"
        source = \"notes\"",
    )
    .actions;
    assert!(site.plan("3.0.0").is_ok());
}

#[test]
fn data_in_a_server_that_nothing_backs_up_refuses_the_plan() {
    let engine = |id: &str| {
        format!(
            "[[engine]]\nid = \"{id}\"\nname = \"MongoDB\"\nprobe = \"{id}\"\nlines = [\"4.0\"]\nworks = []\nsource = \"notes\""
        )
    };
    let problem = refused(&engine("mongodb"));
    assert_eq!(problem.code, "datastore-unkept");
    assert_eq!(
        problem.what,
        "Atelier has data in MongoDB, which switchback does not back up"
    );
    let mut site = atelier_site("2.0.0", true);
    site.product.engines = sections(&engine("main")).engines;
    assert!(
        site.plan("3.0.0").is_ok(),
        "the server of a datastore that is kept"
    );
}

/// A command that changes the datastore of a definition, between the new release and its start.
const HEAD: &str = "[[action]]
    id = \"schema-head\"
    moment = \"replaced\"
    datastore = \"main\"
    run = [\"manage\", \"upgrade\", \"head\"]
    because = \"the schema has to be that of the release\"
    source = \"notes\"";

#[test]
fn a_command_that_changes_a_datastore_is_a_step_like_a_migration() {
    let mut site = atelier_site("2.0.0", true);
    site.product.actions = sections(HEAD).actions;
    let plan = site.plan("3.0.0").expect("there is a plan").plan;
    let stage = plan.stages.last().expect("there is a stage");
    let acts: Vec<String> = stage
        .steps
        .iter()
        .map(|step| match &step.act {
            Act::Set { .. } => "set".to_owned(),
            Act::Migrate { migration, run, .. } => format!("{migration}: {}", run.join(" ")),
            Act::Start { .. } => "start".to_owned(),
            _ => String::new(),
        })
        .filter(|act| !act.is_empty())
        .collect();
    assert_eq!(
        acts,
        [
            "set",
            "set",
            "schema: migrate schema",
            "rollups: migrate rollups",
            "schema-head: manage upgrade head",
            "start"
        ]
    );
    let objections = check_against(&plan, &site.product);
    assert!(objections.is_empty(), "{objections:?}");
    // The checker knows what it is: another command under its name is told.
    site.product.actions[0].run.push("--force".to_owned());
    let objections = check_against(&plan, &site.product);
    assert!(
        objections.iter().any(|it| it.rule == "other-migration"),
        "{objections:?}"
    );
}

#[test]
fn a_command_for_a_datastore_that_was_not_found_refuses_the_plan() {
    let mut site = atelier_site("2.0.0", true);
    site.product.actions = sections(&HEAD.replace("\"main\"", "\"history\"")).actions;
    let history =
        sections("[[datastore]]\nname = \"history\"\nkind = \"postgres\"\noptional = true");
    site.product.datastores.extend(history.datastores);
    let problem = site.plan("3.0.0").expect_err("it is refused");
    assert_eq!(problem.code, "action-unplanned");
}

#[test]
fn hand_work_before_the_first_stop_is_accepted_and_after_the_last_start_it_is_told() {
    let mut site = atelier_site("1.0.0", true);
    let action = |id: &str, moment: &str, version: &str| {
        format!(
            "[[action]]\nid = \"{id}\"\nmoment = \"{moment}\"\nversion = \"{version}\"\nrun = [\"{id}\"]\n\
             expect = \"nothing is left\"\nbecause = \"because of {id}\"\nsource = \"notes\"\n"
        )
    };
    let all = [
        action("drain", "running", "2.0.0"),
        action("tidy", "started", "3.0.0"),
    ];
    site.product.actions = sections(&all.concat()).actions;
    let plan = site.plan("3.0.0").expect("there is a plan").plan;
    assert_eq!(plan.notices[0].accept.as_deref(), Some("drain"));
    assert_eq!(
        plan.notices[0].text,
        "Has to be done before: drain; nothing is left (because of drain)"
    );
    let procedures: Vec<(&str, &[String])> = plan
        .procedures
        .iter()
        .map(|procedure| (procedure.id.as_str(), procedure.steps.as_slice()))
        .collect();
    let left = |id: &str| vec![id.to_owned(), "nothing is left".to_owned()];
    assert_eq!(
        procedures,
        [("drain", &left("drain")[..]), ("tidy", &left("tidy")[..])]
    );
}
