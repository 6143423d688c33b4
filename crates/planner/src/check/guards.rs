//! Rules about what a step must ask before it acts, and must see once it is done.

use switchback_model::plan::{BackupState, Expectation, StageKind};
use switchback_model::{DatastoreName, Version};

use super::walk::Walk;

impl Walk<'_, '_> {
    pub(super) fn all_proven(&mut self, rule: &str) {
        let round = self.stage.round;
        for name in self.world.short_of(round, BackupState::Proven) {
            self.object(
                rule,
                format!("the backup of `{name}` is not proven by then"),
            );
        }
        let kept: Vec<&DatastoreName> = self.world.kept().collect();
        for name in kept {
            self.needs_before(&Expectation::Backup {
                datastore: name.clone(),
                state: BackupState::Proven,
                run: None,
            });
        }
    }

    /// A step that relies on the configuration asks for every file of it.
    pub(super) fn needs_files(&mut self) {
        let files: Vec<Expectation> = self
            .world
            .files
            .iter()
            .map(|(path, digest)| Expectation::File {
                path: (*path).to_owned(),
                digest: (*digest).clone(),
            })
            .collect();
        for file in files {
            self.needs_before(&file);
        }
    }

    pub(super) fn needs_stopped(&mut self) {
        let holds = self.step.before.iter().any(|expected| match expected {
            Expectation::Stopped { services } => self
                .world
                .services
                .iter()
                .all(|service| services.contains(service)),
            _ => false,
        });
        if !holds {
            self.object("guard", "it does not ask whether every service is stopped");
        }
    }

    pub(super) fn needs_before(&mut self, wanted: &Expectation) {
        if !self.step.before.contains(wanted) {
            self.object(
                "guard",
                format!("it acts without asking: {}", named(wanted)),
            );
        }
    }

    pub(super) fn needs_after(&mut self, wanted: &Expectation) {
        if !self.step.after.contains(wanted) {
            self.object(
                "verification",
                format!("it is done without: {}", named(wanted)),
            );
        }
    }

    pub(super) fn belongs_to_stage(&mut self, version: &Version) {
        let belongs = match &self.stage.kind {
            StageKind::Preparation | StageKind::RollOver { .. } | StageKind::Recovery { .. } => {
                false
            }
            StageKind::Engines { to }
            | StageKind::Migrate { to }
            | StageKind::Run { to }
            | StageKind::Return { to } => to == version,
        };
        if !belongs {
            self.object(
                "stage-version",
                format!("{version} is not its stage's version"),
            );
        }
    }
}

fn named(expectation: &Expectation) -> String {
    match expectation {
        Expectation::ImageHere { image } => format!("image `{}` is here", image.reference),
        Expectation::Running { .. } => "services run".to_owned(),
        Expectation::Stopped { .. } => "services are stopped".to_owned(),
        Expectation::Runs { service, image } => {
            format!("`{service}` was made from `{}`", image.reference)
        }
        Expectation::File { path, .. } => format!("`{path}` has its digest"),
        Expectation::Reachable { datastore } => format!("`{datastore}` answers"),
        Expectation::Engine { datastore, .. } => format!("server version of `{datastore}`"),
        Expectation::NoWriters { datastore } => format!("nobody else writes to `{datastore}`"),
        Expectation::Backup {
            datastore, state, ..
        } => format!("backup of `{datastore}` is {state:?}").to_lowercase(),
        Expectation::Carried { datastore, .. } => format!("`{datastore}` is carried over"),
        Expectation::Migrated { migration, version } => {
            format!("`{migration}` of {version} ended well")
        }
        Expectation::DoneByHand { work, .. } => format!("`{work}` is done by hand"),
        Expectation::Restored { datastore, .. } => format!("`{datastore}` is restored"),
        Expectation::Released { datastore, .. } => format!("`{datastore}` is released"),
        Expectation::Original { parcel } => format!("`{parcel}` is as it was"),
        Expectation::Room { parcel } => format!("there is room for `{parcel}`"),
        Expectation::Arrived { parcel } => format!("`{parcel}` arrived"),
        Expectation::Stack { is } => format!("stack `{}` is as planned", is.stack),
        Expectation::NoStack { stack } => format!("there is no stack `{stack}`"),
        Expectation::HalfWay { stack, .. } => format!("stack `{stack}` is half way back"),
        Expectation::TakenBack { stack, .. } => format!("stack `{stack}` is taken back"),
        Expectation::Snapshotted { stack, logical } => {
            format!("the snapshot or mark of `{logical}` of `{stack}` is complete")
        }
        Expectation::Kept { snapshot } => {
            format!("the snapshot `{}` is there", snapshot.handle)
        }
        Expectation::Recalled { mark } => {
            format!("the mark of `{}` is a snapshot", mark.store.logical)
        }
        Expectation::Rewound { objects } => format!("the bucket {objects}"),
        Expectation::Terminated { machine } => format!("machine `{machine}` is gone"),
        Expectation::Renewed { stack, logical } => {
            format!("no machine of `{logical}` of `{stack}` is behind")
        }
        Expectation::NoRefresh { logical, .. } => format!("nothing refreshes `{logical}`"),
    }
}
