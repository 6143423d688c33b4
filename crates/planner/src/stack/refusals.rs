//! What stops a plan for stacks, told so that an operator can act.

pub(super) mod skipping;

use switchback_model::exit::Exit;
use switchback_model::product::{Order, Product};
use switchback_model::stack::{DangerKind, Drift, Ordeal, Stack, StoreKind};
use switchback_model::{Problem, Version};

use super::carry::Unanswered;
use super::danger::Danger;
use super::review::LockedExport;

fn refused(code: &str, what: String, stack: &str) -> Problem {
    Problem::new(Exit::Refused, code, what).state(format!("stack {stack}"), "unchanged")
}

/// The version wanted is the one in use.
pub(super) fn nothing_to_do(to: &Version) -> Problem {
    Problem::new(
        Exit::Refused,
        "nothing-to-do",
        format!("this deployment is at {to} already"),
    )
    .state("deployment", "unchanged")
    .hint("name another version: `switchback plan --to V`")
}

/// A stack that cannot be updated as it is.
pub(super) fn not_ready(stack: &Stack) -> Option<Problem> {
    let name = &stack.name;
    let status = &stack.status;
    if !status.is_steady() {
        let problem = Problem::new(
            Exit::Refused,
            "stack-not-steady",
            format!("stack `{name}` is in `{status}`"),
        )
        .state(format!("stack {name}"), status.as_str());
        let problem = match &stack.reason {
            Some(reason) => problem.cause(reason),
            None => problem,
        };
        return Some(match status.as_str() {
            "UPDATE_ROLLBACK_FAILED" => half_taken_back(problem, stack),
            "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED" => problem
                .why("such a stack cannot be updated, only deleted")
                .hint("delete it and make it anew, or leave it out: `leave` under [aws] in switchback.toml"),
            "REVIEW_IN_PROGRESS" => problem
                .why("it was made for a change set and has nothing in it")
                .hint("execute or delete its change set, then plan again"),
            _ => problem
                .why("it is being changed at this moment")
                .hint("wait until that is over, then type the same command again"),
        });
    }
    let Drift::Found { resources } = &stack.drift else {
        return None;
    };
    let what = match resources.as_slice() {
        [one] => format!("`{}` of stack `{name}` was", one.logical),
        several => format!("{} resources of stack `{name}` were", several.len()),
    };
    let mut problem = refused(
        "stack-drifted",
        format!("{what} changed by other means than the stack"),
        name,
    );
    for resource in resources {
        let seen = match (resource.deleted, resource.differences.as_slice()) {
            (true, _) => "gone".to_owned(),
            (false, differences) => differences
                .iter()
                .map(|(path, said, is)| format!("{path} is `{is}`, the template says `{said}`"))
                .collect::<Vec<_>>()
                .join("; "),
        };
        problem = problem.state(resource.logical.as_str(), seen);
    }
    Some(
        problem
            .why("an update would undo such a change, or fail because of it")
            .hint(
                "change it back, or bring it into the template and the parameters, then plan again",
            ),
    )
}

/// An update that could neither be finished nor taken back: a plan of its own goes on with it.
fn half_taken_back(problem: Problem, stack: &Stack) -> Problem {
    let stuck = Ordeal::of(stack).map(|ordeal| ordeal.stuck());
    stuck
        .unwrap_or_default()
        .iter()
        .fold(problem, |problem, it| problem.cause(format!("stuck: {it}")))
        .why("an earlier update could neither be finished nor taken back")
        .hint("repair what its reason names, then `switchback plan`: it plans how the update is taken back")
}

/// A template whose text is not known.
pub(super) fn unread(stack: &str) -> Problem {
    refused(
        "template-unread",
        format!("the template of stack `{stack}` could not be read"),
        stack,
    )
    .hint("see why: switchback doctor")
}

