//! What a stage consists of beside migrations, as far as no step of a plan does it.

use switchback_model::exit::Exit;
use switchback_model::problem::Citation;
use switchback_model::{Problem, ProductId};

use crate::path::{Act, Leg, Path};

/// Names of a stage that a refusal tells; the path shows all of them.
const TOLD: usize = 4;

/// Refuses a path on which something has to be done that only people can do so far: to leave it out would
/// start a release on what it was not prepared for.
pub(super) fn refuse(product: &ProductId, path: &Path) -> Result<(), Problem> {
    for leg in &path.legs {
        let left: Vec<&Act> = leg
            .actions
            .iter()
            .filter(|act| act.role.is_none())
            .collect();
        if let Some(first) = left.first() {
            return Err(undone(product, path, leg, &left).fact(Citation {
                id: first.id.clone(),
                text: first.because.clone(),
                source: first.source.clone(),
            }));
        }
    }
    Ok(())
}

fn undone(product: &ProductId, path: &Path, leg: &Leg, left: &[&Act]) -> Problem {
    let mut names: Vec<&str> = left.iter().map(|act| act.id.as_str()).collect();
    let more = names.len().saturating_sub(TOLD);
    names.truncate(TOLD);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let what = format!(
        "on the way to {} has to be done what no step of a plan does: {}{more}",
        leg.to,
        names.join(", ")
    );
    Problem::new(Exit::Refused, "action-unplanned", what)
        .state("deployment", "unchanged")
        .why("left out, the new release would start on what it was not prepared for")
        .hint(format!(
            "see all of it in its order: `switchback path {product} --from {} --to {} --explain`",
            path.from, path.to
        ))
}
