//! Which deployment a command is about: the nearest `switchback.toml` upwards
//! from here, or what `--deployment` says.

use std::path::{Path, PathBuf};

use switchback_journal::{Key, StateDirectory};
use switchback_model::exit::Exit;
use switchback_model::plan::{Act, Plan};
use switchback_model::{Config, DatastoreName, Problem};

use super::config;
use crate::failure::Failed;

/// A deployment whose configuration was read.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Absolute directory of `switchback.toml`.
    pub directory: PathBuf,
    /// Its name.
    pub name: String,
    /// What `switchback.toml` says.
    pub config: Config,
}

impl Found {
    /// What its lease and its runs are filed under.
    pub(crate) fn key(&self) -> Key {
        Key {
            deployment: self.name.clone(),
            directory: self.directory.display().to_string(),
        }
    }
}

impl Found {
    /// With what was typed as `--engine NAME=VERSION` in place of what the file says.
    pub(crate) fn with_engines(mut self, typed: &[String]) -> Result<Self, Problem> {
        for said in typed {
            let (name, version) = said
                .split_once('=')
                .filter(|(name, version)| !name.is_empty() && !version.is_empty())
                .ok_or_else(|| {
                    Problem::new(
                        Exit::Usage,
                        "engine-usage",
                        format!("`--engine {said}` names no datastore and version"),
                    )
                    .hint("as in `--engine identity=17`")
                })?;
            self.wish(name.into(), version);
        }
        Ok(self)
    }

    /// With the versions of servers that `plan` leads to.
    pub(crate) fn with_engines_of(mut self, plan: &Plan) -> Self {
        for (_, step) in plan.steps() {
            if let Act::Exchange { datastore, engine } = &step.act {
                self.wish(datastore.clone(), &engine.to);
            }
        }
        self
    }

    fn wish(&mut self, name: DatastoreName, version: &str) {
        let said = self.config.datastores.entry(name).or_default();
        said.engine = Some(version.to_owned());
    }
}

/// Finds the deployment and reads its configuration.
pub(crate) fn find(said: Option<&str>, state: &StateDirectory) -> Result<Found, Failed> {
    let directory = match said {
        Some(said) => named(said, state)?,
        None => upwards()?,
    };
    let config = config::load(&directory)?;
    let name = config.name.clone().unwrap_or_else(|| name_of(&directory));
    Ok(Found {
        directory,
        name,
        config,
    })
}

/// The name that a directory gives to its deployment.
pub(crate) fn name_of(directory: &Path) -> String {
    directory.file_name().map_or_else(
        || "root".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn upwards() -> Result<PathBuf, Failed> {
    let here = std::env::current_dir()
        .and_then(|here| here.canonicalize())
        .map_err(|error| {
            Problem::new(
                Exit::Usage,
                "no-directory",
                "the current directory cannot be read",
            )
            .cause(error)
            .hint("name the deployment: --deployment DIR")
        })?;
    here.ancestors()
        .find(|directory| directory.join(config::FILE).is_file())
        .map(Path::to_owned)
        .ok_or_else(|| {
            Problem::new(
                Exit::Usage,
                "no-deployment",
                format!("no `{}` in `{}` or above it", config::FILE, here.display()),
            )
            .hint("where the compose file is, type `switchback init`")
            .hint("or name the deployment: --deployment NAME|DIR")
            .into()
        })
}

/// A directory, else the name of a deployment that the journal or a saved plan knows.
fn named(said: &str, state: &StateDirectory) -> Result<PathBuf, Failed> {
    let path = Path::new(said);
    if path.join(config::FILE).is_file()
        && let Ok(directory) = path.canonicalize()
    {
        return Ok(directory);
    }
    let mut directories = known(said, state)?;
    directories.retain(|directory| directory.join(config::FILE).is_file());
    match directories.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Problem::new(
            Exit::Usage,
            "no-deployment",
            format!(
                "`{said}` is neither a directory with a `{}` nor the name of a known deployment",
                config::FILE
            ),
        )
        .hint("a name is known once a plan was made there; a directory always works")
        .into()),
        many => {
            let shown: Vec<String> = many
                .iter()
                .map(|directory| format!("`{}`", directory.display()))
                .collect();
            Err(Problem::new(
                Exit::Usage,
                "ambiguous-deployment",
                format!("`{said}` may be {}", shown.join(" or ")),
            )
            .hint("give the directory: --deployment DIR")
            .into())
        }
    }
}

fn known(name: &str, state: &StateDirectory) -> Result<Vec<PathBuf>, Failed> {
    let mut directories: Vec<PathBuf> = Vec::new();
    let mut add = |key: Key| {
        let directory = PathBuf::from(key.directory);
        if key.deployment == name && !directories.contains(&directory) {
            directories.push(directory);
        }
    };
    for record in state.journal()?.runs()? {
        add(record.key);
    }
    for id in state.plans()? {
        // A plan that cannot be read is named where it is used, not here.
        if let Ok(plan) = state.plan(&id) {
            add(Key::from(&plan.deployment));
        }
    }
    Ok(directories)
}
