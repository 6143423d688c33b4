//! Stacks that an update left half way: the provider could neither finish it nor take it back. What failed and why, what
//! is kept before anything is tried again, and what the operator gives up by name.
//!
//! ```text
//! events ─► what failed, what is stuck ─► snapshots of what the update touched ─► take back, nothing left out
//!                                                      still stuck, and said by name ─► take back without it ─► a look at it
//! ```

use std::collections::BTreeMap;

use switchback_model::config::AwsConfig;
use switchback_model::observed::Deployment;
use switchback_model::plan::{
    Act, Check, Expectation, FORMAT, Forecast, Notice, Origin, Plan, Purpose, Stage, StageKind,
    Step, WayBack,
};
use switchback_model::problem::Citation;
use switchback_model::product::{NoticeKind, Product};
use switchback_model::stack::{Cloud, HalfWay, KeepBy, Ordeal, Stack, Store, StoreKind, Stuck};
use switchback_model::{PlanId, Problem, RunId, Version};

use super::recognise::recognise;
use super::refusals::skipping;
use crate::draft::Draft;

/// What a recovery is planned from.
#[derive(Clone, Copy, Debug)]
pub struct RecoveryInput<'a> {
    /// The definition.
    pub product: &'a Product,
    /// What the operator says.
    pub config: &'a AwsConfig,
    /// Which deployment this is.
    pub deployment: &'a Deployment,
    /// What was found.
    pub cloud: &'a Cloud,
    /// The version that runs, as far as that can be told.
    pub version: &'a Version,
    /// What the operator gives up, each `STACK/RESOURCE`.
    pub skip: &'a [String],
    /// The run that met it and waits for it.
    pub run: Option<&'a RunId>,
    /// The deployment's last run.
    pub parent: Option<&'a RunId>,
}

/// One stack that is half way back, with what is known of it.
struct Half<'a> {
    stack: &'a Stack,
    ordeal: Ordeal<'a>,
    stuck: Vec<Stuck>,
    skip: Vec<String>,
}

/// The plan that brings every stack of the deployment to rest; nothing where none is half way.
pub fn recovery(input: &RecoveryInput<'_>) -> Result<Option<Plan>, Problem> {
    let mut halves: Vec<Half<'_>> = input
        .cloud
        .stacks
        .values()
        .filter(|stack| !input.config.leave.contains(&stack.name))
        .filter(|stack| recognise(input.product, input.config, stack).is_some())
        .filter_map(|stack| {
            let ordeal = Ordeal::of(stack)?;
            Some(Half {
                stack,
                ordeal,
                stuck: ordeal.stuck(),
                skip: Vec::new(),
            })
        })
        .collect();
    for said in input.skip {
        give_up(&mut halves, said)?;
    }
    if halves.is_empty() {
        return Ok(None);
    }
    let steps = Composer { next: 0 }.steps(input.cloud, &halves);
    Ok(Some(plan(input, &halves, steps).seal()))
}

