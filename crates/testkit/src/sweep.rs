//! The crash sweep: the engine dies at every journal write and every side
//! effect, another goes on over the same journal, and in the end everything is
//! as if nobody had died.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_engine::{Ended, Engine, Listener, Order, awaited};
use switchback_journal::{Key, ProcessIdentity, RunState, StateDirectory};
use switchback_model::event::{Event, Stamped};
use switchback_model::hand_work::{DoneWhen, HandWork, ServerIs};
use switchback_model::{Plan, Problem, RunId, StepNumber};

use crate::clock::FakeClock;
use crate::content;
use crate::crash::{CrashPoints, Crashed, Meanwhile, survive};
use crate::data::SimData;
use crate::driver::advance;
use crate::packages;
use crate::plans::deployment;
use crate::scenario::Scenario;
use crate::world::Reality;

/// A scenario with the state directory of its engines.
pub struct Lab {
    /// The deployment and its plan.
    pub scenario: Scenario,
    /// Where engines keep their journal.
    pub state: StateDirectory,
    /// The clock of all engines.
    pub clock: FakeClock,
    /// What ends when the lab ends.
    directory: tempfile::TempDir,
}

/// What an engine is called for.
#[derive(Clone, Copy)]
struct Called<'a> {
    plan: &'a Plan,
    run: &'a RunId,
    done: &'a [StepNumber],
}

/// Dies after each journaled event.
struct Witness {
    crash: CrashPoints,
}

impl Listener for Witness {
    fn hear(&self, event: &Stamped) {
        // Progress comes from another thread as well, which is not the one that dies.
        if !matches!(event.event, Event::Progress { .. }) {
            self.crash.point("after a journal write");
        }
    }
}

