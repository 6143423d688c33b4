//! Scripts: lines that begin with `> ` are commands, what follows is what they print. Those of the catalog
//! are played as `switchback catalog test` plays them, the others on sites that no definition gives.
//!
//! `UPDATE_SCENARIOS=1 cargo test -p switchback-planner scenarios` writes the files anew; the diff is
//! the review of the change.
#![expect(
    clippy::disallowed_methods,
    reason = "a test reads its scripts; the planner itself does no I/O"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use switchback_model::Plan;
use switchback_planner::{check_against, outline, scenario};

use super::atelier::atelier_site;
use super::site::{GB, Site, proven_until};

const CATALOG: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../catalog/the-things-stack/scenarios"
);

#[test]
fn scenarios_print_what_they_always_printed() {
    let product = switchback_catalog::load("the-things-stack")
        .expect("the catalog has The Things Stack")
        .expect("its definition is well-formed");
    let mut changed = Vec::new();
    let scripts = scripts();
    assert!(scripts.len() >= 6, "the scripts are there");
    for path in scripts {
        let golden = std::fs::read_to_string(&path).expect("the script can be read");
        let printed = if path.starts_with(CATALOG) {
            scenario::play(&product, &golden).expect("the script can be played")
        } else {
            play(&golden)
        };
        if printed == golden {
            continue;
        }
        if std::env::var_os("UPDATE_SCENARIOS").is_some() {
            std::fs::write(&path, printed).expect("the script can be written");
        } else {
            changed.push(format!(
                "{}\n{}",
                path.display(),
                first_change(&golden, &printed)
            ));
        }
    }
    assert!(changed.is_empty(), "{}", changed.join("\n\n"));
}

fn scripts() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        PathBuf::from(CATALOG),
        root.join("tests/planning/scenarios"),
    ];
    let mut scripts: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).expect("the folder is there"))
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    scripts.sort();
    scripts
}

/// Plays a script: its comments and commands with what they print now.
fn play(script: &str) -> String {
    let mut stage = Stage::default();
    let mut printed = String::new();
    for line in script.lines() {
        if line.starts_with('#') {
            let _ = writeln!(printed, "{line}");
        } else if let Some(command) = line.strip_prefix("> ") {
            let _ = writeln!(printed, "{line}");
            let answer = stage.act(command);
            if !answer.is_empty() {
                let _ = writeln!(printed, "{answer}");
            }
        }
    }
    printed
}

fn first_change(golden: &str, printed: &str) -> String {
    let mut golden_lines = golden.lines();
    for line in printed.lines() {
        let was = golden_lines.next().unwrap_or_default();
        if was != line {
            return format!("  was: {was}\n  is:  {line}");
        }
    }
    "  it prints less than before".to_owned()
}

#[derive(Default)]
struct Stage {
    site: Option<Site>,
    plan: Option<Plan>,
    reached: u32,
}

impl Stage {
    fn act(&mut self, command: &str) -> String {
        let mut words = command.split_whitespace();
        let verb = words.next().expect("a command has a verb");
        let rest: Vec<&str> = words.collect();
        match verb {
            "observe" => self.observe(&rest),
            "plan" => self.make_plan(&rest),
            "notes" => self.notes(&rest),
            "crash" => self.crash(&rest),
            "finish" => self.finish(),
            "rollback" => self.roll_back(),
            other => panic!("no command `{other}`"),
        }
    }

    /// `observe PRODUCT EDITION VERSION [probe=answer | backup:DATASTORE=METHOD | no-DATASTORE |
    /// stopped | free=GIGABYTES]…`
    fn observe(&mut self, words: &[&str]) -> String {
        let [product, edition, version, options @ ..] = words else {
            panic!("observe PRODUCT EDITION VERSION")
        };
        let mut site = match *product {
            "the-things-stack" => Site::things_stack(edition, version),
            "atelier" => atelier_site(version, *edition == "together"),
            other => panic!("no product `{other}`"),
        };
        for option in options {
            site = with_option(site, option);
        }
        self.site = Some(site);
        self.reached = 0;
        String::new()
    }

    fn make_plan(&mut self, words: &[&str]) -> String {
        let site = self.site();
        match site.plan(words[0]) {
            Ok(planned) => {
                let objections = check_against(&planned.plan, &site.product);
                assert!(objections.is_empty(), "{objections:#?}");
                let text = outline(&planned.plan);
                self.plan = Some(planned.plan);
                text
            }
            Err(problem) => refused(&problem),
        }
    }

    fn notes(&mut self, words: &[&str]) -> String {
        let planned = self.site().plan(words[0]).expect("there is a plan");
        let mut text = String::new();
        for note in planned.notes {
            let _ = writeln!(text, "{}: {}", note.place, note.text);
        }
        text
    }

    /// The process dies in the middle of a step: all before it is done.
    fn crash(&mut self, words: &[&str]) -> String {
        let number: u32 = words[0].parse().expect("the step is a number");
        self.reached = number;
        self.run_until(number)
    }

    fn finish(&mut self) -> String {
        let last = self.plan().steps().count() as u32;
        self.reached = last + 1;
        self.run_until(last + 1)
    }

    fn run_until(&mut self, number: u32) -> String {
        let acts: Vec<_> = self
            .plan()
            .steps()
            .filter(|(_, step)| step.number.0 < number)
            .map(|(_, step)| step.act.clone())
            .collect();
        let site = self.site.as_mut().expect("a site was observed");
        for act in &acts {
            site.execute(act);
        }
        String::new()
    }

    fn roll_back(&mut self) -> String {
        let plan = self.plan();
        let last = plan.steps().count() as u32;
        let proven = proven_until(plan, self.reached, self.reached <= last);
        match self.site().way_back(plan, &proven) {
            Ok(back) => {
                let objections = check_against(&back, &self.site().product);
                assert!(objections.is_empty(), "{objections:#?}");
                outline(&back)
            }
            Err(problem) => refused(&problem),
        }
    }

    fn site(&self) -> &Site {
        self.site.as_ref().expect("a site was observed")
    }

    fn plan(&self) -> &Plan {
        self.plan.as_ref().expect("a plan was made")
    }
}

fn with_option(mut site: Site, option: &str) -> Site {
    if let Some(datastore) = option.strip_prefix("no-") {
        site.observed
            .datastores
            .retain(|known| known.name.as_str() != datastore);
        return site;
    }
    match option.split_once('=') {
        Some((name, method)) if name.starts_with("backup:") => {
            site.backup(name.trim_start_matches("backup:"), method)
        }
        Some(("free", gigabytes)) => {
            let free: u64 = gigabytes.parse().expect("space is a number");
            for filesystem in &mut site.observed.filesystems {
                filesystem.free = free * GB;
            }
            site
        }
        Some((probe, answer)) => site.answer(probe, answer),
        None => panic!("no option `{option}`"),
    }
}

fn refused(problem: &switchback_model::Problem) -> String {
    let mut text =
        format!("{:?} {}: {}\n", problem.exit, problem.code, problem.what).to_lowercase();
    for hint in &problem.hints {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}
