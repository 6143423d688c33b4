//! What is refused before anything is planned: each with its code, exit code and words.

mod datastores;
mod filesystems;
mod locks;

use switchback_catalog as catalog;
use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::observed::{Pinning, ServiceState};
use switchback_planner::obstacles;

use super::site::Site;

fn site() -> Site {
    Site::things_stack("open-source", "3.23.2").answer("ns-schema", "1")
}

fn refused(site: &Site) -> Problem {
    site.plan("3.32.1").expect_err("it is refused")
}

/// All parts of a problem, one line each.
fn told(problem: &Problem) -> String {
    let mut lines = vec![format!(
        "{} {}: {}",
        problem.exit.code(),
        problem.code,
        problem.what
    )];
    for state in &problem.state {
        let seen = state.seen.as_deref().unwrap_or("unknown");
        lines.push(format!("state: {}: {seen}", state.subject));
    }
    lines.extend(problem.why.iter().map(|why| format!("why: {why}")));
    lines.extend(problem.hints.iter().map(|hint| format!("hint: {hint}")));
    lines.join("\n")
}

#[test]
fn a_product_with_paths_only() {
    let mut site = site();
    site.product = catalog::load("gitlab")
        .expect("the catalog has GitLab")
        .expect("it is well-formed");
    let problem = &obstacles(&site.product, &site.config, &site.observed)[0];
    insta::assert_snapshot!(told(problem), @r#"
    3 path-only-product: the definition of GitLab describes paths only
    state: deployment: unchanged
    why: it says which releases to pass through, not how to back up and migrate
    hint: see the path: `switchback path gitlab --from V --to V`
    "#);
}

#[test]
fn an_edition_that_does_not_exist() {
    let mut site = site();
    site.config.edition = Some("community".to_owned());
    let problem = &obstacles(&site.product, &site.config, &site.observed)[0];
    insta::assert_snapshot!(told(problem), @r#"
    2 edition-unknown: The Things Stack has no edition `community`
    state: deployment: unchanged
    hint: set `edition` in switchback.toml to one of: open-source, enterprise
    "#);
}

#[test]
fn an_unknown_product_image() {
    let mut site = site();
    let service = site.service("stack");
    service.component = false;
    service.image = "registry.example/fork/stack:3.23.2".to_owned();
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 unknown-product-image: no service of `lorawan` runs an image of The Things Stack
    state: deployment: unchanged
    state: stack: image `registry.example/fork/stack:3.23.2`
    state: postgres: image `postgres:15`
    state: redis: image `redis:7`
    hint: edition `open-source` is recognised by the image `thethingsnetwork/lorawan-stack` or `ghcr.io/thethingsnetwork/lorawan-stack`; is the edition in switchback.toml right?
    "#);
}

#[test]
fn an_image_pinned_to_a_digest() {
    let mut site = site();
    site.observed.version_places[0].pinning = Pinning::Digest;
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 digest-pinned: the image of stack is pinned to a digest (/srv/lorawan/docker-compose.yml:3)
    state: deployment: unchanged
    why: a new tag before an old digest changes nothing: the digest decides
    hint: remove `@sha256:…` behind the tag; plans pin the digest themselves
    "#);
}

#[test]
fn a_moving_tag() {
    let mut site = site();
    site.observed.version_places[0].pinning = Pinning::Moving;
    site.observed.version_places[0].text = "latest".to_owned();
    site.service("stack").image = "thethingsnetwork/lorawan-stack:latest".to_owned();
    site.service("stack").running = None;
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 moving-tag: the image of stack has the moving tag `latest` (/srv/lorawan/docker-compose.yml:3)
    state: deployment: unchanged
    why: a restart may bring another version, and nothing could go back to this one
    hint: write `3.23.2`, which runs now, in its place
    "#);
}

#[test]
fn places_that_disagree() {
    let mut site = site();
    site.observed.version_places[0].text = "3.24.0".to_owned();
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 version-places-disagree: /srv/lorawan/docker-compose.yml:3 says `3.24.0`, not 3.23.2
    state: deployment: unchanged
    why: a path begins at one version
    hint: set it to 3.23.2 as elsewhere, then plan again
    "#);
}

#[test]
fn a_version_that_nothing_decides() {
    let mut site = site();
    site.observed.version_places.clear();
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 version-not-found: no place was found that decides the version of service `stack`
    state: stack: image `thethingsnetwork/lorawan-stack:3.23.2`
    hint: write the image with its tag into the compose file, or into a variable that it uses
    "#);
}

#[test]
fn services_at_different_versions() {
    let mut site = site();
    site.add_component("worker", "thethingsnetwork/lorawan-stack");
    site.write_files();
    let worker = site.service("worker");
    worker.image = "thethingsnetwork/lorawan-stack:3.24.0".to_owned();
    worker.running = None;
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 versions-mixed: services of the product are at different versions
    state: stack: 3.23.2
    state: worker: 3.24.0
    why: a path begins at one version
    hint: set the same tag everywhere and let the product start with it, then plan again
    "#);
}

#[test]
fn a_container_that_is_not_what_its_file_says() {
    let mut site = site();
    let stack = site.service("stack");
    stack.running = Some(super::site::pin("thethingsnetwork/lorawan-stack:3.22.2"));
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 running-differs: service `stack` runs `thethingsnetwork/lorawan-stack:3.22.2`, its configuration says `thethingsnetwork/lorawan-stack:3.23.2`
    state: stack: runs `thethingsnetwork/lorawan-stack:3.22.2`
    why: which version its data is at cannot be told
    hint: put the file back, or let what it says run first: `docker compose up -d`
    "#);
}

#[test]
fn a_service_that_restarts() {
    let mut site = site();
    site.service("stack").state = ServiceState::Restarting;
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 service-restarting: service `stack` restarts again and again
    state: stack: restarting
    why: an upgrade would hide what is wrong with it now, and could not tell its own failure from it
    hint: read its log and repair it first: `docker compose logs stack`
    "#);
}

#[test]
fn what_the_driver_refuses_comes_first() {
    let mut site = site();
    site.observed.problems.push(
        Problem::new(Exit::Refused, "docker-denied", "Docker cannot be asked")
            .state("deployment", "unchanged")
            .hint("join the group `docker`"),
    );
    site.service("stack").state = ServiceState::Restarting;
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 docker-denied: Docker cannot be asked
    state: deployment: unchanged
    hint: join the group `docker`
    hint: one more thing stands in the way: `switchback doctor` shows it
    "#);
}

#[test]
fn what_the_driver_has_said_is_not_said_twice() {
    let mut site = site();
    site.datastore("redis").engine = None;
    site.observed.problems.push(Problem::new(
        Exit::Refused,
        "datastore-password-wrong",
        "`redis` refuses the password",
    ));
    let codes: Vec<String> = obstacles(&site.product, &site.config, &site.observed)
        .into_iter()
        .map(|problem| problem.code)
        .collect();
    assert_eq!(codes, ["datastore-password-wrong"]);
}

#[test]
fn a_warning_of_the_driver_does_not_refuse() {
    let mut site = site();
    site.observed.problems.push(Problem::new(
        Exit::Ok,
        "redis-latest",
        "the image of redis moves",
    ));
    assert!(site.plan("3.32.1").is_ok());
}

#[test]
fn an_image_that_nobody_knows() {
    let site = site();
    let path = site.path("3.32.1");
    let problem = switchback_planner::build(&switchback_planner::Input {
        product: &site.product,
        config: &site.config,
        observed: &site.observed,
        path: &path,
        pins: &std::collections::BTreeMap::new(),
        edits: &[("3.32.1".into(), vec![an_edit()])].into(),
        engine_edits: &[],
        experience: &switchback_planner::Experience::default(),
        parent: None,
    })
    .expect_err("it is refused");
    insta::assert_snapshot!(told(&problem), @r#"
    3 image-unresolved: `thethingsnetwork/lorawan-stack:3.32.1` is neither here nor known to its registry
    state: deployment: unchanged
    why: a plan names images by digest, so that it always runs what was planned
    hint: pull it, or load it with `docker load`, then plan again
    "#);
}

#[test]
fn files_without_a_place_to_edit() {
    let site = site();
    let path = site.path("3.32.1");
    let problem = switchback_planner::build(&switchback_planner::Input {
        product: &site.product,
        config: &site.config,
        observed: &site.observed,
        path: &path,
        pins: &std::collections::BTreeMap::new(),
        edits: &std::collections::BTreeMap::new(),
        engine_edits: &[],
        experience: &switchback_planner::Experience::default(),
        parent: None,
    })
    .expect_err("it is refused");
    insta::assert_snapshot!(told(&problem), @r#"
    3 no-edit: nothing in this deployment's files can be set to 3.32.1
    state: deployment: unchanged
    why: the next restart would bring the old version up on migrated data
    hint: write the image's tag into the compose file, or into a variable that it uses
    "#);
}

#[test]
fn a_version_that_runs_already() {
    let problem = site().plan("3.23.2").expect_err("there is nothing to do");
    insta::assert_snapshot!(told(&problem), @r#"
    3 nothing-to-do: this deployment is at 3.23.2 already
    state: deployment: unchanged
    hint: name another version: `switchback plan --to V`
    "#);
}

fn an_edit() -> switchback_model::plan::FileEdit {
    switchback_model::plan::FileEdit {
        path: "/srv/lorawan/docker-compose.yml".to_owned(),
        offset: 0,
        old: "3.23.2".to_owned(),
        new: "3.32.1".to_owned(),
        before: switchback_model::Digest::of("old"),
        after: switchback_model::Digest::of("new"),
    }
}
