//! Releases that are directories of scripts, with commands by definition, as virtual environments are.

use std::process::Stdio;

use switchback_model::observed::ImagePin;
use switchback_model::product::{Exec, ExecService};

use super::*;

/// What every release's `bin/app` does; an interpreter runs it.
const APP: &str = r#"#!/bin/sh
here=$(dirname "$0")/..
case $1 in
version) echo "app $(cat "$here/VERSION") (of long ago)" ;;
serve) echo "at $2 in $(pwd)"; while [ ! -e asked ]; do sleep 0.05; done ;;
stop) touch asked ;;
migrate) sleep 0.5; echo x >> runs; echo all done ;;
esac
"#;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// As [`super::lab`], with directories for releases.
fn directories() -> Lab {
    let mut lab = lab();
    let path = lab.path();
    for version in ["3.23.2", "3.24.2"] {
        let release = path.join("releases").join(version);
        fs::create_dir_all(release.join("bin")).expect("directory");
        fs::write(release.join("VERSION"), version).expect("written");
        let app = release.join("bin/app");
        let write = r#"printf %s "$2" > "$1" && chmod 755 "$1""#;
        run(&["sh", "-c", write, "sh", &app.to_string_lossy(), APP]);
    }
    fs::create_dir(path.join("work")).expect("directory");
    fs::write(path.join("env"), "APP_PORT=8000\nAPP_TOKEN=s3cret-token\n").expect("written");
    let service = ExecService {
        start: words(&["bin/app", "serve", "{APP_PORT}"]),
        stop: words(&["bin/app", "stop"]),
    };
    lab.product.exec = Some(Exec {
        binary: None,
        version: words(&["bin/app", "version"]),
        written: words(&["*.pyc"]),
        services: [(ServiceName::new("app"), service)].into(),
    });
    let exec = lab.config.exec.as_mut().expect("exec");
    exec.binary = None;
    exec.services.clear();
    exec.directory = Some("work".to_owned());
    lab
}

fn pinned(deployment: &Deployment, version: &str) -> ImagePin {
    let reference = format!("the-things-stack:{version}");
    let mut pins = deployment.resolve(&[reference]).expect("here");
    pins.remove(0)
}

fn observed(lab: &Lab, deployment: &Deployment) -> switchback_model::observed::Observed {
    let directories = Directories {
        backups: lab.path().join("backups"),
        journal: lab.path().join("journal"),
    };
    deployment.observe(&directories).expect("observed")
}

#[test]
fn pass_the_contract() {
    let lab = directories();
    let services = vec![ServiceName::new("app")];
    lab.with(&StopSignal::default(), |deployment, cx| {
        let driver = deployment.driver();
        let old = pinned(deployment, "3.23.2");
        driver
            .start(cx, &services, &[(services[0].clone(), old.clone())].into())
            .expect("starts");
        let observed = observed(&lab, deployment);
        assert_eq!(observed.problems, []);
        assert_eq!(observed.services[0].running.as_ref(), Some(&old));
        let edits = deployment
            .edits(&observed, &[Version::new("3.24.2")])
            .expect("editable");
        let image = pinned(deployment, "3.24.2");
        // The stop command leaves its mark, which would end what is started after it.
        let asked = lab.path().join("work/asked");
        driver.stop(cx, &services).expect("stops");
        assert!(asked.exists(), "it was not asked to stop");
        fs::remove_file(&asked).expect("removed");
        deployment_without_stop(&lab, |deployment| {
            let driver = deployment.driver();
            driver
                .start(cx, &services, &[(services[0].clone(), old)].into())
                .expect("starts");
            contract::driver(
                driver.as_ref(),
                cx,
                &contract::DriverTrial {
                    services: services.clone(),
                    image: image.clone(),
                    edit: edits[0][0].clone(),
                    migration: MigrationCall {
                        migration: &MigrationId::new("db"),
                        version: &Version::new("3.24.2"),
                        image: &image,
                        service: &services[0],
                        run: &words(&["bin/app", "migrate"]),
                    },
                    times_run: &|| {
                        let text = fs::read_to_string(lab.path().join("work/runs"));
                        text.unwrap_or_default().lines().count() as u64
                    },
                },
            );
        });
    });
}

