//! This program on another machine: brought there once, found again by its digest.
//!
//! ```text
//! /var/lib/switchback/programs/<digest>/switchback    open to root alone
//! ```

use std::fs::File;
use std::io;
use std::path::Path;

use switchback_engine::ports::{Elsewhere, Failure};
use switchback_engine::process::{Argv, Finished, Input, Output, last_words};
use switchback_model::Digest;

use super::far::Far;
use super::here;
use super::program::NAME;

/// What kind of machine it is, and the size of the program where it is there: it was compared when it was brought, and
/// only root gets at it.
const LOOK: &str = r#"uname -m; [ ! -x "$1" ] || stat --format=%s -- "$1""#;

/// Nothing is run before all of it is there, on disk, and open to nobody else.
const BRING: &str = r#"umask 077; mkdir -p -- "$(dirname -- "$1")" && cat > "$1.$$" || exit 1
[ "$(sha256sum < "$1.$$" | cut -c 1-64)" = "$2" ] || { rm -f -- "$1.$$"; echo 'it was cut off' >&2; exit 1; }
chmod 700 -- "$1.$$" && sync -- "$1.$$" && mv -fT -- "$1.$$" "$1""#;

/// Whether a program can be run where it is.
enum Start {
    /// It said its version.
    Well,
    /// This is what came instead.
    Not(String),
}

impl Far {
    /// Where the program is over there. It is brought there where it is not.
    fn program(&self) -> Result<String, Failure> {
        if let Some(found) = self.program.found.borrow().as_ref() {
            return Ok(found.clone());
        }
        let found = self.settle()?;
        *self.program.found.borrow_mut() = Some(found.clone());
        Ok(found)
    }

    /// Ours where it can be run, else an installed one of the same version.
    fn settle(&self) -> Result<String, Failure> {
        let unreadable =
            |error: io::Error| unplaced(self, "this program cannot be read").cause(error);
        let digest = here::digest(&self.program.file).map_err(unreadable)?;
        let size = std::fs::metadata(&self.program.file)
            .map_err(unreadable)?
            .len();
        let place = self.place_of(&digest);
        let seen = self.try_to(|| Ok((shell(LOOK, &[&place]), Input::Empty)))?;
        let mut lines = seen.stdout.lines();
        let machine = lines.next().unwrap_or_default().trim();
        if !is_ours(machine) {
            return self.installed(|| of_another_kind(self, machine));
        }
        let is_there = lines
            .next()
            .is_some_and(|said| said.trim() == size.to_string());
        if !is_there {
            self.bring(&place, &digest)?;
        }
        match self.start(&place)? {
            Start::Well => Ok(place),
            Start::Not(why) => self.installed(|| unable(self, &place, &why)),
        }
    }

    fn place_of(&self, digest: &Digest) -> String {
        let programs = self.program.root.join("programs");
        let place = programs.join(digest.short()).join(NAME);
        place.to_string_lossy().into_owned()
    }

    fn bring(&self, place: &str, digest: &Digest) -> Result<(), Failure> {
        let unreadable =
            |error: io::Error| unplaced(self, "this program cannot be read").cause(error);
        let brought = self.try_to(|| {
            let file = File::open(&self.program.file).map_err(unreadable)?;
            Ok((shell(BRING, &[place, digest.as_str()]), Input::File(file)))
        })?;
        if brought.code == 0 {
            return Ok(());
        }
        let failure = unplaced(self, place);
        Err(last_words(brought.stderr.lines())
            .into_iter()
            .fold(failure, Failure::cause))
    }

    fn start(&self, program: &str) -> Result<Start, Failure> {
        let said = self.try_to(|| Ok((english(program).arg("--version"), Input::Empty)))?;
        if said.code == 0 && said.stdout.trim() == self.program.version {
            return Ok(Start::Well);
        }
        let why = match said.code {
            0 => format!("it is `{}`", said.stdout.trim()),
            code => last_words(said.stderr.lines())
                .pop()
                .unwrap_or_else(|| format!("it ended with {code}")),
        };
        Ok(Start::Not(why))
    }

    /// One of the same version that somebody installed, else what `failure` says.
    fn installed(&self, failure: impl FnOnce() -> Failure) -> Result<String, Failure> {
        match self.start(NAME)? {
            Start::Well => Ok(NAME.to_owned()),
            Start::Not(why) => Err(failure().cause(format!("{NAME} installed there: {why}"))),
        }
    }

