//! Databases that are kept by marks: when, what the plan says of it, and how they come back.

use switchback_model::plan::{Act, Expectation, Plan, Step};
use switchback_model::stack::{History, KeepBy, StoreKind};
use switchback_planner::{Weight, check};

use super::account::Site;
use super::simulation::proven;
use super::ways_back::{all, done};

const DATABASE: &str = "prod-2-1-db-aurora-master";
const WEEK: History = History::Moments { days: 7 };

/// Numbered stacks whose database is kept by a mark.
pub(crate) fn marked(from: &str, to: &str) -> Site {
    let mut site = Site::numbered(from, to);
    site.remembers("DBCluster", WEEK);
    site.keep(DATABASE, "DBCluster", KeepBy::Mark);
    site
}

fn kept(plan: &Plan) -> Vec<(String, KeepBy)> {
    let steps = plan.steps();
    steps
        .filter_map(|(_, step)| match &step.act {
            Act::Snapshot { store, by } => Some((store.logical.clone(), *by)),
            _ => None,
        })
        .collect()
}

/// What the plan says of how a store is kept.
fn said(plan: &Plan, stack: &str, logical: &str) -> String {
    let id = format!("kept-{stack}-{logical}");
    let found = plan.notices.iter().find(|notice| notice.id == id);
    found.map(|notice| notice.text.clone()).unwrap_or_default()
}

#[test]
fn a_database_is_marked_where_the_operator_wants_it_and_its_backups_are_on() {
    let plan = marked("3.26.0", "3.36.0").planned().plan;
    let by = |logical: &str| (logical.to_owned(), KeepBy::Snapshot);
    let mark = ("DBCluster".to_owned(), KeepBy::Mark);
    assert_eq!(kept(&plan), [by("Volume"), mark, by("ReplicationGroup")]);
    let seen = plan.notices.iter().find(|it| it.id.starts_with("kept-"));
    let seen = seen.and_then(|notice| notice.found.as_deref());
    assert_eq!(seen, Some("automated backups: 7 days"), "nobody misses it");
    assert_eq!(
        said(&plan, DATABASE, "DBCluster"),
        "DBCluster of prod-2-1-db-aurora-master is kept by a mark in its automated backups, as switchback.toml says: it serves meanwhile, and each round waits until AWS can restore to that moment, some minutes. It holds for 7 days, as long as the database cluster itself is not deleted, and nothing is billed for it. The way back makes another database cluster beside it as it was then, and a snapshot of that: it takes two restores, which are billed while they last."
    );
}

#[test]
fn without_a_wish_or_without_backups_it_is_a_snapshot_and_the_plan_says_why() {
    let mut site = Site::numbered("3.26.0", "3.36.0");
    site.remembers("DBCluster", WEEK);
    let plan = site.planned().plan;
    assert!(kept(&plan).iter().all(|(_, by)| *by == KeepBy::Snapshot));
    assert_eq!(
        said(&plan, DATABASE, "DBCluster"),
        "DBCluster of prod-2-1-db-aurora-master is kept by a snapshot in each round: it serves meanwhile. It holds, and is billed, until you delete it: 20 GiB at most. A mark in its automated backups would take no storage and hold for 7 days: `DBCluster = \"mark\"` under [aws.keep.prod-2-1-db-aurora-master]."
    );

    let mut site = marked("3.26.0", "3.36.0");
    site.remembers("DBCluster", History::Nothing);
    let plan = site.planned().plan;
    assert!(kept(&plan).iter().all(|(_, by)| *by == KeepBy::Snapshot));
    assert_eq!(
        said(&plan, DATABASE, "DBCluster"),
        "DBCluster of prod-2-1-db-aurora-master is kept by a snapshot in each round and not by a mark, because its automated backups are off: it serves meanwhile. It holds, and is billed, until you delete it: 20 GiB at most."
    );

    // Two rounds keep two.
    let mut site = Site::numbered("3.22.2", "3.36.0");
    site.remembers("DBCluster", History::Nothing);
    let prices = serde_json::json!({ "currency": "EUR", "snapshot": 0.02 });
    site.config.prices = Some(serde_json::from_value(prices).expect("prices"));
    let told = said(&site.planned().plan, DATABASE, "DBCluster");
    let money =
        "until you delete it: 2 × 20 GiB at most, which is 0.80 EUR a month by your prices.";
    assert!(told.ends_with(money), "{told}");
}

