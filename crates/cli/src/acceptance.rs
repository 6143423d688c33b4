//! What an operator accepts with a plan, and the command that says so.

use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::plan::{Plan, Purpose};
use switchback_model::problem::Citation;

use crate::failure::Failed;

/// Known before anything is looked at, so refused before the question.
pub(crate) fn refuse_unaccepted(plan: &Plan, accepted: &[String]) -> Result<(), Failed> {
    let missing: Vec<_> = plan
        .notices
        .iter()
        .filter(|notice| {
            notice
                .accept
                .as_ref()
                .is_some_and(|word| !accepted.contains(word))
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let words: Vec<&str> = missing
        .iter()
        .filter_map(|notice| notice.accept.as_deref())
        .collect();
    let mut all: Vec<String> = accepted.to_vec();
    all.extend(words.iter().map(|word| (*word).to_owned()));
    let problem = Problem::new(
        Exit::Refused,
        "not-accepted",
        format!(
            "plan `{}` asks for acceptance: {}",
            plan.id,
            words.join(", ")
        ),
    )
    .state("deployment", "not touched")
    .hint(format!("when you accept that: `{}`", again(plan, &all)));
    Err(missing
        .into_iter()
        .fold(problem, |problem, notice| {
            let found = notice
                .found
                .as_ref()
                .map_or_else(String::new, |found| format!(" ({found})"));
            problem.fact(Citation {
                id: notice.id.clone(),
                text: format!("{}{found}", notice.text.trim_end_matches('.')),
                source: notice.source.clone(),
            })
        })
        .into())
}

/// The command that begins or goes on with this.
pub(crate) fn again(plan: &Plan, accepted: &[String]) -> String {
    let command = match &plan.purpose {
        Purpose::Upgrade | Purpose::RollOver(_) | Purpose::Recovery { .. } => {
            format!("switchback apply {}", plan.id)
        }
        // Planned anew from what the journal says then.
        Purpose::Rollback { run } => format!("switchback rollback {run}"),
        Purpose::Rehearsal { of } => format!("switchback rehearse {of}"),
    };
    accepted.iter().fold(command, |command, word| {
        format!("{command} --accept {word}")
    })
}
