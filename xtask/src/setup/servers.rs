//! PostgreSQL and Redis of the next major version than this machine's own, for upgrades of servers.
//!
//! They come from Debian's next release with every library they load, its C library included, so they run in an
//! image that is made of nothing else.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::donor;

/// Both servers, and what they load.
const PACKAGES: &[&str] = &[
    "postgresql-17",
    "postgresql-client-17",
    "redis-server",
    "redis-tools",
    "libatomic1",
    "libaudit1",
    "libc-bin",
    "libc6",
    "libcap-ng0",
    "libcap2",
    "libcom-err2",
    "libcrypt1",
    "libgcc-s1",
    "libgssapi-krb5-2",
    "libicu76",
    "libjemalloc2",
    "libk5crypto3",
    "libkeyutils1",
    "libkrb5-3",
    "libkrb5support0",
    "libldap2",
    "liblz4-1",
    "liblzf1",
    "liblzma5",
    "libnuma1",
    "libpam0g",
    "libpcre2-8-0",
    "libpq5",
    "libreadline8t64",
    "libsasl2-2",
    "libselinux1",
    "libssl3t64",
    "libstdc++6",
    "libsystemd0",
    "libtinfo6",
    "libuuid1",
    "libxml2",
    "libxxhash0",
    "libzstd1",
    "util-linux",
    "zlib1g",
];

/// The major versions that these packages have.
pub(crate) const POSTGRES: u32 = 17;
/// See [`POSTGRES`].
pub(crate) const REDIS: u32 = 8;

/// What no server needs.
const LEFT_OUT: [&str; 4] = [
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "usr/lib/x86_64-linux-gnu/gconv",
];

/// The tree with both servers; downloaded once, 42 MB.
pub(crate) fn next_servers() -> Result<PathBuf> {
    let place = donor::place("next-servers")?;
    let (root, whole) = (place.join("unpacked"), place.join("whole"));
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&whole).is_ok_and(|found| found == wanted) {
        return Ok(root);
    }
    eprintln!("fetching PostgreSQL {POSTGRES} and Redis {REDIS}");
    donor::unpack_all("next-servers", PACKAGES)?;
    for path in LEFT_OUT {
        let path = root.join(path);
        if path.exists() {
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    fs::write(whole, wanted)?;
    Ok(root)
}
