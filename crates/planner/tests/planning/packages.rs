//! Products whose stages consist of more than migrations: what no step does refuses the plan.

use switchback_model::Problem;
use switchback_model::product::{Product, parse};

use super::atelier::atelier_site;

/// Sections that are added to those of Atelier.
fn sections(more: &str) -> Product {
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
        moment = \"replaced\"
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
