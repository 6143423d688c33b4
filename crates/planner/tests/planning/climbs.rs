//! MongoDB's server climbs in the middle of a plan: rung by rung, by people, seen and compared; and back.

use std::collections::BTreeSet;

use switchback_model::StepNumber;
use switchback_model::hand_work::{DoneWhen, HandWork, ServerIs};
use switchback_model::plan::{Act, Check, Expectation, Plan, StageKind, Step, WayBack};
use switchback_model::product::Product;
use switchback_planner::{Proven, check, check_against, outline};

use super::site::{Site, proven_until};
use super::stackstorm::{planned, refused, stackstorm, with_mistral};

/// Every step by its verb, with what people do and what is compared.
fn acts(plan: &Plan) -> Vec<String> {
    let told = |act: &Act| match act {
        Act::HandWork { work } => format!("by hand {}", work.id),
        Act::Migrate { migration, .. } => format!("migrate {migration}"),
        Act::Verify { checks } if is_comparison(checks) => "equal".to_owned(),
        act => plan.verb(act).to_owned(),
    };
    let mut acts: Vec<String> = plan.steps().map(|(_, step)| told(&step.act)).collect();
    acts.dedup();
    acts
}

fn is_comparison(checks: &[Check]) -> bool {
    matches!(checks, [Check::Counts { exact: true, .. }])
}

/// The work at a step.
fn work(step: &Step) -> Option<&HandWork> {
    match &step.act {
        Act::HandWork { work } => Some(work),
        _ => None,
    }
}

fn step<'p>(plan: &'p Plan, id: &str) -> &'p Step {
    let mut steps = plan.steps().map(|(_, step)| step);
    let found = steps.find(|step| work(step).is_some_and(|work| work.id == id));
    found.unwrap_or_else(|| panic!("{id}: {:?}", acts(plan)))
}

fn server(work: &HandWork) -> &ServerIs {
    match &work.done {
        DoneWhen::Server(is) => is,
        other => panic!("{other:?}"),
    }
}

/// Where a plan brings a server: the release of the stage, the line, and the lines that a way back can do with.
pub(crate) fn rungs(plan: &Plan) -> Vec<(String, String, Vec<String>)> {
    let mut found = Vec::new();
    for (stage, step) in plan.steps() {
        let (StageKind::Run { to }, Some(work)) = (&stage.kind, work(step)) else {
            continue;
        };
        if let Some(back) = &work.back {
            let line = server(work).lines[0].clone();
            found.push((to.to_string(), line, server(back).lines.clone()));
        }
    }
    found
}

/// One line at a time, from where the server was; and no release is started on a line that it does not run with.
pub(crate) fn assert_climbs(plan: &Plan, product: &Product) {
    let engine = &product.engines[0];
    let runs = |release: &switchback_model::Version, line: &str| {
        engine.works.iter().any(|works| {
            let named = works.lines.iter().any(|known| known == line);
            named && product.scheme.contains(&works.releases, release) == Ok(true)
        })
    };
    let from = plan.datastores[&engine.id].engine.as_deref();
    let mut at = from
        .and_then(|version| engine.line(version))
        .expect("it has a line");
    let mut climbed = false;
    for stage in &plan.stages {
        for (place, step) in stage.steps.iter().enumerate() {
            let Some(work) = work(step).filter(|work| work.back.is_some()) else {
                continue;
            };
            let is = server(work);
            let line = engine.line(&is.lines[0]).expect("it is a line");
            assert!(
                line == at + 1 || (line == at && !climbed),
                "{}: {}",
                plan.to,
                work.id
            );
            assert!(is.format, "{}", work.id);
            let Some(Act::Verify { checks }) = stage.steps.get(place + 1).map(|step| &step.act)
            else {
                panic!("nothing compares {}", work.id);
            };
            assert!(matches!(checks[..], [Check::Counts { .. }]), "{checks:?}");
            (at, climbed) = (line, true);
        }
        if let StageKind::Run { to } = &stage.kind
            && climbed
        {
            assert!(runs(to, &engine.lines[at]), "{to} on {}", engine.lines[at]);
        }
    }
}

