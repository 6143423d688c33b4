//! What a run has changed, as far as it must be taken back.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::hand_work::{DoneWhen, HandWork};
use switchback_model::observed::{Access, ImagePin};
use switchback_model::plan::{
    Act, BackupMethod, Check, EngineChange, FileEdit, Plan, StageKind, Step,
};
use switchback_model::{DatastoreName, ServiceName, Version};

use super::proven::{Proven, Stretch};

/// Where the way leads back to.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) version: Version,
    pub(super) services: Vec<ServiceName>,
    pub(super) images: BTreeMap<ServiceName, ImagePin>,
    pub(super) checks: Vec<Check>,
}

impl Base {
    pub(super) fn of(plan: &Plan, stretch: &Stretch<'_>) -> Self {
        let origin = Self {
            version: plan.from.clone(),
            services: plan.origin.services.clone(),
            images: plan.origin.images.clone(),
            checks: plan.origin.checks.clone(),
        };
        let Some(stage) = stretch.base else {
            return origin;
        };
        let mut base = origin;
        if let StageKind::Engines { to } | StageKind::Run { to } = &stage.kind {
            base.version = to.clone();
        }
        base.checks.clear();
        for step in &stage.steps {
            match &step.act {
                Act::Start { services, images } => {
                    base.services.clone_from(services);
                    base.images.clone_from(images);
                }
                Act::Verify { checks } => base.checks.extend(
                    checks
                        .iter()
                        .filter(|check| !matches!(check, Check::Counts { .. }))
                        .cloned(),
                ),
                _ => {}
            }
        }
        base
    }
}

/// What the begun steps of a stretch have, or may have, changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// Services were told to stop, so something may not run.
    pub(super) stopped: bool,
    /// Services of the new version were told to start, so writers were active.
    pub(super) started: bool,
    /// Datastores to bring back, by the name under which they are kept, in the plan's order of backups.
    pub(super) restore: Vec<DatastoreName>,
    /// Servers that are, or may be, another version than they were, by the first datastore in them.
    pub(super) put_back: Vec<(DatastoreName, EngineChange)>,
    /// Servers that people may have to put back before anything is restored into them.
    pub(super) by_hand: Vec<HandWork>,
    /// Datastores that come back with a server that is put back.
    pub(super) with_server: Vec<DatastoreName>,
    /// Datastores that a migration has changed and no backup holds.
    pub(super) lost: BTreeSet<DatastoreName>,
    /// Datastores without a backup that the new version may have written to.
    pub(super) written_unkept: BTreeSet<DatastoreName>,
    /// Edits that may have been made, in the order of the plan.
    pub(super) edits: Vec<FileEdit>,
}

impl Changes {
    pub(super) fn of(plan: &Plan, stretch: &Stretch<'_>, proven: &Proven) -> Self {
        let begun = stretch.begun(proven);
        let mut changes = Self::default();
        let mut touched: BTreeSet<&DatastoreName> = BTreeSet::new();
        for step in &begun {
            match &step.act {
                Act::Stop { .. } => changes.stopped = true,
                Act::Start { .. } => changes.started = true,
                Act::Set { edits, .. } => changes.edits.extend(edits.iter().cloned()),
                Act::Carry { datastore, engine } => {
                    changes.put_back.push((datastore.clone(), engine.clone()));
                }
                Act::Migrate { datastore, .. } => match keeper(plan, datastore) {
                    Some(keeper) => {
                        touched.insert(keeper);
                    }
                    None => {
                        changes.lost.insert(datastore.clone());
                    }
                },
                _ => {}
            }
        }
        for work in stretch.by_hand(proven) {
            let Some(back) = &work.back else { continue };
            // Those of one server are taken back together, as the last of them says.
            changes.by_hand.retain(|known| known.id != back.id);
            changes.by_hand.push((**back).clone());
            let DoneWhen::Server(is) = &back.done else {
                continue;
            };
            match keeper(plan, &is.datastore) {
                Some(keeper) => {
                    touched.insert(keeper);
                }
                None => {
                    changes.lost.insert(is.datastore.clone());
                }
            }
        }
        if changes.started {
            for name in plan.datastores.keys() {
                match keeper(plan, name) {
                    Some(keeper) => {
                        touched.insert(keeper);
                    }
                    None => {
                        changes.written_unkept.insert(name.clone());
                    }
                }
            }
        }
        let returns = |name: &DatastoreName| {
            let access = &plan.datastores[name].location.access;
            changes.put_back.iter().any(|(_, engine)| {
                matches!(access, Access::Container { service } if *service == engine.service)
            })
        };
        let sealed = sealed_in_order(stretch);
        // What a server's data was before it was exchanged is what was sealed: it needs no restore.
        let (with_server, alone) = sealed.into_iter().partition(returns);
        changes.with_server = with_server;
        changes.restore = alone;
        changes.restore.retain(|name| touched.contains(name));
        changes
    }

    /// Every datastore whose data becomes what it was.
    pub(super) fn returning(&self) -> Vec<&DatastoreName> {
        self.restore.iter().chain(&self.with_server).collect()
    }
}

/// Datastores in the order in which their backups were sealed.
fn sealed_in_order(stretch: &Stretch<'_>) -> Vec<DatastoreName> {
    let steps = stretch.stages.iter().flat_map(|stage| &stage.steps);
    let sealed = |step: &Step| match &step.act {
        Act::Seal { datastore } => Some(datastore.clone()),
        _ => None,
    };
    let mut names: Vec<DatastoreName> = Vec::new();
    for name in steps.filter_map(sealed) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn keeper<'p>(plan: &'p Plan, name: &DatastoreName) -> Option<&'p DatastoreName> {
    let (key, datastore) = plan.datastores.get_key_value(name)?;
    let keeper = datastore.kept_with.as_ref().unwrap_or(key);
    let kept = plan.datastores.get(keeper)?;
    (kept.method != BackupMethod::None).then_some(keeper)
}
