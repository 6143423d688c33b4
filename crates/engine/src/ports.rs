//! What the engine needs of the world. A driver changes a deployment, a
//! datastore keeps and brings back its data; both answer questions first.
//!
//! Every call may be repeated: after a crash the engine asks again
//! ([`Driver::look`], [`Datastore::look`]), and calls again where the answer is
//! not yet *holds*. Nothing an implementation needs after a crash may live in
//! memory only.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use switchback_model::contents::Contents;
use switchback_model::event::Outcome;
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Check, EngineChange, Expectation, FileEdit, Plan};
use switchback_model::problem::State;
use switchback_model::rollover::Parcel;
use switchback_model::stack::{Machine, MachineGroup, Snapshot, StackUpdate, Store};
use switchback_model::{DatastoreName, MigrationId, RunId, ServiceName, StepNumber, Version};

use crate::elsewhere::Elsewhere;
use crate::process::{Argv, CommandError, Commands};
use crate::signal::StopSignal;

/// What every call gets: which run and step it serves, and the means to act.
pub struct Context<'a> {
    /// The plan being executed.
    pub plan: &'a Plan,
    /// The run.
    pub run: &'a RunId,
    /// The step, for labels and file names.
    pub step: StepNumber,
    /// Where backups of this deployment live: `<state>/shadows/<deployment>`.
    /// A datastore uses `<backups>/<run>/<datastore>/`.
    pub backups: &'a Path,
    /// Starts child processes, captured, redacted, in groups of their own.
    pub commands: &'a Commands,
    /// Tells how far things are. Call at least every few seconds while waiting.
    pub progress: &'a dyn Progress,
    /// The operator's wish to stop.
    pub stop: &'a StopSignal,
}

/// Listens to how far a step is.
pub trait Progress {
    /// `doing` says what is done or waited for; numbers where there are any.
    fn report(&self, doing: &str, done: Option<u64>, of: Option<u64>, unit: Option<&str>);
}

/// The answer to an [`Expectation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It is so.
    Holds,
    /// It is not so; this was found.
    Differs {
        /// What was found, for people.
        found: String,
    },
    /// Nothing could look. Never counts as *no*.
    Unknown {
        /// Why.
        why: String,
    },
}

/// A call that did not succeed. The engine adds what it knows and makes a `Problem` of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}")]
pub struct Failure {
    /// Stable identifier, e.g. `migration-failed`.
    pub code: String,
    /// What failed: one line, lowercase, no full stop.
    pub what: String,
    /// Underlying causes, outermost first.
    pub causes: Vec<String>,
    /// State that was seen while failing.
    pub state: Vec<State>,
    /// What to do, best first.
    pub hints: Vec<String>,
    /// Captured output, already redacted.
    pub output: Option<String>,
    /// True where the operator's second signal ended it.
    pub stopped: bool,
}

impl Failure {
    /// A failure with its code and first line.
    pub fn new(code: &str, what: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            what: what.into(),
            ..Self::default()
        }
    }

    /// Adds an underlying cause.
    #[must_use]
    pub fn cause(mut self, cause: impl ToString) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a state line.
    #[must_use]
    pub fn state(mut self, subject: impl Into<String>, seen: impl Into<String>) -> Self {
        self.state.push(State {
            subject: subject.into(),
            seen: Some(seen.into()),
        });
        self
    }

    /// Adds captured output.
    #[must_use]
    pub fn output(mut self, output: impl Into<String>) -> Self {
        self.output = Some(output.into());
        self
    }
}

/// Code of the failure with which [`Datastore::sealed_contents`] says that a shadow took the place of the data
/// before what it holds was counted: identity and position are all that it is told by.
pub const UNCOUNTED: &str = "contents-uncounted";

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
pub trait Driver {
    /// Answers the expectations about images, services and files.
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding;

