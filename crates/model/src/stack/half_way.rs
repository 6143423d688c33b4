//! A way back of the provider's own that stopped half way: neither what was nor what was wanted.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::cloud::{Stack, StackEvent};

/// The status of a stack whose update could neither be finished nor taken back.
const HALF_WAY: &str = "UPDATE_ROLLBACK_FAILED";
/// How a provider says that a resource was given up because of another one: it did not fail by itself.
const CANCELLED: &str = "cancelled";
/// How a provider says that an update makes a resource anew.
const ANEW: &str = "creation of a new physical resource";

/// A stack that is half way back, and how it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HalfWay {
    /// The stack's name.
    pub stack: String,
    /// Its ARN.
    pub id: String,
    /// What could not be brought back, by name.
    pub stuck: Vec<Stuck>,
    /// Names of those that are left as they are, because the operator said so of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<String>,
}

/// A resource that could not be brought back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// Its name in the template.
    pub logical: String,
    /// Its type.
    pub kind: String,
    /// Why, as the provider says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl HalfWay {
    /// What everything stuck is called, in order.
    pub fn names(&self) -> Vec<&str> {
        self.stuck.iter().map(|it| it.logical.as_str()).collect()
    }
}

/// `prod-5-2-ecs-ops, leaving out Service`.
impl fmt::Display for HalfWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stack)?;
        match self.skip.as_slice() {
            [] => Ok(()),
            skip => write!(f, ", leaving out {}", skip.join(", ")),
        }
    }
}

/// `Service` (AWS::ECS::Service): reason.
impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason.as_deref().unwrap_or("no reason was given");
        write!(f, "`{}` ({}): {reason}", self.logical, self.kind)
    }
}

/// What events tell of an update that is half way back, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Ordeal<'a> {
    stack: &'a Stack,
    /// Since the update began.
    events: &'a [StackEvent],
}

impl<'a> Ordeal<'a> {
    /// Of a stack that is half way back; `None` of any other.
    pub fn of(stack: &'a Stack) -> Option<Self> {
        if stack.status.as_str() != HALF_WAY {
            return None;
        }
        let began =
            |event: &StackEvent| is_of(event, stack) && event.status == "UPDATE_IN_PROGRESS";
        let since = stack.events.iter().position(began);
        let events = &stack.events[..since.map_or(stack.events.len(), |at| at + 1)];
        Some(Self { stack, events })
    }

    /// What the provider could not bring back when it tried last, by name.
    pub fn stuck(&self) -> Vec<Stuck> {
        let tried = |event: &StackEvent| {
            is_of(event, self.stack) && event.status == "UPDATE_ROLLBACK_IN_PROGRESS"
        };
        let since = self.events.iter().position(tried);
        let last = &self.events[..since.unwrap_or(self.events.len())];
        let mut known: Vec<&str> = Vec::new();
        let mut stuck = Vec::new();
        for event in last.iter().filter(|event| !is_of(event, self.stack)) {
            if known.contains(&event.logical.as_str()) {
                continue;
            }
            known.push(&event.logical);
            if failed_by_itself(event) {
                stuck.push(Stuck {
                    logical: event.logical.clone(),
                    kind: event.kind.clone(),
                    reason: event.reason.clone().filter(|reason| !reason.is_empty()),
                });
            }
        }
        if stuck.is_empty() {
            // Events of long ago are not kept; the resources themselves may still tell.
            let resources = self.stack.resources.iter();
            let failed = resources.filter(|it| it.status.ends_with("_FAILED"));
            stuck.extend(failed.map(|it| Stuck {
                logical: it.logical.clone(),
                kind: it.kind.clone(),
                reason: None,
            }));
        }
        stuck.sort_by(|one, other| one.logical.cmp(&other.logical));
        stuck
    }

