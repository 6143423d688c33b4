//! How a product is run where nothing but its own programs runs it: as plain processes of a host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Product;
use crate::id::ServiceName;
use crate::pattern;

/// The commands of a release, word by word.
///
/// A release is a directory. Where it has one program that does everything, [`Exec::binary`] names it, and every
/// command is its arguments; else the first word of a command is a program in the directory, e.g. `bin/app`.
/// `{NAME}` in a word is a variable of the processes' environment, `{release}` the release's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Exec {
    /// The one program of a release; left out where a release has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<String>,
    /// Prints the release's version, whatever else it prints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub version: Vec<String>,
    /// Names in a release's directory that its programs write while they run (`*` matches any run of characters):
    /// no part of what the release is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written: Vec<String>,
    /// Its processes.
    pub services: BTreeMap<ServiceName, ExecService>,
}

/// One process of the product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExecService {
    /// Starts it, and stays in the foreground as long as it runs.
    pub start: Vec<String>,
    /// Asks it to stop; a signal does where it is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

impl Exec {
    /// The words between braces in the product's commands, without the braces, each once.
    pub fn names(&self) -> Vec<&str> {
        let services = self.services.values();
        let commands = services.flat_map(|service| [&service.start, &service.stop]);
        let mut names: Vec<&str> = commands
            .chain([&self.version])
            .flatten()
            .flat_map(|word| names_in(word))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Product {
    /// True where a variable or option with this name holds a secret.
    pub fn is_secret(&self, name: &str) -> bool {
        self.secrets
            .iter()
            .any(|pattern| pattern::matches(pattern, name))
    }
}

/// What stands for something else in a word of a command: `{NAME}`.
pub fn names_in(word: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = word;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            break;
        };
        if is_name(name) {
            found.push(name);
            rest = behind;
        } else {
            rest = after;
        }
    }
    found
}

/// The word with every `{NAME}` replaced; `Err` with the name that means nothing.
pub fn filled(word: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        match after.split_once('}').filter(|(name, _)| is_name(name)) {
            Some((name, behind)) => {
                text.push_str(&value(name).ok_or_else(|| name.to_owned())?);
                rest = behind;
            }
            None => {
                text.push('{');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    Ok(text)
}

/// As the shell names variables: braces around anything else are only braces.
fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_braces_are_replaced_and_other_braces_stay() {
        let value = |name: &str| (name == "PORT").then(|| "8000".to_owned());
        assert_eq!(
            filled("127.0.0.1:{PORT}", &value),
            Ok("127.0.0.1:8000".to_owned())
        );
        assert_eq!(filled("{PORT}{PORT}", &value), Ok("80008000".to_owned()));
        for plain in ["", "{", "}", "{}", "{\"a\": 1}", "${ }", "{1}"] {
            assert_eq!(filled(plain, &value), Ok(plain.to_owned()), "{plain}");
        }
        assert_eq!(filled("{{PORT}}", &value), Ok("{8000}".to_owned()));
        assert_eq!(filled("--at={HOST}", &value), Err("HOST".to_owned()));
    }

    #[test]
    fn every_name_is_found_once() {
        assert_eq!(names_in("{HOST}:{PORT} {} {\"a\"} {_x"), ["HOST", "PORT"]);
        let exec = Exec {
            version: vec!["{release}".to_owned()],
            services: [(
                ServiceName::new("web"),
                ExecService {
                    start: vec!["{PORT}".to_owned(), "{PORT}".to_owned()],
                    stop: vec!["{HOST}".to_owned()],
                },
            )]
            .into(),
            ..Exec::default()
        };
        assert_eq!(exec.names(), ["HOST", "PORT", "release"]);
    }
}