/// The ways back from where a run waits for each rung, from where each is done, and from the end.
pub(crate) fn assert_ways_back(site: &Site, plan: &Plan) {
    let steps: Vec<&Step> = plan.steps().map(|(_, step)| step).collect();
    for step in &steps {
        let Some(work) = work(step).filter(|work| work.back.is_some()) else {
            continue;
        };
        let wanted = &work.back.as_ref().expect("it is a rung").id;
        for done in [false, true] {
            let mut site = site.clone();
            let before = steps.iter().filter(|it| it.number < step.number);
            before.for_each(|step| site.execute(&step.act));
            let back = site.way_back(plan, &proven_until(plan, step.number.0, done));
            let back = back.expect("there is a way back");
            assert_eq!(check(&back), [], "{} to {}", plan.from, plan.to);
            let acts = acts(&back);
            let place = |what: &str| acts.iter().position(|act| act == what);
            let waits = place(&format!("by hand {wanted}"));
            assert!(
                place("stop") < waits && waits < place("restore"),
                "{acts:?}"
            );
            assert!(place("restore") < place("start"), "{acts:?}");
        }
    }
}

/// A run that has finished everything.
fn finished(plan: &Plan) -> Proven {
    let last = plan.steps().map(|(_, step)| step.number.0).max();
    proven_until(plan, last.expect("it has steps") + 1, false)
}

#[test]
fn a_climb_is_waited_for_rung_by_rung_with_the_product_down_and_everything_kept() {
    let site = stackstorm("3.2.0", "ubuntu16", "3.4.24").answer("mongodb-compatibility", "3.4");
    let plan = planned(&site, "3.3.0");
    assert_eq!(
        acts(&plan),
        [
            "fetch",
            "prepare",
            "stop",
            "back up",
            "prove",
            "set",
            "by hand mongodb-3.6",
            "equal",
            "by hand mongodb-4.0",
            "equal",
            "migrate register-all",
            "start",
            "verify"
        ]
    );
    let rung = step(&plan, "mongodb-3.6");
    assert!(rung.downtime);
    let work = work(rung).expect("it is for people");
    let typed = &work.steps[0];
    assert!(typed.starts_with("/bin/bash -c 'set -e -o pipefail; wget -qO - https://www.mongodb.org/static/pgp/server-3.6.asc"), "{typed}");
    assert!(typed.contains("mongodb-org/3.6 multiverse"), "{typed}");
    assert!(typed.contains("setFeatureCompatibilityVersion"), "{typed}");
    assert!(!typed.contains("{line}"), "{typed}");
    // Whoever went on to 4.0 has passed 3.6.
    assert_eq!(server(work).lines, ["3.6", "4.0"]);
    let second = self::work(step(&plan, "mongodb-4.0")).expect("it is for people");
    assert_eq!(server(second).lines, ["4.0"]);
    let compares =
        |step: &&Step| matches!(&step.act, Act::Verify { checks } if is_comparison(checks));
    for step in plan.steps().map(|(_, step)| step).filter(compares) {
        let asks = |it: &Expectation| matches!(it, Expectation::Engine { .. });
        assert!(!step.before.iter().any(asks), "{step:#?}");
    }
    let line = outline(&plan);
    assert!(
        line.contains("by hand  mongodb-3.6 (mongodb is 3.6 or 4.0)"),
        "{line}"
    );
    let told = plan.procedures.iter().find(|it| it.id == "mongodb-4.0");
    let told = told.expect("it is told with the plan");
    assert_eq!(
        told.steps.last().map(String::as_str),
        Some("it is done when the server of mongodb is 4.0, and so is the format of its data")
    );
    let because = &plan.forecast.downtime_because;
    assert!(
        because.contains("as long as people take for mongodb-3.6, mongodb-4.0"),
        "{because}"
    );
}

#[test]
fn a_format_that_has_stayed_behind_is_a_rung_of_its_own() {
    let site = stackstorm("3.2.0", "ubuntu16", "3.4.24").answer("mongodb-compatibility", "3.2");
    let plan = planned(&site, "3.3.0");
    let lines: Vec<String> = rungs(&plan).into_iter().map(|(_, line, _)| line).collect();
    assert_eq!(lines, ["3.4", "3.6", "4.0"]);
    let first = work(step(&plan, "mongodb-3.4")).expect("work");
    assert_eq!(
        first.steps,
        [
            "set featureCompatibilityVersion to 3.4 once the server of that line answers: \
          mongo admin --eval \"db.adminCommand({setFeatureCompatibilityVersion: '3.4'})\""
        ]
    );
    assert_climbs(&plan, &site.product);
}

