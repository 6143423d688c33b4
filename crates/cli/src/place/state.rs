//! Which directory keeps journal, plans and backups.

use std::ffi::OsString;
use std::path::PathBuf;

use switchback_journal::StateDirectory;
use switchback_model::Problem;
use switchback_model::exit::Exit;

/// Opens the state directory: `--state`, `$XDG_STATE_HOME/switchback`, `/var/lib/switchback` for
/// root, `~/.local/state/switchback` for everybody else.
pub(crate) fn open(said: Option<&PathBuf>) -> Result<StateDirectory, Problem> {
    let root = match said {
        Some(said) => std::path::absolute(said).unwrap_or_else(|_| said.clone()),
        None => choose(
            std::env::var_os("XDG_STATE_HOME"),
            std::env::var_os("HOME"),
            rustix::process::geteuid().is_root(),
        )
        .ok_or_else(|| {
            Problem::new(
                Exit::Usage,
                "no-state-directory",
                "neither `XDG_STATE_HOME` nor `HOME` says where to keep the journal",
            )
            .hint("name a directory: --state DIR")
        })?,
    };
    StateDirectory::open(root).map_err(|error| error.problem())
}

fn choose(xdg: Option<OsString>, home: Option<OsString>, root: bool) -> Option<PathBuf> {
    let set = |value: Option<OsString>| value.filter(|value| !value.is_empty()).map(PathBuf::from);
    match set(xdg) {
        // The specification has relative paths ignored.
        Some(xdg) if xdg.is_absolute() => Some(xdg.join("switchback")),
        _ if root => Some(PathBuf::from("/var/lib/switchback")),
        _ => set(home).map(|home| home.join(".local/state/switchback")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_one_place_unless_told_otherwise() {
        let chosen = |xdg: Option<&str>, home: Option<&str>, root| {
            choose(xdg.map(Into::into), home.map(Into::into), root)
                .map(|path| path.display().to_string())
        };
        assert_eq!(
            chosen(None, Some("/root"), true).as_deref(),
            Some("/var/lib/switchback")
        );
        assert_eq!(
            chosen(Some("/x"), Some("/root"), true).as_deref(),
            Some("/x/switchback")
        );
        assert_eq!(
            chosen(Some("relative"), Some("/home/a"), false).as_deref(),
            Some("/home/a/.local/state/switchback")
        );
        assert_eq!(chosen(None, None, false), None);
    }
}
