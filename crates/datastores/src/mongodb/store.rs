//! The datastore port for a MongoDB database.

use switchback_engine::ports::{Context, Datastore, Failure, Finding, Reach};
use switchback_engine::process::{Argv, Secret};
use switchback_model::event::Outcome;
use switchback_model::observed::{DatastoreLocation, Shadowing};
use switchback_model::plan::Expectation;
use switchback_model::{Contents, DatastoreName, RunId};

use super::server::Server;
use crate::said::{already, no_writers};
use crate::survey::Survey;

/// A program whose command tells whether programs are run beside the server as they are here.
const BESIDE: &str = "true";

/// A MongoDB database.
pub(crate) struct Mongodb {
    server: Server,
}

impl Mongodb {
    pub(crate) fn new(
        name: &DatastoreName,
        location: &DatastoreLocation,
        reach: Box<dyn Reach>,
        password: Option<Secret>,
    ) -> Self {
        let asked = reach.inside(Argv::new(BESIDE, [""; 0]));
        Self {
            server: Server {
                name: name.clone(),
                location: location.clone(),
                elsewhere: asked
                    .is_ok_and(|argv| argv.program != BESIDE)
                    .then_some(reach),
                password,
            },
        }
    }

    pub(crate) fn survey(&self) -> Result<Survey, Failure> {
        let mut client = self.server.client(None)?;
        let about = client.about()?;
        let layout = client.layout()?;
        let because = match &client.server.set {
            None => "the server is no member of a replica set, and nothing else can follow it"
                .to_owned(),
            Some(set) => format!(
                "a member that follows would have to be added to the replica set `{set}`, which changes who elects its primary"
            ),
        };
        Ok(Survey {
            engine: Some(about.version),
            compatibility: about.compatibility,
            size: Some(about.data),
            count: Some(about.objects),
            writers: client.writers()?,
            obstacles: self.server.obstacles(&client, &layout),
            shadow: Shadowing::Impossible { because },
        })
    }

    fn no_writers(&self, cx: &Context<'_>) -> Finding {
        let writers = self.server.client(Some(cx.stop));
        no_writers(writers.and_then(|mut client| client.lasting_writers()))
    }

    fn engine(&self, cx: &Context<'_>, expected: &str) -> Finding {
        let about = self.server.client(Some(cx.stop));
        match about.and_then(|mut client| client.about()) {
            Err(failure) => Finding::Unknown { why: failure.what },
            Ok(about) => same_line(expected, &about.version),
        }
    }
}

impl Datastore for Mongodb {
    fn look(&self, cx: &Context<'_>, expectation: &Expectation) -> Finding {
        let server = &self.server;
        match expectation {
            Expectation::Reachable { .. } => match server.client(Some(cx.stop)) {
                Ok(_) => Finding::Holds,
                Err(failure) => Finding::Differs {
                    found: failure.what,
                },
            },
            Expectation::Engine { version, .. } => self.engine(cx, version),
            Expectation::NoWriters { .. } => self.no_writers(cx),
            Expectation::Backup { state, run, .. } => {
                let run = run.as_ref().unwrap_or(cx.run);
                server.backup(cx, run).has_reached(*state)
            }
            Expectation::Restored { run, .. } => server.restored(cx, run),
            Expectation::Released { run, .. } => server.released(cx, run),
            _ => Finding::Unknown {
                why: "not a datastore's matter".to_owned(),
            },
        }
    }

    fn contents(&self, cx: &Context<'_>) -> Result<Contents, Failure> {
        self.server.read(cx)
    }

    fn sealed_contents(&self, cx: &Context<'_>, run: &RunId) -> Result<Contents, Failure> {
        let sealed = self.server.backup(cx, run).sealed();
        sealed.map(|manifest| manifest.contents)
    }

    fn prepare(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.server.prepare(cx)
    }

    fn follow(&self, _: &Context<'_>) -> Result<Outcome, Failure> {
        Ok(already("a dump follows nothing"))
    }

    fn seal(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.server.seal(cx)
    }

    /// As [`Datastore::seal`]: what writes has to stop for it, for nothing else makes many collections one moment.
    fn capture(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.server.prepare(cx)?;
        self.server.seal(cx).map_err(|failure| {
            if failure.code != "writers-connected" {
                return failure;
            }
            let hint = "stop the product while its backup is made: its server cannot be read at one moment while somebody writes";
            Failure {
                hints: vec![hint.to_owned()],
                ..failure
            }
        })
    }

    fn prove(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        self.server.prove(cx)
    }

    fn restore(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        self.server.restore(cx, run)
    }

    fn release(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        self.server.release(cx, run)
    }

    fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        self.server.clean(cx)
    }
}

/// Compares the lines of two versions: `4.0` and `4.4` are two, and so are the data of their servers.
fn same_line(expected: &str, found: &str) -> Finding {
    let line = |version: &str| {
        let mut parts = version.split('.').map(str::to_owned);
        (parts.next(), parts.next())
    };
    if line(expected) == line(found) {
        Finding::Holds
    } else {
        Finding::Differs {
            found: format!("version {found}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_two_numbers() {
        assert_eq!(same_line("4.0.1", "4.0.28"), Finding::Holds);
        assert!(matches!(
            same_line("4.0.28", "4.4.1"),
            Finding::Differs { .. }
        ));
    }
}