#[test]
fn a_climb_has_to_be_accepted_with_what_it_means_for_a_way_back() {
    // 3.2.0 runs with 4.0 as well.
    let plan = planned(&stackstorm("3.2.0", "ubuntu16", "3.4.24"), "3.3.0");
    assert_eq!(
        (
            plan.notices[0].accept.as_deref(),
            plan.notices[0].text.as_str()
        ),
        (
            Some("mongodb-4.0"),
            "MongoDB goes from 3.4 to 4.0 by hand while the service is down, and never down again; a way back leaves it \
             there: 3.2.0 runs with it, too"
        )
    );
    let rung = step(&plan, "mongodb-4.0");
    assert!(matches!(
        rung.way_back,
        WayBack::Restore { by_hand: None, .. }
    ));
    // 2.10.4 runs with none after 3.4.
    let plan = planned(&with_mistral("2.10.4", "3.4.24"), "3.4.1");
    let notice = plan.notices.iter().find(|it| it.id == "mongodb-4.0");
    assert_eq!(
        notice.map(|it| it.text.as_str()),
        Some(
            "MongoDB goes from 3.4 to 4.0 by hand while the service is down, and never down again; 2.10.4 does not run \
             with MongoDB 4.0, so a way back stops, waits until MongoDB 3.4 is put back by hand on an empty directory, \
             and restores the backup into it"
        )
    );
    let WayBack::Restore { by_hand, .. } = &step(&plan, "mongodb-3.6").way_back else {
        panic!("it restores");
    };
    assert_eq!(by_hand.as_deref(), Some("MongoDB 3.4"));
}

#[test]
fn on_a_path_with_a_stop_each_stage_climbs_as_far_as_its_release_goes() {
    let mut site = stackstorm("2.0.1", "el7", "3.2.22");
    site.config.features = vec!["mistral_installed=no".to_owned()];
    let plan = planned(&site, "3.8.1");
    let owned = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        rungs(&plan),
        [
            ("3.0.1".to_owned(), "3.4".to_owned(), owned(&["3.2"])),
            // 3.0.1 runs with 3.6 and not with 4.0.
            ("3.8.1".to_owned(), "3.6".to_owned(), owned(&["3.4", "3.6"])),
            ("3.8.1".to_owned(), "4.0".to_owned(), owned(&["3.4", "3.6"])),
        ]
    );
    assert_climbs(&plan, &site.product);
    assert_ways_back(&site, &plan);
    // Without a stop between, both climbs of one stage are taken back together.
    let plan = planned(&with_mistral("2.3.2", "3.2.22"), "3.4.1");
    let kept: BTreeSet<Vec<String>> = rungs(&plan).into_iter().map(|(_, _, back)| back).collect();
    assert_eq!(kept, BTreeSet::from([owned(&["3.2", "3.4"])]));
    let ids: Vec<String> = rungs(&plan).into_iter().map(|(_, line, _)| line).collect();
    assert_eq!(ids, ["3.4", "3.6", "4.0"]);
}

