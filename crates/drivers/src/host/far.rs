//! Another machine, through the operator's own `ssh`: one connection that all commands share.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use switchback_engine::ports::Failure;
use switchback_engine::process::{Argv, CommandError, Commands, Finished, Input, Output, Secret};
use switchback_engine::signal::Urgency;
use switchback_model::Digest;

use super::problems;
use super::program::Program;
use super::script;
use super::ssh::Ssh;

/// How long a connection that was lost is tried anew by what only looks. A machine that restarts its network is back
/// within it; one that boots is not, and then a halt with a reason serves better.
const RECONNECT: Duration = Duration::from_secs(60);
/// How often.
const AGAIN: Duration = Duration::from_secs(1);
/// `ssh` ends with this of itself, and nothing else does: see [`script::of`].
const OF_SSH: i32 = 255;

/// Tells the connections of one process apart.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Another machine.
#[derive(Debug)]
pub(crate) struct Far {
    ssh: Ssh,
    commands: Commands,
    /// Whether `sudo` is needed; known once the first command went through.
    sudo: OnceCell<bool>,
    connected: Cell<bool>,
    /// Ports of this machine by what they lead to.
    ports: RefCell<BTreeMap<(String, u16), u16>>,
    /// What is run there where it takes this program itself.
    pub(super) program: Program,
}