    /// Brings an image here and checks that it is the pinned one.
    fn fetch(&self, cx: &Context<'_>, image: &ImagePin) -> Result<Outcome, Failure>;

    /// Stops services and returns when nothing of them runs.
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

    /// Brings a stack to what is wanted: makes the change set, refuses it where it holds surprises
    /// ([`switchback_model::stack::ExpectedChanges::surprises`]), executes it once and follows it to its end. A change
    /// set of this step that is being executed, or was, is adopted; one that was not is removed and made anew.
    fn update(&self, _: &Context<'_>, update: &StackUpdate) -> Result<Outcome, Failure> {
        Err(no_stacks(&update.stack))
    }

    /// Removes a stack and returns when it is gone.
    fn remove(&self, _: &Context<'_>, stack: &str, _id: &str) -> Result<Outcome, Failure> {
        Err(no_stacks(stack))
    }

    /// Ends a machine for good and returns when it is gone and its volumes are free.
    fn terminate(&self, _: &Context<'_>, machine: &Machine) -> Result<Outcome, Failure> {
        Err(no_stacks(&machine.stack))
    }

    /// Replaces the machines of a group that are behind, one by one, and returns when none is.
    fn renew(&self, _: &Context<'_>, group: &MachineGroup) -> Result<Outcome, Failure> {
        Err(no_stacks(&group.stack))
    }

    /// Ends and removes everything of this run that must not outlive it.
    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure>;
}

/// The failure of a driver that is asked about a stack and has none.
pub fn no_stacks(stack: &str) -> Failure {
    Failure::new(
        "no-stacks",
        format!("`{stack}` is a stack, and this deployment has none"),
    )
    .hint("plan again: switchback plan")
}

/// What lives while several things are asked of a datastore in a row ([`Datastore::hold`]).
pub trait Hold {}

impl<T> Hold for T {}

/// Keeps a datastore's data and brings it back.
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

    /// Completes the backup at one position, with no writer left.
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
    /// shadow by reading it where it follows, while the service is up.
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

/// Stands for the directory in the arguments of a scratch server, see [`Reach::scratch`].
pub const SCRATCH_DIRECTORY: &str = "{directory}";

/// The way to a datastore's server: how a program is run beside it, and how the server itself is
/// stopped, started and doubled. Drivers provide it, datastores use it, so that neither knows the other.
pub trait Reach {
    /// The command as it must be started on this host to run beside the server (e.g. wrapped in
    /// `docker exec -i`, without a terminal; secrets of its environment stay out of the process list).
    fn inside(&self, argv: Argv) -> Result<Argv, Failure>;

    /// Why the server can neither be stopped nor have anything started beside it, as half a sentence; `None` where
    /// both can be.
    fn foreign(&self) -> Option<String> {
        None
    }

    /// What is wrong with the way there, where that is why a command that was made by [`Reach::inside`] failed.
    fn lost(&self, _: &CommandError) -> Option<Failure> {
        None
    }

    /// Lets a process of the server, told by the number that the server knows it by, give way to its others:
    /// what is asked of a server while users work must not slow them down. Where that is not possible, or not
    /// allowed, nothing happens.
    fn give_way(&self, _process: i32) {}

    /// Where a server that listens at `host` and `port`, as programs beside it say, is reached by this process, where
    /// those programs run on another machine; asking again makes it last. `None` where there is no such way.
    fn reached_at(&self, _host: &str, _port: u16) -> Result<Option<(String, u16)>, Failure> {
        Ok(None)
    }

    /// The machine that the server is on, where that is another one and this program can be run there. `None` where
    /// there is nothing but the server to ask.
    fn elsewhere(&self) -> Option<Rc<dyn Elsewhere>> {
        None
    }