#[test]
fn a_way_back_waits_for_the_server_of_before_only_where_another_is_there() {
    let mut site = with_mistral("2.10.4", "3.4.24");
    let plan = planned(&site, "3.4.1");
    assert_ways_back(&site, &plan);
    // Until the run comes to the first rung nobody can have done anything.
    let first = step(&plan, "mongodb-3.6").number;
    let back = site.way_back(&plan, &proven_until(&plan, first.0 - 1, false));
    assert!(
        !acts(&back.expect("a way back"))
            .iter()
            .any(|act| act.starts_with("by hand"))
    );
    for (_, step) in plan.steps() {
        site.execute(&step.act);
    }
    let told = |site: &Site| {
        let back = site
            .way_back(&plan, &finished(&plan))
            .expect("there is a way back");
        assert_eq!(check(&back), []);
        let notice = back.notices.iter().find(|it| it.id == "mongodb-3.4-again");
        let notice = notice.expect("it is told").clone();
        let because = back.forecast.downtime_because;
        assert!(
            because.contains("as long as people take for mongodb-3.4-again"),
            "{because}"
        );
        (notice.accept, notice.text, notice.found)
    };
    site.datastore("mongodb").engine = Some("4.0.28".to_owned());
    assert_eq!(
        told(&site),
        (
            Some("mongodb-3.4-again".to_owned()),
            "2.10.4 needs `mongodb` on 3.4: after the stop this waits until somebody has put such a server back, and \
             the service stays down until then."
                .to_owned(),
            Some("its server is 4.0.28".to_owned()),
        )
    );
    site.datastore("mongodb").engine = Some("3.4.24".to_owned());
    assert_eq!(told(&site).0, None);
    site.datastore("mongodb").engine = None;
    assert_eq!(told(&site).2.as_deref(), Some("its server does not answer"));
    let again = work(step(&plan, "mongodb-3.6")).and_then(|work| work.back.as_ref());
    let again = again.expect("a rung has a way back");
    assert!(
        again
            .steps
            .iter()
            .any(|it| it.contains("mongodb-org-server=3.4.24")),
        "{again:#?}"
    );
}

#[test]
fn what_cannot_be_waited_for_is_refused_with_what_to_do_instead() {
    let unkept = stackstorm("2.10.4", "ubuntu16", "3.4.24").backup("mongodb", "none");
    let problem = refused(&unkept, "3.3.0");
    assert_eq!(
        (problem.code.as_str(), problem.exit.code()),
        ("engine-climb", 3)
    );
    assert_eq!(
        problem.what,
        "on the way to 3.3.0 the MongoDB server has to climb to 4.0, and `mongodb` has no backup"
    );
    assert!(
        problem.hints[0].starts_with("take `backup = \"none\"` out"),
        "{:?}",
        problem.hints
    );
    assert!(
        problem.hints[1].starts_with("go to 3.2.0 first, which runs with both"),
        "{:?}",
        problem.hints
    );
    let fact = problem.facts.last().map(|fact| fact.id.as_str());
    assert_eq!(fact, Some("mongo-3.4-3.6-4.0-deb"));
    // Nothing before 3.2 can be backed up.
    let mut old = stackstorm("1.5.1", "el7", "2.6.12");
    old.config.features = vec!["mistral_installed=no".to_owned()];
    let problem = refused(&old, "3.3.0");
    assert_eq!(
        problem.what,
        "on the way to 3.0.1 the MongoDB server has to climb to 3.2, and no server before 3.2 can be backed up"
    );
    assert_eq!(problem.hints.len(), 1, "{:?}", problem.hints);
    // What was said of the server is not what it is.
    let mut said = stackstorm("2.10.4", "ubuntu16", "3.4.24");
    said.datastore("mongodb").engine = Some("3.2.22".to_owned());
    let problem = refused(&said, "3.3.0");
    assert!(
        problem
            .what
            .ends_with("and it is 3.2.22, where the path does not begin"),
        "{}",
        problem.what
    );
}

/// The rules that a plan breaks once it was changed.
fn broken(plan: &Plan, product: &Product, change: impl FnOnce(&mut Plan)) -> Vec<String> {
    let mut plan = plan.clone();
    change(&mut plan);
    let steps = plan.stages.iter_mut().flat_map(|stage| &mut stage.steps);
    for (number, step) in (1..).zip(steps) {
        step.number = StepNumber(number);
    }
    let objections = check_against(&plan.seal(), product);
    let mut rules: Vec<String> = objections.into_iter().map(|it| it.rule).collect();
    rules.dedup();
    rules
}

/// Changes the work of one rung, and what the step is done with.
fn change_rung(plan: &mut Plan, id: &str, change: impl Fn(&mut HandWork)) {
    for step in plan.stages.iter_mut().flat_map(|stage| &mut stage.steps) {
        if let Act::HandWork { work } = &mut step.act
            && work.id == id
        {
            change(work);
            step.after = vec![Expectation::DoneByHand {
                work: work.id.clone(),
                done: work.done.clone(),
            }];
        }
    }
}

fn remove(plan: &mut Plan, which: impl Fn(&Step) -> bool) {
    for stage in &mut plan.stages {
        stage.steps.retain(|step| !which(step));
    }
}

