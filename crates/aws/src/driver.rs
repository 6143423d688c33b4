//! Changes a deployment at AWS, one act of a plan at a time.

mod copies;
mod job;
mod look;
mod machines;
mod mark;
mod migrate;
mod recall;
mod refresh;
mod rewind;
mod snapshot;
mod texts;
mod update;
mod verify;

pub use self::copies::remove_copies;
pub use self::snapshot::kept_snapshots;
pub use self::texts::kept_templates;
pub use self::update::preview;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

use switchback_engine::ports::{Context, Driver, Failure, Finding, MigrationCall, MigrationTrace};
use switchback_model::event::{Completed, Outcome};
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Act, Check, Expectation, FileEdit};
use switchback_model::stack::{
    HalfWay, Machine, MachineGroup, ObjectsAt, RenewBy, Snapshot, StackUpdate, Store,
};
use switchback_model::{MigrationId, RunId, ServiceName};

use crate::account::Account;
use crate::calls::Phase;
use crate::notes::step_name;
use crate::stacks::{change_set, half_way, removal};

/// How a product's migrations are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operations {
    /// As one-off tasks of a stack's task definition.
    Task {
        /// The output that says where tasks run, see [`switchback_model::stack::TaskPlace::read`].
        output: String,
        /// The container whose command is replaced.
        container: String,
        /// The program before a migration's own words.
        program: String,
    },
    /// As commands on a stack's one machine.
    Command {
        /// The program before a migration's own words.
        program: String,
        /// What it tells its version to.
        version: Vec<String>,
        /// Environment of the program.
        environment: BTreeMap<String, String>,
    },
}

/// What the driver must know beside the plan.
#[derive(Clone, Debug)]
pub struct Conduct {
    /// How migrations are run.
    pub operations: Operations,
    /// The bucket that long templates go through.
    pub bucket: Option<String>,
    /// Where relative paths of secrets begin.
    pub directory: PathBuf,
}

/// Drives the stacks of one account.
pub struct AwsDriver {
    account: Rc<Account>,
    conduct: Conduct,
    /// Runs whose change sets were looked for since the last one was made: a run is cleaned round by round, and they
    /// know no rounds.
    cleaned: RefCell<BTreeSet<RunId>>,
}

impl AwsDriver {
    /// A driver that acts in `account`.
    pub fn new(account: Rc<Account>, conduct: Conduct) -> Self {
        Self {
            account,
            conduct,
            cleaned: RefCell::default(),
        }
    }

    /// Fails where the plan is for another account.
    fn ready(&self, cx: &Context<'_>) -> Result<&Account, Failure> {
        self.account.calls().enter(Phase::Apply);
        let Some(planned) = &cx.plan.account else {
            return Err(Failure::new(
                "aws-account",
                "the plan does not say which account it is for",
            )
            .state("AWS", "nothing was changed")
            .hint("plan again"));
        };
        self.account.must_be(planned)?;
        Ok(&self.account)
    }
}

fn not_here(what: &str) -> Failure {
    Failure::new(
        "not-at-aws",
        format!("{what} is nothing that is done to stacks"),
    )
    .state("AWS", "nothing was changed")
    .hint("plan again")
}