    /// What the update itself failed at, before anything was taken back.
    pub fn cause(&self) -> Option<&'a StackEvent> {
        let back = |event: &StackEvent| {
            is_of(event, self.stack) && event.status == "UPDATE_ROLLBACK_IN_PROGRESS"
        };
        let update = self.events.iter().rev().take_while(|event| !back(event));
        update
            .filter(|event| !is_of(event, self.stack))
            .find(|event| failed_by_itself(event))
    }

    /// How often the provider gave the way back up.
    pub fn tries(&self) -> usize {
        let gave_up = |event: &&StackEvent| is_of(event, self.stack) && event.status == HALF_WAY;
        self.events.iter().filter(gave_up).count()
    }

    /// Whether the update made the resource anew: going back takes the new one away.
    pub fn made_anew(&self, logical: &str) -> bool {
        let says = |event: &StackEvent| event.reason.as_deref().is_some_and(|it| it.contains(ANEW));
        let mut events = self.events.iter();
        events.any(|event| event.logical == logical && says(event))
    }

    /// Names of what the update changed or made, each once.
    pub fn touched(&self) -> Vec<&'a str> {
        let resources = self.events.iter().filter(|event| !is_of(event, self.stack));
        let mut names: Vec<&str> = resources.map(|event| event.logical.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn is_of(event: &StackEvent, stack: &Stack) -> bool {
    event.kind == "AWS::CloudFormation::Stack" && event.logical == stack.name
}

fn failed_by_itself(event: &StackEvent) -> bool {
    let reason = event.reason.as_deref().unwrap_or_default().to_lowercase();
    event.status.ends_with("_FAILED") && !reason.contains(CANCELLED)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::stack::{Drift, StackStatus, body_digest};

    /// A stack with these events, oldest first: resource (none for the stack itself), status, reason.
    fn stack(events: &[(&str, &str, &str)]) -> Stack {
        let event = |(logical, status, reason): &(&str, &str, &str)| StackEvent {
            at: String::new(),
            logical: if logical.is_empty() { "s" } else { logical }.to_owned(),
            kind: if logical.is_empty() {
                "AWS::CloudFormation::Stack"
            } else {
                "AWS::EC2::Volume"
            }
            .to_owned(),
            status: (*status).to_owned(),
            reason: Some((*reason).to_owned()),
            token: None,
        };
        Stack {
            name: "s".to_owned(),
            id: "arn".to_owned(),
            template: None,
            status: StackStatus::new(HALF_WAY),
            reason: None,
            parameters: BTreeMap::new(),
            outputs: BTreeMap::new(),
            imports: Vec::new(),
            body: body_digest(""),
            resources: Vec::new(),
            capabilities: Vec::new(),
            tags: BTreeMap::new(),
            protected: false,
            drift: Drift::Unknown,
            events: events.iter().rev().map(event).collect(),
        }
    }

    const TWICE: [(&str, &str, &str); 13] = [
        ("Old", "UPDATE_FAILED", "of an update long ago"),
        ("", "UPDATE_ROLLBACK_FAILED", "long ago"),
        ("", "UPDATE_IN_PROGRESS", "User Initiated"),
        (
            "Volume",
            "UPDATE_IN_PROGRESS",
            "Requested update requires the creation of a new physical resource; hence creating one.",
        ),
        ("Service", "UPDATE_FAILED", "Resource update cancelled"),
        ("Volume", "CREATE_FAILED", "no room"),
        ("", "UPDATE_ROLLBACK_IN_PROGRESS", "failed: [Volume]"),
        ("Volume", "UPDATE_FAILED", "in use"),
        ("Group", "UPDATE_FAILED", "gone"),
        ("", "UPDATE_ROLLBACK_FAILED", "failed: [Group, Volume]"),
        ("", "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated"),
        ("Volume", "UPDATE_FAILED", "still in use"),
        ("", "UPDATE_ROLLBACK_FAILED", "failed: [Volume]"),
    ];

    #[test]
    fn what_is_stuck_is_what_the_last_try_could_not_bring_back() {
        let whole = stack(&TWICE);
        let ordeal = Ordeal::of(&whole).expect("half way");
        let stuck: Vec<String> = ordeal.stuck().iter().map(Stuck::to_string).collect();
        assert_eq!(stuck, ["`Volume` (AWS::EC2::Volume): still in use"]);
        assert_eq!(ordeal.tries(), 2, "that of long ago is none of them");
        let cause = ordeal.cause().and_then(|event| event.reason.as_deref());
        assert_eq!(cause, Some("no room"), "who was cancelled is no cause");
        assert!(ordeal.made_anew("Volume") && !ordeal.made_anew("Service"));
        assert_eq!(ordeal.touched(), ["Group", "Service", "Volume"]);

        let once = stack(&TWICE[..10]);
        let ordeal = Ordeal::of(&once).expect("half way");
        let stuck: Vec<String> = ordeal.stuck().into_iter().map(|it| it.logical).collect();
        assert_eq!(stuck, ["Group", "Volume"]);
        assert_eq!(ordeal.tries(), 1);
    }

    #[test]
    fn a_stack_at_rest_is_not_half_way() {
        let mut steady = stack(&TWICE);
        steady.status = StackStatus::new("UPDATE_ROLLBACK_COMPLETE");
        assert!(Ordeal::of(&steady).is_none());
    }
}
