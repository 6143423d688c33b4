//! Talking with a client program that stays: one process, one connection, one
//! snapshot. Text goes in, lines come out, raw; nothing is kept in memory.
//!
//! Starting such a program costs more than most questions, the more so where it
//! is started inside a container. So whoever asks several questions in a row
//! holds ([`Held::hold`]) the program of the first one for the others. Nothing
//! is held where a server may be stopped: some wait for those who are connected.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use switchback_engine::process::{Argv, CommandError, Commands, Finished, Input, Output};

/// A client program that was asked nothing for so long is not asked again: its server may have ended the connection.
const FRESH: Duration = Duration::from_secs(10);

/// The two ends of a running client program.
pub(crate) struct Conversation {
    to: PipeWriter,
    from: BufReader<PipeReader>,
    line: Vec<u8>,
    /// Something was said whose answers were not all heard.
    open: bool,
}

/// How a conversation ended.
pub(crate) enum Broken<E> {
    /// The client program ended badly, or could not be started.
    Client(CommandError),
    /// What was said led to an error of the caller's own.
    Own {
        /// The error.
        error: E,
        /// What the client program said on the side, where it has ended.
        aside: String,
    },
    /// A pipe to a client that says all is well broke.
    Pipe(io::Error),
}

impl Conversation {
    /// Says something. Never more than a pipe holds (64 KiB) while answers to it are not read yet:
    /// both sides would wait for each other.
    pub(crate) fn say(&mut self, text: &[u8]) -> io::Result<()> {
        self.open = true;
        self.to.write_all(text)
    }

    /// The next line without its end, or `None` where the client has ended.
    pub(crate) fn hear(&mut self) -> io::Result<Option<&[u8]>> {
        Ok(self.read_line()?.then_some(&self.line))
    }

    /// The next line of an answer, or `None` at `mark`, with which all that was asked is answered. A client that
    /// ends before that is an error.
    pub(crate) fn hear_until(&mut self, mark: &[u8]) -> io::Result<Option<&[u8]>> {
        if !self.read_line()? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        if self.line == mark {
            self.open = false;
            return Ok(None);
        }
        Ok(Some(&self.line))
    }

    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        if self.from.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        Ok(true)
    }

    /// Notes that all answers were heard, where nothing said so.
    pub(crate) fn heard_all(&mut self) {
        self.open = false;
    }

    /// Notes that nobody may go on talking.
    pub(crate) fn spoil(&mut self) {
        self.open = true;
    }
}

/// Starts `argv`, lets `talk` speak with it, and waits for its end. A client that ended badly is the
/// reason for whatever else went wrong, and is told first.
pub(crate) fn with<T, E>(
    commands: &Commands,
    argv: &Argv,
    talk: impl FnOnce(&mut Conversation) -> Result<T, E>,
) -> Result<T, Broken<E>> {
    Held::default().with(commands, argv, None, talk)
}

/// A client program that runs. It ends when nothing more is said to it: when this is dropped, at the latest.
struct Client {
    running: Option<(Conversation, JoinHandle<Result<Finished, CommandError>>)>,
    asked: Instant,
}

impl Client {
    fn start(commands: &Commands, argv: &Argv) -> io::Result<Self> {
        let (stdin, to) = io::pipe()?;
        let (from, stdout) = io::pipe()?;
        let (stdin, stdout) = (
            File::from(OwnedFd::from(stdin)),
            File::from(OwnedFd::from(stdout)),
        );
        let (commands, argv) = (commands.clone(), argv.clone());
        let client =
            thread::spawn(move || commands.run(&argv, Input::File(stdin), Output::File(stdout)));
        let conversation = Conversation {
            to,
            from: BufReader::new(from),
            line: Vec::new(),
            open: false,
        };
        Ok(Self {
            running: Some((conversation, client)),
            asked: Instant::now(),
        })
    }

    /// Both ends go before the wait: the client ends when nothing more is said, and a client that was left in
    /// the middle of an answer must not wait for a reader.
    fn end(&mut self) -> Option<Result<Finished, CommandError>> {
        let (conversation, client) = self.running.take()?;
        drop(conversation);
        Some(
            client
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    }

    /// Whether another question may be asked.
    fn listens(&self) -> bool {
        let running = self.running.as_ref();
        self.asked.elapsed() < FRESH && running.is_some_and(|(_, client)| !client.is_finished())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some((conversation, client)) = self.running.take() {
            drop(conversation);
            let _ = client.join();
        }
    }
}

/// The place of a client program that stays from one question to the next, for as long as somebody holds it.
#[derive(Default)]
pub(crate) struct Held {
    holders: Cell<u32>,
    /// With the command that it would have been started by to be where it is.
    client: RefCell<Option<(Argv, Client)>>,
}

/// Somebody asks several questions: while this lives, their client program does.
pub(crate) struct Hold<'h>(&'h Held);

