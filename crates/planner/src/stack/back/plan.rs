//! The way back of stacks as a plan.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::config::{AwsConfig, AwsRefresh};
use switchback_model::plan::{
    Act, FORMAT, Forecast, Notice, Origin, Plan, Purpose, Stage, StageKind, Step,
};
use switchback_model::product::NoticeKind;
use switchback_model::stack::{Account, KeepBy, RenewBy, Store};
use switchback_model::{PlanId, Problem};

use super::history::History;
use super::input::BackInput;
use super::problems;
use super::stores::Stores;
use super::stretch::Stretch;
use super::walk::Walk;
use crate::build::Planned;
use crate::path::Query;
use crate::rollback::{of_a_recovery, of_a_way_back};
use crate::stack::composer::{Composer, Direction};
use crate::stack::input::Input;

/// Plans the way back from what the journal proves and what is there now, or says why there is none.
///
/// It leads to the version that ran last and was looked at: where the run began, or the last stop at which the
/// product ran. Stacks are taken back where they show what the run did; an update that did not happen, or that
/// CloudFormation took back by itself, needs nothing. A store comes back where a migration was begun that may
/// change it.
pub fn way_back(input: &BackInput<'_>) -> Result<Planned, Problem> {
    let (plan, run) = (input.plan, &input.proven.run);
    match plan.purpose {
        Purpose::Upgrade => {}
        Purpose::Recovery { .. } => return Err(of_a_recovery(run)),
        _ => return Err(of_a_way_back(run)),
    }
    require_account(input)?;
    let stretch =
        Stretch::of(plan, input.proven).ok_or_else(|| problems::nothing(run, &plan.from))?;
    let config = renewing(input.config, &stretch);
    let forth = Input {
        product: input.product,
        config: &config,
        url: input.url,
        query: &Query::new(stretch.reached.as_str(), stretch.base.as_str()),
        deployment: &plan.deployment,
        cloud: input.cloud,
        templates: input.templates,
        offered: &BTreeMap::new(),
        change_sets: input.change_sets,
        parent: None,
    };
    let composer = Composer::new(&forth, Direction::Back)?;
    let stores = Stores::of(&composer, &stretch, input.snapshots, run)?;
    let staying = stores.staying.clone();
    let mut walk = Walk {
        input,
        composer,
        histories: History::of(&stretch)?,
        stores,
        base: stretch.base.clone(),
        ended: stretch
            .begun()
            .filter_map(|(_, step)| ended(step))
            .collect(),
        by_hand: Vec::new(),
        restored: Vec::new(),
        unmade: Vec::new(),
        left: Vec::new(),
    };
    let mut steps = walk.steps(&stretch)?;
    if steps.is_empty() {
        // The run would stay open for ever if nobody looked.
        walk.composer.note(format!(
            "nothing is left to take back of `{run}`: a look tells whether {} runs, and ends it",
            stretch.base
        ));
    }
    steps.extend(walk.rewind(&stretch));
    steps.push(walk.composer.look(stretch.base));
    let mut notices = lost(&walk, &stretch);
    notices.extend(stays(&staying, &walk, &stretch));
    notices.extend(unmade(&walk, &stretch));
    notices.extend(left(&walk, &stretch));
    let by_hand = walk.by_hand.iter();
    notices.extend(by_hand.map(|it| it.notice(run, stretch.reached, stretch.base)));
    notices.append(&mut walk.composer.notices);
    notices.sort_by_key(|notice| notice.accept.is_none());
    Ok(Planned {
        plan: sealed(&walk, &stretch, notices, steps),
        notes: walk.composer.notes,
    })
}

/// Refuses where the account that is asked is not the one that the run changed.
fn require_account(input: &BackInput<'_>) -> Result<(), Problem> {
    let found = &input.cloud.account;
    let key = |account: &Account| {
        let Account {
            id,
            region,
            partition,
            ..
        } = account;
        (id.clone(), region.clone(), partition.clone())
    };
    match &input.plan.account {
        Some(planned) if key(planned) != key(found) => {
            let run = &input.proven.run;
            Err(problems::of_another_account(run, planned, found))
        }
        _ => Ok(()),
    }
}

/// The plan of these steps.
fn sealed(
    walk: &Walk<'_, '_>,
    stretch: &Stretch<'_>,
    notices: Vec<Notice>,
    steps: Vec<Step>,
) -> Plan {
    let (plan, run) = (walk.input.plan, &walk.input.proven.run);
    let by_hand = walk.by_hand.iter();
    Plan {
        format: FORMAT,
        id: PlanId::new(""),
        purpose: Purpose::Rollback { run: run.clone() },
        parent: Some(run.clone()),
        deployment: plan.deployment.clone(),
        account: Some(walk.input.cloud.account.clone()),
        product: plan.product.clone(),
        product_name: plan.product_name.clone(),
        edition: plan.edition.clone(),
        definition: plan.definition.clone(),
        from: stretch.reached.clone(),
        to: stretch.base.clone(),
        because: Vec::new(),
        notices,
        procedures: by_hand.map(|it| it.procedure(run)).collect(),
        origin: Origin::default(),
        datastores: BTreeMap::new(),
        stages: vec![Stage {
            kind: StageKind::Return {
                to: stretch.base.clone(),
            },
            required_by: Vec::new(),
            round: 1,
            steps,
        }],
        forecast: forecast(walk),
        advice: plan.advice.clone(),
        secrets: plan.secrets.clone(),
    }
    .seal()
}

