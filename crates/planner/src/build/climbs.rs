//! Servers that climb on the way: each rung is work for people that the run waits for, sees, and compares with what
//! was sealed before the next one is begun.
//!
//! ```text
//! 3.4 sealed and proven ─► packages ─► by hand 3.6 ─► equal? ─► by hand 4.0 ─► equal? ─► migrate, start
//!                                          │
//!        a way back, where the release before does not run with what is there by then:
//!        stop ─► by hand 3.4 on an empty directory ─► restore ─► packages ─► start
//! ```
//!
//! The product is down from before the first rung until behind the last, so no release ever runs with a line between.

mod refusals;

use std::collections::BTreeMap;

use switchback_model::command_line;
use switchback_model::hand_work::{DoneWhen, HandWork, ServerIs};
use switchback_model::plan::{self, Check, Interrupted, Notice, Stage, StageKind, Step};
use switchback_model::product::{Climb, Engine, Moment, NoticeKind, Product};
use switchback_model::{DatastoreName, Version};

use super::guards;
use super::input::Input;
use super::route::Leg;
use super::stages::Composer;
use crate::draft::Draft;
use crate::path::Act;

pub(super) use refusals::can_be;

/// True for a climb that a run can wait for: the product is down, and the new release is installed.
pub(super) fn is_waited_for(act: &Act) -> bool {
    !act.rungs.is_empty() && act.moment == Moment::Replaced
}

/// Whether a release runs with a line of an engine.
fn runs_with(product: &Product, engine: &Engine, release: &Version, line: &str) -> bool {
    engine.works.iter().any(|works| {
        let listed = works.lines.iter().any(|known| known == line);
        listed && product.scheme.contains(&works.releases, release) == Ok(true)
    })
}

/// The engine that an action climbs, and what the definition says of the climb.
fn defined<'a>(product: &'a Product, act: &Act) -> Option<(&'a Engine, &'a Climb)> {
    let mut actions = product.actions.iter();
    let action = actions.find(|action| action.id == act.id.as_str())?;
    let climb = action.climbs.as_ref()?;
    let mut engines = product.engines.iter();
    Some((engines.find(|engine| engine.id == climb.engine)?, climb))
}

/// Versions of the servers, by datastore.
struct Servers<'v> {
    /// As the steps so far leave them.
    now: &'v BTreeMap<DatastoreName, String>,
    /// As they were while the product ran last.
    ran: &'v BTreeMap<DatastoreName, String>,
}

/// One climb of a plan.
struct Ladder<'a> {
    product: &'a Product,
    act: &'a Act,
    engine: &'a Engine,
    climb: &'a Climb,
    /// The release that ran before, which a way back starts again.
    base: &'a Version,
    /// The line that the server has before the first rung.
    line: &'a str,
    /// The version that it had while that release ran, and the line of that: climbs of a stage are taken back together.
    was: String,
    ran: usize,
    /// Lines in order, each to be reached by itself. The first is that of the server as it is where the format of its
    /// data has stayed behind.
    rungs: Vec<String>,
}

impl<'a> Ladder<'a> {
    /// `None` where the server is up there already.
    fn of(
        input: &Input<'a>,
        base: &'a Version,
        act: &'a Act,
        servers: &Servers<'_>,
    ) -> Option<Self> {
        let (engine, climb) = defined(input.product, act)?;
        let (now, was) = (servers.now.get(&engine.id)?, servers.ran.get(&engine.id)?);
        let place = engine.line(now)?;
        if place >= engine.line(act.rungs.last()?)? {
            return None;
        }
        let line = engine.lines[place].as_str();
        let mut found = input.observed.datastores.iter();
        let as_found = found.any(|it| it.name == engine.id && it.engine.as_ref() == Some(now));
        let format = input.observed.probes.get(&engine.compatibility());
        let behind = as_found && format.is_some_and(|format| format != line);
        let first = behind.then(|| line.to_owned());
        Some(Self {
            product: input.product,
            act,
            engine,
            climb,
            base,
            line,
            was: was.clone(),
            ran: engine.line(was)?,
            rungs: first.into_iter().chain(act.rungs.iter().cloned()).collect(),
        })
    }

    /// What is to be done for the rung at this place.
    fn work(&self, place: usize) -> HandWork {
        let line = &self.rungs[place];
        HandWork {
            id: format!("{}-{line}", self.engine.id),
            steps: self.todo(line),
            // Whoever went on to the next rung without waiting has passed this one: no server skips a rung.
            done: self.server_is(self.rungs[place..].to_vec(), true),
            source: self.act.source.clone(),
            back: Some(Box::new(self.again())),
        }
    }

    fn todo(&self, line: &str) -> Vec<String> {
        let filled = |text: &String| text.replace("{line}", line);
        let settles = self.engine.on_each_rung.as_ref().map(filled);
        if line == self.line {
            return settles.into_iter().collect();
        }
        let command: Vec<String> = self.act.run.iter().map(filled).collect();
        let mut steps = Vec::new();
        if !command.is_empty() {
            steps.push(command_line::typed(command.iter().map(String::as_str)));
        }
        steps.extend(self.act.steps.iter().map(filled));
        // A command does it itself.
        steps.extend(settles.filter(|_| command.is_empty()));
        steps
    }

