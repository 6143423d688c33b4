//! What is asked of AWS, counted: an upgrade should ask little, and an operator must know what to allow. And when it last
//! answered, by its own clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextRef,
    BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;

/// What the calls are made for. Each has a policy of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Looking: nothing is created anywhere.
    #[default]
    Observe,
    /// Planning: change sets are created, read and removed; nothing is executed.
    Plan,
    /// Applying a plan, going on and going back.
    Apply,
    /// Removing what a rehearsal made.
    Rehearse,
}

/// How often one action was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Calls as the code makes them.
    pub calls: u64,
    /// Requests that were sent, repeated tries included.
    pub requests: u64,
}

#[derive(Debug, Default)]
struct Ledger {
    phase: Phase,
    counts: BTreeMap<(Phase, String), Count>,
    answered: Option<DateTime>,
}

/// The count of one account's calls, by phase and action (`cloudformation:DescribeStacks`).
#[derive(Clone, Debug, Default)]
pub struct Calls {
    ledger: Arc<Mutex<Ledger>>,
    /// Where tests die between what AWS did and whoever asked for it, and for which step that was.
    #[cfg(test)]
    pub(crate) deaths: Arc<Mutex<Option<(switchback_testkit::CrashPoints, String)>>>,
    /// How long somebody waited for AWS: what is measured beside it is our own time.
    #[cfg(test)]
    pub(crate) waited: Arc<Mutex<std::time::Duration>>,
}

impl Calls {
    /// Says what the calls from here on are for.
    pub fn enter(&self, phase: Phase) {
        self.locked().phase = phase;
    }

    /// Everything so far.
    pub fn counts(&self) -> BTreeMap<(Phase, String), Count> {
        self.locked().counts.clone()
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.locked()
            .counts
            .values()
            .map(|count| count.requests)
            .sum()
    }

    /// When an SDK's service last answered, by its own clock, in whole seconds.
    pub(crate) fn answered(&self) -> Option<DateTime> {
        self.locked().answered
    }

    pub(crate) fn called(&self, action: String) {
        self.change(action, |count| count.calls += 1);
    }

    pub(crate) fn sent(&self, action: String) {
        self.change(action, |count| count.requests += 1);
    }

    /// AWS has done it, and nobody knows yet.
    #[cfg(test)]
    pub(crate) fn done(&self, action: &str) {
        let deaths = self.deaths.lock();
        let deaths = deaths.unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((crash, place)) = deaths.filter(|_| changes_something(action)) {
            crash.point(&format!("behind {action} of {place}"));
        }
    }

    /// Measures how long `answer` takes.
    #[cfg(test)]
    pub(crate) fn waiting<T>(&self, answer: impl FnOnce() -> T) -> T {
        let begun = std::time::Instant::now();
        let answer = answer();
        *self.waited.lock().unwrap_or_else(PoisonError::into_inner) += begun.elapsed();
        answer
    }

    fn change(&self, action: String, change: impl FnOnce(&mut Count)) {
        let mut ledger = self.locked();
        let phase = ledger.phase;
        change(ledger.counts.entry((phase, action)).or_default());
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Ledger> {
        // A count that a panicking thread left is still a count.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the calls of one SDK client.
#[derive(Debug)]
pub(crate) struct Counting {
    service: &'static str,
    calls: Calls,
}

impl Counting {
    pub(crate) fn new(service: &'static str, calls: &Calls) -> Self {
        Self {
            service,
            calls: calls.clone(),
        }
    }

    fn action(&self, bag: &ConfigBag) -> String {
        let operation = bag
            .load::<Metadata>()
            .map_or("", |metadata| metadata.name());
        format!("{}:{operation}", self.service)
    }
}

impl Intercept for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.calls.called(self.action(bag));
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.calls.sent(self.action(bag));
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        answer: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        #[cfg_attr(
            not(test),
            expect(unused_variables, reason = "only tests ask which call it was")
        )]
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = answer.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        self.calls.locked().answered = date;
        #[cfg(test)]
        self.calls.done(&self.action(bag));
        Ok(())
    }
}

/// Whether there is something else at AWS once this was done.
#[cfg(test)]
pub(crate) fn changes_something(action: &str) -> bool {
    let (_, operation) = action.split_once(':').unwrap_or_default();
    !["Describe", "Detect", "Get", "List"]
        .iter()
        .any(|asks| operation.starts_with(asks))
}
