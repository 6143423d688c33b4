//! The way back as a plan.

use std::collections::BTreeMap;

use switchback_model::hand_work::DoneWhen;
use switchback_model::observed::Observed;
use switchback_model::plan::{
    Act, BackupMethod, Expectation, FORMAT, Forecast, Notice, Plan, Procedure, Purpose,
    SpaceForecast, Stage, StageKind,
};
use switchback_model::product::NoticeKind;
use switchback_model::{DatastoreName, Digest, PlanId, Problem, Version};

use super::problems;
use super::proven::{Proven, Stretch};
use super::steps::Composer;
use super::taken_back::{Base, Changes};
use crate::build::estimates::Estimates;
use crate::build::{costs, space};
use crate::experience::Experience;

/// Plans the way back from what the journal proves about a run of `plan`.
///
/// It leads to the version that ran last and was verified: where the run began, or the last stop at
/// which the product was started. Nothing written there is lost. A run that changed nothing gets a
/// plan that only looks.
///
/// What it will take is told from `experience`, to which the run that is taken back belongs.
pub fn rollback(
    plan: &Plan,
    proven: &Proven,
    experience: &Experience,
    observed: &Observed,
) -> Result<Plan, Problem> {
    may_be_taken_back(plan, proven, observed)?;
    let stretch = Stretch::of(plan, proven);
    let base = Base::of(plan, &stretch);
    let changes = Changes::of(plan, &stretch, proven);
    if let Some(lost) = changes.lost.first() {
        return Err(problems::no_backup(&proven.run, lost));
    }
    let (files, changed) = files_for_start(&stretch, &changes, observed, proven)?;
    let stages = Composer {
        plan,
        run: &proven.run,
        base: &base,
        changes: &changes,
        files: &files,
        round: stretch.round,
        next: 0,
        down: false,
    }
    .stages();
    let forecast = cost(plan, experience, observed, &changes, &stages);
    space::enough(&forecast)?;
    let mut notices = notices(plan, &base, &changes, proven);
    notices.splice(0..0, servers(&base, &changes, observed, proven));
    notices.extend(files_changed(&base, changed));
    let back = Plan {
        format: FORMAT,
        id: PlanId::new(""),
        purpose: Purpose::Rollback {
            run: proven.run.clone(),
        },
        parent: Some(proven.run.clone()),
        deployment: plan.deployment.clone(),
        account: plan.account.clone(),
        product: plan.product.clone(),
        product_name: plan.product_name.clone(),
        edition: plan.edition.clone(),
        definition: plan.definition.clone(),
        from: reached(plan, &stretch, proven),
        to: base.version.clone(),
        because: Vec::new(),
        notices,
        procedures: by_hand(&stretch, &base, proven),
        origin: plan.origin.clone(),
        datastores: plan.datastores.clone(),
        stages,
        forecast,
        advice: plan.advice.clone(),
        secrets: plan.secrets.clone(),
    };
    Ok(back.seal())
}

/// Only an upgrade of this very deployment is taken back.
fn may_be_taken_back(plan: &Plan, proven: &Proven, observed: &Observed) -> Result<(), Problem> {
    match &plan.purpose {
        Purpose::Upgrade => {}
        Purpose::Rollback { .. } => return Err(problems::of_a_way_back(&proven.run)),
        Purpose::RollOver(content) => {
            return Err(problems::roll_over_stays(&proven.run, &content.from.api));
        }
        // It is no run of the deployment: what it made is removed with it.
        Purpose::Rehearsal { .. } => return Err(problems::of_a_rehearsal(&proven.run)),
        Purpose::Recovery { .. } => return Err(problems::of_a_recovery(&proven.run)),
    }
    if plan.deployment != observed.deployment {
        return Err(problems::of_another_deployment(
            &proven.run,
            &plan.deployment.directory,
            &observed.deployment.directory,
        ));
    }
    Ok(())
}

