//! The engine: takes the lease, reads the journal, admits the plan, walks it.

use switchback_journal::{Holder, Journal, Key, Lease, ProcessIdentity, StateDirectory};
use switchback_model::Problem;

use crate::admission;
use crate::clock::{Clock, SystemClock};
use crate::heartbeat::Heartbeat;
use crate::listener::Listener;
use crate::order::{Ended, Order, told};
use crate::ports::Site;
use crate::process::Commands;
use crate::redact::Redactor;
use crate::run::{Means, Run};
use crate::signal::StopSignal;

/// Runs plans against one state directory.
pub struct Engine {
    state: StateDirectory,
    clock: Box<dyn Clock>,
    redactor: Redactor,
    stop: StopSignal,
    process: ProcessIdentity,
}

impl Engine {
    /// An engine of this process and the machine's clocks.
    pub fn new(state: StateDirectory, redactor: Redactor, stop: StopSignal) -> Self {
        Self {
            state,
            clock: Box::new(SystemClock::default()),
            redactor,
            stop,
            process: ProcessIdentity::current(),
        }
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// As another process, which leases then name as their holder.
    #[must_use]
    pub fn with_process(mut self, process: ProcessIdentity) -> Self {
        self.process = process;
        self
    }

    /// Begins a run or goes on with it: the same order does both.
    ///
    /// An error means that this call changed nothing but, at most, what the journal could not
    /// record any more; a run that stopped at a safe place is [`Ended::Halted`].
    pub fn run(
        &self,
        order: &Order<'_>,
        site: &Site,
        listener: &dyn Listener,
    ) -> Result<Ended, Problem> {
        admission::document(order)?;
        let journal = self.state.journal().map_err(told)?;
        let key = Key::from(&order.plan.deployment);
        let holder = Holder {
            process: self.process.clone(),
            since: self.clock.now(),
            run: order.run.clone(),
            by: order.by.to_owned(),
        };
        let lease = journal.acquire(&key, &holder).map_err(told)?;
        let ended = self.under_lease(order, site, listener, &journal, &lease);
        // A lease that cannot be given back is taken over once this process has ended.
        let _ = journal.release(&lease);
        ended
    }

    /// Everything is read again once the lease is ours: what was read before may be old.
    fn under_lease(
        &self,
        order: &Order<'_>,
        site: &Site,
        listener: &dyn Listener,
        journal: &Journal,
        lease: &Lease,
    ) -> Result<Ended, Problem> {
        journal.verify().map_err(told)?;
        let state = journal.state(order.run).map_err(told)?;
        if let Some(ended) = admission::history(&self.state, journal, order, &lease.key, &state)? {
            return Ok(ended);
        }
        let commands = Commands::new(
            self.state.children(order.run),
            self.redactor.clone(),
            self.stop.clone(),
        )
        .keeping(self.state.outputs(order.run));
        let heartbeat = Heartbeat::new(listener, order.run, &self.stop);
        let means = Means {
            directory: &self.state,
            clock: self.clock.as_ref(),
            stop: &self.stop,
            site,
            journal,
            lease,
            commands: &commands,
            heartbeat: &heartbeat,
        };
        let run = Run::new(*order, means, state);
        heartbeat.during(|| run.go())
    }
}
