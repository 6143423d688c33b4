//! What brings content keeps the contract that its simulation keeps.

use switchback_engine::ports::{Context, Silent};
use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_model::plan::Purpose;
use switchback_model::{Plan, RunId, SecretRef, StepNumber};
use switchback_testkit::contract;

use super::scene::{NEW_KEY, OLD_KEY, Scene};
use super::whole::judge;

#[test]
fn the_carrier_keeps_the_contract() {
    let scene = Scene::new();
    let plan = scene.state().join("plans").join(scene.planned() + ".json");
    let plan = std::fs::read(plan).expect("the plan was saved");
    let mut plan: Plan = serde_json::from_slice(&plan).expect("it is a plan");
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let Purpose::RollOver(content) = &mut plan.purpose else {
        panic!("it is another plan: {:?}", plan.purpose);
    };
    for (instance, key) in [(&mut content.from, OLD_KEY), (&mut content.into, NEW_KEY)] {
        let file = directory.path().join(key);
        std::fs::write(&file, key).expect("it can be written");
        instance.key = SecretRef::File(file.display().to_string());
    }
    let (redactor, stop) = (Redactor::default(), StopSignal::default());
    let carrier = switchback_rollover::carrier(content, &redactor).expect("both keys are here");
    let commands = Commands::new(directory.path().join("children"), redactor, stop.clone());
    contract::carrier(
        carrier.as_ref(),
        &Context {
            plan: &plan,
            run: &RunId::new("r-1"),
            step: StepNumber(1),
            backups: directory.path(),
            commands: &commands,
            progress: &Silent,
            stop: &stop,
        },
    );
    judge(&scene);
}
