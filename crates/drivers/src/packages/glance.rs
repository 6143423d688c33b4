//! A quick look at what runs, for `status`: one question to the record of packages, one to systemd.

use std::path::Path;

use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::Problem;
use switchback_model::config::Config;
use switchback_model::product::Product;

use super::place::Place;
use super::problems;
use crate::Glance;

/// The product's services, with the version that is installed.
pub(crate) fn glance(
    directory: &Path,
    config: &Config,
    product: &Product,
) -> Result<Vec<Glance>, Problem> {
    let commands = Commands::new(
        std::env::temp_dir().join("switchback-looking"),
        Redactor::default(),
        StopSignal::default(),
    );
    let place = Place::read(directory, config, product, &commands);
    let record = place.record().map_err(problems::refused)?;
    let image = place
        .version(&record.set)
        .map_or_else(String::new, |version| place.reference(&version));
    let units = place.units().map_err(problems::refused)?;
    Ok(units
        .into_iter()
        .map(|(service, unit)| Glance {
            service,
            image: image.clone(),
            state: unit.state(),
        })
        .collect())
}
