//! The repository that `[backup]` names.

use std::path::Path;
use std::time::Duration;

use switchback_backup::{Opened, Retention, Settings};
use switchback_engine::process::{Commands, Secret};
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::Problem;
use switchback_model::config::{BackupConfig, SecretRef};
use switchback_model::exit::Exit;

use crate::failure::{Failed, told};
use crate::place::deployment::Found;
use crate::render::waiting;
use crate::session::Session;
use crate::site::Place;

/// A slow login and a few lost packets; by itself restic would try again for a quarter of an hour.
const PATIENCE: Duration = Duration::from_secs(40);

/// What opening does where there is no repository yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Says so.
    Refuse,
    /// Makes one.
    Make,
}

/// True where the deployment has a repository.
pub(crate) fn is_named(found: &Found) -> bool {
    found.config.backup.repository.is_some()
}

/// What the operator wants kept in it.
pub(crate) fn retention(config: &BackupConfig) -> Retention {
    Retention {
        last: config.keep_last,
        daily: config.keep_daily,
        weekly: config.keep_weekly,
        monthly: config.keep_monthly,
    }
}

/// Opens the repository; a deployment without one is told how to name one.
pub(crate) fn open(
    session: &Session<'_>,
    found: &Found,
    stop: &StopSignal,
    missing: Missing,
) -> Result<Opened, Failed> {
    let settings = settings(session, found)?;
    let redactor = Redactor::default();
    let commands = Commands::new(
        session.state.root().join("repository-children"),
        redactor,
        stop.clone(),
    );
    let opened = waiting::during(
        session.screen,
        "opening the backup repository",
        || match missing {
            Missing::Refuse => Opened::open(settings, &commands),
            Missing::Make => Opened::create(settings, &commands),
        },
    );
    opened.map_err(|failure| told(&failure).into())
}

fn settings(session: &Session<'_>, found: &Found) -> Result<Settings, Failed> {
    let config = &found.config.backup;
    let Some(repository) = &config.repository else {
        return Err(Problem::new(
            Exit::Usage,
            "repository-unnamed",
            format!("`{}` has no backup repository", found.name),
        )
        .state("deployment", "not touched")
        .hint("name one in switchback.toml: `[backup]` with `repository` and `password`")
        .into());
    };
    let Some(password) = &config.password else {
        return Err(Problem::new(
            Exit::Usage,
            "repository-password-unnamed",
            "the backup repository has no password in switchback.toml",
        )
        .state("repository", "not touched")
        .hint("name one under [backup]: `password = { file = \"…\" }`; without it nobody ever reads the backups again, so keep a copy of it elsewhere")
        .into());
    };
    let mut environment = Vec::new();
    for (name, reference) in &config.environment {
        environment.push((name.clone(), secret(session, found, reference)?));
    }
    Ok(Settings {
        repository: address(repository, &found.directory),
        password: secret(session, found, password)?,
        environment,
        scratch: session.state.root().join("repository"),
        program: "restic".to_owned(),
        patience: PATIENCE,
    })
}

/// Most secrets need no look at the deployment, so that backups come back where it is gone.
fn secret(session: &Session<'_>, found: &Found, reference: &SecretRef) -> Result<Secret, Failed> {
    match switchback_drivers::plain_secret(reference, &found.directory) {
        Some(read) => Ok(read?),
        None => Ok(Place::open(session, found, StopSignal::default())?.secret(reference)?),
    }
}

/// A directory is relative to switchback.toml; what has a scheme is for restic alone.
fn address(repository: &str, directory: &Path) -> String {
    let scheme = repository.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric())
    });
    if scheme {
        repository.to_owned()
    } else {
        directory.join(repository).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_directory_is_relative_to_the_configuration() {
        let here = Path::new("/srv/tts");
        assert_eq!(address("backups", here), "/srv/tts/backups");
        assert_eq!(address("/mnt/b", here), "/mnt/b");
        assert_eq!(address("./odd:name", here), "/srv/tts/./odd:name");
        assert_eq!(
            address("s3:https://s3.example.org/bucket", here),
            "s3:https://s3.example.org/bucket"
        );
    }
}
