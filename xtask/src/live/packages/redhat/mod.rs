//! The same for rpm and dnf, as Debian packages them: rpm's record, dnf's repositories and systemd on a machine whose
//! other packages are dpkg's.

mod cases;
mod family;

pub(super) use cases::cases;
