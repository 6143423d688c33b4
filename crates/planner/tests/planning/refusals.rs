//! What is refused before anything is planned: each with its code, exit code and words.

use switchback_catalog as catalog;
use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::observed::{Filesystem, Pinning, ServiceState};
use switchback_planner::obstacles;

use super::site::{GB, Site};

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
fn a_datastore_that_was_not_found() {
    let mut site = site();
    site.observed
        .datastores
        .retain(|datastore| datastore.name.as_str() != "redis");
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 datastore-missing: datastore `redis` was not found
    state: deployment: unchanged
    why: what is not found is not backed up, and could not be brought back
    hint: name its service under [datastores.redis] in switchback.toml
    "#);
}

#[test]
fn a_datastore_that_is_stopped() {
    let mut site = site();
    site.service("postgres").state = ServiceState::Stopped;
    site.datastore("identity").engine = None;
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 datastore-stopped: datastore `identity` does not run
    state: postgres: stopped
    why: it must answer, to be measured and backed up
    hint: start it: `docker compose up -d postgres`
    "#);
}

#[test]
fn a_datastore_that_does_not_answer() {
    let mut site = site();
    site.datastore("redis").engine = None;
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 datastore-unreachable: datastore `redis` does not answer
    state: service redis: running
    state: data of redis: unknown
    why: it must answer, to be measured and backed up
    hint: check address, user and password under [datastores.redis] in switchback.toml: `switchback doctor`
    "#);
}

#[test]
fn a_server_that_is_too_old() {
    let mut site = Site::things_stack("open-source", "3.16.2");
    site.service("redis").image = "redis:6".to_owned();
    site.datastore("redis").engine = Some("6.0.16".to_owned());
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 engine-too-old: `redis` must be 6.2 or newer from 3.18.0 on, and is 6.0.16
    state: redis: version 6.0.16
    why: the new version does not run on it
    hint: let the plan upgrade its server as well: `switchback plan --to 3.32.1 --engine redis=7`, or to a newer one
    hint: or upgrade it by itself, see that all runs well, then plan again
    "#);
    site.datastore("redis").engine = Some("6.2.14".to_owned());
    assert!(site.plan("3.32.1").is_ok(), "6.2 suffices");
}

