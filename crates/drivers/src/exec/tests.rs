//! The driver with real processes: a shell script stands for the product. The
//! kernel sees such a script as its shell, so the binary is a copy of the shell
//! and the script comes beside it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use switchback_engine::ports::{
    Context, Finding, MigrationCall, MigrationTrace, SCRATCH_DIRECTORY, Silent,
};
use switchback_engine::process::{Argv, Commands};
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::config::{Config, DatastoreConfig, ExecConfig};
use switchback_model::event::Completed;
use switchback_model::observed::{Access, DatastoreLocation, ServiceState};
use switchback_model::plan::Expectation;
use switchback_model::product::{DatastoreKind, Product};
use switchback_model::{DatastoreName, MigrationId, RunId, ServiceName, StepNumber, Version};
use switchback_testkit::{contract, plans};

use super::Deployment;
use crate::filesystem::Directories;
use crate::fixtures;

mod companions;
mod directories;

struct Lab {
    directory: tempfile::TempDir,
    config: Config,
    product: Product,
}

fn lab() -> Lab {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path();
    for version in ["3.23.2", "3.24.2"] {
        let release = path.join("releases").join(version);
        fs::create_dir_all(&release).expect("directory");
        // Two releases are two different executables; what follows the program in its file is never looked at.
        // Others write it: a file that this process had open for writing could not be run while a child of
        // another test's thread still holds it.
        let binary = release.join("app");
        run(&[
            "sh",
            "-c",
            r#"cat /bin/sh > "$1" && printf %s "$2" >> "$1""#,
            "sh",
            &binary.to_string_lossy(),
            version,
        ]);
        run(&["chmod", "755", &binary.to_string_lossy()]);
    }
    fs::write(
        path.join("start"),
        "echo serving\nwhile :; do sleep 0.2; done\n",
    )
    .expect("written");
    fs::write(
        path.join("migrate"),
        "echo \"using $APP_TOKEN\"\nsleep 0.5\necho x >> runs\necho all done\n",
    )
    .expect("written");
    fs::write(
        path.join("slow"),
        "while [ ! -e go ]; do sleep 0.1; done\necho x >> runs\necho all done\n",
    )
    .expect("written");
    fs::write(path.join("fail"), "echo no connection >&2\nexit 3\n").expect("written");
    fs::write(path.join("current"), "3.23.2\n").expect("written");
    fs::write(path.join("env"), "APP_TOKEN=s3cret-token\n").expect("written");
    let exec = ExecConfig {
        releases: "releases".to_owned(),
        current: "current".to_owned(),
        environment: Some("env".to_owned()),
        services: [(ServiceName::new("app"), vec!["start".to_owned()])].into(),
        binary: Some("app".to_owned()),
        directory: None,
    };
    let mut config: Config =
        serde_json::from_str(r#"{"product": "the-things-stack"}"#).expect("a configuration");
    config.exec = Some(exec);
    Lab {
        directory,
        config,
        product: fixtures::product(),
    }
}

impl Lab {
    fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    fn commands(&self) -> Commands {
        Commands::new(
            self.path().join("children"),
            Redactor::default(),
            StopSignal::default(),
        )
    }

    fn open(&self, commands: &Commands) -> Deployment {
        Deployment::open(&self.path(), &self.config, &self.product, commands).expect("opens")
    }

    fn with<T>(&self, stop: &StopSignal, act: impl FnOnce(&Deployment, &Context<'_>) -> T) -> T {
        let plan = plans::smallest();
        let commands = self.commands();
        let deployment = self.open(&commands);
        act(
            &deployment,
            &Context {
                plan: &plan,
                run: &RunId::new("r-1"),
                step: StepNumber(3),
                backups: &self.path().join("backups"),
                commands: &commands,
                progress: &Silent,
                stop,
            },
        )
    }

    fn runs(&self) -> u64 {
        let text = fs::read_to_string(self.path().join("runs")).unwrap_or_default();
        text.lines().count() as u64
    }

    fn migrate(
        &self,
        verb: &str,
        stop: &StopSignal,
    ) -> Result<switchback_model::event::Outcome, switchback_engine::ports::Failure> {
        self.with(stop, |deployment, cx| {
            let image = deployment
                .resolve(&["app:3.24.2".to_owned()])
                .expect("here")
                .remove(0);
            deployment.driver().migrate(
                cx,
                &MigrationCall {
                    migration: &MigrationId::new("db"),
                    version: &Version::new("3.24.2"),
                    image: &image,
                    service: &ServiceName::new("app"),
                    run: &[verb.to_owned()],
                },
            )
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let services = [ServiceName::new("app")];
        self.with(&StopSignal::default(), |deployment, cx| {
            let _ = deployment.driver().stop(cx, &services);
            if let Some(location) = redis_location(&self.path()) {
                let _ = deployment.reach(&location).stop(cx);
            }
            let _ = deployment.driver().clean(cx);
        });
    }
}

fn run(words: &[&str]) {
    let status = Command::new(words[0])
        .args(&words[1..])
        .status()
        .expect("starts");
    assert!(status.success(), "{words:?}");
}

#[test]
fn passes_the_contract() {
    let lab = lab();
    let services = vec![ServiceName::new("app")];
    lab.with(&StopSignal::default(), |deployment, cx| {
        let driver = deployment.driver();
        let old = deployment
            .resolve(&["app:3.23.2".to_owned()])
            .expect("here")
            .remove(0);
        driver
            .start(cx, &services, &[(services[0].clone(), old.clone())].into())
            .expect("starts");
        let directories = Directories {
            backups: lab.path().join("backups"),
            journal: lab.path().join("journal"),
        };
        let observed = deployment.observe(&directories).expect("observed");
        assert_eq!(observed.problems, []);
        assert_eq!(observed.version.as_str(), "3.23.2");
        assert_eq!(observed.services[0].state, ServiceState::Running);
        assert_eq!(observed.services[0].running.as_ref(), Some(&old));
        let edits = deployment
            .edits(&observed, &[Version::new("3.24.2")])
            .expect("editable");
        let image = deployment
            .resolve(&["app:3.24.2".to_owned()])
            .expect("here")
            .remove(0);
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
                    run: &["migrate".to_owned()],
                },
                times_run: &|| lab.runs(),
            },
        );
    });
    let current = fs::read_to_string(lab.path().join("current")).expect("readable");
    assert_eq!(current, "3.24.2\n");
    // What was started outlives the one that started it: it is found again by its note.
    lab.with(&StopSignal::default(), |deployment, cx| {
        let running = Expectation::Running {
            services: services.clone(),
        };
        assert_eq!(deployment.driver().look(cx, &running), Finding::Holds);
    });
}

#[test]
fn a_migration_that_was_left_running_is_adopted_and_runs_once() {
    let lab = lab();
    let hurried = StopSignal::default();
    hurried.raise();
    hurried.raise();
    assert!(lab.migrate("slow", &hurried).expect_err("stopped").stopped);
    fs::write(lab.path().join("go"), "").expect("written");
    let outcome = lab
        .migrate("slow", &StopSignal::default())
        .expect("ends well");
    assert_eq!(
        (outcome.completed, outcome.summary.as_str()),
        (Completed::Adopted, "all done")
    );
    assert_eq!(lab.runs(), 1);
}

#[test]
fn a_migration_that_failed_or_was_killed_says_so() {
    let lab = lab();
    let failure = lab
        .migrate("fail", &StopSignal::default())
        .expect_err("fails");
    assert_eq!(
        (failure.code.as_str(), failure.what.as_str()),
        ("migration-failed", "`fail` exited with 3")
    );
    assert_eq!(failure.causes, ["no connection"]);
    lab.with(&StopSignal::default(), |deployment, cx| {
        let migration = MigrationId::new("db");
        let driver = deployment.driver();
        assert_eq!(
            driver.trace(cx, &migration),
            Ok(MigrationTrace::Exited { code: 3 })
        );
        driver.discard(cx, &migration).expect("discards");
        // A note of a process that is gone without an exit code.
        let traces = lab.path().join(".switchback/migrations/r-1/3-db");
        fs::create_dir_all(&traces).expect("directory");
        fs::write(traces.join("pid"), "999999 1\n").expect("written");
        assert_eq!(
            driver.trace(cx, &migration),
            Ok(MigrationTrace::Exited { code: -1 })
        );
    });
}

#[test]
fn a_glance_sees_what_runs_and_what_would() {
    let lab = lab();
    let services = [ServiceName::new("app")];
    let look = || {
        let found =
            crate::glance(&lab.path(), &lab.config, Some(&fixtures::product())).expect("a look");
        assert_eq!(found.len(), 1);
        (found[0].image.clone(), found[0].state)
    };
    assert_eq!(look(), ("app:3.23.2".to_owned(), ServiceState::Stopped));
    lab.with(&StopSignal::default(), |deployment, cx| {
        let release = deployment.resolve(&["app:3.23.2".to_owned()]);
        let images = [(services[0].clone(), release.expect("here").remove(0))].into();
        let driver = deployment.driver();
        driver.start(cx, &services, &images).expect("starts");
        // What runs counts, whatever the file says would.
        fs::write(lab.path().join("current"), "3.24.2\n").expect("written");
        assert_eq!(look(), ("app:3.23.2".to_owned(), ServiceState::Running));
        driver.stop(cx, &services).expect("stops");
        assert_eq!(look(), ("app:3.24.2".to_owned(), ServiceState::Stopped));
    });
}

#[test]
fn secrets_do_not_show() {
    let lab = lab();
    fs::write(
        lab.path().join("fail"),
        "echo \"using $APP_TOKEN\"\nexit 1\n",
    )
    .expect("written");
    let failure = lab
        .migrate("fail", &StopSignal::default())
        .expect_err("fails");
    assert_eq!(failure.output.as_deref(), Some("using •••"));
    assert!(!format!("{:?}", lab.open(&lab.commands())).contains("s3cret"));
}

#[test]
fn a_release_that_is_not_there_is_refused() {
    let lab = lab();
    let commands = lab.commands();
    let problem = lab
        .open(&commands)
        .resolve(&["app:9.9.9".to_owned()])
        .expect_err("absent");
    assert_eq!(
        (problem.code.as_str(), problem.exit.code()),
        ("image-unavailable", 3)
    );
    assert!(problem.hints[0].ends_with("releases/9.9.9/app"));
}

/// The server's program; `None`, with a line that says so, where none is installed.
fn redis_program() -> Option<&'static str> {
    let found = ["/usr/bin/redis-server", "/usr/local/bin/redis-server"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    if found.is_none() {
        assert!(
            std::env::var_os("SWITCHBACK_LIVE").is_none(),
            "SWITCHBACK_LIVE is set, but there is no redis-server"
        );
        // Past the test harness, which would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no redis-server on this machine"
        );
    }
    found
}