    /// Whether the server's container or process runs.
    fn running(&self, cx: &Context<'_>) -> Result<bool, Failure>;

    /// Stops the server cleanly and returns when it no longer runs.
    fn stop(&self, cx: &Context<'_>) -> Result<(), Failure>;

    /// Starts the server and returns when its container or process runs (it may not answer yet).
    fn start(&self, cx: &Context<'_>) -> Result<(), Failure>;

    /// Starts `argv` (a server) with the same program as the original on `directory`, without a
    /// network, labelled with the run. Arguments say [`SCRATCH_DIRECTORY`] for the directory; the
    /// implementation puts in what [`Scratch::directory`] will tell.
    fn scratch(
        &self,
        cx: &Context<'_>,
        directory: &Path,
        argv: Argv,
    ) -> Result<Box<dyn Scratch>, Failure>;

    /// What the server's programs come from, where that is an image.
    fn image(&self) -> Option<ImagePin> {
        None
    }

    /// As [`Reach::scratch`], with the programs of another image than the original's.
    fn scratch_of(
        &self,
        _: &Context<'_>,
        image: &ImagePin,
        _: &Path,
        _: Argv,
    ) -> Result<Box<dyn Scratch>, Failure> {
        Err(Failure::new(
            "no-images",
            format!(
                "`{}` is an image, and this server runs in no container",
                image.reference
            ),
        ))
    }

    /// Starts `argv` with the same program version as the original, in the original's network, so
    /// that it reaches the server as the server reaches itself. It works on `directory` (see
    /// [`SCRATCH_DIRECTORY`]) as that directory's owner, publishes nothing, carries the run and
    /// `name` as labels, and outlives this process: the next one finds it with [`Reach::companion`].
    /// One of the same name that has ended is replaced; one that runs is an error.
    fn accompany(
        &self,
        cx: &Context<'_>,
        name: &str,
        directory: &Path,
        argv: Argv,
    ) -> Result<Box<dyn Companion>, Failure>;

    /// What [`Reach::accompany`] of this run started under `name`, running or ended.
    fn companion(
        &self,
        cx: &Context<'_>,
        name: &str,
    ) -> Result<Option<Box<dyn Companion>>, Failure>;
}

/// What became of a companion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompanionState {
    /// It runs.
    Running,
    /// It ended with this exit code.
    Ended {
        /// Zero where it ended well.
        code: i64,
    },
}

/// A program beside a datastore's server that outlives this process, see [`Reach::accompany`].
/// [`Driver::clean`] ends and removes those of its run; so a halted run leaves none behind.
pub trait Companion {
    /// As [`Reach::inside`], beside the companion.
    fn inside(&self, argv: Argv) -> Result<Argv, Failure>;

    /// Its directory as it sees it.
    fn directory(&self) -> &str;

    /// Whether it runs.
    fn state(&self) -> Result<CompanionState, Failure>;

    /// The end of what it wrote, redacted, for errors and progress.
    fn output(&self, cx: &Context<'_>) -> Result<String, Failure>;

    /// Asks it to end with `signal` (`SIGINT`, `SIGTERM`), waits as long as it takes while telling
    /// progress, and removes it. One that has ended is removed.
    fn end(&self, cx: &Context<'_>, signal: &str) -> Result<(), Failure>;
}

/// A second server that exists only to read a backup. Ends when dropped.
pub trait Scratch {
    /// As [`Reach::inside`], beside the second server.
    fn inside(&self, argv: Argv) -> Result<Argv, Failure>;

    /// Its directory as the second server sees it.
    fn directory(&self) -> &str;

    /// Whether it still runs: one that cannot load what it was given ends by itself.
    fn running(&self) -> Result<bool, Failure>;

    /// The end of what it wrote, where that is kept.
    fn output(&self) -> Result<String, Failure> {
        Ok(String::new())
    }
}

/// A deployment as the engine drives it.
pub struct Site {
    /// Changes the deployment.
    pub driver: Box<dyn Driver>,
    /// Keeps its data, by name.
    pub datastores: BTreeMap<DatastoreName, Box<dyn Datastore>>,
}
