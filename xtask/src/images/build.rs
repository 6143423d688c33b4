//! Building one image, unless an image of the same inputs is there.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::tool::{docker, tool};

/// The label that says what an image was made from.
const INPUTS: &str = "switchback.xtask.inputs";

/// Whether this image was made from these inputs.
pub(super) fn is_current(name: &str, inputs: &str) -> bool {
    docker()
        .args(["image", "inspect", "--format"])
        .arg(format!("{{{{index .Config.Labels \"{INPUTS}\"}}}}"))
        .arg(name)
        .read()
        .is_ok_and(|found| found.trim() == inputs)
}

/// Builds `context/Dockerfile` under a name.
pub(super) fn build(name: &str, inputs: &str, context: &Path) -> Result<()> {
    docker()
        .args(["build", "--quiet", "--force-rm", "--label"])
        .arg(format!("{INPUTS}={inputs}"))
        .args(["--tag", name])
        .arg(context)
        .quiet()
        .with_context(|| format!("cannot build the image {name}"))
}

/// Packs a directory as one archive, owned by root.
pub(super) fn pack(root: &Path, archive: &Path) -> Result<()> {
    tool("tar")
        .args([
            "--create",
            "--owner=0",
            "--group=0",
            "--sort=name",
            "--mtime=@0",
            "--directory",
        ])
        .arg(root)
        .arg("--file")
        .arg(archive)
        .arg(".")
        .quiet()
}

/// Digest of texts and files.
pub(super) fn inputs(texts: &[&str], files: &[&Path]) -> Result<String> {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(&bytes);
    }
    Ok(hasher
        .finalize()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