/// Machines that the run replaced are replaced on the way back as well.
fn renewing(config: &AwsConfig, stretch: &Stretch<'_>) -> AwsConfig {
    let mut config = config.clone();
    let mut renew: BTreeSet<String> = config.renew.drain(..).collect();
    renew.extend(stretch.begun().filter_map(|(_, step)| match &step.act {
        Act::Renew { group, .. } => Some(group.stack.clone()),
        _ => None,
    }));
    for (_, step) in stretch.begun() {
        if let Act::Renew {
            group,
            by: RenewBy::Refresh { healthy, warm_up },
        } = &step.act
        {
            let refresh = AwsRefresh {
                healthy: *healthy,
                warm_up: *warm_up,
            };
            config.refresh.entry(group.stack.clone()).or_insert(refresh);
        }
    }
    config.renew = renew.into_iter().collect();
    config
}

fn lost(walk: &Walk<'_, '_>, stretch: &Stretch<'_>) -> Vec<Notice> {
    if walk.restored.is_empty() {
        return Vec::new();
    }
    let names = listed(walk.restored.iter().map(|snapshot| &snapshot.store));
    let kept = match walk.restored.iter().any(|it| it.by == KeepBy::Mark) {
        true => "snapshots and marks",
        false => "snapshots",
    };
    let found: Vec<String> = walk
        .restored
        .iter()
        .filter_map(|snapshot| {
            let at = snapshot.at.as_ref()?;
            Some(format!("{} at {at}", snapshot.store.logical))
        })
        .collect();
    let id = "data-loss".to_owned();
    vec![Notice {
        kind: NoticeKind::OneWay,
        version: stretch.base.clone(),
        text: format!(
            "What was written since their {kept} were taken is lost: {names} come back as they were then."
        ),
        found: (!found.is_empty()).then(|| format!("taken: {}", found.join(", "))),
        source: format!("journal of {}", walk.input.proven.run),
        accept: Some(id.clone()),
        id,
    }]
}

/// What does not come back, because nothing that the version before would not know was done to it.
fn stays(staying: &[&Store], walk: &Walk<'_, '_>, stretch: &Stretch<'_>) -> Option<Notice> {
    (!staying.is_empty()).then(|| Notice {
        id: "data-stays".to_owned(),
        kind: NoticeKind::Behaviour,
        version: stretch.base.clone(),
        text: format!(
            "No migration of the run changed {}: what was written there stays.",
            listed(staying.iter().copied())
        ),
        found: None,
        source: format!("journal of {}", walk.input.proven.run),
        accept: None,
    })
}

/// Stacks that the run made, and that go with all that was written to them.
fn unmade<'w>(
    walk: &'w Walk<'_, '_>,
    stretch: &'w Stretch<'_>,
) -> impl Iterator<Item = Notice> + use<'w> {
    walk.unmade.iter().map(|stack| {
        let id = format!("removed-{stack}");
        Notice {
            kind: NoticeKind::OneWay,
            version: stretch.base.clone(),
            text: format!("Stack `{stack}`, which the run made, is removed with what is in it."),
            found: None,
            source: format!("journal of {}", walk.input.proven.run),
            accept: Some(id.clone()),
            id,
        }
    })
}

/// Stacks that are not taken back, because that version's template cannot take the place of a later one.
fn left<'w>(
    walk: &'w Walk<'_, '_>,
    stretch: &'w Stretch<'_>,
) -> impl Iterator<Item = Notice> + use<'w> {
    walk.left.iter().map(|(stack, order)| {
        let id = format!("left-{stack}");
        Notice {
            kind: NoticeKind::OneWay,
            version: stretch.base.clone(),
            text: format!(
                "Stack `{stack}` stays as {} left it: {}.",
                stretch.reached, order.because
            ),
            found: None,
            source: order.source.clone(),
            accept: Some(id.clone()),
            id,
        }
    })
}

/// The stack whose machine a step ends.
fn ended(step: &Step) -> Option<&str> {
    match &step.act {
        Act::Terminate { machine } => Some(&machine.stack),
        _ => None,
    }
}

fn listed<'s>(stores: impl Iterator<Item = &'s Store>) -> String {
    let names: Vec<String> = stores.map(Store::to_string).collect();
    names.join(", ")
}

fn forecast(walk: &Walk<'_, '_>) -> Forecast {
    let because = match (walk.restored.is_empty(), walk.input.config.kind.driver()) {
        (false, _) => {
            "a store that comes back from its snapshot is away while it is made anew: minutes to hours, as large as it is"
        }
        (true, "ami") => "the machine is replaced, and serves again once it has started",
        (true, _) => "containers are replaced while others serve; no data is touched",
    };
    Forecast {
        downtime_seconds: None,
        downtime_because: because.to_owned(),
        ..Forecast::default()
    }
}
