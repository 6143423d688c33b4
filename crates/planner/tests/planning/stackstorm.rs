//! StackStorm from packages: whole plans, with MongoDB and Mistral's PostgreSQL kept, and what is refused.

use switchback_catalog as catalog;
use switchback_model::Problem;
use switchback_model::config::PackagesConfig;
use switchback_model::plan::{Act, BackupMethod, Plan};
use switchback_model::product::{DatastoreKind, Product};
use switchback_planner::check_against;

use super::site::{Site, proven_until};

/// A host as an installation by the book leaves it.
pub(crate) fn stackstorm(version: &str, distribution: &str, mongodb: &str) -> Site {
    by_the_book(definition(), version, distribution, mongodb)
}

/// StackStorm's definition.
pub(crate) fn definition() -> Product {
    catalog::load("stackstorm")
        .expect("the catalog has StackStorm")
        .expect("its definition is well-formed")
}

/// As [`stackstorm`], by a definition that was read before.
pub(crate) fn by_the_book(
    product: Product,
    version: &str,
    distribution: &str,
    mongodb: &str,
) -> Site {
    let mut site = Site::new(product, Some("community"), version);
    site.observed.deployment.driver = "packages".to_owned();
    site.config.packages = Some(PackagesConfig::default());
    for service in ["st2actionrunner", "st2api", "st2auth"] {
        site.add_component(service, "stackstorm");
    }
    site.service("st2api").published = [(9101, "127.0.0.1:9101".to_owned())].into();
    site.add_neighbour("mongodb", DatastoreKind::Mongodb, mongodb);
    site.write_files();
    site.config.features = ["chatops", "st2web"].map(str::to_owned).to_vec();
    site.answer("distribution", distribution)
        .answer("mongodb", mongodb)
}

/// The same, with Mistral.
pub(crate) fn with_mistral(version: &str, mongodb: &str) -> Site {
    let mut site = stackstorm(version, "ubuntu16", mongodb);
    site.add_component("mistral", "stackstorm");
    site.add_neighbour("mistral", DatastoreKind::Postgres, "9.5.25");
    site.write_files();
    site.config.features.push("mistral_installed".to_owned());
    site.answer("mistral-early-tables", "0")
        .answer("mistral-early-rows", "0")
}

pub(crate) fn planned(site: &Site, to: &str) -> Plan {
    let plan = site.plan(to).expect("there is a plan").plan;
    let objections = check_against(&plan, &site.product);
    assert!(objections.is_empty(), "{objections:?}");
    plan
}

/// What is done, in order; several steps of a kind in a row are told once.
fn acts(plan: &Plan) -> Vec<String> {
    let mut acts: Vec<String> = plan
        .steps()
        .map(|(_, step)| match &step.act {
            Act::Migrate { migration, .. } => format!("migrate {migration}"),
            act => match act.datastore() {
                Some(datastore) => format!("{} {datastore}", plan.verb(act)),
                None => plan.verb(act).to_owned(),
            },
        })
        .collect();
    acts.dedup();
    acts
}

#[test]
fn mongodb_is_kept_and_proven_before_content_is_registered_anew() {
    let site = stackstorm("3.2.0", "ubuntu18", "4.0.28");
    let plan = planned(&site, "3.3.0");
    assert_eq!(
        acts(&plan),
        [
            "fetch",
            "prepare mongodb",
            "stop",
            "back up mongodb",
            "prove mongodb",
            "set",
            "migrate register-all",
            "start",
            "verify"
        ]
    );
    let kept = &plan.datastores[&"mongodb".into()];
    assert_eq!(kept.method, BackupMethod::Dump);
    assert_eq!(
        kept.because,
        "in the layout of `mongodump`; no shadow: the server is no member of a replica set, and nothing else can follow it"
    );
    assert_eq!(kept.engine.as_deref(), Some("4.0.28"));
    let accepts: Vec<&str> = plan
        .notices
        .iter()
        .filter_map(|it| it.accept.as_deref())
        .collect();
    assert_eq!(accepts, [""; 0]);
    // Whatever content it registered is taken back with the data.
    let register = plan
        .steps()
        .map(|(_, step)| step)
        .find(|step| matches!(step.act, Act::Migrate { .. }))
        .expect("it registers");
    let back = site
        .way_back(&plan, &proven_until(&plan, register.number.0, true))
        .expect("there is a way back");
    let restored = acts(&back).contains(&"restore mongodb".to_owned());
    assert!(restored, "{:?}", acts(&back));
}