    /// What a way back waits for: a server that the release before runs with. Where there is one by then, nobody has
    /// to do anything.
    fn again(&self) -> HandWork {
        let (name, line) = (&self.engine.name, self.ran());
        let filled = |text: &String| {
            let text = text.replace("{line}", line);
            text.replace("{version}", &self.was)
        };
        let mut steps: Vec<String> = self.climb.put_back.iter().map(filled).collect();
        if steps.is_empty() {
            steps.push(format!(
                "put {name} {} back on an empty directory, with the users that the product has there",
                self.was
            ));
        }
        steps.insert(
            0,
            format!(
                "what a newer server has written no {name} {line} reads: it begins with an empty directory, and the backup is restored into it"
            ),
        );
        HandWork {
            id: format!("{}-{line}-again", self.engine.id),
            steps,
            done: self.server_is(self.fit_for_the_base(), false),
            source: self.act.source.clone(),
            back: None,
        }
    }

    fn server_is(&self, lines: Vec<String>, format: bool) -> DoneWhen {
        DoneWhen::Server(ServerIs {
            datastore: self.engine.id.clone(),
            lines,
            format,
        })
    }

    /// The line with which the release before ran.
    fn ran(&self) -> &'a str {
        &self.engine.lines[self.ran]
    }

    /// Of the lines that the server may have on the way those with which the release before can be started again.
    fn fit_for_the_base(&self) -> Vec<String> {
        let last = self.rungs.last();
        let above = self.engine.lines.iter().skip(self.ran + 1);
        let mut fit = vec![self.ran().to_owned()];
        for line in above {
            if runs_with(self.product, self.engine, self.base, line) {
                fit.push(line.clone());
            }
            if Some(line) == last {
                break;
            }
        }
        fit
    }
}

impl Composer<'_> {
    /// The rungs of a climb. Its server has a backup, see [`can_be`].
    pub(super) fn climb(&mut self, leg: &Leg<'_>, act: &Act) -> Vec<Step> {
        let input = self.input;
        let servers = Servers {
            now: &self.versions,
            ran: &self.versions_at_stop,
        };
        let Some(ladder) = Ladder::of(input, leg.from, act, &servers) else {
            return Vec::new();
        };
        let name = &ladder.engine.id;
        let keeper = self.keeping.keeper(name).cloned();
        let fit = ladder.fit_for_the_base();
        let mut steps = Vec::new();
        for (place, line) in ladder.rungs.iter().enumerate() {
            self.versions.insert(name.clone(), line.clone());
            self.changed.migrated.extend(keeper.clone());
            let server = || format!("{} {}", ladder.engine.name, ladder.ran());
            self.changed.by_hand = (!fit.contains(line)).then(server);
            let because = Some(act.because.clone());
            steps.push(self.wait_for(ladder.work(place), because));
            steps.push(self.compare_after_rung(name, line));
        }
        steps
    }

    /// What a server made of the data of the one before is what was sealed, or the next rung is not begun. Once
    /// migrations have changed it, nothing may be fewer.
    fn compare_after_rung(&mut self, datastore: &DatastoreName, line: &str) -> Step {
        let keeper = self.keeping.keeper(datastore);
        let changed = keeper.is_some_and(|keeper| {
            let since = self.since_seal.get(keeper);
            since.is_some_and(|migrations| !migrations.is_empty())
        });
        let check = Check::Counts {
            datastore: datastore.clone(),
            run: None,
            exact: !changed,
        };
        self.step(Draft {
            act: plan::Act::Verify {
                checks: vec![check],
            },
            // Not the line: whoever has gone on to the next rung meanwhile has passed this one.
            before: vec![
                guards::stopped(&self.services),
                guards::no_writers(datastore),
            ],
            after: Vec::new(),
            interrupted: Interrupted::Repeat,
            because: Some(format!(
                "the server of {line} must hold what was sealed before anything goes on"
            )),
        })
    }
}

/// What has to be accepted of the climbs in these stages, one for each.
pub(super) fn notices(product: &Product, from: &Version, stages: &[Stage]) -> Vec<Notice> {
    let mut base = from;
    let mut notices = Vec::new();
    for stage in stages {
        let works: Vec<&HandWork> = stage.steps.iter().filter_map(rung).collect();
        if let Some(last) = works.last() {
            notices.extend(notice(product, base, stage, last));
        }
        if let StageKind::Run { to } = &stage.kind {
            base = to;
        }
    }
    notices
}

fn rung(step: &Step) -> Option<&HandWork> {
    match &step.act {
        plan::Act::HandWork { work } if work.back.is_some() => Some(work),
        _ => None,
    }
}

fn notice(product: &Product, base: &Version, stage: &Stage, last: &HandWork) -> Option<Notice> {
    let DoneWhen::Server(reached) = &last.done else {
        return None;
    };
    let DoneWhen::Server(back) = &last.back.as_ref()?.done else {
        return None;
    };
    let StageKind::Run { to } = &stage.kind else {
        return None;
    };
    let mut engines = product.engines.iter();
    let name = &engines.find(|engine| engine.id == reached.datastore)?.name;
    let (first, line) = (back.lines.first()?, reached.lines.first()?);
    let way_back = if back.lines.contains(line) {
        format!("a way back leaves it there: {base} runs with it, too")
    } else {
        format!(
            "{base} does not run with {name} {line}, so a way back stops, waits until {name} {first} is put back by hand on an empty directory, and restores the backup into it"
        )
    };
    Some(Notice {
        id: last.id.clone(),
        kind: NoticeKind::OneWay,
        version: to.clone(),
        text: format!(
            "{name} goes from {first} to {line} by hand while the service is down, and never down again; {way_back}"
        ),
        found: None,
        source: last.source.clone(),
        accept: Some(last.id.clone()),
    })
}
