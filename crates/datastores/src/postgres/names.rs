//! Names of databases that are ours, made from the name of one that is not.

use switchback_model::{Digest, RunId};

/// PostgreSQL cuts longer names silently.
const LONGEST: usize = 63;

/// The database into which a backup is restored to be read.
pub(super) fn scratch(database: &str, run: &RunId) -> String {
    with_suffix(
        "switchback_prove",
        &format!("_{run}_{}", Digest::of(database).short()),
    )
}

/// The database into which a backup is restored to take the place of `database`.
pub(super) fn new(database: &str, run: &RunId) -> String {
    with_suffix(database, &format!("_switchback_new_{run}"))
}

/// The first name under which `database` is kept when a restore moves it aside.
pub(super) fn old(database: &str, run: &RunId) -> String {
    with_suffix(database, &format!("_switchback_old_{run}"))
}

/// The first name of that kind that is free: an earlier one may hold the original.
pub(super) fn free_old(database: &str, run: &RunId, taken: &[String]) -> String {
    let first = old(database, run);
    if !taken.contains(&first) {
        return first;
    }
    (2_u32..)
        .map(|number| with_suffix(database, &format!("_switchback_old_{run}_{number}")))
        .find(|name| !taken.contains(name))
        .unwrap_or(first)
}

/// Every database among `existing` that restores of `run` moved aside.
pub(super) fn all_old(database: &str, run: &RunId, existing: &[String]) -> Vec<String> {
    let first = old(database, run);
    existing
        .iter()
        .filter(|name| {
            **name == first
                || name.rsplit_once('_').is_some_and(|(_, number)| {
                    number.parse::<u32>().is_ok_and(|number| {
                        number > 1
                            && **name
                                == with_suffix(database, &format!("_switchback_old_{run}_{number}"))
                    })
                })
        })
        .cloned()
        .collect()
}

/// Where both do not fit, the front is cut and told apart from others cut alike by its digest.
fn with_suffix(front: &str, suffix: &str) -> String {
    if front.len() + suffix.len() <= LONGEST {
        return format!("{front}{suffix}");
    }
    let digest = Digest::of(front);
    let mark = format!("~{}", &digest.as_str()[..6]);
    let mut end = LONGEST
        .saturating_sub(suffix.len() + mark.len())
        .min(front.len());
    while !front.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{mark}{suffix}", &front[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_stay_apart() {
        let run = RunId::new("r-0a1b2c3d");
        assert_eq!(new("ttn", &run), "ttn_switchback_new_r-0a1b2c3d");
        let (one, two) = ("ä".repeat(31), format!("{}b", "ä".repeat(30)));
        assert!(old(&one, &run).len() <= LONGEST && old(&two, &run).len() <= LONGEST);
        assert_ne!(old(&one, &run), old(&two, &run));
    }

    #[test]
    fn what_was_moved_aside_first_is_never_taken_again() {
        let run = RunId::new("r-1");
        let mut taken = vec!["ttn".to_owned(), "ttn_switchback_old_r-12".to_owned()];
        for expected in [
            "ttn_switchback_old_r-1",
            "ttn_switchback_old_r-1_2",
            "ttn_switchback_old_r-1_3",
        ] {
            let name = free_old("ttn", &run, &taken);
            assert_eq!(name, expected);
            taken.push(name);
        }
        assert_eq!(
            all_old("ttn", &run, &taken).len(),
            3,
            "and another run's is not ours"
        );
    }
}