/// Leaves out what the operator names: only what is stuck, and only once it was tried without.
fn give_up(halves: &mut [Half<'_>], said: &str) -> Result<(), Problem> {
    let named = said.split_once('/');
    let half = named.and_then(|(stack, logical)| {
        let half = halves.iter_mut().find(|half| half.stack.name == stack)?;
        Some((half, logical))
    });
    let Some((half, logical)) = half else {
        let here: Vec<&str> = halves.iter().map(|it| it.stack.name.as_str()).collect();
        return Err(skipping::unknown(said, &here));
    };
    if !half.stuck.iter().any(|it| it.logical == logical) {
        return Err(skipping::not_stuck(half.stack, logical, &half.stuck));
    }
    if half.ordeal.tries() < 2 {
        return Err(skipping::untried(half.stack, logical));
    }
    if !half.skip.iter().any(|it| it == logical) {
        half.skip.push(logical.to_owned());
        half.skip.sort();
    }
    Ok(())
}

fn plan(input: &RecoveryInput<'_>, halves: &[Half<'_>], steps: Vec<Step>) -> Plan {
    let product = input.product;
    let mut notices: Vec<Notice> = halves.iter().flat_map(|it| it.notices(input)).collect();
    notices.sort_by_key(|notice| notice.accept.is_none());
    Plan {
        format: FORMAT,
        id: PlanId::new(""),
        purpose: Purpose::Recovery {
            run: input.run.cloned(),
        },
        parent: input.parent.cloned(),
        deployment: input.deployment.clone(),
        account: Some(input.cloud.account.clone()),
        product: product.id.clone(),
        product_name: product.name.clone(),
        edition: None,
        definition: product.digest.clone(),
        from: input.version.clone(),
        to: input.version.clone(),
        because: halves.iter().flat_map(Half::because).collect(),
        notices,
        procedures: Vec::new(),
        origin: Origin::default(),
        datastores: BTreeMap::new(),
        stages: vec![Stage {
            kind: StageKind::Recovery {
                to: input.version.clone(),
            },
            required_by: Vec::new(),
            round: 1,
            steps,
        }],
        forecast: Forecast {
            downtime_seconds: None,
            downtime_because:
                "what the update had changed is changed back; users notice of it what they noticed then"
                    .to_owned(),
            ..Forecast::default()
        },
        advice: product.advice.clone(),
        secrets: product.secrets.clone(),
    }
}

impl Half<'_> {
    /// What failed, in the provider's own words.
    fn because(&self) -> Vec<Citation> {
        let name = &self.stack.name;
        let source = format!("events of {name}");
        let citation = |id: &str, text: String| Citation {
            id: id.to_owned(),
            text,
            source: source.clone(),
        };
        let mut because = Vec::new();
        if let Some(cause) = self.ordeal.cause() {
            let reason = cause.reason.as_deref().unwrap_or("no reason was given");
            because.push(citation(
                "update-failed",
                format!(
                    "the update of stack `{name}` failed at `{}` ({}): {reason}",
                    cause.logical, cause.kind
                ),
            ));
        }
        let stuck = self.stuck.iter().map(|it| {
            let text = format!("it could not be taken back at {it}");
            citation("half-way", text)
        });
        because.extend(stuck);
        because
    }

    fn notices(&self, input: &RecoveryInput<'_>) -> Vec<Notice> {
        let stack = &self.stack.name;
        let notice =
            |id: String, text: String, found: Option<String>, accept: Option<String>| Notice {
                id,
                kind: NoticeKind::OneWay,
                version: input.version.clone(),
                text,
                found,
                source: format!("events of {stack}"),
                accept,
            };
        let mut notices = Vec::new();
        for logical in self.ordeal.touched() {
            let kind = self.kind_of(logical);
            if let Some(store) = kind.and_then(StoreKind::of)
                && self.ordeal.made_anew(logical)
                && !self.skip.iter().any(|it| it == logical)
            {
                let id = format!("made-anew-{stack}-{logical}");
                let text = format!(
                    "The update made the {} `{logical}` of stack `{stack}` anew: going back takes the new one away, with what was written to it since.",
                    store.word()
                );
                notices.push(notice(id, text, None, Some("data-loss".to_owned())));
            }
        }
        let skipped = self
            .stuck
            .iter()
            .filter(|it| self.skip.contains(&it.logical));
        for it in skipped {
            let (id, text) = self.left_out(it);
            let found = Some(it.to_string());
            notices.push(notice(id.clone(), text, found, Some(id)));
        }
        for it in self
            .stuck
            .iter()
            .filter(|it| !self.skip.contains(&it.logical))
        {
            let kept = StoreKind::of(&it.kind).filter(|kind| !kind.can_be_snapshotted());
            if let Some(kind) = kept {
                let id = format!("not-kept-{stack}-{}", it.logical);
                let text = format!(
                    "The {} `{}` of stack `{stack}` is stuck, and nothing takes a snapshot of one.",
                    kind.word(),
                    it.logical
                );
                notices.push(notice(id, text, None, None));
            }
        }
        notices
    }

    /// What it means to give a resource up, and the word for it.
    fn left_out(&self, it: &Stuck) -> (String, String) {
        let (stack, logical) = (&self.stack.name, &it.logical);
        let after = "CloudFormation takes it for what the template of before says from then on, whatever it is: it is compared in the end, and yours to bring there.";
        match StoreKind::of(&it.kind) {
            Some(kind) => (
                format!("skip-data-{stack}-{logical}"),
                format!(
                    "The {} `{logical}` of stack `{stack}` holds data, and is left as it is now, half way. {after}",
                    kind.word()
                ),
            ),
            None => (
                format!("skip-{stack}-{logical}"),
                format!("`{logical}` of stack `{stack}` is left as it is now, half way. {after}"),
            ),
        }
    }

    fn kind_of(&self, logical: &str) -> Option<&str> {
        let of_events = self.stack.events.iter().find(|it| it.logical == logical);
        of_events.map(|event| event.kind.as_str())
    }

    /// True where going back may change what the store is: the update touched it, or nothing tells what it touched.
    fn may_change(&self, store: &Store) -> bool {
        let touched = self.ordeal.touched();
        store.stack == self.stack.name
            && store.kind.can_be_snapshotted()
            && (touched.is_empty() || touched.contains(&store.logical.as_str()))
    }
}

