//! A Redis server that becomes another major version: the new one loads a copy of what was sealed.
//!
//! Newer versions load the files of older ones and write their own form from then on, so what the old one ran
//! on is kept aside, untouched. Before the copy takes its place, a server of the new version has loaded a copy
//! of that copy, and was compared with the original.

use std::fs;
use std::path::PathBuf;

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::event::Outcome;
use switchback_model::observed::ImagePin;
use switchback_model::plan::{BackupMethod, EngineChange};
use switchback_model::{Contents, RunId, amount};

use super::client::Client;
use super::contents;
use super::keep::COPY;
use super::layout::Layout;
use super::server::{Server, kept_layout};
use crate::disk;
use crate::engine::{Carried, Place};
use crate::said::{already, connected, differs};

/// A server has one set of contents, whatever its databases.
const ALL: &str = "";

impl Server {
    /// A server of the new version must start with what the present one was set up with, modules above all.
    pub(super) fn fits(&self, cx: &Context<'_>, engine: &EngineChange) -> Result<Outcome, Failure> {
        let layout = self.layout(cx.commands)?;
        let directory = layout.on_host(&self.name, &self.location)?;
        let place = Place::of(&directory, cx.run, &self.name);
        let tried = self.tried(cx, engine, &layout, &[], &directory, |client| {
            client
                .info("server")
                .map(|info| info.get("redis_version").cloned())
        });
        place.clean()?;
        let version = tried
            .map_err(|failure| self.unfit(engine, failure))?
            .unwrap_or_default();
        if version.split('.').next() != engine.to.split('.').next() {
            let found = format!("`{}` holds version {version}", engine.image.reference);
            return Err(self.unfit(engine, Failure::new("datastore-ended", found)));
        }
        Ok(Outcome {
            summary: format!("`{}` fits Redis {version}", self.name),
            ..Outcome::default()
        })
    }

