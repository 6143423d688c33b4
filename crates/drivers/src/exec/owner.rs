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

/// The same for a program that looks for files in its user's home (clients of PostgreSQL look for certificates there): it
/// finds its owner's, and not ours, in which it may not look.
pub(super) fn as_owner_at_home(owner: &fs::Metadata, program: Vec<String>) -> Vec<String> {
    let away = ["env", "-u", "HOME"].map(str::to_owned);
    as_owner(owner, away.into_iter().chain(program).collect())
}
