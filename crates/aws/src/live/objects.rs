//! Objects of a bucket that the product changed and deleted, and that come back.

use std::thread;
use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use switchback_engine::ports::{Context, Driver, Finding, Progress};
use switchback_model::event::Completed;
use switchback_model::plan::{Act, Expectation};
use switchback_model::stack::{History, ObjectsAt, Store, StoreKind};
use switchback_testkit::crash::{CrashPoints, survive};

use super::Lab;
use super::deploy;
use super::standins::{Kind, StandIn};
use crate::{Account, signed};

const BUCKET: &str = "tts-pictures";
const TEMPLATE: &str = "Resources:
  Pictures:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: tts-pictures
      VersioningConfiguration: { Status: Enabled }
";

fn put(account: &Account, key: &str, text: &str) {
    signed::s3_put(account, BUCKET, key, text.as_bytes()).expect("written");
}

fn has(account: &Account, key: &str) -> String {
    match signed::s3_get(account, BUCKET, key) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(fault) => fault.code,
    }
}

/// How many versions everything in the bucket has.
fn versions(account: &Account) -> usize {
    let told = signed::s3_versions(account, BUCKET, None).expect("told");
    told.matches("<VersionId>").count()
}

/// Dies at the second object.
struct Dies(CrashPoints);

impl Progress for Dies {
    fn report(&self, _: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {
        self.0.point("at an object");
    }
}

/// Relies on S1, S2 (ministack, ok): versions as a template says, a list of them, a copy of one over the present one.
#[test]
fn objects_that_were_changed_or_deleted_are_what_they_were_and_later_ones_stay() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    // The operator and the product, who may do more than we.
    let others = ministack.account();
    let path = ministack.directory().join("buckets.yml");
    std::fs::write(&path, TEMPLATE).expect("written");
    deploy(&others, "buckets", &path.to_string_lossy(), &[]);
    let keys = ["profiles/a b.png", "profiles/ü.png", "deleted", "same"];
    for key in keys {
        put(&others, key, "then");
    }
    // S3 tells whole seconds.
    thread::sleep(Duration::from_millis(1_100));
    let now = DateTime::from(std::time::SystemTime::now());
    let at = now.fmt(Format::DateTime).expect("a moment");
    thread::sleep(Duration::from_millis(1_100));
    put(&others, keys[0], "later");
    put(&others, keys[1], "later");
    put(&others, keys[1], "later still");
    signed::s3_delete(&others, BUCKET, keys[2]);
    put(&others, "new", "later");
    let before = versions(&others);

    let objects = ObjectsAt {
        store: Store {
            stack: "buckets".to_owned(),
            logical: "Pictures".to_owned(),
            physical: BUCKET.to_owned(),
            kind: StoreKind::Bucket,
            engine: None,
            gibibytes: None,
            history: Some(History::Versions),
        },
        at,
    };
    let act = Act::Rewind {
        objects: objects.clone(),
    };
    let lab = Lab::new(ministack.account(), act);
    let wanted = Expectation::Rewound {
        objects: objects.clone(),
    };
    let looked = lab.driver().look(&lab.context(), &wanted);
    let Finding::Differs { found } = looked else {
        panic!("{looked:?}");
    };
    assert!(
        found.contains("2 other objects of `tts-pictures`"),
        "{found}"
    );

    let crash = CrashPoints::default();
    crash.arm(2);
    let dies = Dies(crash);
    let cx = Context {
        progress: &dies,
        ..lab.context()
    };
    survive(|| lab.driver().rewind(&cx, &objects)).expect_err("it dies");
    let done = lab.driver().rewind(&lab.context(), &objects).expect("done");
    assert_eq!(
        (done.completed, done.facts["objects"].as_str()),
        (Completed::Done, "2")
    );
    for key in keys {
        assert_eq!(has(&others, key), "then", "{key}");
    }
    assert_eq!(has(&others, "new"), "later");
    assert_eq!(versions(&others), before + 3, "each was copied once");
    assert_eq!(lab.driver().look(&lab.context(), &wanted), Finding::Holds);
    let again = lab.driver().rewind(&lab.context(), &objects).expect("done");
    assert_eq!(again.completed, Completed::AlreadyDone);
    assert_eq!(versions(&others), before + 3);
}
