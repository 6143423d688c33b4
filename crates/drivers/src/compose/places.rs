//! Finds the text that decides a service's image: in which file, at which byte.
//!
//! ```text
//! files, last first ─► services.NAME.image (own, merged, extended, included)
//!                        └─► interpolation ─► literal text | value in .env | environment
//! ```
//!
//! What this reading yields is compared with what Compose itself answers; where
//! the two differ nothing is edited.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use switchback_model::{Problem, ServiceName};

use super::env_file::with_env_file;
use super::interpolate::{Fragment, Origin, interpolate, text_of};
use super::problems;
use crate::formats::yaml::{self, Link, Node, Scalar};

/// `extends` chains longer than this are a cycle.
const LONGEST_CHAIN: usize = 16;

/// The files that decide a project, and the variables that fill them.
#[derive(Debug)]
pub(super) struct Files {
    /// In the order in which Compose merges them.
    compose: Vec<SourceFile>,
    /// `.env` files that exist, first wins.
    pub(super) env_files: Vec<PathBuf>,
    variables: BTreeMap<String, Vec<Fragment>>,
}

#[derive(Debug)]
struct SourceFile {
    path: PathBuf,
    text: String,
    documents: Vec<Link>,
}

/// The image of a service, and which text it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    /// The image, with everything filled in.
    pub(super) image: String,
    /// The pieces of it.
    pub(super) fragments: Vec<Fragment>,
}

impl Files {
    /// Reads the compose files and the `.env` files. `environment` wins over both.
    pub(super) fn read(
        compose: &[PathBuf],
        env_files: &[PathBuf],
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Problem> {
        let compose = compose
            .iter()
            .map(|path| SourceFile::read(path))
            .collect::<Result<Vec<_>, _>>()?;
        let env_files: Vec<PathBuf> = env_files
            .iter()
            .filter(|path| path.is_file())
            .cloned()
            .collect();
        let mut variables = from_environment(environment);
        for path in &env_files {
            let text = fs::read_to_string(path)
                .map_err(|error| problems::file_unreadable(path, &error))?;
            variables = with_env_file(variables, path, &text);
        }
        Ok(Self {
            compose,
            env_files,
            variables,
        })
    }

    /// True where `path` is read as `NAME=value` lines.
    pub(super) fn is_env_file(&self, path: &Path) -> bool {
        let compose = self.compose.iter().any(|file| file.path == path);
        self.env_files.iter().any(|file| file == path)
            || (!compose && path.file_name().is_some_and(|name| name == ".env"))
    }

    /// Every file that was read or that one of them names, for drift: compose files, extended and
    /// included ones, `.env` files.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = Vec::new();
        let mut add = |path: &Path| {
            if !paths.iter().any(|known| known == path) {
                paths.push(path.to_owned());
            }
        };
        for file in &self.compose {
            add(&file.path);
            for service in file.services() {
                if let Some((Some(other), _)) =
                    service.get("extends").and_then(|node| extension(node))
                {
                    let other = file.beside(&other);
                    if other.is_file() {
                        add(&other);
                    }
                }
            }
            for included in file.included() {
                add(&included);
            }
        }
        for path in &self.env_files {
            add(path);
        }
        paths
    }

    /// The text that decides the image of `service`; `None` where no file gives it one.
    pub(super) fn locate(&self, service: &ServiceName) -> Result<Option<Located>, Problem> {
        let name = service.as_str();
        for file in self.compose.iter().rev() {
            if let Some(located) = self.image_in(file, name, &self.variables, 0)? {
                return Ok(Some(located));
            }
        }
        for file in &self.compose {
            for included in file.included() {
                let variables = match included.parent().map(|directory| directory.join(".env")) {
                    Some(path) if path.is_file() && !self.env_files.contains(&path) => {
                        let text = fs::read_to_string(&path)
                            .map_err(|error| problems::file_unreadable(&path, &error))?;
                        with_env_file(self.variables.clone(), &path, &text)
                    }
                    _ => self.variables.clone(),
                };
                let included = SourceFile::read(&included)?;
                if let Some(located) = self.image_in(&included, name, &variables, 0)? {
                    return Ok(Some(located));
                }
            }
        }
        Ok(None)
    }

