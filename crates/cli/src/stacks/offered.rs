//! Templates: those of releases got from where the operator says, those of stacks as they were observed.

use std::collections::BTreeMap;
use std::path::Path;

use switchback_aws::{Account, fetch_template};
use switchback_engine::ports::Progress;
use switchback_model::exit::Exit;
use switchback_model::product::Product;
use switchback_model::stack::{Cloud, Template, TemplatePlace, body_digest};
use switchback_model::{Digest, Problem, Version};
use switchback_planner::stack::{Offered, Wanted, recognise};

use super::opened::Stacks;
use crate::failure::Failed;

/// What could be got, and why the rest could not.
#[derive(Debug, Default)]
pub(super) struct Got {
    pub(super) offered: BTreeMap<(String, Version), Offered>,
    pub(super) templates: BTreeMap<Digest, Template>,
    /// A sentence for each try that failed, by what was wanted.
    missing: BTreeMap<(String, Version), Vec<String>>,
}

impl Got {
    /// Fetches the templates that are wanted, each under the first of its names that is there.
    pub(super) fn fetch(
        account: &Account,
        places: &Places<'_>,
        wanted: &[Wanted],
        progress: &dyn Progress,
    ) -> Result<Self, Failed> {
        let mut got = Self::default();
        let of = u64::try_from(wanted.len()).ok();
        for (done, one) in (0..).zip(wanted) {
            progress.report("templates", Some(done), of, None);
            got.one(account, places, one)?;
        }
        Ok(got)
    }

    fn one(
        &mut self,
        account: &Account,
        places: &Places<'_>,
        wanted: &Wanted,
    ) -> Result<(), Failed> {
        let key = (wanted.template.clone(), wanted.version.clone());
        for place in places.of(wanted) {
            match fetch_template(account, &place) {
                Ok(text) => {
                    let digest = body_digest(&text);
                    let offered = TemplatePlace {
                        digest: digest.clone(),
                        bytes: text.len() as u64,
                        place: place.clone(),
                    };
                    self.templates.insert(digest, read(&place, &text)?);
                    self.offered.insert(key, offered);
                    return Ok(());
                }
                Err(failure) => {
                    let why = failure.causes.join(": ");
                    let tried = self.missing.entry(key.clone()).or_default();
                    tried.push(format!("`{place}`: {why}"));
                }
            }
        }
        Ok(())
    }

    /// A refusal for want of templates, with where each was looked for.
    pub(super) fn explained(&self, problem: Problem) -> Problem {
        if problem.code != "template-missing" {
            return problem;
        }
        let missing = self.missing.iter();
        missing
            .filter(|(key, _)| !self.offered.contains_key(*key))
            .flat_map(|(_, tried)| tried.clone())
            .fold(problem, Problem::cause)
    }
}

/// Where templates of releases are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    /// A path or URL with `{version}` and `{template}` in it.
    pub(super) pattern: Option<&'a str>,
    /// Where a relative path begins.
    pub(super) directory: &'a Path,
}

impl Places<'_> {
    /// Every place where a template may be, today's name first.
    fn of(&self, wanted: &Wanted) -> Vec<String> {
        let Some(pattern) = self.pattern else {
            return Vec::new();
        };
        let at_version = pattern.replace("{version}", wanted.version.as_str());
        let mut places: Vec<String> = wanted
            .names
            .iter()
            .map(|name| at_version.replace("{template}", name))
            .map(|place| match place.contains("://") {
                true => place,
                false => self.directory.join(place).display().to_string(),
            })
            .collect();
        places.dedup();
        places
    }
}

/// The templates that stacks of the product have.
pub(super) fn deployed(
    stacks: &Stacks,
    product: &Product,
    cloud: &Cloud,
    texts: &BTreeMap<Digest, String>,
) -> Result<BTreeMap<Digest, Template>, Failed> {
    let mut templates = BTreeMap::new();
    for stack in cloud.stacks.values() {
        let ours = recognise(product, &stacks.aws, stack).is_some();
        if !ours || stacks.aws.leave.contains(&stack.name) {
            continue;
        }
        if let Some(text) = texts.get(&stack.body) {
            let name = format!("template of stack {}", stack.name);
            templates.insert(stack.body.clone(), read(&name, text)?);
        }
    }
    Ok(templates)
}

/// Reads a template's text.
pub(super) fn read(name: &str, text: &str) -> Result<Template, Failed> {
    Template::parse(name, text).map_err(|faults| {
        let first = faults.first();
        let what = match first {
            Some(fault) => format!(
                "the template `{name}` cannot be read: line {}: {}",
                fault.line, fault.message
            ),
            None => format!("the template `{name}` cannot be read"),
        };
        let problem = Problem::new(Exit::Refused, "template-unreadable", what)
            .state("stacks", "unchanged")
            .hint("check that it is the template that the vendor gave, whole");
        Failed::diagnosed(problem, faults)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(pattern: &str) -> Vec<String> {
        Places {
            pattern: Some(pattern),
            directory: Path::new("/srv/prod"),
        }
        .of(&Wanted {
            template: "2-7-queue-sqs".to_owned(),
            version: Version::new("3.32.1"),
            names: vec!["2-7-queue-sqs".to_owned(), "5-9a-sqs".to_owned()],
        })
    }

    #[test]
    fn a_template_is_looked_for_under_every_name_it_had() {
        assert_eq!(
            places("templates/{version}/{template}.yml"),
            [
                "/srv/prod/templates/3.32.1/2-7-queue-sqs.yml",
                "/srv/prod/templates/3.32.1/5-9a-sqs.yml"
            ]
        );
        assert_eq!(
            places("s3://templates/{version}/{template}"),
            [
                "s3://templates/3.32.1/2-7-queue-sqs",
                "s3://templates/3.32.1/5-9a-sqs"
            ]
        );
        assert_eq!(places("/t/{version}.yml"), ["/t/3.32.1.yml"]);
    }

    #[test]
    fn a_template_that_is_none_is_pointed_at() {
        let failed = read("x.yml", "Parameters: [").expect_err("it is broken");
        assert_eq!(failed.problem.code, "template-unreadable");
        assert_eq!(failed.diagnostics.len(), 1);
    }
}