#[test]
fn a_service_that_the_new_release_is_without_is_stopped_and_comes_back_with_the_old_one() {
    let mut site = stackstorm("3.3.0", "ubuntu18", "4.0.28");
    site.add_component("st2resultstracker", "stackstorm");
    site.write_files();
    let gone = "st2resultstracker".into();
    let has = |plan: &Plan, kind: &str| {
        let mut acts = plan.steps().map(|(_, step)| &step.act);
        let services = acts.find_map(|act| match act {
            Act::Stop { services } if kind == "stop" => Some(services),
            Act::Start { services, images } if kind == "start" => {
                assert_eq!(images.contains_key(&gone), services.contains(&gone));
                Some(services)
            }
            _ => None,
        });
        services.expect("there is one").contains(&gone)
    };
    let plan = planned(&site, "3.4.1");
    assert!(has(&plan, "stop") && !has(&plan, "start"));
    let last = plan.steps().map(|(_, step)| step.number.0).max();
    let back = site
        .way_back(
            &plan,
            &proven_until(&plan, last.expect("it has steps"), true),
        )
        .expect("there is a way back");
    assert!(has(&back, "stop") && has(&back, "start"));
}

#[test]
fn mistral_is_migrated_in_its_order_with_a_backup_of_its_own() {
    let site = with_mistral("2.2.1", "3.2.22");
    let plan = planned(&site, "2.3.2");
    assert_eq!(
        acts(&plan),
        [
            "fetch",
            "prepare mongodb",
            "prepare mistral",
            "stop",
            "back up mongodb",
            "back up mistral",
            "prove mongodb",
            "prove mistral",
            "set",
            "migrate mistral-db-upgrade",
            "migrate mistral-db-populate",
            "start",
            "verify"
        ]
    );
    // The queue has to be empty before, which only a person can see; and is deleted after.
    assert_eq!(
        plan.notices[0].accept.as_deref(),
        Some("notifier-queue-drain")
    );
    let procedures: Vec<&str> = plan.procedures.iter().map(|it| it.id.as_str()).collect();
    assert!(
        procedures.contains(&"notifier-queue-delete"),
        "{procedures:?}"
    );
}

pub(crate) fn refused(site: &Site, to: &str) -> Problem {
    site.plan(to).expect_err("it is refused")
}

#[test]
fn a_server_that_shall_climb_by_a_plan_is_refused() {
    let site = stackstorm("3.2.0", "ubuntu18", "4.0.28").engine("mongodb", "4.4");
    let problem = site.plan("3.3.0").expect_err("by hand");
    assert_eq!(problem.code, "engine-by-hand");
    assert_eq!(
        problem.what,
        "the server of `mongodb` cannot become 4.4 by a plan"
    );
    assert_eq!(problem.hints.len(), 2);
}

#[test]
fn without_mongodb_there_is_no_plan_and_without_its_backup_only_with_a_word() {
    let mut site = stackstorm("3.6.0", "ubuntu20", "4.4.29");
    assert!(site.plan("3.7.0").is_ok());
    let declined = planned(&site.clone().backup("mongodb", "none"), "3.7.0");
    assert_eq!(
        declined.datastores[&"mongodb".into()].method,
        BackupMethod::None
    );
    site.datastore("mongodb").engine = None;
    assert_eq!(refused(&site, "3.7.0").code, "datastore-unreachable");
    site.observed.datastores.clear();
    assert_eq!(refused(&site, "3.7.0").code, "datastore-missing");
}
