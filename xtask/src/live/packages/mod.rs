//! Live cases of products that are Debian packages: the real apt, dpkg and systemd, in a root file system of their own.

mod cases;
mod contract;
mod family;
mod host;
mod ledger;
mod operator;
mod redhat;
mod refused;
mod remote;
mod repository;
mod served;
mod stackstorm;
mod undead;
mod verdict;

pub(super) use cases::cases;