/// An account in which nothing of the product was recognised.
pub(super) fn no_stacks(product: &Product) -> Problem {
    Problem::new(
        Exit::Refused,
        "no-stacks",
        format!("no stack of {} was recognised in this account and region", product.name),
    )
    .state("stacks", "unchanged")
    .hint("name them, each with its template: [aws.stacks] in switchback.toml, `\"prod-vpc\" = \"1-1-vpc\"`")
    .hint("check `profile`, `role` and `region` under [aws] in switchback.toml")
}

/// A stack that is wanted of a template that there is none of.
pub(super) fn no_such_template(
    (stack, template): (&str, &str),
    product: &Product,
    known: &[&str],
) -> Problem {
    Problem::new(
        Exit::Usage,
        "config-add",
        format!(
            "`{template}` is no template of {}: `{stack}` under [aws.add]",
            product.name
        ),
    )
    .state("stacks", "unchanged")
    .hint(format!("they are called {}", known.join(", ")))
}

/// What a release takes away is in use, and nothing takes it over.
pub(super) fn not_taken_over(
    stack: &str,
    (parameter, off): (&str, &str),
    template: &str,
    order: &Order,
) -> Problem {
    refused(
        "nothing-takes-over",
        format!("`{parameter}` of stack `{stack}` is on, and there is no stack of `{template}`"),
        stack,
    )
    .why(order.because.clone())
    .hint(format!(
        "for each that there shall be: \"NAME-{template}\" = \"{template}\" under [aws.add] in switchback.toml"
    ))
    .hint(format!(
        "or do without: {parameter} = \"{off}\" under [aws.parameters.{stack}]"
    ))
}

/// Migrations that nothing here could run.
pub(super) fn no_runner(version: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "no-migration-stack",
        format!("{version} demands migrations, and no stack here runs any"),
    )
    .state("stacks", "unchanged")
    .hint("name the stack of operations with its template: [aws.stacks] in switchback.toml")
}

/// A stack that would migrate with another image than the release's.
pub(super) fn other_image(stack: &str, image: Option<&str>, version: &str) -> Problem {
    refused(
        "image-not-set",
        format!("stack `{stack}` would not migrate with the image of {version}"),
        stack,
    )
    .state(
        format!("image of {stack}"),
        image.unwrap_or("none was found"),
    )
    .why("a migration of another version may leave the database half way")
    .hint(format!(
        "say its image with the tag {version} under [aws.parameters.{stack}] in switchback.toml"
    ))
}

/// Parameters that somebody has to decide.
pub(super) fn unanswered(stack: &str, template: &str, open: &[Unanswered]) -> Problem {
    let names: Vec<String> = open
        .iter()
        .map(|it| format!("`{}`", it.parameter))
        .collect();
    let mut problem = refused(
        "parameter-undecided",
        format!("nothing decides {} of stack `{stack}`", names.join(", ")),
        stack,
    );
    for it in open {
        let allowed = match it.allowed.is_empty() {
            true => String::new(),
            false => format!(" (allowed: {})", it.allowed.join(", ")),
        };
        problem = problem.cause(format!("{}: {}{allowed}", it.parameter, it.because));
    }
    problem
        .why("a default that nobody has seen is not taken")
        .hint(format!(
            "say it under [aws.parameters.{stack}] in switchback.toml: {} = \"…\"",
            open.first().map_or("NAME", |it| it.parameter.as_str())
        ))
        .hint(format!(
            "what it means is told in the template `{template}`"
        ))
}