#[test]
fn cockroachdb() {
    let mut by_image = site();
    by_image.service("postgres").image = "cockroachdb/cockroach:v21.2.0".to_owned();
    insta::assert_snapshot!(told(&refused(&by_image)), @r#"
    3 datastore-unsupported: service `postgres` keeps `identity` in `cockroachdb/cockroach:v21.2.0`
    state: deployment: unchanged
    why: CockroachDB was the compose file's database up to 3.15.3, and no way from it to PostgreSQL is documented
    hint: move the data to a supported server first, at the version that runs now
    "#);
    let mut by_answer = site();
    by_answer.datastore("identity").engine = Some("CockroachDB CCL v21.2.0".to_owned());
    insta::assert_snapshot!(told(&refused(&by_answer)), @r#"
    3 cockroachdb: `identity` is kept by CockroachDB, not PostgreSQL
    state: deployment: unchanged
    why: its dumps cannot be restored into a copy and read, so no backup could be proven
    hint: move the data to PostgreSQL first, at the version that runs now
    "#);
}

#[test]
fn a_directory_that_is_read_only() {
    let mut site = site();
    site.observed.filesystems[0].writable = false;
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 directory-read-only: `/var/lib/switchback` cannot be written to
    state: deployment: unchanged
    why: it is needed for: backup, journal
    hint: give this user the right to write there (or run as root), or mount it writable
    "#);
}

#[test]
fn only_what_is_written_by_us_must_be_writable() {
    let mut site = site();
    // As a member of the group `docker` sees it, who is not root.
    site.observed.filesystems[1].writable = false;
    assert!(site.plan("3.32.1").is_ok(), "the Engine writes there");
    site.observed.filesystems[1].uses.push("redis".to_owned());
    assert_eq!(refused(&site).code, "directory-read-only");
    let site = site.backup("redis", "none");
    assert!(site.plan("3.32.1").is_ok(), "nothing is copied from there");
}

#[test]
fn too_little_space() {
    let mut site = site();
    site.observed.filesystems[0].free = GB;
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 no-space: `/var/lib/switchback` has 1.0 GB free, and 2.4 GB are needed
    state: /var/lib/switchback: 1.4 GB short, for backup of identity, backup of redis, backup of blobs, copy to prove a backup, journal
    why: a migration or a restore that runs out of space leaves damage behind
    hint: free space there, or put switchback's state on a larger filesystem with XDG_STATE_HOME
    hint: leave one datastore out with `backup = "none"`, if its loss can be borne
    "#);
}

#[test]
fn filesystems_on_one_device_share_its_space() {
    let mut site = site();
    let enough_apart = 3 * GB;
    for filesystem in &mut site.observed.filesystems {
        filesystem.free = enough_apart;
    }
    assert!(site.plan("3.32.1").is_ok(), "on two devices it suffices");
    for filesystem in &mut site.observed.filesystems {
        filesystem.device = "the same".to_owned();
    }
    assert_eq!(refused(&site).code, "no-space");
}

#[test]
fn what_is_kept_on_another_machine_needs_room_and_rights_there() {
    let there = |free: u64, writable: bool| {
        let mut site = site();
        site.observed.filesystems.push(Filesystem {
            path: "machine:/var/lib/switchback".to_owned(),
            uses: vec![Filesystem::backup_of(&"blobs".into())],
            device: "machine:fe01".to_owned(),
            free,
            total: 400 * GB,
            writable,
        });
        site
    };
    let plan = there(300 * GB, true).plan("3.32.1").expect("a plan").plan;
    let uses = |path: &str| {
        let mut all = plan.forecast.space.iter();
        let found = all.find(|space| space.path == path);
        found.map(|space| space.uses.join(", ")).unwrap_or_default()
    };
    assert_eq!(
        uses("machine:/var/lib/switchback"),
        "backup of blobs, copy to prove a backup"
    );
    assert_eq!(
        uses("/var/lib/switchback"),
        "backup of identity, backup of redis, copy to prove a backup, journal"
    );
    assert_eq!(refused(&there(1, true)).code, "no-space");
    let refusal = refused(&there(300 * GB, false));
    assert_eq!(
        refusal.what,
        "`machine:/var/lib/switchback` cannot be written to"
    );
}

#[test]
fn an_unknown_way_to_back_up() {
    let site = site().backup("redis", "prayer");
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    2 backup-method-unknown: `prayer` is no way to back up `redis`
    state: deployment: unchanged
    hint: set `backup` to "shadow", "dump" or "none" under [datastores.redis] in switchback.toml, or leave the line out
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

#[test]
fn a_lock_that_a_dead_migrator_left() {
    let site = site().answer("bun-migration-lock", "lock 1 on bun_migrations");
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 lock-held: there is a migration of the Identity Server's database that was begun and not ended
    state: deployment: unchanged
    state: datastore identity: lock 1 on bun_migrations
    hint: see whether any migration still runs: `docker compose exec postgres psql -d ttn_lorawan -c "select pid, application_name, xact_start, query from pg_stat_activity where datname = current_database()"`
    hint: once nobody holds it any more, remove it and plan again: `docker compose exec postgres psql -d ttn_lorawan -c "delete from bun_migration_locks"`
    "#);
}

#[test]
fn a_transaction_that_somebody_forgot() {
    let held = "session 4711 of root (psql), transaction since 2026-11-21 07:55 UTC";
    let site = site().answer("forgotten-transactions", held);
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 lock-held: there is a session that left a transaction in the Identity Server's database open
    state: deployment: unchanged
    state: datastore identity: session 4711 of root (psql), transaction since 2026-11-21 07:55 UTC
    hint: see what it did last, and ask whoever it belongs to: `docker compose exec postgres psql -d ttn_lorawan -c "select pid, usename, client_addr, xact_start, query from pg_stat_activity where state like 'idle in transaction%'"`
    hint: once nobody holds it any more, remove it and plan again: `docker compose exec postgres psql -d ttn_lorawan -c "select pg_terminate_backend(PID)"`
    "#);
}

/// Unknown is never no, and no reason to refuse either: whoever applies the plan is told.
#[test]
fn a_lock_that_nothing_could_ask_about_is_said() {
    let mut site = site();
    site.observed.probes.remove("bun-migration-lock");
    let planned = site.plan("3.32.1").expect("it is planned");
    let told: Vec<&str> = planned
        .notes
        .iter()
        .map(|note| note.text.as_str())
        .collect();
    let expected = "nothing could tell whether there is a migration of the Identity Server's database \
                    that was begun and not ended";
    assert!(told.contains(&expected), "{told:#?}");
}

#[test]
fn a_server_whose_next_start_would_be_another_major_version() {
    for (service, image, refused_too) in [
        ("postgres", "postgres:17-alpine", true),
        ("redis", "registry.local:5000/library/redis:8", true),
        ("postgres", "postgres:15.8", false),
        ("postgres", "timescale/timescaledb:2.11-pg17", false),
        ("postgres", "postgres:latest", false),
    ] {
        let mut site = site();
        site.service(service).image = image.to_owned();
        let found = obstacles(&site.product, &site.config, &site.observed);
        let told = found
            .iter()
            .any(|problem| problem.code == "server-major-differs");
        assert_eq!(told, refused_too, "{image}");
    }
    let mut site = site();
    site.service("postgres").image = "postgres:17-alpine".to_owned();
    assert_eq!(
        told(&refused(&site)),
        "3 server-major-differs: the server of `identity` is version 15.6, and its configuration says `postgres:17-alpine`\n\
         state: postgres: runs version 15.6\n\
         why: its next start would put version 17 on data of version 15, and backups and the way back start it\n\
         hint: write `postgres:15` for service `postgres` again; the server's own upgrade is part of a plan: `switchback plan --engine identity=17`"
    );
}
