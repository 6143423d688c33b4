//! A quick look at what runs, for `status`: processes and one file, nothing asked.

use std::fs;
use std::path::Path;

use switchback_model::config::ExecConfig;
use switchback_model::observed::ServiceState;

use super::process;
use crate::compose::Glance;

/// The services of a deployment, with the release that each runs or would run.
pub(crate) fn glance(directory: &Path, exec: &ExecConfig) -> Vec<Glance> {
    let releases = directory.join(&exec.releases);
    let releases = fs::canonicalize(&releases).unwrap_or(releases);
    let current = fs::read_to_string(directory.join(&exec.current)).unwrap_or_default();
    let processes = process::all();
    exec.services
        .iter()
        .map(|(service, words)| {
            // By what runs, not by our notes: somebody may have started it by hand.
            let running = processes.iter().find_map(|process| {
                let program = process.executable()?;
                let release = program.strip_prefix(&releases).ok()?;
                let release = release.components().next()?.as_os_str().to_owned();
                (process.arguments().get(1..) == Some(&words[..])).then_some(release)
            });
            let state = match running {
                Some(_) => ServiceState::Running,
                None => ServiceState::Stopped,
            };
            let version = running.map_or_else(
                || current.trim().to_owned(),
                |release| release.to_string_lossy().into_owned(),
            );
            Glance {
                service: service.clone(),
                image: format!("{}:{version}", exec.binary),
                state,
            }
        })
        .collect()
}
