//! The driver against a real Docker Engine, with an image made of busybox and a
//! shell script. Skipped, loudly, only where there is no engine.

use std::fs;
use std::process::Command;

use switchback_engine::ports::{Context, Failure, Finding, MigrationCall, MigrationTrace};
use switchback_engine::process::{Argv, Secret};
use switchback_engine::signal::StopSignal;
use switchback_model::event::Completed;
use switchback_model::observed::{ImagePin, Pinning, ServiceState};
use switchback_model::plan::{Check, Expectation};
use switchback_model::{MigrationId, ServiceName, Version};
use switchback_testkit::contract;

use self::lab::{Lab, lab, left_of, run, store};
use super::engine_api::Engine;

mod absent;
mod companions;
mod health;
mod lab;
mod names;
mod neighbours;

#[test]
fn observes_what_runs_and_passes_the_contract() {
    let Some(lab) = lab() else { return };
    lab.up();
    let observed = lab.observe();
    assert_eq!(observed.problems, []);
    assert_eq!(observed.version.as_str(), "1.0.0");
    assert_eq!(observed.deployment.project, lab.image);
    let app = observed
        .services
        .iter()
        .find(|service| service.component)
        .expect("component");
    assert_eq!((app.state, app.replicas), (ServiceState::Running, 1));
    assert_eq!(app.running.as_ref(), Some(&lab.pin("1.0.0")));
    assert!(app.published[&8080].starts_with("127.0.0.1:"));
    assert_eq!(observed.version_places[0].pinning, Pinning::Exact);
    assert!(
        observed
            .filesystems
            .iter()
            .any(|filesystem| filesystem.uses == ["docker"])
    );
    assert!(!format!("{observed:?}").contains("s3cr"));

    let deployment = lab.open();
    let edits = deployment
        .edits(&observed, &[Version::new("2.0.0")])
        .expect("editable");
    let stop = StopSignal::default();
    let image = lab.pin("2.0.0");
    let driver = deployment.driver();
    lab.with("r-contract", &stop, |cx| {
        contract::driver(
            driver.as_ref(),
            cx,
            &contract::DriverTrial {
                services: vec![ServiceName::new("app")],
                image: image.clone(),
                edit: edits[0][0].clone(),
                migration: MigrationCall {
                    migration: &MigrationId::new("db"),
                    version: &Version::new("2.0.0"),
                    image: &image,
                    service: &ServiceName::new("app"),
                    run: &["migrate".to_owned()],
                },
                times_run: &|| lab.runs(),
            },
        );
        let health = driver.check(
            cx,
            &Check::Health {
                service: ServiceName::new("app"),
                port: 8080,
                url: None,
                path: "/healthz".to_owned(),
            },
        );
        assert!(health.expect("healthy").summary.contains("answers 200"));
        let images = [(ServiceName::new("app"), image.clone())].into();
        driver.check(cx, &Check::Stable { images }).expect("stable");
    });
    assert_eq!(lab.observe().version.as_str(), "2.0.0");
    // The restart policy that stopping took away is back.
    let policy = Command::new("docker")
        .args([
            "inspect",
            "--format",
            "{{.HostConfig.RestartPolicy.Name}}",
            &format!("{}-app-1", lab.image),
        ])
        .output()
        .expect("inspects");
    assert_eq!(String::from_utf8_lossy(&policy.stdout).trim(), "always");
}

#[test]
fn a_migration_that_was_left_running_is_adopted_and_runs_once() {
    let Some(lab) = lab() else { return };
    let hurried = StopSignal::default();
    hurried.raise();
    hurried.raise();
    let (left, _) = lab.migrate("r-adopt", "slow", &hurried);
    let failure = left.expect_err("stopped");
    assert!(failure.stopped, "{failure:?}");
    assert_eq!(lab.trace("r-adopt"), MigrationTrace::Running);
    fs::write(lab.path().join("data/go"), "").expect("written");
    let (adopted, heard) = lab.migrate("r-adopt", "slow", &StopSignal::default());
    let outcome = adopted.expect("ends well");
    assert_eq!(outcome.completed, Completed::Adopted);
    assert_eq!((lab.runs(), outcome.summary.as_str()), (1, "all done"));
    assert!(heard.iter().any(|line| line.contains("begun")), "{heard:?}");
}

#[test]
fn a_failed_migration_says_why_without_secrets_and_is_kept() {
    let Some(lab) = lab() else { return };
    let (failed, heard) = lab.migrate("r-fail", "fail", &StopSignal::default());
    let failure = failed.expect_err("fails");
    assert_eq!(failure.code, "migration-failed");
    assert_eq!(failure.what, "`fail` exited with 3");
    // Two pipes have no order between them.
    assert!(
        failure
            .causes
            .contains(&"pq: connection refused".to_owned())
    );
    assert!(
        failure
            .output
            .as_deref()
            .is_some_and(|output| output.contains("using •••"))
    );
    assert!(!format!("{failure:?} {heard:?}").contains("s3cr$et"));
    assert_eq!(lab.trace("r-fail"), MigrationTrace::Exited { code: 3 });
    // Once more without discarding: not started again.
    let (again, _) = lab.migrate("r-fail", "migrate", &StopSignal::default());
    assert_eq!(again.expect_err("still the first").code, "migration-failed");
    assert_eq!(lab.runs(), 0);
}