/// A server on `directory` that listens there, and at `port` of this host where that is not 0.
fn redis_words(redis: &str, directory: &Path, port: &str) -> Vec<String> {
    let socket = directory.join("redis.sock").to_string_lossy().into_owned();
    let directory = directory.to_string_lossy().into_owned();
    let bind = ["--bind", "127.0.0.1", "--port", port];
    let words = [redis, "--unixsocket", &socket, "--dir", &directory];
    words.into_iter().chain(bind).map(str::to_owned).collect()
}

/// A deployment whose datastore is a Redis server.
fn redis_lab(redis: &str, port: &str) -> (Lab, DatastoreLocation) {
    let mut lab = lab();
    let data = lab.path().join("redis");
    fs::create_dir_all(&data).expect("directory");
    lab.config.datastores.insert(
        DatastoreName::new("redis"),
        DatastoreConfig {
            directory: Some("redis".to_owned()),
            start: redis_words(redis, &data, port),
            ..DatastoreConfig::default()
        },
    );
    let location = redis_location(&lab.path()).expect("made above");
    (lab, location)
}

/// Where the lab's Redis server keeps its data, in a lab that has one.
fn redis_location(lab: &Path) -> Option<DatastoreLocation> {
    let data = lab.join("redis");
    data.exists().then(|| DatastoreLocation {
        kind: DatastoreKind::Redis,
        access: Access::Local,
        host: None,
        port: None,
        database: None,
        user: None,
        password: None,
        directory: Some(data.to_string_lossy().into_owned()),
        server_directory: None,
        options: std::collections::BTreeMap::new(),
    })
}

