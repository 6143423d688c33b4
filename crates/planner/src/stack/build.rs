//! All rounds become one plan.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::plan::{
    Act, Expectation, FORMAT, Forecast, Notice, Origin, Plan, Procedure, Purpose, Stage, StageKind,
};
use switchback_model::problem::Citation;
use switchback_model::product::ProcedureKind;
use switchback_model::stack::Expression;
use switchback_model::{PlanId, Problem, Version};

use super::composer::{Composer, Direction};
use super::input::Input;
use super::marks;
use super::recognise::recognise;
use super::refusals;
use super::review::Reviews;
use super::rounds::{Round, needed, rounds};
use crate::build::Planned;
use crate::path::{Path, Query};

/// Makes the plan, or says why there is none. A pure function: equal inputs, equal bytes.
pub fn build(input: &Input<'_>) -> Result<Planned, Problem> {
    build_reviewed(input).map(|(planned, _)| planned)
}

/// As [`build`], with what it saw of each update.
pub fn build_reviewed(input: &Input<'_>) -> Result<(Planned, Reviews), Problem> {
    let query = answered(input);
    let input = Input {
        query: &query,
        ..*input
    };
    let (path, rounds) = rounds(input.product, &query)?;
    if path.is_nothing() {
        return Err(refusals::nothing_to_do(&path.to));
    }
    let mut composer = Composer::new(&input, Direction::Forth)?;
    missing(&input, &rounds)?;
    of_their_releases(&input)?;
    let mut stages = stages(&mut composer, &rounds)?;
    begin_as_found(&mut stages);
    composer.never_made();
    let kept = marks::choose(&composer, &mut stages);
    for text in marks::unheard(&composer) {
        composer.warn(text);
    }
    for remark in &path.remarks {
        composer.note(remark.clone());
    }
    let mut notices = std::mem::take(&mut composer.notices);
    notices.extend(kept);
    notices.extend(path_notices(&path));
    notices.sort_by_key(|notice| notice.accept.is_none());
    let planned = Planned {
        plan: plan(&input, &path, &composer.carried_out, notices, stages).seal(),
        notes: composer.notes,
    };
    Ok((planned, composer.reviews))
}

/// One stage for each round.
fn stages<'a>(composer: &mut Composer<'a>, rounds: &[Round<'a>]) -> Result<Vec<Stage>, Problem> {
    let numbered = rounds.iter().zip(1..);
    let stages = numbered.map(|(round, number)| {
        let to = round.to.clone();
        Ok(Stage {
            kind: match round.runs {
                true => StageKind::Run { to },
                false => StageKind::Migrate { to },
            },
            required_by: round.required_by.clone(),
            round: number,
            steps: composer.round(round)?,
        })
    });
    stages.collect()
}

fn plan(
    input: &Input<'_>,
    path: &Path,
    carried_out: &BTreeSet<String>,
    notices: Vec<Notice>,
    stages: Vec<Stage>,
) -> Plan {
    let product = input.product;
    Plan {
        format: FORMAT,
        id: PlanId::new(""),
        purpose: Purpose::Upgrade,
        parent: input.parent.cloned(),
        deployment: input.deployment.clone(),
        account: Some(input.cloud.account.clone()),
        product: product.id.clone(),
        product_name: product.name.clone(),
        edition: path.edition.clone(),
        definition: product.digest.clone(),
        from: path.from.clone(),
        to: path.to.clone(),
        because: because(path),
        notices,
        procedures: procedures(path, carried_out),
        origin: Origin::default(),
        datastores: BTreeMap::new(),
        stages,
        forecast: forecast(input),
        advice: product.advice.clone(),
        secrets: product.secrets.clone(),
    }
}

/// Nothing is begun, not even a snapshot, where a stack that will be updated is another than it was found.
fn begin_as_found(stages: &mut [Stage]) {
    let mut found: BTreeMap<String, Expectation> = BTreeMap::new();
    for step in stages.iter().flat_map(|stage| &stage.steps) {
        let Act::Update { update } = &step.act else {
            continue;
        };
        let of_stack = |guard: &&Expectation| matches!(guard, Expectation::Stack { is } if is.stack == update.stack);
        if let Some(guard) = step.before.iter().find(of_stack) {
            found
                .entry(update.stack.clone())
                .or_insert_with(|| guard.clone());
        }
    }
    let first = stages.iter_mut().flat_map(|stage| &mut stage.steps).next();
    if let Some(step) = first {
        let further: Vec<Expectation> = found
            .into_values()
            .filter(|guard| !step.before.contains(guard))
            .collect();
        step.before.extend(further);
    }
}