impl Far {
    /// The machine that `ssh target` leads to, with the settings of `config` where it is given. Nothing is asked yet.
    pub(crate) fn new(target: &str, config: Option<PathBuf>, commands: Commands) -> Self {
        let own = rustix::process::geteuid().as_raw();
        let directory = std::env::temp_dir().join(format!("switchback-ssh-{own}"));
        let settings = config.as_ref().map(|config| config.to_string_lossy());
        let which = Digest::of(format!("{target}\0{}", settings.unwrap_or_default()));
        let name = format!(
            "{}-{}-{}",
            which.short(),
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        Self {
            ssh: Ssh {
                target: target.to_owned(),
                config,
                socket: directory.join(name),
            },
            commands,
            sudo: OnceCell::new(),
            connected: Cell::new(false),
            ports: RefCell::default(),
            program: Program::this(),
        }
    }

    /// `user@host`.
    pub(crate) fn target(&self) -> &str {
        &self.ssh.target
    }

    pub(crate) fn commands(&self) -> &Commands {
        &self.commands
    }

    /// The command as it is started here to run there as root.
    pub(crate) fn inside(&self, argv: &Argv) -> Result<Argv, Failure> {
        let sudo = self.open()?;
        Ok(self.carried(argv, sudo))
    }

    /// What `ssh` or `sudo` says where a command made by [`Far::inside`] did not get there or lost its way back.
    pub(crate) fn lost(&self, error: &CommandError) -> Option<Failure> {
        match error {
            CommandError::Exit { code, output, .. } if *code == OF_SSH => {
                Some(problems::of_ssh(self.target(), output))
            }
            CommandError::Exit { output, .. } if self.sudo.get() == Some(&true) => {
                problems::of_sudo(self.target(), output)
            }
            _ => None,
        }
    }

    /// Runs a command to its end, whatever its exit code.
    pub(crate) fn run_any(
        &self,
        argv: &Argv,
        input: Input<'_>,
        output: Output<'_>,
    ) -> Result<Finished, Failure> {
        let sudo = self.open()?;
        let finished = self.send(argv, sudo, input, output)?;
        if sudo
            && finished.code != 0
            && let Some(failure) = problems::of_sudo(self.target(), &finished.stderr)
        {
            return Err(failure);
        }
        Ok(finished)
    }

    /// Asks what may be asked twice, and returns every byte of the answer. A connection that is lost meanwhile is
    /// made anew.
    pub(super) fn ask(&self, argv: &Argv, input: &[u8]) -> io::Result<Vec<u8>> {
        let mut answer = None;
        let finished = self.patiently(|| {
            let file = tempfile::tempfile().and_then(|file| Ok((file.try_clone()?, file)));
            let (file, kept) = file.map_err(|error| {
                Failure::new("file-unwritable", "cannot keep an answer").cause(error)
            })?;
            answer = Some(kept);
            self.run_any(argv, Input::Bytes(input), Output::File(file))
        });
        let finished = finished.map_err(io::Error::other)?;
        if finished.code != 0 {
            return Err(problems::of_file(&finished.stderr));
        }
        let mut bytes = Vec::new();
        if let Some(mut answer) = answer {
            io::Seek::rewind(&mut answer)?;
            io::Read::read_to_end(&mut answer, &mut bytes)?;
        }
        Ok(bytes)
    }

    /// Asks again while the connection is lost and may come back.
    pub(super) fn patiently<T>(
        &self,
        mut ask: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut lost: Option<Instant> = None;
        loop {
            let asked = Instant::now();
            match ask() {
                Err(failure) if problems::is_of_the_line(&failure) => {
                    // Patience begins with the loss: what was asked may have been heard for hours until then.
                    let since = lost.filter(|_| asked.elapsed() < RECONNECT);
                    let since = since.unwrap_or_else(Instant::now);
                    if !self.may_come_back(since) {
                        return Err(failure);
                    }
                    lost = Some(since);
                    std::thread::sleep(AGAIN);
                }
                answered => return answered,
            }
        }
    }

    /// Whether a connection that was lost at `since` may come back: the machine was there a moment ago.
    fn may_come_back(&self, since: Instant) -> bool {
        if since.elapsed() >= RECONNECT {
            // Whoever asks next would wait as long again for nothing.
            self.connected.set(false);
        }
        self.connected.get() && self.commands.stop().urgency() != Urgency::Now
    }

    /// A port of this machine that leads to `port` of `host`, as the other machine names it, for as long as the
    /// connection lasts; asking again makes it last.
    pub(super) fn forward(&self, host: &str, port: u16) -> Result<u16, Failure> {
        let failed = |cause: String| {
            Failure::new(
                "port-not-forwarded",
                format!("cannot reach {host}:{port} by way of `{}`", self.target()),
            )
            .cause(cause)
            .hint("its sshd must allow it: AllowTcpForwarding")
        };
        let there = (host.to_owned(), port);
        let known = self.ports.borrow().get(&there).copied();
        let here = match known {
            Some(here) => here,
            None => TcpListener::bind(("127.0.0.1", 0))
                .and_then(|listener| listener.local_addr())
                .map_err(|error| failed(error.to_string()))?
                .port(),
        };
        // The connection may have ended since it was asked for last, and the port with it.
        self.ask(&Argv::new("true", [""; 0]), b"")
            .map_err(|error| {
                problems::failure_of(&error).unwrap_or_else(|| failed(error.to_string()))
            })?;
        self.commands
            .capture(&self.ssh.forward(here, host, port))
            .map_err(|error| {
                let told = failed(String::new());
                let mut failure = error.into_failure(&told.code, told.what);
                failure.hints = told.hints;
                failure
            })?;
        self.ports.borrow_mut().insert(there, here);
        Ok(here)
    }

    /// Makes sure that commands can be run as root; true where that takes `sudo`.
    fn open(&self) -> Result<bool, Failure> {
        if let Some(sudo) = self.sudo.get() {
            return Ok(*sudo);
        }
        self.prepare()?;
        let who = Argv::new("id", ["-u"]);
        let answer = self.send(&who, false, Input::Empty, Output::Capture)?;
        let sudo = answer.stdout.trim() != "0";
        if sudo {
            let answer = self.send(&who, true, Input::Empty, Output::Capture)?;
            if answer.stdout.trim() != "0" {
                let failure = problems::of_sudo(self.target(), &answer.stderr);
                return Err(failure.unwrap_or_else(|| {
                    Failure::new(
                        "sudo-refused",
                        format!("sudo does not let us be root on `{}`", self.target()),
                    )
                    .cause(answer.stderr.trim())
                }));
            }
        }
        Ok(*self.sudo.get_or_init(|| sudo))
    }

    /// The directory of connections, which nobody else may write into.
    fn prepare(&self) -> Result<(), Failure> {
        let directory = self.ssh.socket.parent().unwrap_or(Path::new("/"));
        let failed = |cause: String| {
            Failure::new(
                "file-unwritable",
                format!("cannot keep a connection in `{}`", directory.display()),
            )
            .cause(cause)
            .hint("remove it, or set TMPDIR to a directory of your own")
        };
        match fs::DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error.to_string()));
            }
            _ => {}
        }
        let found = fs::symlink_metadata(directory).map_err(|error| failed(error.to_string()))?;
        let own = rustix::process::geteuid().as_raw();
        if !found.is_dir() || found.uid() != own || found.mode() & 0o077 != 0 {
            return Err(failed("others may write into it".to_owned()));
        }
        Ok(())
    }

    fn send(
        &self,
        argv: &Argv,
        sudo: bool,
        input: Input<'_>,
        output: Output<'_>,
    ) -> Result<Finished, Failure> {
        let finished = self
            .commands
            .run_any(&self.carried(argv, sudo), input, output)
            .map_err(|error| {
                error.into_failure("host-silent", format!("cannot ask `{}`", self.target()))
            })?;
        match finished.code {
            OF_SSH => Err(problems::of_ssh(self.target(), &finished.stderr)),
            127 if finished.stderr.contains("failed to execute ssh") => {
                Err(problems::no_ssh(finished.stderr.trim()))
            }
            _ => {
                self.connected.set(true);
                Ok(finished)
            }
        }
    }

    fn carried(&self, argv: &Argv, sudo: bool) -> Argv {
        for (_, secret) in &argv.env {
            self.commands.redactor().register(secret.expose());
        }
        let script = script::of(argv);
        let told = format!("{argv} (on {})", self.target());
        self.ssh
            .run(script::launcher(script.len(), sudo))
            .carrying(Secret::new(script), told)
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        if self.connected.get() {
            // One that is gone already has nothing to end.
            drop(self.commands.capture(&self.ssh.close()));
        }
    }
}
