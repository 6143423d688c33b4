//! Extended attributes: access control lists, capabilities, labels, whatever programs keep beside a file's bytes.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{self, XattrFlags};
use rustix::io::Errno;

/// As long as a name list or a value usually is.
const USUAL: usize = 4096;

/// Names and values.
pub(super) type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

/// A thing that has attributes.
#[derive(Clone, Copy)]
pub(super) enum Bearer<'a> {
    /// A file or directory that is open.
    Open(&'a OwnedFd),
    /// What cannot be opened without effects: links, pipes, devices.
    Path(&'a Path),
}

impl Bearer<'_> {
    /// All of them; none on filesystems without.
    pub(super) fn attributes(self) -> io::Result<Attributes> {
        let names = match read(|buffer| self.list(buffer)) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOTSUP) => Vec::new(),
            names => names?,
        };
        let mut attributes = Attributes::new();
        for name in names
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
        {
            match read(|buffer| self.get(name, buffer)) {
                // Gone since it was listed.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NODATA) => {}
                value => drop(attributes.insert(name.to_vec(), value?)),
            }
        }
        Ok(attributes)
    }

    /// Makes them these.
    pub(super) fn set(self, wanted: &Attributes) -> io::Result<()> {
        let has = self.attributes()?;
        for name in has.keys().filter(|name| !wanted.contains_key(*name)) {
            let removed = match self {
                Self::Open(open) => fs::fremovexattr(open, name),
                Self::Path(path) => fs::lremovexattr(path, name),
            };
            match removed {
                // An access control list that says what the mode says may be listed and not be there.
                Err(Errno::NODATA) => {}
                removed => removed?,
            }
        }
        for (name, value) in wanted {
            if has.get(name) == Some(value) {
                continue;
            }
            match self {
                Self::Open(open) => fs::fsetxattr(open, name, value, XattrFlags::empty())?,
                Self::Path(path) => fs::lsetxattr(path, name, value, XattrFlags::empty())?,
            }
        }
        Ok(())
    }

    fn list(self, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            Self::Open(open) => fs::flistxattr(open, buffer),
            Self::Path(path) => fs::llistxattr(path, buffer),
        }
    }

    fn get(self, name: &[u8], buffer: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            Self::Open(open) => fs::fgetxattr(open, name, buffer),
            Self::Path(path) => fs::lgetxattr(path, name, buffer),
        }
    }
}

/// What `fill` writes, however long it is.
fn read(fill: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> io::Result<Vec<u8>> {
    let mut usual = [0; USUAL];
    match fill(&mut usual) {
        Ok(length) => return Ok(usual[..length].to_vec()),
        Err(Errno::RANGE) => {}
        Err(error) => return Err(error.into()),
    }
    let mut size = USUAL;
    loop {
        size *= 2;
        let mut buffer = vec![0; size];
        match fill(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            // The kernel allows no more than 64 KiB of either; some filesystems of their own do.
            Err(Errno::RANGE) if size < 16 << 20 => {}
            Err(error) => return Err(error.into()),
        }
    }
}
