//! Images: whether the pinned one is here, and how it gets here.

use std::ops::ControlFlow;

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_engine::signal::Urgency;
use switchback_model::event::{Completed, Outcome};
use switchback_model::observed::ImagePin;

use super::credentials;
use super::engine_api::{Engine, EngineError, Image};
use crate::formats::reference::Reference;

/// Brings the pinned image here under its name, and checks that it is the pinned one.
pub(super) fn fetch(
    engine: &Engine,
    cx: &Context<'_>,
    image: &ImagePin,
) -> Result<Outcome, Failure> {
    if here(engine, image)? == Finding::Holds {
        return Ok(Outcome::told(
            Completed::AlreadyDone,
            format!("{} is here", image.reference),
        ));
    }
    if name_again(engine, image)? && here(engine, image)? == Finding::Holds {
        return Ok(Outcome::told(
            Completed::Done,
            format!("{} was here, and has its name again", image.reference),
        ));
    }
    pull(engine, cx, image)?;
    match local(engine, image)? {
        Some(local) if is_pinned(image, &local) => {
            let pin = pin_of(&image.reference, &local);
            let mut done = Outcome::told(
                Completed::Done,
                format!("{} is {}", image.reference, short(&local.id)),
            );
            done.facts.insert("image-id".to_owned(), local.id);
            done.facts
                .extend(pin.digest.map(|digest| ("image-digest".to_owned(), digest)));
            Ok(done)
        }
        found => Err(Failure::new(
            "image-moved",
            format!(
                "`{}` is not the image that was planned with",
                image.reference
            ),
        )
        .state(
            &image.reference,
            found.map_or_else(
                || "not here".to_owned(),
                |local| format!("image {}", short(&local.id)),
            ),
        )
        .hint("the tag was pushed anew since: plan again, and look at what changed")),
    }
}

/// Whether the pinned image is what its reference stands for on this host.
pub(super) fn here(engine: &Engine, pin: &ImagePin) -> Result<Finding, Failure> {
    let image = local(engine, pin)?;
    Ok(match image {
        Some(image) if is_pinned(pin, &image) => Finding::Holds,
        Some(image) => Finding::Differs {
            found: format!("`{}` is image {}", pin.reference, short(&image.id)),
        },
        None => Finding::Differs {
            found: format!("`{}` is not on this host", pin.reference),
        },
    })
}

/// The image that the pin's reference stands for on this host.
fn local(engine: &Engine, pin: &ImagePin) -> Result<Option<Image>, Failure> {
    engine
        .image(&pin.reference)
        .map_err(|error| error.into_failure(format!("cannot look at image `{}`", pin.reference)))
}

/// Gives the pinned image its name again, where the image is here and only its tag was moved or removed.
fn name_again(engine: &Engine, pin: &ImagePin) -> Result<bool, Failure> {
    let what = format!("cannot tag `{}`", pin.reference);
    let failed = |error: EngineError| error.into_failure(what.as_str());
    let reference = Reference::parse(&pin.reference);
    let tag = reference.tag.as_ref().map_or("latest", |(tag, _)| tag);
    let by_digest = pin
        .digest
        .as_ref()
        .map(|digest| format!("{}@{digest}", reference.repository));
    for known in pin.id.clone().into_iter().chain(by_digest) {
        let image = engine.image(&known).map_err(failed)?;
        if let Some(image) = image.filter(|image| is_pinned(pin, image)) {
            engine
                .tag(&image.id, reference.repository, tag)
                .map_err(failed)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Pulls the pinned digest, or the tag where no registry was asked, and names it as the files do.
fn pull(engine: &Engine, cx: &Context<'_>, pin: &ImagePin) -> Result<(), Failure> {
    let what = format!("cannot pull `{}`", pin.reference);
    let reference = Reference::parse(&pin.reference);
    let tag = reference.tag.as_ref().map_or("latest", |(tag, _)| tag);
    let wanted = pin.digest.as_deref().unwrap_or(tag);
    let doing = format!("pulling {}", pin.reference);
    let credentials = credentials::of_registry(reference.registry(), cx.commands);
    let mut tick = |done: u64, of: u64| {
        cx.progress
            .report(&doing, Some(done), Some(of).filter(|of| *of > 0), Some("B"));
        match cx.stop.urgency() {
            Urgency::Now => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let ended = engine
        .pull(reference.repository, wanted, credentials, &mut tick)
        .map_err(|error| pull_failed(error, &what))?;
    if ended.is_break() {
        return Err(Failure::stopped(what).state("image", "not complete; the next pull goes on"));
    }
    if let Some(digest) = &pin.digest {
        let pulled = format!("{}@{digest}", reference.repository);
        engine
            .tag(&pulled, reference.repository, tag)
            .map_err(|error| error.into_failure(what))?;
    }
    Ok(())
}

/// True where the local image is the pinned one.
pub(super) fn is_pinned(pin: &ImagePin, image: &Image) -> bool {
    match (&pin.id, &pin.digest) {
        (Some(id), _) => *id == image.id,
        (None, Some(digest)) => image
            .repo_digests
            .iter()
            .any(|known| Reference::parse(known).digest == Some(digest)),
        (None, None) => false,
    }
}

fn pull_failed(error: EngineError, what: &str) -> Failure {
    let text = error.to_string().to_lowercase();
    let failure = error.into_failure(what);
    if text.contains("no space left") {
        failure.hint("free some space where Docker keeps images (docker system df), then resume")
    } else if text.contains("unauthorized") || text.contains("denied") {
        failure.hint("log in to the registry (docker login), then resume")
    } else if text.contains("manifest unknown") {
        failure.hint("the registry no longer serves what was planned with: plan again, or bring the image here (docker save, docker load) and resume")
    } else {
        failure.hint("check the way to the registry, then resume: layers that are complete are not pulled again")
    }
}

/// The pin of an image that is here.
pub(super) fn pin_of(reference: &str, image: &Image) -> ImagePin {
    let repository = Reference::parse(reference).repository;
    let digest = image.repo_digests.iter().find_map(|digest| {
        let digest = Reference::parse(digest);
        digest.is_of(repository).then_some(digest.digest).flatten()
    });
    ImagePin {
        reference: reference.to_owned(),
        id: Some(image.id.clone()),
        digest: digest.map(str::to_owned),
    }
}

/// Enough of an image id to recognise it.
pub(super) fn short(id: &str) -> &str {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    &digits[..digits.len().min(12)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_holds_by_id_else_by_digest() {
        let image = Image {
            id: "sha256:aa".to_owned(),
            repo_digests: vec!["mirror.example/a/b@sha256:dd".to_owned()],
            labels: std::collections::HashMap::new(),
        };
        let pin = |id: Option<&str>, digest: Option<&str>| ImagePin {
            reference: "a/b:1".to_owned(),
            id: id.map(str::to_owned),
            digest: digest.map(str::to_owned),
        };
        assert!(is_pinned(&pin(Some("sha256:aa"), None), &image));
        assert!(!is_pinned(
            &pin(Some("sha256:bb"), Some("sha256:dd")),
            &image
        ));
        assert!(is_pinned(&pin(None, Some("sha256:dd")), &image));
        assert!(!is_pinned(&pin(None, None), &image));
    }
}