/// The question with what the stacks answer of it: whether a template is in use.
fn answered(input: &Input<'_>) -> Query {
    let mut query = input.query.clone();
    for template in &input.product.templates {
        let Some(probe) = &template.probe else {
            continue;
        };
        let stacks = input.cloud.stacks.values();
        let count = stacks
            .filter_map(|stack| recognise(input.product, input.config, stack))
            .filter(|of| of.id == template.id)
            .count();
        query
            .answers
            .entry(probe.clone())
            .or_insert_with(|| count.to_string());
    }
    query
}

/// Refuses where a template that changes was not got.
fn missing(input: &Input<'_>, rounds: &[Round<'_>]) -> Result<(), Problem> {
    let mut missing = Vec::new();
    for (round, template) in needed(input.product, input.config, input.cloud, rounds) {
        let key = (template.id.clone(), round.to.clone());
        let mut skipped = round.orders.iter().flat_map(|order| &order.skip);
        if !skipped.any(|skipped| *skipped == template.id) && !input.offered.contains_key(&key) {
            missing.push((template.id.clone(), round.to.to_string()));
        }
    }
    match refusals::templates_missing(&missing) {
        Some(problem) => Err(problem),
        None => Ok(()),
    }
}

/// Refuses where a template tells that it is of another release than the one it was got for.
fn of_their_releases(input: &Input<'_>) -> Result<(), Problem> {
    let Some(output) = &input.product.version_output else {
        return Ok(());
    };
    for ((template, version), place) in input.offered {
        let text = input.templates.get(&place.digest);
        let Some(Expression::Text(tag)) = text
            .and_then(|text| text.outputs.get(output))
            .map(|output| &output.value)
        else {
            continue;
        };
        let scheme = input.product.scheme;
        let told = Version::typed(tag.strip_prefix('v').unwrap_or(tag));
        // A tag that is no version tells nothing.
        let (told, wanted) = (scheme.parse(&told), scheme.parse(version));
        if let (Ok(told), Ok(wanted)) = (told, wanted)
            && told != wanted
        {
            return Err(refusals::other_release(
                (template, version.as_str()),
                &place.place,
                (output, tag),
            ));
        }
    }
    Ok(())
}

fn because(path: &Path) -> Vec<Citation> {
    path.because
        .iter()
        .map(|because| Citation {
            id: because.id.clone(),
            text: because.text.clone(),
            source: because.source.clone(),
        })
        .collect()
}

fn path_notices(path: &Path) -> impl Iterator<Item = Notice> + '_ {
    path.notices
        .iter()
        .chain(&path.deprecations)
        .map(|notice| Notice {
            id: notice.id.clone(),
            kind: notice.kind,
            version: notice.version.clone(),
            text: notice.text.clone(),
            found: None,
            source: notice.source.clone(),
            accept: notice.accept.clone(),
        })
}

/// Hand-work that is left: what steps carry out is none.
fn procedures(path: &Path, carried_out: &BTreeSet<String>) -> Vec<Procedure> {
    path.procedures
        .iter()
        .chain(&path.optional_procedures)
        .filter(|procedure| !carried_out.contains(&procedure.id))
        .map(|procedure| Procedure {
            id: procedure.id.clone(),
            title: procedure.title.clone(),
            steps: procedure.steps.clone(),
            optional: procedure.kind != ProcedureKind::Mandatory,
            source: procedure.source.clone(),
        })
        .collect()
}

fn forecast(input: &Input<'_>) -> Forecast {
    Forecast {
        downtime_seconds: None,
        downtime_because: match input.config.kind.driver() {
            "ami" => "the machine is replaced, and serves again once it has started".to_owned(),
            _ => "containers are replaced while others serve; what else fails for a while is said at its step".to_owned(),
        },
        ..Forecast::default()
    }
}
