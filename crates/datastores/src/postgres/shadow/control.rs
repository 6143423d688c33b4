//! The first facts of `pg_control`, read without starting anything: whose data a
//! directory holds, and where in its history it stands.
//!
//! The fields that are read lie at the same place in every version from 12 on;
//! `pg_controldata` prints them. Only servers of this host's byte order are read.

use std::fs;
use std::io;
use std::path::Path;

/// What a data directory says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Control {
    /// Identity of the cluster, shared by all its physical copies.
    pub(in super::super) system: u64,
    /// What its server was doing last.
    pub(in super::super) state: State,
    /// Position from which its next start replays.
    pub(super) redo: Position,
    pub(super) timeline: u32,
    /// Position up to which a copy must have replayed to be consistent; zero in an original.
    pub(super) consistent: Position,
}

/// What a server was doing when it wrote `pg_control` last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum State {
    /// Ended in order.
    Ended,
    /// Followed another server, and ended in order.
    EndedFollowing,
    /// Runs, or was killed.
    Other(u32),
}

/// A position in the write-ahead log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(pub(super) u64);

impl Position {
    /// From the server's notation, `16/B374D848`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.split_once('/')?;
        let (high, low) = (
            u64::from_str_radix(high, 16).ok()?,
            u32::from_str_radix(low, 16).ok()?,
        );
        Some(Self((high << 32) | u64::from(low)))
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl Control {
    /// Reads the control file of a data directory.
    pub(in super::super) fn read(data: &Path) -> io::Result<Self> {
        Self::parse(&fs::read(data.join("global/pg_control"))?)
            .ok_or_else(|| io::Error::other("pg_control is too short"))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let long = |at: usize| {
            let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
            Some(u64::from_ne_bytes(bytes))
        };
        let short = |at: usize| {
            let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_ne_bytes(bytes))
        };
        Some(Self {
            system: long(0)?,
            state: match short(16)? {
                1 => State::Ended,
                2 => State::EndedFollowing,
                other => State::Other(other),
            },
            redo: Position(long(40)?),
            timeline: short(48)?,
            consistent: Position(long(136)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_the_server_writes_them() {
        let position = Position::parse("16/B374D848").expect("a position");
        assert_eq!(position, Position(0x16_B374_D848));
        assert_eq!(position.to_string(), "16/B374D848");
        assert!(Position::parse("16/2") > Position::parse("15/FFFFFFFF"));
        assert_eq!(Position::parse("nothing"), None);
    }

    #[test]
    fn a_file_that_is_cut_short_is_no_control_file() {
        assert_eq!(Control::parse(&[0; 100]), None);
        assert!(Control::parse(&[0; 8192]).is_some());
    }
}
