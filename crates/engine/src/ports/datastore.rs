//! What keeps data and brings it back.

use std::path::Path;

use switchback_model::RunId;
use switchback_model::contents::Contents;
use switchback_model::event::Outcome;
use switchback_model::plan::{EngineChange, Expectation};

use super::{Context, Failure, Finding};

/// Code of the failure with which [`Datastore::sealed_contents`] says that a shadow took the place of the data
/// before what it holds was counted: identity and position are all that it is told by.
pub const UNCOUNTED: &str = "contents-uncounted";

/// What lives while several things are asked of a datastore in a row ([`Datastore::hold`]).
pub trait Hold {}

impl<T> Hold for T {}

/// Keeps a datastore's data and brings it back.
///
/// As with a [`Driver`](super::Driver), a call returns once what it promises is so, and a [`Failure`] halts the run. The
/// data of the original is only ever replaced by [`Datastore::restore`], [`Datastore::exchange`] and [`Datastore::put_back`]; what any
/// other call leaves beside it is named after the run, and removed by [`Datastore::clean`] where it is no backup.
pub trait Datastore {
    /// Answers the expectations about this datastore and its backups.
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding;

    /// Several things will be asked in a row: while what this returns lives, one client program may answer them all.
    /// Held only where the datastore's server is not stopped meanwhile, which may wait for whoever is connected.
    fn hold(&self) -> Box<dyn Hold + '_> {
        Box::new(())
    }

    /// What it holds now.
    fn contents(&self, cx: &Context<'_>) -> Result<Contents, Failure>;

    /// What the sealed backup of `run` holds, as its manifest says; a failure with code [`UNCOUNTED`] where nobody
    /// can tell any more.
    fn sealed_contents(&self, cx: &Context<'_>, run: &RunId) -> Result<Contents, Failure>;

    /// Begins a backup while the service is up. How it is made is the plan's choice
    /// ([`switchback_model::plan::DatastorePlan::method`]). A shadow follows the original when this returns.
    fn prepare(&self, cx: &Context<'_>) -> Result<Outcome, Failure>;

    /// Makes a prepared and unsealed shadow follow again, after a crash or a halt ended what followed.
    /// Begins anew where it can no longer catch up. Other methods have nothing to do.
    fn follow(&self, cx: &Context<'_>) -> Result<Outcome, Failure>;

    /// Completes the backup at one position, with no writer left; a failure with code `writers-connected` names who
    /// could still write.
    fn seal(&self, cx: &Context<'_>) -> Result<Outcome, Failure>;

    /// Makes a sealed backup of one moment while the service is up and may write: for a backup that no
    /// upgrade follows. It is consistent in itself, and no way back of a run. Where the ordinary way
    /// asks for no pause anyway, it serves.
    fn capture(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.prepare(cx)?;
        self.seal(cx)
    }

    /// Ends a shadow that was prepared by this run and not sealed, and leaves its data in `into`, for a server
    /// of its own: the copy that a rehearsal runs on. `None` where there is no such shadow.
    fn promote(&self, _: &Context<'_>, _: &Path) -> Result<Option<Outcome>, Failure> {
        Ok(None)
    }

    /// Compares the backup with the original: a sealed dump by restoring it into a scratch place, a
    /// shadow by reading it where it follows, while the service is up. A backup that is not what the original holds
    /// never counts as proven: a failure with code `backup-differs` or `backup-damaged`.
    fn prove(&self, cx: &Context<'_>) -> Result<Outcome, Failure>;

    /// Brings the data back from `run`'s sealed backup: restored beside, proven, then switched. A
    /// way back moves a shadow into place; a restore within an upgrade copies it, for it must
    /// serve the way back still. What was there is moved aside and kept until [`Datastore::release`]. Going on after a
    /// crash in the middle is part of the contract.
    fn restore(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure>;

    /// Removes what a restore moved aside.
    fn release(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure>;

    /// Tries on an empty server of the other version whether it can be what this one is, while this one serves.
    /// Changes nothing and leaves nothing.
    fn fits(&self, _: &Context<'_>, engine: &EngineChange) -> Result<Outcome, Failure> {
        Err(no_engine(engine))
    }

    /// Builds beside the data what a server of the other version will run on, with that server's own programs,
    /// and compares it with what is there. The server runs, and nobody writes.
    fn carry(&self, _: &Context<'_>, engine: &EngineChange) -> Result<Outcome, Failure> {
        Err(no_engine(engine))
    }

    /// Puts what was carried over in the place of the data, whose server is stopped. What was there is kept
    /// until [`Datastore::release`]. Going on after a crash in the middle is part of the contract.
    fn exchange(&self, _: &Context<'_>, engine: &EngineChange) -> Result<(), Failure> {
        Err(no_engine(engine))
    }

    /// Puts what the exchange of `run` kept aside back in its place; the server is stopped. Nothing happens
    /// where it was not exchanged.
    fn put_back(&self, _: &Context<'_>, engine: &EngineChange, _: &RunId) -> Result<(), Failure> {
        Err(no_engine(engine))
    }

    /// Waits until the server answers, and looks that it is the one which the data is made for.
    fn answers(&self, _: &Context<'_>, engine: &EngineChange) -> Result<Outcome, Failure> {
        Err(no_engine(engine))
    }

    /// Removes the backup of `run` where it lies on another machine. What lies on this one is removed by whoever
    /// lists it.
    fn forget(&self, _: &Context<'_>, _run: &RunId) -> Result<(), Failure> {
        Ok(())
    }

    /// Ends what a dead process of this run left in the server (sessions, scratch databases, half-written files).
    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure>;
}

fn no_engine(engine: &EngineChange) -> Failure {
    Failure::new(
        "engine-unknown",
        format!(
            "`{}` has no server whose version could change",
            engine.service
        ),
    )
}
