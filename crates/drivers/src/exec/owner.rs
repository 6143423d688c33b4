//! Programs that work with somebody's data do it as their owner.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// `program` as the owner of its data.
pub(super) fn as_owner(owner: &fs::Metadata, program: Vec<String>) -> Vec<String> {
    let mut words = Vec::new();
    if owner.uid() != rustix::process::geteuid().as_raw() {
        // PostgreSQL refuses to be root, and what root writes its owner could not read.
        words.extend(["setpriv".to_owned(), format!("--reuid={}", owner.uid())]);
        words.extend([
            format!("--regid={}", owner.gid()),
            "--clear-groups".to_owned(),
            "--".to_owned(),
        ]);
    }
    words.extend(program);
    words
}
