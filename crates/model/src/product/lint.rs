//! Checks a definition's sections against each other: names that lead nowhere,
//! versions that do not exist, stops that cannot be kept, gaps, silence where
//! a reason belongs. Start with [`check`].

mod exec;
mod gaps;
mod host;
mod meant;
mod names;
mod reasons;
mod stops;
mod templates;
mod versions;

pub use meant::nearest;

use super::Product;
use super::diagnostic::{Diagnostic, Severity};
use super::parse::{self, Parsed, Places};
use crate::version::{Key, Range, Version};

/// Reads a definition and tells everything that is wrong with it, errors first.
pub fn check(files: &[(&str, &str)]) -> Vec<Diagnostic> {
    match parse::parse(files) {
        Ok(parsed) => check_parsed(files, &parsed),
        Err(found) => found,
    }
}

/// Tells everything that is wrong with a definition that could be read, errors first.
pub fn check_parsed(files: &[(&str, &str)], parsed: &Parsed) -> Vec<Diagnostic> {
    let product = &parsed.product;
    let mut releases: Vec<(Key, &Version)> = product
        .releases
        .iter()
        .filter_map(|release| {
            Some((
                product.scheme.parse(&release.version).ok()?,
                &release.version,
            ))
        })
        .collect();
    releases.sort();
    let mut lint = Lint {
        files,
        product,
        places: &parsed.places,
        releases,
        found: Vec::new(),
    };
    names::check(&mut lint);
    templates::check(&mut lint);
    reasons::check(&mut lint);
    versions::check(&mut lint);
    stops::check(&mut lint);
    gaps::check(&mut lint);
    exec::check(&mut lint);
    host::check(&mut lint);
    let mut found = lint.found;
    found.sort_by_key(|diagnostic| diagnostic.severity);
    found
}

/// A definition under examination.
struct Lint<'a> {
    files: &'a [(&'a str, &'a str)],
    product: &'a Product,
    places: &'a Places,
    /// Every release whose version can be read, oldest first.
    releases: Vec<(Key, &'a Version)>,
    found: Vec<Diagnostic>,
}

impl<'a> Lint<'a> {
    /// Tells an error about what is written at `path`.
    fn error(&mut self, path: &str, code: &str, message: impl Into<String>) -> &mut Diagnostic {
        self.tell(Severity::Error, path, code, message.into())
    }

    /// Tells a warning about what is written at `path`.
    fn warning(&mut self, path: &str, code: &str, message: impl Into<String>) -> &mut Diagnostic {
        self.tell(Severity::Warning, path, code, message.into())
    }

    fn tell(
        &mut self,
        severity: Severity,
        path: &str,
        code: &str,
        message: String,
    ) -> &mut Diagnostic {
        let place = self.places.of(path);
        let diagnostic = Diagnostic::at(self.files, place, severity, code, message);
        self.found.push(diagnostic);
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// Where `path` is written, for a hint: `rules.toml:12`.
    fn whereabouts(&self, path: &str) -> String {
        let place = self.places.of(path);
        let at = Diagnostic::at(self.files, place, Severity::Error, "", "");
        format!("{}:{}", at.file, at.line)
    }

    fn key(&self, version: &Version) -> Option<Key> {
        self.product.scheme.parse(version).ok()
    }

    /// True where a release is listed, of a listed line, or covered.
    fn is_release(&self, version: &Version) -> bool {
        let Some(key) = self.key(version) else {
            return false;
        };
        let covered = self.product.covers.as_ref();
        self.releases
            .iter()
            .any(|(known, _)| *known == key || key.is_of_line(known))
            || covered.is_some_and(|range| self.holds(range, &key))
    }

    /// Whether a range holds a version; a malformed range, which is told elsewhere, holds nothing.
    fn holds(&self, range: &Range, key: &Key) -> bool {
        range
            .bounds(self.product.scheme)
            .is_ok_and(|bounds| bounds.contains(key))
    }

    /// Releases that a range holds, oldest first.
    fn held<'b>(&'b self, range: &Range) -> impl Iterator<Item = &'b (Key, &'a Version)> {
        let bounds = range.bounds(self.product.scheme).ok();
        self.releases.iter().filter(move |(key, _)| {
            let bounds = bounds.as_ref();
            bounds.is_some_and(|bounds| bounds.contains(key))
        })
    }
}

#[cfg(test)]
mod tests;
