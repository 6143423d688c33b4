//! Secrets are read where they are at the last moment.

use std::path::Path;

use switchback_engine::process::Secret;
use switchback_model::config::SecretRef;
use switchback_model::exit::Exit;
use switchback_model::{Problem, ServiceName};

use crate::formats::uri::Uri;
use crate::locate::settings_file;

/// Reads what `reference` names. Files are relative to `directory`; `setting` tells a service's settings.
pub(crate) fn read(
    reference: &SecretRef,
    directory: &Path,
    setting: &dyn Fn(&ServiceName, &str) -> Option<Secret>,
) -> Result<Secret, Problem> {
    match reference {
        SecretRef::Env(variable) => std::env::var(variable)
            .map(Secret::new)
            .map_err(|error| missing(&format!("the environment variable `{variable}`"), &error)),
        SecretRef::File(path) => {
            let text = std::fs::read_to_string(directory.join(path))
                .map_err(|error| missing(&format!("the file `{path}`"), &error))?;
            Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
        }
        SecretRef::Setting { file, section, key } => {
            set_in(section, key, file, &std::fs::read_to_string(file))
        }
        SecretRef::Service { service, variable } => setting(service, variable).ok_or_else(|| {
            missing(
                &format!("`{variable}` of service `{service}`"),
                &"it is not set",
            )
        }),
        SecretRef::ServiceUri { service, variable } => setting(service, variable)
            .and_then(|value| Uri::parse(value.expose()).password)
            .map(Secret::new)
            .ok_or_else(|| {
                missing(
                    &format!("the URI in `{variable}` of service `{service}`"),
                    &"it carries no password",
                )
            }),
    }
}

/// The secret that a key of a file of settings holds, where the file could be read.
pub(crate) fn set_in(
    section: &str,
    key: &str,
    file: &str,
    text: &std::io::Result<String>,
) -> Result<Secret, Problem> {
    let place = format!("`{key}` of [{section}] in `{file}`");
    let text = text.as_ref().map_err(|error| missing(&place, error))?;
    settings_file::password(text, section, key)
        .map(Secret::new)
        .ok_or_else(|| missing(&place, &"it is not set"))
}

/// Reads a secret that needs no look at the deployment; `None` where it does.
pub fn plain(reference: &SecretRef, directory: &Path) -> Option<Result<Secret, Problem>> {
    match reference {
        SecretRef::Env(_) | SecretRef::File(_) | SecretRef::Setting { .. } => {
            Some(read(reference, directory, &|_, _| None))
        }
        SecretRef::Service { .. } | SecretRef::ServiceUri { .. } => None,
    }
}

fn missing(place: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        Exit::Usage,
        "secret-missing",
        format!("cannot read the secret in {place}"),
    )
    .cause(error)
    .hint("correct the reference in switchback.toml, or set what it names")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_of_reference() {
        let directory = tempfile::tempdir().expect("temporary directory");
        std::fs::write(directory.path().join("pw"), "s3cret\r\n").expect("written");
        let setting = |service: &ServiceName, variable: &str| {
            (service.as_str() == "stack").then(|| match variable {
                "URI" => Secret::new("postgres://u:p%20w@h/d"),
                _ => Secret::new("plain"),
            })
        };
        let read = |reference| {
            read(&reference, directory.path(), &setting).map(|secret| secret.expose().to_owned())
        };
        let stack = ServiceName::new("stack");
        let of = |variable: &str| (stack.clone(), variable.to_owned());
        let (service, variable) = of("PW");
        assert_eq!(
            read(SecretRef::Service { service, variable }).expect("set"),
            "plain"
        );
        let (service, variable) = of("URI");
        assert_eq!(
            read(SecretRef::ServiceUri { service, variable }).expect("set"),
            "p w"
        );
        assert_eq!(
            read(SecretRef::File("pw".to_owned())).expect("there"),
            "s3cret"
        );
        let problem = read(SecretRef::Env("SWITCHBACK_TEST_UNSET".to_owned())).expect_err("unset");
        assert_eq!(
            (problem.code.as_str(), problem.exit),
            ("secret-missing", Exit::Usage)
        );
    }
}