impl Lab {
    /// A scenario with an empty journal.
    pub fn new(scenario: Scenario) -> Self {
        // In memory where there is such a place: thousands of durable writes cost nothing there.
        let memory = PathBuf::from("/dev/shm");
        let directory = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        }
        .expect("a temporary directory can be made");
        let state = StateDirectory::open(directory.path().join("state"))
            .expect("a state directory can be made");
        let clock = FakeClock::new(scenario.world.crash.clone());
        Self {
            scenario,
            state,
            clock,
            directory,
        }
    }

    /// Where everything of this lab lies.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// A new engine, of a process that is dead as soon as it no longer runs.
    pub fn engine(&self, stop: &StopSignal) -> Engine {
        // Above every pid that the kernel hands out, so that nobody can be mistaken for it.
        static NEXT: AtomicU32 = AtomicU32::new(5_000_000);
        let process = ProcessIdentity {
            pid: NEXT.fetch_add(1, Ordering::SeqCst),
            started: "1".to_owned(),
            ..ProcessIdentity::current()
        };
        Engine::new(self.state.clone(), Redactor::default(), stop.clone())
            .with_clock(self.clock.clone())
            .with_process(process)
    }

    /// Lets a new engine work on a run until it ends, halts or dies. Nobody does what it waits for.
    pub fn run(&self, plan: &Plan, run: &RunId) -> Result<Result<Ended, Problem>, Crashed> {
        self.run_attended(plan, run, &[])
    }

    /// As [`Lab::run`], where these steps of people are said to be done.
    pub fn run_attended(
        &self,
        plan: &Plan,
        run: &RunId,
        done: &[StepNumber],
    ) -> Result<Result<Ended, Problem>, Crashed> {
        let engine = self.engine(&StopSignal::default());
        let witness = Witness {
            crash: self.scenario.world.crash.clone(),
        };
        self.work(&engine, &Called { plan, run, done }, &witness)
    }

    /// Lets this engine work on a run until it ends, halts or dies.
    pub fn run_with(
        &self,
        engine: &Engine,
        plan: &Plan,
        run: &RunId,
        listener: &dyn Listener,
    ) -> Result<Result<Ended, Problem>, Crashed> {
        let done = &[];
        self.work(engine, &Called { plan, run, done }, listener)
    }

    fn work(
        &self,
        engine: &Engine,
        called: &Called<'_>,
        listener: &dyn Listener,
    ) -> Result<Result<Ended, Problem>, Crashed> {
        let &Called { plan, run, done } = called;
        let site = self.scenario.site();
        let accepted: Vec<String> = plan
            .notices
            .iter()
            .filter_map(|notice| notice.accept.clone())
            .collect();
        let order = Order {
            plan,
            run,
            deployment: &deployment(),
            accepted: &accepted,
            done,
            by: "tester@lab",
            program: "0.0.0",
        };
        survive(|| engine.run(&order, &site, listener))
    }

    /// A person does what a run waits for; returns what has to be said.
    pub fn attend(&self, plan: &Plan, run: &RunId) -> Vec<StepNumber> {
        let state = self.state_of(run);
        let all = awaited(plan, &state);
        let world = &self.scenario.world;
        for work in all.iter().map(|it| it.work) {
            match &work.done {
                DoneWhen::Server(is) => world.touch(|now| climb(now, work, is)),
                done if done.can_be_said() => {}
                _ => world.touch(|now| {
                    now.by_hand.insert(work.id.clone());
                }),
            }
        }
        all.iter().map(|it| it.step.number).collect()
    }

    /// What the journal says of a run.
    pub fn state_of(&self, run: &RunId) -> RunState {
        self.state
            .journal()
            .and_then(|journal| journal.state(run))
            .expect("the journal can be read")
    }

    /// Lets time pass for containers that still run, and says how many there are.
    pub fn pass(&self, meanwhile: Meanwhile) -> usize {
        self.scenario.world.touch(|now| {
            let running: Vec<_> = now
                .one_offs
                .iter()
                .filter(|(_, one)| one.exit.is_none())
                .map(|(key, _)| key.clone())
                .collect();
            for key in &running {
                match meanwhile {
                    Meanwhile::TheyGoOn => {}
                    Meanwhile::TheyEnd => while advance(now, key).is_none() {},
                    Meanwhile::TheyDie => {
                        if let Some(one) = now.one_offs.get_mut(key) {
                            one.exit = Some(137);
                        }
                    }
                }
            }
            let mut touched = running.len();
            touched += packages::pass(now, meanwhile) + content::pass(now, meanwhile);
            for store in now.stores.values_mut() {
                touched += usize::from(store.following.is_some());
                if meanwhile == Meanwhile::TheyDie {
                    store.following = None;
                }
            }
            touched
        })
    }

    /// Runs to the end, however often it halts, at most five times, with people who do what it waits for; panics where
    /// it does not end.
    pub fn finish(&self, plan: &Plan, run: &RunId) {
        let mut last = None;
        for _ in 0..5 {
            let done = self.attend(plan, run);
            match self.run_attended(plan, run, &done) {
                Ok(Ok(Ended::Finished { .. })) => return,
                other => last = Some(other),
            }
        }
        panic!("`{run}` does not end: {last:#?}");
    }

    /// Everything that must hold once all runs are over.
    pub fn assert_clean(&self, why: &str) {
        let world = &self.scenario.world;
        assert_eq!(world.orphans(), Vec::<String>::new(), "{why}");
        assert_eq!(
            world.touch(|now| now.violations.clone()),
            Vec::<String>::new(),
            "{why}"
        );
        let journal = self.state.journal().expect("the journal opens");
        journal
            .verify()
            .unwrap_or_else(|error| panic!("{why}: {error}"));
        let holder = journal
            .holder(&Key::from(&deployment()))
            .expect("the lease can be read");
        assert_eq!(holder, None, "{why}: a lease is left");
    }
}

/// A person brings a server to the first line that is wanted, where it is none of them: up on its data, and for a way
/// back down on an empty directory, for nobody reads there what a newer one has written.
fn climb(now: &mut Reality, work: &HandWork, is: &ServerIs) {
    let store = now.stores.entry(is.datastore.clone()).or_default();
    if is.includes(store.made_for()) {
        return;
    }
    let is_rung = work.back.is_some();
    if !is_rung {
        store.live = SimData::default();
    }
    store.engine = is.lines.first().filter(|line| *line != "15").cloned();
}
