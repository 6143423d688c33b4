//! Databases that a way back restored from marks and that are there still: AWS bills them until somebody removes them.

use switchback_journal::Journal;
use switchback_model::RunId;
use switchback_model::plan::Act;
use switchback_model::stack::{RecalledCopy, StoreKind};

use super::{Check, Verdict};
use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::runs::{self, Standing};
use crate::session::Session;

/// Whose a copy is.
enum Maker {
    /// A run that is at work.
    Works(RunId),
    /// A run that could be gone on with, and how it stands.
    Waits(RunId, &'static str),
    /// A run that nobody can go on with.
    GivenUp(RunId),
    /// No run of this journal.
    Elsewhere,
}

/// One check for each.
pub(super) fn checks(session: &Session<'_>, found: &Found, copies: &[RecalledCopy]) -> Vec<Check> {
    let told = copies.iter().map(|copy| {
        let maker = session
            .journal()
            .and_then(|journal| maker(session, &journal, found, copy));
        match maker {
            Ok(maker) => of_copy(copy, &maker),
            Err(failed) => Check::of(&format!("copy {}", copy.name), &failed.problem),
        }
    });
    told.collect()
}

/// The newest run of this deployment whose plan makes the copy. A way back that died is gone on with by its like, which
/// makes the same one.
fn maker(
    session: &Session<'_>,
    journal: &Journal,
    found: &Found,
    copy: &RecalledCopy,
) -> Result<Maker, Failed> {
    let key = found.key();
    let mut newest = None;
    for record in journal.runs()?.into_iter().filter(|run| run.key == key) {
        let Ok(plan) = session.plan_of(&record) else {
            continue;
        };
        let makes = |act: &Act| matches!(act, Act::Recall { mark } if mark.name() == copy.name);
        if plan.steps().any(|(_, step)| makes(&step.act)) {
            newest = Some(record.run);
        }
    }
    let Some(run) = newest else {
        return Ok(Maker::Elsewhere);
    };
    Ok(match runs::open(session, journal, &key)? {
        Some((open, Standing::Running { .. })) if open.run == run => Maker::Works(run),
        Some((open, standing)) if open.run == run => Maker::Waits(run, standing.word()),
        _ => Maker::GivenUp(run),
    })
}

/// What it is, what it costs, and what ends it.
fn of_copy(copy: &RecalledCopy, maker: &Maker) -> Check {
    let remove = remove(copy);
    let (verdict, what_to_do) = match maker {
        _ if copy.status == "deleting" => (Verdict::Good, "it is being removed".to_owned()),
        Maker::Works(run) => (Verdict::Good, format!("{run} works with it and removes it")),
        Maker::Waits(run, word) => (
            Verdict::Unsure,
            format!(
                "{run} is {word}: `switchback resume {run}` goes on and removes it; where that is given up: {remove}"
            ),
        ),
        Maker::GivenUp(run) => (
            Verdict::Unsure,
            format!("{run}, which made it, was given up; to remove it: {remove}"),
        ),
        Maker::Elsewhere => (
            Verdict::Unsure,
            format!("no run known here made it; where no rollback goes on elsewhere: {remove}"),
        ),
    };
    Check {
        name: format!("copy {}", copy.name),
        verdict,
        found: format!(
            "{}, {}, that a way back restored from a mark; {}; {what_to_do}",
            copy.kind.word(),
            copy.status,
            cost(copy)
        ),
        problem: None,
    }
}

/// What AWS bills for it. A cluster is restored without a server.
fn cost(copy: &RecalledCopy) -> String {
    let storage = match copy.gibibytes {
        Some(size) => format!("{size} GiB of storage"),
        None => "its storage".to_owned(),
    };
    match &copy.class {
        Some(class) => format!("AWS bills a server of class {class} and {storage}"),
        None => format!("AWS bills {storage}"),
    }
}

fn remove(copy: &RecalledCopy) -> String {
    let name = &copy.name;
    match copy.kind {
        StoreKind::DatabaseCluster => format!(
            "aws rds delete-db-cluster --db-cluster-identifier {name} --skip-final-snapshot"
        ),
        _ => format!(
            "aws rds delete-db-instance --db-instance-identifier {name} --skip-final-snapshot --delete-automated-backups"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(status: &str) -> RecalledCopy {
        RecalledCopy {
            name: "switchback-0a1b".to_owned(),
            kind: StoreKind::DatabaseCluster,
            status: status.to_owned(),
            class: None,
            gibibytes: None,
        }
    }

    #[test]
    fn a_copy_is_told_with_its_cost_and_with_what_ends_it() {
        let database = RecalledCopy {
            kind: StoreKind::DatabaseInstance,
            class: Some("db.r6g.large".to_owned()),
            gibibytes: Some(100),
            ..cluster("creating")
        };
        let told = of_copy(&database, &Maker::GivenUp(RunId::new("r-7c1d")));
        assert_eq!(told.verdict, Verdict::Unsure);
        assert_eq!(told.name, "copy switchback-0a1b");
        assert_eq!(
            told.found,
            "database, creating, that a way back restored from a mark; \
             AWS bills a server of class db.r6g.large and 100 GiB of storage; \
             r-7c1d, which made it, was given up; to remove it: aws rds delete-db-instance \
             --db-instance-identifier switchback-0a1b --skip-final-snapshot --delete-automated-backups"
        );
        let told = of_copy(&cluster("available"), &Maker::Elsewhere);
        assert_eq!(told.verdict, Verdict::Unsure);
        assert_eq!(
            told.found,
            "database cluster, available, that a way back restored from a mark; AWS bills its storage; \
             no run known here made it; where no rollback goes on elsewhere: \
             aws rds delete-db-cluster --db-cluster-identifier switchback-0a1b --skip-final-snapshot"
        );
    }

    #[test]
    fn a_copy_that_is_needed_is_not_to_be_removed_first() {
        let run = || RunId::new("r-7c1d");
        let told = of_copy(&cluster("available"), &Maker::Works(run()));
        assert_eq!(told.verdict, Verdict::Good);
        assert!(!told.found.contains("delete-db"), "{}", told.found);
        let told = of_copy(&cluster("deleting"), &Maker::GivenUp(run()));
        assert_eq!(told.verdict, Verdict::Good);
        assert!(!told.found.contains("delete-db"), "{}", told.found);
        let told = of_copy(&cluster("available"), &Maker::Waits(run(), "interrupted"));
        assert_eq!(told.verdict, Verdict::Unsure);
        assert!(
            told.found.contains(
                "r-7c1d is interrupted: `switchback resume r-7c1d` goes on and removes it"
            ),
            "{}",
            told.found
        );
    }
}
