//! Acts and expectations as people read them.

use switchback_model::ServiceName;
use switchback_model::plan::{Act, BackupState, Expectation, Plan, Purpose};

/// What a step does, e.g. `migrate is-db`.
pub(crate) fn doing(plan: &Plan, act: &Act) -> String {
    let about = match act {
        Act::Fetch { image } => image.reference.clone(),
        Act::Stop { services } | Act::Start { services, .. } => names(services),
        Act::Set { to, .. } => to.to_string(),
        Act::Migrate {
            migration, version, ..
        } => format!("{migration} ({version})"),
        Act::Verify { .. } => return plan.verb(act).to_owned(),
        Act::HandWork { work } => work.id.clone(),
        Act::Carry { datastore, engine } | Act::Exchange { datastore, engine } => {
            format!("{datastore} to {}", engine.to)
        }
        Act::PutBack {
            datastore, engine, ..
        } => format!("{datastore} to {}", engine.from),
        Act::Prepare { datastore }
        | Act::Seal { datastore }
        | Act::Prove { datastore }
        | Act::Restore { datastore, .. }
        | Act::Release { datastore, .. } => datastore.to_string(),
        Act::Bring { parcel } => parcel.id.clone(),
        Act::Snapshot { .. }
        | Act::Recall { .. }
        | Act::Rewind { .. }
        | Act::Update { .. }
        | Act::TakeBack { .. }
        | Act::Remove { .. }
        | Act::Terminate { .. }
        | Act::Renew { .. }
        | Act::EndRefresh { .. } => act.infrastructure().unwrap_or_default(),
    };
    format!("{} {about}", plan.verb(act))
}

/// What is expected, as the end of `expected …`.
pub(crate) fn expected(expectation: &Expectation) -> String {
    match expectation {
        Expectation::ImageHere { image } => format!("image `{}` to be here", image.reference),
        Expectation::Running { services } => format!("{} to run", names(services)),
        Expectation::Stopped { services } => format!("{} to be stopped", names(services)),
        Expectation::Runs { service, image } => {
            format!("`{service}` to be made from `{}`", image.reference)
        }
        Expectation::File { path, digest } => {
            format!("`{path}` to have digest {}", digest.short())
        }
        Expectation::Reachable { datastore } => format!("`{datastore}` to answer"),
        Expectation::Engine { datastore, version } => {
            format!("the server of `{datastore}` to be version {version}")
        }
        Expectation::NoWriters { datastore } => format!("nobody to write to `{datastore}`"),
        Expectation::Backup {
            datastore, state, ..
        } => {
            let state = match state {
                BackupState::Prepared => "prepared",
                BackupState::Compared => "compared",
                BackupState::Sealed => "sealed",
                BackupState::Proven => "proven",
            };
            format!("the backup of `{datastore}` to be {state}")
        }
        Expectation::Carried { datastore, version } => {
            format!("`{datastore}` to be carried over to {version}, and unchanged since")
        }
        Expectation::Migrated { migration, version } => {
            format!("`{migration}` ({version}) to have ended with 0")
        }
        Expectation::DoneByHand { work, .. } => format!("`{work}` to be done by hand"),
        Expectation::Restored { datastore, run } => {
            format!("`{datastore}` to hold what the backup of `{run}` holds")
        }
        Expectation::Released { datastore, .. } => {
            format!("nothing to be left beside `{datastore}`")
        }
        Expectation::Original { parcel } => {
            format!("`{parcel}` to be at the old instance as it was when planning")
        }
        Expectation::Room { parcel } => format!("room for `{parcel}` at the new instance"),
        Expectation::Arrived { parcel } => format!("`{parcel}` to have arrived as it is"),
        Expectation::Stack { is } => format!(
            "stack `{}` to be steady, with template {} and the parameters of the plan",
            is.stack,
            is.body.short()
        ),
        Expectation::NoStack { stack } => format!("no stack `{stack}`"),
        Expectation::HalfWay { stack, stuck, .. } => format!(
            "the update of stack `{stack}` to be half way back, stuck at {}",
            stuck.join(", ")
        ),
        Expectation::TakenBack { stack, .. } => {
            format!("the update of stack `{stack}` to be taken back")
        }
        Expectation::Snapshotted { stack, logical } => {
            format!("the snapshot or mark of `{logical}` of `{stack}` to be complete")
        }
        Expectation::Kept { snapshot } => format!(
            "the snapshot `{}` of `{}` to be complete",
            snapshot.handle, snapshot.store.logical
        ),
        Expectation::Recalled { mark } => format!(
            "the snapshot of `{}` at its mark to be complete, and its copy to be gone",
            mark.store.logical
        ),
        Expectation::Rewound { objects } => format!("the bucket {objects}"),
        Expectation::Terminated { machine } => format!("machine `{machine}` to be gone"),
        Expectation::Renewed { stack, logical } => {
            format!("no machine of `{logical}` of `{stack}` to be behind")
        }
        Expectation::NoRefresh { stack, logical, .. } => {
            format!("no instance refresh of `{logical}` of `{stack}` to be under way")
        }
    }
}

/// The command that makes such a plan anew.
pub(crate) fn planning(plan: &Plan) -> String {
    match &plan.purpose {
        Purpose::RollOver(content) => format!(
            "switchback rollover --from {} --to {}",
            content.from.api, content.into.api
        ),
        Purpose::Rehearsal { of } => format!("switchback rehearse {of}"),
        Purpose::Recovery { .. } => "switchback plan".to_owned(),
        Purpose::Upgrade | Purpose::Rollback { .. } => {
            format!("switchback plan --to {}", plan.to)
        }
    }
}

/// Names in backticks, separated by commas.
pub(crate) fn names(services: &[ServiceName]) -> String {
    let quoted: Vec<String> = services.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
