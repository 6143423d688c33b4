//! A short name for a long directory: the path of a socket has room for 107 bytes,
//! and a server that listens in its own directory needs some of them itself.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

/// What is left to a server: PostgreSQL's `/.s.PGSQL.65535`, and a directory or two of a datastore's own.
const LONGEST: usize = 75;
/// How the link is called in a directory that only we can write.
const LINK: &str = "d";

/// The directory as a server is to be told it: itself where it is short enough, else a link to it.
pub(super) fn name_of(directory: &Path) -> io::Result<String> {
    let long = directory.to_string_lossy();
    if long.len() <= LONGEST {
        return Ok(long.into_owned());
    }
    // Nobody can know or take this name beforehand; whoever may pass to the directory may pass here.
    let place = tempfile::Builder::new()
        .prefix("switchback-")
        .permissions(fs::Permissions::from_mode(0o711))
        .tempdir()?;
    // What the umask took away.
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o711))?;
    let link = place.path().join(LINK);
    symlink(directory, &link)?;
    let _ = place.keep();
    Ok(link.to_string_lossy().into_owned())
}

/// Removes what [`name_of`] made; a directory's own name is left alone.
pub(super) fn forget(name: &str) {
    let link = Path::new(name);
    let ours = link.file_name().is_some_and(|last| last == LINK)
        && fs::symlink_metadata(link).is_ok_and(|found| found.is_symlink());
    if let (true, Some(place)) = (ours, link.parent()) {
        // A name in the temporary directory that is left is in nobody's way.
        let _ = fs::remove_file(link);
        let _ = fs::remove_dir(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_directory_gets_a_name_that_leads_there_and_goes_again() {
        let root = tempfile::tempdir().expect("temporary directory");
        let short = root.path().join("d");
        let long = root.path().join("long".repeat(30));
        for directory in [&short, &long] {
            fs::create_dir(directory).expect("directory");
        }
        let name = name_of(&short).expect("named");
        assert_eq!(Path::new(&name), short);
        forget(&name);
        assert!(short.exists());
        let name = name_of(&long).expect("named");
        assert!(name.len() <= LONGEST);
        fs::write(Path::new(&name).join("file"), "").expect("written");
        assert!(long.join("file").exists());
        forget(&name);
        assert!(long.join("file").exists() && !Path::new(&name).exists());
        assert!(!Path::new(&name).parent().expect("a place").exists());
    }
}
