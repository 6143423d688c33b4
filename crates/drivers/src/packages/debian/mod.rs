//! Packages of the Debian family: dpkg keeps them, apt finds them.

mod apt;
mod dpkg;
mod family;
mod gather;
mod words;

pub(super) use family::Debian;
