//! Checks a definition's sections against each other.

use super::diagnostic::Diagnostic;
use super::parse;

/// Reads a definition and tells everything that is wrong with it, errors first.
pub fn check(files: &[(&str, &str)]) -> Vec<Diagnostic> {
    match parse::parse(files) {
        Ok(_) => Vec::new(),
        Err(found) => found,
    }
}
