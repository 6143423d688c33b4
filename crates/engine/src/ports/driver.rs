//! What changes a deployment.

use std::collections::BTreeMap;

use switchback_model::event::Outcome;
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Check, Expectation, FileEdit};
use switchback_model::rollover::Parcel;
use switchback_model::stack::{
    HalfWay, Machine, MachineGroup, ObjectsAt, RenewBy, Snapshot, StackUpdate, Store,
};
use switchback_model::{MigrationId, ServiceName, Version};

use super::{Context, Failure, Finding};

/// What one-off containers or processes of a step say about its migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationTrace {
    /// Nothing was ever started for this step: it has certainly not run.
    NeverStarted,
    /// It is still running.
    Running,
    /// It ended with this exit code.
    Exited {
        /// Zero means that the product says it succeeded.
        code: i64,
    },
}

/// One migration to run.
#[derive(Clone, Debug)]
pub struct MigrationCall<'a> {
    /// Which migration.
    pub migration: &'a MigrationId,
    /// Version of the image.
    pub version: &'a Version,
    /// The image.
    pub image: &'a ImagePin,
    /// The service whose configuration it runs with.
    pub service: &'a ServiceName,
    /// Arguments to the image's entry point.
    pub run: &'a [String],
}

/// Changes a deployment.
///
/// A call that acts returns once what it promises is so: its outcome says whether that was done now or had been done.
/// A [`Failure`] halts the run. It claims a state only where a look saw it, and is marked as `stopped` where the
/// operator's second signal ended a wait. Before the same call is made again, [`Driver::look`] is asked.
pub trait Driver {
    /// Answers every expectation that is about no datastore: images, services, files, stacks, content, hand-work.
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding;

    /// Brings an image here and checks that it is the pinned one.
    fn fetch(&self, cx: &Context<'_>, image: &ImagePin) -> Result<Outcome, Failure>;

    /// Stops services and returns when nothing of them runs, one-off programs and replicas included. A failure names
    /// what still runs.
    fn stop(&self, cx: &Context<'_>, services: &[ServiceName]) -> Result<Outcome, Failure>;

    /// Creates and starts services, and returns when they run these images.
    fn start(
        &self,
        cx: &Context<'_>,
        services: &[ServiceName],
        images: &BTreeMap<ServiceName, ImagePin>,
    ) -> Result<Outcome, Failure>;

    /// Applies edits, each atomically and durably; one that is applied already is left.
    fn set(&self, cx: &Context<'_>, edits: &[FileEdit]) -> Result<Outcome, Failure>;

    /// What is left of an earlier try of this step's migration.
    fn trace(&self, cx: &Context<'_>, migration: &MigrationId) -> Result<MigrationTrace, Failure>;

    /// Runs a migration to its end. Where this step's one-off container already runs or has ended
    /// well, it is adopted, never started a second time. A non-zero exit code is a `Failure`
    /// with code `migration-failed`, and the container is kept for [`Driver::discard`].
    fn migrate(&self, cx: &Context<'_>, call: &MigrationCall<'_>) -> Result<Outcome, Failure>;

    /// Ends and removes what is left of this step's migration, so that it can be run again.
    fn discard(&self, cx: &Context<'_>, migration: &MigrationId) -> Result<(), Failure>;

    /// Looks from outside: health, stability, write path.
    fn check(&self, cx: &Context<'_>, check: &Check) -> Result<Outcome, Failure>;

    /// Brings a piece of content, see [`crate::content::Carrier::bring`]. Only a roll-over has any.
    fn bring(&self, _: &Context<'_>, parcel: &Parcel) -> Result<Outcome, Failure> {
        Err(Failure::new(
            "no-content",
            format!("`{}` cannot be brought to a deployment", parcel.id),
        ))
    }

    /// Takes a snapshot of a store at the provider's and returns when it is complete. One that this step took already is
    /// adopted. What the snapshot is called is in the outcome's facts.
    fn snapshot(&self, _: &Context<'_>, store: &Store) -> Result<Outcome, Failure> {
        Err(no_stacks(&store.stack))
    }

    /// Marks a moment of a database and returns when its automated backups can bring it back; it serves meanwhile. A mark
    /// that this step set already stays. The moment is in the outcome's facts.
    fn mark(&self, _: &Context<'_>, store: &Store) -> Result<Outcome, Failure> {
        Err(no_stacks(&store.stack))
    }

    /// Makes the snapshot of what a store held at a mark, and removes what it was made from. What an earlier try made is
    /// adopted.
    fn recall(&self, _: &Context<'_>, mark: &Snapshot) -> Result<Outcome, Failure> {
        Err(no_stacks(&mark.store.stack))
    }

    /// Brings every object that a bucket held at a moment back to what it was then, where it is another now or gone.
    /// What came later stays.
    fn rewind(&self, _: &Context<'_>, objects: &ObjectsAt) -> Result<Outcome, Failure> {
        Err(no_stacks(&objects.store.stack))
    }

    /// Brings a stack to what is wanted: makes the change set, refuses it where it holds surprises
    /// ([`switchback_model::stack::ExpectedChanges::surprises`]), executes it once and follows it to its end. A change
    /// set of this step that is being executed, or was, is adopted; one that was not is removed and made anew.
    fn update(&self, _: &Context<'_>, update: &StackUpdate) -> Result<Outcome, Failure> {
        Err(no_stacks(&update.stack))
    }

    /// Goes on with an update that is half way back and returns when it is taken back. What is under way because of this
    /// step is adopted. What is left out is left out by name, and nothing else.
    fn take_back(&self, _: &Context<'_>, update: &HalfWay) -> Result<Outcome, Failure> {
        Err(no_stacks(&update.stack))
    }

    /// Removes a stack, which is the one that has this id, and returns when it is gone; one that is gone is removed.
    fn remove(&self, _: &Context<'_>, stack: &str, _id: &str) -> Result<Outcome, Failure> {
        Err(no_stacks(stack))
    }

    /// Ends a machine for good and returns when it is gone and its volumes are free.
    fn terminate(&self, _: &Context<'_>, machine: &Machine) -> Result<Outcome, Failure> {
        Err(no_stacks(&machine.stack))
    }

    /// Replaces the machines of a group that are behind, and returns when none is. An instance refresh that this step began
    /// is adopted.
    fn renew(
        &self,
        _: &Context<'_>,
        group: &MachineGroup,
        _by: RenewBy,
    ) -> Result<Outcome, Failure> {
        Err(no_stacks(&group.stack))
    }

    /// Ends an instance refresh that is under way and returns when no machine is replaced any more.
    fn end_refresh(&self, _: &Context<'_>, group: &MachineGroup) -> Result<Outcome, Failure> {
        Err(no_stacks(&group.stack))
    }

    /// Ends and removes everything of this run that must not outlive it.
    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure>;
}

/// The failure of a driver that is asked for a check which is not its own: counts and servers are the datastore's,
/// content is a [`Carrier`](crate::content::Carrier)'s.
pub fn not_for_a_driver() -> Failure {
    Failure::new(
        "not-for-the-driver",
        "counts are the datastore's to compare",
    )
}

/// The failure of a driver that is asked about a stack and has none.
pub fn no_stacks(stack: &str) -> Failure {
    Failure::new(
        "no-stacks",
        format!("`{stack}` is a stack, and this deployment has none"),
    )
    .hint("plan again: switchback plan")
}
