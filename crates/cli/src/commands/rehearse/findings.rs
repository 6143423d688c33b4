//! What the upgrade changed on the copy, which notices came true, and that production is as it was.

use std::collections::BTreeMap;
use std::fs;

use switchback_drivers::compose::copy::Trace;
use switchback_engine::ports::Context;
use switchback_model::contents::Difference;
use switchback_model::observed::{File, Observed};
use switchback_model::plan::{BackupMethod, Notice, Plan};
use switchback_model::product::{NoticeKind, Product};
use switchback_model::rehearsal::{Changes, Production as Seen, Proof, Verdict};
use switchback_model::structure::StructureChanges;
use switchback_model::{DatastoreName, Digest, RunId, Structure};

use super::copying::{Copy, told};
use super::stage::Stage;
use crate::failure::Failed;
use crate::render::measure;
use crate::site::Place;

/// Shapes of the copy's datastores before the upgrade.
pub(super) struct Shapes(BTreeMap<DatastoreName, Structure>);

impl Shapes {
    /// Reads them.
    pub(super) fn read(stage: &Stage<'_>, copy: &Copy<'_>, plan: &Plan) -> Result<Self, Failed> {
        let commands = stage.commands(copy.place.redactor());
        let mut shapes = BTreeMap::new();
        for (name, datastore) in &plan.datastores {
            if datastore.kept_with.is_some() {
                continue;
            }
            let shape = copy
                .place
                .structure(name, &datastore.location, &commands)?
                .map_err(|failure| told(failure, name))?;
            shapes.extend(shape.map(|shape| (name.clone(), shape)));
        }
        Ok(Self(shapes))
    }
}

/// What is different after the run, in every datastore that has a backup to compare with.
pub(super) fn changes(
    stage: &Stage<'_>,
    copy: &Copy<'_>,
    plan: &Plan,
    run: &RunId,
    before: &Shapes,
) -> Result<Vec<Changes>, Failed> {
    let after = Shapes::read(stage, copy, plan)?;
    let commands = stage.commands(copy.place.redactor());
    let backups = copy.session.state.backups(&copy.found.key());
    let cx = Context::outside_steps(plan, run, &backups, &commands);
    let mut changes = Vec::new();
    for (name, datastore) in &plan.datastores {
        if datastore.method == BackupMethod::None {
            continue;
        }
        stage.go_on()?;
        let keeper = copy.place.keeper(name, &datastore.location)?;
        let was = keeper
            .sealed_contents(&cx, run)
            .map_err(|failure| told(failure, name))?;
        let is = keeper
            .contents(&cx)
            .map_err(|failure| told(failure, name))?;
        let counts = was.differences(&is);
        let unchanged = was.collections.len()
            - counts
                .iter()
                .filter(|change| change.before.is_some())
                .count();
        let structure = match (before.0.get(name), after.0.get(name)) {
            (Some(one), Some(other)) => one.changes(other),
            _ => StructureChanges::default(),
        };
        changes.push(Changes {
            datastore: name.clone(),
            structure,
            counts,
            objects: (was.total(), is.total()),
            unchanged,
        });
    }
    Ok(changes)
}

/// Which notices came true: those that announce a deletion are held against what was deleted.
pub(super) fn notices(plan: &Plan, changes: &[Changes], product: &Product) -> Vec<Proof> {
    plan.notices
        .iter()
        .filter(|notice| {
            notice.accept.is_some()
                || matches!(notice.kind, NoticeKind::OneWay | NoticeKind::Prerequisite)
        })
        .map(|notice| {
            let (verdict, evidence) = verdict(plan, notice, changes, product);
            Proof {
                id: notice.id.clone(),
                kind: notice.kind,
                version: notice.version.clone(),
                text: notice.text.clone(),
                verdict,
                evidence,
            }
        })
        .collect()
}

