//! The steps that touch data: backups, edits, migrations.

use switchback_model::plan::{Act, BackupState, Expectation, FileEdit, Interrupted, Step};
use switchback_model::{DatastoreName, Problem, Version};

use super::guards;
use super::images;
use super::route::{Leg, Migration};
use super::stages::Composer;
use crate::draft::Draft;

impl Composer<'_> {
    /// Begins the backup of every datastore that gets one.
    pub(super) fn prepare(&mut self) -> Vec<Step> {
        self.for_each_backup(|datastore| Draft {
            before: vec![guards::reachable(&datastore)],
            after: vec![guards::backup(&datastore, BackupState::Prepared, None)],
            act: Act::Prepare { datastore },
            interrupted: Interrupted::Repeat,
            because: None,
        })
    }

    /// Reads every shadow and its original while both are up, and compares them.
    pub(super) fn compare(&mut self) -> Vec<Step> {
        let names = self.keeping.shadowed().cloned().collect();
        self.for_each(names, |datastore| Draft {
            before: vec![
                guards::reachable(&datastore),
                guards::backup(&datastore, BackupState::Prepared, None),
            ],
            after: vec![guards::backup(&datastore, BackupState::Compared, None)],
            act: Act::Prove { datastore },
            interrupted: Interrupted::Repeat,
            because: None,
        })
    }

    /// Completes every backup, now that nothing writes. A shadow that was compared is proven by that.
    pub(super) fn seal(&mut self) -> Vec<Step> {
        let stopped = guards::stopped(&self.services);
        let keeping = self.keeping;
        self.for_each_backup(|datastore| {
            let (from, to) = if keeping.is_shadowed(&datastore) {
                (BackupState::Compared, BackupState::Proven)
            } else {
                (BackupState::Prepared, BackupState::Sealed)
            };
            Draft {
                before: vec![
                    stopped.clone(),
                    guards::no_writers(&datastore),
                    guards::backup(&datastore, from, None),
                ],
                after: vec![guards::backup(&datastore, to, None)],
                act: Act::Seal { datastore },
                interrupted: Interrupted::Repeat,
                because: None,
            }
        })
    }

    /// Restores every dump elsewhere and compares it with the original, which still nothing changes.
    pub(super) fn prove(&mut self) -> Vec<Step> {
        let stopped = guards::stopped(&self.services);
        let names = self.keeping.dumped().cloned().collect();
        self.for_each(names, |datastore| Draft {
            before: vec![
                stopped.clone(),
                guards::backup(&datastore, BackupState::Sealed, None),
            ],
            after: vec![guards::backup(&datastore, BackupState::Proven, None)],
            act: Act::Prove { datastore },
            interrupted: Interrupted::Repeat,
            because: None,
        })
    }

    /// Writes the version into every place that decides it: one step per place, because a crash
    /// between two edits would leave files that a guard over both does not know.
    pub(super) fn set(&mut self, leg: &Leg<'_>) -> Vec<Step> {
        let edits = self.input.edits.get(leg.to).cloned().unwrap_or_default();
        edits
            .into_iter()
            .map(|edit| self.edit(edit, leg.from.clone(), leg.to.clone()))
            .collect()
    }

    pub(super) fn edit(&mut self, edit: FileEdit, from: Version, to: Version) -> Step {
        let digest = |digest| Expectation::File {
            path: edit.path.clone(),
            digest,
        };
        self.files.insert(edit.path.clone(), edit.after.clone());
        self.step(Draft {
            before: vec![digest(edit.before.clone())],
            after: vec![digest(edit.after.clone())],
            act: Act::Set {
                edits: vec![edit],
                from,
                to,
            },
            interrupted: Interrupted::Repeat,
            because: None,
        })
    }

    /// One migration with the image of its leg.
    pub(super) fn migrate(
        &mut self,
        leg: &Leg<'_>,
        migration: &Migration<'_>,
    ) -> Result<Step, Problem> {
        let (service, image) = images::migrator(self.input, self.cast, leg.to)?;
        let datastore = migration.datastore.clone();
        let keeper = self.keeping.keeper(&datastore).cloned();
        let interrupted = self.interrupted(leg, migration, keeper.as_ref());

        let mut before = vec![
            guards::stopped(&self.services),
            guards::no_writers(&datastore),
            Expectation::ImageHere {
                image: image.clone(),
            },
        ];
        before.extend(self.proven());
        before.extend(guards::files(&self.files));

        let number = self.next_number();
        match keeper {
            Some(keeper) => {
                self.since_seal
                    .entry(keeper.clone())
                    .or_default()
                    .push(number);
                self.changed.migrated.insert(keeper);
            }
            None => {
                self.changed.lost.insert(datastore.clone());
            }
        }
        Ok(self.step(Draft {
            after: vec![Expectation::Migrated {
                migration: migration.id.clone(),
                version: leg.to.clone(),
            }],
            act: Act::Migrate {
                migration: migration.id.clone(),
                version: leg.to.clone(),
                image,
                service,
                run: migration.run.to_vec(),
                datastore,
                demanded_by: migration.demanded_by.to_vec(),
            },
            before,
            interrupted,
            because: None,
        }))
    }

    /// A backup counts only after it was restored and read: every one of them, not only that of the
    /// datastore at hand, because the way back brings all of them back together.
    pub(super) fn proven(&self) -> Vec<Expectation> {
        self.keeping
            .backed_up()
            .map(|datastore| guards::backup(datastore, BackupState::Proven, None))
            .collect()
    }

    /// What becomes of a migration that started and did not finish.
    ///
    /// Its flaw may forbid to repeat it; then the datastore comes back from the backup first. The
    /// backup was sealed before the first migration, so the restore takes away the effect of every
    /// earlier one on the same data: those are named to be run anew. (Sealing again before each such
    /// migration would cost downtime that grows with the data, in every run, for a case that is rare.)
    fn interrupted(
        &self,
        leg: &Leg<'_>,
        migration: &Migration<'_>,
        keeper: Option<&DatastoreName>,
    ) -> Interrupted {
        let scheme = self.input.product.scheme;
        let flaw = migration
            .not_repeatable
            .iter()
            // A version that cannot be compared counts as flawed: restoring is always safe.
            .find(|flaw| scheme.contains(&flaw.versions, leg.to).unwrap_or(true));
        match (flaw, keeper) {
            (None, _) => Interrupted::Repeat,
            (Some(flaw), Some(keeper)) => Interrupted::RestoreFirst {
                datastore: keeper.clone(),
                redo: self.since_seal.get(keeper).cloned().unwrap_or_default(),
                because: flaw.because.clone(),
            },
            (Some(flaw), None) => Interrupted::Halt {
                because: format!(
                    "{}, and `{}` has no backup to begin again from",
                    flaw.because, migration.datastore
                ),
            },
        }
    }

    fn for_each_backup(&mut self, draft: impl Fn(DatastoreName) -> Draft) -> Vec<Step> {
        let names = self.keeping.backed_up().cloned().collect();
        self.for_each(names, draft)
    }

    fn for_each(
        &mut self,
        names: Vec<DatastoreName>,
        draft: impl Fn(DatastoreName) -> Draft,
    ) -> Vec<Step> {
        names
            .into_iter()
            .map(|name| {
                let draft = draft(name);
                self.step(draft)
            })
            .collect()
    }
}
