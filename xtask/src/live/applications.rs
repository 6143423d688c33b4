//! Real applications from the Python package index, run as plain processes by definitions that a user could have written.

mod ara;
mod database;
pub(crate) mod environments;
mod mistral;
mod site;
mod synapse;

use anyhow::Result;

use self::environments::Releases;
use super::Case;
use super::lab::Lab;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("application_synapse_on_postgresql", |lab| {
            with(lab, "synapse", &synapse::RELEASES, synapse::there_and_back)
        }),
        Case::new("application_mistral_started_too_early", |lab| {
            let made = environments::made_over_the_first("mistral", &mistral::RELEASES)?;
            tried(lab, "mistral", made, mistral::started_too_early)
        }),
        Case::new("application_mistral_through_releases", |lab| {
            let made = environments::made_over_the_first("mistral", &mistral::RELEASES)?;
            tried(lab, "mistral", made, mistral::through_releases)
        }),
        Case::new("application_ara_on_sqlite", |lab| {
            with(lab, "ara", &ara::RELEASES, ara::there_and_back)
        }),
    ]
}

/// Runs a trial where its releases can be had, and says so where they cannot.
fn with(
    lab: &Lab,
    name: &str,
    wanted: &[(&str, &[&str])],
    trial: impl Fn(&Lab, &Releases) -> Result<()>,
) -> Result<()> {
    tried(lab, name, environments::made(name, wanted)?, trial)
}

fn tried(
    lab: &Lab,
    name: &str,
    made: Result<Releases, String>,
    trial: impl Fn(&Lab, &Releases) -> Result<()>,
) -> Result<()> {
    match made {
        Ok(releases) => trial(lab, &releases),
        Err(why) => {
            println!("SKIPPED application_{name}: the Python package index does not answer: {why}");
            Ok(())
        }
    }
}
