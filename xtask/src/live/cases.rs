//! Everything that is tried: the longest and the broadest first, so that the last minutes are not one case alone, and what
//! is left out where time is short is one more of its kind.

use anyhow::{Context, Result, ensure};

use super::lab::Lab;
use super::subject::Subject;
use super::{
    Case, applications, crash, hindered, judge, outage, packages, rehearsal, repository, servers,
};
use crate::images::Edition;
use crate::paths;
use crate::tool::tool;

/// All cases.
pub(super) fn all() -> Vec<Case> {
    let mut cases = outage::cases();
    cases.extend(applications::cases());
    cases.extend(packages::cases());
    cases.extend(servers::cases());
    cases.extend(rehearsal::cases());
    cases.push(Case::new("upgrade_and_back_open_source", |lab| {
        there_and_back(lab, Edition::OpenSource)
    }));
    cases.push(Case::new("upgrade_and_back_enterprise", |lab| {
        there_and_back(lab, Edition::Enterprise)
    }));
    cases.push(Case::new(
        "commands_in_documents_exist",
        documented_commands,
    ));
    cases.extend(repository::cases());
    cases.extend(crash::cases());
    cases.extend(hindered::cases());
    cases
}

/// The straight way: up through the stop, judged, and all the way back.
fn there_and_back(lab: &Lab, edition: Edition) -> Result<()> {
    let name = if edition == Edition::Enterprise {
        "straight-enterprise"
    } else {
        "straight"
    };
    let subject = Subject::new(lab, name, edition)?;
    let plan = subject.plan()?;
    ensure!(
        plan.to_string().contains("3.24."),
        "the plan does not pass through 3.24: {plan}"
    );
    subject.upgrade()?;
    judge::upgraded(&subject)?;
    subject.go_back()?;
    judge::restored(&subject)?;
    let history = subject.expect(&["history"], 0)?;
    judge::told(&history.stdout, &["r-"])?;
    subject.expect(&["log"], 0)?;
    subject.remove()
}

/// Every `switchback COMMAND` that a document shows can be typed.
fn documented_commands(lab: &Lab) -> Result<()> {
    let listed = tool("git")
        .dir(&paths::root())
        .args(["ls-files", "*.md"])
        .read()?;
    for name in listed.lines() {
        let text = std::fs::read_to_string(paths::root().join(name))
            .with_context(|| format!("cannot read {name}"))?;
        for command in commands_in(&text) {
            let known =
                command == "help" || tool(lab.binary()).args([command, "--help"]).succeeds();
            ensure!(
                known,
                "{name} shows `switchback {command}`, which does not exist"
            );
        }
    }
    Ok(())
}

/// First words after `switchback` where a line shows a command: behind a prompt, a backtick, or alone in a code block.
fn commands_in(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines() {
        let starts = line
            .match_indices("`switchback ")
            .map(|(at, lead)| at + lead.len());
        let typed = line
            .trim_start()
            .strip_prefix("$ ")
            .unwrap_or(line.trim_start());
        let typed = (line.starts_with("    ") || line.starts_with('$'))
            .then(|| typed.strip_prefix("switchback "))
            .flatten();
        let words = starts.map(|at| &line[at..]).chain(typed);
        found.extend(words.filter_map(|rest| {
            let end = rest
                .find(|letter: char| !letter.is_ascii_lowercase() && letter != '-')
                .unwrap_or(rest.len());
            let word = &rest[..end];
            (!word.is_empty() && !word.starts_with('-')).then_some(word)
        }));
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::commands_in;

    #[test]
    fn commands_are_found_where_they_are_typed() {
        let text = "Type `switchback plan --to V` or\n\n    $ switchback apply p-1\n    switchback status\nswitchback is a tool\n`switchback --help`\n";
        assert_eq!(commands_in(text), ["apply", "plan", "status"]);
    }
}
