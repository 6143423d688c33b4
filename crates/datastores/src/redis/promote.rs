//! A shadow that becomes the data of a server of its own, elsewhere: the copy
//! that a rehearsal runs on. The original goes on and knows nothing of it.

use std::fs;
use std::path::Path;

use switchback_engine::ports::{Context, Failure};
use switchback_model::event::Outcome;

use super::commands::DATA;
use super::server::{Server, kept_layout};
use super::shadow::{appended, keep_only};
use crate::disk;

impl Server {
    /// Ends the replica in order, and moves what the original would load to `into`.
    pub(super) fn promote(
        &self,
        cx: &Context<'_>,
        into: &Path,
    ) -> Result<Option<Outcome>, Failure> {
        let backup = self.backup(cx, cx.run);
        let Some(manifest) = backup.unsealed_shadow()? else {
            return Ok(None);
        };
        let layout = kept_layout(&manifest)?;
        let place = backup.place_of(&manifest)?;
        let (replica, _) = self.replica(cx, &backup, &manifest)?;
        let standing = self.wait_following(cx, replica.as_ref())?;
        self.end_replica(cx, replica.as_ref())?;
        keep_only(&place.join(DATA), appended(&layout))
            .map_err(|error| backup.io("tidy", &error))?;
        let source = self.form(cx, &backup, &manifest, &layout)?;
        self.move_data(cx, &source, into)?;
        disk::remove(place).map_err(|error| backup.io("tidy", &error))?;
        Ok(Some(Outcome {
            summary: format!(
                "a shadow, {} bytes into the original's history",
                standing.offset
            ),
            ..Outcome::default()
        }))
    }

    /// By a rename where the filesystem is the same, else by copying.
    fn move_data(&self, cx: &Context<'_>, source: &Path, into: &Path) -> Result<(), Failure> {
        let what = format!("cannot bring the shadow of `{}` to its place", self.name);
        let io = |error: std::io::Error| disk::failure("copy-failed", what.as_str(), &error);
        if let Some(parent) = into.parent() {
            fs::create_dir_all(parent).map_err(io)?;
        }
        // The place may have been made already, empty.
        let _ = fs::remove_dir(into);
        if fs::rename(source, into).is_ok() {
            return Ok(());
        }
        let found = fs::metadata(source).map_err(io)?;
        fs::create_dir_all(into).map_err(io)?;
        disk::copy(cx, &crate::swap::paths(source).map_err(io)?, into)
            .map_err(|error| disk::copy_failure(error, what.as_str()))?;
        disk::give_to(into, &found).map_err(io)?;
        fs::set_permissions(into, found.permissions()).map_err(io)
    }
}
