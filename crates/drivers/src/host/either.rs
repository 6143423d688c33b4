//! This machine or another, by the same calls.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rustix::process::Signal;
use switchback_engine::ports::{Context, Failure, Finding};
use switchback_engine::process::{Argv, CommandError, Commands, Finished, Input, Output};
use switchback_model::observed::Filesystem;
use switchback_model::{Digest, RunId};

use super::claim::Claim;
use super::far::Far;
use super::process::Process;
use super::seen::Seen;
use super::{here, problems};
use crate::filesystem::{self, Use};

/// Where other switchbacks see that one of them changes a product of this machine.
const CLAIMS: &str = "/var/lib/switchback/claims";

/// This machine, as it says of itself.
const LOOPBACK: &str = "127.0.0.1";

/// Where a deployment is. What goes wrong on the way to another machine is inside the [`io::Error`] of what was
/// asked, see [`super::failure_of`]: it is never taken for a *no*.
#[derive(Clone, Debug)]
pub(crate) enum Host {
    /// This machine.
    Here(Commands),
    /// Another one.
    Far(Rc<Far>),
}

impl Host {
    /// How the machine is called; `None` for this one.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Here(_) => None,
            Self::Far(far) => Some(far.target()),
        }
    }

    /// How often a wait looks: another machine is asked less often.
    pub(crate) fn pause(&self) -> Duration {
        Duration::from_millis(match self {
            Self::Here(_) => 100,
            Self::Far(_) => 500,
        })
    }

    /// The command as it is started here to run there.
    pub(crate) fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        match self {
            Self::Here(_) => Ok(argv),
            Self::Far(far) => far.inside(&argv),
        }
    }

    /// What is wrong with the way there, where that is why a command made by [`Host::inside`] failed.
    pub(crate) fn lost(&self, error: &CommandError) -> Option<Failure> {
        match self {
            Self::Here(_) => None,
            Self::Far(far) => far.lost(error),
        }
    }

    /// Runs a command to its end, whatever its exit code.
    pub(crate) fn run_any(&self, argv: &Argv, what: &str) -> Result<Finished, Failure> {
        match self {
            Self::Here(commands) => commands
                .run_any(argv, Input::Empty, Output::Capture)
                .map_err(|error| error.into_failure("host-silent", what)),
            Self::Far(far) => far.run_any(argv, Input::Empty, Output::Capture),
        }
    }

    /// Runs a command to its end and returns what it answers.
    pub(crate) fn capture(&self, argv: &Argv, what: &str) -> Result<String, Failure> {
        let commands = match self {
            Self::Here(commands) => commands,
            Self::Far(far) => {
                let finished = far.run_any(argv, Input::Empty, Output::Capture)?;
                if finished.code == 0 {
                    return Ok(finished.stdout);
                }
                let masked = far.commands().redactor().mask(&finished.stdout);
                let error = CommandError::Exit {
                    command: far.commands().redactor().mask(&argv.to_string()),
                    code: finished.code,
                    output: format!("{}{masked}", finished.stderr),
                };
                return Err(error.into_failure("host-silent", what));
            }
        };
        commands
            .capture(argv)
            .map_err(|error| error.into_failure("host-silent", what))
    }

    /// Where a port that services listen on there is reached from here.
    pub(crate) fn base(&self, port: u16) -> Result<String, Failure> {
        let there = (LOOPBACK.to_owned(), port);
        let (host, port) = self.reached_at(LOOPBACK, port)?.unwrap_or(there);
        Ok(format!("http://{host}:{port}"))
    }

    /// Where what listens at `host` and `port`, as the other machine says, is reached from this one; `None` where this
    /// is the machine. Asking again makes it last.
    pub(crate) fn reached_at(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Option<(String, u16)>, Failure> {
        match self {
            Self::Here(_) => Ok(None),
            Self::Far(far) => {
                let here = far.forward(host, port)?;
                Ok(Some((LOOPBACK.to_owned(), here)))
            }
        }
    }

    /// A file's bytes.
    pub(crate) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read_from(path, 0)
    }

    /// A file's text.
    pub(crate) fn text(&self, path: &Path) -> io::Result<String> {
        self.read(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file's text, `None` where there is no such file.
    pub(crate) fn text_if_there(&self, path: &Path) -> io::Result<Option<String>> {
        match self.text(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => text.map(Some),
        }
    }

    /// A file's bytes from this one on.
    pub(crate) fn read_from(&self, path: &Path, from: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::Here(_) => here::read(path, from),
            Self::Far(far) => far.read(path, from),
        }
    }

    /// Digest of a file's bytes, which stay where they are.
    pub(crate) fn digest(&self, path: &Path) -> io::Result<Digest> {
        match self {
            Self::Here(_) => here::digest(path),
            Self::Far(far) => far.digest(path),
        }
    }

    /// Whether a file is what it was.
    pub(crate) fn look_at(&self, path: &str, digest: &Digest) -> Finding {
        match self.digest(Path::new(path)) {
            Ok(found) if found == *digest => Finding::Holds,
            Ok(_) => Finding::Differs {
                found: format!("`{path}` was changed"),
            },
            Err(error) => Finding::Unknown {
                why: format!("cannot read `{path}`: {error}"),
            },
        }
    }

    /// Whether there is anything at this path.
    pub(crate) fn exists(&self, path: &Path) -> io::Result<bool> {
        match self {
            Self::Here(_) => path.try_exists(),
            Self::Far(far) => far.test("-e", path),
        }
    }

    /// Whether there is a file at this path.
    pub(crate) fn is_file(&self, path: &Path) -> io::Result<bool> {
        match self {
            Self::Here(_) => Ok(path.is_file()),
            Self::Far(far) => far.test("-f", path),
        }
    }

    /// What a directory holds, in any order.
    pub(crate) fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        match self {
            Self::Here(_) => here::list(directory),
            Self::Far(far) => far.list(directory),
        }
    }

    /// As [`Host::list`]; nothing where there is no such directory.
    pub(crate) fn list_if_there(&self, directory: &Path) -> io::Result<Vec<String>> {
        match self.list(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            names => names,
        }
    }

    /// Puts a file in its place with everything in it, on disk when this returns. Directories are made.
    pub(crate) fn write(&self, path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match self {
            Self::Here(_) => here::write(path, bytes.as_ref()),
            Self::Far(far) => far.write(path, bytes.as_ref()),
        }
    }

    /// Makes a directory, and those above it.
    pub(crate) fn make_directory(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Here(_) => fs::create_dir_all(path),
            Self::Far(far) => far.act(&["mkdir", "-p"], &[path]),
        }
    }

    /// A new directory for what is thrown away afterwards, by whoever asked for it.
    pub(crate) fn scratch(&self) -> io::Result<PathBuf> {
        match self {
            Self::Here(_) => here::scratch(),
            Self::Far(far) => far.scratch(),
        }
    }

    /// What was written to a file is on disk when this returns.
    pub(crate) fn sync(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Here(_) => here::sync(path),
            Self::Far(far) => far.act(&["sync"], &[path]),
        }
    }

    /// Copies a file.
    pub(crate) fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            Self::Here(_) => fs::copy(from, to).map(drop),
            Self::Far(far) => far.act(&["cp"], &[from, to]),
        }
    }

    /// Gives a file or directory another name, in one act; a file that has it goes.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            Self::Here(_) => fs::rename(from, to),
            Self::Far(far) => far.rename(from, to),
        }
    }

    /// Removes a file; one that is not there is fine.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Here(_) => here::absent_is_fine(fs::remove_file(path)),
            Self::Far(far) => far.act(&["rm", "-f"], &[path]),
        }
    }

    /// Removes a directory with all that is in it; one that is not there is fine.
    pub(crate) fn remove_tree(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Here(_) => here::absent_is_fine(fs::remove_dir_all(path)),
            Self::Far(far) => far.act(&["rm", "-rf"], &[path]),
        }
    }

    /// Removes a directory where it is empty.
    pub(crate) fn remove_empty(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Here(_) => here::remove_empty(path),
            Self::Far(far) => far.remove_empty(path),
        }
    }

    /// Space and identity of the filesystems that paths are on; one that cannot be looked at is left out.
    pub(crate) fn filesystems(&self, uses: &[Use]) -> Vec<Filesystem> {
        match self {
            Self::Here(_) => filesystem::look(uses),
            Self::Far(far) => uses
                .iter()
                .filter_map(|used| far.filesystem(used).ok())
                .collect(),
        }
    }

    /// Files below a directory and their bytes.
    pub(crate) fn tree_size(&self, directory: &Path) -> io::Result<(u64, u64)> {
        match self {
            Self::Here(_) => Ok(filesystem::tree_size(directory)),
            Self::Far(far) => far.tree_size(directory),
        }
    }

    /// Every process that can be looked at.
    pub(crate) fn processes(&self) -> io::Result<Vec<Seen>> {
        match self {
            Self::Here(_) => Ok(here::processes()),
            Self::Far(far) => far.processes(),
        }
    }

    /// The process that a note names, where it still lives.
    pub(crate) fn noted(&self, note: &Path) -> io::Result<Option<Process>> {
        let Some(process) = self
            .text_if_there(note)?
            .and_then(|text| Process::in_note(&text))
        else {
            return Ok(None);
        };
        Ok(self.lives(process)?.then_some(process))
    }

    /// Whether a process still runs.
    pub(crate) fn lives(&self, process: Process) -> io::Result<bool> {
        match self {
            Self::Here(_) => Ok(process.lives()),
            Self::Far(far) => far.lives(process),
        }
    }

    /// Processor time of the process with this pid; `None` where none lives.
    pub(crate) fn processor_time(&self, pid: i32) -> io::Result<Option<Duration>> {
        match self {
            Self::Here(_) => Ok(Process::with_pid(pid).map(Process::processor_time)),
            Self::Far(far) => far.processor_time(pid),
        }
    }

    /// Sends processes a signal, and the whole group of each that leads one.
    pub(crate) fn signal(&self, processes: &[Process], signal: Signal) -> io::Result<()> {
        match self {
            Self::Here(_) => {
                for process in processes {
                    process.signal(signal);
                }
                Ok(())
            }
            Self::Far(far) => far.signal(processes, signal),
        }
    }

    /// Notes on the machine that this run changes `product`, unless another switchback's run does: from another
    /// machine, or with another state directory, where no lease of ours is seen.
    pub(crate) fn claim(&self, product: &str, cx: &Context<'_>) -> Result<(), Failure> {
        let ours = Claim::of(cx);
        match self.claimed(product)? {
            Some(found) if found.is_of_the_same(&ours) => return Ok(()),
            Some(found) => return Err(found.refusal(self.name(), &claim_of(product))),
            None => {}
        }
        let path = claim_of(product);
        let created = match self {
            Self::Here(_) => here::create(&path, ours.text().as_bytes()),
            Self::Far(far) => far.create(&path, ours.text().as_bytes()),
        };
        created.map_err(|error| unwritable(&path, &error))?;
        // Of two that came at the same time, one sees the other's.
        match self.claimed(product)? {
            Some(found) if !found.is_of_the_same(&ours) => Err(found.refusal(self.name(), &path)),
            _ => Ok(()),
        }
    }

    /// Whose claim there is.
    fn claimed(&self, product: &str) -> Result<Option<Claim>, Failure> {
        let path = claim_of(product);
        let text = self
            .text_if_there(&path)
            .map_err(|error| unwritable(&path, &error))?;
        Ok(text.map(|text| Claim::parse(&text)))
    }

    /// Why nothing may be changed now by whoever keeps backups in `backups`: another switchback is at it.
    pub(crate) fn claimed_by_another(
        &self,
        product: &str,
        backups: &Path,
    ) -> Result<Option<Failure>, Failure> {
        let ours = Claim::by(backups, &RunId::new("none"));
        let found = self.claimed(product)?;
        let other = found.filter(|found| !found.is_of_the_same(&ours));
        Ok(other.map(|other| other.refusal(self.name(), &claim_of(product))))
    }

    /// Takes our claim back; another's stays.
    pub(crate) fn release(&self, product: &str, cx: &Context<'_>) -> Result<(), Failure> {
        let path = claim_of(product);
        match self.claimed(product)? {
            Some(found) if found.is_of_the_same(&Claim::of(cx)) => self
                .remove(&path)
                .map_err(|error| unwritable(&path, &error)),
            _ => Ok(()),
        }
    }
}

fn claim_of(product: &str) -> PathBuf {
    Path::new(CLAIMS).join(product)
}

/// A file that cannot be read or written, or the way to it that is not there.
pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    problems::failure_of(error).unwrap_or_else(|| {
        Failure::new(
            "file-unwritable",
            format!("cannot write `{}`", path.display()),
        )
        .cause(error)
        .hint("make room, or make it writable, then switchback resume")
    })
}
