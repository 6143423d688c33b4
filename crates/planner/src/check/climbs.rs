//! Rules for servers that people bring to another line: on the way up rung by rung, on a way back to one that the
//! release before runs with.

use switchback_model::hand_work::{DoneWhen, HandWork, ServerIs};
use switchback_model::plan::{Act, BackupState, Check, Expectation, Plan, StageKind};
use switchback_model::product::{Engine, Product};
use switchback_model::{DatastoreName, StepNumber, Version};

use super::objection::Objections;
use super::walk::Walk;

impl<'p> Walk<'_, 'p> {
    /// On the way up: nothing of the product runs, all is kept, the format of the data goes along, and there is a way
    /// back. What holds for every work of people is told with theirs.
    pub(super) fn rung(&mut self, work: &'p HandWork, is: &'p ServerIs) {
        if !self.world.is_down() {
            self.object("climb-while-running", "users are served by that server");
        }
        if self.world.keeper(&is.datastore).is_none() {
            let what = format!("`{}` has no backup to come back to", is.datastore);
            self.object("climb-unkept", what);
        }
        if is.lines.is_empty() || !is.format {
            let what = "the format of its data is not looked at: the next rung would not start";
            self.object("climb-unsettled", what);
        }
        let back = work.back.as_ref().and_then(|back| server(back));
        if back.is_none_or(|back| back.datastore != is.datastore || back.lines.is_empty()) {
            self.object("climb-way-back", "nothing says what a way back needs");
        }
        if let Some(line) = is.lines.first() {
            self.world.lines.insert(&is.datastore, line);
        }
        self.world.uncompared = Some(&is.datastore);
    }

    /// In a way back: the product is down, what is put back is empty, and nothing is restored before.
    pub(super) fn server_again(&mut self, is: &ServerIs) {
        if !self.world.is_down() {
            self.object("climb-while-running", "users are served by that server");
        }
        self.needs_stopped();
        if self.world.restored.contains(&is.datastore) || self.world.started {
            self.object("server-too-late", "what was restored would be gone with it");
        }
        let kept = self.step.before.iter().any(|expected| {
            matches!(
                expected,
                Expectation::Backup { datastore, state: BackupState::Proven, run: Some(_) }
                    if self.world.keeper(&is.datastore) == Some(datastore)
            )
        });
        if !kept {
            self.object("guard", "it does not ask whether everything is kept");
        }
    }

    /// What comes behind a rung compares what the server holds; later steps expect the server that is there by then.
    pub(super) fn after_rungs(&mut self) {
        let step = self.step;
        if let Some(name) = self.world.uncompared.take() {
            let changed = self.world.keeper(name).is_some_and(|keeper| {
                let migrated = self.world.migrated.get(&(self.stage.round, keeper));
                migrated.is_some_and(|steps| !steps.is_empty())
            });
            let compares = |check: &Check| matches!(check, Check::Counts { datastore, run: None, exact } if datastore == name && *exact != changed);
            let compared =
                matches!(&step.act, Act::Verify { checks } if checks.iter().any(compares));
            if !compared {
                let what = format!("`{name}` is not compared with its backup right behind a rung");
                self.object("climb-uncompared", what);
            }
        }
        for expected in &step.before {
            let Expectation::Engine { datastore, version } = expected else {
                continue;
            };
            let line = self.world.lines.get(datastore).copied();
            if line.is_some_and(|line| !of_line(version, line)) {
                let what =
                    format!("it expects the server of `{datastore}` as it will not be by then");
                self.object("server-guard", what);
            }
        }
    }
}

/// In the light of the definition: one line at a time, and no release is started on a server that it does not run with.
pub(super) fn check(plan: &Plan, product: &Product, found: &mut Objections) {
    for engine in &product.engines {
        let mut climb = Climbing {
            product,
            engine,
            at: place(plan, engine),
            found,
        };
        climb.walk(plan);
    }
}

