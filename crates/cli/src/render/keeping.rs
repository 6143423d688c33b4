//! How a plan keeps each datastore, in one line each.

use switchback_model::plan::{BackupMethod, DatastorePlan, KeepingForecast, Plan};

use super::{measure, step};

/// One datastore.
pub(crate) struct Line {
    /// Its name.
    pub(crate) name: String,
    /// Method, reason, downtime, space, way back.
    pub(crate) words: String,
}

/// Every datastore of a plan that makes backups; none of a way back, which makes no more.
pub(crate) fn lines(plan: &Plan) -> Vec<Line> {
    let forecast = &plan.forecast.keeping;
    if forecast.is_empty() {
        return Vec::new();
    }
    plan.datastores
        .iter()
        .map(|(name, datastore)| Line {
            name: name.to_string(),
            words: in_words(datastore, forecast.get(name)),
        })
        .collect()
}

fn in_words(datastore: &DatastorePlan, cost: Option<&KeepingForecast>) -> String {
    let because = &datastore.because;
    let (method, Some(cost)) = (method(datastore.method), cost) else {
        return match &datastore.kept_with {
            Some(keeper) => format!("kept with {keeper}: {because}"),
            None => format!("no backup: {because}"),
        };
    };
    let size = match datastore.size {
        Some(_) => measure::bytes(cost.space),
        None => "size unknown".to_owned(),
    };
    let limit = datastore
        .max_rate
        .map_or_else(String::new, |rate| format!(", copied at {rate} at most"));
    format!(
        "{method}, {size}{limit}: {because}; {} of the downtime; way back {}",
        seconds(cost.downtime_seconds),
        way_back(datastore.method, cost)
    )
}

fn method(method: BackupMethod) -> &'static str {
    match method {
        BackupMethod::Shadow => "shadow",
        BackupMethod::Dump => "dump",
        BackupMethod::None => "none",
    }
}

fn way_back(method: BackupMethod, cost: &KeepingForecast) -> String {
    match (method, cost.holds) {
        (BackupMethod::Shadow, Some(holds)) => step::holding(holds),
        (BackupMethod::Shadow, None) => "instant while it is kept".to_owned(),
        _ => measure::about(cost.way_back_seconds),
    }
}

/// What is a second is said so: that it is so little is the point.
fn seconds(seconds: u64) -> String {
    match seconds {
        0..=4 => format!("{seconds} s"),
        more => measure::about(more),
    }
}

#[cfg(test)]
mod tests {
    use switchback_model::plan::Holding;
    use switchback_testkit::plans::smallest;

    use super::*;

    fn said(method: BackupMethod, because: &str, cost: Option<KeepingForecast>) -> String {
        let mut plan = smallest();
        let datastore = DatastorePlan {
            method,
            because: because.to_owned(),
            size: Some(1_200_000_000),
            ..switchback_testkit::plans::datastore_plan()
        };
        plan.datastores.insert("identity".into(), datastore);
        let other = KeepingForecast::default();
        plan.forecast.keeping = [("other".into(), other)].into();
        if let Some(cost) = cost {
            plan.forecast.keeping.insert("identity".into(), cost);
        }
        lines(&plan).remove(0).words
    }

    #[test]
    fn a_shadow_says_what_it_costs_and_how_long_its_way_back_holds() {
        let cost = KeepingForecast {
            downtime_seconds: 1,
            space: 1_320_000_000,
            way_back_seconds: 2,
            holds: None,
        };
        let follows = "a standby follows it until the seal";
        assert_eq!(
            said(BackupMethod::Shadow, follows, Some(cost.clone())),
            "shadow, 1.3 GB: a standby follows it until the seal; 1 s of the downtime; way back instant while it is kept"
        );
        let holds = Some(Holding {
            seconds: 86_400,
            then: 120,
        });
        let said = said(
            BackupMethod::Shadow,
            follows,
            Some(KeepingForecast { holds, ..cost }),
        );
        assert!(
            said.ends_with("way back instant for 24 h, then about 2 min"),
            "{said}"
        );
    }

    #[test]
    fn a_copy_that_is_slowed_down_says_to_what() {
        let mut plan = smallest();
        let datastore = DatastorePlan {
            method: BackupMethod::Shadow,
            max_rate: Some("50MB".parse().expect("a rate")),
            size: Some(1_200_000_000),
            ..switchback_testkit::plans::datastore_plan()
        };
        plan.datastores = [("identity".into(), datastore)].into();
        let cost = KeepingForecast {
            space: 1_320_000_000,
            ..KeepingForecast::default()
        };
        plan.forecast.keeping = [("identity".into(), cost)].into();
        let said = lines(&plan).remove(0).words;
        assert!(
            said.starts_with("shadow, 1.3 GB, copied at 50 MB/s at most: "),
            "{said}"
        );
    }

    #[test]
    fn a_dump_says_why_it_is_no_shadow() {
        let cost = KeepingForecast {
            downtime_seconds: 50,
            space: 1_200_000_000,
            way_back_seconds: 70,
            holds: None,
        };
        assert_eq!(
            said(
                BackupMethod::Dump,
                "as documented; no shadow: the role may not replicate",
                Some(cost)
            ),
            "dump, 1.2 GB: as documented; no shadow: the role may not replicate; about 50 s of the downtime; way back about 70 s"
        );
    }

    #[test]
    fn what_has_no_backup_says_so() {
        let declined = "`backup = \"none\"` in switchback.toml";
        assert_eq!(
            said(BackupMethod::None, declined, None),
            format!("no backup: {declined}")
        );
    }
}
