//! One step in words: the same in a plan, in a run and in its log.

use std::collections::BTreeSet;
use std::path::Path;

use switchback_model::observed::ImagePin;
use switchback_model::plan::{
    Act, BackupMethod, Check, Holding, Plan, Stage, StageKind, Step, WayBack,
};

use super::measure;

/// What a step does, after its verb.
pub(crate) fn what(plan: &Plan, act: &Act) -> String {
    match act {
        Act::Fetch { image } => format!("image {}", image.reference),
        Act::Prepare { datastore } | Act::Seal { datastore } | Act::Prove { datastore } => {
            datastore.to_string()
        }
        Act::Stop { services } | Act::Start { services, .. } => joined(services),
        Act::Set { edits, from, to } => {
            let files: BTreeSet<String> =
                edits.iter().map(|edit| local(plan, &edit.path)).collect();
            format!("{from} → {to} in {}", joined(files))
        }
        Act::Migrate {
            migration,
            version,
            demanded_by,
            ..
        } => {
            let demanded = if demanded_by.is_empty() {
                String::new()
            } else {
                let versions: Vec<&str> = demanded_by.iter().map(|v| v.as_str()).collect();
                format!(", for {}", versions.join(" "))
            };
            format!("{migration} ({version}){demanded}")
        }
        Act::HandWork { work } => work.id.clone(),
        Act::Verify { checks } => checks_in_words(checks),
        Act::Carry { datastore, engine } | Act::Exchange { datastore, engine } => {
            format!("{datastore} {} → {}", engine.from, engine.to)
        }
        Act::PutBack {
            datastore, engine, ..
        } => format!("{datastore} {} → {}", engine.to, engine.from),
        Act::Restore { datastore, run } => {
            format!("{datastore} from the {} of {run}", kept(plan, act))
        }
        Act::Release { datastore, .. } => format!("{datastore}: remove what was moved aside"),
        Act::Bring { parcel } => format!("{}: {}", parcel.id, parcel.what),
        Act::Snapshot { .. }
        | Act::Recall { .. }
        | Act::Rewind { .. }
        | Act::Update { .. }
        | Act::TakeBack { .. }
        | Act::Remove { .. }
        | Act::Terminate { .. }
        | Act::Renew { .. }
        | Act::EndRefresh { .. } => act.infrastructure().unwrap_or_default(),
    }
}

/// As [`what`], shorter: for the lines of a run, where the outcome says the rest.
pub(crate) fn brief(plan: &Plan, act: &Act) -> String {
    match act {
        Act::Fetch { image } => tag(image).to_owned(),
        Act::Migrate {
            migration, version, ..
        } => format!("{migration} ({version})"),
        Act::Set { to, .. } => to.to_string(),
        Act::Restore { datastore, .. } | Act::Release { datastore, .. } => datastore.to_string(),
        Act::Bring { parcel } => parcel.id.clone(),
        other => what(plan, other),
    }
}

/// What several steps with the same verb do, as one line of a plan.
pub(crate) fn together(plan: &Plan, steps: &[&Step]) -> String {
    let [one] = steps else {
        let datastores: Vec<String> = steps
            .iter()
            .filter_map(|step| step.act.datastore().map(ToString::to_string))
            .collect();
        if datastores.len() == steps.len() {
            let from = match &steps[0].act {
                act @ Act::Restore { run, .. } => match kept(plan, act) {
                    "shadow" => format!(" from the shadows of {run}"),
                    _ => format!(" from the backups of {run}"),
                },
                _ => String::new(),
            };
            return format!("{}{from}", datastores.join(", "));
        }
        if let Some(set) = set_together(plan, steps) {
            return set;
        }
        let images: Vec<&ImagePin> = steps
            .iter()
            .filter_map(|step| match &step.act {
                Act::Fetch { image } => Some(image),
                _ => None,
            })
            .collect();
        let repositories: BTreeSet<&str> = images.iter().map(|image| repository(image)).collect();
        if repositories.len() == 1 && images.len() == steps.len() {
            let tags: Vec<&str> = images.iter().map(|image| tag(image)).collect();
            return format!("images {}", tags.join(", "));
        }
        let each: Vec<String> = steps.iter().map(|step| what(plan, &step.act)).collect();
        return each.join(", ");
    };
    what(plan, &one.act)
}

/// Several places of one change, e.g. `3.23.2 → 3.32.1 in docker-compose.yml (2 places)`.
fn set_together(plan: &Plan, steps: &[&Step]) -> Option<String> {
    let mut files = BTreeSet::new();
    let mut change = None;
    for step in steps {
        let Act::Set { edits, from, to } = &step.act else {
            return None;
        };
        if *change.get_or_insert((from, to)) != (from, to) {
            return None;
        }
        files.extend(edits.iter().map(|edit| local(plan, &edit.path)));
    }
    let (from, to) = change?;
    let files = joined(files);
    Some(format!("{from} → {to} in {files} ({} places)", steps.len()))
}

/// What a datastore comes back from.
fn kept(plan: &Plan, act: &Act) -> &'static str {
    let kept = act.datastore().and_then(|name| plan.datastores.get(name));
    match kept.map(|kept| kept.method) {
        Some(BackupMethod::Shadow) => "shadow",
        _ => "backup",
    }
}

/// Whether two steps can share one line of a plan.
pub(crate) fn alike(plan: &Plan, one: &Step, other: &Step) -> bool {
    let mergeable = matches!(
        one.act,
        Act::Fetch { .. }
            | Act::Prepare { .. }
            | Act::Seal { .. }
            | Act::Prove { .. }
            | Act::Set { .. }
            | Act::Restore { .. }
            | Act::Release { .. }
    );
    mergeable
        && plan.verb(&one.act) == plan.verb(&other.act)
        && kept(plan, &one.act) == kept(plan, &other.act)
        && one.way_back == other.way_back
        && one.downtime == other.downtime
}

