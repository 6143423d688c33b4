//! `switchback plan`: looks, decides, saves; or refuses with reasons.

use std::fmt::Write as _;

use serde::Serialize;
use switchback_engine::signal::StopSignal;
use switchback_journal::Journal;
use switchback_model::exit::Exit;
use switchback_model::observed::Observed;
use switchback_model::plan::{Plan as Planned, Purpose};
use switchback_model::product::Product;
use switchback_model::{Config, Problem, Rehearsal, RunId, Version};
use switchback_planner::path::{self, Policy, Query};
use switchback_planner::stack::Reviews;
use switchback_planner::{Input, Weight, build, engines_wanted, first_obstacle, measured};

use crate::arguments::{Format, Plan};
use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::plans;
use crate::rehearsals::Rehearsals;
use crate::render::plan::Detail;
use crate::render::style::{BOLD, paint};
use crate::render::{
    markdown, path as path_text, plan as plan_text, rehearsal as rehearsal_text, updates, waiting,
    wrap,
};
use crate::runs::{self, Standing};
use crate::session::{Session, now};
use crate::site::Place;
use crate::stacks::{self, Asked, Stacks, reviews};

/// Version of the JSON document beside the plan's own.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    plan: &'a Planned,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a path::Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rehearsed: Option<Rehearsed>,
    /// What each update of a stack was seen to change, by its step.
    #[serde(skip_serializing_if = "Reviews::is_empty")]
    reviews: Reviews,
    next: String,
}

/// The newest rehearsal of a plan's steps.
#[derive(Serialize)]
struct Rehearsed {
    rehearsal: String,
    at: u64,
    succeeded: bool,
    downtime: Option<u64>,
}

impl From<&Rehearsal> for Rehearsed {
    fn from(rehearsal: &Rehearsal) -> Self {
        Self {
            rehearsal: rehearsal.id.clone(),
            at: rehearsal.at,
            succeeded: rehearsal.succeeded(),
            downtime: rehearsal.downtime,
        }
    }
}

/// Makes and saves a plan, or shows a saved one.
pub(crate) fn run(session: &Session<'_>, arguments: &Plan) -> Result<Exit, Failed> {
    if let Some(said) = &arguments.show {
        let plan = plans::named(session, said)?;
        show(session, &plan, arguments.explain, None);
        return Ok(Exit::Ok);
    }
    let found = session.deployment()?.with_engines(&arguments.engine)?;
    let place = Place::open(session, &found, StopSignal::default())?;
    let goal = match &arguments.to {
        Some(to) => Goal::Version(to),
        None if arguments.engine.is_empty() => Goal::Next,
        None => Goal::Here,
    };
    match make_leaving(session, &found, &place, goal, &arguments.skip)? {
        Answer::Recovery(made) => {
            session.state.save_plan(&made.plan)?;
            show(session, &made.plan, arguments.explain, Some(&made));
        }
        Answer::Plan(mut made) => {
            if let Some(rehearsal) = Rehearsals::of(&session.state).latest(&made.plan) {
                made.plan = measured(made.plan, &rehearsal);
            }
            session.state.save_plan(&made.plan)?;
            if !made.reviews.is_empty() {
                reviews::keep(&session.state, &made.plan.id, &made.reviews);
            }
            show(session, &made.plan, arguments.explain, Some(&made));
        }
        Answer::NothingToDo(path) => nothing(session, &path),
    }
    Ok(Exit::Ok)
}

fn show(session: &Session<'_>, plan: &Planned, explain: bool, made: Option<&Made>) {
    let screen = session.screen;
    let upgrade = plan.purpose == Purpose::Upgrade;
    let rehearsal = upgrade.then(|| Rehearsals::of(&session.state).latest(plan));
    let rehearsal = rehearsal.flatten();
    let next = plan_text::apply_command(plan);
    let reviews = match made {
        Some(made) => made.reviews.clone(),
        None if plan.account.is_some() => reviews::of(&session.state, &plan.id),
        None => Reviews::new(),
    };
    match screen.format {
        Format::Json => screen.document(&Document {
            format: FORMAT,
            plan,
            notes: made.map_or_else(Vec::new, |made| made.notes.clone()),
            path: made.and_then(|made| made.path.as_ref()).filter(|_| explain),
            rehearsed: rehearsal.as_ref().map(Rehearsed::from),
            reviews,
            next,
        }),
        Format::Markdown => {
            screen.answer(&markdown::plan(plan));
            screen.answer(&updates::markdown(plan, &reviews));
        }
        Format::Text => {
            let detail = if explain {
                Detail::Everything
            } else {
                Detail::Short
            };
            let changes = updates::text(plan, &reviews, screen.width, detail);
            screen.answer(&plan_text::text_with(plan, &changes, screen.width, detail));
            match made {
                Some(made) if explain => screen.answer(&made.derivation(screen.width)),
                Some(made) => screen.answer(&made.warned(screen.width)),
                None => {}
            }
            if let Some(rehearsal) = &rehearsal {
                let line = rehearsal_text::attached(rehearsal, now());
                let line = wrap::hanging("  ", &line, screen.width);
                screen.answer(&format!("{line}\n"));
            }
            // What was never tried is tried first, where it can be.
            let untried = upgrade && rehearsal.is_none() && plan.deployment.driver == "compose";
            let rehearse = format!("switchback rehearse {}", plan.id);
            let first = untried.then_some(rehearse);
            screen.next(&first.into_iter().chain([next]).collect::<Vec<_>>());
        }
    }
}

