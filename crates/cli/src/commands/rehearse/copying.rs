//! Making the copy, while production runs. Only here production is looked into; its lease is held
//! meanwhile, so that nobody upgrades what is being copied.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use switchback_drivers::compose::copy::{Blueprint, CopiedProject};
use switchback_engine::ports::{Context, Datastore, Failure};
use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_journal::{Journal, Lease};
use switchback_model::event::Outcome;
use switchback_model::exit::Exit;
use switchback_model::observed::Observed;
use switchback_model::plan::{BackupMethod, DatastorePlan, Plan};
use switchback_model::product::DatastoreKind;
use switchback_model::rehearsal::Copied;
use switchback_model::{DatastoreName, Problem, RunId};

use super::space;
use super::stage::Stage;
use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::render::measure;
use crate::session::Session;
use crate::site::Place;

/// How often a starting server is asked.
const LOOK: Duration = Duration::from_millis(300);
/// A server of a copy that has not answered for so long will not: its data are fresh or were just recovered.
const PATIENCE: Duration = Duration::from_secs(300);

/// A copy that runs.
pub(super) struct Copy<'a> {
    /// The copy as a deployment.
    pub(super) found: Found,
    /// Its own session: the same screen, its own state directory.
    pub(super) session: Session<'a>,
    /// The copy, opened.
    pub(super) place: Place,
    /// How each datastore came over.
    pub(super) copies: Vec<Copied>,
    /// How production is kept from going short.
    pub(super) bounds: Vec<String>,
    /// What it was drawn from.
    pub(super) blueprint: Blueprint,
}

/// Reads production's data and files, and leaves production alone from then on.
pub(super) fn take(
    stage: &Stage<'_>,
    journal: &Journal,
    original: &Place,
    blueprint: &Blueprint,
) -> Result<BTreeMap<DatastoreName, Taken>, Failed> {
    space::enough(stage, blueprint)?;
    let key = stage.found.key();
    let lease: Lease = journal.acquire(&key, &super::turn::holder(stage.id))?;
    let taken = captured(stage, original, blueprint).and_then(|took| {
        files(stage, original, blueprint)?;
        Ok(took)
    });
    journal.release(&lease)?;
    taken
}

fn captured(
    stage: &Stage<'_>,
    original: &Place,
    blueprint: &Blueprint,
) -> Result<BTreeMap<DatastoreName, Taken>, Failed> {
    let plan = for_copying(stage.plan);
    let commands = stage.commands(original.redactor());
    let run = RunId::new(stage.id);
    let captured = stage.captured();
    let mut taken_all = BTreeMap::new();
    let cx = Context::outside_steps(&plan, &run, &captured, &commands);
    for (name, datastore) in served(&plan) {
        stage.go_on()?;
        let keeper = original.keeper(name, &datastore.location)?;
        let (promoted, milliseconds) = stage.act("copy", name.as_str(), || {
            let copied = match (Way::of(datastore), blueprint.data.get(name)) {
                (Way::Shadow, Some(into)) => shadow(keeper.as_ref(), &cx, into),
                _ => keeper.capture(&cx).map(|outcome| (false, outcome)),
            };
            // Whatever came of it, nothing of ours stays in production's server.
            let cleaned = clean(stage, original, &plan, name);
            let (promoted, outcome) = copied.map_err(|failure| told(failure, name))?;
            cleaned?;
            Ok::<_, Failed>((promoted, outcome.summary))
        })?;
        let taken = Taken {
            promoted,
            took: milliseconds,
        };
        taken_all.insert(name.clone(), taken);
    }
    Ok(taken_all)
}

/// How the copy of a datastore's data is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// From a shadow, which becomes the data directory of the copy's server as it is.
    Shadow,
    /// From a backup of one moment, which the copy's server is filled with.
    Moment,
}

impl Way {
    /// A shadow where the plan makes one, too.
    fn of(datastore: &DatastorePlan) -> Self {
        match datastore.method {
            BackupMethod::Shadow => Self::Shadow,
            BackupMethod::Dump | BackupMethod::None => Self::Moment,
        }
    }
}

/// What came over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// True where it lies in its place already.
    promoted: bool,
    /// Milliseconds it took.
    took: u64,
}

/// Makes a shadow and lets it go where the copy's server finds it; true where that was done.
fn shadow(
    keeper: &dyn Datastore,
    cx: &Context<'_>,
    into: &Path,
) -> Result<(bool, Outcome), Failure> {
    keeper.prepare(cx)?;
    match keeper.promote(cx, into)? {
        Some(outcome) => Ok((true, outcome)),
        None => Ok((false, keeper.capture(cx)?)),
    }
}

fn clean(
    stage: &Stage<'_>,
    original: &Place,
    plan: &Plan,
    name: &DatastoreName,
) -> Result<(), Failed> {
    // The wish to stop does not end the tidying.
    let stop = StopSignal::default();
    let commands = Commands::new(
        stage.place.join("children"),
        original.redactor().clone(),
        stop.clone(),
    );
    let run = RunId::new(stage.id);
    let captured = stage.captured();
    let cx = Context::outside_steps(plan, &run, &captured, &commands);
    let keeper = original.keeper(name, &plan.datastores[name].location)?;
    keeper
        .clean(&cx)
        .and_then(|()| original.driver().clean(&cx))
        .map_err(|failure| told(failure, name))
}

