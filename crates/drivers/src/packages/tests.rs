//! The driver on a machine that is there for it: real apt, dpkg and systemd. `cargo xtask live packages_contract` makes
//! that machine, puts this test on it and names the definition of what is installed there.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use switchback_engine::ports::{Context, MigrationCall, Silent};
use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::config::Config;
use switchback_model::observed::ServiceState;
use switchback_model::product::parse::parse;
use switchback_model::{MigrationId, RunId, ServiceName, StepNumber, Version};
use switchback_testkit::{contract, plans};

use super::Deployment;
use crate::filesystem::Directories;

/// Names the file with the definition of the product that is installed on this machine.
const HOST: &str = "SWITCHBACK_PACKAGED_PRODUCT";

fn definition() -> Option<PathBuf> {
    let said = std::env::var_os(HOST).map(PathBuf::from);
    if said.is_none() {
        // Past the test harness, which would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: this machine's own packages are not for tests; see `cargo xtask live packages_contract`"
        );
    }
    said
}

#[test]
fn passes_the_contract() {
    let Some(definition) = definition() else {
        return;
    };
    let text = fs::read_to_string(definition).expect("the definition can be read");
    let product = parse(&[("product.toml", &text)])
        .expect("well-formed")
        .product;
    let mut config: Config = serde_json::from_str(r#"{"product": "flow"}"#).expect("well-formed");
    config.packages = Some(switchback_model::config::PackagesConfig {
        patience: Some(2),
        ..Default::default()
    });
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path();
    let stop = StopSignal::default();
    let commands = Commands::new(path.join("children"), Redactor::default(), stop.clone());
    let deployment = Deployment::open(path, &config, &product, &commands).expect("opens");
    let directories = Directories {
        backups: path.join("backups"),
        journal: path.join("journal"),
    };
    let observed = deployment.observe(&directories).expect("observed");
    assert_eq!(observed.version.as_str(), "2.1.0");
    assert!(
        observed
            .services
            .iter()
            .all(|service| service.state == ServiceState::Running),
        "{:?}",
        observed.services
    );
    let target = Version::new("2.2.0");
    let edits = deployment
        .edits(&observed, std::slice::from_ref(&target))
        .expect("to be had");
    let image = deployment
        .resolve(&["flow:2.2.0".to_owned()])
        .expect("to be had")
        .remove(0);
    let services: Vec<ServiceName> = observed
        .services
        .iter()
        .map(|service| service.name.clone())
        .collect();
    let plan = plans::smallest();
    let cx = Context {
        plan: &plan,
        run: &RunId::new("r-1"),
        step: StepNumber(3),
        backups: &path.join("backups"),
        commands: &commands,
        progress: &Silent,
        stop: &stop,
    };
    let conversions = || {
        let said = fs::read_to_string(Path::new("/var/lib/flow/conversions")).unwrap_or_default();
        said.lines().count() as u64
    };
    contract::driver(
        deployment.driver().as_ref(),
        &cx,
        &contract::DriverTrial {
            services: services.clone(),
            image: image.clone(),
            edit: edits[0][0].clone(),
            migration: MigrationCall {
                migration: &MigrationId::new("schema"),
                version: &target,
                image: &image,
                service: &services[0],
                run: &["/opt/flow/bin/flow-migrate".to_owned()],
            },
            times_run: &conversions,
        },
    );
    let observed = deployment.observe(&directories).expect("observed");
    assert_eq!(observed.version, target);
}