fn verdict(
    plan: &Plan,
    notice: &Notice,
    changes: &[Changes],
    product: &Product,
) -> (Verdict, Vec<String>) {
    let deletions: Vec<_> = product
        .deletions
        .iter()
        .filter(|deletion| deletion.version == notice.version)
        .filter(|deletion| {
            deletion
                .collections
                .iter()
                .any(|name| speaks_of(&notice.text, name))
        })
        .collect();
    if deletions.is_empty() {
        return (Verdict::Unseen, Vec::new());
    }
    let mut evidence = Vec::new();
    for deletion in &deletions {
        let keeper = plan
            .datastores
            .get(&deletion.datastore)
            .and_then(|datastore| datastore.kept_with.as_ref())
            .unwrap_or(&deletion.datastore);
        for change in changes.iter().filter(|change| change.datastore == *keeper) {
            evidence.extend(
                change
                    .counts
                    .iter()
                    .filter(|count| deletion.collections.contains(&count.collection))
                    .filter_map(lost),
            );
        }
    }
    let verdict = if evidence.is_empty() {
        Verdict::NotHere
    } else {
        Verdict::True
    };
    (verdict, evidence)
}

/// Whether a text names a collection, with or without its schema.
fn speaks_of(text: &str, collection: &str) -> bool {
    let name = collection.rsplit('.').next().unwrap_or(collection);
    let name = name.trim_end_matches('*').trim_end_matches('_');
    !name.is_empty() && (text.contains(name) || text.contains(&name.replace('_', " ")))
}

/// `public.contact_infos: 1,204 → 0`, where it lost something.
fn lost(difference: &Difference) -> Option<String> {
    let before = difference.before.as_ref().map_or(0, |found| found.count);
    let after = difference.after.as_ref().map_or(0, |found| found.count);
    (after < before).then(|| {
        let after = match difference.after {
            Some(_) => measure::count(after),
            None => "gone".to_owned(),
        };
        format!(
            "{}: {} → {after}",
            difference.collection,
            measure::count(before)
        )
    })
}

/// Production before the rehearsal.
pub(super) struct Production {
    containers: BTreeMap<String, Trace>,
    files: Vec<File>,
}

impl Production {
    /// Looks at containers and files.
    pub(super) fn look(
        stage: &Stage<'_>,
        original: &Place,
        observed: &Observed,
    ) -> Result<Self, Failed> {
        let commands = stage.commands(original.redactor());
        Ok(Self {
            containers: original.traces(&commands)?,
            files: observed.files.clone(),
        })
    }

    /// Containers that are not what they were.
    fn parted(&self, now: &BTreeMap<String, Trace>) -> Vec<String> {
        let parted = |(name, before): (&String, &Trace)| match now.get(name) {
            None => Some(format!("container {name} is gone")),
            Some(after) if after.started != before.started => {
                Some(format!("container {name} was started anew"))
            }
            Some(after) if after != before => Some(format!("container {name} is {}", after.status)),
            Some(_) => None,
        };
        self.containers.iter().filter_map(parted).collect()
    }

    /// Looks again, and tells what is different, whoever made it so.
    pub(super) fn compare(&self, stage: &Stage<'_>, original: &Place) -> Seen {
        let commands = stage.commands(original.redactor());
        let mut differences = match original.traces(&commands) {
            Ok(now) => self.parted(&now),
            // Not the end of the report: what happened on the copy is known all the same.
            Err(unseen) => {
                let causes = unseen.causes.last().map(|cause| format!(": {cause}"));
                vec![format!("{}{}", unseen.what, causes.unwrap_or_default())]
            }
        };
        for file in &self.files {
            let same = fs::read(&file.path).is_ok_and(|bytes| Digest::of(bytes) == file.digest);
            if !same {
                differences.push(format!("`{}` was changed", file.path));
            }
        }
        Seen {
            untouched: differences.is_empty(),
            containers: self.containers.len(),
            files: self.files.len(),
            stacks: 0,
            differences,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_names_what_is_deleted_in_its_own_words() {
        assert!(speaks_of(
            "deletes the table contact_infos.",
            "public.contact_infos"
        ));
        assert!(speaks_of("removes contact infos", "public.contact_infos"));
        assert!(!speaks_of("changes a flag", "public.contact_infos"));
    }
}
