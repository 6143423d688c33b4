//! Texts of templates that a run replaces: AWS keeps the present one alone, and a way back needs the one before.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use switchback_engine::ports::{Context, Failure};
use switchback_model::stack::{Stack, TemplatePlace, body_digest};
use switchback_model::{Digest, RunId};

use crate::account::Account;
use crate::notes;
use crate::stacks::read;

/// Keeps the text of a stack's template, before an update gives it another.
pub(super) fn keep(cx: &Context<'_>, account: &Account, now: &Stack) -> Result<(), Failure> {
    let text = read::text(account, &now.id)
        .map_err(|fault| fault.failure(format!("cannot read the template of `{}`", now.name)))?;
    let place = directory(cx.backups, cx.run).join(body_digest(&text).as_str());
    if place.exists() {
        return Ok(());
    }
    notes::write(&place, text.as_bytes()).map_err(|error| {
        Failure::new(
            "template-not-kept",
            format!("cannot keep the template that `{}` has", now.name),
        )
        .cause(format!("{}: {error}", place.display()))
        .state(now.name.as_str(), "was not changed")
        .hint("make room, or correct the permissions, then resume")
    })
}

/// The texts that were kept with a run, by digest, and where they are. `backups` are the places of all its rounds. One
/// that is not what it was is left out.
pub fn kept_templates(
    backups: &[PathBuf],
    run: &RunId,
) -> io::Result<BTreeMap<Digest, (TemplatePlace, String)>> {
    let mut kept = BTreeMap::new();
    for place in backups {
        let entries = match fs::read_dir(directory(place, run)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let text = fs::read_to_string(&path)?;
            let digest = body_digest(&text);
            if path.file_name().is_none_or(|name| name != digest.as_str()) {
                continue;
            }
            let place = TemplatePlace {
                digest: digest.clone(),
                place: path.to_string_lossy().into_owned(),
                bytes: text.len() as u64,
            };
            kept.insert(digest, (place, text));
        }
    }
    Ok(kept)
}

fn directory(backups: &Path, run: &RunId) -> PathBuf {
    notes::directory(backups, run).join("templates")
}