    /// Runs what may be run twice, whatever its exit code.
    fn try_to<'i>(
        &self,
        mut what: impl FnMut() -> Result<(Argv, Input<'i>), Failure>,
    ) -> Result<Finished, Failure> {
        self.patiently(|| {
            let (argv, input) = what()?;
            self.run_any(&argv, input, Output::Capture)
        })
    }
}

impl Elsewhere for Far {
    fn machine(&self) -> &str {
        self.target()
    }

    fn root(&self) -> &Path {
        &self.program.root
    }

    fn run(&self, words: &[&str], input: &[u8], said: &mut dyn FnMut(&str)) -> Result<(), Failure> {
        let program = self.program()?;
        let argv = english(&program).args(words.iter().copied());
        let finished =
            self.patiently(|| self.run_any(&argv, Input::Bytes(input), Output::Lines(said)))?;
        if finished.code == 0 {
            return Ok(());
        }
        // Whoever asks next looks again whether it is still there.
        *self.program.found.borrow_mut() = None;
        let failure = Failure::new(
            "elsewhere-ended",
            format!("switchback on `{}` ended in the middle", self.target()),
        )
        .cause(format!("`{argv}` exited with {}", finished.code))
        .hint("switchback resume looks how far it came, and does nothing twice");
        Err(last_words(finished.stderr.lines())
            .into_iter()
            .fold(failure, Failure::cause))
    }
}

fn shell(script: &str, words: &[&str]) -> Argv {
    english("sh")
        .args(["-c", script, NAME])
        .args(words.iter().copied())
}

fn english(program: &str) -> Argv {
    Argv::new("env", ["LC_ALL=C", program])
}

/// Whether a kind of machine, as its kernel calls it, is the one that this program was made for.
fn is_ours(machine: &str) -> bool {
    match std::env::consts::ARCH {
        "x86" => machine.starts_with('i') && machine.ends_with("86"),
        "arm" => machine.starts_with("arm"),
        own => machine == own,
    }
}

fn unplaced(far: &Far, place: &str) -> Failure {
    Failure::new(
        "program-not-placed",
        format!("cannot put switchback on `{}`: {place}", far.target()),
    )
    .state("files over there", "not touched")
    .hint(format!(
        "make room in {} over there, or make it writable for root: files are kept by this program, beside them",
        far.program.root.display()
    ))
}

fn of_another_kind(far: &Far, machine: &str) -> Failure {
    let own = std::env::consts::ARCH;
    install_it(
        far,
        Failure::new(
            "program-of-another-machine",
            format!(
                "`{}` is {machine}, and this switchback is for {own}",
                far.target()
            ),
        ),
    )
}

fn unable(far: &Far, place: &str, why: &str) -> Failure {
    install_it(
        far,
        Failure::new(
            "program-cannot-run",
            format!("switchback cannot run on `{}`", far.target()),
        )
        .cause(format!("{place}: {why}")),
    )
}

fn install_it(far: &Far, failure: Failure) -> Failure {
    failure
        .state("files over there", "not touched")
        .hint(format!(
            "install one that runs there, so that `sudo switchback --version` says `{}`: it is used then",
            far.program.version
        ))
        .hint(
            "or run switchback on that machine, or keep the files by your own means: backup = \"none\" in switchback.toml",
        )
}

#[cfg(test)]
mod tests {
    use switchback_engine::process::Commands;
    use switchback_engine::redact::Redactor;
    use switchback_engine::signal::StopSignal;

    use super::*;

    #[test]
    fn a_machine_of_another_kind_is_told_with_what_to_install() {
        assert!(is_ours(std::env::consts::ARCH));
        assert!(!is_ours("s390x") && !is_ours(""));
        let directory = tempfile::tempdir().expect("temporary directory");
        let commands = Commands::new(directory.path(), Redactor::default(), StopSignal::default());
        let far = Far::new("st2.example.org", None, commands);
        let failure = of_another_kind(&far, "s390x");
        let own = std::env::consts::ARCH;
        assert_eq!(
            failure.what,
            format!("`st2.example.org` is s390x, and this switchback is for {own}")
        );
        let version = env!("CARGO_PKG_VERSION");
        assert!(
            failure.hints[0].contains(&format!(
                "`sudo switchback --version` says `switchback {version}`"
            )),
            "{failure:?}"
        );
        assert_eq!(failure.state[0].seen.as_deref(), Some("not touched"));
    }
}
