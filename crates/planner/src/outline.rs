//! A plan in short form: one line per step, for golden tests, logs and bug reports.

use std::fmt::Write as _;

use switchback_model::hand_work::DoneWhen;
use switchback_model::observed::ImagePin;
use switchback_model::plan::{
    Act, BackupMethod, Check, Interrupted, Plan, Purpose, Stage, StageKind, Step, WayBack,
};

/// The plan in short form. Not for people in front of a terminal: the CLI renders for them.
pub fn outline(plan: &Plan) -> String {
    let mut text = String::new();
    let purpose = match &plan.purpose {
        Purpose::Upgrade => String::new(),
        Purpose::Rollback { run } => format!(" (way back of {run})"),
        Purpose::RollOver(content) => {
            format!(" (from {} into {})", content.from.api, content.into.api)
        }
        Purpose::Rehearsal { of } => format!(" (rehearsal of {of})"),
        Purpose::Recovery { run: Some(run) } => format!(" (recovery for {run})"),
        Purpose::Recovery { run: None } => " (recovery)".to_owned(),
    };
    let _ = writeln!(
        text,
        "{} {} -> {}{purpose}",
        plan.product, plan.from, plan.to
    );
    for stage in &plan.stages {
        let _ = writeln!(text, "{}", heading(stage));
        for step in &stage.steps {
            let _ = writeln!(text, "{}", line(plan, step, what(&step.act)));
        }
    }
    for notice in plan.notices.iter().filter(|notice| notice.accept.is_some()) {
        let accept = notice.accept.as_deref().unwrap_or_default();
        let found = notice.found.as_deref().map(|found| format!(" [{found}]"));
        let found = found.unwrap_or_default();
        let _ = writeln!(text, "! {accept}: {}{found}", notice.text);
    }
    let seconds = plan.forecast.downtime_seconds;
    if let Some(seconds) = seconds {
        let because = &plan.forecast.downtime_because;
        let _ = writeln!(text, "downtime {seconds} s: {because}");
    }
    for space in &plan.forecast.space {
        let _ = writeln!(
            text,
            "space {}: {} of {}, {}",
            space.path,
            space.needed,
            space.free,
            space.uses.join(", ")
        );
    }
    text
}

fn heading(stage: &Stage) -> String {
    let mut text = match &stage.kind {
        StageKind::Preparation => "preparation".to_owned(),
        StageKind::Engines { to } => format!("engines at {to}"),
        StageKind::Migrate { to } => format!("migrate at {to}"),
        StageKind::Run { to } => format!("run {to}"),
        StageKind::Return { to } => format!("return to {to}"),
        StageKind::Recovery { to } => format!("recovery at {to}"),
        StageKind::RollOver { to } => format!("roll over to {to}"),
    };
    if !stage.required_by.is_empty() {
        let _ = write!(text, ", required by {}", stage.required_by.join(", "));
    }
    if stage.round > 1 {
        let _ = write!(text, ", round {}", stage.round);
    }
    text
}

fn line(plan: &Plan, step: &Step, what: String) -> String {
    let mut text = format!(
        "{:>4} {} {:<8} {}",
        step.number,
        if step.downtime { 'x' } else { ' ' },
        plan.verb(&step.act),
        what
    );
    match &step.interrupted {
        Interrupted::Repeat => {}
        Interrupted::RestoreFirst {
            datastore, redo, ..
        } => {
            let redo: Vec<String> = redo.iter().map(|number| format!(" {number}")).collect();
            let _ = write!(text, " | interrupted: restore {datastore}");
            if !redo.is_empty() {
                let _ = write!(text, ", redo{}", redo.concat());
            }
        }
        Interrupted::Halt { .. } => text.push_str(" | interrupted: halt"),
    }
    match &step.way_back {
        WayBack::NotNeeded => {}
        WayBack::Instant => text.push_str(" | back: instant"),
        WayBack::Shadow { datastores, .. } => {
            let names: Vec<&str> = datastores.iter().map(|name| name.as_str()).collect();
            let _ = write!(text, " | back: shadow {}", names.join("+"));
        }
        WayBack::Restore {
            datastores,
            by_hand,
            ..
        } => {
            let names: Vec<&str> = datastores.iter().map(|name| name.as_str()).collect();
            let _ = write!(text, " | back: {}", names.join("+"));
            if let Some(by_hand) = by_hand {
                let _ = write!(text, ", {by_hand} by hand");
            }
        }
        WayBack::Stacks { restored, by_hand } => {
            let _ = write!(text, " | back: stacks");
            for store in restored {
                let _ = write!(text, " + {store}");
            }
            for store in by_hand {
                let _ = write!(text, " + {store} by hand");
            }
        }
        WayBack::None { .. } => text.push_str(" | back: none"),
    }
    text
}

