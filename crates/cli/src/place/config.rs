//! `switchback.toml`, read with diagnostics that point at the line.

use std::path::Path;

use switchback_model::Problem;
use switchback_model::config::{AwsConfig, AwsKind, Config};
use switchback_model::exit::Exit;
use switchback_model::product::diagnostic::{Diagnostic, Severity};

use crate::failure::Failed;

/// Name of the file.
pub(crate) const FILE: &str = "switchback.toml";

/// Reads the configuration in `directory`.
pub(crate) fn load(directory: &Path) -> Result<Config, Failed> {
    let path = directory.join(FILE);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Problem::new(
            Exit::Usage,
            "config-unreadable",
            format!("`{}` cannot be read", path.display()),
        )
        .cause(error)
        .state("deployment", "not touched")
        .hint("make it readable for this user, or write it anew: `switchback init`")
    })?;
    // As short as it can be without doubt: the name alone where that is where one is.
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let name = match here {
        Ok(here) if here == directory => FILE.to_owned(),
        _ => path.display().to_string(),
    };
    parse(&name, &text)
}

/// Reads a configuration; `name` is the file's name as it is shown.
pub(crate) fn parse(name: &str, text: &str) -> Result<Config, Failed> {
    let config: Config = toml::from_str(text).map_err(|error| diagnosed(name, text, &error))?;
    let said = [
        ("[compose]", config.compose.is_some()),
        ("[exec]", config.exec.is_some()),
        ("[packages]", config.packages.is_some()),
        ("[aws]", config.aws.is_some()),
    ];
    let said: Vec<&str> = said
        .iter()
        .filter(|(_, is_said)| *is_said)
        .map(|(section, _)| *section)
        .collect();
    if let [one, other, ..] = said[..] {
        let problem = Problem::new(
            Exit::Usage,
            "config-two-drivers",
            format!("{name}: `{one}` and `{other}` exclude each other"),
        );
        return Err(problem
            .state("deployment", "not touched")
            .hint("keep the one that describes how the product is deployed here")
            .into());
    }
    if let Some(host) = &config.host {
        reached(name, &config, &host.ssh)?;
    }
    if let Some(aws) = &config.aws {
        offered(name, aws)?;
        refreshed(name, aws)?;
    }
    Ok(config)
}

/// A place of templates names the release, and the template where there are several.
/// More than all machines of a group cannot stay in service.
fn refreshed(name: &str, aws: &AwsConfig) -> Result<(), Problem> {
    let mut refreshes = aws.refresh.iter();
    match refreshes.find(|(_, refresh)| refresh.healthy > 100) {
        None => Ok(()),
        Some((stack, refresh)) => Err(Problem::new(
            Exit::Usage,
            "config-invalid",
            format!(
                "{name}: `healthy = {}` under [aws.refresh.{stack}]: it is per cent of the machines that stay in service",
                refresh.healthy
            ),
        )
        .state("deployment", "not touched")
        .hint("say a number up to 100; where nothing is said, it is 90")),
    }
}

fn offered(name: &str, aws: &AwsConfig) -> Result<(), Problem> {
    let Some(place) = &aws.templates else {
        return Ok(());
    };
    let needed: &[&str] = match aws.kind {
        AwsKind::Cloudformation => &["{version}", "{template}"],
        AwsKind::Ami => &["{version}"],
    };
    match needed.iter().find(|part| !place.contains(**part)) {
        None => Ok(()),
        Some(part) => Err(Problem::new(
            Exit::Usage,
            "config-templates",
            format!("{name}: `{place}` has no `{part}` in it: `templates` under [aws]"),
        )
        .state("deployment", "not touched")
        .hint("as in templates = \"templates/{version}/{template}.yml\"")),
    }
}

/// Only packages are changed on another machine, and its name is one word that `ssh` takes for a name.
fn reached(name: &str, config: &Config, target: &str) -> Result<(), Problem> {
    let refused = |what: String| {
        Problem::new(Exit::Usage, "config-host", what).state("deployment", "not touched")
    };
    if config.packages.is_none() {
        return Err(refused(format!(
            "{name}: `[host]` goes with `[packages]` only: containers and plain processes are changed on this machine"
        ))
        .hint("run switchback over there, or take `[host]` out"));
    }
    if target.is_empty() || target.starts_with('-') || target.contains(char::is_whitespace) {
        return Err(refused(format!(
            "{name}: `{target}` is no name of a machine: `ssh` under [host]"
        ))
        .hint("as in ssh = \"st2@st2.example.org\", or a `Host` of your ssh_config"));
    }
    Ok(())
}

