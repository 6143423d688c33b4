//! Commands whose messages can be read: package programs and systemd speak their operator's language.

use switchback_engine::ports::Failure;
use switchback_engine::process::{Argv, Finished};

use crate::host::Host;

/// Runs a command to its end and returns what it answers.
pub(super) fn ask(host: &Host, argv: &Argv, what: &str) -> Result<String, Failure> {
    host.capture(&in_english(argv), what)
}

/// Runs a command to its end, whatever its exit code.
pub(super) fn try_to(host: &Host, argv: &Argv, what: &str) -> Result<Finished, Failure> {
    host.run_any(&in_english(argv), what)
}

fn in_english(argv: &Argv) -> Argv {
    let mut english = Argv::new("env", ["LC_ALL=C.UTF-8", &argv.program]);
    english.args.extend(argv.args.iter().cloned());
    english.env.clone_from(&argv.env);
    english.directory.clone_from(&argv.directory);
    english
}
