//! The one runner of child processes.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use switchback_journal::Outputs;
use switchback_model::Digest;

use super::argv::Argv;
use super::captured::{Captured, Chunk, read_into};
use super::input::{Feed, Input};
use super::outcome::{CommandError, Finished, Output};
use super::registry::{Note, kill_group};
use crate::failure::Failure;
use crate::redact::Redactor;
use crate::signal::{StopSignal, Urgency};

/// How often a wait looks at the stop signal.
const LOOK: Duration = Duration::from_millis(100);
/// Pipes that are open though the child has ended and that say nothing for this long are held by a grandchild.
/// Until then it may be that only our own reader was not given the processor yet, and its words would be lost.
const QUIET: Duration = Duration::from_secs(2);
/// How long a child may take to end after a polite signal; then it is killed.
const POLITE: Duration = Duration::from_secs(3);

/// Starts children, redacts what they say, and leaves none behind.
#[derive(Clone, Debug)]
pub struct Commands {
    registry: PathBuf,
    redactor: Redactor,
    stop: StopSignal,
    /// The program that lets a child die with us, where there is one.
    setpriv: Option<&'static str>,
    outputs: Option<Outputs>,
    patience: Option<Duration>,
}

impl Commands {
    /// A runner that notes its children in `registry` (a directory, made when needed).
    pub fn new(registry: impl Into<PathBuf>, redactor: Redactor, stop: StopSignal) -> Self {
        let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"]
            .into_iter()
            .find(|path| std::path::Path::new(path).exists());
        Self {
            registry: registry.into(),
            redactor,
            stop,
            setpriv,
            outputs: None,
            patience: None,
        }
    }

    /// Asks a child politely to end once it took this long. What it said until then is kept, and its exit code
    /// is whatever it makes of being asked.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Keeps output beside the journal of a run.
    #[must_use]
    pub fn keeping(mut self, outputs: Outputs) -> Self {
        self.outputs = Some(outputs);
        self
    }

    /// Keeps captured output, masked, and returns the name for [`Outcome::output`]; `None` where there
    /// is nothing to keep, or no run whose journal it belongs to.
    ///
    /// [`Outcome::output`]: switchback_model::event::Outcome::output
    pub fn keep(&self, text: &str) -> Result<Option<Digest>, Failure> {
        let Some(outputs) = self.outputs.as_ref().filter(|_| !text.is_empty()) else {
            return Ok(None);
        };
        outputs
            .keep(&self.redactor.mask(text))
            .map(Some)
            .map_err(|error| {
                Failure::new("output-not-kept", "cannot keep captured output").cause(error)
            })
    }

    /// The operator's wish to stop, which ends what this runner has started.
    pub fn stop(&self) -> &StopSignal {
        &self.stop
    }

    /// Masks secrets the way this runner does.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Runs to the end and returns standard output; any exit code but zero is an error.
    pub fn capture(&self, argv: &Argv) -> Result<String, CommandError> {
        self.run(argv, Input::Empty, Output::Capture)
            .map(|finished| finished.stdout)
    }

    /// Runs to the end; any exit code but zero is an error.
    pub fn run(
        &self,
        argv: &Argv,
        input: Input<'_>,
        output: Output<'_>,
    ) -> Result<Finished, CommandError> {
        let finished = self.run_any(argv, input, output)?;
        if finished.code == 0 {
            return Ok(finished);
        }
        let output = format!(
            "{}{}",
            finished.stderr,
            self.redactor.mask(&finished.stdout)
        );
        Err(CommandError::Exit {
            command: self.shown(argv),
            code: finished.code,
            output,
        })
    }

    /// Runs to the end, whatever the exit code.
    pub fn run_any(
        &self,
        argv: &Argv,
        input: Input<'_>,
        mut output: Output<'_>,
    ) -> Result<Finished, CommandError> {
        for (_, secret) in &argv.env {
            self.redactor.register(secret.expose());
        }
        let io_error = |source| CommandError::Io {
            command: self.shown(argv),
            source,
        };
        let mut command = self.command(argv);
        let feed = Feed::of(argv, input, &mut command);
        match &output {
            Output::File(file) => command.stdout(file.try_clone().map_err(io_error)?),
            Output::Capture | Output::Lines(_) => command.stdout(Stdio::piped()),
        };
        command.stderr(Stdio::piped());

        let mut child = command.spawn().map_err(|source| CommandError::Start {
            program: argv.program.clone(),
            source,
        })?;
        let note = Note::write(&self.registry, child.id());
        if let Err(source) = note {
            kill_group(child.id(), Signal::KILL);
            let _ = child.wait();
            return Err(io_error(source));
        }
        let ended = self.follow(&mut child, feed, &mut output);
        if ended.is_err() {
            kill_group(child.id(), Signal::KILL);
            let _ = child.wait();
        }
        match ended.map_err(io_error)? {
            Some((status, stdout, stderr)) => Ok(Finished {
                code: code_of(status),
                stdout: stdout.text(),
                stderr: self.redactor.mask(&stderr.text()),
            }),
            None => Err(CommandError::Stopped {
                command: self.shown(argv),
            }),
        }
    }

