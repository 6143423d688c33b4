//! Talking with a client program that stays: one process, one connection, one
//! snapshot. Text goes in, lines come out, raw; nothing is kept in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::thread;

use switchback_engine::process::{Argv, CommandError, Commands, Finished, Input, Output};

/// The two ends of a running client program.
pub(crate) struct Conversation {
    to: PipeWriter,
    from: BufReader<PipeReader>,
    line: Vec<u8>,
}

/// How a conversation ended.
pub(crate) enum Broken<E> {
    /// The client program ended badly, or could not be started.
    Client(CommandError),
    /// What was said led to an error of the caller's own.
    Own(E),
    /// A pipe to a client that says all is well broke.
    Pipe(io::Error),
}

impl Conversation {
    /// Says something. Never more than a pipe holds (64 KiB) while answers to it are not read yet:
    /// both sides would wait for each other.
    pub(crate) fn say(&mut self, text: &[u8]) -> io::Result<()> {
        self.to.write_all(text)
    }

    /// The next line without its end, or `None` where the client has ended.
    pub(crate) fn hear(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        if self.from.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        Ok(Some(&self.line))
    }
}

/// Starts `argv`, lets `talk` speak with it, and waits for its end. A client that ended badly is the
/// reason for whatever else went wrong, and is told first.
pub(crate) fn with<T, E: Send>(
    commands: &Commands,
    argv: &Argv,
    talk: impl FnOnce(&mut Conversation) -> Result<T, E>,
) -> Result<T, Broken<E>> {
    let (stdin, to) = io::pipe().map_err(Broken::Pipe)?;
    let (from, stdout) = io::pipe().map_err(Broken::Pipe)?;
    let (stdin, stdout) = (
        File::from(OwnedFd::from(stdin)),
        File::from(OwnedFd::from(stdout)),
    );
    thread::scope(|scope| {
        let client =
            scope.spawn(move || commands.run(argv, Input::File(stdin), Output::File(stdout)));
        let mut conversation = Conversation {
            to,
            from: BufReader::new(from),
            line: Vec::new(),
        };
        let said = talk(&mut conversation);
        // Both ends must go before the wait: the client ends when nothing more is said, and a client
        // that was left in the middle of an answer must not wait for a reader.
        drop(conversation);
        let ended: Result<Finished, CommandError> = client
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (said, ended) {
            (Ok(said), Ok(_)) => Ok(said),
            (_, Err(error)) => Err(Broken::Client(error)),
            (Err(own), Ok(_)) => Err(Broken::Own(own)),
        }
    })
}

#[cfg(test)]
mod tests {
    use switchback_engine::redact::Redactor;
    use switchback_engine::signal::StopSignal;

    use super::*;

    fn commands(directory: &tempfile::TempDir) -> Commands {
        Commands::new(directory.path(), Redactor::default(), StopSignal::default())
    }

    #[test]
    fn asks_and_hears_answers_one_by_one() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let argv = Argv::new("cat", [""; 0]);
        let heard = with(&commands(&directory), &argv, |client| {
            let mut heard = Vec::new();
            for question in ["one\n", "two\n"] {
                client.say(question.as_bytes())?;
                heard.push(client.hear()?.map(<[u8]>::to_vec));
            }
            Ok::<_, io::Error>(heard)
        });
        let heard = heard.ok().expect("cat answers");
        assert_eq!(heard[0].as_deref(), Some(&b"one"[..]));
        assert_eq!(heard.len(), 2);
    }

    #[test]
    fn a_client_that_fails_is_the_reason() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let argv = Argv::new("sh", ["-c", "echo no >&2; exit 3"]);
        let broken = with(&commands(&directory), &argv, |client| match client.hear() {
            Ok(Some(_)) => Ok(()),
            _ => Err("no answer"),
        });
        assert!(matches!(
            broken,
            Err(Broken::Client(CommandError::Exit { code: 3, .. }))
        ));
    }
}