#[test]
fn a_wish_that_cannot_be_followed_is_no_silence() {
    let mut site = Site::numbered("3.26.0", "3.36.0");
    site.keep("prod-2-3-db-redis", "ReplicationGroup", KeepBy::Mark);
    site.keep(DATABASE, "DBCluster", KeepBy::Mark);
    site.keep(DATABASE, "Typo", KeepBy::Mark);
    let notes = site.planned().notes;
    let said: Vec<&str> = notes
        .iter()
        .filter(|note| note.weight == Weight::Warning)
        .map(|note| note.text.as_str())
        .filter(|text| text.contains("is not followed"))
        .collect();
    assert_eq!(
        said,
        [
            "`DBCluster = \"mark\"` under [aws.keep.prod-2-1-db-aurora-master] is not followed: AWS tells nothing of its automated backups",
            "`Typo = \"mark\"` under [aws.keep.prod-2-1-db-aurora-master] is not followed: nothing of this name holds data",
            "`ReplicationGroup = \"mark\"` under [aws.keep.prod-2-3-db-redis] is not followed: a replication group has no automated backups",
        ]
    );
}

/// A stack makes its database anew from a snapshot alone, and its automated backups go with the present one.
#[test]
fn a_database_that_the_plan_makes_anew_keeps_its_snapshots() {
    let mut site = Site::single("3.21.0", "3.32.0");
    site.remembers("Database", WEEK);
    site.keep("tts", "Database", KeepBy::Mark);
    site.say(
        "tts",
        "RDSSnapshotARN",
        "arn:aws:rds:eu-west-1:123456789012:snapshot:mine",
    );
    let plan = site.planned().plan;
    let databases = kept(&plan)
        .into_iter()
        .filter(|(name, _)| name == "Database");
    let databases: Vec<KeepBy> = databases.map(|(_, by)| by).collect();
    assert_eq!(databases, [KeepBy::Snapshot; 2], "in both rounds");
    let said = said(&plan, "tts", "Database");
    assert!(
        said.contains("and not by a mark, because the plan makes the database anew: its automated backups go with it"),
        "{said}"
    );
}

#[test]
fn a_mark_becomes_a_snapshot_before_anything_goes_back() {
    let site = marked("3.26.0", "3.36.0");
    let plan = site.planned().plan;
    let left = done(&site, &plan);
    let back = left
        .way_back(&plan, &proven(&plan, all(&plan), false))
        .expect("a way back")
        .plan;
    let (_, first) = back.steps().next().expect("a step");
    let Act::Recall { mark } = &first.act else {
        panic!("first of all the mark: {:?}", first.act);
    };
    assert_eq!(mark.store.logical, "DBCluster");
    let restored = back.steps().any(|(_, step)| {
        let before = Expectation::Kept {
            snapshot: mark.clone(),
        };
        step.before.contains(&before)
            && matches!(&step.act, Act::Update { update } if update.stack == DATABASE)
    });
    assert!(restored, "its stack makes it from that snapshot");
    let lost = back.notices.iter().find(|it| it.id == "data-loss");
    let lost = lost.expect("it must be accepted");
    assert!(lost.text.contains("their snapshots and marks"), "{lost:?}");
    assert_eq!(
        lost.found.as_deref(),
        Some("taken: DBCluster at 2026-11-21T03:00:00Z")
    );

    // Its automated backups do not reach back so far any more.
    let mut late = left;
    late.withheld.push(mark.handle.clone());
    let problem = late
        .way_back(&plan, &proven(&plan, all(&plan), false))
        .expect_err("there is no way back");
    assert_eq!(problem.code, "no-way-back");
    assert!(
        problem.what.ends_with(
            "and its mark is not noted any more, or its automated backups do not reach back to it"
        ),
        "{}",
        problem.what
    );
}

fn broken(plan: &Plan, change: impl Fn(&mut Step) -> bool) -> Vec<String> {
    let mut plan = plan.clone();
    for stage in &mut plan.stages {
        stage.steps.retain_mut(|step| change(step));
    }
    let numbers = (1..).map(switchback_model::StepNumber);
    let steps = plan.stages.iter_mut().flat_map(|stage| &mut stage.steps);
    for (step, number) in steps.zip(numbers) {
        step.number = number;
    }
    let mut rules: Vec<String> = check(&plan.seal()).into_iter().map(|it| it.rule).collect();
    rules.sort();
    rules.dedup();
    rules
}

