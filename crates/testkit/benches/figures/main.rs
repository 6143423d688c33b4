//! Figures that `cargo xtask bench` puts into its table: how long planning takes, and what the engine costs per step.
//!
//! Prints one JSON object. Durations are medians: a busy machine makes some runs slow and none fast.

#![expect(clippy::print_stdout, reason = "the figures are the answer")]

mod stacks;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use switchback_engine::ports::{
    Context, Driver, Failure, Finding, MigrationCall, MigrationTrace, Site,
};
use switchback_engine::process::{Argv, Input, Output};
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_engine::{Ended, Engine, Order};
use switchback_journal::StateDirectory;
use switchback_model::event::{Outcome, Stamped};
use switchback_model::observed::ImagePin;
use switchback_model::plan::{Check, Expectation, FileEdit, StageKind};
use switchback_model::product::{Product, parse};
use switchback_model::{Digest, MigrationId, RunId, ServiceName};
use switchback_planner::path::{Query, find};
use switchback_testkit::plans::{PlanBuilder, deployment, file};

/// Steps of the procedure that the engine, Ansible and a shell script all carry out.
const STEPS: u32 = 30;

/// How often the procedure is carried out.
const ROUNDS: usize = 9;

fn main() {
    let gitlab = switchback_catalog::load("gitlab")
        .expect("the catalog has GitLab")
        .expect("its definition is well-formed");
    let (plan_gitlab, legs) = planning(&gitlab, "8.17", "18.11");
    let synthetic = parse::parse(&[("product.toml", &definition(5_000))])
        .expect("the made-up definition is well-formed")
        .product;
    let (plan_synthetic, synthetic_legs) = planning(&synthetic, "0.0.0", "499.9.0");
    let things = switchback_catalog::load("the-things-stack")
        .expect("the catalog has The Things Stack")
        .expect("its definition is well-formed");
    let (plan_stacks, stack_steps) = stacks::planning(&things);
    let stacks = stacks::STACKS;
    let step = engine();
    println!(
        "{{\"plan_stacks_ms\":{plan_stacks:.3},\"stacks\":{stacks},\"stack_steps\":{stack_steps},\"plan_gitlab_ms\":{plan_gitlab:.3},\"gitlab_stages\":{legs},\"plan_synthetic_ms\":{plan_synthetic:.3},\"synthetic_stages\":{synthetic_legs},\"engine_step_ms\":{step:.3},\"steps\":{STEPS}}}"
    );
}

/// Median milliseconds of one path search, and how many legs it finds.
fn planning(product: &Product, from: &str, to: &str) -> (f64, usize) {
    let query = Query::new(from, to);
    let legs = find(product, &query).expect("there is a way").legs.len();
    let mut times: Vec<f64> = (0..200)
        .map(|_| {
            let since = Instant::now();
            drop(black_box(find(black_box(product), black_box(&query))));
            since.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    (median(&mut times), legs)
}

/// A product of many releases, with a required stop at every fiftieth.
fn definition(releases: u32) -> String {
    let mut text = "[product]\nid = \"synthetic\"\nname = \"Synthetic\"\nscheme = \"semver\"\npath-only = true\ndrivers = [\"compose\"]\n".to_owned();
    for number in 0..releases {
        let version = format!("{}.{}.0", number / 10, number % 10);
        let _ = writeln!(
            text,
            "[[release]]\nversion = \"{version}\"\nsource = \"made up\""
        );
        if number % 50 == 49 {
            let _ = writeln!(
                text,
                "[[stop]]\nid = \"at-{number}\"\nkind = \"run\"\nfrom = \"<{version}\"\nat = [\"{version}\"]\nbecause = \"made up\"\nsource = \"made up\""
            );
        }
    }
    text
}

/// Median milliseconds per step: guard, two durable writes, one child process, verification.
fn engine() -> f64 {
    // On the disk that the target directory is on, not in memory: the writes are what costs.
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let place =
                tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
            round(place.path()) * 1_000.0 / f64::from(STEPS)
        })
        .collect();
    median(&mut times)
}