/// An engine on its way up through a plan.
struct Climbing<'a> {
    product: &'a Product,
    engine: &'a Engine,
    /// Where it is among its lines; `None` where nothing says so.
    at: Option<usize>,
    found: &'a mut Objections,
}

impl Climbing<'_> {
    fn walk(&mut self, plan: &Plan) {
        let mut base = &plan.from;
        for stage in &plan.stages {
            let (before, mut climbed) = (self.at, false);
            for step in &stage.steps {
                let Act::HandWork { work } = &step.act else {
                    continue;
                };
                let Some(is) = server(work).filter(|is| is.datastore == self.engine.id) else {
                    continue;
                };
                self.rung(step.number, is, climbed);
                self.way_back(step.number, work, base, before);
                climbed = true;
            }
            if let StageKind::Run { to } = &stage.kind {
                let line = self.at.and_then(|at| self.engine.lines.get(at));
                if climbed && line.is_some_and(|line| !self.works(to, line)) {
                    let what = format!("{to} does not run with {} {line:?}", self.engine.name);
                    self.found.plan("server-unsupported", what);
                }
                base = to;
            }
        }
    }

    /// The next line and no other; or, first of all, that of the server itself, for the format of its data.
    fn rung(&mut self, step: StepNumber, is: &ServerIs, climbed: bool) {
        let lines: Option<Vec<usize>> = is.lines.iter().map(|line| self.place(line)).collect();
        let lines = lines.unwrap_or_default();
        let chain = lines.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        let Some(first) = lines.first().copied().filter(|_| chain) else {
            let what = format!(
                "{} are no lines of {} in order",
                is.lines.join(", "),
                self.engine.name
            );
            self.found.step(step, "climb-lines", what);
            return;
        };
        let next = self
            .at
            .is_some_and(|at| first == at + 1 || (first == at && !climbed));
        if !next {
            let what = format!("{} skips a rung of {}", is.lines[0], self.engine.name);
            self.found.step(step, "climb-skips", what);
        }
        self.at = Some(first);
    }

    /// Nobody is told to start a release again on a server that it does not run with.
    fn way_back(&mut self, step: StepNumber, work: &HandWork, base: &Version, ran: Option<usize>) {
        let lines = work.back.as_deref().and_then(server).map(|is| &is.lines);
        for line in lines.into_iter().flatten() {
            if self.place(line) != ran && !self.works(base, line) {
                let what = format!(
                    "{base} would be started again on {} {line}",
                    self.engine.name
                );
                self.found.step(step, "server-unsupported", what);
            }
        }
    }

    fn place(&self, line: &str) -> Option<usize> {
        self.engine.lines.iter().position(|known| known == line)
    }

    fn works(&self, release: &Version, line: &str) -> bool {
        let mut works = self.engine.works.iter();
        works.any(|works| {
            works.lines.iter().any(|known| known == line)
                && self.product.scheme.contains(&works.releases, release) == Ok(true)
        })
    }
}

/// Whether the definition has a climb of a server through this line.
pub(super) fn is_defined(product: &Product, is: &ServerIs) -> bool {
    let mut climbs = product
        .actions
        .iter()
        .filter_map(|action| action.climbs.as_ref());
    let first = is.lines.first();
    climbs.any(|climb| {
        climb.engine == is.datastore && first.is_some_and(|line| climb.through.contains(line))
    })
}

fn place(plan: &Plan, engine: &Engine) -> Option<usize> {
    let name: &DatastoreName = &engine.id;
    engine.line(plan.datastores.get(name)?.engine.as_deref()?)
}

fn server(work: &HandWork) -> Option<&ServerIs> {
    match &work.done {
        DoneWhen::Server(is) => Some(is),
        _ => None,
    }
}

fn of_line(version: &str, line: &str) -> bool {
    version == line
        || version
            .strip_prefix(line)
            .is_some_and(|rest| rest.starts_with('.'))
}
