//! A shadow that becomes a server of its own, elsewhere: the copy that a
//! rehearsal runs on. The original goes on and knows nothing of it.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use switchback_engine::ports::{Context, Failure};
use switchback_model::event::Outcome;

use super::super::server::Server;
use super::control::{Control, State};
use super::facts::Facts;
use super::layout::{Layout, layout_of, strip};
use crate::disk;

/// What the original does to its log, a second server must not do in its place. Written last, so it counts.
const ALONE: &str = "archive_mode = 'off'\nprimary_conninfo = ''\nprimary_slot_name = ''\nsynchronous_standby_names = ''\n";

impl Server {
    /// Ends the follower in order and moves the copy to `into`.
    pub(in super::super) fn promote(
        &self,
        cx: &Context<'_>,
        into: &Path,
    ) -> Result<Option<Outcome>, Failure> {
        let backup = self.backup(cx, cx.run);
        let Some(manifest) = backup.unsealed_shadow()? else {
            return Ok(None);
        };
        let (Some(layout), facts) = (layout_of(&manifest), Facts::of(&manifest)?) else {
            return Err(self.gone());
        };
        let companion = self.following(cx, &facts)?.ok_or_else(|| self.gone())?;
        companion.end(cx, "SIGINT")?;
        let control = Control::read(&layout.data()).map_err(|error| backup.io("read", &error))?;
        if control.state != State::EndedFollowing || control.system != facts.system {
            return Err(Failure::new(
                "shadow-behind",
                format!("the shadow of `{}` did not end as it must", self.name),
            ));
        }
        layout
            .drop_leftovers()
            .and_then(|()| strip(&layout.data()))
            .and_then(|()| alone(&layout))
            .map_err(|error| backup.io("tidy", &error))?;
        self.move_data(cx, &layout, into)?;
        disk::remove(layout.place()).map_err(|error| backup.io("tidy", &error))?;
        Ok(Some(Outcome {
            summary: format!("a shadow, at {}", control.consistent),
            ..Outcome::default()
        }))
    }

    /// By a rename where the filesystem is the same, else by copying.
    fn move_data(&self, cx: &Context<'_>, layout: &Layout, into: &Path) -> Result<(), Failure> {
        let data = layout.data();
        let what = format!("cannot bring the shadow of `{}` to its place", self.name);
        let io = |error: std::io::Error| disk::failure("copy-failed", what.clone(), &error);
        if let Some(parent) = into.parent() {
            std::fs::create_dir_all(parent).map_err(io)?;
        }
        // The place may have been made already, empty.
        let _ = std::fs::remove_dir(into);
        if std::fs::rename(&data, into).is_ok() {
            return Ok(());
        }
        let entries: Vec<_> = crate::swap::names(&data)
            .map_err(io)?
            .into_iter()
            .map(|name| data.join(name))
            .collect();
        let found = std::fs::metadata(&data).map_err(io)?;
        std::fs::create_dir_all(into).map_err(io)?;
        disk::copy(cx, &entries, into).map_err(|error| disk::copy_failure(error, what.clone()))?;
        disk::give_to(into, &found).map_err(io)?;
        std::fs::set_permissions(into, found.permissions()).map_err(io)
    }
}

/// `ALTER SYSTEM` wrote its last words before these.
fn alone(layout: &Layout) -> std::io::Result<()> {
    let path = layout.data().join("postgresql.auto.conf");
    let mut file = File::options().append(true).create(true).open(&path)?;
    file.write_all(ALONE.as_bytes())?;
    disk::give_to(&path, &std::fs::metadata(layout.data())?)
}