/// The version that the run had brought the deployment to: that of the last stage it had begun,
/// or, where that is where it came from, the one it was on its way to.
fn reached(plan: &Plan, stretch: &Stretch<'_>, proven: &Proven) -> Version {
    let begun = |stage: &&Stage| stage.steps.iter().any(|step| proven.has_begun(step));
    let last = stretch.stages.iter().rev().find(begun);
    last.and_then(|stage| match &stage.kind {
        StageKind::Engines { to }
        | StageKind::Migrate { to }
        | StageKind::Run { to }
        | StageKind::Return { to }
        | StageKind::Recovery { to } => Some(to.clone()),
        StageKind::Preparation | StageKind::RollOver { .. } => None,
    })
    .unwrap_or_else(|| plan.to.clone())
}

/// Digests that the configuration's files have when the version before is started, and the paths of
/// those that someone else has changed meanwhile.
///
/// A file that the run has edited must be in a state that the run can have left it in, so that
/// putting the old version back meets what it expects. Any other file is the operator's: it is taken
/// as it is now.
fn files_for_start(
    stretch: &Stretch<'_>,
    changes: &Changes,
    observed: &Observed,
    proven: &Proven,
) -> Result<(BTreeMap<String, Digest>, Vec<String>), Problem> {
    let mut files = files_at_start(stretch);
    let mut changed = Vec::new();
    for (path, digest) in &mut files {
        let Some(found) = observed.files.iter().find(|file| file.path == *path) else {
            continue;
        };
        let mut edits = changes
            .edits
            .iter()
            .filter(|edit| edit.path == *path)
            .peekable();
        if edits.peek().is_none() {
            if *digest != found.digest {
                changed.push(path.clone());
                digest.clone_from(&found.digest);
            }
        } else if !edits.any(|edit| edit.before == found.digest || edit.after == found.digest) {
            return Err(problems::file_changed(&proven.run, path));
        }
    }
    Ok((files, changed))
}

/// Digests of the configuration's files as the stretch found them: what its stop expects.
fn files_at_start(stretch: &Stretch<'_>) -> BTreeMap<String, Digest> {
    stretch
        .stages
        .iter()
        .flat_map(|stage| &stage.steps)
        .filter(|step| matches!(step.act, Act::Stop { .. }))
        .take(1)
        .flat_map(|step| &step.before)
        .filter_map(|expected| match expected {
            Expectation::File { path, digest } => Some((path.clone(), digest.clone())),
            _ => None,
        })
        .collect()
}

fn files_changed(base: &Base, paths: Vec<String>) -> impl Iterator<Item = Notice> {
    let version = base.version.clone();
    paths.into_iter().map(move |path| Notice {
        id: format!("file-changed:{path}"),
        kind: NoticeKind::Behaviour,
        version: version.clone(),
        text: format!(
            "`{path}` was changed since the upgrade: {version} starts with it as it is now."
        ),
        found: None,
        source: "observation".to_owned(),
        accept: None,
    })
}

/// What people did on the way, which no step takes back.
fn by_hand(stretch: &Stretch<'_>, base: &Base, proven: &Proven) -> Vec<Procedure> {
    let done = stretch.begun(proven).into_iter();
    done.filter_map(|step| {
        let Act::HandWork { work } = &step.act else {
            return None;
        };
        // A step waits for what has to be put back.
        if work.back.is_some() {
            return None;
        }
        let because = step.because.as_deref().unwrap_or_default();
        let look = format!("see whether {} can do with what was done:", base.version);
        Some(Procedure {
            id: work.id.clone(),
            title: format!("`{}` was done on the way: {because}", work.id),
            steps: [look].into_iter().chain(work.steps.clone()).collect(),
            optional: false,
            source: work.source.clone(),
        })
    })
    .collect()
}

fn notices(plan: &Plan, base: &Base, changes: &Changes, proven: &Proven) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut add = |id: String, text: String, found: Option<String>| {
        notices.push(Notice {
            accept: Some(id.clone()),
            id,
            kind: NoticeKind::OneWay,
            version: base.version.clone(),
            text,
            found,
            source: format!("journal of {}", proven.run),
        });
    };
    if changes.started && !changes.returning().is_empty() {
        let names: Vec<&str> = changes
            .returning()
            .iter()
            .map(|name| name.as_str())
            .collect();
        add(
            "data-loss".to_owned(),
            format!(
                "What was written since {} started is lost: {} come back as they were before.",
                plan.to,
                names.join(", ")
            ),
            proven
                .writing_seconds
                .map(|seconds| format!("it has been able to write for {}", duration(seconds))),
        );
    }
    for name in &changes.written_unkept {
        add(
            format!("no-backup-{name}"),
            format!("`{name}` has no backup: it stays as {} leaves it.", plan.to),
            None,
        );
    }
    notices
}

