//! What brings things back once a step is done, kept up to date while steps are composed.

use std::collections::BTreeSet;

use switchback_model::DatastoreName;
use switchback_model::plan::WayBack;

use super::costs;
use super::keeping::Keeping;

/// What has changed since the backups of the present round were sealed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changed {
    /// Anything that needs at least a restart to take back.
    pub(crate) anything: bool,
    /// Datastores (by the name under which they are kept) that a migration has changed.
    pub(crate) migrated: BTreeSet<DatastoreName>,
    /// Datastores that a migration has changed and no backup holds.
    pub(crate) lost: BTreeSet<DatastoreName>,
    /// Datastores whose data lies aside, as it was, because their server is another one.
    pub(crate) exchanged: BTreeSet<DatastoreName>,
    /// What a person has to put back before anything is restored.
    pub(crate) by_hand: Option<String>,
    /// True once the new version has run, and may have written to every datastore.
    pub(crate) written: bool,
    /// True once the version has run that the plan ends with: no more of the run needs the shadows.
    pub(crate) arrived: bool,
}

impl Changed {
    /// The way back from here.
    pub(crate) fn way_back(&self, keeping: &Keeping) -> WayBack {
        if let Some(name) = self.lost.first() {
            return WayBack::None {
                because: format!("`{name}` has no backup"),
            };
        }
        let datastores: Vec<DatastoreName> = keeping
            .backed_up()
            .filter(|name| self.written || self.migrated.contains(*name))
            .cloned()
            .collect();
        match (datastores.is_empty(), self.anything) {
            (true, false) => WayBack::NotNeeded,
            (true, true) if self.written && !keeping.all().is_empty() => WayBack::None {
                because: "no datastore has a backup".to_owned(),
            },
            (true, true) => WayBack::Instant,
            (false, _)
                if self.by_hand.is_none()
                    && datastores.iter().all(|name| keeping.is_shadowed(name)) =>
            {
                let holds = keeping.holding(&datastores).filter(|_| self.arrived);
                WayBack::Shadow { datastores, holds }
            }
            (false, _) => {
                let restores: u64 = datastores
                    .iter()
                    .map(|name| {
                        if keeping.is_shadowed(name) || self.exchanged.contains(name) {
                            return costs::EXCHANGE;
                        }
                        let (kind, size) = keeping.measure(name);
                        // Once built beside, once read before it takes the place of the other.
                        2 * costs::restore(kind, size)
                    })
                    .sum();
                WayBack::Restore {
                    datastores,
                    seconds: keeping.restart() + restores,
                    by_hand: self.by_hand.clone(),
                }
            }
        }
    }
}
