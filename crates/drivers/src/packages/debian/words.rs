//! What the programs and files of this family are called.

use crate::packages::packaging::Words;

pub(super) const WORDS: Words = Words {
    keeper: "dpkg",
    finder: "apt",
    record: "/var/lib/dpkg/status",
    record_is_exact: true,
    file_ends: ".deb",
    offered: "dpkg-dist",
    saved: None,
    locks: &["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock"],
    notes: &[],
    log: "/var/log/dpkg.log",
    refresh: "apt-get update",
    simulate: "apt-get --simulate install",
    unhold: "apt-mark unhold",
    finish: &[
        "let it finish: dpkg --configure -a",
        "what is half-installed needs its file: apt-get install --reinstall NAME",
        "then see that nothing is left: dpkg --audit",
    ],
    obtain: &[
        "put their files into /var/cache/apt/archives",
        "or let them be packed again from what is installed: apt-get install dpkg-repack",
    ],
};
