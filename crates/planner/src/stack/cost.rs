//! What AWS bills for things that a rehearsal makes or an upgrade keeps: in the units of its price lists, and in money
//! where the operator says what a unit costs. No price is known here otherwise, and none is made up.

use switchback_model::amount;
use switchback_model::config::{Price, Prices, Unit};
use switchback_model::stack::{Store, StoreKind};

/// Minutes that a database server is billed for at least.
const LEAST: u64 = 10;
/// Minutes of the thirty days by which what is kept is told.
const MONTH: u64 = 730 * 60;
/// Thousandths of a unit.
const THOUSAND: u64 = 1_000;

/// Something that AWS bills from when it is made until it is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billed {
    /// What, for people.
    pub what: String,
    /// By what.
    pub unit: Unit,
    /// Thousandths of the unit; `None` where AWS does not say beforehand.
    pub thousandths: Option<u64>,
}

impl Billed {
    /// Whole units of something.
    pub(super) fn whole(what: impl Into<String>, unit: Unit, amount: Option<u64>) -> Self {
        Self {
            what: what.into(),
            unit,
            thousandths: amount.map(|amount| amount.saturating_mul(THOUSAND)),
        }
    }

    /// What it costs for so long; `None` where price or amount are not known.
    fn cost(&self, prices: &Prices, minutes: u64) -> Option<Price> {
        let minutes = match self.unit {
            Unit::Server(_) => minutes.max(LEAST),
            _ => minutes,
        };
        let price = prices.of(&self.unit)?;
        Some(price.times(&self.unit, self.thousandths?, minutes))
    }
}

/// What is billed, a line each, and what it comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Each thing: how much of it, and for what money where that is known.
    pub lines: Vec<String>,
    /// The sum, or what is missing for one.
    pub sum: String,
}

/// What everything costs together for so many minutes.
pub fn bill(billed: &[Billed], prices: Option<&Prices>, minutes: u64) -> Bill {
    let mut bill = Bill::default();
    let (mut sum, mut unpriced) = (Price::default(), Vec::new());
    let mut unmeasured = false;
    for it in billed {
        let cost = prices.and_then(|prices| it.cost(prices, minutes));
        let amount = amount_of(it);
        let money = prices.zip(cost).map(|(prices, cost)| prices.shown(cost));
        let money = money.map_or_else(String::new, |money| format!(": {money}"));
        bill.lines.push(format!("{}: {amount}{money}", it.what));
        match cost {
            Some(cost) => sum = sum.plus(cost),
            None if prices.is_some_and(|prices| prices.of(&it.unit).is_some()) => {
                unmeasured = true;
            }
            None => unpriced.push(format!("`{}`", it.unit.key())),
        }
    }
    unpriced.sort_unstable();
    unpriced.dedup();
    let Some(prices) = prices else {
        bill.sum = format!(
            "a sum needs your prices: {} under [aws.prices] in switchback.toml",
            unpriced.join(", ")
        );
        return bill;
    };
    bill.sum = format!("{} by your prices", prices.shown(sum));
    if unmeasured {
        bill.sum.push_str(", and what grows by itself");
    }
    if !unpriced.is_empty() {
        let missing = unpriced.join(", ");
        bill.sum.push_str(", without ");
        bill.sum.push_str(&missing);
        bill.sum.push_str(", which [aws.prices] does not say");
    }
    bill
}

/// What a snapshot of a store is billed by; nothing where that is not by size, or by a price that is not asked for.
pub(super) fn snapshot_of(store: &Store) -> Option<Unit> {
    match store.kind {
        StoreKind::DatabaseCluster | StoreKind::DatabaseInstance => Some(Unit::Snapshot),
        StoreKind::Volume => Some(Unit::DiskSnapshot),
        _ => None,
    }
}

/// What so many snapshots of a store cost in a month, as half a sentence: each counts as the whole of it, though AWS bills
/// of later ones what changed. Nothing where neither size nor price are known.
pub(super) fn kept(store: &Store, prices: Option<&Prices>, snapshots: u64) -> Option<String> {
    let size = store.gibibytes?;
    let unit = snapshot_of(store)?;
    let times = match snapshots {
        0 | 1 => String::new(),
        several => format!("{several} × "),
    };
    let whole = Billed::whole("", unit, Some(size.saturating_mul(snapshots.max(1))));
    let cost = prices.and_then(|prices| Some(prices.shown(whole.cost(prices, MONTH)?)));
    let money = cost.map_or_else(String::new, |cost| {
        format!(", which is {cost} a month by your prices")
    });
    Some(format!("{times}{} GiB at most{money}", amount::count(size)))
}

/// `1 × db.r6g.large`, `120 GiB`.
fn amount_of(billed: &Billed) -> String {
    let unit = match &billed.unit {
        Unit::Server(class) => format!("× `{class}`"),
        Unit::TaskProcessor => "virtual processors".to_owned(),
        Unit::Storage | Unit::Snapshot | Unit::DiskSnapshot | Unit::TaskMemory => "GiB".to_owned(),
    };
    let Some(thousandths) = billed.thousandths else {
        return format!(
            "as many {unit} as its data takes, by the {}",
            billed.unit.period()
        );
    };
    let (whole, rest) = (thousandths / THOUSAND, thousandths % THOUSAND);
    let rest = match rest {
        0 => String::new(),
        rest => format!(".{rest:03}").trim_end_matches('0').to_owned(),
    };
    format!(
        "{}{rest} {unit}, by the {}",
        amount::count(whole),
        billed.unit.period()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn billed() -> Vec<Billed> {
        vec![
            Billed::whole("a server", Unit::Server("db.r6g.large".to_owned()), Some(1)),
            Billed::whole("its storage", Unit::Storage, None),
            Billed {
                what: "tasks".to_owned(),
                unit: Unit::TaskMemory,
                thousandths: Some(1_500),
            },
        ]
    }

    fn prices(more: &str) -> Prices {
        let text = format!("{{\"currency\": \"EUR\", \"task-memory\": 0.1{more}}}");
        serde_json::from_str(&text).expect("prices")
    }

    #[test]
    fn without_prices_the_units_are_told_and_what_a_sum_needs() {
        let told = bill(&billed(), None, 60);
        assert_eq!(
            told.lines,
            [
                "a server: 1 × `db.r6g.large`, by the hour",
                "its storage: as many GiB as its data takes, by the month",
                "tasks: 1.5 GiB, by the hour",
            ]
        );
        assert_eq!(
            told.sum,
            "a sum needs your prices: `servers.\"db.r6g.large\"`, `storage`, `task-memory` under [aws.prices] in switchback.toml"
        );
    }

    #[test]
    fn what_has_no_price_is_named_and_never_counted_as_nothing() {
        let told = bill(&billed(), Some(&prices("")), 60);
        assert_eq!(told.lines[2], "tasks: 1.5 GiB, by the hour: 0.15 EUR");
        assert_eq!(
            told.sum,
            "0.15 EUR by your prices, without `servers.\"db.r6g.large\"`, `storage`, which [aws.prices] does not say"
        );
        let all = prices(", \"storage\": 1, \"servers\": {\"db.r6g.large\": 0.6}");
        let told = bill(&billed(), Some(&all), 5);
        // Ten minutes of the server, five of the memory.
        assert_eq!(
            told.lines[0],
            "a server: 1 × `db.r6g.large`, by the hour: 0.10 EUR"
        );
        assert_eq!(
            told.sum,
            "0.12 EUR by your prices, and what grows by itself"
        );
    }
}
