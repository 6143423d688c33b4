//! What lies in the old instance's file system, wherever that is seen from here.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use switchback_model::Digest;
use switchback_model::digest::hex;

/// Where packs lie.
pub(crate) const PACKS: &str = "opt/stackstorm/packs";
const LOGS: &str = "var/log/st2";
/// Files that belong to one host or hold its secrets: a person carries them over, and merges.
const BY_HAND: [(&str, &str); 5] = [
    (
        "etc/st2/st2.conf",
        "settings of the site, to be merged into the new instance's own",
    ),
    ("etc/st2/htpasswd", "users and their password hashes"),
    (
        "etc/st2/keys/datastore_key.json",
        "the key of the datastore; the new instance encrypts with its own, this one only reads old backups",
    ),
    ("opt/stackstorm/rbac", "roles and who has them"),
    (
        "opt/stackstorm/chatops/st2chatops.env",
        "tokens and addresses of ChatOps",
    ),
];

/// An audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuditLog {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
}

/// Every audit log, rotated ones included.
pub(crate) fn audit_logs(root: &Path) -> io::Result<Vec<AuditLog>> {
    let directory = root.join(LOGS);
    let mut logs = Vec::new();
    for name in names_in(&directory)? {
        if !name.contains(".audit.log") {
            continue;
        }
        let path = directory.join(&name);
        let size = path.metadata()?.len();
        let digest = digest_of_beginning(&path, size)?;
        logs.push(AuditLog { name, size, digest });
    }
    Ok(logs)
}

/// Opens an audit log of the old instance.
pub(crate) fn read_log(root: &Path, name: &str) -> io::Result<std::fs::File> {
    std::fs::File::open(root.join(LOGS).join(name))
}

/// The digest of a file's first `size` bytes: a log grows while it is looked at. A shorter file is an error.
pub(crate) fn digest_of_beginning(path: &Path, size: u64) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut reader = std::fs::File::open(path)?.take(size);
    let mut buffer = vec![0; 1 << 16];
    let mut seen = 0;
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        seen += count as u64;
    }
    if seen < size {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("{seen} of {size} bytes"),
        ));
    }
    Ok(Digest::from_hex(hex(&hasher.finalize())))
}

/// Files that a person brings.
pub(crate) fn by_hand(root: &Path) -> Vec<(String, &'static str)> {
    BY_HAND
        .iter()
        .filter(|(path, _)| root.join(path).exists())
        .map(|(path, what)| (format!("/{path}"), *what))
        .collect()
}

/// Users whose names stand in files: who may log in, and who has a role.
pub(crate) fn users(root: &Path) -> io::Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Assignment {
        username: String,
    }
    let mut users = BTreeSet::new();
    if let Some(text) = text_of(&root.join("etc/st2/htpasswd"))? {
        let names = text.lines().filter_map(|line| line.split_once(':'));
        users.extend(
            names
                .map(|(name, _)| name.trim().to_owned())
                .filter(|name| !name.is_empty()),
        );
    }
    let assignments = root.join("opt/stackstorm/rbac/assignments");
    for name in names_in(&assignments)? {
        if let Some(text) = text_of(&assignments.join(name))?
            && let Ok(assignment) = serde_saphyr::from_str::<Assignment>(&text)
        {
            users.insert(assignment.username);
        }
    }
    Ok(users)
}

/// Names of the rules that a pack's files define.
pub(crate) fn rules_of(pack: &Path) -> io::Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Rule {
        name: String,
    }
    let directory = pack.join("rules");
    let mut rules = BTreeSet::new();
    for name in names_in(&directory)? {
        if let Some(text) = text_of(&directory.join(name))?
            && let Ok(rule) = serde_saphyr::from_str::<Rule>(&text)
        {
            rules.insert(rule.name);
        }
    }
    Ok(rules)
}

/// Whether ChatOps is set up.
pub(crate) fn has_chatops(root: &Path) -> bool {
    root.join("opt/stackstorm/chatops/st2chatops.env").is_file()
}

/// Where a pack lies.
pub(crate) fn pack(root: &Path, name: &str) -> PathBuf {
    root.join(PACKS).join(name)
}

fn text_of(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if path.is_dir() && error.kind() == io::ErrorKind::IsADirectory => Ok(None),
        Err(error) => Err(error),
    }
}

/// Names in a directory, sorted; none where it is not there.
fn names_in(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    #[test]
    fn what_lies_there_is_found() {
        let root = tempfile::tempdir().expect("temporary directory");
        let root = root.path();
        put(root, "var/log/st2/st2api.audit.log", "one\ntwo\n");
        put(root, "var/log/st2/st2api.audit.log.1", "zero\n");
        put(root, "var/log/st2/st2api.log", "noise\n");
        put(root, "etc/st2/htpasswd", "alice:$apr1$x\nbob:$apr1$y\n");
        put(
            root,
            "opt/stackstorm/rbac/assignments/carol.yaml",
            "---\nusername: \"carol\"\nroles:\n  - admin\n",
        );
        put(
            root,
            "opt/stackstorm/packs/acme/rules/on_call.yaml",
            "name: \"on_call\"\nenabled: true\n",
        );
        put(
            root,
            "opt/stackstorm/packs/acme/rules/README.md",
            "# rules\n",
        );

        let logs = audit_logs(root).expect("read");
        assert_eq!(
            logs.iter()
                .map(|log| (log.name.as_str(), log.size))
                .collect::<Vec<_>>(),
            [("st2api.audit.log", 8), ("st2api.audit.log.1", 5)]
        );
        assert_eq!(logs[0].digest, Digest::of("one\ntwo\n"));
        let users: Vec<String> = users(root).expect("read").into_iter().collect();
        assert_eq!(users, ["alice", "bob", "carol"]);
        let rules = rules_of(&pack(root, "acme")).expect("read");
        assert_eq!(rules.into_iter().collect::<Vec<_>>(), ["on_call"]);
        let paths: Vec<String> = by_hand(root).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["/etc/st2/htpasswd", "/opt/stackstorm/rbac"]);
    }

    #[test]
    fn a_log_is_known_by_its_beginning() {
        let root = tempfile::tempdir().expect("temporary directory");
        put(root.path(), "log", "one\ntwo\n");
        let path = root.path().join("log");
        assert_eq!(
            digest_of_beginning(&path, 4).expect("read"),
            Digest::of("one\n")
        );
        assert!(digest_of_beginning(&path, 9).is_err());
    }
}
