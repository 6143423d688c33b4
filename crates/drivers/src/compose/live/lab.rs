//! A project of busybox containers for the driver to work on.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use switchback_engine::ports::{Context, Failure, MigrationCall, MigrationTrace, Progress};
use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::config::Config;
use switchback_model::observed::{Access, DatastoreLocation, ImagePin, Observed};
use switchback_model::plan::Plan;
use switchback_model::product::{DatastoreKind, Product};
use switchback_model::{MigrationId, RunId, ServiceName, StepNumber, Version};
use switchback_testkit::plans;

use super::super::engine_api::Engine;
use super::super::{Deployment, recognise};
use crate::filesystem::Directories;
use crate::fixtures;

/// What the image runs. `start` serves HTTP; the migrations write what they did into the volume, and
/// `slow` waits for a file there.
const APP: &str = r#"#!/bin/sh
case "$1" in
start)
  mkdir -p /tmp/www; echo "$APP_TOKEN" > /tmp/token; echo ok > /tmp/www/healthz
  echo "serving"; exec httpd -f -p 8080 -h /tmp/www ;;
migrate) echo "migrating with $APP_TOKEN"; echo "$1" >> /data/runs; echo "all done" ;;
slow) echo "begun"; while [ ! -e /data/go ]; do sleep 1; done; echo "$1" >> /data/runs; echo "all done" >&2 ;;
fail) echo "using $APP_TOKEN"; echo "pq: connection refused" >&2; exit 3 ;;
serve) exec sleep 1000 ;;
esac
"#;

const COMPOSE: &str = "# by hand
services:
  app:
    image: IMAGE:${APP_VERSION:-1.0.0} # the product
    command: start
    restart: always
    environment: {APP_TOKEN: \"s3cr$$et-token\"}
    ports: [\"127.0.0.1::8080\"]
    volumes: [\"./data:/data\"]
  store:
    image: IMAGE-store:7
    command: serve
    volumes: [\"store:/store\"]
volumes: {store: {}}
";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A project of its own in a directory of its own; gone when dropped.
pub(super) struct Lab {
    pub(super) directory: tempfile::TempDir,
    pub(super) image: String,
    pub(super) config: Config,
    pub(super) product: Product,
}

/// `None`, with a line that says so, where no engine answers. An error where one was promised.
pub(super) fn lab() -> Option<Lab> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .iter()
        .find(|path| Path::new(path).exists());
    let engine = Engine::connect("unix:///var/run/docker.sock");
    let (Some(busybox), Ok(_)) = (busybox, engine) else {
        let promised = std::env::var_os("SWITCHBACK_LIVE").is_some();
        assert!(
            !promised,
            "SWITCHBACK_LIVE is set, but there is no Docker Engine or no static busybox"
        );
        // Past the test harness, which would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no Docker Engine at /var/run/docker.sock, or no static busybox"
        );
        return None;
    };
    let number = COUNT.fetch_add(1, Ordering::SeqCst);
    let name = format!("switchback-drivers-{}-{number}", std::process::id());
    let directory = tempfile::Builder::new()
        .prefix(&name)
        .tempdir()
        .expect("temporary directory");
    let root = directory.path().join("root");
    for inner in ["bin", "tmp", "data", "store"] {
        fs::create_dir_all(root.join(inner)).expect("directory");
    }
    fs::copy(busybox, root.join("bin/busybox")).expect("busybox");
    for applet in [
        "sh", "sleep", "httpd", "mkdir", "echo", "cat", "touch", "id", "readlink",
    ] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).expect("link");
    }
    fs::write(root.join("bin/app"), APP).expect("script");
    run(
        &["chmod", "755", &root.join("bin/app").to_string_lossy()],
        directory.path(),
    );
    let tar = directory
        .path()
        .join("root.tar")
        .to_string_lossy()
        .into_owned();
    run(
        &["tar", "-C", &root.to_string_lossy(), "-cf", &tar, "."],
        directory.path(),
    );
    for (tag, label) in [
        (format!("{name}:1.0.0"), "1.0.0"),
        (format!("{name}:2.0.0"), "2.0.0"),
        (format!("{name}-store:7"), "7"),
    ] {
        let changes = format!("LABEL org.opencontainers.image.version={label}");
        run(
            &[
                "docker",
                "import",
                "--change",
                "ENTRYPOINT [\"/bin/app\"]",
                "--change",
                "CMD [\"start\"]",
                "--change",
                &changes,
                &tar,
                &tag,
            ],
            directory.path(),
        );
    }
    let deployment = directory.path().join(&name);
    fs::create_dir_all(deployment.join("data")).expect("directory");
    fs::write(
        deployment.join("docker-compose.yml"),
        COMPOSE.replace("IMAGE", &name),
    )
    .expect("written");
    let mut product = fixtures::product();
    product.editions.truncate(1);
    product.editions[0].images = vec![name.clone()];
    let commands = commands(directory.path());
    let config = recognise(&deployment, &[], &[product.clone()], &commands)
        .expect("recognised")
        .config;
    Some(Lab {
        directory,
        image: name,
        config,
        product,
    })
}

