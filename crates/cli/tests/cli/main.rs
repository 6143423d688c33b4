//! The program as people and scripts meet it: wording, wiring, exit codes.
//! Nothing here needs Docker; a simulated deployment writes the journals.

mod arguments;
mod backups;
mod bad_input;
mod bench;
mod definitions;
mod leases;
mod packages;
mod paths;
mod plans;
mod rehearsals;
mod replay;
