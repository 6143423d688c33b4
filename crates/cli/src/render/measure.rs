//! Bytes, durations, counts and times as people say them.

pub(crate) use switchback_model::amount::{bytes, count, plural};
use switchback_model::calendar::Moment;

/// `0.4 s`, `14 s`, `2 min 5 s`, `3 h 12 min`, `2 d 4 h`.
pub(crate) fn duration(milliseconds: u64) -> String {
    let seconds = (milliseconds + 500) / 1000;
    match milliseconds {
        0..=94 => format!("{milliseconds} ms"),
        95..=9_949 => format!("{:.1} s", precise(milliseconds) / 1000.0),
        _ if seconds < 60 => format!("{seconds} s"),
        _ if seconds < 3600 => two(seconds / 60, "min", seconds % 60, "s"),
        _ if seconds < 86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// `about 50 s`, `about 6 min`: an estimate, never more exact than it is.
pub(crate) fn about(seconds: u64) -> String {
    match seconds {
        0..=4 => "a few seconds".to_owned(),
        5..=89 => format!("about {} s", seconds.div_ceil(5) * 5),
        90..=5_399 => format!("about {} min", (seconds + 30) / 60),
        _ => format!("about {:.1} h", precise(seconds) / 3600.0),
    }
}

/// `2026-11-21 05:01` (UTC) of milliseconds since the epoch.
pub(crate) fn minute(at: u64) -> String {
    let moment = Moment(at).to_string();
    // Without its seconds.
    moment[..moment.len() - 3].to_owned()
}

/// `just now`, `5 min ago`, `3 d ago`; the date where it is longer ago, or in the future.
pub(crate) fn ago(at: u64, now: u64) -> String {
    match now.checked_sub(at).map(|gone| gone / 1000) {
        Some(0..=59) => "just now".to_owned(),
        Some(gone @ 60..=3_599) => format!("{} min ago", gone / 60),
        Some(gone @ 3_600..=86_399) => format!("{} h ago", gone / 3600),
        Some(gone @ 86_400..=1_209_599) => format!("{} d ago", gone / 86_400),
        _ => minute(at),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "two significant digits are shown"
)]
fn precise(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_naturally() {
        let shown: Vec<String> = [3, 330, 14_000, 60_000, 125_000, 11_520_000, 187_200_000]
            .map(duration)
            .into();
        assert_eq!(
            shown,
            [
                "3 ms",
                "0.3 s",
                "14 s",
                "1 min",
                "2 min 5 s",
                "3 h 12 min",
                "2 d 4 h"
            ]
        );
    }

    #[test]
    fn times_are_calendar_dates() {
        assert_eq!(minute(0), "1970-01-01 00:00");
        assert_eq!(minute(1_795_237_260_000), "2026-11-21 05:01");
        assert_eq!(minute(1_709_164_800_000), "2024-02-29 00:00");
    }

    #[test]
    fn a_clock_that_went_back_shows_the_date() {
        assert_eq!(ago(1_795_237_260_000, 0), "2026-11-21 05:01");
        assert_eq!(ago(0, 61_000), "1 min ago");
    }

    #[test]
    fn counts_have_separators() {
        assert_eq!(
            [0, 999, 1_204, 1_000_000].map(count),
            ["0", "999", "1,204", "1,000,000"]
        );
    }
}
