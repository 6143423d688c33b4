//! Live cases of products that are Debian packages: the real apt, dpkg and systemd, in a root file system of their own.

mod cases;
mod family;
mod host;
mod redhat;
mod refused;
mod remote;

pub(super) use cases::cases;