#[test]
fn the_checker_sees_a_climb_that_skips_forgets_or_has_no_way_back() {
    let site = with_mistral("2.10.4", "3.4.24");
    let (plan, product) = (planned(&site, "3.4.1"), &site.product);
    assert_eq!(broken(&plan, product, |_| {}), [""; 0]);
    let is = |step: &Step, id: &str| work(step).is_some_and(|work| work.id == id);
    let compares =
        |step: &Step| matches!(&step.act, Act::Verify { checks } if is_comparison(checks));
    let skipped = broken(&plan, product, |plan| {
        remove(plan, |step| is(step, "mongodb-3.6"))
    });
    assert!(skipped.contains(&"climb-skips".to_owned()), "{skipped:?}");
    let uncompared = broken(&plan, product, |plan| remove(plan, compares));
    assert!(
        uncompared.contains(&"climb-uncompared".to_owned()),
        "{uncompared:?}"
    );
    // 3.4.1 does not run with the line that the first rung of three leads to.
    let longer = with_mistral("2.3.2", "3.2.22");
    let longer = planned(&longer, "3.4.1");
    let stays = broken(&longer, product, |plan| {
        remove(plan, |step| {
            is(step, "mongodb-3.6") || is(step, "mongodb-4.0")
        });
    });
    assert!(
        stays.contains(&"server-unsupported".to_owned()),
        "{stays:?}"
    );
    let with = |change: &dyn Fn(&mut HandWork)| {
        broken(&plan, product, |plan| {
            change_rung(plan, "mongodb-3.6", change)
        })
    };
    let server = |change: fn(&mut ServerIs)| {
        with(&|work| {
            if let DoneWhen::Server(is) = &mut work.done {
                change(is);
            }
        })
    };
    assert!(server(|is| is.format = false).contains(&"climb-unsettled".to_owned()));
    assert!(
        server(|is| is.lines = vec!["3.6".to_owned(), "4.4".to_owned()])
            .contains(&"climb-lines".to_owned())
    );
    assert!(
        server(|is| is.lines = vec!["9.9".to_owned()]).contains(&"unknown-hand-work".to_owned())
    );
    assert!(with(&|work| work.back = None).contains(&"climb-way-back".to_owned()));
    // A way back that would start 2.10.4 on 3.6.
    let wrong = with(&|work| {
        if let Some(DoneWhen::Server(is)) = work.back.as_mut().map(|back| &mut back.done) {
            is.lines.push("3.6".to_owned());
        }
    });
    assert_eq!(wrong, ["server-unsupported"]);
    let running = broken(&plan, product, |plan| {
        let mut steps: Vec<Step> = plan.steps().map(|(_, step)| step.clone()).collect();
        steps.retain(|step| is(step, "mongodb-3.6"));
        remove(plan, |step| is(step, "mongodb-3.6"));
        plan.stages[0].steps.extend(steps);
    });
    assert!(
        running.contains(&"climb-while-running".to_owned()),
        "{running:?}"
    );
}

#[test]
fn the_checker_sees_a_way_back_that_empties_what_it_restored() {
    let site = with_mistral("2.10.4", "3.4.24");
    let plan = planned(&site, "3.4.1");
    let rung = step(&plan, "mongodb-3.6").number;
    let mut site = site;
    for (_, step) in plan.steps().filter(|(_, step)| step.number < rung) {
        site.execute(&step.act);
    }
    let back = site.way_back(&plan, &proven_until(&plan, rung.0, false));
    let back = back.expect("there is a way back");
    let late = broken(&back, &site.product, |plan| {
        let steps = &mut plan.stages.last_mut().expect("it returns").steps;
        let place = steps.iter().position(|step| work(step).is_some());
        let waits = steps.remove(place.expect("it waits"));
        let restored = steps
            .iter()
            .rposition(|step| matches!(step.act, Act::Restore { .. }));
        steps.insert(restored.expect("it restores") + 1, waits);
    });
    assert!(late.contains(&"server-too-late".to_owned()), "{late:?}");
    let said = broken(&back, &site.product, |plan| {
        change_rung(plan, "mongodb-3.4-again", |work| work.done = DoneWhen::Said);
    });
    assert!(
        said.contains(&"hand-work-in-way-back".to_owned()),
        "{said:?}"
    );
}
