//! One suite that every driver and every datastore passes, and so do the simulated
//! ones. Each function panics with the clause that does not hold.

use std::collections::BTreeMap;

use switchback_engine::content::Carrier;
use switchback_engine::ports::{
    Context, Datastore, Driver, Finding, MigrationCall, MigrationTrace,
};
use switchback_model::event::Completed;
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Act, BackupState, Expectation, FileEdit};
use switchback_model::{DatastoreName, ServiceName};

/// What a datastore is tried with.
pub struct DatastoreTrial<'a> {
    /// Its name in the plan of the context.
    pub name: DatastoreName,
    /// Changes its data, as a migration would.
    pub change: &'a mut dyn FnMut(),
}

/// Backs a datastore up, proves it, spoils the data, brings it back; each call twice.
/// Nobody else may write to it meanwhile.
pub fn datastore(datastore: &dyn Datastore, cx: &Context<'_>, trial: DatastoreTrial<'_>) {
    let backup = |state| Expectation::Backup {
        datastore: trial.name.clone(),
        state,
        run: None,
    };
    let restored = Expectation::Restored {
        datastore: trial.name.clone(),
        run: cx.run.clone(),
    };
    let released = Expectation::Released {
        datastore: trial.name.clone(),
        run: cx.run.clone(),
    };
    let holds = |clause: &str, expectation: &Expectation| {
        assert_eq!(datastore.look(cx, expectation), Finding::Holds, "{clause}");
    };
    let before = datastore.contents(cx).expect("contents can be read");
    assert_ne!(
        datastore.look(cx, &backup(BackupState::Prepared)),
        Finding::Holds,
        "nothing is prepared before prepare"
    );
    for time in ["prepare", "prepare again"] {
        datastore.prepare(cx).expect(time);
        holds(time, &backup(BackupState::Prepared));
    }
    for time in ["seal", "seal again"] {
        datastore.seal(cx).expect(time);
        holds(time, &backup(BackupState::Sealed));
    }
    assert_ne!(
        datastore.look(cx, &backup(BackupState::Proven)),
        Finding::Holds,
        "a sealed backup is not yet a proven one"
    );
    for time in ["prove", "prove again"] {
        datastore.prove(cx).expect(time);
        holds(time, &backup(BackupState::Proven));
    }
    let sealed = datastore
        .sealed_contents(cx, cx.run)
        .expect("the manifest can be read");
    assert_eq!(sealed, before, "the manifest tells what was there");

    (trial.change)();
    assert_ne!(
        datastore.contents(cx).expect("contents can be read"),
        before,
        "a change is seen"
    );
    assert_ne!(
        datastore.look(cx, &restored),
        Finding::Holds,
        "changed data is not restored data"
    );
    for time in ["restore", "restore again"] {
        datastore.restore(cx, cx.run).expect(time);
        holds(time, &restored);
    }
    assert_eq!(
        datastore.contents(cx).expect("contents can be read"),
        before,
        "everything is back"
    );
    for time in ["release", "release again"] {
        datastore.release(cx, cx.run).expect(time);
        holds(time, &released);
    }
    for time in ["clean", "clean again"] {
        datastore.clean(cx).expect(time);
    }
    holds(
        "a sealed backup outlives cleaning",
        &backup(BackupState::Proven),
    );
    assert_eq!(
        datastore.contents(cx).expect("contents can be read"),
        before,
        "cleaning touches no data"
    );
}

/// What a driver is tried with: a deployment whose services run.
pub struct DriverTrial<'a> {
    /// Its services.
    pub services: Vec<ServiceName>,
    /// An image that can be fetched and started.
    pub image: ImagePin,
    /// An edit that names it.
    pub edit: FileEdit,
    /// A migration that ends well.
    pub migration: MigrationCall<'a>,
    /// How often that migration was run so far, as its datastore tells.
    pub times_run: &'a dyn Fn() -> u64,
}

