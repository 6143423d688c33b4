//! What a child reads: nothing, bytes, a file, and what has to come before.

use std::fs::File;
use std::io::{self, Write as _};
use std::process::{ChildStdin, Command, Stdio};

use super::argv::Argv;

/// Where a child reads from.
pub enum Input<'a> {
    /// Nothing.
    Empty,
    /// These bytes.
    Bytes(&'a [u8]),
    /// A file, from its start.
    File(File),
}

/// What has to be written to a child: it does not come from a file of its own.
pub(super) struct Feed {
    bytes: Vec<u8>,
    file: Option<File>,
}

impl Feed {
    /// Says where the child reads from; what is left to be written where it is no file alone.
    pub(super) fn of(argv: &Argv, input: Input<'_>, command: &mut Command) -> Option<Self> {
        let preamble = argv.preamble.as_ref();
        let mut bytes =
            preamble.map_or_else(Vec::new, |secret| secret.expose().as_bytes().to_vec());
        let file = match (input, preamble) {
            (Input::Empty, None) => {
                command.stdin(Stdio::null());
                return None;
            }
            (Input::File(file), None) => {
                command.stdin(file);
                return None;
            }
            (Input::Empty, Some(_)) => None,
            (Input::Bytes(more), _) => {
                bytes.extend_from_slice(more);
                None
            }
            (Input::File(file), Some(_)) => Some(file),
        };
        command.stdin(Stdio::piped());
        Some(Self { bytes, file })
    }

    pub(super) fn into(self, mut stdin: ChildStdin) -> io::Result<()> {
        stdin.write_all(&self.bytes)?;
        if let Some(mut file) = self.file {
            io::copy(&mut file, &mut stdin)?;
        }
        Ok(())
    }
}
