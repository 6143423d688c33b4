//! Plays scripts: lines that begin with `> ` are commands, what follows is what they print.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use switchback_model::product::Product;
use switchback_model::{Plan, Problem, RunId, StepNumber};

use super::imagined::Imagined;
use crate::{Experience, Proven, check_against, outline, rollback};

/// A script that cannot be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Line of the script, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Plays a script of this product: its comments and commands, with what they print now. Equal to the
/// script where nothing has changed.
pub fn play(product: &Product, script: &str) -> Result<String, Mistake> {
    let mut stage = Stage {
        product,
        site: None,
        plan: None,
        reached: 0,
    };
    let mut printed = String::new();
    for (place, line) in script.lines().enumerate() {
        if line.starts_with('#') {
            let _ = writeln!(printed, "{line}");
        } else if let Some(command) = line.strip_prefix("> ") {
            let answer = stage.act(command).map_err(|what| Mistake {
                line: place + 1,
                what,
            })?;
            let _ = writeln!(printed, "{line}");
            if !answer.is_empty() {
                let _ = writeln!(printed, "{answer}");
            }
        }
    }
    Ok(printed)
}

/// How far a script has come.
struct Stage<'a> {
    product: &'a Product,
    site: Option<Imagined<'a>>,
    plan: Option<Plan>,
    /// The step in whose middle the last plan stopped; one more than its last where it is done.
    reached: u32,
}

impl Stage<'_> {
    fn act(&mut self, command: &str) -> Result<String, String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["observe", product, edition, version, options @ ..] => {
                self.observe(product, edition, version, options)
            }
            ["plan", to] => self.make_plan(to),
            ["notes", to] => self.notes(to),
            ["crash", step] => {
                let step = step.parse().map_err(|_| format!("`{step}` is no step"))?;
                self.run_until(step)
            }
            ["finish"] => {
                let last = self.plan()?.steps().count() as u32;
                self.run_until(last + 1)
            }
            ["rollback"] => self.roll_back(),
            _ => Err(format!(
                "`{command}` is none of observe PRODUCT EDITION VERSION …, plan VERSION, notes VERSION, \
                 crash STEP, finish, rollback"
            )),
        }
    }

    fn observe(
        &mut self,
        product: &str,
        edition: &str,
        version: &str,
        options: &[&str],
    ) -> Result<String, String> {
        if product != self.product.id.as_str() {
            return Err(format!(
                "this definition is of `{}`, not of `{product}`",
                self.product.id
            ));
        }
        let mut site = Imagined::new(self.product, edition, version)?;
        for option in options {
            site.option(option)?;
        }
        self.site = Some(site);
        self.plan = None;
        self.reached = 0;
        Ok(String::new())
    }

    fn make_plan(&mut self, to: &str) -> Result<String, String> {
        self.plan = None;
        self.reached = 0;
        match self.site()?.plan(to) {
            Ok(planned) => {
                let objections = check_against(&planned.plan, self.product);
                if !objections.is_empty() {
                    return Err(format!("the plan is not sound: {objections:?}"));
                }
                let text = outline(&planned.plan);
                self.plan = Some(planned.plan);
                Ok(text)
            }
            Err(problem) => Ok(refused(&problem)),
        }
    }

    fn notes(&mut self, to: &str) -> Result<String, String> {
        Ok(match self.site()?.plan(to) {
            Ok(planned) => planned.notes.iter().fold(String::new(), |mut text, note| {
                let _ = writeln!(text, "{}: {}", note.place, note.text);
                text
            }),
            Err(problem) => refused(&problem),
        })
    }

    fn run_until(&mut self, step: u32) -> Result<String, String> {
        let acts: Vec<_> = self
            .plan()?
            .steps()
            .filter(|(_, known)| (self.reached..step).contains(&known.number.0))
            .map(|(_, known)| known.act.clone())
            .collect();
        self.reached = step;
        let site = self.site.as_mut().ok_or(NOTHING_OBSERVED)?;
        acts.iter().try_for_each(|act| site.execute(act))?;
        Ok(String::new())
    }

    fn roll_back(&mut self) -> Result<String, String> {
        let plan = self.plan()?;
        let finished: BTreeSet<StepNumber> = plan
            .steps()
            .map(|(_, step)| step.number)
            .filter(|number| number.0 < self.reached)
            .collect();
        let mut begun = finished.clone();
        begun.extend(plan.step(StepNumber(self.reached)).map(|step| step.number));
        let proven = Proven {
            run: RunId::new("r-0001"),
            begun,
            finished,
            writing_seconds: None,
        };
        Ok(
            match rollback(
                plan,
                &proven,
                &Experience::default(),
                self.site()?.observed(),
            ) {
                Ok(back) => {
                    let objections = check_against(&back, self.product);
                    if !objections.is_empty() {
                        return Err(format!("the way back is not sound: {objections:?}"));
                    }
                    outline(&back)
                }
                Err(problem) => refused(&problem),
            },
        )
    }

    fn site(&self) -> Result<&Imagined<'_>, String> {
        self.site
            .as_ref()
            .ok_or_else(|| NOTHING_OBSERVED.to_owned())
    }

    fn plan(&self) -> Result<&Plan, String> {
        self.plan
            .as_ref()
            .ok_or_else(|| "there is no plan: `plan VERSION` comes first".to_owned())
    }
}

const NOTHING_OBSERVED: &str =
    "nothing was observed: `observe PRODUCT EDITION VERSION` comes first";

fn refused(problem: &Problem) -> String {
    let mut text =
        format!("{:?} {}: {}\n", problem.exit, problem.code, problem.what).to_lowercase();
    for hint in &problem.hints {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}
