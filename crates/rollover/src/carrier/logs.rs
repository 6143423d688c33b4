//! Audit logs to a safe place, with checksums that `sha256sum --check` reads.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use switchback_engine::ports::{Failure, Finding};
use switchback_model::Digest;
use switchback_model::rollover::Parcel;

use super::sides::{Sides, unless};
use crate::inventory::{count, digest_of_beginning, read_log};

/// Beside the copies.
const SUMS: &str = "SHA256SUMS";

/// A log only grows: its beginning is what it was. One that was rotated away meanwhile is not what was planned.
pub(super) fn original(sides: &Sides<'_>, parcel: &Parcel) -> Result<Finding, Failure> {
    let directory = sides.root().join("var/log/st2");
    Ok(unless(&differing(&directory, parcel)))
}

pub(super) fn arrived(sides: &Sides<'_>, parcel: &Parcel) -> Result<Finding, Failure> {
    let directory = place(sides);
    let mut found = differing(&directory, parcel);
    let sums = std::fs::read_to_string(directory.join(SUMS)).unwrap_or_default();
    found.extend(wrong_sums(&directory, parcel, &sums));
    Ok(unless(&found))
}

pub(super) fn bring(sides: &Sides<'_>, parcel: &Parcel) -> Result<String, Failure> {
    let directory = place(sides);
    let failed = |error: io::Error| {
        Failure::new(
            "logs-not-kept",
            format!("audit logs cannot be kept in `{}`", directory.display()),
        )
        .cause(error)
    };
    std::fs::create_dir_all(&directory).map_err(failed)?;
    let mut sums = String::new();
    for name in parcel.facts.keys() {
        sides
            .cx
            .progress
            .report(&format!("copy {name}"), None, None, None);
        let digest = copy(sides.root(), name, &directory).map_err(failed)?;
        sums.push_str(&format!("{digest}  {name}\n"));
    }
    write(&directory, SUMS, &mut sums.as_bytes()).map_err(failed)?;
    Ok(format!(
        "{} in audit-logs, checksums beside them",
        count(parcel.facts.len(), "log")
    ))
}

fn place(sides: &Sides<'_>) -> PathBuf {
    Path::new(&sides.content.keep).join("audit-logs")
}

/// Copies as much as there is now, and reads it back.
fn copy(root: &Path, name: &str, directory: &Path) -> io::Result<Digest> {
    let from = read_log(root, name)?;
    let size = from.metadata()?.len();
    write(directory, name, &mut from.take(size))?;
    let copied = directory.join(name);
    let length = copied.metadata()?.len();
    digest_of_beginning(&copied, length)
}

/// All of it or nothing, and on disk when this returns.
fn write(directory: &Path, name: &str, from: &mut impl io::Read) -> io::Result<()> {
    let unfinished = directory.join(format!(".{name}.unfinished"));
    let mut file = std::fs::File::create(&unfinished)?;
    io::copy(from, &mut file)?;
    file.flush()?;
    file.sync_all()?;
    std::fs::rename(&unfinished, directory.join(name))?;
    std::fs::File::open(directory)?.sync_all()
}

/// Logs in `directory` that do not begin as planned.
fn differing(directory: &Path, parcel: &Parcel) -> Vec<String> {
    parcel
        .facts
        .iter()
        .filter_map(|(name, planned)| {
            let (size, digest): (u64, Digest) = serde_json::from_str(planned).ok()?;
            match digest_of_beginning(&directory.join(name), size) {
                Ok(found) if found == digest => None,
                Ok(_) => Some(format!("{name} begins otherwise")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Some(format!("no {name}")),
                Err(error) => Some(format!("{name}: {error}")),
            }
        })
        .collect()
}

/// Logs whose checksum is not written down, or wrong.
fn wrong_sums(directory: &Path, parcel: &Parcel, sums: &str) -> Vec<String> {
    let wrong = |name: &&String| {
        let path = directory.join(name);
        let digest = path
            .metadata()
            .and_then(|found| digest_of_beginning(&path, found.len()));
        let line = digest.map(|digest| format!("{digest}  {name}"));
        !line.is_ok_and(|line| sums.lines().any(|known| known == line))
    };
    parcel
        .facts
        .keys()
        .filter(wrong)
        .map(|name| format!("no checksum of {name}"))
        .collect()
}