#[test]
fn the_checker_takes_no_mark_that_nothing_could_bring_back() {
    let site = marked("3.26.0", "3.36.0");
    let plan = site.planned().plan;
    let everything = broken(&plan, |step| {
        if let Act::Snapshot { by, .. } = &mut step.act {
            *by = KeepBy::Mark;
        }
        true
    });
    assert_eq!(everything, ["mark"], "a disk has no automated backups");
    let back = done(&site, &plan).way_back(&plan, &proven(&plan, all(&plan), false));
    let back = back.expect("a way back").plan;
    assert_eq!(broken(&back, |_| true), Vec::<String>::new());
    let hasty = broken(&back, |step| !matches!(step.act, Act::Recall { .. }));
    assert_eq!(hasty, ["mark"], "no snapshot was made of it");
}

#[test]
fn of_buckets_the_plan_says_what_brings_their_objects_back() {
    let mut site = Site::numbered("3.26.0", "3.36.0");
    for (logical, history) in [
        ("Profiles", History::Versions),
        ("Devices", History::Versions),
        ("Blobs", History::Nothing),
    ] {
        let name = format!("prod-{}", logical.to_lowercase());
        site.store("prod-1-1-vpc", logical, StoreKind::Bucket, &name);
        site.remembers(logical, history);
    }
    let plan = site.planned().plan;
    let said = |id: &str| {
        let found = plan.notices.iter().find(|notice| notice.id == id);
        found.map(|notice| notice.text.clone()).unwrap_or_default()
    };
    assert_eq!(
        said("buckets-with-versions"),
        "No step writes to the buckets `prod-profiles`, `prod-devices`, and the way back leaves them as they are. They keep versions: what the product changes or deletes there meanwhile comes back object by object. `aws s3api list-object-versions --bucket NAME` shows them; a version from before the run is copied over the present one (`aws s3api copy-object`), and a deleted object is there again once its delete marker is deleted. `objects-back = [\"NAME\"]` under [aws] has `rollback` do that for every object of a bucket."
    );
    assert_eq!(
        said("buckets-without-versions"),
        "No step writes to the buckets `prod-blobs`, and the way back leaves them as they are. They keep no versions: what the product changes or deletes there has no way back. `aws s3api put-bucket-versioning --bucket NAME --versioning-configuration Status=Enabled` keeps them from then on."
    );
}

#[test]
fn objects_come_back_where_the_operator_wants_that_and_the_bucket_keeps_versions() {
    let mut site = Site::numbered("3.26.0", "3.36.0");
    for (logical, history) in [("Profiles", History::Versions), ("Blobs", History::Nothing)] {
        let name = format!("prod-{}", logical.to_lowercase());
        site.store("prod-1-1-vpc", logical, StoreKind::Bucket, &name);
        site.remembers(logical, history);
    }
    let wanted = ["prod-profiles", "prod-blobs", "prod-nobody"];
    site.config.objects_back = wanted.map(str::to_owned).into();
    let plan = site.planned().plan;
    let back = done(&site, &plan)
        .way_back(&plan, &proven(&plan, all(&plan), false))
        .expect("a way back");
    let steps: Vec<&Step> = back.plan.steps().map(|(_, step)| step).collect();
    let [.., rewind, look] = steps.as_slice() else {
        panic!("{} steps", steps.len());
    };
    assert!(matches!(look.act, Act::Verify { .. }), "{:?}", look.act);
    let Act::Rewind { objects } = &rewind.act else {
        panic!("before the last look: {:?}", rewind.act);
    };
    assert_eq!(
        objects.to_string(),
        "prod-profiles as it was at 2026-11-21T03:00:00Z"
    );
    let notices = back.plan.notices.iter();
    let said: Vec<&str> = notices
        .filter(|it| it.id.starts_with("objects-back"))
        .map(|it| it.text.as_str())
        .collect();
    assert!(said[0].contains("again what they were then"), "{said:?}");
    let notes: Vec<String> = back.notes.iter().map(|note| note.text.clone()).collect();
    for why in [
        "`prod-blobs` in objects-back is not followed: it keeps no versions",
        "`prod-nobody` in objects-back is not followed: no stack of the deployment has a bucket of this name",
    ] {
        assert!(notes.iter().any(|note| note == why), "{why}: {notes:?}");
    }
    let unkept = broken(&back.plan, |step| {
        if let Act::Rewind { objects } = &mut step.act {
            objects.store.history = None;
        }
        true
    });
    assert_eq!(unkept, ["no-verification", "rewind"]);
    let forth = Plan {
        purpose: switchback_model::plan::Purpose::Upgrade,
        ..back.plan.clone()
    };
    let forth = broken(&forth, |_| true);
    assert!(forth.contains(&"rewind".to_owned()), "{forth:?}");
}