fn nothing(session: &Session<'_>, path: &path::Path) {
    let screen = session.screen;
    if screen.json() {
        screen.document(&path::Report::from(path));
    } else {
        screen.answer(&path_text::text(path, screen.width, false));
    }
}

/// A plan with what was decided on the way to it, and the derivation of its path.
pub(crate) struct Made {
    /// The plan, not saved yet.
    pub(crate) plan: Planned,
    notes: Vec<String>,
    warnings: Vec<String>,
    path: Option<path::Path>,
    /// What each update of a stack was seen to change.
    pub(crate) reviews: Reviews,
}

/// Which version a plan leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal<'a> {
    /// This one, as it was typed.
    Version(&'a str),
    /// The newest that a path leads to.
    Next,
    /// The one that runs: only servers of datastores change.
    Here,
}

/// What planning came to.
pub(crate) enum Answer {
    /// There is something to do.
    Plan(Box<Made>),
    /// First of all, stacks have to come to rest.
    Recovery(Box<Made>),
    /// The version wanted is the one that runs.
    NothingToDo(path::Path),
}

impl Made {
    fn new(
        planned: switchback_planner::Planned,
        path: impl Into<Option<path::Path>>,
        reviews: Reviews,
    ) -> Self {
        let warnings = planned.notes.iter();
        let warnings = warnings.filter(|note| note.weight == Weight::Warning);
        Self {
            warnings: warnings.map(|note| note.text.clone()).collect(),
            notes: planned
                .notes
                .iter()
                .map(|note| format!("{}: {}", note.place, note.text))
                .collect(),
            plan: planned.plan,
            path: path.into(),
            reviews,
        }
    }

    /// What makes the upgrade less safe than it could be.
    fn warned(&self, width: usize) -> String {
        beside(&self.warnings, width)
    }

    fn derivation(&self, width: usize) -> String {
        let path = self.path.as_ref();
        let mut text = path.map_or_else(String::new, |path| path_text::derivation(path, width));
        if !self.notes.is_empty() {
            let _ = writeln!(text, "  {}", paint(BOLD, "decided on the way"));
        }
        for note in &self.notes {
            let _ = writeln!(text, "{}", wrap::hanging("    ", note, width));
        }
        text
    }
}

/// What is told below a plan, one line each.
pub(crate) fn beside(lines: &[String], width: usize) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{}", wrap::hanging("  · ", line, width));
        text
    })
}

/// Looks at the deployment and plans.
pub(crate) fn make(
    session: &Session<'_>,
    found: &Found,
    place: &Place,
    goal: Goal<'_>,
) -> Result<Answer, Failed> {
    make_leaving(session, found, place, goal, &[])
}

/// As [`make`]; a recovery leaves out what `skip` names.
fn make_leaving(
    session: &Session<'_>,
    found: &Found,
    place: &Place,
    goal: Goal<'_>,
    skip: &[String],
) -> Result<Answer, Failed> {
    let product = &place.product;
    if product.path_only {
        return Err(Problem::new(
            Exit::Refused,
            "path-only",
            format!(
                "only the paths of {} are described, not how to upgrade it",
                product.name
            ),
        )
        .state("deployment", "not touched")
        .hint(format!("see a path: `switchback path {}`", product.id))
        .into());
    }
    let journal = session.journal()?;
    let open = over_open_run(session, &journal, found)?;
    if let Some(stacks) = place.stacks() {
        return make_of_stacks(session, found, place, stacks, goal, skip, open.as_ref());
    }
    if let Some((_, problem)) = open {
        return Err(problem.into());
    }
    if let Some(said) = skip.first() {
        return Err(not_of_stacks(said));
    }
    let observed = place.observe(session)?;
    let query = query(&found.config, product, &observed, goal);
    // Where even the version is in doubt, what is wrong with the deployment says more than that no way begins there.
    let path = path::find(product, &query).map_err(|refusal| {
        first_obstacle(product, &found.config, &observed).unwrap_or_else(|| refusal.to_problem())
    })?;
    let wishes = engines_wanted(product, &found.config, &observed)?;
    if path.is_nothing() && wishes.is_empty() {
        return Ok(Answer::NothingToDo(path));
    }
    let images = switchback_planner::images_needed(product, &found.config, &observed, &path);
    let pins = place.pin(session, &images)?;
    let versions = switchback_planner::versions_set(product, &path);
    let (engine_edits, edits) = place.edits(&observed, &wishes, &versions)?;
    let parent = journal.last_run(&found.key())?.map(|record| record.run);
    let experience = runs::experience(session, &journal, &found.key())?;
    let planned = build(&Input {
        product,
        config: &found.config,
        observed: &observed,
        path: &path,
        pins: &pins,
        edits: &edits,
        engine_edits: &engine_edits,
        experience: &experience,
        parent: parent.as_ref(),
    })?;
    let made = Made::new(planned, path, Reviews::new());
    Ok(Answer::Plan(Box::new(made)))
}