/// The way back, in words.
pub(crate) fn way_back(way: &WayBack) -> String {
    match way {
        WayBack::NotNeeded => String::new(),
        WayBack::Instant => "instant".to_owned(),
        WayBack::Shadow {
            holds: Some(holds), ..
        } => holding(*holds),
        WayBack::Shadow {
            datastores,
            holds: None,
        } => format!("instant: shadow {}", joined(datastores)),
        WayBack::Restore {
            seconds,
            by_hand: None,
            ..
        } => format!("restore, {}", measure::about(*seconds)),
        WayBack::Restore {
            seconds,
            by_hand: Some(by_hand),
            ..
        } => format!(
            "{by_hand} by hand, then restore, {}",
            measure::about(*seconds)
        ),
        WayBack::Stacks { restored, by_hand } => stacks_back(restored.len(), by_hand.len()),
        WayBack::None { because } => format!("none: {because}"),
    }
}

/// A way back by updates of stacks, e.g. `stacks updated back, 2 stores from snapshots`.
fn stacks_back(restored: usize, by_hand: usize) -> String {
    let stores = |count: usize, how: &str| match count {
        0 => String::new(),
        1 => format!(", one store {how}"),
        count => format!(", {count} stores {how}"),
    };
    format!(
        "stacks updated back{}{}",
        stores(restored, "from snapshots"),
        stores(by_hand, "perhaps by hand")
    )
}

/// How long a way back by shadow is instant, and what it is then, e.g. `instant for 24 h, then about 2 min`.
pub(crate) fn holding(holds: Holding) -> String {
    let hours = holds.seconds / 3600;
    let period = match hours {
        0..=71 => format!("{hours} h"),
        _ => format!("{} d", hours / 24),
    };
    format!("instant for {period}, then {}", measure::about(holds.then))
}

/// What a way back brings back, where it is more than a word: for the whole derivation.
pub(crate) fn way_back_in_full(way: &WayBack) -> String {
    match way {
        WayBack::Restore { datastores, .. }
        | WayBack::Shadow {
            datastores,
            holds: Some(_),
        } => {
            format!("{} ({})", way_back(way), joined(datastores))
        }
        WayBack::Stacks { restored, by_hand } if !(restored.is_empty() && by_hand.is_empty()) => {
            let stores: Vec<&str> = restored.iter().chain(by_hand).map(String::as_str).collect();
            format!("{} ({})", way_back(way), stores.join(", "))
        }
        other => way_back(other),
    }
}

/// The heading of a stage; `number` counts the legs of the journey from 1.
pub(crate) fn heading(stage: &Stage, number: usize) -> String {
    match &stage.kind {
        StageKind::Preparation => "before any downtime (safe to interrupt)".to_owned(),
        StageKind::Engines { to } => format!("stage {number}: servers, at {to}"),
        StageKind::Migrate { to } => {
            format!("stage {number}: through {to} (migrations only)")
        }
        StageKind::Run { to } => format!("stage {number}: to {to}"),
        StageKind::Return { to } => format!("back to {to}"),
        StageKind::Recovery { .. } => "to stacks at rest".to_owned(),
        StageKind::RollOver { to } => {
            format!("stage {number}: content to {to} (the old instance is only read)")
        }
    }
}

/// A path as seen from the deployment's directory.
pub(crate) fn local(plan: &Plan, path: &str) -> String {
    Path::new(path)
        .strip_prefix(&plan.deployment.directory)
        .map_or_else(|_| path.to_owned(), |inside| inside.display().to_string())
}

/// The tag of an image's reference.
pub(crate) fn tag(image: &ImagePin) -> &str {
    split(&image.reference).1.unwrap_or("latest")
}

fn repository(image: &ImagePin) -> &str {
    split(&image.reference).0
}

/// Repository and tag, or product and version where there are no images.
pub(crate) fn split(reference: &str) -> (&str, Option<&str>) {
    let name = reference.split('@').next().unwrap_or(reference);
    // A colon before the last slash belongs to the registry's port, a second one after it to a Debian version.
    let path = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[path..].find(':') {
        Some(colon) => (&name[..path + colon], Some(&name[path + colon + 1..])),
        None => (name, None),
    }
}

fn checks_in_words(checks: &[Check]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for check in checks {
        let word = match check {
            Check::Health { .. } => "health",
            Check::Stable { .. } => "images",
            Check::WritePath { .. } => "write path",
            Check::Fits { .. } => "fit",
            Check::Counts { exact: true, .. } => "contents",
            Check::Counts { exact: false, .. } => "counts",
            Check::Content => "everything, piece by piece",
            Check::Machine { .. } => "machine",
            Check::AsTemplate { .. } => "what was left out",
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(", ")
}

fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_a_tag() {
        assert_eq!(split("localhost:5000/a/b"), ("localhost:5000/a/b", None));
        assert_eq!(
            split("localhost:5000/a/b:1.2@sha256:00"),
            ("localhost:5000/a/b", Some("1.2"))
        );
        assert_eq!(split("a:1.2"), ("a", Some("1.2")));
    }

    #[test]
    fn an_epoch_is_part_of_its_version() {
        assert_eq!(
            split("redis:5:7.0.15-1~deb12u7"),
            ("redis", Some("5:7.0.15-1~deb12u7"))
        );
    }
}
