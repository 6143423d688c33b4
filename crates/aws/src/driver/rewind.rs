//! Objects of a bucket as they were: the version of then is copied over the present one, which stays as a version.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{fs, io};

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_engine::signal::Urgency;
use switchback_model::Digest;
use switchback_model::event::{Completed, Outcome};
use switchback_model::stack::ObjectsAt;

use super::outcome;
use crate::account::Account;
use crate::fault::Fault;
use crate::objects::{self, Changed};
use crate::{notes, signed};

/// So many copies are noted at once: to copy one a second time changes nothing but makes another version of it.
const NOTED_AT_ONCE: usize = 100;

pub(super) fn bring_back(
    cx: &Context<'_>,
    account: &Account,
    objects: &ObjectsAt,
) -> Result<Outcome, Failure> {
    let bucket = &objects.store.physical;
    let mut copied = copied(cx, objects)?;
    let changed = changed(account, objects, &copied)?;
    let of = changed.len() as u64;
    for (done, it) in changed.iter().enumerate() {
        if cx.stop.urgency() == Urgency::Now {
            keep(cx, objects, &copied)?;
            return Err(stopped(objects));
        }
        let doing = format!("`{}` of `{bucket}`", it.key);
        cx.progress
            .report(&doing, Some(done as u64), Some(of), Some("objects"));
        signed::s3_bring_back(account, bucket, &it.key, &it.version)
            .map_err(|fault| not_copied(&fault, objects, it))?;
        copied.insert(it.key.clone(), it.version.clone());
        if (done + 1) % NOTED_AT_ONCE == 0 {
            keep(cx, objects, &copied)?;
        }
    }
    keep(cx, objects, &copied)?;
    let completed = match of {
        0 => Completed::AlreadyDone,
        _ => Completed::Done,
    };
    let summary = format!(
        "{of} objects of `{bucket}` are what they were at {}",
        objects.at
    );
    Ok(outcome(completed, summary, &[("objects", &of.to_string())]))
}

pub(super) fn look(cx: &Context<'_>, account: &Account, objects: &ObjectsAt) -> Finding {
    let changed = copied(cx, objects).and_then(|copied| changed(account, objects, &copied));
    match changed.as_deref() {
        Ok([]) => Finding::Holds,
        Ok([first, rest @ ..]) => Finding::Differs {
            found: format!(
                "`{}` and {} other objects of `{}` are not what they were",
                first.key,
                rest.len(),
                objects.store.physical
            ),
        },
        Err(failure) => Finding::Unknown {
            why: failure.causes.first().unwrap_or(&failure.what).clone(),
        },
    }
}

fn changed(
    account: &Account,
    objects: &ObjectsAt,
    copied: &BTreeMap<String, String>,
) -> Result<Vec<Changed>, Failure> {
    let bucket = &objects.store.physical;
    let Some(at) = objects::moment(&objects.at) else {
        return Err(
            Failure::new("objects-moment", format!("`{}` is no moment", objects.at))
                .state(bucket, "nothing was changed")
                .hint("plan again"),
        );
    };
    objects::changed(account, bucket, at, copied)
        .map_err(|fault| fault.failure(format!("cannot look at the versions of `{bucket}`")))
}

/// What this step copied already: of what is encrypted by a key of the customer's, a copy is not told by its tag.
fn copied(cx: &Context<'_>, objects: &ObjectsAt) -> Result<BTreeMap<String, String>, Failure> {
    let place = place(cx, objects);
    let read = match fs::read(&place) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    };
    read.map_err(|error| notes::unusable(&place, error))
}

fn keep(
    cx: &Context<'_>,
    objects: &ObjectsAt,
    copied: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let place = place(cx, objects);
    let written = serde_json::to_vec(copied)
        .map_err(io::Error::from)
        .and_then(|bytes| notes::write(&place, &bytes));
    written.map_err(|error| notes::unusable(&place, error))
}

fn place(cx: &Context<'_>, objects: &ObjectsAt) -> PathBuf {
    let name = Digest::of(objects.to_string());
    notes::directory(cx.backups, cx.run).join(format!("objects-{}.json", name.short()))
}

fn stopped(objects: &ObjectsAt) -> Failure {
    let bucket = &objects.store.physical;
    let mut failure = Failure::new(
        "stopped",
        format!("stopped among the objects of `{bucket}`"),
    )
    .state(
        bucket,
        "some objects are what they were, others as they are",
    )
    .hint("resume: it goes on with the others");
    failure.stopped = true;
    failure
}

fn not_copied(fault: &Fault, objects: &ObjectsAt, it: &Changed) -> Failure {
    let bucket = &objects.store.physical;
    let failure = fault
        .failure(format!("cannot bring `{}` of `{bucket}` back", it.key))
        .state(
            bucket,
            "the objects before it are what they were, it and the others as they are",
        );
    let command = format!(
        "aws s3api copy-object --bucket {bucket} --key '{}' --copy-source '{bucket}/{}?versionId={}'",
        it.key, it.key, it.version
    );
    match fault.code.as_str() {
        "NoSuchVersion" | "NoSuchKey" => {
            failure.hint("the version was removed meanwhile: resume, and what is there is looked at again")
        }
        "InvalidObjectState" => failure.hint(format!(
            "the version is in an archive: restore it there first, then resume; or leave it out: {command}"
        )),
        "EntityTooLarge" | "InvalidRequest" => failure.hint(format!(
            "an object of more than 5 GiB is copied in parts: aws s3 cp does that; then resume (for others: {command})"
        )),
        _ => failure.hint("correct what the cause names, then resume"),
    }
}
