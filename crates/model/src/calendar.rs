//! Days and moments of the Gregorian calendar, in UTC: as people read them, and as other programs write them.

use std::fmt;

const SECONDS_OF_DAY: i64 = 86_400;

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    /// Year.
    pub year: i64,
    /// Month, from 1.
    pub month: u32,
    /// Day of the month, from 1.
    pub day: u32,
}

/// A moment, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Day {
    /// The day that is this many days after 1970-01-01 (Howard Hinnant's `civil_from_days`).
    fn at(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: u32::try_from(month).unwrap_or(1),
            day: u32::try_from(day).unwrap_or(1),
        }
    }

    /// Days since 1970-01-01.
    fn number(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let from_march = (i64::from(self.month) + 9) % 12;
        let of_year = (153 * from_march + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    /// Year and number of its week, as ISO 8601 counts: a week belongs to the year of its Thursday.
    pub fn week(self) -> (i64, i64) {
        let number = self.number();
        // 1970-01-01 was a Thursday.
        let monday_based = (number + 3).rem_euclid(7);
        let thursday = number - monday_based + 3;
        let year = Self::at(thursday).year;
        let first = Self {
            year,
            month: 1,
            day: 1,
        };
        (year, (thursday - first.number()) / 7 + 1)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Moment {
    /// Reads `2026-01-02T03:04:05.678901234Z`, or with an offset instead of `Z`; `None` for anything else and for what
    /// was before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
        let day = Day {
            year: i64::from(number(0, 4)?),
            month: number(5, 7)?,
            day: number(8, 10)?,
        };
        if !(1..=12).contains(&day.month) || !(1..=31).contains(&day.day) {
            return None;
        }
        let of_day = number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
        let rest = text.get(19..)?;
        let zone = rest.find(['Z', '+', '-'])?;
        let fraction: String = format!("{}000", rest[..zone].trim_start_matches('.'))
            .chars()
            .take(3)
            .collect();
        let offset = match rest.get(zone..)? {
            "Z" => 0,
            signed => {
                let (hours, minutes) = signed[1..].split_once(':')?;
                let seconds =
                    hours.parse::<i64>().ok()? * 3_600 + minutes.parse::<i64>().ok()? * 60;
                if signed.starts_with('-') {
                    -seconds
                } else {
                    seconds
                }
            }
        };
        let seconds = day.number() * SECONDS_OF_DAY + i64::from(of_day) - offset;
        let milliseconds = seconds * 1_000 + fraction.parse::<i64>().ok()?;
        u64::try_from(milliseconds).ok().map(Self)
    }

    /// Its day.
    pub fn day(self) -> Day {
        Day::at(self.seconds().div_euclid(SECONDS_OF_DAY))
    }

    /// Without what a second has below it.
    #[must_use]
    pub fn to_the_second(self) -> Self {
        Self(self.0 / 1_000 * 1_000)
    }

    /// Whole seconds since the Unix epoch.
    fn seconds(self) -> i64 {
        i64::try_from(self.0 / 1_000).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Moment {
    /// `2026-11-21 05:04:09`, without its zone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_day = self.seconds().rem_euclid(SECONDS_OF_DAY);
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(f, "{} {hour:02}:{minute:02}:{second:02}", self.day())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_every_form_that_programs_write() {
        let read = |text| Moment::parse(text).map(|moment| moment.0);
        assert_eq!(read("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(
            read("2026-11-21T07:50:31.689122379Z"),
            Some(1_795_247_431_689)
        );
        assert_eq!(
            read("2026-11-21T08:50:31.689+01:00"),
            read("2026-11-21T07:50:31.689Z")
        );
        assert_eq!(
            read("2026-11-21T02:20:31-05:30"),
            read("2026-11-21T07:50:31Z")
        );
        assert_eq!(read("yesterday"), None);
        assert_eq!(read("2026-13-01T00:00:00Z"), None);
    }

    #[test]
    fn moments_are_civil_dates() {
        assert_eq!(Moment(0).to_string(), "1970-01-01 00:00:00");
        assert_eq!(Moment(951_782_399_000).to_string(), "2000-02-28 23:59:59");
        assert_eq!(Moment(1_795_237_449_000).to_string(), "2026-11-21 05:04:09");
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        let week = |year, month, day| Day { year, month, day }.week();
        assert_eq!(week(2021, 1, 3), (2020, 53));
        assert_eq!(week(2021, 1, 4), (2021, 1));
        assert_eq!(week(2026, 12, 31), (2026, 53));
        assert_eq!(week(2024, 12, 30), (2025, 1));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(seconds in 0_u64..4_000_000_000) {
            let moment = Moment(seconds * 1_000);
            let shown = moment.to_string().replace(' ', "T") + "Z";
            prop_assert_eq!(Moment::parse(&shown), Some(moment));
        }
    }
}
