//! Captured output of children, beside the journal: files named by the digest
//! of their content, so that the same output is kept once and cannot change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use switchback_model::Digest;

use crate::durable::write_durably;
use crate::error::JournalError;

/// The outputs of one run. Redact before keeping: nothing is masked here.
#[derive(Clone, Debug)]
pub struct Outputs {
    directory: PathBuf,
}

impl Outputs {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Keeps redacted text and returns its name.
    pub fn keep(&self, text: &str) -> Result<Digest, JournalError> {
        let digest = Digest::of(text);
        let path = self.path(&digest);
        if !path.exists() {
            write_durably(&path, text.as_bytes())?;
        }
        Ok(digest)
    }

    /// The text kept under this name, `None` where it was pruned.
    pub fn read(&self, digest: &Digest) -> Result<Option<String>, JournalError> {
        let path = self.path(digest);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(JournalError::io(&path, error)),
        };
        if Digest::of(&text) == *digest {
            Ok(Some(text))
        } else {
            Err(JournalError::Damaged {
                path,
                detail: "its content is not what its name says".to_owned(),
            })
        }
    }

    /// Where it lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join(digest.as_str())
    }
}
