//! A stand-in for `ttn-lw-stack` and `tti-lw-stack`.
//!
//! It does to PostgreSQL and Redis what the real program does in an upgrade, flaws included, so that switchback meets them in
//! tests. It is one program for every release: the image says which one it plays. README.md beside it lists what is played.

#![expect(
    clippy::print_stderr,
    reason = "like the real program, it logs to standard error"
)]

mod config;
mod faults;
mod identity;
mod keys;
mod log;
mod redis;
mod release;
mod server;
mod timescale;

use std::process::ExitCode;

use anyhow::{Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::config::Config;
use crate::release::{Edition, Release};

/// What the real program's `os.Exit(-1)` is to a shell.
const FAILED: u8 = 255;

/// A command word without the action that it needs.
const NO_ACTION: u8 = 2;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(Done::Acted) => ExitCode::SUCCESS,
        Ok(Done::NothingToDo) => ExitCode::from(NO_ACTION),
        Err(problem) => {
            eprintln!("{problem:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// Whether the words named an action.
enum Done {
    Acted,
    NothingToDo,
}

/// Everything that a command needs to know.
struct Context {
    release: Release,
    edition: Edition,
    config: Config,
    force: bool,
    rollback: bool,
}

fn run(words: &[String]) -> Result<Done> {
    let (release, edition) = release::of_this_image()?;
    let mut files = Vec::new();
    let mut plain = Vec::new();
    let mut flags = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-c" | "--config" => files.extend(rest.next().cloned()),
            flag if flag.starts_with("--config=") => {
                files.extend(flag.split('=').nth(1).map(str::to_owned))
            }
            flag if flag.starts_with('-') => flags.push(flag),
            word => plain.push(word),
        }
    }
    if plain == ["version"] {
        eprintln!(
            "The Things Stack for LoRaWAN: {}\nVersion: {release}",
            edition.binary()
        );
        return Ok(Done::Acted);
    }
    let context = Context {
        release,
        edition,
        config: Config::load(&files)?,
        force: flags.contains(&"--force"),
        rollback: flags.contains(&"--rollback"),
    };
    context.run(&plain)
}

impl Context {
    fn run(&self, words: &[&str]) -> Result<Done> {
        let Some((command, actions)) = words.split_first() else {
            return Ok(Done::NothingToDo);
        };
        if *command == "start" {
            server::start(self)?;
            return Ok(Done::Acted);
        }
        end_on_signal()?;
        if !self.has_command(command) {
            bail!(
                "unknown command \"{command}\" for \"{}\"",
                self.edition.binary()
            );
        }
        let Some(action) = actions.first() else {
            return Ok(Done::NothingToDo);
        };
        match (*command, *action) {
            ("is-db", "init") => identity::init(self)?,
            ("is-db", "migrate") => identity::migrate(self)?,
            ("is-db", "status") if self.release >= Release::new(3, 32, 2) => {
                identity::status(self)?
            }
            ("ns-db", "migrate") => keys::network(self)?,
            ("as-db", "migrate") => keys::application(self)?,
            ("js-db", "migrate") => keys::join(self)?,
            ("dcs-db", "migrate") => keys::claiming(self)?,
            ("storage-db", "init" | "migrate") if self.edition == Edition::OpenSource => {
                bail!("the Storage Integration is only available in The Things Stack Enterprise")
            }
            ("storage-db" | "noc-db", "init" | "migrate") => timescale::migrate(self, command)?,
            (command, action) => {
                bail!(
                    "unknown command \"{action}\" for \"{} {command}\"",
                    self.edition.binary()
                )
            }
        }
        Ok(Done::Acted)
    }

    /// Database commands came and went with releases.
    fn has_command(&self, command: &str) -> bool {
        let enterprise = self.edition == Edition::Enterprise;
        match command {
            "is-db" => true,
            "ns-db" => self.release >= Release::new(3, 11, 0),
            "as-db" if enterprise => self.release >= Release::new(3, 11, 1),
            "as-db" => self.release >= Release::new(3, 16, 0),
            "js-db" => self.release >= Release::new(3, 18, 0),
            "dcs-db" => enterprise && self.release < Release::new(3, 26, 0),
            "storage-db" => self.release >= Release::new(3, 10, 0),
            "noc-db" => enterprise && self.release >= Release::new(3, 19, 2),
            _ => false,
        }
    }
}

/// Go programs end with 2 on a signal, also as a container's first process, which the kernel shields from signals that it does
/// not handle.
fn end_on_signal() -> Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            std::process::exit(i32::from(NO_ACTION));
        }
    });
    Ok(())
}
