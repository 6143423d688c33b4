//! Old and new counts compared: nothing may shrink that the plan does not name.

use switchback_model::amount::count;
use switchback_model::contents::{Collection, Difference};
use switchback_model::event::Outcome;
use switchback_model::pattern::matches;
use switchback_model::plan::DatastorePlan;
use switchback_model::{Contents, DatastoreName};

use crate::ports::Failure;

/// How many differences an error names; the rest is counted.
const NAMED: usize = 5;

/// Compares what a datastore held at its backup with what it holds now.
pub(crate) fn compare(
    datastore: &DatastoreName,
    plan: &DatastorePlan,
    sealed: &Contents,
    now: &Contents,
    exact: bool,
) -> Result<Outcome, Failure> {
    let excused = |difference: &Difference| {
        let named = |patterns: &[String]| {
            patterns
                .iter()
                .any(|pattern| matches(pattern, &difference.collection))
        };
        named(&plan.volatile) || (!exact && named(&plan.deleted))
    };
    let mut lost = if exact {
        sealed.differences(now)
    } else {
        sealed.shrunk(now)
    };
    lost.retain(|difference| !excused(difference));
    if lost.is_empty() {
        let before = match exact {
            true => " as sealed".to_owned(),
            false => format!(", {} before", count(sealed.total())),
        };
        return Ok(Outcome {
            summary: format!("`{datastore}`: {}{before}", now.in_words()),
            ..Outcome::default()
        });
    }
    let (code, what) = if exact {
        ("contents-differ", "does not hold what its backup holds")
    } else {
        ("contents-shrank", "lost data that the plan does not name")
    };
    let mut failure = Failure::new(code, format!("`{datastore}` {what}"));
    for difference in lost.iter().take(NAMED) {
        failure = failure.cause(format!(
            "`{}`: {} before, {} now",
            difference.collection,
            held(difference.before.as_ref()),
            held(difference.after.as_ref())
        ));
    }
    if lost.len() > NAMED {
        failure = failure.cause(format!("and {} more", lost.len() - NAMED));
    }
    Err(failure)
}

/// What a datastore holds whose shadow nobody had read when it took the place of the data.
pub(crate) fn uncounted(datastore: &DatastoreName, now: &Contents) -> Outcome {
    Outcome {
        summary: format!(
            "`{datastore}`: {}, at the position of the seal; nobody counted before that",
            now.in_words()
        ),
        ..Outcome::default()
    }
}

fn held(collection: Option<&Collection>) -> String {
    match collection {
        None => "nothing".to_owned(),
        Some(Collection {
            count,
            checksum: Some(checksum),
        }) => format!("{count} ({})", &checksum[..checksum.len().min(12)]),
        Some(Collection { count, .. }) => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use switchback_model::observed::{Access, DatastoreLocation};
    use switchback_model::plan::BackupMethod;
    use switchback_model::product::DatastoreKind;

    use super::*;

    fn plan() -> DatastorePlan {
        DatastorePlan {
            location: DatastoreLocation {
                kind: DatastoreKind::Postgres,
                access: Access::Local,
                host: None,
                port: None,
                database: None,
                user: None,
                password: None,
                directory: None,
                server_directory: None,
                options: std::collections::BTreeMap::new(),
            },
            method: BackupMethod::Dump,
            kept_with: None,
            because: String::new(),
            max_rate: None,
            size: None,
            engine: None,
            volatile: vec!["public.*_sessions".to_owned()],
            deleted: vec!["public.contact_infos".to_owned()],
        }
    }

    fn holding(counts: &[(&str, u64)]) -> Contents {
        let collections = counts
            .iter()
            .map(|(name, count)| {
                let collection = Collection {
                    count: *count,
                    checksum: None,
                };
                ((*name).to_owned(), collection)
            })
            .collect();
        Contents { collections }
    }

    #[test]
    fn only_what_the_plan_names_may_shrink() {
        let sealed = holding(&[
            ("public.users", 3),
            ("public.contact_infos", 9),
            ("public.user_sessions", 4),
        ]);
        let fine = holding(&[("public.users", 3), ("public.user_sessions", 1)]);
        let outcome =
            compare(&"identity".into(), &plan(), &sealed, &fine, false).expect("nothing is lost");
        assert_eq!(
            outcome.summary,
            "`identity`: 4 objects in 2 collections, 16 before"
        );
        let lost = holding(&[("public.users", 2), ("public.user_sessions", 1)]);
        let failure = compare(&"identity".into(), &plan(), &sealed, &lost, false)
            .expect_err("a user is lost");
        assert_eq!(
            failure.what,
            "`identity` lost data that the plan does not name"
        );
        assert_eq!(failure.causes, ["`public.users`: 3 before, 2 now"]);
    }

    #[test]
    fn after_a_rollback_even_a_named_deletion_is_a_difference() {
        let sealed = holding(&[("public.contact_infos", 9)]);
        let equal = compare(&"identity".into(), &plan(), &sealed, &sealed, true);
        assert_eq!(
            equal.expect("nothing differs").summary,
            "`identity`: 9 objects in 1 collection as sealed"
        );
        let failure = compare(&"identity".into(), &plan(), &sealed, &holding(&[]), true)
            .expect_err("it is gone");
        assert_eq!(failure.code, "contents-differ");
        assert_eq!(
            failure.causes,
            ["`public.contact_infos`: 9 before, nothing now"]
        );
    }
}
