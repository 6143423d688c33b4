//! What a roll-over needs of the world: a way to look at content on both sides, and to bring it over.
//!
//! The product's side implements [`Carrier`]; [`site`] makes of it what the engine drives, so that a roll-over
//! has the same journal, guards, halts and recovery as everything else.

use std::collections::BTreeMap;

use switchback_model::event::Outcome;
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Check, Expectation, FileEdit};
use switchback_model::rollover::Parcel;
use switchback_model::{MigrationId, ServiceName};

use crate::ports::{Context, Driver, Failure, Finding, MigrationCall, MigrationTrace, Site};

/// Brings content from an old instance, which it only reads, to a new one.
///
/// As with every port: nothing that is needed after a crash lives in memory, and every call may be repeated.
pub trait Carrier {
    /// Answers the expectations about parcels.
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding;

    /// Brings one parcel. What of it is there already, from a try that was cut off, is completed.
    fn bring(&self, cx: &Context<'_>, parcel: &Parcel) -> Result<Outcome, Failure>;

    /// Compares everything that the plan brings, piece by piece.
    fn compare(&self, cx: &Context<'_>) -> Result<Outcome, Failure>;

    /// Removes what only served the bringing.
    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure>;
}

/// A site that consists of content alone: nothing of it is started, stopped or migrated.
pub fn site(carrier: Box<dyn Carrier>) -> Site {
    Site {
        driver: Box::new(ContentOnly(carrier)),
        datastores: BTreeMap::new(),
    }
}

struct ContentOnly(Box<dyn Carrier>);

fn not_content<T>() -> Result<T, Failure> {
    Err(Failure::new(
        "not-content",
        "a roll-over starts, stops and migrates nothing",
    ))
}

impl Driver for ContentOnly {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        self.0.look(cx, expectation)
    }

    fn fetch(&self, _: &Context<'_>, _: &ImagePin) -> Result<Outcome, Failure> {
        not_content()
    }

    fn stop(&self, _: &Context<'_>, _: &[ServiceName]) -> Result<Outcome, Failure> {
        not_content()
    }

    fn start(
        &self,
        _: &Context<'_>,
        _: &[ServiceName],
        _: &BTreeMap<ServiceName, ImagePin>,
    ) -> Result<Outcome, Failure> {
        not_content()
    }

    fn set(&self, _: &Context<'_>, _: &[FileEdit]) -> Result<Outcome, Failure> {
        not_content()
    }

    fn trace(&self, _: &Context<'_>, _: &MigrationId) -> Result<MigrationTrace, Failure> {
        not_content()
    }

    fn migrate(&self, _: &Context<'_>, _: &MigrationCall<'_>) -> Result<Outcome, Failure> {
        not_content()
    }

    fn discard(&self, _: &Context<'_>, _: &MigrationId) -> Result<(), Failure> {
        not_content()
    }

    fn check(&self, cx: &Context<'_>, check: &Check) -> Result<Outcome, Failure> {
        match check {
            Check::Content => self.0.compare(cx),
            _ => not_content(),
        }
    }

    fn bring(&self, cx: &Context<'_>, parcel: &Parcel) -> Result<Outcome, Failure> {
        self.0.bring(cx, parcel)
    }

    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        self.0.clean(cx)
    }
}
