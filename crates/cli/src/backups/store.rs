//! From backups on this machine to backups in the repository.

use serde::Serialize;
use switchback_backup::{BackupId, Copy, Labels, Locked, Opened, Storing};
use switchback_datastores::backup::{Manifest, There};
use switchback_engine::signal::{StopSignal, Urgency};
use switchback_model::calendar::Moment;
use switchback_model::plan::{BackupState, Plan, Purpose, StageKind};
use switchback_model::{DatastoreName, ProductId, RunId};

use super::local::{self, Entry};
use super::repository::{self, Missing};
use crate::failure::{Failed, told};
use crate::place::deployment::Found;
use crate::render::style::{BOLD, CHECK, DIM, GOOD, paint};
use crate::render::waiting;
use crate::render::{measure, problem};
use crate::session::Session;

/// What the snapshots' tags say beside what each manifest says.
pub(crate) struct Origin<'a> {
    pub(crate) deployment: &'a str,
    pub(crate) product: &'a ProductId,
    /// The version that ran when a round's backups were made.
    pub(crate) version: &'a dyn Fn(u32) -> String,
}

/// A backup that is in the repository now.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sent {
    /// What it is called.
    pub(crate) id: BackupId,
    /// Of which datastore.
    pub(crate) datastore: DatastoreName,
    /// Which backup of its run.
    pub(crate) round: u32,
    /// Bytes that were added, after deduplication and compression; 0 where it was there already.
    pub(crate) added: u64,
}

/// Stores every complete backup among `entries`, oldest round first, and says each.
pub(crate) fn send(
    session: &Session<'_>,
    locked: &mut Locked,
    entries: &[Entry],
    origin: &Origin<'_>,
    stop: &StopSignal,
) -> Result<Vec<Sent>, Failed> {
    let mut sent = Vec::new();
    for entry in entries {
        let manifest = &entry.manifest;
        if manifest.state < BackupState::Sealed {
            continue;
        }
        if let Some(there) = &manifest.there {
            session.screen.advice(&stays_there(manifest, there));
            continue;
        }
        if stop.urgency() != Urgency::GoOn {
            return Err(stopped().into());
        }
        let copy = Copy {
            directory: entry.directory(),
            beside: entry.beside().map(std::path::Path::to_path_buf).collect(),
            labels: labels(entry, origin),
            // Those of one moment are kept and let go together.
            made: moment(entries, entry.round),
            bytes: entry.bytes(),
        };
        let what = format!("storing {}", manifest.datastore);
        let stored = waiting::telling(session.screen, &what, |progress| {
            locked.store(&copy, progress)
        })
        .map_err(|failure| told(&failure))?;
        let (id, added, said) = match stored {
            Storing::Already(id) => (id, 0, "was in the repository already".to_owned()),
            Storing::Done { id, added } => {
                let said = format!("stored, {} added", measure::bytes(added));
                (id, added, said)
            }
        };
        if !session.screen.json() {
            session.screen.answer(&format!(
                "{} {}  {said}  {}\n",
                paint(GOOD, CHECK),
                paint(BOLD, &manifest.datastore),
                paint(DIM, &id),
            ));
        }
        sent.push(Sent {
            id,
            datastore: manifest.datastore.clone(),
            round: entry.round,
            added,
        });
    }
    Ok(sent)
}

/// What is said of a backup that no repository gets.
fn stays_there(manifest: &Manifest, there: &There) -> String {
    format!(
        "the files of {} stay on {}, in {}: what is on another machine is in no repository\n",
        manifest.datastore,
        there.machine,
        there.backups.display(),
    )
}

/// Stores the backups of a finished upgrade, where the deployment has a repository. What goes wrong is said, and
/// does not make the upgrade fail: everything is on this machine still, and the same can be asked for again.
pub(crate) fn after_run(
    session: &Session<'_>,
    found: &Found,
    plan: &Plan,
    run: &RunId,
    stop: &StopSignal,
) {
    // Stacks keep what they hold as snapshots in their account.
    let kept_here = plan.account.is_none();
    if plan.purpose != Purpose::Upgrade || !kept_here || !repository::is_named(found) {
        return;
    }
    if let Err(failed) = of_run(session, found, plan, run, false, stop) {
        let again = format!("then store them: `switchback backup create --run {run}`");
        let problem = failed
            .problem
            .state("upgrade", "done, and its backups are on this machine")
            .hint(again);
        session
            .screen
            .advice(&problem::text(&problem, session.screen.progress_width));
    }
}

/// Stores the backups that a run made.
pub(crate) fn of_run(
    session: &Session<'_>,
    found: &Found,
    plan: &Plan,
    run: &RunId,
    init: bool,
    stop: &StopSignal,
) -> Result<Vec<Sent>, Failed> {
    let entries = local::of_run(&session.state.backups(&found.key()), run)?;
    let missing = if init { Missing::Make } else { Missing::Refuse };
    let mut locked = lock(
        session,
        repository::open(session, found, stop, missing)?,
        stop,
    )?;
    let origin = Origin {
        deployment: &found.name,
        product: &plan.product,
        version: &|round| version_before(plan, round),
    };
    send(session, &mut locked, &entries, &origin, stop)
}

/// The right to change the repository.
pub(crate) fn lock(
    session: &Session<'_>,
    opened: Opened,
    stop: &StopSignal,
) -> Result<Locked, Failed> {
    waiting::telling(
        session.screen,
        "locking the backup repository",
        |progress| opened.lock(progress, stop),
    )
    .map_err(|failure| told(&failure).into())
}

/// How the backup of an entry is called in the repository.
pub(crate) fn labels(entry: &Entry, origin: &Origin<'_>) -> Labels {
    let manifest = &entry.manifest;
    Labels {
        deployment: origin.deployment.to_owned(),
        product: origin.product.clone(),
        version: (origin.version)(entry.round),
        run: manifest.run.clone(),
        round: entry.round,
        datastore: manifest.datastore.clone(),
        kind: manifest.kind,
        state: manifest.state,
    }
}

/// What ran when the backups of a round were made: where the stage before it led, else where the run began.
pub(crate) fn version_before(plan: &Plan, round: u32) -> String {
    let before = plan.stages.iter().take_while(|stage| stage.round < round);
    let ran = before.filter_map(|stage| match &stage.kind {
        StageKind::Engines { to }
        | StageKind::Run { to }
        | StageKind::Return { to }
        | StageKind::Recovery { to }
        | StageKind::RollOver { to } => Some(to),
        StageKind::Preparation | StageKind::Migrate { .. } => None,
    });
    ran.last().unwrap_or(&plan.from).to_string()
}

/// When the last of a round was complete.
fn moment(entries: &[Entry], round: u32) -> Moment {
    let of_round = entries.iter().filter(|entry| entry.round == round);
    Moment(
        of_round
            .map(|entry| entry.manifest.at)
            .max()
            .unwrap_or_default(),
    )
}

pub(crate) fn stopped() -> switchback_model::Problem {
    switchback_model::Problem::new(
        switchback_model::exit::Exit::Refused,
        "stopped",
        "stopped by the operator",
    )
    .state("deployment", "untouched")
    .hint("type the same command again: it goes on where it stopped")
}
