//! A path and an observation become a plan.

use std::collections::BTreeMap;

use switchback_model::exit::Exit;
use switchback_model::observed::Access;
use switchback_model::plan::{FORMAT, Origin, Plan, Purpose};
use switchback_model::problem::Citation;
use switchback_model::product::DatastoreKind;
use switchback_model::{PlanId, Problem, Version};

use super::cast::Cast;
use super::input::{Input, Note, Place, Planned};
use super::keeping::Keeping;
use super::preconditions::{first_obstacle, locks_unasked};
use super::route::{self, Leg};
use super::stages::Composer;
use super::{actions, climbs, engines, forecast, images, notices, space, verification};

/// Makes the plan, or says why there is none. A pure function: equal inputs, equal bytes.
pub fn build(input: &Input<'_>) -> Result<Planned, Problem> {
    refuse(input)?;
    let product = input.product;
    let observed = input.observed;
    let to = &input.path.to;
    let cast = Cast::of(product, input.config, observed);
    actions::refuse(input)?;
    let legs = route::legs(product, input.path);
    let engines = engines::changes(input)?;
    if legs.is_empty() && engines.is_empty() {
        return Err(nothing_to_do(to));
    }
    let to = legs.last().map_or(&observed.version, |last| last.to);
    let keeping = Keeping::decide(input, to)?;
    edits_given(input, &legs)?;
    engines::can_be(input, &keeping, &engines)?;
    climbs::can_be(input, &keeping)?;

    let stages = Composer::new(input, &cast, &keeping, engines).stages(&legs)?;
    let forecast = forecast::forecast(input, &keeping, &stages);
    space::enough(&forecast)?;

    let mut all_notices = notices::notices(input);
    all_notices.splice(0..0, keeping.notices.iter().cloned());
    all_notices.splice(0..0, climbs::notices(product, &observed.version, &stages));
    let plan = Plan {
        format: FORMAT,
        id: PlanId::new(""),
        purpose: Purpose::Upgrade,
        parent: input.parent.cloned(),
        deployment: observed.deployment.clone(),
        account: None,
        product: product.id.clone(),
        product_name: product.name.clone(),
        edition: input.path.edition.clone(),
        definition: product.digest.clone(),
        from: observed.version.clone(),
        to: to.clone(),
        because: because(input),
        notices: all_notices,
        procedures: notices::procedures(input, &stages),
        origin: origin(input, &cast)?,
        datastores: keeping.plans().clone(),
        stages,
        forecast,
        advice: product.advice.clone(),
        secrets: product.secrets.clone(),
    };
    Ok(Planned {
        plan: plan.seal(),
        notes: notes(input, &cast, &keeping, &legs),
    })
}

fn refuse(input: &Input<'_>) -> Result<(), Problem> {
    match first_obstacle(input.product, input.config, input.observed) {
        Some(obstacle) => Err(obstacle),
        None => notices::engines(input),
    }
}

fn nothing_to_do(version: &Version) -> Problem {
    Problem::new(
        Exit::Refused,
        "nothing-to-do",
        format!("this deployment is at {version} already"),
    )
    .state("deployment", "unchanged")
    .hint("name another version: `switchback plan --to V`")
}

/// A version that is to run must be written somewhere, else the next restart brings the old one up.
fn edits_given(input: &Input<'_>, legs: &[Leg<'_>]) -> Result<(), Problem> {
    for leg in legs.iter().filter(|leg| leg.runs) {
        if input.edits.get(leg.to).is_none_or(Vec::is_empty) {
            return Err(Problem::new(
                Exit::Refused,
                "no-edit",
                format!(
                    "nothing in this deployment's files can be set to {}",
                    leg.to
                ),
            )
            .state("deployment", "unchanged")
            .why("the next restart would bring the old version up on migrated data")
            .hint("write the image's tag into the compose file, or into a variable that it uses"));
        }
    }
    Ok(())
}

fn because(input: &Input<'_>) -> Vec<Citation> {
    input
        .path
        .because
        .iter()
        .map(|because| Citation {
            id: because.id.clone(),
            text: because.text.clone(),
            source: because.source.clone(),
        })
        .collect()
}

pub(super) fn origin(input: &Input<'_>, cast: &Cast<'_>) -> Result<Origin, Problem> {
    let from = &input.observed.version;
    let mut images = BTreeMap::new();
    // What runs is certain. What was never created is what its configuration says.
    for member in cast.active() {
        let service = member.service;
        let image = match &service.running {
            Some(running) => running.clone(),
            None => images::configured(input, service)?,
        };
        images.insert(service.name.clone(), image);
    }
    Ok(Origin {
        services: cast.names(),
        checks: verification::from_outside(input, cast, from, &images),
        images,
    })
}

fn notes(input: &Input<'_>, cast: &Cast<'_>, keeping: &Keeping, legs: &[Leg<'_>]) -> Vec<Note> {
    let mut notes = keeping.notes.clone();
    let active = cast.names();
    for member in cast.all() {
        let name = &member.service.name;
        if !active.contains(name) {
            notes.push(Note::new(
                Place::Service(name.clone()),
                format!("`{name}` does not run: it gets the new tag and stays stopped"),
            ));
        }
    }
    for lock in locks_unasked(input.product, input.config, input.observed) {
        notes.push(Note::warning(
            Place::Plan,
            format!("nothing could tell whether there is {}", lock.what),
        ));
    }
    for because in &input.path.because {
        if because.assumed {
            notes.push(Note::new(
                Place::Plan,
                format!(
                    "`{}` is taken as required: nothing could tell whether it is",
                    because.id
                ),
            ));
        }
    }
    for leg in legs {
        for migration in &leg.migrations {
            if migration.assumed {
                notes.push(Note::new(
                    Place::Plan,
                    format!(
                        "`{}` of {} is planned: nothing could tell whether it is needed",
                        migration.id, leg.to
                    ),
                ));
            }
            if !keeping.plans().contains_key(migration.datastore) {
                notes.push(Note::new(
                    Place::Datastore(migration.datastore.clone()),
                    format!(
                        "`{}` of {} is left out: this deployment has no `{}`",
                        migration.id, leg.to, migration.datastore
                    ),
                ));
            }
        }
    }
    let run: Vec<&Version> = legs
        .iter()
        .filter(|leg| leg.runs)
        .map(|leg| leg.to)
        .collect();
    notes.extend(verification::notes(input, &run));
    notes.extend(kept_by_hand(keeping));
    for remark in &input.path.remarks {
        notes.push(Note::new(Place::Plan, remark.clone()));
    }
    notes
}

/// A database beside the product is backed up by hand, which a managed one would do by snapshots.
fn kept_by_hand(keeping: &Keeping) -> Option<Note> {
    let by_hand: Vec<String> = keeping
        .plans()
        .iter()
        .filter(|(_, plan)| plan.location.kind != DatastoreKind::Files)
        .filter(|(_, plan)| matches!(plan.location.access, Access::Container { .. }))
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    (!by_hand.is_empty()).then(|| {
        Note::warning(
            Place::Plan,
            format!(
                "backed up by hand beside the product: {}; for production, consider a managed database with snapshots",
                by_hand.join(", ")
            ),
        )
    })
}
