//! Exit codes of the binary. Scripts rely on them: they never change meaning.

use serde::{Deserialize, Serialize};

/// How a command ended, as its exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// The command did what was asked.
    Ok = 0,
    /// A defect of switchback itself; nothing the operator did.
    Bug = 1,
    /// The command line, `switchback.toml` or a definition is wrong. Nothing was changed.
    Usage = 2,
    /// Switchback will not do it, and says on which facts that rests. Nothing was changed.
    Refused = 3,
    /// A run stopped at a safe place; `switchback resume` goes on, `switchback rollback` goes back.
    Halted = 4,
    /// The world is not what the plan expects. Nothing was changed by this command.
    Drifted = 5,
}

impl Exit {
    /// The number handed to the shell.
    pub const fn code(self) -> u8 {
        self as u8
    }
}