/// The question for a path from what runs.
fn query(config: &Config, product: &Product, observed: &Observed, goal: Goal<'_>) -> Query {
    let edition = config.edition.as_deref();
    let to = match goal {
        Goal::Version(to) => Version::typed(to),
        Goal::Next => path::next_goal(product, edition, &observed.version),
        Goal::Here => observed.version.clone(),
    };
    let query = Query::new(observed.version.as_str(), to.as_str())
        .driver(observed.deployment.driver.as_str())
        .policy(Policy::from(&config.policy))
        .answers(&observed.probes);
    let query = edition
        .into_iter()
        .fold(query, |query, it| query.edition(it));
    let features = config.features.iter();
    features.fold(query, |query, feature| query.feature(feature))
}

/// As [`make`], of stacks.
fn make_of_stacks(
    session: &Session<'_>,
    found: &Found,
    place: &Place,
    stacks: &Stacks,
    goal: Goal<'_>,
    skip: &[String],
    open: Option<&(Option<RunId>, Problem)>,
) -> Result<Answer, Failed> {
    let to = match goal {
        Goal::Version(to) => Some(to),
        Goal::Next => None,
        Goal::Here => {
            return Err(Problem::new(
                Exit::Usage,
                "engine-of-stacks",
                "the version of a server that a stack makes is one of the stack's parameters",
            )
            .state("deployment", "not touched")
            .hint("say it under [aws.parameters] in switchback.toml, without --engine")
            .into());
        }
    };
    let journal = session.journal()?;
    let parent = journal.last_run(&found.key())?.map(|record| record.run);
    let asked = Asked {
        to,
        skip,
        open,
        parent: parent.as_ref(),
    };
    let answer = waiting::telling(session.screen, "looking at the stacks", |told| {
        stacks.plan(&place.product, &asked, told)
    })?;
    Ok(match answer {
        stacks::Answer::Plan(made) => {
            let made = *made;
            Answer::Plan(Box::new(Made::new(made.planned, made.path, made.reviews)))
        }
        stacks::Answer::Recovery(planned) => {
            Answer::Recovery(Box::new(Made::new(*planned, None, Reviews::new())))
        }
        stacks::Answer::NothingToDo(path) => Answer::NothingToDo(path),
    })
}

fn not_of_stacks(said: &str) -> Failed {
    Problem::new(
        Exit::Usage,
        "skip-without-stacks",
        format!("`--skip {said}`: this deployment has no stacks"),
    )
    .state("deployment", "not touched")
    .hint("plan without it: `switchback plan`")
    .into()
}

/// A plan over a half-done run would be refused when it is applied; so it is told here. A recovery alone may follow one
/// that waits, so the refusal is given back, with the run that waits.
fn over_open_run(
    session: &Session<'_>,
    journal: &Journal,
    found: &Found,
) -> Result<Option<(Option<RunId>, Problem)>, Failed> {
    let Some((record, standing)) = runs::open(session, journal, &found.key())? else {
        return Ok(None);
    };
    // A run that stopped before it changed anything stands in nobody's way.
    let changed = runs::changed_something(session, journal, &record)?;
    if !changed && !matches!(standing, Standing::Running { .. }) {
        return Ok(None);
    }
    let problem = Problem::new(
        Exit::Refused,
        "run-open",
        format!("run `{}` is {} and not done", record.run, standing.word()),
    )
    .state("deployment", "not touched by this command");
    if let Standing::Running { holder } = standing {
        return Err(problem.cause(holder).hint("wait for its end").into());
    }
    let problem = problem.hint(format!("go on with it: `switchback resume {}`", record.run));
    // Behind a recovery that is stuck waits the run for whose sake it was made.
    if let Ok(Planned {
        purpose: Purpose::Recovery { run },
        ..
    }) = session.plan_of(&record)
    {
        return Ok(Some((run, problem)));
    }
    let problem = problem.hint(format!("or go back: `switchback rollback {}`", record.run));
    Ok(Some((Some(record.run), problem)))
}
