//! Product definitions: built in, and from a directory that the operator names.
//! Only what a command needs is read: a definition of hundreds of releases
//! takes milliseconds.

use std::path::{Path, PathBuf};

use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::product::diagnostic::Diagnostic;
use switchback_model::product::{Product, lint, parse};

use crate::failure::Failed;

/// A definition whose files were found and not yet read as one.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    /// The product's id: the folder's name.
    pub id: String,
    /// `built in`, or its directory.
    pub origin: String,
    files: Vec<(String, String)>,
}

impl Definition {
    /// Reads it.
    pub(crate) fn load(&self) -> Result<Product, Failed> {
        parse::parse(&self.borrowed())
            .map(|parsed| parsed.product)
            .map_err(|diagnostics| self.unusable(diagnostics))
    }

    /// Everything that is to be said about it, errors first.
    pub(crate) fn lint(&self) -> Vec<Diagnostic> {
        lint::check(&self.borrowed())
    }

    fn borrowed(&self) -> Vec<(&str, &str)> {
        self.files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect()
    }

    fn unusable(&self, diagnostics: Vec<Diagnostic>) -> Failed {
        let first = diagnostics
            .iter()
            .find(|diagnostic| diagnostic.is_error())
            .map_or_else(String::new, |diagnostic| {
                format!(
                    ": {}:{}: {}",
                    diagnostic.file, diagnostic.line, diagnostic.message
                )
            });
        let problem = Problem::new(
            Exit::Usage,
            "definition-invalid",
            format!(
                "the definition of `{}` ({}) cannot be used{first}",
                self.id, self.origin
            ),
        )
        .state("deployment", "not touched")
        .hint("see all of it: `switchback catalog lint`");
        Failed::diagnosed(problem, diagnostics)
    }
}

/// Every definition: those of `directory` first, which take the place of built-in ones.
pub(crate) fn all(directory: Option<&PathBuf>) -> Result<Vec<Definition>, Failed> {
    let mut found = match directory {
        Some(directory) => in_directory(directory)?,
        None => Vec::new(),
    };
    for definition in switchback_catalog::builtin() {
        if found.iter().all(|known| known.id != definition.id) {
            found.push(built_in(definition));
        }
    }
    Ok(found)
}

/// The definition of one product.
pub(crate) fn find(directory: Option<&PathBuf>, id: &str) -> Result<Definition, Failed> {
    let beside = directory.map(|directory| directory.join(id));
    if let Some(folder) = beside.filter(|folder| folder.join("product.toml").is_file()) {
        return read(&folder);
    }
    if let Some(definition) = switchback_catalog::find(id) {
        return Ok(built_in(definition));
    }
    let mut known: Vec<String> = all(directory)?.into_iter().map(|known| known.id).collect();
    known.sort();
    Err(Problem::new(
        Exit::Usage,
        "product-unknown",
        format!("no definition of `{id}` in the catalog"),
    )
    .hint(format!("known are {}", known.join(", ")))
    .hint("or give a directory of definitions: --catalog DIR")
    .into())
}

/// The definition in one folder.
pub(crate) fn read(folder: &Path) -> Result<Definition, Failed> {
    let unreadable = |error: std::io::Error| {
        Problem::new(
            Exit::Usage,
            "catalog-unreadable",
            format!("the definition in `{}` cannot be read", folder.display()),
        )
        .cause(error)
        .hint("a definition is a folder with a `product.toml`")
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.ends_with(".toml") {
            files.push((name, std::fs::read_to_string(&path).map_err(unreadable)?));
        }
    }
    files.sort();
    if files.iter().all(|(name, _)| name != "product.toml") {
        let missing = std::io::Error::other("there is no `product.toml`");
        return Err(unreadable(missing).into());
    }
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    Ok(Definition {
        id: whole
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        origin: folder.display().to_string(),
        files,
    })
}

fn in_directory(directory: &Path) -> Result<Vec<Definition>, Failed> {
    let entries = std::fs::read_dir(directory).map_err(|error| {
        Problem::new(
            Exit::Usage,
            "catalog-unreadable",
            format!("`{}` cannot be read", directory.display()),
        )
        .cause(error)
        .hint("--catalog names a directory with one folder per product")
    })?;
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("product.toml").is_file())
        .collect();
    folders.sort();
    folders.iter().map(|folder| read(folder)).collect()
}

fn built_in(definition: switchback_catalog::Definition) -> Definition {
    Definition {
        id: definition.id.to_owned(),
        origin: "built in".to_owned(),
        files: definition
            .files
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect(),
    }
}
