//! `[aws.prices]`: what an operator pays AWS, as their own price list or contract says. Nothing of it is known otherwise.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Minutes of an hour, in which servers are billed.
const HOUR: u128 = 60;
/// Minutes of a month, in which storage is billed: AWS counts 730 hours.
const MONTH: u128 = 730 * 60;
/// Parts of the currency that a price is counted in.
const PARTS: u32 = 1_000_000;
/// Parts of a unit that amounts are counted in.
const THOUSAND: u128 = 1_000;

/// Prices by unit. What is left out is shown without a price.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Prices {
    /// What they are in, e.g. `EUR`.
    pub currency: String,
    /// An hour of one database server, by its class: `"db.r6g.large" = 0.32`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub servers: BTreeMap<String, Price>,
    /// A month of one GiB of a database's storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Price>,
    /// A month of one GiB of a database's snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Price>,
    /// A month of one GiB of a disk's snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_snapshot: Option<Price>,
    /// An hour of one virtual processor of a Fargate task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_processor: Option<Price>,
    /// An hour of one GiB of memory of a Fargate task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_memory: Option<Price>,
}

/// What is billed by the hour or the month.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// A database server of this class.
    Server(String),
    /// GiB of a database's storage.
    Storage,
    /// GiB of a database's snapshots.
    Snapshot,
    /// GiB of a disk's snapshots.
    DiskSnapshot,
    /// Virtual processors of a Fargate task.
    TaskProcessor,
    /// GiB of memory of a Fargate task.
    TaskMemory,
}

impl Unit {
    /// The key under `[aws.prices]`.
    pub fn key(&self) -> String {
        match self {
            Self::Server(class) => format!("servers.\"{class}\""),
            Self::Storage => "storage".to_owned(),
            Self::Snapshot => "snapshot".to_owned(),
            Self::DiskSnapshot => "disk-snapshot".to_owned(),
            Self::TaskProcessor => "task-processor".to_owned(),
            Self::TaskMemory => "task-memory".to_owned(),
        }
    }

    /// By what time it is billed: `hour` or `month`.
    pub fn period(&self) -> &'static str {
        match self.minutes() {
            HOUR => "hour",
            _ => "month",
        }
    }

    fn minutes(&self) -> u128 {
        match self {
            Self::Server(_) | Self::TaskProcessor | Self::TaskMemory => HOUR,
            Self::Storage | Self::Snapshot | Self::DiskSnapshot => MONTH,
        }
    }
}

impl Prices {
    /// What the operator pays for one of these.
    pub fn of(&self, unit: &Unit) -> Option<Price> {
        match unit {
            Unit::Server(class) => self.servers.get(class).copied(),
            Unit::Storage => self.storage,
            Unit::Snapshot => self.snapshot,
            Unit::DiskSnapshot => self.disk_snapshot,
            Unit::TaskProcessor => self.task_processor,
            Unit::TaskMemory => self.task_memory,
        }
    }

    /// An amount with its currency, e.g. `0.37 EUR`.
    pub fn shown(&self, price: Price) -> String {
        format!("{price} {}", self.currency)
    }
}

/// An amount of money, in millionths of the currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(u64);

impl Price {
    /// What `thousandths` of a unit cost for so many minutes. Rounded up: nobody wants to have been told less.
    #[must_use]
    pub fn times(self, unit: &Unit, thousandths: u64, minutes: u64) -> Self {
        let whole = u128::from(self.0) * u128::from(thousandths) * u128::from(minutes);
        let parts = whole.div_ceil(unit.minutes() * THOUSAND);
        Self(u64::try_from(parts).unwrap_or(u64::MAX))
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    fn of(number: f64) -> Option<Self> {
        let parts = number * f64::from(PARTS);
        let sound = (0.0..1e15).contains(&parts);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was looked at"
        )]
        sound.then(|| Self(parts.round() as u64))
    }
}

/// In hundredths, rounded up; what is less than one of those shows all it has.
impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = u64::from(PARTS);
        let hundredth = whole / 100;
        if self.0 > 0 && self.0 < hundredth {
            let digits = format!("{:06}", self.0);
            return write!(f, "0.{}", digits.trim_end_matches('0'));
        }
        let hundredths = self.0.div_ceil(hundredth);
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "prices have nine significant digits at most"
        )]
        serializer.serialize_f64(self.0 as f64 / f64::from(PARTS))
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Price;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a price: a number that is not negative, e.g. 0.32")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Price, E> {
                let wrong = || E::invalid_value(de::Unexpected::Float(number), &self);
                Price::of(number).ok_or_else(wrong)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Price, E> {
                let wrong = || E::invalid_value(de::Unexpected::Signed(number), &self);
                let parts = u64::try_from(number).ok();
                let parts = parts.and_then(|number| number.checked_mul(u64::from(PARTS)));
                parts.map(Price).ok_or_else(wrong)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Price, E> {
                let wrong = || E::invalid_value(de::Unexpected::Unsigned(number), &self);
                let parts = number.checked_mul(u64::from(PARTS));
                parts.map(Price).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(text: &str) -> Result<Prices, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_billed_by_the_hour_and_by_the_month_becomes_a_sum() {
        let prices = prices(
            "currency = \"EUR\"\nsnapshot = 0.0219\ntask-memory = 1\n[servers]\n\"db.r6g.large\" = 0.32\n",
        )
        .expect("they are read");
        let server = Unit::Server("db.r6g.large".to_owned());
        let cost = |unit: &Unit, thousandths: u64, minutes: u64| {
            prices
                .of(unit)
                .map(|price| prices.shown(price.times(unit, thousandths, minutes)))
        };
        assert_eq!(cost(&server, 1_000, 90).as_deref(), Some("0.48 EUR"));
        assert_eq!(
            cost(&Unit::TaskMemory, 2_500, 60).as_deref(),
            Some("2.50 EUR")
        );
        // 100 GiB for 73 of 730 hours are ten months of a GiB.
        let kept = cost(&Unit::Snapshot, 100_000, 73 * 60);
        assert_eq!(kept.as_deref(), Some("0.22 EUR"));
        assert_eq!(cost(&Unit::Storage, 1_000, 60), None, "no price was said");
        let other = Unit::Server("db.t3.medium".to_owned());
        assert_eq!(cost(&other, 1_000, 60), None);
    }

    #[test]
    fn a_sum_is_never_shown_as_less_than_it_is() {
        let shown: Vec<String> = [0, 1, 4_200, 10_000, 10_001, 1_999_999]
            .map(|parts| Price(parts).to_string())
            .into();
        assert_eq!(
            shown,
            ["0.00", "0.000001", "0.0042", "0.01", "0.02", "2.00"]
        );
    }

    #[test]
    fn what_is_no_price_is_refused_in_words() {
        for wrong in ["snapshot = -0.1", "snapshot = \"0.1\"", "snapshot = inf"] {
            let told = prices(&format!("currency = \"EUR\"\n{wrong}\n"));
            let told = told.expect_err("it is no price");
            assert!(told.contains("a price: a number"), "{told}");
        }
        let told = prices("currency = \"EUR\"\nsnapshots = 1.0\n").expect_err("no such key");
        assert!(told.contains("unknown field `snapshots`"), "{told}");
        assert!(prices("snapshot = 0.1\n").is_err(), "in which currency?");
    }
}
