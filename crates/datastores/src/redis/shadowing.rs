//! Whether a replica can follow a server, asked without changing anything there.

use std::fs;

use switchback_engine::ports::Failure;
use switchback_engine::process::Commands;
use switchback_model::observed::Shadowing;

use super::layout::Layout;
use super::reply::{Reply, Value, quoted};
use super::server::Server;
use super::session::Session;
use super::tls::Identity;
use crate::shadow;

/// Memory that must be free, in hundredths of what the original holds: the replica, and for a while a
/// second server that reads what the replica wrote to disk.
const MEMORY: u64 = 220;

impl Server {
    /// Whether a shadow can be made of the server. `obstacles` are in the way of any backup.
    pub(super) fn shadowing(
        &self,
        commands: &Commands,
        layout: &Layout,
        obstacles: &[String],
    ) -> Result<Shadowing, Failure> {
        let found = match obstacles.first() {
            Some(first) => Some(first.clone()),
            None => self
                .client(commands)?
                .converse(|mut session| self.hindrance(&mut session, layout))?,
        };
        Ok(match found {
            Some(because) => Shadowing::Impossible { because },
            None => Shadowing::Possible,
        })
    }

    fn hindrance(
        &self,
        session: &mut Session<'_>,
        layout: &Layout,
    ) -> Result<Option<String>, Failure> {
        let info = session.info("server")?;
        if self.location.port.is_none() && info.get("tcp_port").is_some_and(|port| port == "0") {
            return Ok(Some("the server listens on no port".to_owned()));
        }
        if let Some(why) = self.right_to_follow(session)? {
            return Ok(Some(why));
        }
        if self.is_behind_tls()
            && let Err(why) = Identity::of(session)?
        {
            return Ok(Some(why));
        }
        let directory = layout.on_host(&self.name, &self.location)?;
        if shadow::is_out_of_reach(&directory, &self.location.access) {
            return Ok(Some(format!(
                "{} is a filesystem of its own: its server's user can put no copy beside it",
                directory.display()
            )));
        }
        if layout.modules.iter().any(Vec::is_empty) {
            return Ok(Some(
                "the server has loaded a module and does not tell from where".to_owned(),
            ));
        }
        let memory = session.info("memory")?;
        let used: u64 = memory
            .get("used_memory")
            .and_then(|bytes| bytes.parse().ok())
            .unwrap_or(0);
        Ok(available_memory()
            .filter(|free| *free < used / 100 * MEMORY)
            .map(|free| {
                format!("it holds {used} bytes in memory, and {free} are free for copies of it")
            }))
    }

    /// Asks in ways that begin no replication.
    fn right_to_follow(&self, session: &mut Session<'_>) -> Result<Option<String>, Failure> {
        // Not everybody may ask for commands; a command that is not there is told as nothing.
        if session.attempt("COMMAND INFO PSYNC")? == Reply::Values(vec![Value::Nil]) {
            return Ok(Some(renamed("PSYNC")));
        }
        if let Reply::Error(error) = session.attempt("REPLCONF capa eof")? {
            if error.starts_with("NOPERM") {
                return Ok(Some(self.may_not("REPLCONF")));
            }
            if error.contains("unknown command") {
                return Ok(Some(renamed("REPLCONF")));
            }
        }
        let user = self.location.user.as_deref().unwrap_or("default");
        let rehearsed = format!("ACL DRYRUN {} PSYNC ? -1", quoted(user.as_bytes()));
        // Servers before 7 cannot tell, and not everybody may ask.
        let answer = session.attempt(&rehearsed)?.text();
        Ok(answer
            .filter(|answer| answer.contains("no permissions"))
            .map(|_| self.may_not("PSYNC")))
    }

    fn may_not(&self, command: &str) -> String {
        let user = self.location.user.as_deref().unwrap_or("default");
        format!("its user `{user}` may not replicate: it lacks `{command}`")
    }
}

fn renamed(command: &str) -> String {
    format!("the server has no command `{command}`: it was renamed")
}

/// Bytes that programs can still have, where the system tells.
pub(super) fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes << 10)
}
