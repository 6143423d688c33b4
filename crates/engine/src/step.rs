//! One step: guard → intent on disk → act → verify → outcome on disk.

use std::time::Duration;

use switchback_journal::StepStatus;
use switchback_model::event::{Completed, Event, Outcome};
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Act, Check, EngineChange, Step};
use switchback_model::stack::KeepBy;
use switchback_model::{DatastoreName, RunId};

use crate::counts;
use crate::guard::{self, Guard, Touched};
use crate::halt;
use crate::ports::{Context, Datastore, Failure, Finding, MigrationCall, UNCOUNTED};
use crate::run::{Interruption, Run};
use crate::words;

impl Run<'_> {
    /// A step of which nothing was done.
    pub(crate) fn start(&self, step: &Step) -> Result<(), Interruption> {
        let guard = self.with_context(step, |cx| {
            guard::ask(self.means.site, cx, step, &Touched::No)
        });
        match guard {
            Guard::Ready => self.act(step, Completed::Done),
            Guard::AlreadyDone => self.nothing_to_do(step),
            Guard::Drifted { .. } | Guard::CannotTell { .. } => {
                Err(Interruption::Halt(halt::guarded(self, step, &guard)))
            }
        }
    }

    /// The intent, the act, the look whether it did what it is for, the outcome.
    pub(crate) fn act(&self, step: &Step, completed: Completed) -> Result<(), Interruption> {
        let attempt = self.begin(step)?;
        let begun = self.elapsed();
        if step.downtime {
            self.down.borrow_mut().down(begun);
        }
        self.means
            .heartbeat
            .begin(step.number, words::doing(self.plan(), &step.act));
        let result = self.with_context(step, |cx| {
            let outcome = self.perform(cx, step)?;
            self.verify(cx, step)?;
            Ok(outcome)
        });
        self.means.heartbeat.end();
        let took = self.elapsed().saturating_sub(begun);
        match result {
            Ok(mut outcome) => {
                if completed != Completed::Done {
                    outcome.completed = completed;
                }
                self.finish(step, outcome, took)
            }
            Err(failure) => Err(self.failed(step, attempt, failure)),
        }
    }

    /// What the step is for holds already: recorded, so that nobody asks again.
    pub(crate) fn nothing_to_do(&self, step: &Step) -> Result<(), Interruption> {
        if !matches!(
            self.state.borrow().step(step.number),
            StepStatus::Started { .. }
        ) {
            self.begin(step)?;
        }
        if step.downtime {
            let now = self.elapsed();
            self.down.borrow_mut().down(now);
        }
        let outcome = Outcome {
            completed: Completed::AlreadyDone,
            summary: "was done already".to_owned(),
            ..Outcome::default()
        };
        self.finish(step, outcome, Duration::ZERO)
    }

    /// Writes the intent and returns which try it is.
    pub(crate) fn begin(&self, step: &Step) -> Result<u32, Interruption> {
        let attempt = match self.state.borrow().step(step.number) {
            StepStatus::NotStarted => 1,
            StepStatus::Started { attempt }
            | StepStatus::Failed { attempt, .. }
            | StepStatus::Recovering { attempt, .. }
            | StepStatus::Recovered { attempt }
            | StepStatus::Finished { attempt, .. } => attempt + 1,
        };
        self.record(Event::StepStarted {
            step: step.number,
            attempt,
        })?;
        Ok(attempt)
    }

    fn perform(&self, cx: &Context<'_>, step: &Step) -> Result<Outcome, Failure> {
        let driver = &self.means.site.driver;
        match &step.act {
            Act::Fetch { image } => driver.fetch(cx, image),
            Act::Stop { services } => driver.stop(cx, services),
            Act::Start { services, images } => driver.start(cx, services, images),
            Act::Set { edits, .. } => driver.set(cx, edits),
            Act::Migrate {
                migration,
                version,
                image,
                service,
                run,
                ..
            } => driver.migrate(
                cx,
                &MigrationCall {
                    migration,
                    version,
                    image,
                    service,
                    run,
                },
            ),
            Act::HandWork { work } => Err(Failure::new(
                "hand-work",
                format!("`{}` is for people to do", work.id),
            )),
            Act::Verify { checks } => self.check_all(cx, checks),
            Act::Prepare { datastore } => self.datastore(datastore)?.prepare(cx),
            Act::Seal { datastore } => self.datastore(datastore)?.seal(cx),
            Act::Prove { datastore } => self.datastore(datastore)?.prove(cx),
            Act::Carry { datastore, engine } => self.datastore(datastore)?.carry(cx, engine),
            Act::Exchange { datastore, engine } => {
                let datastore = self.datastore(datastore)?;
                self.as_other_server(cx, datastore, engine, &engine.image, || {
                    datastore.exchange(cx, engine)
                })
            }
            Act::PutBack {
                datastore,
                engine,
                run,
            } => {
                let datastore = self.datastore(datastore)?;
                self.as_other_server(cx, datastore, engine, &engine.was, || {
                    datastore.put_back(cx, engine, run)
                })
            }
            Act::Restore { datastore, run } => self.datastore(datastore)?.restore(cx, run),
            Act::Release { datastore, run } => self.datastore(datastore)?.release(cx, run),
            Act::Bring { parcel } => driver.bring(cx, parcel),
            Act::Snapshot { store, by } => match by {
                KeepBy::Snapshot => driver.snapshot(cx, store),
                KeepBy::Mark => driver.mark(cx, store),
            },
            Act::Recall { mark } => driver.recall(cx, mark),
            Act::Rewind { objects } => driver.rewind(cx, objects),
            Act::Update { update } => driver.update(cx, update),
            Act::TakeBack { update } => driver.take_back(cx, update),
            Act::Remove { stack, id } => driver.remove(cx, stack, id),
            Act::Terminate { machine } => driver.terminate(cx, machine),
            Act::Renew { group, by } => driver.renew(cx, group, *by),
            Act::EndRefresh { group } => driver.end_refresh(cx, group),
        }
    }

    /// Between the stop of one server and the start of the other the data is exchanged.
    fn as_other_server(
        &self,
        cx: &Context<'_>,
        datastore: &dyn Datastore,
        engine: &EngineChange,
        image: &ImagePin,
        exchange: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<Outcome, Failure> {
        let driver = &self.means.site.driver;
        let services = std::slice::from_ref(&engine.service);
        driver.stop(cx, services)?;
        exchange()?;
        let images = [(engine.service.clone(), image.clone())].into();
        driver.start(cx, services, &images)?;
        datastore.answers(cx, engine)
    }

    /// Success is what can be seen afterwards, not what a command said.
    fn verify(&self, cx: &Context<'_>, step: &Step) -> Result<(), Failure> {
        if step.after.is_empty() {
            return Ok(());
        }
        match guard::done(self.means.site, cx, step) {
            Finding::Holds => Ok(()),
            Finding::Differs { found } => Err(Failure::new(
                "not-as-expected",
                format!("it ended well, but {found}"),
            )),
            Finding::Unknown { why } => Err(Failure::new(
                "cannot-verify",
                format!("it ended well, but nothing could look: {why}"),
            )),
        }
    }

    fn check_all(&self, cx: &Context<'_>, checks: &[Check]) -> Result<Outcome, Failure> {
        let mut whole = Outcome::default();
        let mut summaries = Vec::new();
        for check in checks {
            let outcome = match check {
                Check::Counts {
                    datastore,
                    run,
                    exact,
                } => self.compare_counts(cx, datastore, run.as_ref().unwrap_or(cx.run), *exact)?,
                Check::Fits { datastore, engine } => self.datastore(datastore)?.fits(cx, engine)?,
                _ => self.means.site.driver.check(cx, check)?,
            };
            if !outcome.summary.is_empty() {
                summaries.push(outcome.summary);
            }
            whole.facts.extend(outcome.facts);
            whole.output = outcome.output.or(whole.output);
        }
        whole.summary = summaries.join("; ");
        Ok(whole)
    }

    fn compare_counts(
        &self,
        cx: &Context<'_>,
        name: &DatastoreName,
        run: &RunId,
        exact: bool,
    ) -> Result<Outcome, Failure> {
        let plan = cx.plan.datastores.get(name).ok_or_else(|| missing(name))?;
        let datastore = self.datastore(name)?;
        let sealed = match datastore.sealed_contents(cx, run) {
            Err(failure) if failure.code == UNCOUNTED => None,
            sealed => Some(sealed?),
        };
        let now = datastore.contents(cx)?;
        match sealed {
            Some(sealed) => counts::compare(name, plan, &sealed, &now, exact),
            None => Ok(counts::uncounted(name, &now)),
        }
    }

    pub(crate) fn datastore(&self, name: &DatastoreName) -> Result<&dyn Datastore, Failure> {
        self.means
            .site
            .datastores
            .get(name)
            .map(AsRef::as_ref)
            .ok_or_else(|| missing(name))
    }

    /// Records a failed try. A try that the operator ended stays open: it neither failed nor ended.
    fn failed(&self, step: &Step, attempt: u32, failure: Failure) -> Interruption {
        if failure.stopped {
            return Interruption::Halt(halt::stopped(self));
        }
        let output = failure.output.as_ref().map(|text| {
            let masked = self.means.commands.redactor().mask(text);
            self.means.directory.outputs(self.order.run).keep(&masked)
        });
        let output = match output.transpose() {
            Ok(output) => output,
            Err(error) => return Interruption::Record(error),
        };
        let problem = halt::failed(self, step, &failure);
        let recorded = self.record(Event::AttemptFailed {
            step: step.number,
            attempt,
            problem: problem.clone(),
            output,
        });
        match recorded {
            Ok(()) => Interruption::Halt(problem),
            Err(error) => Interruption::Record(error),
        }
    }
}

fn missing(name: &DatastoreName) -> Failure {
    Failure::new(
        "datastore-missing",
        format!("datastore `{name}` is not part of this deployment"),
    )
    .hint("look at what was found: switchback status")
}
