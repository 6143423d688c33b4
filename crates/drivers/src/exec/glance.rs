//! A quick look at what runs, for `status`: processes and a file or two, nothing asked.

use std::fs;
use std::path::Path;

use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::Problem;
use switchback_model::config::Config;
use switchback_model::observed::ServiceState;
use switchback_model::product::Product;

use super::place::Place;
use crate::Glance;

/// The services of a deployment, with the release that each runs or would run.
pub(crate) fn glance(
    directory: &Path,
    config: &Config,
    product: &Product,
) -> Result<Vec<Glance>, Problem> {
    let commands = Commands::new(
        directory.join(".switchback"),
        Redactor::default(),
        StopSignal::default(),
    );
    let place = Place::read(directory, config, product, &commands)?;
    let current = fs::read_to_string(place.current()).unwrap_or_default();
    let services = place.releases.commands.services.keys();
    Ok(services
        .map(|service| {
            let (state, version) = match place.version_run(service) {
                Some(version) => (ServiceState::Running, version),
                None => (ServiceState::Stopped, current.trim().to_owned()),
            };
            Glance {
                service: service.clone(),
                image: place.releases.reference(&version),
                state,
            }
        })
        .collect())
}