impl Held {
    /// Keeps the client program of the next question for those that come after it.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.holders.set(self.holders.get() + 1);
        Hold(self)
    }

    /// Ends the client program that is held: whom it talked with is about to end.
    pub(crate) fn leave(&self) {
        self.client.take();
    }

    /// As the function [`with`], by the client program that is held. One that is somewhere else comes here when it
    /// is told `come`; without that, another one is started.
    pub(crate) fn with<T, E>(
        &self,
        commands: &Commands,
        argv: &Argv,
        come: Option<&str>,
        talk: impl FnOnce(&mut Conversation) -> Result<T, E>,
    ) -> Result<T, Broken<E>> {
        let mut client = match self.held(argv, come) {
            Some(client) => client,
            None => Client::start(commands, argv).map_err(Broken::Pipe)?,
        };
        let Some((conversation, _)) = &mut client.running else {
            return Err(Broken::Pipe(io::ErrorKind::BrokenPipe.into()));
        };
        let said = talk(conversation);
        if self.holders.get() > 0 && !conversation.open {
            client.asked = Instant::now();
            self.client.replace(Some((argv.clone(), client)));
            return said.map_err(|error| Broken::Own {
                error,
                aside: String::new(),
            });
        }
        match (said, client.end()) {
            (_, Some(Err(error))) => Err(Broken::Client(error)),
            (Ok(said), _) => Ok(said),
            (Err(error), ended) => Err(Broken::Own {
                error,
                aside: ended
                    .and_then(Result::ok)
                    .map_or_else(String::new, |finished| finished.stderr),
            }),
        }
    }

    fn held(&self, argv: &Argv, come: Option<&str>) -> Option<Client> {
        let (at, mut client) = self.client.take()?;
        if !client.listens() {
            return None;
        }
        if at != *argv {
            let (conversation, _) = client.running.as_mut()?;
            conversation.say(come?.as_bytes()).ok()?;
        }
        Some(client)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let others = self.0.holders.get() - 1;
        self.0.holders.set(others);
        if others == 0 {
            self.0.client.take();
        }
    }
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

    /// A program that answers every line with its own number and that line, and ends well also where nobody hears it.
    fn numbered() -> Argv {
        Argv::new(
            "sh",
            [
                "-c",
                "trap '' PIPE; while read -r line; do echo \"$$ $line\" 2>/dev/null; done; exit 0",
            ],
        )
    }

    /// The number of the program that answers.
    fn said(held: &Held, commands: &Commands, argv: &Argv, come: Option<&str>) -> String {
        let said = held.with(commands, argv, come, |client| {
            client.say(b"question\nend\n")?;
            let first = client.hear()?.unwrap_or_default().to_vec();
            let pid = String::from_utf8_lossy(&first);
            let pid = pid.split(' ').next().unwrap_or_default().to_owned();
            while client
                .hear_until(format!("{pid} end").as_bytes())?
                .is_some()
            {}
            Ok::<_, io::Error>(pid)
        });
        said.ok().expect("it answers")
    }

    #[test]
    fn questions_have_one_client_while_somebody_holds_it() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let (commands, held, argv) = (commands(&directory), Held::default(), numbered());
        let apart = [(); 2].map(|()| said(&held, &commands, &argv, None));
        assert_ne!(apart[0], apart[1]);
        let hold = held.hold();
        let first = said(&held, &commands, &argv, None);
        {
            let _inner = held.hold();
            assert_eq!(said(&held, &commands, &argv, None), first);
        }
        assert_eq!(said(&held, &commands, &argv, None), first);
        // Another place: one that can come there is told to, any other is left.
        let elsewhere = argv.clone().arg("elsewhere");
        assert_eq!(said(&held, &commands, &elsewhere, Some("come\n")), first);
        assert_ne!(said(&held, &commands, &argv, None), first);
        drop(hold);
        assert!(
            held.client.borrow().is_none(),
            "nobody holds it, and it runs"
        );
    }

    #[test]
    fn a_client_that_was_not_heard_to_the_end_is_left() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let (commands, held, argv) = (commands(&directory), Held::default(), numbered());
        let _hold = held.hold();
        let first = said(&held, &commands, &argv, None);
        let broken = held.with(&commands, &argv, None, |client| {
            client.say(b"question\n").ok();
            Err::<(), _>("something else is wrong")
        });
        assert!(matches!(
            broken,
            Err(Broken::Own {
                error: "something else is wrong",
                ..
            })
        ));
        assert_ne!(said(&held, &commands, &argv, None), first);
    }
}