fn diagnosed(name: &str, text: &str, error: &toml::de::Error) -> Failed {
    let span = error.span().unwrap_or(0..0);
    let start = floor(text, span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..]
        .find('\n')
        .map_or(text.len(), |length| start + length);
    let end = floor(text, span.end).clamp(start, line_end);
    let message = error
        .message()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    let diagnostic = Diagnostic {
        severity: Severity::Error,
        code: "config".to_owned(),
        hint: hint(&message),
        message: message.clone(),
        file: name.to_owned(),
        line: text[..start].matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        snippet: text[line_start..line_end].trim_end().to_owned(),
        width: text[start..end].chars().count().max(1),
    };
    let problem = Problem::new(
        Exit::Usage,
        "config-invalid",
        format!(
            "{name}:{}:{}: {message}",
            diagnostic.line, diagnostic.column
        ),
    )
    .state("deployment", "not touched");
    let problem = match &diagnostic.hint {
        Some(hint) => problem.hint(hint.clone()),
        None => problem.hint("write it anew with `switchback init --force`, or see the guide"),
    };
    Failed::diagnosed(problem, vec![diagnostic])
}

/// What to write instead, from what the parser says.
fn hint(message: &str) -> Option<String> {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if message.starts_with("unknown field") || message.starts_with("unknown variant") {
        let (wrong, known) = quoted.split_first()?;
        let nearest = known.iter().min_by_key(|name| distance(wrong, name))?;
        return Some(if distance(wrong, nearest) <= 2 {
            format!("did you mean `{nearest}`?")
        } else {
            format!("it may be {}", known.join(", "))
        });
    }
    if message.ends_with("e.g. `50MB`") || message.contains("too slow a rate") {
        return Some("write a number and one of kB, MB, GB, KiB, MiB, GiB".to_owned());
    }
    let missing = message
        .strip_prefix("missing field `")?
        .trim_end_matches('`');
    Some(format!("add a line `{missing} = …`"))
}

/// How many letters differ (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = place + 1;
        for column in 0..other.len() {
            let replaced = diagonal + usize::from(letter != other[column]);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Failed {
        parse("switchback.toml", text).expect_err("it is wrong")
    }

    #[test]
    fn a_misspelt_key_is_pointed_at_and_the_right_one_named() {
        let failed = refused("product = \"the-things-stack\"\n\n[compose]\nfile = [\"a.yml\"]\n");
        assert_eq!(failed.problem.exit, Exit::Usage);
        assert!(
            failed
                .problem
                .what
                .starts_with("switchback.toml:4:1: unknown field `file`"),
            "{}",
            failed.problem.what
        );
        assert_eq!(failed.problem.hints, ["did you mean `files`?"]);
        assert_eq!(failed.diagnostics[0].snippet, "file = [\"a.yml\"]");
    }

    #[test]
    fn a_missing_key_is_named() {
        let failed = refused("edition = \"open-source\"\n");
        assert_eq!(failed.problem.hints, ["add a line `product = …`"]);
    }

    #[test]
    fn broken_toml_has_line_and_column() {
        let failed = refused("product = \"x\"\nname = ");
        assert!(
            failed.problem.what.starts_with("switchback.toml:2:"),
            "{}",
            failed.problem.what
        );
    }

    #[test]
    fn a_place_of_templates_names_release_and_template() {
        let text = |kind: &str, place: &str| {
            format!("product = \"flow\"\n[aws]\nkind = \"{kind}\"\ntemplates = \"{place}\"\n")
        };
        let parsed = |kind: &str, place: &str| parse("switchback.toml", &text(kind, place));
        assert!(parsed("cloudformation", "t/{version}/{template}.yml").is_ok());
        assert!(parsed("ami", "t/{version}.yml").is_ok());
        let problem = parsed("cloudformation", "t/{version}.yml")
            .expect_err("which one")
            .problem;
        assert_eq!(problem.code, "config-templates");
        assert!(
            problem.what.contains("no `{template}` in it"),
            "{problem:?}"
        );
    }

    #[test]
    fn another_machine_is_for_packages_and_has_a_name() {
        let text = |section: &str, target: &str| {
            format!("product = \"flow\"\n{section}\n[host]\nssh = \"{target}\"\n")
        };
        let parsed = |section: &str, target: &str| parse("switchback.toml", &text(section, target));
        assert!(parsed("[packages]", "st2@st2.example.org").is_ok());
        let problem = parsed("[compose]", "st2").expect_err("not Compose").problem;
        assert!(
            problem
                .what
                .contains("`[host]` goes with `[packages]` only"),
            "{problem:?}"
        );
        for wrong in ["", "-oProxyCommand=x", "a b"] {
            let problem = parsed("[packages]", wrong).expect_err("no name").problem;
            assert!(
                problem
                    .what
                    .ends_with("is no name of a machine: `ssh` under [host]"),
                "{problem:?}"
            );
            assert_eq!((problem.exit, problem.hints.len()), (Exit::Usage, 1));
        }
    }

    #[test]
    fn distance_counts_letters() {
        assert_eq!(distance("file", "files"), 1);
        assert_eq!(distance("projekt", "project"), 1);
        assert_eq!(distance("abc", "xyz"), 3);
    }
}
