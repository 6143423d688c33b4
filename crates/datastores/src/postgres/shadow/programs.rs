//! Which server can read a sealed shadow: the one that runs, or, where that is another major version by now, one of the
//! version that the shadow was made from.

use std::path::{Path, PathBuf};

use switchback_engine::ports::{Context, Failure, Scratch};
use switchback_engine::process::Argv;
use switchback_model::observed::{Access, ImagePin};
use switchback_model::plan::EngineChange;

use super::super::server::Server;
use super::facts::Facts;
use super::layout::layout_of;
use crate::backup::Manifest;

/// Where the programs of the reading server come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Programs {
    /// From where the running server's do.
    Same,
    /// From an image.
    Of(ImagePin),
    /// From a directory of this host.
    In(PathBuf),
}

impl Server {
    /// The programs that can read what `manifest` is about, or a failure that says what is missing. A server that
    /// does not answer is taken for the one that it was.
    pub(super) fn programs_for(
        &self,
        cx: &Context<'_>,
        manifest: &Manifest,
        facts: &Facts,
    ) -> Result<Programs, Failure> {
        let runs = self.about(cx.commands, Some(cx.run));
        let (Some(made), Ok(runs)) = (manifest.engine.as_deref(), runs) else {
            return Ok(Programs::Same);
        };
        let (made, runs) = (major(made), major(&runs.engine()).to_owned());
        if made == runs {
            return Ok(Programs::Same);
        }
        let found = match self.location.access {
            Access::Container { .. } => {
                let known = facts.image.clone().or_else(|| self.image_of(cx, made));
                known.map(Programs::Of)
            }
            Access::Local => self.beside_the_servers_own(&runs, made).map(Programs::In),
        };
        found.ok_or_else(|| self.of_another_version(manifest, made, &runs))
    }

    /// The image of that version, where the plan changed the server from it or to it.
    fn image_of(&self, cx: &Context<'_>, made: &str) -> Option<ImagePin> {
        let Access::Container { service } = &self.location.access else {
            return None;
        };
        let changes = cx.plan.steps().filter_map(|(_, step)| step.act.engine());
        let mut changes = changes.filter(|change| change.service == *service);
        let of = |change: &EngineChange| {
            if major(&change.from) == made {
                Some(change.was.clone())
            } else {
                (major(&change.to) == made).then(|| change.image.clone())
            }
        };
        changes.find_map(of)
    }

    /// Distributions keep the programs of several versions side by side, in directories that differ in nothing else.
    fn beside_the_servers_own(&self, runs: &str, made: &str) -> Option<PathBuf> {
        let own = self
            .of_the_servers_own(Argv::new("postgres", [""; 0]))
            .program;
        let directory = sibling(Path::new(&own).parent()?, runs, made)?;
        directory.join("postgres").exists().then_some(directory)
    }

    pub(super) fn program_of(&self, argv: Argv, programs: &Programs) -> Argv {
        match programs {
            Programs::Same => self.of_the_servers_own(argv),
            Programs::Of(_) => argv,
            Programs::In(directory) => Argv {
                program: directory.join(&argv.program).to_string_lossy().into_owned(),
                ..argv
            },
        }
    }

    /// Starts a server that is alone with the shadow.
    pub(super) fn start_alone(
        &self,
        cx: &Context<'_>,
        place: &Path,
        server: Argv,
        programs: &Programs,
    ) -> Result<Box<dyn Scratch>, Failure> {
        let argv = self.program_of(server, programs);
        let Programs::Of(image) = programs else {
            return self.reach.scratch(cx, place, argv);
        };
        let started = self.reach.scratch_of(cx, image, place, argv);
        started.map_err(|failure| {
            failure
                .state(format!("shadow of {}", self.name), "sealed, and not changed")
                .hint(format!(
                    "it was made by {}: bring that image here again (`docker pull {}`), then prove it again",
                    image.reference, image.reference
                ))
        })
    }

    fn of_another_version(&self, manifest: &Manifest, made: &str, runs: &str) -> Failure {
        Failure::new(
            "shadow-other-version",
            format!(
                "the shadow of `{}` by {} was made by PostgreSQL {made}, and {runs} runs now",
                self.name, manifest.run
            ),
        )
        .cause(format!("a server of version {runs} cannot read data of version {made}"))
        .state(
            format!("shadow of {}", self.name),
            "sealed, and not looked at",
        )
        .hint(match self.location.access {
            Access::Container { .. } => format!(
                "read a copy of {} with an image of PostgreSQL {made}",
                layout_of(manifest).map_or_else(|| "it".to_owned(), |layout| layout.data().display().to_string())
            ),
            Access::Local => format!(
                "install the programs of PostgreSQL {made} beside those of {runs}, then prove it again"
            ),
        })
    }
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

/// The directory that is called `other` where `directory` is called `version`.
fn sibling(directory: &Path, version: &str, other: &str) -> Option<PathBuf> {
    let mut found = false;
    let parts = directory.components().map(|part| {
        let is_version = part.as_os_str() == version;
        found |= is_version;
        if is_version {
            other.as_ref()
        } else {
            part.as_os_str()
        }
    });
    let path: PathBuf = parts.collect();
    found.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_another_version_lie_beside() {
        let own = Path::new("/usr/lib/postgresql/17/bin");
        assert_eq!(
            sibling(own, "17", "15"),
            Some(PathBuf::from("/usr/lib/postgresql/15/bin"))
        );
        assert_eq!(sibling(Path::new("/opt/postgres/bin"), "17", "15"), None);
        assert_eq!((major("15.6"), major("17")), ("15", "17"));
    }
}
