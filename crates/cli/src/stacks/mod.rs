//! Deployments that stacks at AWS describe: `[aws]` in `switchback.toml`.
//!
//! The SDK takes minutes to build, so a program has this where it was built with the feature `aws`; any other refuses
//! such a deployment and says so. Nobody outside this module can tell: [`Stacks`] has the same methods either way.

mod answer;
pub(crate) mod reviews;

#[cfg(feature = "aws")]
mod back;
#[cfg(feature = "aws")]
mod change_sets;
#[cfg(feature = "aws")]
mod copying;
#[cfg(feature = "aws")]
mod offered;
#[cfg(feature = "aws")]
mod opened;
#[cfg(feature = "aws")]
mod planning;
#[cfg(feature = "aws")]
mod recognise;
#[cfg(any(test, not(feature = "aws")))]
mod refusal;
#[cfg(feature = "aws")]
mod seen;
#[cfg(feature = "aws")]
mod served;
#[cfg(not(feature = "aws"))]
mod unserved;

pub(crate) use answer::{Access, Answer, Asked, Seen, TakenBack};
#[cfg(feature = "aws")]
pub(crate) use opened::Stacks;
#[cfg(feature = "aws")]
pub(crate) use recognise::recognise;
#[cfg(not(feature = "aws"))]
pub(crate) use unserved::{Stacks, recognise};