/// Data that an update would take away.
pub(super) fn data(stack: &str, dangers: &[&Danger]) -> Option<Problem> {
    let lost: Vec<(&&Danger, StoreKind)> = dangers
        .iter()
        .filter_map(|danger| match danger.what {
            DangerKind::Data(store) => Some((danger, store)),
            _ => None,
        })
        .collect();
    let (first, kind) = lost.first()?;
    let mut problem = refused(
        "data-in-danger",
        format!(
            "the update of stack `{stack}` touches the {} `{}`: {}",
            kind.word(),
            first.logical,
            first.text
        ),
        stack,
    );
    for (danger, kind) in lost.iter().skip(1) {
        problem = problem.cause(format!(
            "also the {} `{}`: {}",
            kind.word(),
            danger.logical,
            danger.text
        ));
    }
    Some(
        match kind {
            StoreKind::Volume => problem
                .why("what happens to a disk that is in a change set cannot be told before: its data may be lost")
                .hint("find out which parameter or part of the template changes it, and keep that as it is")
                .hint("or take a snapshot of the volume and name it in the parameter that makes the volume from one"),
            _ => problem
                .why("another one would take its place, without its data")
                .hint("keep the parameters that cause it as they are")
                .hint("or give the parameter that makes it from a snapshot, under [aws.parameters] in switchback.toml"),
        }
        .hint(format!("or leave this stack out: leave = [\"{stack}\"] under [aws] in switchback.toml")),
    )
}

/// Exports that other stacks use.
pub(super) fn exports(stack: &str, locked: &[LockedExport]) -> Option<Problem> {
    let first = locked.first()?;
    let problem = refused(
        "export-in-use",
        format!(
            "export `{}` of stack `{stack}` is used by {}, and {}",
            first.export,
            first.used_by.join(", "),
            first.text
        ),
        stack,
    );
    Some(
        locked
            .iter()
            .skip(1)
            .fold(problem, |problem, it| {
                problem.cause(format!(
                    "also `{}`, used by {}: {}",
                    it.export,
                    it.used_by.join(", "),
                    it.text
                ))
            })
            .why("CloudFormation refuses to change or remove an export that is in use")
            .hint("update the stacks that use it first, so that they do not any more"),
    )
}

/// A stack that goes, and that somebody protects from that.
pub(super) fn protected(stack: &str, because: &str) -> Problem {
    refused(
        "stack-protected",
        format!("stack `{stack}` goes on the way, and its termination protection is on"),
        stack,
    )
    .why(because)
    .hint(format!(
        "where it shall go: aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {stack}, then plan again"
    ))
    .hint(format!("or leave it as it is: leave = [\"{stack}\"] under [aws] in switchback.toml"))
}

/// Resources that become something else under the same name.
pub(super) fn types(stack: &str, changed: &[String]) -> Option<Problem> {
    let first = changed.first()?;
    Some(
        refused(
            "resource-type-changed",
            format!(
                "the next template of stack `{stack}` makes `{first}` a resource of another type"
            ),
            stack,
        )
        .why("CloudFormation refuses such an update")
        .hint("check that the template is that of this stack"),
    )
}

/// Templates that are needed and were not got.
pub(super) fn templates_missing(missing: &[(String, String)]) -> Option<Problem> {
    let (template, version) = missing.first()?;
    let problem = Problem::new(
        Exit::Refused,
        "template-missing",
        match missing.len() {
            1 => format!("template `{template}` of {version} is not here"),
            count => format!("{count} templates are not here, first `{template}` of {version}"),
        },
    )
    .state("stacks", "unchanged");
    Some(
        missing
            .iter()
            .skip(1)
            .fold(problem, |problem, (template, version)| {
                problem.cause(format!("also `{template}` of {version}"))
            })
            .why("releases on the way change them, each required stop with its own")
            .hint("say where they are: templates = \"…/{version}/{template}.yml\" under [aws] in switchback.toml"),
    )
}

/// A template that was got for one release and is of another.
pub(super) fn other_release(
    (template, version): (&str, &str),
    place: &str,
    (output, told): (&str, &str),
) -> Problem {
    Problem::new(
        Exit::Refused,
        "template-of-another-release",
        format!("the template `{template}` for {version} is of {told}"),
    )
    .cause(format!("`{place}`: its output {output} says {told}"))
    .state("stacks", "unchanged")
    .why("parameters and resources of another release do not fit the images and migrations of this one")
    .hint(format!(
        "put the template of {version} there, or correct `templates` under [aws] in switchback.toml"
    ))
}
