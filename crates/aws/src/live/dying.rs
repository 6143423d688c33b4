//! A driver and a listener that die wherever a process can be killed.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use switchback_engine::Listener;
use switchback_engine::ports::{
    Context, Driver, Failure, Finding, MigrationCall, MigrationTrace, Progress,
};
use switchback_journal::ProcessIdentity;
use switchback_model::event::{Event, Outcome, Stamped};
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Check, Expectation, FileEdit};
use switchback_model::stack::{HalfWay, MachineGroup, ObjectsAt, RenewBy, StackUpdate, Store};
use switchback_model::{MigrationId, ServiceName, StepNumber};
use switchback_testkit::crash::CrashPoints;

use crate::{Account, AwsDriver, Calls, Conduct};

/// Dies before, in and after each act, and behind each call of it that changes something.
pub(super) struct Dying {
    driver: AwsDriver,
    crash: CrashPoints,
    calls: Calls,
}

/// Dies at the first thing that an act tells: it has begun, and is not over. And where it says that something changes at this
/// moment, which not every stand-in shows.
struct Middle<'a> {
    crash: &'a CrashPoints,
    step: StepNumber,
    told: std::cell::Cell<bool>,
    changing: std::cell::Cell<bool>,
}

impl Progress for Middle<'_> {
    fn report(&self, doing: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {
        if !self.told.replace(true) {
            self.crash
                .point(&format!("in the middle of step {}", self.step));
        }
        if doing.ends_with("_IN_PROGRESS") && !self.changing.replace(true) {
            self.crash.point("while it changes");
        }
    }
}

impl Dying {
    pub(super) fn new(account: &Rc<Account>, conduct: Conduct, crash: &CrashPoints) -> Self {
        Self {
            driver: AwsDriver::new(Rc::clone(account), conduct),
            crash: crash.clone(),
            calls: account.calls().clone(),
        }
    }

    fn act<T>(&self, cx: &Context<'_>, act: impl FnOnce(&Context<'_>) -> T) -> T {
        let middle = Middle {
            crash: &self.crash,
            step: cx.step,
            told: std::cell::Cell::default(),
            changing: std::cell::Cell::default(),
        };
        let place = format!("step {}", cx.step);
        let mut deaths = self.calls.deaths.lock().expect("nobody died in it");
        *deaths = Some((self.crash.clone(), place));
        drop(deaths);
        let cx = Context {
            progress: &middle,
            ..*cx
        };
        self.crash
            .around(&format!("the act of step {}", cx.step), || act(&cx))
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

    fn rewind(&self, cx: &Context<'_>, objects: &ObjectsAt) -> Result<Outcome, Failure> {
        self.act(cx, |cx| self.driver.rewind(cx, objects))
    }

    fn update(&self, cx: &Context<'_>, update: &StackUpdate) -> Result<Outcome, Failure> {
        self.act(cx, |cx| self.driver.update(cx, update))
    }

    fn remove(&self, cx: &Context<'_>, stack: &str, id: &str) -> Result<Outcome, Failure> {
        self.act(cx, |cx| self.driver.remove(cx, stack, id))
    }

    fn take_back(&self, cx: &Context<'_>, update: &HalfWay) -> Result<Outcome, Failure> {
        self.act(cx, |cx| self.driver.take_back(cx, update))
    }

    fn renew(
        &self,
        cx: &Context<'_>,
        group: &MachineGroup,
        by: RenewBy,
    ) -> Result<Outcome, Failure> {
        self.act(cx, |cx| self.driver.renew(cx, group, by))
    }

    fn end_refresh(&self, cx: &Context<'_>, group: &MachineGroup) -> Result<Outcome, Failure> {
        self.act(cx, |cx| self.driver.end_refresh(cx, group))
    }

    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        self.driver.clean(cx)
    }
}

/// Dies behind every line of the journal.
pub(super) struct Witness<'a> {
    pub(super) crash: &'a CrashPoints,
    /// Where the process before this one died: to have gone on from there is a line of its own.
    pub(super) before: &'a str,
}

/// A line of the journal as a place to die at: which try it was of does not count, or a run would have no end.
pub(super) fn line(event: &Event) -> String {
    let told = serde_json::to_value(event).expect("events are JSON");
    let kind = told["event"].as_str().unwrap_or_default();
    match told["step"].as_u64() {
        Some(step) => format!("{kind} of step {step}"),
        None => kind.to_owned(),
    }
}

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
        match &event.event {
            Event::Progress { .. } => {}
            // Each time once: two in a row are nothing new.
            Event::RunResumed { .. } if self.before.starts_with("run-resumed") => {}
            Event::RunResumed { .. } => {
                let before = self.before;
                self.crash.point(&format!("run-resumed behind {before}"));
            }
            event => self.crash.point(&line(event)),
        }
    }
}