/// What a plan does, without where: equal for two deployments that are upgraded in the same steps with the
/// same images. A rehearsal's plan has the shape of the plan that is rehearsed, or the copy is none.
pub fn shape(plan: &Plan) -> String {
    let mut text = format!("{} {} -> {}\n", plan.product_name, plan.from, plan.to);
    for (name, datastore) in &plan.datastores {
        let method = match datastore.method {
            BackupMethod::Shadow => "shadow",
            BackupMethod::Dump => "dump",
            BackupMethod::None => "none",
        };
        let engine = datastore.engine.as_deref().unwrap_or("unknown");
        let _ = writeln!(text, "{name}: {method}, server {engine}");
    }
    for stage in &plan.stages {
        let _ = writeln!(text, "{}", heading(stage));
        for step in &stage.steps {
            let _ = writeln!(
                text,
                "{}{}",
                line(plan, step, moved(&step.act)),
                pinned(&step.act)
            );
        }
    }
    text
}

/// As [`what`], without names of files.
fn moved(act: &Act) -> String {
    match act {
        Act::Set { from, to, .. } => format!("{from} -> {to}"),
        other => what(other),
    }
}

/// What the images of a step are, immutably.
fn pinned(act: &Act) -> String {
    let pins: Vec<&ImagePin> = match act {
        Act::Fetch { image } | Act::Migrate { image, .. } => vec![image],
        Act::Start { images, .. } => images.values().collect(),
        Act::Carry { engine, .. } | Act::Exchange { engine, .. } => vec![&engine.image],
        Act::PutBack { engine, .. } => vec![&engine.was],
        _ => Vec::new(),
    };
    pins.iter()
        .filter_map(|pin| pin.id.as_deref().or(pin.digest.as_deref()))
        .map(|id| format!(" @{id}"))
        .collect()
}

fn what(act: &Act) -> String {
    match act {
        Act::Fetch { image } => image.reference.clone(),
        Act::Prepare { datastore }
        | Act::Seal { datastore }
        | Act::Prove { datastore }
        | Act::Restore { datastore, .. }
        | Act::Release { datastore, .. } => datastore.to_string(),
        Act::Carry { datastore, engine } | Act::Exchange { datastore, engine } => {
            format!("{datastore} {} -> {}", engine.from, engine.to)
        }
        Act::PutBack {
            datastore, engine, ..
        } => format!("{datastore} {} -> {}", engine.to, engine.from),
        Act::Stop { services } | Act::Start { services, .. } => {
            let names: Vec<&str> = services.iter().map(|name| name.as_str()).collect();
            names.join(", ")
        }
        Act::Set { edits, .. } => {
            let edits: Vec<String> = edits
                .iter()
                .map(|edit| format!("{}: {} -> {}", edit.path, edit.old, edit.new))
                .collect();
            edits.join(", ")
        }
        Act::Migrate {
            migration,
            version,
            demanded_by,
            ..
        } => {
            let demanded: Vec<&str> = demanded_by.iter().map(|by| by.as_str()).collect();
            match demanded.is_empty() {
                true => format!("{migration} ({version})"),
                false => format!("{migration} ({version}) for {}", demanded.join(" ")),
            }
        }
        Act::HandWork { work } => format!("{} ({})", work.id, known(&work.done)),
        Act::Verify { checks } => {
            let checks: Vec<String> = checks.iter().map(look).collect();
            checks.join(", ")
        }
        Act::Bring { parcel } => format!("{} ({})", parcel.id, parcel.what),
        Act::Snapshot { .. }
        | Act::Recall { .. }
        | Act::Rewind { .. }
        | Act::Update { .. }
        | Act::TakeBack { .. }
        | Act::Remove { .. }
        | Act::Terminate { .. }
        | Act::Renew { .. }
        | Act::EndRefresh { .. } => act.infrastructure().unwrap_or_default(),
    }
}

/// How it is known that a person's work is done.
fn known(done: &DoneWhen) -> String {
    match done {
        DoneWhen::Said => "said".to_owned(),
        DoneWhen::Command(run) => run.join(" "),
        DoneWhen::File { path, lines } => format!("{path}: {}", lines.join(", ")),
        DoneWhen::Merged(files) => format!("merged {}", files.join(", ")),
        DoneWhen::Server(is) => format!("{} is {}", is.datastore, is.lines.join(" or ")),
    }
}

fn look(check: &Check) -> String {
    match check {
        Check::Health { service, path, .. } => format!("{service}{path}"),
        Check::Stable { .. } => "stable".to_owned(),
        Check::WritePath { .. } => "write path".to_owned(),
        Check::Fits { datastore, engine } => format!("{datastore} fits {}", engine.to),
        Check::Counts {
            datastore, exact, ..
        } => {
            let exact = if *exact { "equal" } else { "counts" };
            format!("{exact} {datastore}")
        }
        Check::Content => "content".to_owned(),
        Check::AsTemplate { stack, logical } => {
            format!("{} of {stack} as its template says", logical.join(", "))
        }
        Check::Machine { stack, logical, .. } => format!("machine {logical} of {stack}"),
    }
}
