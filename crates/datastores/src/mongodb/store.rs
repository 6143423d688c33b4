//! The datastore port for a MongoDB database.

use switchback_engine::ports::{Context, Datastore, Failure, Finding, Reach};
use switchback_engine::process::{Argv, Secret};
use switchback_model::event::Outcome;
use switchback_model::hand_work::{DoneWhen, ServerIs};
use switchback_model::observed::{DatastoreLocation, Shadowing};
use switchback_model::plan::Expectation;
use switchback_model::{Contents, DatastoreName, RunId};

use super::server::Server;
use crate::said::{already, no_writers};
use crate::survey::Survey;

/// A program whose command tells whether programs are run beside the server as they are here.
const BESIDE: &str = "true";
/// The one line that is kept and has no `featureCompatibilityVersion`.
const WITHOUT_FORMAT: &str = "3.2";

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
                "a member of ours would change the configuration of the replica set `{set}`, and stay in it where a run dies; for a quicker way back keep a hidden, delayed member of your own"
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
            log_rate: None,
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

    /// Whether the server is what a person was to make of it. One that does not answer is told as that, for it is not.
    fn server_is(&self, cx: &Context<'_>, is: &ServerIs) -> Finding {
        let asked = self.server.client(Some(cx.stop)).and_then(|mut client| {
            let writable = client.server.writable;
            Ok((writable, client.about()?))
        });
        match asked {
            Err(failure) => Finding::Differs {
                found: failure.what,
            },
            Ok((false, _)) => Finding::Differs {
                found: "the server takes no writes".to_owned(),
            },
            Ok((true, about)) => settled(is, &about.version, about.compatibility.as_deref()),
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
            Expectation::DoneByHand {
                done: DoneWhen::Server(is),
                ..
            } => self.server_is(cx, is),
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

/// Whether a server of this version, with the format of its data, is what is wanted.
fn settled(is: &ServerIs, version: &str, format: Option<&str>) -> Finding {
    let lines = is.lines.join(" or ");
    if !is.includes(version) {
        return Finding::Differs {
            found: format!("the server is {version}, and not {lines}"),
        };
    }
    match format {
        _ if !is.format || line(version) == line(WITHOUT_FORMAT) => Finding::Holds,
        Some(format) if is.includes(format) => Finding::Holds,
        Some(format) => Finding::Differs {
            found: format!(
                "the server is {version} with featureCompatibilityVersion {format}, and not {lines}"
            ),
        },
        None => Finding::Unknown {
            why: "the product's user may not ask for featureCompatibilityVersion (role clusterMonitor)"
                .to_owned(),
        },
    }
}

fn line(version: &str) -> (Option<&str>, Option<&str>) {
    let mut parts = version.split('.');
    (parts.next(), parts.next())
}

/// Compares the lines of two versions: `4.0` and `4.4` are two, and so are the data of their servers.
fn same_line(expected: &str, found: &str) -> Finding {
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

    #[test]
    fn a_rung_is_done_when_the_format_of_the_data_has_come_along() {
        let wanted = |lines: &[&str], format| ServerIs {
            datastore: "mongodb".into(),
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            format,
        };
        let rung = wanted(&["3.6", "4.0"], true);
        let differs = |finding| match finding {
            Finding::Differs { found } => found,
            other => panic!("{other:?}"),
        };
        assert_eq!(settled(&rung, "3.6.23", Some("3.6")), Finding::Holds);
        // Whoever went on has passed it.
        assert_eq!(settled(&rung, "4.0.28", Some("3.6")), Finding::Holds);
        assert_eq!(
            differs(settled(&rung, "3.4.24", Some("3.4"))),
            "the server is 3.4.24, and not 3.6 or 4.0"
        );
        assert_eq!(
            differs(settled(&rung, "3.6.23", Some("3.4"))),
            "the server is 3.6.23 with featureCompatibilityVersion 3.4, and not 3.6 or 4.0"
        );
        // What the product's user may not ask, whoever did it has to say.
        let unseen = settled(&rung, "3.6.23", None);
        assert!(matches!(unseen, Finding::Unknown { .. }), "{unseen:?}");
        let again = wanted(&["3.4"], false);
        assert_eq!(settled(&again, "3.4.24", None), Finding::Holds);
        let old = wanted(&["3.2", "3.4"], true);
        assert_eq!(settled(&old, "3.2.22", None), Finding::Holds);
    }
}