impl Driver for AwsDriver {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        match self.ready(cx) {
            Ok(account) => look::look(cx, account, self, expectation),
            Err(failure) => Finding::Differs {
                found: failure.what,
            },
        }
    }

    fn fetch(&self, _: &Context<'_>, _: &ImagePin) -> Result<Outcome, Failure> {
        Err(not_here("fetching an image"))
    }

    fn stop(&self, _: &Context<'_>, _: &[ServiceName]) -> Result<Outcome, Failure> {
        Err(not_here("stopping services"))
    }

    fn start(
        &self,
        _: &Context<'_>,
        _: &[ServiceName],
        _: &BTreeMap<ServiceName, ImagePin>,
    ) -> Result<Outcome, Failure> {
        Err(not_here("starting services"))
    }

    fn set(&self, _: &Context<'_>, _: &[FileEdit]) -> Result<Outcome, Failure> {
        Err(not_here("editing a file"))
    }

    fn trace(&self, cx: &Context<'_>, _: &MigrationId) -> Result<MigrationTrace, Failure> {
        migrate::trace(cx, self.ready(cx)?, self)
    }

    fn migrate(&self, cx: &Context<'_>, call: &MigrationCall<'_>) -> Result<Outcome, Failure> {
        migrate::migrate(cx, self.ready(cx)?, self, call)
    }

    fn discard(&self, cx: &Context<'_>, _: &MigrationId) -> Result<(), Failure> {
        migrate::discard(cx, self.ready(cx)?, self)
    }

    fn check(&self, cx: &Context<'_>, check: &Check) -> Result<Outcome, Failure> {
        verify::check(cx, self.ready(cx)?, check)
    }

    fn snapshot(&self, cx: &Context<'_>, store: &Store) -> Result<Outcome, Failure> {
        snapshot::take(cx, self.ready(cx)?, store)
    }

    fn mark(&self, cx: &Context<'_>, store: &Store) -> Result<Outcome, Failure> {
        let account = self.ready(cx)?;
        mark::set(cx, account, store, &snapshot::name_here(cx, store))
    }

    fn recall(&self, cx: &Context<'_>, mark: &Snapshot) -> Result<Outcome, Failure> {
        recall::make(cx, self.ready(cx)?, mark)
    }

    fn rewind(&self, cx: &Context<'_>, objects: &ObjectsAt) -> Result<Outcome, Failure> {
        rewind::bring_back(cx, self.ready(cx)?, objects)
    }

    fn update(&self, cx: &Context<'_>, update: &StackUpdate) -> Result<Outcome, Failure> {
        self.cleaned.borrow_mut().clear();
        update::update(cx, self.ready(cx)?, &self.conduct, update)
    }

    fn take_back(&self, cx: &Context<'_>, update: &HalfWay) -> Result<Outcome, Failure> {
        half_way::take_back(cx, self.ready(cx)?, update)
    }

    fn remove(&self, cx: &Context<'_>, stack: &str, id: &str) -> Result<Outcome, Failure> {
        removal::remove(cx, self.ready(cx)?, stack, id, &step_name(cx))
    }

    fn terminate(&self, cx: &Context<'_>, machine: &Machine) -> Result<Outcome, Failure> {
        machines::terminate(cx, self.ready(cx)?, machine)
    }

    fn renew(
        &self,
        cx: &Context<'_>,
        group: &MachineGroup,
        by: RenewBy,
    ) -> Result<Outcome, Failure> {
        let account = self.ready(cx)?;
        match by {
            RenewBy::OneByOne => machines::renew(cx, account, group),
            RenewBy::Refresh { healthy, warm_up } => {
                refresh::renew(cx, account, group, refresh::Pref { healthy, warm_up })
            }
        }
    }

    fn end_refresh(&self, cx: &Context<'_>, group: &MachineGroup) -> Result<Outcome, Failure> {
        refresh::end(cx, self.ready(cx)?, group)
    }

    /// Removes change sets of this run that nobody executed. Snapshots and tasks that ended stay: the way back may need
    /// the ones, and the others cost nothing.
    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let account = self.ready(cx)?;
        if self.cleaned.borrow().contains(cx.run) {
            return Ok(());
        }
        // A way back cleans up after the run that it takes back, whose plan is another.
        let ours = format!("{}{}-", change_set::OURS, cx.run);
        let mut stacks: Vec<&str> = cx
            .plan
            .steps()
            .filter_map(|(_, step)| match &step.act {
                Act::Update { update } => Some(update.stack.as_str()),
                _ => None,
            })
            .collect();
        stacks.sort_unstable();
        stacks.dedup();
        for stack in stacks {
            let failed =
                |fault: crate::fault::Fault| fault.failure(format!("cannot clean up `{stack}`"));
            for name in change_set::leftovers(account, stack, &ours).map_err(failed)? {
                change_set::delete(account, stack, &name).map_err(failed)?;
            }
        }
        self.cleaned.borrow_mut().insert(cx.run.clone());
        Ok(())
    }
}

/// An outcome with one fact.
fn outcome(completed: Completed, summary: String, facts: &[(&str, &str)]) -> Outcome {
    Outcome {
        completed,
        summary,
        facts: facts
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        output: None,
    }
}
