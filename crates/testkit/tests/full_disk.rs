//! The filesystem of the journal is full in the middle of a run: what cannot be recorded is not done.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_engine::{Ended, Engine, Order};
use switchback_journal::StateDirectory;
use switchback_model::RunId;
use switchback_model::event::{Event, Stamped};
use switchback_model::exit::Exit;
use switchback_testkit::Scenario;
use switchback_testkit::plans::deployment;

/// A small filesystem of its own, unmounted in the end.
struct Small {
    path: PathBuf,
}

impl Small {
    /// `None` for a user who may not mount anything.
    fn mount(path: &Path) -> Option<Self> {
        fs::create_dir(path).expect("a place to mount it");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"])
            .arg(path)
            .status()
            .is_ok_and(|status| status.success());
        mounted.then(|| Self {
            path: path.to_owned(),
        })
    }

    /// Leaves no byte free, whoever asks.
    fn fill(&self) {
        let mut file = File::create(self.path.join("ballast")).expect("there is room for a name");
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn relieve(&self) {
        fs::remove_file(self.path.join("ballast")).expect("it is there");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "says what was not tried, and why")]
fn a_journal_without_space_stops_the_run_and_resume_goes_on() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let Some(small) = Small::mount(&directory.path().join("small")) else {
        println!("not tried: only root may mount a small filesystem");
        return;
    };
    let state = StateDirectory::open(small.path.join("state")).expect("it can be made");
    let scenario = Scenario::one_leg();
    let (site, run) = (scenario.site(), RunId::new("r-00000001"));
    let order = Order {
        plan: &scenario.plan,
        run: &run,
        deployment: &deployment(),
        accepted: &[],
        done: &[],
        by: "ann@lab",
        program: "0.1.0",
    };
    let engine = Engine::new(state.clone(), Redactor::default(), StopSignal::default());
    let before = scenario.world.snapshot();
    let full = |stamped: &Stamped| {
        if matches!(&stamped.event, Event::StepFinished { step, .. } if step.0 == 1) {
            small.fill();
        }
    };
    let problem = engine
        .run(&order, &site, &full)
        .expect_err("the journal is full");
    assert_eq!(
        (problem.code.as_str(), problem.exit),
        ("journal-full", Exit::Refused)
    );
    assert_eq!(
        problem.why.as_deref(),
        Some("what cannot be recorded is not done")
    );
    assert!(
        problem
            .hints
            .iter()
            .any(|hint| hint == "then: switchback resume r-00000001"),
        "{:?}",
        problem.hints
    );
    assert_eq!(
        scenario.world.snapshot(),
        before,
        "nothing was stopped or changed"
    );
    let prepared = scenario
        .world
        .touch(|now| now.stores.values().any(|store| !store.backups.is_empty()));
    assert!(!prepared, "the step that could not be recorded did not act");

    small.relieve();
    let ended = engine.run(&order, &site, &|_: &Stamped| {});
    // This very process still holds the lease where even giving it back found no space.
    let ended = match ended {
        Err(problem) if problem.code == "deployment-held" => {
            let another = Engine::new(state, Redactor::default(), StopSignal::default())
                .with_process(switchback_journal::ProcessIdentity {
                    boot: "after a restart".to_owned(),
                    ..switchback_journal::ProcessIdentity::current()
                });
            another.run(&order, &site, &|_: &Stamped| {})
        }
        ended => ended,
    };
    assert!(matches!(ended, Ok(Ended::Finished { .. })), "{ended:#?}");
}