/// Servers that have to be put back by hand before the way back goes on, as far as they were seen just now.
fn servers(base: &Base, changes: &Changes, observed: &Observed, proven: &Proven) -> Vec<Notice> {
    let each = changes.by_hand.iter().filter_map(|work| {
        let DoneWhen::Server(is) = &work.done else {
            return None;
        };
        let mut datastores = observed.datastores.iter();
        let found = datastores
            .find(|found| found.name == is.datastore)
            .and_then(|found| found.engine.as_deref());
        let fits = found.is_some_and(|version| is.includes(version));
        let (name, lines) = (&is.datastore, is.lines.join(" or "));
        let text = if fits {
            format!("`{name}` has a server that {} runs with: it stays.", base.version)
        } else {
            format!(
                "{} needs `{name}` on {lines}: after the stop this waits until somebody has put such a server back, and the service stays down until then.",
                base.version
            )
        };
        Some(Notice {
            id: work.id.clone(),
            kind: if fits { NoticeKind::Behaviour } else { NoticeKind::OneWay },
            version: base.version.clone(),
            text,
            found: Some(found.map_or_else(
                || "its server does not answer".to_owned(),
                |version| format!("its server is {version}"),
            )),
            source: format!("journal of {}", proven.run),
            accept: (!fits).then(|| work.id.clone()),
        })
    });
    each.collect()
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

fn cost(
    plan: &Plan,
    experience: &Experience,
    observed: &Observed,
    changes: &Changes,
    stages: &[Stage],
) -> Forecast {
    let is_shadowed = |name: &DatastoreName| plan.datastores[name].method == BackupMethod::Shadow;
    let estimates = Estimates {
        datastores: &plan.datastores,
        experience,
        back: true,
    };
    let downtime = estimates.downtime(stages.iter().flat_map(|stage| &stage.steps));
    let mut space: BTreeMap<&str, SpaceForecast> = BTreeMap::new();
    for name in changes.restore.iter().filter(|name| !is_shadowed(name)) {
        let datastore = &plan.datastores[name];
        let Some(home) = space::home(observed, name, datastore) else {
            continue;
        };
        let entry = space
            .entry(home.device.as_str())
            .or_insert_with(|| SpaceForecast {
                path: home.path.clone(),
                uses: Vec::new(),
                needed: costs::RESERVE,
                free: home.free,
            });
        entry.needed += datastore.size.unwrap_or(0);
        entry.uses.push(format!("{name}, restored beside"));
    }
    let (shadows, dumps) = changes
        .restore
        .iter()
        .partition::<Vec<_>, _>(|name| is_shadowed(name));
    let purpose = brought_back(shadows.len(), dumps.len(), changes.put_back.len());
    let waits: Vec<&str> = changes.by_hand.iter().map(|it| it.id.as_str()).collect();
    let purpose = match waits.as_slice() {
        [] => purpose,
        waits => format!(
            "{purpose}, and as long as people take for {}",
            waits.join(", ")
        ),
    };
    let known = match downtime.in_words() {
        _ if downtime.seconds == 0 => String::new(),
        Some(words) => format!("; {words}"),
        None => "; estimated, for nothing was measured yet".to_owned(),
    };
    Forecast {
        downtime_seconds: Some(downtime.seconds),
        downtime_because: format!("{purpose}{known}"),
        space: space.into_values().collect(),
        keeping: BTreeMap::new(),
    }
}

/// What the downtime of a way back is for.
fn brought_back(shadows: usize, dumps: usize, servers: usize) -> String {
    let of = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(one.to_owned()),
        several => Some(format!("{several} {many}")),
    };
    let parts: Vec<String> = [
        of(
            shadows,
            "one shadow takes the place of the data",
            "shadows take the place of the data",
        ),
        of(
            dumps,
            "one datastore is restored and compared",
            "datastores are restored and compared",
        ),
        of(
            servers,
            "one server is put back on its data",
            "servers are put back on their data",
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() {
        "no data is touched".to_owned()
    } else {
        parts.join(", ")
    }
}
