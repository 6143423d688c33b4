//! The replica that follows a server: started beside it, waited for, asked where it stands.
//!
//! ```text
//! <place>/replica.conf       its settings with the password: only until it has read them
//!        /switchback.sock    the only way to it
//!        /data/              what it keeps, under the names that the original would load
//! ```

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::Instant;

use switchback_engine::ports::{Companion, CompanionState, Context, Failure};
use switchback_engine::process::last_words;
use switchback_engine::signal::Urgency;

use super::client::Client;
use super::commands::{self, DATA, SETTINGS};
use super::layout::Layout;
use super::server::{ASK, SILENCE, Server};
use super::session::Session;
use super::tls::{IDENTITY, Identity};
use crate::backup::Backup;
use crate::disk;

/// Where a replica stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// True where it is connected and has everything from the beginning.
    up: bool,
    /// The history that it follows.
    pub(super) history: String,
    /// How much of it it has applied.
    pub(super) offset: u64,
    /// Names this replica's connection to this original: another one where it had to begin anew, the
    /// same one where it only caught up.
    pub(super) link: String,
    /// True where its append-only file holds all of it.
    written: bool,
    /// What it does, for progress.
    doing: &'static str,
    done: Option<u64>,
    of: Option<u64>,
}

impl Standing {
    /// Asks a replica.
    pub(super) fn of(session: &mut Session<'_>) -> Result<Self, Failure> {
        let replication = session.info("replication")?;
        let persistence = session.info("persistence")?;
        let number = |name: &str| {
            [&replication, &persistence]
                .iter()
                .find_map(|info| info.get(name)?.parse::<u64>().ok())
        };
        let is = |name: &str, value: u64| number(name) == Some(value);
        let mut standing = Self {
            up: replication
                .get("master_link_status")
                .is_some_and(|status| status == "up"),
            history: replication
                .get("master_replid")
                .cloned()
                .unwrap_or_default(),
            offset: number("slave_repl_offset").unwrap_or(0),
            written: is("aof_enabled", 1)
                && is("aof_rewrite_in_progress", 0)
                && is("aof_rewrite_scheduled", 0),
            ..Self::default()
        };
        if is("master_sync_in_progress", 1) {
            standing.doing = "copying from the original";
            standing.done = number("master_sync_read_bytes");
            standing.of = number("master_sync_total_bytes").filter(|total| *total > 0);
        } else if is("loading", 1) || is("async_loading", 1) {
            standing.doing = "loading into the shadow";
            standing.done = number("loading_loaded_bytes");
            standing.of = number("loading_total_bytes");
        } else if standing.up {
            standing.doing = "writing the shadow to disk";
            standing.done = number("aof_current_rewrite_time_sec");
            let run = session.info("server")?.remove("run_id").unwrap_or_default();
            let clients = session.verbatim("CLIENT LIST")?;
            standing.link = primary_of(&clients)
                .map(|id| format!("{run}:{id}"))
                .unwrap_or_default();
        } else {
            standing.doing = "connecting the shadow";
        }
        Ok(standing)
    }

    /// True where it has everything, follows, and has written it down.
    pub(super) fn follows(&self) -> bool {
        self.up && self.written && !self.link.is_empty()
    }
}

