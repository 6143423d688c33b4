//! The port on this machine: each call is asked over there, and a copy of what the backup says of itself is kept here.

use std::fs;
use std::rc::Rc;

use switchback_engine::ports::{Context, Datastore, Elsewhere, Failure, Finding, Progress};
use switchback_model::event::Outcome;
use switchback_model::observed::DatastoreLocation;
use switchback_model::plan::{BackupMethod, Expectation};
use switchback_model::product::DatastoreKind;
use switchback_model::{Contents, DatastoreName, RunId};

use super::request::decode;
use super::request::{Answer, Asked, COMMAND, Call, FORMAT, OfRun, Report, Request, Said, Value};
use super::serve::SHADOWS;
use crate::backup::{self, Backup, Manifest, There};
use crate::shadow;
use crate::survey::Survey;

/// A directory of files on another machine.
pub(crate) struct FilesElsewhere {
    name: DatastoreName,
    location: DatastoreLocation,
    elsewhere: Rc<dyn Elsewhere>,
}

impl FilesElsewhere {
    pub(crate) fn new(
        name: &DatastoreName,
        location: &DatastoreLocation,
        elsewhere: Rc<dyn Elsewhere>,
    ) -> Self {
        Self {
            name: name.clone(),
            location: location.clone(),
            elsewhere,
        }
    }

    pub(crate) fn survey(&self) -> Result<Survey, Failure> {
        match self.send(Asked::Survey, None)?.result {
            Ok(Value::Survey(survey)) => Ok(survey),
            Ok(_) => Err(self.beside_the_point()),
            Err(failure) => Err(self.over_there(failure)),
        }
    }

    /// Asks for one call, and keeps what its backup says of itself.
    fn ask(&self, cx: &Context<'_>, call: Call) -> Result<Value, Failure> {
        let about = call.run().unwrap_or(cx.run);
        let own = Backup::of(cx, about, &self.name, DatastoreKind::Files);
        let known = own.manifest()?.and_then(|manifest| manifest.there);
        let begins = matches!(call, Call::Prepare | Call::Seal);
        let there = match known {
            Some(there) => Some(there),
            None if begins => Some(self.begin(cx, &own)?),
            None => None,
        };
        let backups = match &there {
            Some(there) => there.backups.clone(),
            // Nothing was begun, so nothing is found there.
            None => self.elsewhere.root().join(SHADOWS).join("none"),
        };
        let asked = Asked::OfRun(Box::new(OfRun {
            plan: cx.plan.clone(),
            run: cx.run.clone(),
            step: cx.step,
            backups,
            call,
        }));
        let answer = self.send(asked, Some(cx.progress))?;
        if let (Some(there), Some(manifest)) = (there, answer.manifest) {
            let manifest = Manifest {
                there: Some(there),
                ..manifest
            };
            if own.manifest()?.as_ref() != Some(&manifest) {
                own.write(&manifest)?;
            }
        }
        answer.result.map_err(|failure| self.over_there(failure))
    }

    /// Decides where the backup will be over there, and writes it down before anything is there.
    fn begin(&self, cx: &Context<'_>, own: &Backup) -> Result<There, Failure> {
        let io = |error: std::io::Error| own.io("prepare", &error);
        // Another deployment of the same name, or run of the same number, is somebody else's.
        let unique = fs::read_to_string("/proc/sys/kernel/random/uuid").map_err(io)?;
        let plain = |letter: &char| letter.is_ascii_alphanumeric() || "-_".contains(*letter);
        let name: String = cx.plan.deployment.name.chars().filter(plain).collect();
        let mut backups = self
            .elsewhere
            .root()
            .join(SHADOWS)
            .join(format!("{name}-{}", unique.trim()));
        // Rounds of one run are told apart by it beside the data.
        let round = cx.backups.file_name().unwrap_or_default();
        if round.to_string_lossy().starts_with(backup::ROUND) {
            backups.push(round);
        }
        let there = There {
            machine: self.elsewhere.machine().to_owned(),
            backups,
        };
        backup::create_private(own.directory()).map_err(io)?;
        own.write(&Manifest {
            there: Some(there.clone()),
            ..own.begun(shadow::method(cx, &self.name), None)
        })?;
        Ok(there)
    }

