//! A deployment of stacks at a stand-in for AWS, and the program that is used on it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use switchback_testkit::aws::{ACCOUNT, StandIn};

/// The repository of the product's image.
pub(crate) const REPOSITORY: &str = "thethingsindustries/lorawan-stack";

/// Templates of our own with the vendor's names; `3.30.0` in them is the release.
const TEMPLATES: [(&str, &str); 5] = [
    (
        "1-1-vpc",
        include_str!("../../../aws/tests/templates/v1/1-1-vpc.yml"),
    ),
    (
        "2-1-db-aurora-master",
        include_str!("../../../aws/tests/templates/v1/2-1-db-aurora-master.yml"),
    ),
    (
        "5-1-ecs-cluster",
        include_str!("../../../aws/tests/templates/v1/5-1-ecs-cluster.yml"),
    ),
    (
        "5-2-ecs-ops",
        include_str!("../../../aws/tests/templates/v1/5-2-ecs-ops.yml"),
    ),
    (
        "5-4-ecs-services",
        include_str!("../../../aws/tests/templates/v1/5-4-ecs-services.yml"),
    ),
];

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    /// The answer, then what was said beside it.
    pub(crate) all: String,
    /// Exit code.
    pub(crate) code: i32,
}

/// A directory with `switchback.toml`, templates and state, for stacks of one stand-in.
pub(crate) struct Lab {
    directory: tempfile::TempDir,
    url: String,
}

impl Lab {
    /// An empty directory, for an account that this stand-in plays.
    pub(crate) fn new(stand_in: &StandIn) -> Self {
        // Of one length, wherever the tests run: lines wrap the same.
        let directory = tempfile::Builder::new()
            .prefix("stacks-")
            .rand_bytes(6)
            .tempdir_in("/tmp")
            .expect("a temporary directory can be made");
        std::fs::create_dir(directory.path().join("prod")).expect("it is empty");
        Self {
            directory,
            url: stand_in.url.clone(),
        }
    }

    /// Makes stacks of these templates as they were at 3.30.0, with `image` where one is named.
    pub(crate) fn deploy(stand_in: &StandIn, templates: &[&str], image: &str) {
        Self::deploy_changed(stand_in, templates, image, |_, text| text);
    }

    /// As [`Lab::deploy`], each template changed by `change` when its turn comes.
    pub(crate) fn deploy_changed(
        stand_in: &StandIn,
        templates: &[&str],
        image: &str,
        change: impl Fn(&str, String) -> String,
    ) {
        for name in templates {
            let parameters: &[(&str, &str)] = match *name {
                "5-2-ecs-ops" => &[("OpsImage", image)],
                "5-4-ecs-services" => &[("StackImage", image)],
                "2-1-db-aurora-master" => &[("MasterPassword", "changeme1234")],
                _ => &[],
            };
            let text = change(name, text(name).to_owned());
            let made = stand_in.make_stack(&format!("tts-{name}"), &text, parameters);
            assert_eq!(made, "CREATE_COMPLETE", "{name}");
        }
    }

    /// Writes the templates of a release, each changed by `change`.
    pub(crate) fn offer(&self, version: &str, change: impl Fn(&str, String) -> String) {
        let place = self.path("templates").join(version);
        std::fs::create_dir_all(&place).expect("a directory");
        for (name, text) in TEMPLATES {
            let text = change(name, text.replace("3.30.0", version));
            std::fs::write(place.join(format!("{name}.yml")), text).expect("written");
        }
    }

    /// A file of the deployment.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("prod").join(name)
    }

    /// Writes `switchback.toml`, with more of `[aws]`.
    pub(crate) fn configure(&self, aws: &str) {
        let text = format!(
            "product = \"the-things-stack\"\nedition = \"enterprise\"\nfeatures = [\"noc-wanted=0\", \"noc-in-use=0\"]\n\n\
             [aws]\nkind = \"cloudformation\"\nregion = \"us-east-1\"\nendpoint = \"{}\"\n\
             templates = \"templates/{{version}}/{{template}}.yml\"\n{aws}",
            self.url
        );
        std::fs::write(self.path("switchback.toml"), text).expect("written");
    }

    /// Types a command.
    pub(crate) fn switchback(&self, arguments: &[&str]) -> Said {
        self.type_in(arguments, &[("AWS_ACCESS_KEY_ID", ACCOUNT)])
    }

    /// Types a command with this environment of AWS alone.
    pub(crate) fn type_in(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        let output = self
            .command(arguments)
            .envs(environment.iter().copied())
            .output()
            .expect("it can be started");
        let root = self.directory.path().display().to_string();
        let both = [output.stdout, output.stderr];
        let texts = both.map(|bytes| String::from_utf8_lossy(&bytes).replace(&root, "/tmp/stacks"));
        Said {
            all: texts.concat(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// Starts a command, to be killed. What it says is in the file `said`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let said = std::fs::File::create(self.path("said")).expect("a file");
        self.command(arguments)
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("a file"))
            .stderr(said)
            .spawn()
            .expect("it can be started")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let root: &Path = self.directory.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchback"));
        command
            .current_dir(root.join("prod"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", root)
            .env("COLUMNS", "100")
            .env("SWITCHBACK_STATE", root.join("state"))
            // Whatever is forgotten below: nothing but this machine is spoken to.
            .env("SWITCHBACK_TEST_LOOPBACK", "1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_SECRET_ACCESS_KEY", "x")
            .env("AWS_ENDPOINT_URL", &self.url)
            .args(arguments);
        command
    }
}

/// A template as it was at 3.30.0.
pub(crate) fn text(name: &str) -> &'static str {
    TEMPLATES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
        .expect("there is such a template")
}