/// The plan as the copying of data reads it: a backup of one moment of every server that no shadow is made
/// of, whatever the upgrade does.
pub(super) fn for_copying(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for datastore in plan.datastores.values_mut() {
        if datastore.kept_with.is_none() && Way::of(datastore) == Way::Moment {
            datastore.method = BackupMethod::Dump;
        }
    }
    plan
}

/// Datastores that a server keeps, each place once.
fn served(plan: &Plan) -> impl Iterator<Item = (&DatastoreName, &DatastorePlan)> {
    plan.datastores.iter().filter(|(_, datastore)| {
        datastore.kept_with.is_none() && datastore.location.kind != DatastoreKind::Files
    })
}

fn files(stage: &Stage<'_>, original: &Place, blueprint: &Blueprint) -> Result<(), Failed> {
    stage.go_on()?;
    let commands = stage.commands(original.redactor());
    stage.act("copy", "files", || {
        let mut bytes = 0;
        for transfer in &blueprint.transfers {
            transfer.carry_out(&commands).map_err(|error| {
                Problem::new(Exit::Halted, "rehearsal-copy", "files cannot be copied")
                    .caused_by(&error)
            })?;
            bytes += transfer.bytes();
        }
        let places = blueprint.transfers.len() as u64;
        let summary = format!(
            "{} in {}",
            measure::bytes(bytes),
            measure::plural(places, "place", "places")
        );
        Ok::<_, Failed>(((), summary))
    })?;
    Ok(())
}

/// Starts the copy on what was taken: servers first, filled, then everything else that runs in production.
pub(super) fn start<'a>(
    stage: &'a Stage<'a>,
    blueprint: Blueprint,
    taken: &BTreeMap<DatastoreName, Taken>,
) -> Result<Copy<'a>, Failed> {
    write(&blueprint)?;
    let project = stage.project(&blueprint.project);
    let found = Found {
        directory: blueprint.directory.clone(),
        name: blueprint.config.name.clone().unwrap_or_default(),
        config: blueprint.config.clone(),
    };
    let session = Session {
        screen: stage.session.screen,
        global: stage.session.global.clone(),
        state: stage.state()?,
    };
    let commands = stage.commands(&Redactor::default());
    let servers = names(&blueprint.servers);
    let (place, _) = stage.act("start", &servers, || {
        project
            .start(&commands, &blueprint.servers)
            .map_err(|error| not_started(&servers, error))?;
        let place = Place::open_quietly(&session, &found, stage.stop.clone())?;
        answer(stage, &place, &project, &blueprint)?;
        let summary = if taken.values().all(|taken| taken.promoted) {
            "on what was copied"
        } else {
            "ready to be filled"
        };
        Ok::<_, Failed>((place, summary.to_owned()))
    })?;
    let copies = fill(stage, &place, &blueprint, taken)?;
    let services = names(&blueprint.services);
    stage.act("start", &services, || {
        project
            .start(&commands, &blueprint.services)
            .map_err(|error| not_started(&services, error))?;
        Ok::<_, Failed>(((), format!("in project {}", blueprint.project)))
    })?;
    let weighed = blueprint
        .servers
        .first()
        .is_some_and(|service| project.disk_is_weighed(&commands, service));
    Ok(Copy {
        bounds: blueprint.bounds(weighed),
        found,
        session,
        place,
        copies,
        blueprint,
    })
}

/// Writes the copy's files.
fn write(blueprint: &Blueprint) -> Result<(), Problem> {
    let text = toml::to_string(&blueprint.config).map_err(|error| {
        Problem::new(
            Exit::Bug,
            "config",
            "the copy's configuration cannot be written",
        )
        .cause(error)
    })?;
    blueprint.write(&text).map_err(|error| {
        Problem::new(
            Exit::Usage,
            "rehearsal-unwritable",
            format!("`{}` cannot be written", blueprint.directory.display()),
        )
        .cause(error)
    })
}

/// Waits until every server of the copy answers, over its network: while PostgreSQL's image prepares an
/// empty directory, a first server answers on the socket that will be gone in a moment.
fn answer(
    stage: &Stage<'_>,
    place: &Place,
    project: &CopiedProject,
    blueprint: &Blueprint,
) -> Result<(), Failed> {
    let commands = stage.commands(place.redactor());
    let began = Instant::now();
    for (name, datastore) in served(stage.plan) {
        let switchback_model::observed::Access::Container { service } = &datastore.location.access
        else {
            continue;
        };
        if !blueprint.servers.contains(service) {
            continue;
        }
        let ready = || match datastore.location.kind {
            DatastoreKind::Postgres => {
                let port = datastore.location.port.unwrap_or(5432).to_string();
                let words = ["pg_isready", "--quiet", "--host=127.0.0.1", "--port"];
                let words: Vec<&str> = words.into_iter().chain([port.as_str()]).collect();
                project.exec(&commands, service, &words).is_ok()
            }
            _ => project.exec(&commands, service, &["true"]).is_ok(),
        };
        while !ready() {
            stage.go_on()?;
            if began.elapsed() > PATIENCE {
                return Err(silent(name, service.as_str(), &blueprint.project));
            }
            std::thread::sleep(LOOK);
        }
    }
    Ok(())
}