    fn command(&self, argv: &Argv) -> Command {
        let mut command = match self.setpriv {
            Some(setpriv) => {
                let mut wrapped = Command::new(setpriv);
                wrapped
                    .args(["--pdeathsig", "KILL", "--"])
                    .arg(&argv.program);
                wrapped
            }
            None => Command::new(&argv.program),
        };
        command.args(&argv.args).process_group(0);
        command.envs(argv.env.iter().map(|(name, value)| (name, value.expose())));
        if let Some(directory) = &argv.directory {
            command.current_dir(directory);
        }
        command
    }

    fn shown(&self, argv: &Argv) -> String {
        self.redactor.mask(&argv.to_string())
    }

    /// Feeds and reads the child until it ends (`Some`) or the operator wants to stop at once (`None`).
    fn follow(
        &self,
        child: &mut Child,
        feed: Option<Feed>,
        output: &mut Output<'_>,
    ) -> io::Result<Option<(ExitStatus, Captured, Captured)>> {
        let (receiver, mut open) = pipes(child, feed);
        let (mut out, mut err) = (Captured::default(), Captured::default());
        let mut line = Vec::new();
        let begun = Instant::now();
        let mut patience = self.patience;
        while open > 0 {
            if patience.is_some_and(|patience| begun.elapsed() > patience) {
                patience = None;
                kill_group(child.id(), Signal::TERM);
            }
            match receiver.recv_timeout(LOOK) {
                Ok(Chunk { bytes: None, .. }) => open -= 1,
                Ok(Chunk {
                    bytes: Some(bytes),
                    error: true,
                }) => err.push(&bytes),
                Ok(Chunk {
                    bytes: Some(bytes),
                    error: false,
                }) => {
                    out.push(&bytes);
                    self.pass_lines(&mut line, &bytes, output);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if self.stop.urgency() == Urgency::Now {
                        self.end(child)?;
                        return Ok(None);
                    }
                    // A grandchild may hold the pipes open for ever after the child itself has ended.
                    if child.try_wait()?.is_some() && self.drained(&receiver, &mut out, &mut err) {
                        break;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if !line.is_empty() {
            self.pass_lines(&mut line, b"\n", output);
        }
        let status = self.ended(child)?;
        Ok(status.map(|status| (status, out, err)))
    }

    /// Waits for a child whose pipes are closed; `None` where the operator wants to stop at once.
    fn ended(&self, child: &mut Child) -> io::Result<Option<ExitStatus>> {
        // Its pipes are closed, so it ends at once, as a rule: looking too seldom would cost every step more.
        let mut nap = Duration::from_micros(50);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if self.stop.urgency() == Urgency::Now {
                self.end(child)?;
                return Ok(None);
            }
            thread::sleep(nap);
            nap = (nap * 2).min(LOOK);
        }
    }

    /// Takes what still lies in the channel; true when nothing more came for so long that nothing will.
    fn drained(
        &self,
        receiver: &mpsc::Receiver<Chunk>,
        out: &mut Captured,
        err: &mut Captured,
    ) -> bool {
        match receiver.recv_timeout(QUIET) {
            Ok(Chunk {
                bytes: Some(bytes),
                error,
            }) => {
                if error {
                    err.push(&bytes)
                } else {
                    out.push(&bytes)
                }
                false
            }
            Ok(Chunk { bytes: None, .. }) => false,
            Err(_) => true,
        }
    }

    fn pass_lines(&self, line: &mut Vec<u8>, bytes: &[u8], output: &mut Output<'_>) {
        let Output::Lines(listener) = output else {
            return;
        };
        for byte in bytes {
            if *byte == b'\n' || *byte == b'\r' {
                listener(&self.redactor.mask(&String::from_utf8_lossy(line)));
                line.clear();
            } else {
                line.push(*byte);
            }
        }
    }

    fn end(&self, child: &mut Child) -> io::Result<()> {
        kill_group(child.id(), Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < POLITE {
            if child.try_wait()?.is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        kill_group(child.id(), Signal::KILL);
        child.wait().map(drop)
    }
}

/// Feeds the child, and reads what it prints into one channel; beside that, from how many pipes it is read.
fn pipes(child: &mut Child, feed: Option<Feed>) -> (mpsc::Receiver<Chunk>, u32) {
    let (sender, receiver) = mpsc::channel();
    if let (Some(feed), Some(stdin)) = (feed, child.stdin.take()) {
        // A child that does not read its input to the end says so by its exit code.
        thread::spawn(move || {
            let _ = feed.into(stdin);
        });
    }
    let mut open = 0;
    if let Some(stdout) = child.stdout.take() {
        open += 1;
        read_into(stdout, false, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        open += 1;
        read_into(stderr, true, sender);
    }
    (receiver, open)
}

fn code_of(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn runner(directory: &tempfile::TempDir) -> (Commands, StopSignal) {
        let stop = StopSignal::default();
        (
            Commands::new(
                directory.path().join("children"),
                Redactor::default(),
                stop.clone(),
            ),
            stop,
        )
    }

    fn shell(script: &str) -> Argv {
        Argv::new("sh", ["-c", script])
    }

    #[test]
    fn a_non_zero_exit_carries_code_and_redacted_output() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let (commands, _) = runner(&directory);
        let argv = shell("echo \"no $TOKEN\" >&2; exit 3")
            .env("TOKEN", super::super::Secret::new("hunter2"));
        match commands.capture(&argv) {
            Err(CommandError::Exit {
                code: 3, output, ..
            }) => assert_eq!(output, "no •••\n"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn input_and_lines_pass_through() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let (commands, _) = runner(&directory);
        let mut seen = Vec::new();
        let mut listen = |line: &str| seen.push(line.to_owned());
        commands
            .run(
                &Argv::new("cat", [""; 0]),
                Input::Bytes(b"one\ntwo"),
                Output::Lines(&mut listen),
            )
            .expect("cat runs");
        assert_eq!(seen, ["one", "two"]);
    }

    #[test]
    fn a_preamble_comes_before_whatever_else_is_read() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let (commands, _) = runner(&directory);
        let file = directory.path().join("file");
        std::fs::write(&file, "two").expect("written");
        let carrier = Argv::new("cat", [""; 0]).carrying(
            super::super::Secret::new("one "),
            "what it carries".to_owned(),
        );
        assert_eq!(carrier.to_string(), "what it carries");
        let said = |input| {
            let finished = commands.run(&carrier, input, Output::Capture);
            finished.expect("cat runs").stdout
        };
        assert_eq!(said(Input::Empty), "one ");
        assert_eq!(said(Input::Bytes(b"two")), "one two");
        let file = File::open(&file).expect("there");
        assert_eq!(said(Input::File(file)), "one two");
    }

    #[test]
    fn an_urgent_stop_ends_the_whole_group() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let (commands, stop) = runner(&directory);
        let marker = directory.path().join("survived");
        let script = format!("(sleep 2; touch {}) & wait", marker.display());
        let handle = thread::spawn(move || commands.capture(&shell(&script)));
        thread::sleep(Duration::from_millis(300));
        stop.raise();
        stop.raise();
        assert!(matches!(
            handle.join().expect("no panic"),
            Err(CommandError::Stopped { .. })
        ));
        thread::sleep(Duration::from_millis(2100));
        assert!(!marker.exists(), "a grandchild outlived the stop");
    }

    #[test]
    fn a_child_that_takes_too_long_is_asked_to_end_and_heard() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let (commands, _) = runner(&directory);
        let argv = shell("trap 'echo asked; exit 7' TERM; echo begun >&2; sleep 60 & wait");
        let begun = Instant::now();
        let finished = commands
            .within(Duration::from_secs(2))
            .run_any(&argv, Input::Empty, Output::Capture)
            .expect("it ends by itself");
        assert_eq!((finished.code, finished.stderr.as_str()), (7, "begun\n"));
        assert_eq!(finished.stdout, "asked\n");
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
