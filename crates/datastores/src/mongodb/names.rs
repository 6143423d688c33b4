//! Names of collections that are ours, in the database of the product.
//!
//! A restored copy lies beside the data in the same database: there renaming is instant on every version, and the
//! product's own user may do it. Between databases a rename copies everything.

use switchback_model::RunId;

const PROVE: &str = "switchback_prove_";
const NEW: &str = "switchback_new_";
const OLD: &str = "switchback_old_";

/// The longest name of a collection with its database before 4.4.
const LONGEST: usize = 120;
/// The longest name of an index with its collection before 4.2.
const LONGEST_INDEX: usize = 127;

/// A family of collections: what each name in it begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Family(String);

impl Family {
    /// Copies that are read to prove a backup.
    pub(super) fn prove(run: &RunId) -> Self {
        Self(format!("{PROVE}{run}."))
    }

    /// Copies that take the place of what is there.
    pub(super) fn new(run: &RunId) -> Self {
        Self(format!("{NEW}{run}."))
    }

    /// What a restore of `run` moves aside: the first family of which none is taken, for an earlier one may hold
    /// the original.
    pub(super) fn free_old(run: &RunId, taken: &[String]) -> Self {
        let first = Self(format!("{OLD}{run}."));
        (2_u32..)
            .map(|number| Self(format!("{OLD}{run}_{number}.")))
            .scan(Some(first), |last, next| last.replace(next))
            .find(|family| !taken.iter().any(|name| family.original(name).is_some()))
            .unwrap_or_else(|| Self(format!("{OLD}{run}.")))
    }

    /// One whose beginning was written down.
    pub(super) fn named(prefix: &str) -> Self {
        Self(prefix.to_owned())
    }

    /// What its names begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.0
    }

    /// The name of `collection` in this family.
    pub(super) fn of(&self, collection: &str) -> String {
        format!("{}{collection}", self.0)
    }

    /// The collection that a name of this family stands for.
    pub(super) fn original<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(self.0.as_str())
    }
}

/// True for names that only switchback makes.
pub(super) fn is_ours(name: &str) -> bool {
    [PROVE, NEW, OLD]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// True for what a restore of `run` moved aside.
pub(super) fn is_old(name: &str, run: &RunId) -> bool {
    let rest = name.strip_prefix(OLD);
    let rest = rest.and_then(|rest| rest.strip_prefix(run.as_str()));
    rest.is_some_and(|rest| rest.starts_with('.') || rest.starts_with('_'))
}

/// The run whose restored copy this is part of.
pub(super) fn run_of_new(name: &str) -> Option<RunId> {
    let (run, _) = name.strip_prefix(NEW)?.split_once('.')?;
    Some(RunId::new(run))
}

/// Why a copy of this collection cannot lie beside it, on servers with short names.
pub(super) fn too_long(
    wire: i32,
    database: &str,
    collection: &str,
    indexes: impl Iterator<Item = String>,
    run: &RunId,
) -> Option<String> {
    let beside = Family::prove(run).of(collection);
    let space = database.len() + 1 + beside.len();
    if wire < 9 && space > LONGEST {
        return Some(format!(
            "the name of `{collection}` is too long for a copy beside it"
        ));
    }
    let longest = |name: &String| wire < 8 && space + 2 + name.len() > LONGEST_INDEX;
    let mut indexes = indexes;
    indexes.find(longest).map(|name| {
        format!("the name of index `{name}` of `{collection}` is too long for a copy beside it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_moved_aside_first_is_never_taken_again() {
        let run = RunId::new("r-1");
        let mut taken = vec!["rule_d_b".to_owned()];
        for expected in [
            "switchback_old_r-1.",
            "switchback_old_r-1_2.",
            "switchback_old_r-1_3.",
        ] {
            let family = Family::free_old(&run, &taken);
            assert_eq!(family.prefix(), expected);
            taken.push(family.of("rule_d_b"));
        }
        let ours: Vec<_> = taken.iter().filter(|name| is_old(name, &run)).collect();
        assert_eq!(ours.len(), 3);
        assert!(!is_old("switchback_old_r-12.rule_d_b", &run));
        assert!(is_ours(&taken[1]) && !is_ours(&taken[0]));
        assert_eq!(
            Family::new(&run).original("switchback_new_r-1.a.b"),
            Some("a.b")
        );
        assert_eq!(run_of_new("switchback_new_r-1.a.b"), Some(run));
    }

    #[test]
    fn short_names_are_a_matter_of_old_servers() {
        let run = RunId::new("r-0a1b2c3d");
        let told = |wire, index: &str| {
            too_long(
                wire,
                "st2",
                "rule_d_b",
                std::iter::once(index.to_owned()),
                &run,
            )
        };
        assert_eq!(told(5, "ref_1"), None);
        let long = "x".repeat(90);
        assert!(told(5, &long).is_some_and(|why| why.contains("index")));
        assert_eq!(told(8, &long), None);
        let name = "c".repeat(100);
        assert!(too_long(8, "st2", &name, std::iter::empty(), &run).is_some());
        assert_eq!(too_long(9, "st2", &name, std::iter::empty(), &run), None);
    }
}
