//! Folders into definitions.

use include_dir::{Dir, include_dir};
use switchback_model::product::diagnostic::Diagnostic;
use switchback_model::product::{Product, lint, parse};

static FOLDERS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR");

/// A definition as its files.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its folder, which is the product's id.
    pub id: &'static str,
    /// Name and text of each file, by name.
    pub files: Vec<(&'static str, &'static str)>,
}

/// Every built-in definition, by id.
pub fn builtin() -> Vec<Definition> {
    let mut found: Vec<Definition> = FOLDERS
        .dirs()
        .filter_map(|folder| {
            let id = folder.path().file_name()?.to_str()?;
            let files = toml_files(folder);
            let defines = files.iter().any(|(name, _)| *name == "product.toml");
            defines.then_some(Definition { id, files })
        })
        .collect();
    found.sort_by_key(|definition| definition.id);
    found
}

/// The definition with this id, where there is one.
pub fn find(id: &str) -> Option<Definition> {
    builtin().into_iter().find(|definition| definition.id == id)
}

/// Reads the definition with this id. `None` where there is none; the diagnostics hold at least one error.
pub fn load(id: &str) -> Option<Result<Product, Vec<Diagnostic>>> {
    find(id).map(|definition| definition.load())
}

impl Definition {
    /// Reads the definition; its errors, should it have any.
    pub fn load(&self) -> Result<Product, Vec<Diagnostic>> {
        parse::parse(&self.files).map(|parsed| parsed.product)
    }

    /// Everything that is to be said about the definition, errors first.
    pub fn lint(&self) -> Vec<Diagnostic> {
        lint::check(&self.files)
    }
}

fn toml_files(folder: &'static Dir<'static>) -> Vec<(&'static str, &'static str)> {
    let mut files: Vec<(&str, &str)> = folder
        .files()
        .filter_map(|file| {
            let name = file.path().file_name()?.to_str()?;
            name.ends_with(".toml")
                .then(|| Some((name, file.contents_utf8()?)))?
        })
        .collect();
    files.sort_unstable();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_definition_is_without_findings() {
        for definition in builtin() {
            let told: Vec<String> = definition.lint().iter().map(ToString::to_string).collect();
            assert!(told.is_empty(), "{}:\n{}", definition.id, told.join("\n\n"));
        }
    }

    #[test]
    fn a_definition_is_named_as_its_folder() {
        for definition in builtin() {
            let product = definition.load().expect("the definition is well-formed");
            assert_eq!(product.id.as_str(), definition.id);
        }
    }

    #[test]
    fn an_unknown_product_is_none() {
        assert!(load("word-perfect").is_none());
    }
}
