//! What the builder decides: which services, which checks, which backups.

use switchback_model::SecretRef;
use switchback_model::observed::ServiceState;
use switchback_model::plan::{Act, BackupMethod, Check, Expectation, Plan};
use switchback_planner::Place;

use super::atelier::atelier_site;
use super::site::Site;

fn site() -> Site {
    Site::things_stack("open-source", "3.23.2").answer("ns-schema", "1")
}

fn plan(site: &Site) -> Plan {
    site.plan("3.32.1").expect("there is a plan").plan
}

fn checks(plan: &Plan) -> Vec<Check> {
    plan.steps()
        .filter_map(|(_, step)| match &step.act {
            Act::Verify { checks } => Some(checks.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

/// What the plan says about the verification.
fn notes(site: &Site) -> Vec<String> {
    let planned = site.plan("3.32.1").expect("there is a plan");
    planned
        .notes
        .iter()
        .filter(|note| note.place == Place::Verification)
        .map(|note| format!("{}: {}", note.place, note.text))
        .collect()
}

#[test]
fn a_write_is_tried_where_the_operator_gives_a_key_and_an_application() {
    let mut site = site();
    let tried = |plan: &Plan| {
        checks(plan).into_iter().find_map(|check| match check {
            Check::WritePath { requests, .. } => Some(requests),
            _ => None,
        })
    };
    assert_eq!(tried(&plan(&site)), None);
    site.config.verify.api_key = Some(SecretRef::Env("TTN_KEY".to_owned()));
    assert_eq!(tried(&plan(&site)), None);
    assert_eq!(
        notes(&site),
        [
            "verify: no write is tried, because [verify] in switchback.toml does not name `application`"
        ]
    );

    let names = &mut site.config.verify.names;
    names.insert("application".to_owned(), "switchback-check".to_owned());
    let requests = tried(&plan(&site)).expect("a write is tried");
    assert_eq!(requests[0].method, "POST");
    assert_eq!(
        requests[0].path,
        "/api/v3/applications/switchback-check/devices"
    );
    let body = requests[0].body.as_deref().expect("it has a body");
    assert!(
        body.contains("switchback-{run}"),
        "the run's id is filled in later: {body}"
    );
    assert_eq!(notes(&site), [""; 0]);
}

#[test]
fn health_is_asked_as_each_version_answers() {
    let plan = plan(&site());
    let paths = |checks: &[Check]| -> Vec<String> {
        checks
            .iter()
            .filter_map(|check| match check {
                Check::Health { path, port, .. } => Some(format!("{port}{path}")),
                _ => None,
            })
            .collect()
    };
    assert_eq!(paths(&plan.origin.checks), ["1885/healthz/live"]);
    assert_eq!(paths(&checks(&plan)), ["1885/healthz"]);
}

#[test]
fn a_service_that_was_stopped_stays_stopped() {
    let mut site = atelier_site("2.0.0", false);
    site.service("worker").state = ServiceState::Stopped;
    let planned = site.plan("3.0.0").expect("there is a plan");
    let started: Vec<&Act> = planned
        .plan
        .steps()
        .map(|(_, step)| &step.act)
        .filter(|act| matches!(act, Act::Start { .. } | Act::Stop { .. }))
        .collect();
    for act in started {
        let (Act::Start { services, .. } | Act::Stop { services }) = act else {
            continue;
        };
        assert_eq!(services.len(), 1, "{act:?}");
    }
    let edits = planned
        .plan
        .steps()
        .filter(|(_, step)| matches!(step.act, Act::Set { .. }))
        .count();
    assert_eq!(edits, 2, "it gets the new tag all the same");
    assert_eq!(
        planned.notes[0].text,
        "`worker` does not run: it gets the new tag and stays stopped"
    );
}

#[test]
fn a_deployment_that_is_down_is_brought_up() {
    let mut site = atelier_site("2.0.0", false);
    for name in ["web", "worker"] {
        site.service(name).state = ServiceState::Absent;
        site.service(name).running = None;
    }
    let plan = site.plan("3.0.0").expect("there is a plan").plan;
    assert_eq!(plan.origin.services.len(), 2);
    assert_eq!(
        plan.origin.images.len(),
        2,
        "the way back knows what to start"
    );
    let stop = plan
        .steps()
        .find(|(_, step)| matches!(step.act, Act::Stop { .. }))
        .map(|(_, step)| step)
        .expect("it stops all the same");
    assert!(
        !stop
            .before
            .iter()
            .any(|expected| matches!(expected, Expectation::Runs { .. })),
        "no container is expected where none was"
    );
}

#[test]
fn what_has_no_directory_has_no_backup_and_must_be_accepted() {
    let mut site = site();
    site.datastore("blobs").location.directory = None;
    let plan = plan(&site);
    let kept = &plan.datastores[&"blobs".into()];
    assert_eq!(kept.method, BackupMethod::None);
    assert_eq!(plan.notices[0].accept.as_deref(), Some("no-backup-blobs"));
    assert_eq!(
        plan.notices[0].text,
        "`blobs` gets no backup: its directory was not found on this host. What 3.32.1 changes there cannot be taken back"
    );
    let stop_asks_for_blobs = plan
        .steps()
        .filter(|(_, step)| matches!(step.act, Act::Stop { .. }))
        .flat_map(|(_, step)| &step.before)
        .any(|expected| {
            *expected
                == Expectation::Reachable {
                    datastore: "blobs".into(),
                }
        });
    assert!(!stop_asks_for_blobs, "nothing could answer");
}

#[test]
fn where_there_is_nothing_to_lose_there_is_nothing_to_accept() {
    let accept = |site: Site| -> Vec<String> {
        let plan = plan(&site);
        plan.notices
            .into_iter()
            .filter_map(|notice| notice.accept)
            .collect()
    };
    assert_eq!(accept(site()), ["contact-infos"]);
    assert_eq!(
        accept(site().answer("contact-infos", "12")),
        ["contact-infos"]
    );
    assert_eq!(accept(site().answer("contact-infos", "0")), [""; 0]);
}

#[test]
fn all_of_the_configuration_is_guarded() {
    let site = site();
    for (_, step) in plan(&site).steps() {
        if !matches!(
            step.act,
            Act::Stop { .. } | Act::Migrate { .. } | Act::Start { .. }
        ) {
            continue;
        }
        for path in site.files().keys() {
            let asked = step.before.iter().any(
                |expected| matches!(expected, Expectation::File { path: known, .. } if known == path),
            );
            assert!(asked, "step {} does not ask for `{path}`", step.number);
        }
    }
}
