//! How processes are started.

use super::spoiled;

/// Processes, written before the health of the sound definition.
fn with_exec(exec: &str) -> Vec<String> {
    let health = "[[health]]\nversions = \"*\"";
    spoiled(health, &format!("{exec}\n{health}"))
}

#[test]
fn processes_that_no_driver_runs_or_nothing_starts() {
    let told = with_exec("[exec.services.web]\nstart = [\"bin/demo\", \"--port={DEMO_PORT}\"]\n");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("warning[driver-unnamed]: `[exec]` says how processes are run")
            && told[0].contains("product.toml:33:2"),
        "{told:?}"
    );
    let told = with_exec("[exec.services.web]\nstart = []\n");
    assert!(
        told[0].starts_with("error[no-command]: nothing starts the service `web`")
            && told[0].contains("product.toml:34:9"),
        "{told:?}"
    );
}

#[test]
fn a_secret_in_a_command() {
    let drivers = "drivers = [\"compose\"]";
    let told = spoiled(
        drivers,
        "drivers = [\"exec\"]\nsecrets = [\"*_TOKEN\"]\n\
         [exec.services.web]\nstart = [\"bin/demo\", \"--token={DEMO_TOKEN}\", \"{DEMO_PORT}\"]",
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with(
            "error[secret-in-command]: `{DEMO_TOKEN}` would show a secret to whoever lists processes"
        ) && told[0].contains("product.toml:8:22"),
        "{told:?}"
    );
    let told = spoiled(
        "run = [\"migrate\"]",
        "run = [\"migrate\", \"{DEMO_TOKEN}\"]",
    );
    assert_eq!(told, [""; 0], "nothing says that it is secret");
}
