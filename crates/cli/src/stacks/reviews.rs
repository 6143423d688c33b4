//! What was seen of each update of a plan, kept beside the plan: for people, and for whoever shows the plan later.

use std::path::PathBuf;

use switchback_journal::StateDirectory;
use switchback_model::PlanId;
use switchback_planner::stack::Reviews;

fn place(state: &StateDirectory, plan: &PlanId) -> PathBuf {
    state.root().join("reviews").join(format!("{plan}.json"))
}

/// Keeps them. A plan is whole without, so what cannot be written is no failure of the plan.
pub(crate) fn keep(state: &StateDirectory, plan: &PlanId, reviews: &Reviews) {
    let place = place(state, plan);
    let beside = place.with_extension(format!("json.{}", std::process::id()));
    let written = serde_json::to_vec_pretty(reviews).ok().and_then(|text| {
        std::fs::create_dir_all(place.parent()?).ok()?;
        std::fs::write(&beside, text).ok()?;
        std::fs::rename(&beside, &place).ok()
    });
    if written.is_none() {
        let _ = std::fs::remove_file(&beside);
    }
}

/// Those of a plan; none where they were never kept or cannot be read.
pub(crate) fn of(state: &StateDirectory, plan: &PlanId) -> Reviews {
    std::fs::read(place(state, plan))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}