/// The same deployment, whose processes are ended by a signal.
fn deployment_without_stop(lab: &Lab, act: impl FnOnce(&Deployment)) {
    let mut product = lab.product.clone();
    if let Some(exec) = &mut product.exec {
        let service = exec.services.get_mut(&ServiceName::new("app"));
        service.expect("the service").stop.clear();
    }
    let deployment = Deployment::open(&lab.path(), &lab.config, &product, &lab.commands());
    act(&deployment.expect("opens"));
}

#[test]
fn what_somebody_started_by_hand_is_found_asked_to_stop_and_ends() {
    let lab = directories();
    let program = lab.path().join("releases/3.23.2/bin/app");
    let mut child = Command::new(&program)
        .args(["serve", "8000"])
        .current_dir(lab.path().join("work"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("starts");
    let services = vec![ServiceName::new("app")];
    lab.with(&StopSignal::default(), |deployment, cx| {
        let seen = observed(&lab, deployment);
        assert_eq!(seen.services[0].state, ServiceState::Running);
        assert_eq!(seen.services[0].running, Some(pinned(deployment, "3.23.2")));
        let glance = crate::glance(&lab.path(), &lab.config, Some(&lab.product)).expect("a look");
        assert_eq!(glance[0].image, "the-things-stack:3.23.2");
        assert_eq!(glance[0].state, ServiceState::Running);
        let stopped = Expectation::Stopped {
            services: services.clone(),
        };
        assert_ne!(deployment.driver().look(cx, &stopped), Finding::Holds);
        deployment.driver().stop(cx, &services).expect("stops");
        assert_eq!(deployment.driver().look(cx, &stopped), Finding::Holds);
    });
    child.wait().expect("ended");
    assert!(lab.path().join("work/asked").exists(), "it was not asked");
}

#[test]
fn what_was_started_by_other_links_is_found_and_stopped() {
    let mut lab = directories();
    let exec = lab.product.exec.as_mut().expect("exec");
    let service = exec.services.get_mut(&ServiceName::new("app"));
    let service = service.expect("the service");
    service.start = words(&["bin/app", "serve", "8000", "--conf={release}/VERSION"]);
    service.stop.clear();
    let (first, second) = (lab.path().join("first"), lab.path().join("second"));
    std::os::unix::fs::symlink(lab.path(), &first).expect("linked");
    std::os::unix::fs::symlink(lab.path().join("releases"), &second).expect("linked");
    let services = vec![ServiceName::new("app")];
    let started = [first.join("releases/3.23.2"), second.join("3.23.2")];
    for release in started {
        let mut child = Command::new(release.join("bin/app"))
            .args(["serve", "8000"])
            .arg(format!("--conf={}/VERSION", release.display()))
            .current_dir(lab.path().join("work"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        lab.with(&StopSignal::default(), |deployment, cx| {
            let seen = observed(&lab, deployment);
            assert_eq!(seen.services[0].state, ServiceState::Running, "{release:?}");
            assert_eq!(seen.services[0].running, Some(pinned(deployment, "3.23.2")));
            deployment.driver().stop(cx, &services).expect("stops");
            let stopped = Expectation::Stopped {
                services: services.clone(),
            };
            assert_eq!(deployment.driver().look(cx, &stopped), Finding::Holds);
        });
        child.wait().expect("ended");
    }
}

#[test]
fn a_release_that_was_changed_since_is_not_started() {
    let lab = directories();
    let services = vec![ServiceName::new("app")];
    lab.with(&StopSignal::default(), |deployment, cx| {
        let pin = pinned(deployment, "3.23.2");
        let here = Expectation::ImageHere { image: pin.clone() };
        let release = lab.path().join("releases/3.23.2");
        fs::write(release.join("bin/part.pyc"), "compiled").expect("written");
        assert_eq!(deployment.driver().look(cx, &here), Finding::Holds);
        fs::write(release.join("bin/part"), "patched").expect("written");
        assert_ne!(deployment.driver().look(cx, &here), Finding::Holds);
        let images = [(services[0].clone(), pin)].into();
        let failure = deployment
            .driver()
            .start(cx, &services, &images)
            .expect_err("another release");
        assert_eq!(failure.code, "image-moved");
    });
}

#[test]
fn a_release_that_is_not_what_its_directory_says_is_refused() {
    let lab = directories();
    fs::write(lab.path().join("releases/3.24.2/VERSION"), "3.24.20").expect("written");
    let commands = lab.commands();
    let deployment = lab.open(&commands);
    let refused = |version: &str| {
        let reference = format!("the-things-stack:{version}");
        let problem = deployment.resolve(&[reference]).expect_err("refused");
        (problem.code, problem.what)
    };
    assert_eq!(
        refused("3.24.2"),
        (
            "release-mislabelled".to_owned(),
            "the release in the directory `3.24.2` says that it is `app 3.24.20 (of long ago)`"
                .to_owned()
        )
    );
    fs::remove_file(lab.path().join("releases/3.23.2/bin/app")).expect("removed");
    assert_eq!(refused("3.23.2").0, "release-broken");
    assert_eq!(refused("9.9.9").0, "image-unavailable");
}

#[test]
fn a_command_names_only_what_is_set_and_no_secret() {
    let mut lab = directories();
    lab.product.secrets = words(&["*TOKEN*"]);
    let services = vec![ServiceName::new("app")];
    for (word, cause) in [
        (
            "{APP_HOST}",
            "no variable `APP_HOST` is set, which a command of the product asks for",
        ),
        (
            "{APP_TOKEN}",
            "`{APP_TOKEN}` is a secret, which a command would show to every user of the host",
        ),
    ] {
        let exec = lab.product.exec.as_mut().expect("exec");
        let service = exec.services.get_mut(&services[0]).expect("the service");
        service.start = words(&["bin/app", "serve", word]);
        lab.with(&StopSignal::default(), |deployment, cx| {
            let images = [(services[0].clone(), pinned(deployment, "3.23.2"))].into();
            let failure = deployment
                .driver()
                .start(cx, &services, &images)
                .expect_err("not to be filled in");
            assert_eq!(failure.code, "start-failed");
            assert_eq!(failure.causes, [cause]);
            assert!(!format!("{failure:?}").contains("s3cret"));
        });
    }
}

#[test]
fn nothing_says_what_runs() {
    let lab = directories();
    let mut product = lab.product.clone();
    product.exec = None;
    let commands = lab.commands();
    let problem =
        Deployment::open(&lab.path(), &lab.config, &product, &commands).expect_err("no services");
    assert_eq!(problem.code, "exec-services-unknown");
    assert_eq!(
        problem.what,
        "nothing says which processes `the-things-stack` consists of"
    );
}

#[test]
fn a_directory_is_recognised_by_the_release_in_use() {
    let lab = directories();
    let path = lab.path();
    let recognise = || {
        let found = crate::exec::recognise(&path, std::slice::from_ref(&lab.product));
        found
            .into_iter()
            .map(|found| found.image)
            .collect::<Vec<_>>()
    };
    assert_eq!(recognise(), ["the-things-stack:3.23.2"]);
    fs::write(path.join("current"), "3.25.0\n").expect("written");
    assert_eq!(recognise(), [""; 0], "that release is not here");
    fs::remove_file(path.join("current")).expect("removed");
    assert_eq!(recognise(), [""; 0]);
}