    fn send(&self, asked: Asked, progress: Option<&dyn Progress>) -> Result<Answer, Failure> {
        let request = Request {
            format: FORMAT,
            name: self.name.clone(),
            location: self.location.clone(),
            root: self.elsewhere.root().to_owned(),
            asked,
        };
        let input =
            serde_json::to_vec(&request).map_err(|error| self.beside_the_point().cause(error))?;
        let mut answer = None;
        self.elsewhere
            .run(&[COMMAND], &input, &mut |line| match decode(line) {
                Some(Said::Progress(report)) => tell(progress, &report),
                Some(Said::Answer(said)) => answer = Some(*said),
                None => {}
            })?;
        answer.ok_or_else(|| self.beside_the_point())
    }

    /// A failure of the other machine, where its paths are.
    fn over_there(&self, failure: Failure) -> Failure {
        Failure {
            what: format!("{} (on `{}`)", failure.what, self.elsewhere.machine()),
            ..failure
        }
    }

    fn beside_the_point(&self) -> Failure {
        Failure::new(
            "elsewhere-silent",
            format!(
                "switchback on `{}` did not say what became of `{}`",
                self.elsewhere.machine(),
                self.name
            ),
        )
        .hint("switchback resume asks again, and does nothing twice")
    }

    fn outcome(&self, cx: &Context<'_>, call: Call) -> Result<Outcome, Failure> {
        match self.ask(cx, call)? {
            Value::Outcome(outcome) => Ok(outcome),
            _ => Err(self.beside_the_point()),
        }
    }

    fn counted(&self, cx: &Context<'_>, call: Call) -> Result<Contents, Failure> {
        match self.ask(cx, call)? {
            Value::Contents(contents) => Ok(contents),
            _ => Err(self.beside_the_point()),
        }
    }

    /// Whether the operator keeps them by other means: then nothing of ours is over there.
    fn is_declined(&self, cx: &Context<'_>) -> bool {
        shadow::method(cx, &self.name) == BackupMethod::None
    }
}

impl Datastore for FilesElsewhere {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        match expectation {
            // Files have no server: nothing to compare, and nobody is connected.
            Expectation::Engine { .. } | Expectation::NoWriters { .. } => return Finding::Holds,
            // An optional directory that does not exist holds nothing, so of what nobody reads there is nothing to say.
            Expectation::Reachable { .. } if self.is_declined(cx) => return Finding::Holds,
            _ => {}
        }
        match self.ask(cx, Call::Look(expectation.clone())) {
            Ok(Value::Finding(finding)) => finding,
            Ok(_) => Finding::Unknown {
                why: self.beside_the_point().what,
            },
            Err(failure) => Finding::Unknown { why: failure.what },
        }
    }

    fn contents(&self, cx: &Context<'_>) -> Result<Contents, Failure> {
        self.counted(cx, Call::Contents)
    }

    fn sealed_contents(&self, cx: &Context<'_>, run: &RunId) -> Result<Contents, Failure> {
        self.counted(cx, Call::SealedContents(run.clone()))
    }

    fn prepare(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.outcome(cx, Call::Prepare)
    }

    fn follow(&self, _: &Context<'_>) -> Result<Outcome, Failure> {
        Ok(Outcome::default())
    }

    fn seal(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.outcome(cx, Call::Seal)
    }

    fn prove(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.outcome(cx, Call::Prove)
    }

    fn restore(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        self.outcome(cx, Call::Restore(run.clone()))
    }

    fn release(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        self.outcome(cx, Call::Release(run.clone()))
    }

    fn forget(&self, cx: &Context<'_>, run: &RunId) -> Result<(), Failure> {
        self.ask(cx, Call::Forget(run.clone())).map(drop)
    }

    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        if self.is_declined(cx) {
            return Ok(());
        }
        self.ask(cx, Call::Clean).map(drop)
    }
}

fn tell(progress: Option<&dyn Progress>, report: &Report) {
    if let Some(progress) = progress {
        progress.report(
            &report.doing,
            report.done,
            report.of,
            report.unit.as_deref(),
        );
    }
}
