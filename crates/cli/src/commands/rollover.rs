//! `switchback rollover`: the content of one instance to another one, as a plan that `apply` carries out.

use std::path::{Path, PathBuf};

use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_journal::{Journal, Key};
use switchback_model::exit::Exit;
use switchback_model::plan::{Plan, Purpose};
use switchback_model::rollover::{Instance, RollOver};
use switchback_model::{Problem, SecretRef, Version};
use switchback_rollover::Wish;

use crate::acceptance::{again, refuse_unaccepted};
use crate::arguments::{Format, Rollover};
use crate::execution::{self, Errand};
use crate::failure::Failed;
use crate::question;
use crate::render::plan as plan_text;
use crate::render::plan::Detail;
use crate::render::waiting;
use crate::runs::{self, Standing};
use crate::session::Session;

/// Looks at both instances, makes and saves a plan, and shows it.
pub(crate) fn run(session: &Session<'_>, arguments: &Rollover) -> Result<Exit, Failed> {
    let journal = session.journal()?;
    let wish = wish(arguments)?;
    let redactor = Redactor::default();
    let looking = session.state.root().join("looking");
    let commands = Commands::new(looking, redactor.clone(), StopSignal::default());
    let inventory = waiting::during(session.screen, "looking at both instances", || {
        switchback_rollover::inventory(wish, &commands, &redactor)
    })?;
    let mut plan = switchback_rollover::plan(&inventory, None)?;
    if let Some(last) = journal.last_run(&Key::from(&plan.deployment))? {
        plan.parent = Some(last.run);
        plan = plan.seal();
    }
    session.state.save_plan(&plan)?;
    let screen = session.screen;
    if screen.format == Format::Json {
        screen.document(&plan);
        return Ok(Exit::Ok);
    }
    screen.answer(&plan_text::text(&plan, screen.width, Detail::Short));
    screen.next(&[plan_text::apply_command(&plan)]);
    Ok(Exit::Ok)
}

/// Carries out a roll-over; the same command goes on after an interruption.
pub(crate) fn carry_out(
    session: &Session<'_>,
    journal: &Journal,
    plan: &Plan,
    content: &RollOver,
    mut accepted: Vec<String>,
) -> Result<Exit, Failed> {
    if let Some(record) = journal.last_run(&Key::from(&plan.deployment))?
        && record.plan == plan.id
    {
        if let Standing::Done { downtime } = runs::standing(journal, &record)? {
            return Ok(execution::done_already(
                session,
                plan,
                &record.run,
                downtime,
            ));
        }
        let accepted = journal.state(&record.run)?.accepted;
        return drive(session, plan, content, &record.run, &accepted);
    }
    if let Some(problem) = switchback_planner::refusal(&switchback_planner::check(plan)) {
        return Err(problem.into());
    }
    question::acceptances(session, plan, &mut accepted);
    refuse_unaccepted(plan, &accepted)?;
    let question = format!(
        "Roll {} over from {} ({}) to {} ({})",
        plan.product_name, content.from.api, plan.from, content.into.api, plan.to
    );
    question::go_ahead(session, "a roll-over", &question, &again(plan, &accepted))?;
    let run = session.state.new_run(journal)?;
    drive(session, plan, content, &run, &accepted)
}

/// What a plan rolls over, where it does.
pub(crate) fn content(plan: &Plan) -> Option<&RollOver> {
    match &plan.purpose {
        Purpose::RollOver(content) => Some(content),
        Purpose::Upgrade
        | Purpose::Rollback { .. }
        | Purpose::Rehearsal { .. }
        | Purpose::Recovery { .. } => None,
    }
}

/// Runs, from wherever the journal says that it is.
pub(crate) fn drive(
    session: &Session<'_>,
    plan: &Plan,
    content: &RollOver,
    run: &switchback_model::RunId,
    accepted: &[String],
) -> Result<Exit, Failed> {
    let redactor = Redactor::default();
    let carrier = switchback_rollover::carrier(content, &redactor)?;
    let errand = Errand {
        plan,
        run,
        accepted,
        done: &[],
        deployment: &plan.deployment,
        site: &switchback_engine::content::site(carrier),
        redactor: &redactor,
    };
    execution::drive(session, &errand, StopSignal::default(), |_| {})
}

fn wish(arguments: &Rollover) -> Result<Wish, Failed> {
    let instance = |api: &str, key, files: Option<&PathBuf>| -> Result<Instance, Failed> {
        Ok(Instance {
            api: api.trim_end_matches('/').to_owned(),
            key: match key {
                SecretRef::File(path) => SecretRef::File(absolute(Path::new(&path))?),
                other => other,
            },
            files: files.map(|path| absolute(path)).transpose()?,
        })
    };
    let version = |said: &Option<String>| said.as_deref().map(Version::typed);
    let from = instance(
        &arguments.from,
        arguments.from_key.clone(),
        arguments.from_files.as_ref(),
    )?;
    let into = instance(
        &arguments.to,
        arguments.to_key.clone(),
        arguments.to_files.as_ref(),
    )?;
    Ok(Wish {
        content: RollOver {
            from,
            into,
            keep: absolute(&arguments.keep)?,
            repositories: arguments.repositories.clone(),
            users: arguments.users.clone(),
        },
        from: version(&arguments.from_version),
        to: version(&arguments.to_version),
    })
}

/// A plan is good wherever the next command is typed.
fn absolute(path: &Path) -> Result<String, Failed> {
    let path = std::path::absolute(path).map_err(|error| {
        Problem::new(
            Exit::Usage,
            "no-directory",
            format!("`{}` is no place", path.display()),
        )
        .cause(error)
        .hint("give a directory")
    })?;
    Ok(path.display().to_string())
}