/// Upgrades a deployment by hand: each call twice.
pub fn driver(driver: &dyn Driver, cx: &Context<'_>, trial: &DriverTrial<'_>) {
    let holds = |clause: &str, expectation: Expectation| {
        assert_eq!(driver.look(cx, &expectation), Finding::Holds, "{clause}");
    };
    let (services, image) = (trial.services.clone(), trial.image.clone());
    for time in ["fetch", "fetch again"] {
        driver.fetch(cx, &image).expect(time);
        holds(
            time,
            Expectation::ImageHere {
                image: image.clone(),
            },
        );
    }
    for time in ["stop", "stop again"] {
        driver.stop(cx, &services).expect(time);
        holds(
            time,
            Expectation::Stopped {
                services: services.clone(),
            },
        );
    }
    for time in ["set", "set again"] {
        driver
            .set(cx, std::slice::from_ref(&trial.edit))
            .expect(time);
        holds(
            time,
            Expectation::File {
                path: trial.edit.path.clone(),
                digest: trial.edit.after.clone(),
            },
        );
    }
    migrate_once(driver, cx, trial);
    let images: BTreeMap<ServiceName, ImagePin> = services
        .iter()
        .map(|service| (service.clone(), image.clone()))
        .collect();
    for time in ["start", "start again"] {
        driver.start(cx, &services, &images).expect(time);
        holds(
            time,
            Expectation::Running {
                services: services.clone(),
            },
        );
        for service in &services {
            holds(
                time,
                Expectation::Runs {
                    service: service.clone(),
                    image: image.clone(),
                },
            );
        }
    }
    for time in ["clean", "clean again"] {
        driver.clean(cx).expect(time);
    }
    assert_eq!(
        driver
            .trace(cx, trial.migration.migration)
            .expect("a trace"),
        MigrationTrace::NeverStarted,
        "cleaning leaves nothing of a migration"
    );
}

fn migrate_once(driver: &dyn Driver, cx: &Context<'_>, trial: &DriverTrial<'_>) {
    let migration = trial.migration.migration;
    let ended_well = Expectation::Migrated {
        migration: migration.clone(),
        version: trial.migration.version.clone(),
    };
    let trace = |clause: &str| driver.trace(cx, migration).expect(clause);
    assert_eq!(
        trace("before"),
        MigrationTrace::NeverStarted,
        "nothing was started yet"
    );
    assert_ne!(
        driver.look(cx, &ended_well),
        Finding::Holds,
        "nor has it ended well"
    );
    driver.migrate(cx, &trial.migration).expect("migrate");
    let times = (trial.times_run)();
    assert_eq!(
        driver.look(cx, &ended_well),
        Finding::Holds,
        "it has ended well"
    );
    assert_eq!(
        trace("after"),
        MigrationTrace::Exited { code: 0 },
        "and says so"
    );
    let again = driver.migrate(cx, &trial.migration).expect("migrate again");
    assert_eq!(
        again.completed,
        Completed::Adopted,
        "the second call adopts the first one's end"
    );
    assert_eq!((trial.times_run)(), times, "and runs nothing");
    for time in ["discard", "discard again"] {
        driver.discard(cx, migration).expect(time);
        assert_eq!(trace(time), MigrationTrace::NeverStarted, "{time}");
    }
}

/// Brings the content of the context's plan, which is at the old instance and not yet at the new one: each call twice.
pub fn carrier(carrier: &dyn Carrier, cx: &Context<'_>) {
    let parcels = cx.plan.steps().filter_map(|(_, step)| match &step.act {
        Act::Bring { parcel } => Some(parcel),
        _ => None,
    });
    let parcels: Vec<_> = parcels.collect();
    assert!(!parcels.is_empty(), "there is something to bring");
    let look = |expectation| carrier.look(cx, &expectation);
    assert!(
        carrier.compare(cx).is_err(),
        "what was not brought is not the same on both sides"
    );
    for parcel in parcels {
        let id = || parcel.id.clone();
        let arrived = || look(Expectation::Arrived { parcel: id() });
        for clause in [
            Expectation::Original { parcel: id() },
            Expectation::Room { parcel: id() },
        ] {
            assert_eq!(look(clause), Finding::Holds, "{} may be brought", parcel.id);
        }
        assert_ne!(arrived(), Finding::Holds, "{} is not there", parcel.id);
        for time in ["bring", "bring again"] {
            carrier.bring(cx, parcel).expect(time);
            assert_eq!(arrived(), Finding::Holds, "{time} {}", parcel.id);
        }
        let room = look(Expectation::Room { parcel: id() });
        assert_eq!(room, Finding::Holds, "{} is not in its own way", parcel.id);
        let original = look(Expectation::Original { parcel: id() });
        assert_eq!(original, Finding::Holds, "{} stays where it was", parcel.id);
    }
    carrier.compare(cx).expect("the same on both sides");
    for time in ["clean", "clean again"] {
        carrier.clean(cx).expect(time);
    }
    carrier.compare(cx).expect("cleaning takes nothing away");
}
