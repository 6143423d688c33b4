//! Packages of the Red Hat family: rpm keeps them, dnf finds them, or yum, its elder, with the same words.

mod dnf;
mod family;
mod gather;
mod holds;
mod repositories;
mod rpm;
mod version;

pub(super) use family::RedHat;
