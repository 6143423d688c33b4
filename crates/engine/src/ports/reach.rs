//! The way to a datastore's server, and what is started beside it.

use std::path::Path;
use std::rc::Rc;

use switchback_model::observed::ImagePin;

use super::{Context, Elsewhere, Failure};
use crate::process::{Argv, CommandError};

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
/// [`Driver::clean`](super::Driver::clean) ends and removes those of its run; so a halted run leaves none behind.
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