/// The number of the connection to the primary, in `CLIENT LIST`. It stays when the connection was lost and
/// taken up again where it broke, and is another one after a full synchronization.
fn primary_of(clients: &str) -> Option<&str> {
    clients.lines().find_map(|line| {
        let field = |name: &str| {
            line.split(' ')
                .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        field("flags")?.contains('M').then(|| field("id"))?
    })
}

impl Server {
    /// What the replica of a run is called.
    pub(super) fn replica_name(&self) -> String {
        format!("{}-shadow", self.name)
    }

    pub(super) fn replica_client<'a>(
        &'a self,
        cx: &'a Context<'_>,
        replica: &dyn Companion,
    ) -> Result<Client<'a>, Failure> {
        let program = self.program(cx.commands);
        Ok(Client {
            name: &self.name,
            commands: cx.commands,
            argv: replica.inside(commands::scratch_client(program, replica.directory()))?,
            held: &self.replica,
        })
    }

    /// Starts a replica with nothing in it.
    pub(super) fn start_replica(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        place: &Path,
        layout: &Layout,
        directory: &Path,
    ) -> Result<Box<dyn Companion>, Failure> {
        if let Some(earlier) = self.reach.companion(cx, &self.replica_name())? {
            earlier.end(cx, "SIGTERM")?;
        }
        let made = |error: std::io::Error| backup.io("prepare", &error);
        let owner = fs::metadata(directory).map_err(made)?;
        disk::remove(&place.join(DATA)).map_err(made)?;
        for made_one in [place.to_owned(), place.join(DATA)] {
            fs::create_dir_all(&made_one)
                .and_then(|()| fs::set_permissions(&made_one, fs::Permissions::from_mode(0o700)))
                .and_then(|()| disk::give_to(&made_one, &owner))
                .map_err(made)?;
        }
        let (known, port, identity) = self.client(cx.commands)?.converse(|mut session| {
            let identity = match self.is_behind_tls() {
                true => Some(Identity::of(&mut session)?.map_err(|why| self.not_followed(&why))?),
                false => None,
            };
            let known = session.settings(&["replica-announced", "oom-score-adj"])?;
            let port = match self.location.port {
                Some(port) => port,
                None => session
                    .info("server")?
                    .get("tcp_port")
                    .and_then(|port| port.parse().ok())
                    .unwrap_or(6379),
            };
            Ok((known.unwrap_or_default(), port, identity))
        })?;
        let host = self.location.host.as_deref().unwrap_or("127.0.0.1");
        let user = self.location.user.as_deref();
        let mut text = commands::replica_settings(
            layout,
            (host, port),
            user.filter(|user| *user != "default" && !user.is_empty()),
            self.password.as_ref(),
            &known,
        );
        if let Some(identity) = &identity {
            self.bring(cx.commands, identity, place, &owner)?;
            text.push_str(&identity.settings());
        }
        let settings = place.join(SETTINGS);
        let started = disk::write_secret(&settings, &text, &owner)
            .map_err(made)
            .and_then(|()| {
                let argv = commands::replica(self.program(cx.commands));
                let replica = self
                    .reach
                    .accompany(cx, &self.replica_name(), place, argv)?;
                self.wait_answering(cx, replica.as_ref())?;
                Ok(replica)
            });
        // It has read them, or never will.
        disk::remove(&settings)
            .and_then(|()| disk::remove(&place.join(IDENTITY)))
            .map_err(made)?;
        started
    }

    fn wait_answering(&self, cx: &Context<'_>, replica: &dyn Companion) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let asked = self
                .replica_client(cx, replica)
                .and_then(|client| client.command("PING"));
            match asked {
                Ok(_) => return Ok(()),
                Err(failure) if failure.stopped => return Err(failure),
                Err(failure) if failure.code == "datastore-loading" => return Ok(()),
                Err(failure) => {
                    self.require_running(cx, replica)?;
                    if begun.elapsed() > SILENCE {
                        return Err(failure);
                    }
                }
            }
            cx.progress.report("starting the shadow", None, None, None);
            thread::sleep(ASK);
        }
    }

    /// Fails with what a replica said last where it has ended.
    pub(super) fn require_running(
        &self,
        cx: &Context<'_>,
        replica: &dyn Companion,
    ) -> Result<(), Failure> {
        let CompanionState::Ended { code } = replica.state()? else {
            return Ok(());
        };
        let output = replica.output(cx).unwrap_or_default();
        let mut failure = Failure::new(
            "shadow-ended",
            format!("the shadow of `{}` ended with {code}", self.name),
        );
        failure.causes.extend(last_words(output.lines()));
        Err(failure
            .output(output)
            .state(self.name.to_string(), "runs, and is unchanged")
            .hint(
                "see why (memory, disk, its output above), then resume: the shadow is begun anew",
            ))
    }

    /// Waits until a replica has everything, follows, and has written it to disk. Given up when nothing moves.
    pub(super) fn wait_following(
        &self,
        cx: &Context<'_>,
        replica: &dyn Companion,
    ) -> Result<Standing, Failure> {
        let _held = self.replica.hold();
        let mut moved = Instant::now();
        let mut last = Standing::default();
        loop {
            self.require_running(cx, replica)?;
            self.leave_room(cx, replica)?;
            let asked = self
                .replica_client(cx, replica)?
                .converse(|mut session| Standing::of(&mut session));
            let standing = match asked {
                Ok(standing) => standing,
                Err(failure) if failure.stopped => return Err(failure),
                Err(_) => Standing {
                    doing: "waiting for the shadow to answer",
                    ..Standing::default()
                },
            };
            if standing.follows() {
                return Ok(standing);
            }
            let unit = standing.of.map(|_| "B");
            cx.progress
                .report(standing.doing, standing.done, standing.of, unit);
            if standing != last {
                moved = Instant::now();
                last = standing;
            }
            if !last.up
                && let Some(refusal) = refusal(&replica.output(cx)?)
            {
                return Err(self.not_followed(&refusal));
            }
            if moved.elapsed() > SILENCE {
                return Err(self.not_followed(last.doing));
            }
            if cx.stop.urgency() == Urgency::Now {
                return Err(Failure::stopped("stopped by the operator while waiting"));
            }
            thread::sleep(ASK);
        }
    }

    /// Takes a shadow away before it leaves its original no room: it can be had again, and the original cannot.
    fn leave_room(&self, cx: &Context<'_>, replica: &dyn Companion) -> Result<(), Failure> {
        let backup = self.backup(cx, cx.run);
        let Some(manifest) = backup.shadow()? else {
            return Ok(());
        };
        let place = backup.place_of(&manifest)?;
        let Err(failure) = disk::leave_room(place) else {
            return Ok(());
        };
        self.take_away(cx, &backup, replica)?;
        disk::remove(&place.join(DATA)).map_err(|error| backup.io("remove", &error))?;
        Err(failure
            .state(self.name.to_string(), "runs, and is unchanged")
            .state(
                format!("shadow of {}", self.name),
                "removed; resume begins it anew",
            ))
    }

    fn not_followed(&self, why: &str) -> Failure {
        Failure::new(
            "shadow-refused",
            format!("the shadow of `{}` cannot follow it", self.name),
        )
        .cause(why)
        .state(self.name.to_string(), "runs, and is unchanged")
        .hint(format!(
            "let the user of [datastores.{}] replicate (`+psync +replconf +ping`), or set backup = \"dump\" there and plan again",
            self.name
        ))
    }
}