impl Lab {
    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join(&self.image)
    }

    pub(super) fn open(&self) -> Deployment {
        Deployment::open(
            &self.path(),
            &self.config,
            &self.product,
            &commands(self.directory.path()),
        )
        .expect("opens")
    }

    pub(super) fn observe(&self) -> Observed {
        let directories = Directories {
            backups: self.directory.path().join("backups"),
            journal: self.directory.path().join("journal"),
        };
        self.open().observe(&directories).expect("observed")
    }

    pub(super) fn up(&self) {
        run(
            &["docker", "compose", "up", "-d", "--pull", "never"],
            &self.path(),
        );
    }

    pub(super) fn pin(&self, version: &str) -> ImagePin {
        let reference = format!("{}:{version}", self.image);
        self.open().resolve(&[reference]).expect("pinned").remove(0)
    }

    /// Lines that migrations wrote.
    pub(super) fn runs(&self) -> u64 {
        let text = fs::read_to_string(self.path().join("data/runs")).unwrap_or_default();
        text.lines().count() as u64
    }

    /// A call's surroundings.
    pub(super) fn with<T>(
        &self,
        run: &str,
        stop: &StopSignal,
        act: impl FnOnce(&Context<'_>) -> T,
    ) -> (T, Vec<String>) {
        let plan: Plan = plans::smallest();
        let heard = Heard::default();
        let commands = commands(self.directory.path());
        commands.redactor().register("s3cr$et-token");
        let result = act(&Context {
            plan: &plan,
            run: &RunId::new(run),
            step: StepNumber(3),
            backups: &self.directory.path().join("backups"),
            commands: &commands,
            progress: &heard,
            stop,
        });
        (result, heard.0.into_inner().expect("no panic"))
    }

    pub(super) fn migrate(
        &self,
        run: &str,
        verb: &str,
        stop: &StopSignal,
    ) -> (
        Result<switchback_model::event::Outcome, Failure>,
        Vec<String>,
    ) {
        let image = self.pin("2.0.0");
        let driver = self.open().driver();
        self.with(run, stop, |cx| {
            driver.migrate(
                cx,
                &MigrationCall {
                    migration: &MigrationId::new("db"),
                    version: &Version::new("2.0.0"),
                    image: &image,
                    service: &ServiceName::new("app"),
                    run: &[verb.to_owned()],
                },
            )
        })
    }

    pub(super) fn trace(&self, run: &str) -> MigrationTrace {
        let driver = self.open().driver();
        let stop = StopSignal::default();
        self.with(run, &stop, |cx| {
            driver.trace(cx, &MigrationId::new("db")).expect("a trace")
        })
        .0
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let path = self.path();
        let _ = Command::new("docker")
            .args([
                "compose",
                "down",
                "--volumes",
                "--remove-orphans",
                "--timeout",
                "0",
            ])
            .current_dir(&path)
            .output();
        let left = Command::new("docker")
            .args([
                "ps",
                "--all",
                "--quiet",
                "--filter",
                &format!("name={}", self.image),
            ])
            .output();
        for id in left
            .map(|left| String::from_utf8_lossy(&left.stdout).into_owned())
            .unwrap_or_default()
            .lines()
        {
            let _ = Command::new("docker").args(["rm", "--force", id]).output();
        }
        let images = [
            format!("{}:1.0.0", self.image),
            format!("{}:2.0.0", self.image),
            format!("{}-store:7", self.image),
        ];
        let _ = Command::new("docker").arg("rmi").args(images).output();
    }
}

#[derive(Default)]
pub(super) struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn report(&self, doing: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {
        self.0.lock().expect("no panic").push(doing.to_owned());
    }
}

/// The datastore of the project.
pub(super) fn store() -> DatastoreLocation {
    DatastoreLocation {
        kind: DatastoreKind::Redis,
        access: Access::Container {
            service: ServiceName::new("store"),
        },
        host: None,
        port: None,
        database: None,
        user: None,
        password: None,
        directory: None,
        server_directory: None,
        options: std::collections::BTreeMap::new(),
    }
}

/// What is left of a run, by its label.
pub(super) fn left_of(run: &str) -> String {
    let filter = format!("label=switchback.run={run}");
    let left = Command::new("docker")
        .args(["ps", "--all", "--quiet", "--filter", &filter])
        .output()
        .expect("lists");
    String::from_utf8_lossy(&left.stdout).into_owned()
}

pub(super) fn commands(directory: &Path) -> Commands {
    Commands::new(
        directory.join("children"),
        Redactor::default(),
        StopSignal::default(),
    )
}

pub(super) fn run(words: &[&str], directory: &Path) {
    let output = Command::new(words[0])
        .args(&words[1..])
        .current_dir(directory)
        .output()
        .expect("starts");
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
