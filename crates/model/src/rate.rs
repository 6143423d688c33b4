//! How much is copied per second at most, as operators write it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::amount;

/// Bytes per second, at least [`Rate::LEAST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

/// Decimal units as disks and networks count, binary ones as memory does.
const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

impl Rate {
    /// PostgreSQL copies no slower than 32 KiB a second; nobody wants to wait for that either.
    pub const LEAST: u64 = 32 << 10;

    /// Bytes per second.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = String;

    /// `50MB`, `1.5 GB`, `800 KiB`; a following `/s` says the same.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no rate: a number and a unit per second, e.g. `50MB`");
        let said = text.strip_suffix("/s").unwrap_or(text);
        let (number, unit) = said.split_at(
            said.find(|letter: char| !letter.is_ascii_digit() && letter != '.')
                .ok_or_else(wrong)?,
        );
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let (_, factor) = UNITS
            .iter()
            .find(|(known, _)| *known == unit.trim())
            .ok_or_else(wrong)?;
        let bytes = rounded(number, *factor);
        if bytes < Self::LEAST {
            return Err(format!(
                "`{text}` is too slow a rate: at least `33kB` per second"
            ));
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", amount::bytes(self.0))
    }
}

impl Serialize for Rate {
    /// Exactly, unlike what is shown.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let exact = UNITS[..4]
            .iter()
            .rev()
            .find(|(_, factor)| self.0.is_multiple_of(*factor));
        let (unit, factor) = exact.unwrap_or(&UNITS[0]);
        serializer.collect_str(&format_args!("{}{unit}", self.0 / factor))
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate of fifteen digits is as good as its neighbour; what is read has no sign"
)]
fn rounded(number: f64, factor: u64) -> u64 {
    (number * factor as f64).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<u64, String> {
        text.parse().map(Rate::bytes)
    }

    #[test]
    fn rates_have_a_number_and_a_unit() {
        assert_eq!(read("50MB"), Ok(50_000_000));
        assert_eq!(read("50 MB/s"), Ok(50_000_000));
        assert_eq!(read("1.5GB"), Ok(1_500_000_000));
        assert_eq!(read("800 KiB"), Ok(819_200));
        for wrong in ["", "50", "MB", "-1MB", "50 MBit", "50mb", "1.2.3MB", "5 M"] {
            let told = read(wrong).expect_err(wrong);
            assert!(told.contains("e.g. `50MB`"), "{told}");
        }
        for slow in ["0MB", "10kB", "32kB"] {
            assert!(read(slow).expect_err(slow).contains("too slow"));
        }
        assert_eq!(read("33kB"), Ok(33_000));
    }

    #[test]
    fn what_is_written_is_read_as_the_same_and_shown_shorter() {
        for text in ["50MB", "819200B", "1500MB", "2GB", "33kB"] {
            let rate: Rate = text.parse().expect("a rate");
            let written = serde_json::to_string(&rate).expect("written");
            assert_eq!(written, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Rate>(&written).expect("read"), rate);
        }
        let shown = "1500MB".parse::<Rate>().expect("a rate").to_string();
        assert_eq!(shown, "1.5 GB/s");
    }
}