/// Seconds for the whole procedure with an empty journal.
fn round(place: &std::path::Path) -> f64 {
    // Five steps make the plan one that the checker admits; the others only fetch.
    let plan = (1..=STEPS - 5)
        .fold(PlanBuilder::new("1.0.0", "1.1.0", &[]), |plan, number| {
            plan.fetch(&format!("1.0.{number}"))
        })
        .fetch("1.1.0")
        .stage(StageKind::Run { to: "1.1.0".into() }, 1)
        .stop()
        .set("1.1.0")
        .start("1.1.0")
        .verify("1.1.0")
        .seal_plan();
    let state = StateDirectory::open(place.join("state")).expect("a state directory");
    let engine = Engine::new(state, Redactor::default(), StopSignal::default());
    let run = RunId::new("r-0001");
    let order = Order {
        plan: &plan,
        run: &run,
        deployment: &deployment(),
        accepted: &[],
        done: &[],
        by: "bench@machine",
        program: "0.0.0",
    };
    let site = Site {
        driver: Box::new(Touches {
            place: place.to_owned(),
        }),
        datastores: [].into(),
    };
    let since = Instant::now();
    let ended = engine
        .run(&order, &site, &|_: &Stamped| {})
        .expect("the run is admitted");
    let took = since.elapsed().as_secs_f64();
    assert!(matches!(ended, Ended::Finished { .. }), "{ended:?}");
    took
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Every act makes an empty file by a child process; every question is whether a file is there.
struct Touches {
    place: PathBuf,
}

impl Touches {
    fn touch(&self, cx: &Context<'_>, name: &str) -> Result<Outcome, Failure> {
        let file = self.place.join(name).to_string_lossy().into_owned();
        cx.commands
            .run(&Argv::new("touch", [file]), Input::Empty, Output::Capture)
            .map(|_| Outcome::default())
            .map_err(|error| error.into_failure("touch", "cannot make a file"))
    }

    fn has(&self, name: &str) -> bool {
        self.place.join(name).exists()
    }
}

fn name_of(image: &ImagePin) -> String {
    image.reference.replace(['/', ':'], "-")
}

impl Driver for Touches {
    fn look(&self, _: &Context<'_>, expectation: &Expectation) -> Finding {
        let version = if self.has("set") { "1.1.0" } else { "1.0.0" };
        let holds = match expectation {
            Expectation::ImageHere { image } => self.has(&name_of(image)),
            Expectation::File { digest, .. } => *digest == Digest::of(file(version)),
            Expectation::Stopped { .. } => self.has("stopped") && !self.has("started"),
            Expectation::Running { .. } => self.has("started") || !self.has("stopped"),
            Expectation::Runs { .. } => self.has("started"),
            _ => return Finding::Holds,
        };
        if holds {
            return Finding::Holds;
        }
        Finding::Differs {
            found: "no such file".to_owned(),
        }
    }

    fn fetch(&self, cx: &Context<'_>, image: &ImagePin) -> Result<Outcome, Failure> {
        self.touch(cx, &name_of(image))
    }

    fn stop(&self, cx: &Context<'_>, _: &[ServiceName]) -> Result<Outcome, Failure> {
        self.touch(cx, "stopped")
    }

    fn start(
        &self,
        cx: &Context<'_>,
        _: &[ServiceName],
        _: &BTreeMap<ServiceName, ImagePin>,
    ) -> Result<Outcome, Failure> {
        self.touch(cx, "started")
    }

    fn set(&self, cx: &Context<'_>, _: &[FileEdit]) -> Result<Outcome, Failure> {
        self.touch(cx, "set")
    }

    fn trace(&self, _: &Context<'_>, _: &MigrationId) -> Result<MigrationTrace, Failure> {
        Ok(MigrationTrace::NeverStarted)
    }

    fn migrate(&self, cx: &Context<'_>, call: &MigrationCall<'_>) -> Result<Outcome, Failure> {
        self.touch(cx, call.migration.as_str())
    }

    fn discard(&self, _: &Context<'_>, _: &MigrationId) -> Result<(), Failure> {
        Ok(())
    }

    fn check(&self, cx: &Context<'_>, _: &Check) -> Result<Outcome, Failure> {
        self.touch(cx, "checked")
    }

    fn clean(&self, _: &Context<'_>) -> Result<(), Failure> {
        Ok(())
    }
}
