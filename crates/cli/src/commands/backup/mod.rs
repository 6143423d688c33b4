//! `switchback backup`: backups that runs made, and those in the repository. One file per command;
//! what is on this machine is in [`local`], what opens the repository in [`repository`].

mod create;
mod list;
mod local;
mod prove;
mod prune;
mod repository;
mod restore;
pub(crate) mod store;

use std::collections::BTreeMap;
use std::path::Path;

use switchback_backup::Fetched;
use switchback_datastores::backup::{self, Manifest};
use switchback_engine::ports::Failure;
use switchback_journal::{Journal, Key};
use switchback_model::exit::Exit;
use switchback_model::observed::Deployment;
use switchback_model::plan::{DatastorePlan, FORMAT, Forecast, Origin, Plan, Purpose};
use switchback_model::product::Product;
use switchback_model::{DatastoreName, Digest, PlanId, Problem, Version};

pub(crate) use list::{Here, There};

use crate::arguments::Backup;
use crate::failure::Failed;
use crate::runs;
use crate::session::Session;

/// Where a shadow lies in the directory of a backup that was fetched.
const SHADOW: &str = "shadow";

/// Makes, lists, proves, restores or removes backups.
pub(crate) fn run(session: &Session<'_>, command: &Backup) -> Result<Exit, Failed> {
    match command {
        Backup::List => list::run(session),
        Backup::Create(arguments) => create::run(session, arguments),
        Backup::Prove(arguments) => prove::run(session, arguments),
        Backup::Restore(arguments) => restore::run(session, arguments),
        Backup::Prune(arguments) => prune::run(session, arguments),
    }
}

/// A run that is not done may need its backups, and leaves the deployment between two states.
fn refuse_open_run(journal: &Journal, key: &Key, why: &str) -> Result<(), Failed> {
    let Some((record, standing)) = runs::open(journal, key)? else {
        return Ok(());
    };
    Err(Problem::new(
        Exit::Refused,
        "run-open",
        format!("run `{}` is {} {why}", record.run, standing.word()),
    )
    .state("backups", "unchanged")
    .hint(format!("end it first: `switchback resume {}`", record.run))
    .into())
}

/// A plan without steps: what a datastore is asked with outside a run.
fn scratch_plan(
    deployment: &Deployment,
    product: &Product,
    version: &Version,
    datastores: BTreeMap<DatastoreName, DatastorePlan>,
) -> Plan {
    Plan {
        format: FORMAT,
        id: PlanId::new(""),
        purpose: Purpose::Upgrade,
        parent: None,
        deployment: deployment.clone(),
        product: product.id.clone(),
        product_name: product.name.clone(),
        edition: None,
        definition: Digest::of(""),
        from: version.clone(),
        to: version.clone(),
        because: Vec::new(),
        notices: Vec::new(),
        procedures: Vec::new(),
        origin: Origin::default(),
        datastores,
        stages: Vec::new(),
        forecast: Forecast::default(),
        advice: Vec::new(),
        secrets: Vec::new(),
    }
}

/// Brings the shadow of a backup that was fetched into its `directory`, and has its manifest say so.
fn place_shadow(fetched: &Fetched, directory: &Path) -> Result<Manifest, Failure> {
    let missing = || {
        Failure::new(
            "backup-manifest",
            format!("`{}` has no manifest", fetched.backup().id),
        )
        .hint("bring it back as files and look at them: --to DIR")
    };
    let manifest = backup::manifest_in(directory)?.ok_or_else(missing)?;
    let Some(place) = &manifest.place else {
        return Ok(manifest);
    };
    let here = directory.join(SHADOW);
    if !here.exists() {
        std::fs::rename(fetched.beside(place), &here).map_err(|error| {
            Failure::new(
                "backup-damaged",
                format!("`{}` came back without its data", fetched.backup().id),
            )
            .cause(error)
        })?;
    }
    backup::moved_to(directory, &here)?;
    backup::manifest_in(directory)?.ok_or_else(missing)
}

fn told(failure: &Failure) -> Problem {
    let mut problem = Problem::new(Exit::Refused, &failure.code, failure.what.clone());
    problem.causes.clone_from(&failure.causes);
    problem.state.clone_from(&failure.state);
    problem.hints.clone_from(&failure.hints);
    if problem.hints.is_empty() {
        problem = problem.hint("every check: `switchback doctor`");
    }
    problem
}