    fn image_in(
        &self,
        file: &SourceFile,
        service: &str,
        variables: &BTreeMap<String, Vec<Fragment>>,
        depth: usize,
    ) -> Result<Option<Located>, Problem> {
        for document in file.documents.iter().rev() {
            let Some(node) = document
                .get("services")
                .and_then(|services| services.get(service))
            else {
                continue;
            };
            if let Some(scalar) = node.get("image").and_then(|image| image.scalar()) {
                return Ok(Some(file.evaluate(scalar, variables)));
            }
            let Some((other, base)) = node.get("extends").and_then(|node| extension(node)) else {
                continue;
            };
            if depth >= LONGEST_CHAIN {
                return Ok(None);
            }
            let located = match other {
                Some(other) => {
                    let other = SourceFile::read(&file.beside(&other))?;
                    self.image_in(&other, &base, variables, depth + 1)?
                }
                None => self.image_in(file, &base, variables, depth + 1)?,
            };
            if located.is_some() {
                return Ok(located);
            }
        }
        Ok(None)
    }
}

impl SourceFile {
    fn read(path: &Path) -> Result<Self, Problem> {
        let text =
            fs::read_to_string(path).map_err(|error| problems::file_unreadable(path, &error))?;
        let documents =
            yaml::parse(&text).map_err(|error| problems::file_malformed(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            text,
            documents,
        })
    }

    fn services(&self) -> Vec<&Link> {
        self.documents
            .iter()
            .filter_map(|document| document.get("services"))
            .flat_map(|services| {
                services
                    .keys()
                    .filter_map(|name| services.get(name))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// A path that this file names.
    fn beside(&self, path: &str) -> PathBuf {
        match self.path.parent() {
            Some(directory) => directory.join(path),
            None => PathBuf::from(path),
        }
    }

    /// Files under the top-level `include`, those that exist.
    fn included(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for document in &self.documents {
            let Some(include) = document.get("include") else {
                continue;
            };
            for item in include.items() {
                let path = item.get("path").unwrap_or(item);
                paths.extend(path.scalar().map(|scalar| scalar.value.clone()));
                paths.extend(
                    path.items()
                        .iter()
                        .filter_map(|path| path.scalar())
                        .map(|scalar| scalar.value.clone()),
                );
            }
        }
        paths
            .iter()
            .map(|path| self.beside(path))
            .filter(|path| path.is_file())
            .collect()
    }

    fn evaluate(&self, scalar: &Scalar, variables: &BTreeMap<String, Vec<Fragment>>) -> Located {
        let lookup = |name: &str| variables.get(name).cloned();
        let value = scalar.value.trim();
        let raw = &self.text[scalar.span.clone()];
        let mut found = raw.match_indices(value).map(|(position, _)| position);
        let offset = match (found.next(), found.next()) {
            (Some(position), None) => Some(scalar.span.start + position),
            _ => None,
        };
        let fragments = interpolate(value, &self.path, offset.unwrap_or(0), &lookup);
        let mut fragments = fragments.unwrap_or_else(|_| {
            vec![Fragment {
                text: value.to_owned(),
                origin: Origin::Escaped,
            }]
        });
        if offset.is_none() {
            for fragment in &mut fragments {
                if matches!(&fragment.origin, Origin::File { path, .. } if *path == self.path) {
                    fragment.origin = Origin::Escaped;
                }
            }
        }
        Located {
            image: text_of(&fragments),
            fragments,
        }
    }
}

/// The file and the service that `extends` names.
fn extension(node: &Node) -> Option<(Option<String>, String)> {
    if let Some(scalar) = node.scalar() {
        return Some((None, scalar.value.clone()));
    }
    let text = |key: &str| {
        node.get(key)
            .and_then(|node| node.scalar())
            .map(|scalar| scalar.value.clone())
    };
    Some((text("file"), text("service")?))
}

fn from_environment(environment: &BTreeMap<String, String>) -> BTreeMap<String, Vec<Fragment>> {
    environment
        .iter()
        .map(|(name, value)| {
            let fragment = Fragment {
                text: value.clone(),
                origin: Origin::Environment {
                    variable: name.clone(),
                },
            };
            (name.clone(), vec![fragment])
        })
        .collect()
}