    pub(super) fn carry(
        &self,
        cx: &Context<'_>,
        engine: &EngineChange,
    ) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        let manifest = backup.sealed()?;
        let layout = kept_layout(&manifest)?;
        let directory = layout.on_host(&self.name, &self.location)?;
        let place = Place::of(&directory, cx.run, &self.name);
        if place.look(&engine.to) == Finding::Holds {
            return Ok(already("was carried over already"));
        }
        let _held = self.hold();
        let writers = self.writers(cx.commands)?;
        if !writers.is_empty() {
            return Err(connected(&self.name, writers));
        }
        let mark = self.mark(cx)?;
        let (sealed, files) = if manifest.method == BackupMethod::Shadow {
            let sealed = self.read_sealed(cx, &backup, manifest.clone())?;
            (sealed, self.form(cx, &backup, &manifest, &layout)?)
        } else {
            (manifest.contents.clone(), backup.path(COPY))
        };
        let live = contents::read(&self.client(cx.commands)?, cx.progress)?.contents;
        self.require_equal_to(
            &sealed,
            &live,
            "engine-written",
            "was written to since it was sealed",
        )?;
        let sources = crate::swap::paths(&files).map_err(|error| backup.io("read", &error))?;
        self.copy_to(cx, &place, &sources)?;
        let loaded = self.tried(cx, engine, &layout, &sources, &directory, |client| {
            contents::read(client, cx.progress)
        });
        place.clean()?;
        let loaded = loaded
            .map_err(|failure| self.unfit(engine, failure))?
            .contents;
        self.require_equal_to(
            &sealed,
            &loaded,
            "engine-differs",
            "does not hold in the new server what it holds in the old one",
        )?;
        let objects = sealed.total();
        backup.keeps_aside(place.root())?;
        place.complete(&Carried {
            version: engine.to.clone(),
            mark: Some(mark),
            contents: [(ALL.to_owned(), sealed)].into(),
            ..Carried::default()
        })?;
        Ok(Outcome {
            summary: format!(
                "{} copied, loaded by {}, read, and equal",
                amount::plural(objects, "key", "keys"),
                engine.to
            ),
            facts: [("objects".to_owned(), objects.to_string())].into(),
            ..Outcome::default()
        })
    }

    /// Complete, and of what the original holds still. A server that does not run has written nothing.
    pub(super) fn carried(&self, cx: &Context<'_>, version: &str) -> Finding {
        let looked = self.with_place(cx, cx.run, |place, _| {
            let complete = place.look(version);
            if complete != Finding::Holds || place.is_under_way() || !self.reach.running(cx)? {
                return Ok(complete);
            }
            let _held = self.hold();
            let carried = place.carried()?.unwrap_or_default();
            if carried.mark == Some(self.mark(cx)?) {
                return Ok(complete);
            }
            let live = contents::read(&self.client(cx.commands)?, cx.progress)?.contents;
            Ok(match carried.contents.get(ALL) {
                Some(held) if held.differences(&live).is_empty() => complete,
                _ => Finding::Differs {
                    found: "data that was written since".to_owned(),
                },
            })
        });
        looked.unwrap_or_else(|failure| Finding::Unknown { why: failure.what })
    }

    pub(super) fn exchange_server(&self, cx: &Context<'_>) -> Result<(), Failure> {
        self.with_place(cx, cx.run, |place, layout| {
            place.exchange(|name| layout.holds(name))
        })
    }

    pub(super) fn put_server_back(&self, cx: &Context<'_>, run: &RunId) -> Result<(), Failure> {
        self.with_place(cx, run, |place, layout| {
            place.put_back(|name| layout.holds(name))
        })
    }

    pub(super) fn answers_as(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let _held = self.hold();
        self.wait_loaded(cx)?;
        Ok(Outcome {
            summary: format!("`{}` answers as {}", self.name, self.engine(cx.commands)?),
            ..Outcome::default()
        })
    }

    /// Removes what a dead process tried, where a server tells in which directory.
    pub(super) fn clean_server(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let _held = self.hold();
        let sealed = self.backup(cx, cx.run).sealed();
        let layout = sealed.and_then(|manifest| kept_layout(&manifest));
        let directory = layout
            .or_else(|_| self.layout(cx.commands))
            .and_then(|layout| layout.on_host(&self.name, &self.location));
        match directory {
            Ok(directory) => Place::of(&directory, cx.run, &self.name).clean(),
            Err(_) => Ok(()),
        }
    }

    pub(super) fn release_server(&self, cx: &Context<'_>, run: &RunId) -> Result<bool, Failure> {
        self.with_place(cx, run, |place, _| place.release())
    }

    pub(super) fn released_server(&self, cx: &Context<'_>, run: &RunId) -> Finding {
        self.with_place(cx, run, |place, _| Ok(place.released()))
            .unwrap_or_else(|failure| Finding::Unknown { why: failure.what })
    }

    /// The directories of a run's change, as its backup knows them: the server need not run.
    fn with_place<T>(
        &self,
        cx: &Context<'_>,
        run: &RunId,
        act: impl FnOnce(&Place<'_>, &Layout) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let layout = kept_layout(&self.backup(cx, run).sealed()?)?;
        let directory = layout.on_host(&self.name, &self.location)?;
        act(&Place::of(&directory, run, &self.name), &layout)
    }

    /// Talks with a server of the new version that has loaded a copy of these files.
    fn tried<T>(
        &self,
        cx: &Context<'_>,
        engine: &EngineChange,
        layout: &Layout,
        sources: &[PathBuf],
        directory: &std::path::Path,
        talk: impl FnOnce(&Client<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let trial = Place::of(directory, cx.run, &self.name).trial();
        let image: &ImagePin = &engine.image;
        self.beside_of(cx, Some(image), layout, sources, &trial, talk)
    }

    fn copy_to(
        &self,
        cx: &Context<'_>,
        place: &Place<'_>,
        sources: &[PathBuf],
    ) -> Result<(), Failure> {
        let data = place.data();
        let made = |error: std::io::Error| {
            disk::failure(
                "engine-io",
                format!("cannot write {}", data.display()),
                &error,
            )
        };
        disk::remove(place.root()).map_err(made)?;
        let bytes = sources.iter().map(|source| disk::size_of(source)).sum();
        disk::require_space(place.root(), bytes, "what the new server runs on")?;
        crate::backup::create_private(place.root())
            .and_then(|()| fs::create_dir(&data))
            .map_err(made)?;
        cx.progress.report(
            "copying what the new server runs on",
            None,
            Some(bytes),
            Some("B"),
        );
        let what = format!("cannot copy the files of `{}`", self.name);
        disk::copy(cx, sources, &data).map_err(|error| disk::copy_failure(error, what))
    }

    /// How much was written since the last snapshot, and which that was: the same as long as nobody writes.
    fn mark(&self, cx: &Context<'_>) -> Result<String, Failure> {
        let info = self.client(cx.commands)?.info("persistence")?;
        let field = |name: &str| info.get(name).cloned().unwrap_or_default();
        Ok(format!(
            "{} since {}",
            field("rdb_changes_since_last_save"),
            field("rdb_last_save_time")
        ))
    }

    fn require_equal_to(
        &self,
        sealed: &Contents,
        found: &Contents,
        code: &str,
        what: &str,
    ) -> Result<(), Failure> {
        let differences = sealed.differences(found);
        if differences.is_empty() {
            return Ok(());
        }
        Err(
            differs(code, format!("`{}` {what}", self.name), &differences)
                .state(self.name.to_string(), "as it was, in its old server"),
        )
    }

    /// A new server that ended instead of answering has a reason; other failures have nothing to do with it.
    fn unfit(&self, engine: &EngineChange, failure: Failure) -> Failure {
        if failure.code != "datastore-ended" {
            return failure;
        }
        let mut unfit = Failure::new(
            "engine-unfit",
            format!("the server of `{}` cannot become Redis {} as it is", self.name, engine.to),
        )
        .cause(&failure.what)
        .state(self.name.to_string(), "runs, and is unchanged")
        .hint("see that the new image has every module that the server loads, then resume; or plan without another server");
        unfit.causes.extend(failure.causes);
        unfit.output = failure.output;
        unfit
    }
}
