//! Images by their digests, as they were found before planning.

use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::observed::ImagePin;

use super::input::Input;

/// What a reference is pinned to.
pub(super) fn pinned(input: &Input<'_>, reference: Option<String>) -> Result<ImagePin, Problem> {
    let reference = reference.ok_or_else(|| unresolved("an image without a version in its tag"))?;
    input
        .pins
        .get(&reference)
        .cloned()
        .ok_or_else(|| unresolved(&format!("`{reference}`")))
}

/// Refuses an image that nobody has.
pub(super) fn unresolved(image: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "image-unresolved",
        format!("{image} is neither here nor known to its registry"),
    )
    .state("deployment", "unchanged")
    .why("a plan names images by digest, so that it always runs what was planned")
    .hint("pull it, or load it with `docker load`, then plan again")
}
