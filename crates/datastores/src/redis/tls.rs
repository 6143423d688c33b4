//! What a replica of a server behind TLS needs to follow it: the server's own certificate, key and authorities, for
//! a program of Redis connects by TLS only with all three. They lie beside the replica until it has read them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use switchback_engine::ports::Failure;
use switchback_engine::process::{Argv, CommandError, Commands, Input, Output, Secret};

use super::reply::quoted;
use super::server::Server;
use super::session::Session;
use crate::disk;

/// The directory of what a replica reads when it starts, beside its settings.
pub(super) const IDENTITY: &str = "tls";
/// What the server calls its files, and what they are called here.
const FILES: [(&str, &str); 3] = [
    ("tls-cert-file", "certificate"),
    ("tls-key-file", "key"),
    ("tls-ca-cert-file", "authorities"),
];
const PASSPHRASE: &str = "tls-key-file-pass";

/// Where the server's own files are, as it sees them.
pub(super) struct Identity {
    files: BTreeMap<&'static str, String>,
    passphrase: Option<Secret>,
}

impl Identity {
    /// As the server tells; half a sentence where it does not.
    pub(super) fn of(session: &mut Session<'_>) -> Result<Result<Self, String>, Failure> {
        let names = FILES.map(|(name, _)| name);
        let mut asked = names.to_vec();
        asked.push(PASSPHRASE);
        let told = session.settings(&asked)?.unwrap_or_default();
        let said = |name: &str| told.get(name).filter(|value| !value.is_empty()).cloned();
        if let Some(missing) = names.into_iter().find(|name| said(name).is_none()) {
            return Ok(Err(format!(
                "the server takes TLS alone and does not tell its `{missing}`, which a follower needs"
            )));
        }
        let files = names
            .into_iter()
            .filter_map(|name| Some((name, said(name)?)));
        Ok(Ok(Self {
            files: files.collect(),
            passphrase: said(PASSPHRASE).map(Secret::new),
        }))
    }

    /// Lines for the settings of a replica whose data lie beside the identity.
    pub(super) fn settings(&self) -> String {
        let mut text = "tls-replication yes\n".to_owned();
        for (name, file) in FILES {
            text.push_str(&format!("{name} ../{IDENTITY}/{file}\n"));
        }
        if let Some(passphrase) = &self.passphrase {
            let word = quoted(passphrase.expose().as_bytes());
            text.push_str(&format!("{PASSPHRASE} {word}\n"));
        }
        text
    }
}

impl Server {
    /// True where the server is reached by TLS.
    pub(super) fn is_behind_tls(&self) -> bool {
        !self.location.redis_tls().is_empty()
    }

    /// Brings the server's files beside a replica.
    pub(super) fn bring(
        &self,
        commands: &Commands,
        identity: &Identity,
        place: &Path,
        owner: &fs::Metadata,
    ) -> Result<(), Failure> {
        let directory = place.join(IDENTITY);
        let unwritten = |error: std::io::Error| {
            let what = format!("cannot write in {}", directory.display());
            crate::disk::failure("backup-io", what, &error)
        };
        crate::disk::remove(&directory)
            .and_then(|()| fs::create_dir(&directory))
            .and_then(|()| crate::disk::give_to(&directory, owner))
            .map_err(unwritten)?;
        for (name, file) in FILES {
            let path = identity.files.get(name).map_or("", String::as_str);
            let argv = self.reach.inside(Argv::new("cat", ["--", path]))?;
            let read: Result<_, CommandError> = commands.run(&argv, Input::Empty, Output::Capture);
            let text = read.map_err(|error| {
                let what = format!("cannot read the `{name}` of the server of `{}`", self.name);
                error.into_failure("datastore-permission", what).hint(format!(
                    "run switchback as a user who may, or set backup = \"dump\" in [datastores.{}] and plan again",
                    self.name
                ))
            })?;
            disk::write_secret(&directory.join(file), &text.stdout, owner).map_err(unwritten)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_finds_its_files_beside_its_data() {
        let identity = Identity {
            files: BTreeMap::new(),
            passphrase: Some(Secret::new("a b")),
        };
        assert_eq!(
            identity.settings(),
            "tls-replication yes\ntls-cert-file ../tls/certificate\ntls-key-file ../tls/key\n\
             tls-ca-cert-file ../tls/authorities\ntls-key-file-pass \"a b\"\n"
        );
    }
}
