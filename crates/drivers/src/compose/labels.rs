//! Labels by which Compose's containers are found, and what an earlier process of ours made.

use switchback_model::{MigrationId, RunId, StepNumber, Version};

/// Label of every container that Compose made, with the project's name.
pub(super) const PROJECT: &str = "com.docker.compose.project";
/// Label with the service's name.
pub(super) const SERVICE: &str = "com.docker.compose.service";
/// Label that tells one-off containers, ours among them, from those of the service.
pub(super) const ONE_OFF: &str = "com.docker.compose.oneoff";
/// The run that made a container.
pub(super) const RUN: &str = "switchback.run";
/// The step that made it.
pub(super) const STEP: &str = "switchback.step";
/// The migration that it runs.
pub(super) const MIGRATION: &str = "switchback.migration";
/// The version of its image.
pub(super) const VERSION: &str = "switchback.version";
/// The service that it doubles.
pub(super) const SCRATCH: &str = "switchback.scratch";
/// The name under which a companion is found again.
pub(super) const COMPANION: &str = "switchback.companion";
/// The service that a companion stands beside.
pub(super) const BESIDE: &str = "switchback.beside";
/// Which start of that service's container: a later one has another network.
pub(super) const BESIDE_START: &str = "switchback.beside-start";
/// The project that it was made for. Helpers do not carry Compose's own label, so that Compose lets them be.
pub(super) const OF_PROJECT: &str = "switchback.project";

/// Labels of everything that a step makes.
pub(super) fn of_run(run: &RunId, step: StepNumber) -> [(String, String); 2] {
    [
        (RUN.to_owned(), run.as_str().to_owned()),
        (STEP.to_owned(), step.to_string()),
    ]
}

/// Labels of a migration's container, as `key=value`.
pub(super) fn of_migration(
    run: &RunId,
    step: StepNumber,
    migration: &MigrationId,
    version: &Version,
) -> Vec<String> {
    let mut labels: Vec<String> = of_run(run, step)
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    labels.push(format!("{MIGRATION}={migration}"));
    labels.push(format!("{VERSION}={version}"));
    labels
}