/// Counts steps.
struct Composer {
    next: u32,
}

impl Composer {
    fn steps(mut self, cloud: &Cloud, halves: &[Half<'_>]) -> Vec<Step> {
        let mut steps = Vec::new();
        for half in halves {
            let stores = cloud.stores.iter().filter(|store| half.may_change(store));
            for store in stores {
                steps.push(self.keep(store));
            }
        }
        steps.extend(halves.iter().map(|half| self.take_back(half)));
        let left: Vec<Check> = halves
            .iter()
            .filter(|half| !half.skip.is_empty())
            .map(|half| Check::AsTemplate {
                stack: half.stack.name.clone(),
                logical: half.skip.clone(),
            })
            .collect();
        if !left.is_empty() {
            let because = "what was left out is compared with the template of before";
            let way_back = WayBack::None {
                because: "it only looks".to_owned(),
            };
            let draft = Draft {
                because: Some(because.to_owned()),
                ..Draft::new(Act::Verify { checks: left })
            };
            steps.push(self.step(draft, way_back));
        }
        steps
    }

    fn keep(&mut self, store: &Store) -> Step {
        let because = format!("the {} as it is, half way", store.kind.word());
        let draft = Draft {
            after: vec![Expectation::Snapshotted {
                stack: store.stack.clone(),
                logical: store.logical.clone(),
            }],
            because: Some(because),
            ..Draft::new(Act::Snapshot {
                store: store.clone(),
                by: KeepBy::Snapshot,
            })
        };
        self.step(draft, WayBack::NotNeeded)
    }

    fn take_back(&mut self, half: &Half<'_>) -> Step {
        let (stack, id) = (half.stack.name.clone(), half.stack.id.clone());
        let update = HalfWay {
            stack: stack.clone(),
            id: id.clone(),
            stuck: half.stuck.clone(),
            skip: half.skip.clone(),
        };
        let because = match half.skip.as_slice() {
            [] => "nothing is left out: what was stuck is tried once more",
            _ => "it was tried with everything before, and is stuck",
        };
        let draft = Draft {
            before: vec![Expectation::HalfWay {
                stack: stack.clone(),
                id: id.clone(),
                stuck: update.names().into_iter().map(str::to_owned).collect(),
            }],
            after: vec![Expectation::TakenBack { stack, id }],
            because: Some(because.to_owned()),
            ..Draft::new(Act::TakeBack { update })
        };
        let way_back = WayBack::None {
            because: "it is the way back of an update".to_owned(),
        };
        self.step(draft, way_back)
    }

    fn step(&mut self, draft: Draft, way_back: WayBack) -> Step {
        self.next += 1;
        draft.at(self.next, way_back, false)
    }
}
