//! What a person brings back, with the commands for it.

use switchback_model::plan::{Notice, Procedure};
use switchback_model::product::NoticeKind;
use switchback_model::stack::{Snapshot, StoreKind};
use switchback_model::{RunId, Version};

/// A store that its stack cannot make anew from its snapshot.
pub(super) struct ByHand<'p> {
    pub(super) snapshot: &'p Snapshot,
    /// Why not, as half a sentence.
    pub(super) because: &'static str,
}

impl ByHand<'_> {
    /// What must be accepted: until then the data is not what the software of before expects.
    pub(super) fn notice(&self, run: &RunId, reached: &Version, base: &Version) -> Notice {
        let store = &self.snapshot.store;
        let id = format!("by-hand-{}-{}", store.stack, store.logical);
        Notice {
            kind: NoticeKind::OneWay,
            version: base.clone(),
            text: format!(
                "`{}` of stack `{}` stays as {reached} leaves it until you bring it back by hand: {}.",
                store.logical, store.stack, self.because
            ),
            found: self.snapshot.at.as_ref().map(|at| format!("taken: {at}")),
            source: format!("journal of {run}"),
            accept: Some(id.clone()),
            id,
        }
    }

    pub(super) fn procedure(&self, run: &RunId) -> Procedure {
        let store = &self.snapshot.store;
        Procedure {
            id: format!("bring-back-{}-{}", store.stack, store.logical),
            title: format!(
                "Bring the {} {} back from `{}`, once the stacks are back",
                store.kind.word(),
                store,
                self.snapshot.handle
            ),
            steps: self.commands(),
            optional: false,
            source: format!("journal of {run}"),
        }
    }

    fn commands(&self) -> Vec<String> {
        let (handle, store) = (&self.snapshot.handle, &self.snapshot.store);
        let physical = &store.physical;
        let engine = store.engine.as_deref().unwrap_or("ENGINE");
        let engine = engine.split(' ').next().unwrap_or(engine);
        let then = |made: String| {
            vec![
                made,
                "wait until it is available, and give it the network, the security groups and the parameters that the present one has".to_owned(),
                format!("let the product use it in place of `{physical}`, and start its services anew"),
            ]
        };
        match store.kind {
            StoreKind::Volume => vec![
                format!("find zone and machine of the disk: aws ec2 describe-volumes --volume-ids {physical}"),
                format!("make another from the snapshot there: aws ec2 create-volume --snapshot-id {handle} --availability-zone ZONE"),
                "attach it to the same machine: aws ec2 attach-volume --volume-id VOLUME --instance-id MACHINE --device /dev/sdz".to_owned(),
                "on the machine stop the database, mount the disk, copy its data over the present data, start the database".to_owned(),
                "detach and remove it: aws ec2 detach-volume --volume-id VOLUME, then aws ec2 delete-volume --volume-id VOLUME".to_owned(),
            ],
            StoreKind::DatabaseCluster => then(format!(
                "make another beside it: aws rds restore-db-cluster-from-snapshot --db-cluster-identifier {physical}-back --snapshot-identifier {handle} --engine {engine}, then aws rds create-db-instance for each of its servers"
            )),
            StoreKind::DatabaseInstance => then(format!(
                "make another beside it: aws rds restore-db-instance-from-db-snapshot --db-instance-identifier {physical}-back --db-snapshot-identifier {handle}"
            )),
            _ => then(format!(
                "make another beside it: aws elasticache create-replication-group --replication-group-id {physical}-back --replication-group-description back --snapshot-name {handle}"
            )),
        }
    }
}
