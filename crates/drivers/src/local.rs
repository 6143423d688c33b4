//! The way to servers that a host reaches, this one or another: programs run there, beside the product.

use std::path::Path;
use std::rc::Rc;

use switchback_engine::ports::{Companion, Context, Elsewhere, Failure, Reach, Scratch};
use switchback_engine::process::{Argv, CommandError};

use crate::host::{Far, Host};

/// A server that somebody else runs.
#[derive(Debug)]
pub(crate) struct LocalReach {
    /// Another machine than this, where programs are run.
    host: Option<Host>,
}

impl LocalReach {
    /// Reaches a server that this deployment neither starts nor stops.
    pub(crate) fn foreign() -> Self {
        Self { host: None }
    }

    /// The same, as `host` reaches it.
    pub(crate) fn foreign_to(host: &Host) -> Self {
        Self {
            host: Some(host.clone()),
        }
    }
}

impl Reach for LocalReach {
    fn inside(&self, argv: Argv) -> Result<Argv, Failure> {
        match &self.host {
            Some(host) => host.inside(argv),
            None => Ok(argv),
        }
    }

    fn foreign(&self) -> Option<String> {
        let machine = self.host.as_ref().and_then(Host::name);
        Some(match machine {
            Some(machine) => format!("its server is on `{machine}`, and is asked from here"),
            None => "its server is no service of this deployment".to_owned(),
        })
    }

    fn lost(&self, error: &CommandError) -> Option<Failure> {
        self.host.as_ref()?.lost(error)
    }

    fn reached_at(&self, host: &str, port: u16) -> Result<Option<(String, u16)>, Failure> {
        match &self.host {
            Some(there) => there.reached_at(host, port),
            None => Ok(None),
        }
    }

    fn elsewhere(&self) -> Option<Rc<dyn Elsewhere>> {
        match &self.host {
            Some(Host::Far(far)) => Some(Rc::<Far>::clone(far)),
            Some(Host::Here(_)) | None => None,
        }
    }

    fn running(&self, _: &Context<'_>) -> Result<bool, Failure> {
        Ok(true)
    }

    fn stop(&self, _: &Context<'_>) -> Result<(), Failure> {
        Err(foreign("stop"))
    }

    fn start(&self, _: &Context<'_>) -> Result<(), Failure> {
        Err(foreign("start"))
    }

    fn scratch(&self, _: &Context<'_>, _: &Path, _: Argv) -> Result<Box<dyn Scratch>, Failure> {
        Err(foreign("double"))
    }

    fn accompany(
        &self,
        _: &Context<'_>,
        _: &str,
        _: &Path,
        _: Argv,
    ) -> Result<Box<dyn Companion>, Failure> {
        Err(foreign("start anything beside"))
    }

    fn companion(&self, _: &Context<'_>, _: &str) -> Result<Option<Box<dyn Companion>>, Failure> {
        Ok(None)
    }
}

fn foreign(verb: &str) -> Failure {
    Failure::new(
        "server-not-ours",
        format!("cannot {verb} a datastore's server that is no service of this deployment"),
    )
    .state("server", "not touched")
    .hint("back it up by its own means, and say so: backup = \"none\" in switchback.toml")
}

#[cfg(test)]
mod tests {
    use switchback_engine::process::Commands;
    use switchback_engine::redact::Redactor;
    use switchback_engine::signal::StopSignal;

    use super::*;

    #[test]
    fn a_way_that_failed_is_told_as_that_and_the_server_as_where_it_is() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let commands = Commands::new(directory.path(), Redactor::default(), StopSignal::default());
        let far = Far::new("st2@st2.example.org", None, commands);
        let there = LocalReach::foreign_to(&Host::Far(Rc::new(far)));
        let exit = |code, output: &str| CommandError::Exit {
            command: "psql (on st2@st2.example.org)".to_owned(),
            code,
            output: output.to_owned(),
        };
        let lost = exit(255, "client_loop: send disconnect: Broken pipe\r\n");
        let failure = there.lost(&lost).expect("the way");
        assert_eq!(failure.code, "connection-lost");
        assert_eq!(
            failure.what,
            "the connection to `st2@st2.example.org` was lost"
        );
        // What the client program says of its server is the server's.
        let refused = exit(2, "psql: error: FATAL:  password authentication failed\n");
        assert_eq!(there.lost(&refused), None);
        assert_eq!(LocalReach::foreign().lost(&lost), None);
        assert_eq!(
            there.foreign().as_deref(),
            Some("its server is on `st2@st2.example.org`, and is asked from here")
        );
        assert_eq!(
            LocalReach::foreign().foreign().as_deref(),
            Some("its server is no service of this deployment")
        );
    }

    #[test]
    fn what_is_not_ours_is_left_alone_with_a_way_on() {
        let failure = foreign("start anything beside");
        assert_eq!(failure.code, "server-not-ours");
        assert!(
            failure
                .what
                .starts_with("cannot start anything beside a datastore's server")
        );
        assert_eq!((failure.state.len(), failure.hints.len()), (1, 1));
    }
}
