//! The Docker daemon goes away in the middle: an Engine of this test's own, in a network of its own.

use super::Case;

pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
