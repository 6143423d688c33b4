//! Certificates that were asked for: one by each machine that was made, which the events of stacks tell.

use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use switchback_model::stack::{Domain, Stack, StackEvent};

use crate::account::Account;
use crate::fault::Fault;
use crate::observe::Wanted;
use crate::stacks::events;

/// They are counted over this time.
const COUNTED: Duration = Duration::from_secs(7 * 24 * 3600);
/// What asks for one.
const MACHINE: &str = "AWS::EC2::Instance";
/// How CloudFormation says that something is made, the first time and in the place of another. From then on a machine
/// starts, whatever becomes of the update.
const MADE: &str = "Resource creation Initiated";
/// How it says beforehand that one takes the place of another.
const ANEW: &str = "creation of a new physical resource";

/// Each domain with the machines that asked for its certificate. The events that were read stay with their stacks.
pub(crate) fn of_domains(
    account: &Account,
    wanted: &Wanted,
    stacks: &mut [Stack],
) -> Result<Vec<Domain>, Fault> {
    if wanted.domains.is_empty() {
        return Ok(Vec::new());
    }
    let since = DateTime::from(SystemTime::now() - COUNTED)
        .fmt(Format::DateTime)
        .unwrap_or_default();
    let mut issued = Vec::new();
    for stack in stacks.iter_mut() {
        if !stack.resources.iter().any(|it| it.kind == MACHINE) {
            continue;
        }
        let old = |event: &StackEvent| event.at < since;
        let all = events::until(account, &stack.id, old)?;
        for (at, logical) in made(&all).into_iter().filter(|(at, _)| *at >= since) {
            issued.push((at, format!("stack {} made {logical}", stack.name)));
        }
        stack.events = all;
    }
    issued.sort();
    let domains = wanted.domains.iter().map(|(name, custom)| Domain {
        name: name.clone(),
        custom: *custom,
        issued: if *custom { Vec::new() } else { issued.clone() },
    });
    Ok(domains.collect())
}

/// When machines were made, and their names in the template; of events that are newest first. One that takes the place of
/// another is never CREATE_COMPLETE: it is an update of its name in the template.
fn made(events: &[StackEvent]) -> Vec<(String, String)> {
    let mut made = Vec::new();
    // Names whose making was announced, and names whose making was counted, until the update of each is over.
    let (mut announced, mut counted) = (Vec::new(), Vec::new());
    for event in events.iter().rev().filter(|event| event.kind == MACHINE) {
        let logical = event.logical.as_str();
        let reason = event.reason.as_deref().unwrap_or_default();
        if reason.contains(ANEW) {
            announced.push(logical);
        } else if reason.contains(MADE) {
            counted.push(logical);
            made.push((event.at.clone(), logical.to_owned()));
        } else if !event.status.ends_with("_IN_PROGRESS") {
            let is_made = event.status == "CREATE_COMPLETE"
                || (event.status == "UPDATE_COMPLETE" && announced.contains(&logical));
            if is_made && !counted.contains(&logical) {
                made.push((event.at.clone(), logical.to_owned()));
            }
            announced.retain(|it| *it != logical);
            counted.retain(|it| *it != logical);
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newest first, as they are told: minute, name, status, reason.
    fn made_by(told: &[(u32, &str, &str, &str)]) -> Vec<String> {
        let events: Vec<StackEvent> = told
            .iter()
            .map(|(minute, logical, status, reason)| StackEvent {
                at: format!("2026-11-20T10:{minute:02}:00Z"),
                logical: (*logical).to_owned(),
                kind: match *logical {
                    "Role" => "AWS::IAM::Role",
                    _ => MACHINE,
                }
                .to_owned(),
                status: (*status).to_owned(),
                reason: (!reason.is_empty()).then(|| (*reason).to_owned()),
                token: None,
            })
            .collect();
        let made = made(&events).into_iter();
        made.map(|(at, logical)| format!("{logical} {}", &at[14..16]))
            .collect()
    }

    const ANEW_SAID: &str =
        "Requested update requires the creation of a new physical resource; hence creating one.";

    /// The order and the words are those of CloudFormation, which says CREATE_COMPLETE of no machine that takes the
    /// place of another.
    #[test]
    fn a_machine_that_takes_the_place_of_another_counts_like_the_first_one() {
        let told = [
            (19, "Instance", "DELETE_COMPLETE", ""),
            (18, "Instance", "DELETE_IN_PROGRESS", ""),
            (17, "Instance", "UPDATE_COMPLETE", ""),
            (15, "Instance", "UPDATE_IN_PROGRESS", MADE),
            (14, "Instance", "UPDATE_IN_PROGRESS", ANEW_SAID),
            (3, "Instance", "CREATE_COMPLETE", ""),
            (2, "Instance", "CREATE_IN_PROGRESS", MADE),
            (1, "Instance", "CREATE_IN_PROGRESS", ""),
        ];
        assert_eq!(made_by(&told), ["Instance 02", "Instance 15"]);
    }

    #[test]
    fn one_that_was_started_and_taken_back_has_asked_as_well_and_one_that_stays_has_not() {
        let taken_back = [
            (9, "Instance", "UPDATE_COMPLETE", ""),
            (8, "Instance", "UPDATE_IN_PROGRESS", ""),
            (6, "Instance", "UPDATE_FAILED", "it does not become well"),
            (5, "Instance", "UPDATE_IN_PROGRESS", MADE),
            (4, "Instance", "UPDATE_IN_PROGRESS", ANEW_SAID),
            (2, "Role", "CREATE_COMPLETE", ""),
            (1, "Role", "CREATE_IN_PROGRESS", MADE),
        ];
        assert_eq!(made_by(&taken_back), ["Instance 05"]);
    }

    #[test]
    fn where_no_reason_is_given_the_end_counts() {
        let told = [
            (9, "Instance", "UPDATE_COMPLETE", ""),
            (8, "Instance", "UPDATE_IN_PROGRESS", ANEW_SAID),
            (3, "Instance", "CREATE_COMPLETE", ""),
            (1, "Instance", "CREATE_IN_PROGRESS", ""),
        ];
        assert_eq!(made_by(&told), ["Instance 03", "Instance 09"]);
    }
}