#[test]
fn a_broken_start_and_an_operator_in_the_way_are_told() {
    let Some(lab) = lab() else { return };
    lab.up();
    let driver = lab.open().driver();
    let services = [ServiceName::new("app")];
    let stop = StopSignal::default();
    // Somebody runs the product by hand: stopping the service is not enough.
    let by_hand = format!("{}-by-hand", lab.image);
    run(
        &[
            "docker",
            "compose",
            "run",
            "--detach",
            "--no-deps",
            "--name",
            &by_hand,
            "app",
            "serve",
        ],
        &lab.path(),
    );
    let (stopped, _) = lab.with("r-hand", &stop, |cx| {
        driver.look(
            cx,
            &Expectation::Stopped {
                services: services.to_vec(),
            },
        )
    });
    assert!(matches!(stopped, Finding::Differs { found } if found.contains(&by_hand)));
    run(&["docker", "rm", "--force", &by_hand], &lab.path());
    // The tag was moved to another image since the plan.
    let planned = lab.pin("1.0.0");
    run(
        &[
            "docker",
            "tag",
            &format!("{}:2.0.0", lab.image),
            &format!("{}:1.0.0", lab.image),
        ],
        &lab.path(),
    );
    let images = [(ServiceName::new("app"), planned)].into();
    let (started, _) = lab.with("r-hand", &stop, |cx| driver.start(cx, &services, &images));
    assert_eq!(started.expect_err("another image").code, "image-moved");
    let codes: Vec<String> = lab
        .observe()
        .problems
        .into_iter()
        .map(|problem| problem.code)
        .collect();
    assert_eq!(codes, ["running-differs"]);
}

#[test]
fn reaches_a_server_doubles_it_and_leaves_nothing() {
    let Some(lab) = lab() else { return };
    lab.up();
    let deployment = lab.open();
    let reach = deployment.reach(&store());
    let stop = StopSignal::default();
    let copy = lab.directory.path().join("copy");
    fs::create_dir_all(&copy).expect("directory");
    fs::write(copy.join("dump"), "sealed").expect("written");
    run(
        &["chown", "-R", "1234:1234", &copy.to_string_lossy()],
        lab.directory.path(),
    );
    lab.with("r-reach", &stop, |cx| {
        let shell = Argv::new("sh", ["-c", "echo $WHO"]).env("WHO", Secret::new("inside me"));
        let said = cx
            .commands
            .capture(&reach.inside(shell).expect("runs"))
            .expect("runs");
        assert_eq!(said, "inside me\n");
        for time in ["stop", "stop again"] {
            reach.stop(cx).expect(time);
            assert!(!reach.running(cx).expect(time));
        }
        assert_eq!(
            reach
                .inside(Argv::new("true", [""; 0]))
                .expect_err("stopped")
                .code,
            "service-stopped"
        );
        for time in ["start", "start again"] {
            reach.start(cx).expect(time);
            assert!(reach.running(cx).expect(time));
        }
        let scratch = reach
            .scratch(cx, &copy, Argv::new("sleep", ["1000"]))
            .expect("doubled");
        let dump = format!("{}/dump", scratch.directory());
        let read = scratch
            .inside(Argv::new("sh", ["-c", &format!("cat {dump}; id -u")]))
            .expect("inside");
        assert_eq!(cx.commands.capture(&read).expect("reads"), "sealed1234\n");
        drop(scratch);
    });
    assert_eq!(left_of("r-reach"), "");
}

#[test]
fn an_image_that_nobody_has_is_refused() {
    let Some(lab) = lab() else { return };
    // A registry on this machine that nobody runs.
    let reference = "127.0.0.1:1/stack:3.32.1".to_owned();
    let problem = lab.open().resolve(&[reference]).expect_err("nobody has it");
    assert_eq!(
        (problem.code.as_str(), problem.exit.code()),
        ("image-unavailable", 3)
    );
    assert!(
        problem
            .hints
            .iter()
            .any(|hint| hint.contains("docker load"))
    );
    let pin = ImagePin {
        reference: "127.0.0.1:1/stack:3.32.1".to_owned(),
        id: None,
        digest: Some(format!("sha256:{}", "0".repeat(64))),
    };
    let driver = lab.open().driver();
    let stop = StopSignal::default();
    let (fetched, _) = lab.with("r-fetch", &stop, |cx| driver.fetch(cx, &pin));
    let failure = fetched.expect_err("nobody serves it");
    assert!(failure.what.contains("cannot pull"), "{failure:?}");
    assert!(!failure.hints.is_empty());
}

#[test]
fn an_engine_that_is_not_there_is_named() {
    let problem = Engine::connect("unix:///nonexistent/docker.sock").expect_err("nobody listens");
    assert_eq!(problem.code, "docker-engine-down");
    assert!(problem.what.contains("/nonexistent/docker.sock"));
    assert!(!problem.causes.is_empty());
}
