//! Servers that are their own authority.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Certificate of `localhost` and its key, made in `directory`.
pub(crate) fn made(directory: &Path) -> [PathBuf; 2] {
    let [certificate, key] = ["server.pem", "server.key"].map(|name| directory.join(name));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .expect("openssl comes with PostgreSQL's package");
    assert!(made.status.success());
    [certificate, key]
}
