//! The simulated driver and datastores keep the same contract as the real ones.

use switchback_engine::ports::{Context, MigrationCall, Silent};
use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::plan::{Act, FileEdit};
use switchback_model::{Plan, RunId, StepNumber};
use switchback_testkit::Scenario;
use switchback_testkit::content::SimCarrier;
use switchback_testkit::contract::{self, DatastoreTrial, DriverTrial};
use switchback_testkit::plans::{image, services};
use switchback_testkit::scenario::TO;

fn with_context(plan: &Plan, call: impl FnOnce(&Context<'_>)) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (run, stop) = (RunId::new("r-1"), StopSignal::default());
    let commands = Commands::new(
        directory.path().join("children"),
        Redactor::default(),
        stop.clone(),
    );
    call(&Context {
        plan,
        run: &run,
        step: StepNumber(7),
        backups: directory.path(),
        commands: &commands,
        progress: &Silent,
        stop: &stop,
    });
}

#[test]
fn the_simulated_datastores_keep_the_contract() {
    for name in ["identity", "redis"] {
        let scenario = Scenario::two_legs();
        let site = scenario.site();
        scenario.world.touch(|now| {
            for service in now.services.values_mut() {
                service.running = false;
            }
        });
        let mut change = || {
            scenario.world.touch(|now| {
                for store in now.stores.values_mut() {
                    store.live.collections.pop_last();
                }
            });
        };
        with_context(&scenario.plan, |cx| {
            let trial = DatastoreTrial {
                name: name.into(),
                change: &mut change,
            };
            contract::datastore(site.datastores[&name.into()].as_ref(), cx, trial);
        });
    }
}

#[test]
fn the_simulated_drivers_keep_the_contract() {
    for scenario in [Scenario::one_leg(), Scenario::packaged()] {
        driver_keeps_the_contract(&scenario);
    }
}

#[test]
fn the_simulated_carrier_keeps_the_contract() {
    let scenario = Scenario::roll_over();
    with_context(&scenario.plan, |cx| {
        contract::carrier(&SimCarrier::of(&scenario.world), cx);
    });
}

fn driver_keeps_the_contract(scenario: &Scenario) {
    let site = scenario.site();
    let mut found: Option<FileEdit> = None;
    for (_, step) in scenario.plan.steps() {
        if let Act::Set { edits, .. } = &step.act {
            found = edits.first().cloned();
        }
    }
    let run = ["is-db".to_owned(), "migrate".to_owned()];
    let applied = || {
        scenario
            .world
            .touch(|now| now.stores[&"identity".into()].live.applied.len() as u64)
    };
    let (migration, version, pin, service) = ("is-db".into(), TO.into(), image(TO), "stack".into());
    let trial = DriverTrial {
        services: services(),
        image: image(TO),
        edit: found.expect("the plan edits a file"),
        migration: MigrationCall {
            migration: &migration,
            version: &version,
            image: &pin,
            service: &service,
            run: &run,
        },
        times_run: &applied,
    };
    with_context(&scenario.plan, |cx| {
        contract::driver(site.driver.as_ref(), cx, &trial);
    });
}
