//! Whose run changes the product, as the machine itself tells.

use switchback_engine::ports::{Context, Failure};

use super::place::Place;
use super::{hold, install};

impl Place {
    /// Notes on the machine that our run changes the product; a failure where another's does.
    pub(super) fn claim(&self, cx: &Context<'_>) -> Result<(), Failure> {
        self.host.claim(self.product.id.as_str(), cx)
    }

    /// Lets others change the product, unless it is in between two states still.
    pub(super) fn release(&self, cx: &Context<'_>) -> Result<(), Failure> {
        if hold::is_engaged(self)? || install::is_begun(self)? {
            return Ok(());
        }
        self.host.release(self.product.id.as_str(), cx)
    }
}