/// Brings the data into the servers of the copy, as a way back would.
fn fill(
    stage: &Stage<'_>,
    place: &Place,
    blueprint: &Blueprint,
    taken: &BTreeMap<DatastoreName, Taken>,
) -> Result<Vec<Copied>, Failed> {
    let observed = place.observe_quietly()?;
    let plan = for_copying(stage.plan);
    let commands = stage.commands(place.redactor());
    let run = RunId::new(stage.id);
    let captured = stage.captured();
    let cx = Context::outside_steps(&plan, &run, &captured, &commands);
    let mut copies = Vec::new();
    for (name, datastore) in served(&plan) {
        stage.go_on()?;
        let location = location(&observed, name)?;
        let taken = taken.get(name).copied();
        let promoted = taken.is_some_and(|taken| taken.promoted);
        let mut milliseconds = 0;
        if !promoted {
            let keeper = place.keeper(name, &location)?;
            (_, milliseconds) = stage.act("fill", name.as_str(), || {
                let outcome = keeper
                    .restore(&cx, &run)
                    .and_then(|outcome| keeper.release(&cx, &run).map(|_| outcome))
                    .map_err(|failure| told(failure, name))?;
                Ok::<_, Failed>(((), outcome.summary))
            })?;
        }
        copies.push(Copied {
            datastore: name.clone(),
            how: how(datastore.location.kind, promoted).to_owned(),
            bytes: blueprint.data.get(name).map_or(0, |path| space::used(path)),
            took: taken.map_or(0, |taken| taken.took) + milliseconds,
            method: stage.plan.datastores[name].method,
        });
    }
    // They are in the copy now.
    let _ = std::fs::remove_dir_all(&captured);
    for (name, datastore) in &stage.plan.datastores {
        if datastore.location.kind == DatastoreKind::Files {
            copies.push(Copied {
                datastore: name.clone(),
                how: "files".to_owned(),
                bytes: blueprint.data.get(name).map_or(0, |path| space::used(path)),
                took: 0,
                method: datastore.method,
            });
        }
    }
    Ok(copies)
}

fn how(kind: DatastoreKind, promoted: bool) -> &'static str {
    match kind {
        _ if promoted => "shadow, promoted",
        DatastoreKind::Postgres => "dump of one moment, restored",
        DatastoreKind::Redis => "snapshot of one moment",
        DatastoreKind::Files => "files",
        DatastoreKind::Mongodb => "dump, restored",
    }
}

fn location(
    observed: &Observed,
    name: &DatastoreName,
) -> Result<switchback_model::observed::DatastoreLocation, Failed> {
    let found = observed.datastores.iter().find(|found| found.name == *name);
    found.map(|found| found.location.clone()).ok_or_else(|| {
        let problem = Problem::new(
            Exit::Halted,
            "rehearsal-datastore",
            format!("the copy has no `{name}`"),
        );
        let seen = observed.problems.iter().map(|seen| seen.what.clone());
        seen.fold(problem, Problem::cause).into()
    })
}

/// A port's failure while the copy is made: production is as it was.
pub(super) fn told(failure: Failure, name: &DatastoreName) -> Failed {
    let mut problem = Problem::new(
        Exit::Halted,
        "rehearsal-copy",
        format!("`{name}` cannot be copied: {}", failure.what),
    )
    .state("production", "as it was");
    problem.causes = failure.causes;
    // What would be resumed is gone with the copy.
    problem.hints = failure
        .hints
        .into_iter()
        .filter(|hint| !hint.contains("resume"))
        .collect();
    problem.hint("then again: `switchback rehearse`").into()
}

fn not_started(names: &str, error: switchback_engine::process::CommandError) -> Failed {
    let failure = error.into_failure(
        "rehearsal-start",
        format!("the copy of {names} does not start"),
    );
    let mut problem = Problem::new(Exit::Halted, "rehearsal-start", failure.what)
        .state("production", "as it was");
    problem.causes = failure.causes;
    problem
        .hint("free what it lacks (memory, disk), then again: `switchback rehearse`")
        .into()
}

fn silent(name: &DatastoreName, service: &str, project: &str) -> Failed {
    Problem::new(
        Exit::Halted,
        "rehearsal-start",
        format!("the copy's server of `{name}` does not answer"),
    )
    .state("production", "as it was")
    .hint(format!(
        "keep the copy and see why: `switchback rehearse --keep`, then `docker logs {project}-{service}-1`"
    ))
    .into()
}

fn names(services: &[switchback_model::ServiceName]) -> String {
    let names: Vec<&str> = services.iter().map(|name| name.as_str()).collect();
    names.join(", ")
}
