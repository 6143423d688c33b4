//! Which files a Compose project is made of, by Compose's own rules.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use switchback_model::Problem;
use switchback_model::config::ComposeConfig;

use super::problems;
use crate::formats::dotenv;

/// Names that Compose looks for, best first.
const DEFAULT: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];
/// Names of the file that Compose lays over the default one.
const OVERRIDE: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// The files of a project, absolute, in the order in which Compose merges them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) compose: Vec<PathBuf>,
    /// Those that may exist; the first one that sets a variable wins.
    pub(super) env_files: Vec<PathBuf>,
}

/// The environment of this process, which every `docker compose` of ours inherits.
pub(super) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        })
        .collect()
}

/// Finds the files of the project in `directory`.
pub(super) fn find(
    directory: &Path,
    config: &ComposeConfig,
    environment: &BTreeMap<String, String>,
) -> Result<Layout, Problem> {
    let compose = if config.files.is_empty() {
        unsaid(directory, environment)
    } else {
        config
            .files
            .iter()
            .map(|file| directory.join(file))
            .collect()
    };
    if compose.is_empty() {
        return Err(problems::file_missing(directory));
    }
    let env_files = match environment.get("COMPOSE_ENV_FILES") {
        Some(files) if !files.is_empty() => files
            .split(',')
            .map(|file| directory.join(file.trim()))
            .collect(),
        _ => {
            let mut files = vec![directory.join(".env")];
            let beside = compose[0].parent().unwrap_or(directory).join(".env");
            if !files.contains(&beside) {
                files.push(beside);
            }
            files
        }
    };
    Ok(Layout { compose, env_files })
}

/// What Compose takes where nobody says.
fn unsaid(directory: &Path, environment: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let setting = |name: &str| {
        environment
            .get(name)
            .cloned()
            .or_else(|| from_env_file(directory, name))
            .filter(|value| !value.is_empty())
    };
    if let Some(files) = setting("COMPOSE_FILE") {
        let separator = setting("COMPOSE_PATH_SEPARATOR").unwrap_or_else(|| ":".to_owned());
        return files
            .split(&separator)
            .map(|file| directory.join(file))
            .collect();
    }
    let first = |names: &[&str]| {
        names
            .iter()
            .map(|name| directory.join(name))
            .find(|path| path.exists())
    };
    let Some(file) = first(&DEFAULT) else {
        return Vec::new();
    };
    std::iter::once(file).chain(first(&OVERRIDE)).collect()
}

fn from_env_file(directory: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(directory.join(".env")).ok()?;
    let assignments = dotenv::parse(&text);
    let found = assignments
        .iter()
        .rfind(|assignment| assignment.name == name)?;
    Some(text[found.value.clone()].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(
        directory: &Path,
        config: &ComposeConfig,
        environment: &[(&str, &str)],
    ) -> Vec<String> {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let layout = find(directory, config, &environment).expect("found");
        layout
            .compose
            .iter()
            .map(|path| {
                path.strip_prefix(directory)
                    .expect("inside")
                    .display()
                    .to_string()
            })
            .collect()
    }

    #[test]
    fn files_are_found_by_composes_own_rules() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path();
        let none = ComposeConfig::default();
        let problem = find(path, &none, &BTreeMap::new()).expect_err("no file");
        assert_eq!(problem.code, "compose-file-missing");
        for name in [
            "docker-compose.yml",
            "docker-compose.override.yml",
            "prod.yml",
        ] {
            fs::write(path.join(name), "services: {}\n").expect("written");
        }
        assert_eq!(
            names(path, &none, &[]),
            ["docker-compose.yml", "docker-compose.override.yml"]
        );
        fs::write(path.join("compose.yaml"), "services: {}\n").expect("written");
        assert_eq!(names(path, &none, &[])[0], "compose.yaml");
        assert_eq!(
            names(path, &none, &[("COMPOSE_FILE", "prod.yml:x.yml")]),
            ["prod.yml", "x.yml"]
        );
        fs::write(path.join(".env"), "COMPOSE_FILE=prod.yml\n").expect("written");
        assert_eq!(names(path, &none, &[]), ["prod.yml"]);
        let said = ComposeConfig {
            files: vec!["docker-compose.yml".to_owned()],
            project: None,
        };
        assert_eq!(
            names(path, &said, &[("COMPOSE_FILE", "prod.yml")]),
            ["docker-compose.yml"]
        );
    }
}