/// What a primary answered to a replica that it does not want, in the replica's output.
fn refusal(output: &str) -> Option<String> {
    let lines: Vec<&str> = output.lines().collect();
    let recent = lines.iter().skip(lines.len().saturating_sub(12));
    let line = recent.rev().find(|line| {
        [
            "NOPERM",
            "NOAUTH",
            "WRONGPASS",
            "Unable to AUTH",
            "unknown command",
        ]
        .iter()
        .any(|word| line.contains(word))
    })?;
    // After process, time and level.
    Some(
        line.split_once(" * ")
            .or_else(|| line.split_once(" # "))
            .map_or(*line, |(_, said)| said)
            .trim()
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_to_the_primary_has_a_number() {
        let list = "id=9 addr=/x:0 name=switchback flags=U\nid=4 addr=127.0.0.1:6379 laddr=127.0.0.1:4 fd=9 name= age=3 flags=M db=0\n";
        assert_eq!(primary_of(list), Some("4"));
        assert_eq!(primary_of("id=9 addr=/x:0 flags=N\n"), None);
    }

    #[test]
    fn a_refusal_is_told_in_the_primarys_words() {
        let output = "77:S 21 Nov 2026 08:00:00.000 * MASTER <-> REPLICA sync started\n\
            77:S 21 Nov 2026 08:00:00.001 # Unable to AUTH to MASTER: -WRONGPASS invalid username-password pair\n";
        assert_eq!(
            refusal(output).as_deref(),
            Some("Unable to AUTH to MASTER: -WRONGPASS invalid username-password pair")
        );
        assert_eq!(refusal("77:S * Ready to accept connections\n"), None);
    }
}