/// Stops, starts and doubles a real Redis server, where one is installed.
#[test]
fn reaches_a_redis_server() {
    let Some(redis) = redis_program() else { return };
    let (lab, location) = redis_lab(redis, "0");
    let copy = lab.path().join("copy");
    fs::create_dir_all(&copy).expect("directory");
    lab.with(&StopSignal::default(), |deployment, cx| {
        let reach = deployment.reach(&location);
        for time in ["start", "start again"] {
            reach.start(cx).expect(time);
            assert!(reach.running(cx).expect(time), "{time}");
        }
        let second = redis_words(redis, Path::new(SCRATCH_DIRECTORY), "0");
        let scratch = reach
            .scratch(cx, &copy, Argv::new(&second[0], second[1..].to_vec()))
            .expect("doubled");
        let socket = format!("{}/redis.sock", scratch.directory());
        let ping = scratch
            .inside(Argv::new("redis-cli", ["-s", &socket, "ping"]))
            .expect("inside");
        let pong = (0..100).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            cx.commands.capture(&ping).ok()
        });
        assert_eq!(pong.as_deref(), Some("PONG\n"));
        drop(scratch);
        assert!(
            cx.commands.capture(&ping).is_err(),
            "the second server outlived its use"
        );
        for time in ["stop", "stop again"] {
            reach.stop(cx).expect(time);
            assert!(!reach.running(cx).expect(time), "{time}");
        }
    });
}
