//! A driver and a listener that die wherever a process can be killed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use switchback_engine::Listener;
use switchback_engine::ports::{
    Context, Driver, Failure, Finding, MigrationCall, MigrationTrace, Progress,
};
use switchback_journal::ProcessIdentity;
use switchback_model::event::{Event, Outcome, Stamped};
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Check, Expectation, FileEdit};
use switchback_model::stack::{StackUpdate, Store};
use switchback_model::{MigrationId, ServiceName};
use switchback_testkit::crash::CrashPoints;

use crate::AwsDriver;

/// Dies before, in and after each act.
pub(super) struct Dying {
    pub(super) driver: AwsDriver,
    pub(super) crash: CrashPoints,
}

/// Dies at the first thing that an act tells: it has begun, and is not over.
struct Middle<'a> {
    crash: &'a CrashPoints,
    told: std::cell::Cell<bool>,
}

impl Progress for Middle<'_> {
    fn report(&self, _: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {
        if !self.told.replace(true) {
            self.crash.point("in the middle");
        }
    }
}

impl Dying {
    fn act<T>(&self, cx: &Context<'_>, act: impl FnOnce(&Context<'_>) -> T) -> T {
        let middle = Middle {
            crash: &self.crash,
            told: std::cell::Cell::new(false),
        };
        let cx = Context {
            progress: &middle,
            ..*cx
        };
        self.crash.around("an act", || act(&cx))
    }
}

impl Driver for Dying {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        self.driver.look(cx, expectation)
    }

    fn fetch(&self, cx: &Context<'_>, image: &ImagePin) -> Result<Outcome, Failure> {
        self.driver.fetch(cx, image)
    }

    fn stop(&self, cx: &Context<'_>, services: &[ServiceName]) -> Result<Outcome, Failure> {
        self.driver.stop(cx, services)
    }

    fn start(
        &self,
        cx: &Context<'_>,
        services: &[ServiceName],
        images: &BTreeMap<ServiceName, ImagePin>,
    ) -> Result<Outcome, Failure> {
        self.driver.start(cx, services, images)
    }

    fn set(&self, cx: &Context<'_>, edits: &[FileEdit]) -> Result<Outcome, Failure> {
        self.driver.set(cx, edits)
    }

    fn trace(&self, cx: &Context<'_>, id: &MigrationId) -> Result<MigrationTrace, Failure> {
        self.driver.trace(cx, id)
    }

    fn migrate(&self, cx: &Context<'_>, call: &MigrationCall<'_>) -> Result<Outcome, Failure> {
        self.act(cx, |cx| self.driver.migrate(cx, call))
    }

    fn discard(&self, cx: &Context<'_>, id: &MigrationId) -> Result<(), Failure> {
        self.driver.discard(cx, id)
    }

    fn check(&self, cx: &Context<'_>, check: &Check) -> Result<Outcome, Failure> {
        self.driver.check(cx, check)
    }

    fn snapshot(&self, cx: &Context<'_>, store: &Store) -> Result<Outcome, Failure> {
        self.act(cx, |cx| self.driver.snapshot(cx, store))
    }

    fn update(&self, cx: &Context<'_>, update: &StackUpdate) -> Result<Outcome, Failure> {
        self.act(cx, |cx| self.driver.update(cx, update))
    }

    fn remove(&self, cx: &Context<'_>, stack: &str, id: &str) -> Result<Outcome, Failure> {
        self.act(cx, |cx| self.driver.remove(cx, stack, id))
    }

    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        self.driver.clean(cx)
    }
}

/// Dies behind every line of the journal.
pub(super) struct Witness<'a>(pub(super) &'a CrashPoints);

/// A process that works on a run, of its own.
pub(super) fn process() -> ProcessIdentity {
    // Above every pid that the kernel hands out, so that nobody can be mistaken for it.
    static NEXT: AtomicU32 = AtomicU32::new(5_000_000);
    ProcessIdentity {
        pid: NEXT.fetch_add(1, Ordering::SeqCst),
        started: "1".to_owned(),
        ..ProcessIdentity::current()
    }
}

impl Listener for Witness<'_> {
    fn hear(&self, event: &Stamped) {
        // Progress comes from another thread as well, which is not the one that dies.
        if !matches!(event.event, Event::Progress { .. }) {
            self.0.point("after a journal write");
        }
    }
}
