//! A server works as the owner of its data, and our own directories are closed to
//! everybody but us: the one user is let pass, and nobody is let look.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use rustix::io::Errno;
use switchback_engine::ports::{Context, Failure};
use switchback_engine::process::{Argv, CommandError};

use super::owner::as_owner;

/// The attribute in which Linux keeps the list of who may do what.
const LIST: &str = "system.posix_acl_access";
/// The one version of its form: a number, then entries of tag, permissions and id.
const VERSION: [u8; 4] = 2_u32.to_le_bytes();
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP: u16 = 0x04;
const MASK: u16 = 0x10;
const OTHERS: u16 = 0x20;
const NOBODY: u32 = u32::MAX;
/// To pass through a directory, without seeing what is in it.
const PASS: u16 = 1;

/// Lets `owner` reach `directory` through those above it that are ours: `<state>` and what is below it.
pub(super) fn open(
    cx: &Context<'_>,
    directory: &Path,
    owner: &Metadata,
    what: &str,
) -> Result<(), Failure> {
    let same_user = owner.uid() == rustix::process::geteuid().as_raw();
    if same_user || reaches(cx, directory, owner)? {
        return Ok(());
    }
    // Backups of a deployment are in `<state>/shadows/<deployment>`.
    let ours = cx.backups.ancestors().nth(2).unwrap_or(cx.backups);
    let closed = |error: io::Error| unreachable(directory, owner.uid(), what).cause(error);
    for above in directory.ancestors().skip(1) {
        if !above.starts_with(ours) {
            break;
        }
        let found = std::fs::metadata(above).map_err(closed)?;
        if found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o001 == 0 {
            let_pass(above, found.mode(), owner.uid()).map_err(closed)?;
        }
    }
    if reaches(cx, directory, owner)? {
        Ok(())
    } else {
        Err(unreachable(directory, owner.uid(), what))
    }
}

fn reaches(cx: &Context<'_>, directory: &Path, owner: &Metadata) -> Result<bool, Failure> {
    let directory = directory.to_string_lossy().into_owned();
    let test = ["test", "-x", &directory].map(str::to_owned).into();
    let mut words = as_owner(owner, test).into_iter();
    let argv = Argv::new(&words.next().unwrap_or_default(), words);
    match cx.commands.capture(&argv) {
        Ok(_) => Ok(true),
        Err(CommandError::Exit { .. }) => Ok(false),
        Err(error) => Err(error.into_failure("start-failed", "cannot look who may go where")),
    }
}

fn unreachable(directory: &Path, user: u32, what: &str) -> Failure {
    Failure::new("directory-unreachable", what)
        .cause(format!(
            "user {user}, who owns the data, may not pass to `{}`",
            directory.display()
        ))
        .state("deployment", "not touched")
        .hint("keep the state where every user may pass, e.g. below /var/lib: --state, or SWITCHBACK_STATE")
}

/// Adds one user to the list of a directory.
fn let_pass(directory: &Path, mode: u32, user: u32) -> io::Result<()> {
    let mut bytes = [0; 4096];
    let entries = match getxattr(directory, LIST, &mut bytes[..]) {
        Ok(length) => entries_of(&bytes[..length]),
        Err(Errno::NODATA) => of_mode(mode),
        Err(error) => return Err(error.into()),
    };
    let bytes = list_of(&with_user(entries, user));
    setxattr(directory, LIST, &bytes, XattrFlags::empty()).map_err(io::Error::from)
}

/// Tag, permissions, id.
type Entry = (u16, u16, u32);

/// What the mode alone says.
fn of_mode(mode: u32) -> Vec<Entry> {
    let bits = |shift: u32| u16::try_from((mode >> shift) & 0o7).unwrap_or(0);
    vec![
        (OWNER, bits(6), NOBODY),
        (GROUP, bits(3), NOBODY),
        (OTHERS, bits(0), NOBODY),
    ]
}

fn with_user(mut entries: Vec<Entry>, user: u32) -> Vec<Entry> {
    match entries
        .iter_mut()
        .find(|(tag, _, id)| (*tag, *id) == (USER, user))
    {
        Some((_, permissions, _)) => *permissions |= PASS,
        None => entries.push((USER, PASS, user)),
    }
    // The mask bounds all but owner and others.
    match entries.iter_mut().find(|(tag, ..)| *tag == MASK) {
        Some((_, permissions, _)) => *permissions |= PASS,
        None => {
            let group = entries.iter().find(|(tag, ..)| *tag == GROUP);
            let group = group.map_or(0, |(_, permissions, _)| *permissions);
            entries.push((MASK, group | PASS, NOBODY));
        }
    }
    entries.sort_by_key(|(tag, _, id)| (*tag, *id));
    entries
}

fn entries_of(bytes: &[u8]) -> Vec<Entry> {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
    };
    let short = |bytes: &[u8]| u16::try_from(number(bytes)).unwrap_or(0);
    bytes
        .get(VERSION.len()..)
        .unwrap_or_default()
        .chunks_exact(8)
        .map(|entry| (short(&entry[..2]), short(&entry[2..4]), number(&entry[4..])))
        .collect()
}

fn list_of(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = VERSION.to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_may_pass_and_nobody_else_gets_anything() {
        let entries = with_user(of_mode(0o40700), 108);
        let expected = [
            (OWNER, 7, NOBODY),
            (USER, PASS, 108),
            (GROUP, 0, NOBODY),
            (MASK, PASS, NOBODY),
            (OTHERS, 0, NOBODY),
        ];
        assert_eq!(entries, expected);
        // A second user beside the first; the same one again changes nothing.
        let both = with_user(entries.clone(), 42);
        assert_eq!(both.len(), 6);
        assert_eq!(both[1], (USER, PASS, 42));
        assert_eq!(with_user(both.clone(), 108), both);
    }

    #[test]
    fn what_somebody_else_allowed_is_kept() {
        let theirs = vec![
            (OWNER, 7, NOBODY),
            (USER, 4, 108),
            (GROUP, 5, NOBODY),
            (MASK, 4, NOBODY),
            (OTHERS, 0, NOBODY),
        ];
        let read = entries_of(&list_of(&theirs));
        assert_eq!(read, theirs);
        let opened = with_user(read, 108);
        assert_eq!((opened[1], opened[3]), ((USER, 5, 108), (MASK, 5, NOBODY)));
    }
}
