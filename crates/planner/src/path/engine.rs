//! How far the server of a datastore has climbed, and which rungs are left.

use switchback_model::product::{Climb, Engine, NoticeKind};
use switchback_model::version::Key;
use switchback_model::{DatastoreName, Version};

use super::condition::Truth;
use super::crossed::PathNotice;
use super::ground::Ground;

/// The line that an engine is on, as the path goes on.
#[derive(Clone, Debug)]
pub(super) struct Position<'a> {
    pub(super) engine: &'a Engine,
    /// Its place in [`Engine::lines`]; `None` where what was said is no line that the definition knows.
    line: Option<usize>,
    /// The line it would be on if everything offered were done.
    offered: Option<usize>,
    /// What was said of it, where it is no known line.
    said: Option<String>,
    /// True where nobody said.
    pub(super) assumed: bool,
}

/// Where every engine of the product is when the path begins.
pub(super) fn start<'a>(ground: &Ground<'a>) -> Vec<Position<'a>> {
    let all = ground.product.engines.iter();
    all.map(|engine| {
        let said = ground.query.answers.get(&engine.probe);
        let line = match said {
            Some(version) => engine.line(version),
            None => usual(ground, engine),
        };
        Position {
            engine,
            line,
            offered: line,
            said: said.filter(|_| line.is_none()).cloned(),
            assumed: said.is_none(),
        }
    })
    .collect()
}

/// The line that an installation of the version in use brings: where that differs between the distributions
/// that it may be on, the lowest.
fn usual(ground: &Ground<'_>, engine: &Engine) -> Option<usize> {
    let on = |distribution: Option<&str>| {
        let mut usual = engine.usual.iter();
        let fits = usual.find(|usual| {
            let here = |id| usual.distributions.iter().any(|it| it == id);
            ground.range_holds(&usual.releases, &ground.from.key)
                && (usual.distributions.is_empty() || distribution.is_some_and(here))
        })?;
        engine.lines.iter().position(|line| *line == fits.line)
    };
    let possible = ground.host.possible.iter();
    let lines = possible.filter_map(|distribution| on(Some(&distribution.id)));
    lines.min().or_else(|| on(None))
}

impl Position<'_> {
    /// Its line, as text.
    pub(super) fn name(&self) -> Option<&str> {
        let line = self.line?;
        self.engine.lines.get(line).map(String::as_str)
    }

    /// The lines that a climb leads through from here, and whether that counts only where what was offered
    /// before was done. `None` where it does not begin here.
    pub(super) fn climb(&self, climb: &Climb, offered: bool) -> Option<Vec<String>> {
        let lines = &self.engine.lines;
        let at = lines.get(if offered { self.offered } else { self.line }?)?;
        let place = climb.through.iter().position(|line| line == at)?;
        let rungs = climb.through.get(place + 1..)?;
        (!rungs.is_empty()).then(|| rungs.to_vec())
    }

    /// Takes note of a climb that is done, or that is offered.
    pub(super) fn climbed(&mut self, climb: &Climb, offered: bool) {
        let Some(last) = climb.through.last() else {
            return;
        };
        let place = self.engine.lines.iter().position(|line| line == last);
        self.offered = place;
        if !offered {
            self.line = place;
        }
    }

    /// What to say where a release does not run with the line that the engine is on.
    pub(super) fn unsupported(
        &self,
        ground: &Ground<'_>,
        to: &Key,
        version: &Version,
    ) -> Option<PathNotice> {
        let engine = self.engine;
        let name = self.name().or(self.said.as_deref())?;
        let mut works = engine.works.iter();
        let known = works.find(|works| {
            works.lines.iter().any(|line| line == name) && ground.range_holds(&works.releases, to)
        });
        if known.is_some() {
            return None;
        }
        let fitting: Vec<&str> = engine
            .works
            .iter()
            .filter(|works| ground.range_holds(&works.releases, to))
            .flat_map(|works| works.lines.iter().map(String::as_str))
            .collect();
        Some(PathNotice {
            id: format!("{}-unsupported", engine.id),
            kind: NoticeKind::Prerequisite,
            version: version.clone(),
            text: format!(
                "{} {name} is not what {version} runs with: {} {}",
                engine.name,
                engine.name,
                fitting.join(", ")
            ),
            source: engine.source.clone(),
            accept: None,
            requires: None,
            removed_in: None,
            assumed: self.assumed,
        })
    }

    /// Whether what rests on its line was assumed.
    pub(super) fn truth(&self) -> Truth {
        if self.assumed {
            Truth::Assumed
        } else {
            Truth::Yes
        }
    }
}

/// The engine of a climb.
pub(super) fn find<'p, 'a>(
    positions: &'p mut [Position<'a>],
    engine: &DatastoreName,
) -> Option<&'p mut Position<'a>> {
    positions.iter_mut().find(|it| it.engine.id == *engine)
}
