//! The shadow's own server: how it is started beside the original, asked, and ended.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Deserialize;
use switchback_engine::ports::{Companion, CompanionState, Context, Failure, SCRATCH_DIRECTORY};
use switchback_engine::process::Argv;
use switchback_engine::signal::Urgency;

use super::super::commands::Connection;
use super::super::server::{Server, application};
use super::control::Position;
use super::facts::Facts;
use super::layout::{self, Layout};
use super::sql;
use crate::backup::Backup;
use crate::conversation::Broken;

/// The companion that makes the copy.
pub(super) const COPY: &str = "copy";
/// The companion that follows.
pub(super) const FOLLOW: &str = "follow";
/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(250);
/// A server whose socket is not there yet is not asked for so long: every question starts a client program.
const OPENS: Duration = Duration::from_secs(10);
/// A follower that replays nothing and receives nothing for this long has lost its original, or what it
/// needs of its log: a server that is busy at all writes something every few seconds.
const STANDSTILL: Duration = Duration::from_secs(30);
/// Pages that it keeps in memory. Few, for what is in memory must be written when it ends, while users wait.
const SHARED_BUFFERS: &str = "32MB";

/// How far a follower is.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Progress {
    pub(super) streams: bool,
    replayed: String,
    received: String,
}

impl Progress {
    pub(super) fn replayed(&self) -> Position {
        Position::parse(&self.replayed).unwrap_or_default()
    }

    fn received(&self) -> Position {
        Position::parse(&self.received).unwrap_or_default()
    }
}

/// What became of waiting for a follower.
pub(super) enum Waited {
    /// It follows.
    Follows,
    /// It can never follow; this is what it wrote.
    Lost(String),
}

/// What a server on a copy is told whatever its original is told: it listens to nobody but us, archives nothing,
/// follows to the end and answers in the words that we read.
const FIXED: [(&str, &str); 41] = [
    ("listen_addresses", ""),
    ("port", "5432"),
    ("unix_socket_permissions", "0700"),
    ("unix_socket_group", ""),
    ("external_pid_file", ""),
    ("ssl", "off"),
    ("bonjour", "off"),
    ("hot_standby", "on"),
    ("hot_standby_feedback", "off"),
    // What is read is never cut off: replaying waits.
    ("max_standby_streaming_delay", "-1"),
    ("max_standby_archive_delay", "-1"),
    ("primary_slot_name", ""),
    ("restore_command", ""),
    ("archive_cleanup_command", ""),
    ("recovery_end_command", ""),
    ("recovery_min_apply_delay", "0"),
    ("recovery_target", ""),
    ("recovery_target_lsn", ""),
    ("recovery_target_name", ""),
    ("recovery_target_time", ""),
    ("recovery_target_xid", ""),
    ("recovery_target_timeline", "latest"),
    ("wal_receiver_status_interval", "1s"),
    ("archive_mode", "off"),
    ("synchronous_standby_names", ""),
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("huge_pages", "off"),
    ("shared_buffers", SHARED_BUFFERS),
    ("jit", "off"),
    ("autovacuum", "off"),
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("default_transaction_read_only", "off"),
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
    ("log_statement", "none"),
    ("log_min_duration_statement", "-1"),
    ("lc_messages", "C"),
    ("cluster_name", "switchback"),
    ("restart_after_crash", "off"),
];

/// The server as it is started on a copy. What the operator configured stays out: neither his files nor what
/// `ALTER SYSTEM` wrote may archive, listen, or restore here.
pub(in super::super) fn server(
    settings: &BTreeMap<String, String>,
    upstream: Option<&str>,
) -> Argv {
    let mut argv = Argv::new("postgres", ["-D"]).arg(format!("{SCRATCH_DIRECTORY}/data"));
    let mut set = |name: &str, value: &str| {
        argv.args.push("-c".to_owned());
        argv.args.push(format!("{name}={value}"));
    };
    for (name, file) in [
        ("config_file", "empty.conf"),
        ("hba_file", "hba.conf"),
        ("ident_file", "ident.conf"),
    ] {
        set(name, &format!("{SCRATCH_DIRECTORY}/{file}"));
    }
    set("unix_socket_directories", SCRATCH_DIRECTORY);
    set("primary_conninfo", upstream.unwrap_or_default());
    let follows = if upstream.is_some() { "on" } else { "off" };
    // A slot of the connection: when that ends the original forgets it, so none is ever left behind.
    // Versions before 13 have none.
    if settings
        .get("server_version_num")
        .is_none_or(|version| version.as_str() >= "130000")
    {
        set("wal_receiver_create_temp_slot", follows);
    }
    for (name, value) in FIXED {
        set(name, value);
    }
    // A follower must have at least as much of these as its original.
    for (name, value) in settings {
        if name != "server_version_num" {
            set(name, value);
        }
    }
    argv
}

impl Server {
    /// The connection string with which a shadow follows.
    fn upstream(&self, cx: &Context<'_>) -> String {
        let passfile = layout::passfile(self.password.as_ref());
        self.connection(self.database(), &application(Some(cx.run)))
            .upstream(passfile.as_deref())
    }

    fn connection<'a>(&'a self, database: &'a str, application: &'a str) -> Connection<'a> {
        Connection {
            location: &self.location,
            password: self.password.as_ref(),
            database,
            application,
        }
    }

    /// What copies the whole cluster.
    pub(super) fn copier(&self, cx: &Context<'_>) -> Argv {
        let passfile = layout::passfile(self.password.as_ref());
        let argv = self
            .connection(self.database(), &application(Some(cx.run)))
            .base_backup(
                &format!("{SCRATCH_DIRECTORY}/data"),
                passfile.as_deref(),
                cx.plan
                    .datastores
                    .get(&self.name)
                    .and_then(|plan| plan.max_rate),
            );
        self.of_the_servers_own(argv)
    }

    /// A program of the version that the server has, where it is a process of this host: distributions keep
    /// several, and the ones that everybody finds are not always those.
    pub(super) fn of_the_servers_own(&self, argv: Argv) -> Argv {
        let binaries = || {
            let directory = self.location.directory.as_ref()?;
            let note = std::path::Path::new(directory).join("postmaster.pid");
            let note = std::fs::read_to_string(note).ok()?;
            let pid: u32 = note.lines().next()?.trim().parse().ok()?;
            let server = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
            let program = server.parent()?.join(&argv.program);
            program.exists().then_some(program)
        };
        match self.location.access {
            switchback_model::observed::Access::Local => match binaries() {
                Some(program) => Argv {
                    program: program.to_string_lossy().into_owned(),
                    ..argv
                },
                None => argv,
            },
            switchback_model::observed::Access::Container { .. } => argv,
        }
    }

    /// Starts the follower on a copy.
    pub(super) fn start_following(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        layout: &Layout,
        facts: &Facts,
    ) -> Result<Box<dyn Companion>, Failure> {
        layout
            .furnish(self.password.as_ref())
            .and_then(|()| layout.mark_following())
            .map_err(|error| backup.io("furnish", &error))?;
        let argv = self.of_the_servers_own(server(&facts.settings, Some(&self.upstream(cx))));
        self.reach.accompany(cx, FOLLOW, layout.place(), argv)
    }

    /// Waits until the follower streams and has replayed up to `target`.
    pub(super) fn wait_until_follows(
        &self,
        cx: &Context<'_>,
        companion: &dyn Companion,
        layout: &Layout,
        facts: &Facts,
        target: Position,
    ) -> Result<Waited, Failure> {
        let _held = self.follower.hold();
        let begun = Instant::now();
        let mut last = (Position::default(), Position::default());
        let mut moved = Instant::now();
        let mut first = None;
        loop {
            if let CompanionState::Ended { .. } = companion.state()? {
                return Ok(Waited::Lost(companion.output(cx)?));
            }
            // It may not answer yet.
            let opened = layout.has_socket() || begun.elapsed() > OPENS;
            let progress = opened
                .then(|| self.follower(cx, companion, facts).ok())
                .flatten();
            if let Some(progress) = &progress {
                let now = (progress.replayed(), progress.received());
                if progress.streams && now.0 >= target {
                    return Ok(Waited::Follows);
                }
                if now != last {
                    (last, moved) = (now, Instant::now());
                }
                let from = *first.get_or_insert(now.0);
                cx.progress.report(
                    "catching up with the original",
                    Some(now.0.0.saturating_sub(from.0)),
                    Some(target.0.saturating_sub(from.0)),
                    Some("B"),
                );
            } else {
                cx.progress
                    .report("waiting for the shadow's server", None, None, None);
            }
            self.leave_room(cx, companion, layout)?;
            let output = companion.output(cx)?;
            if output.contains("has already been removed") {
                return Ok(Waited::Lost(output));
            }
            if moved.elapsed() > STANDSTILL && !progress.is_some_and(|progress| progress.streams) {
                return Ok(Waited::Lost(output));
            }
            stopped(cx, "waiting for the shadow")?;
            std::thread::sleep(LOOK);
        }
    }

    /// How far a follower is.
    pub(super) fn follower(
        &self,
        cx: &Context<'_>,
        companion: &dyn Companion,
        facts: &Facts,
    ) -> Result<Progress, Failure> {
        let argv = companion.inside(self.reader(cx, companion.directory(), facts))?;
        let answers = self
            .ask_by(&self.follower, cx.commands, &argv, None, sql::FOLLOWER)
            .map_err(|broken| match broken {
                Broken::Client(error) => self.failure(error, "has a shadow that does not answer"),
                Broken::Pipe(error) => self.pipe_broke(&error),
                Broken::Own { error, .. } => error,
            })?;
        answers.into_iter().next().ok_or_else(|| self.gone())
    }

    /// A client program that reads the copy, over the socket in `directory`, as nobody else can.
    pub(super) fn reader(&self, cx: &Context<'_>, directory: &str, facts: &Facts) -> Argv {
        let location = switchback_model::observed::DatastoreLocation {
            host: Some(directory.to_owned()),
            port: Some(5432),
            user: Some(facts.superuser.clone()),
            ..self.location.clone()
        };
        Connection {
            location: &location,
            password: None,
            database: self.database(),
            application: &application(Some(cx.run)),
        }
        .psql()
    }
}

/// A failure where the operator wants to stop at once.
pub(in super::super) fn stopped(cx: &Context<'_>, doing: &str) -> Result<(), Failure> {
    if cx.stop.urgency() != Urgency::Now {
        return Ok(());
    }
    Err(Failure::stopped(format!("stopped while {doing}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shadow_listens_nowhere_and_archives_nothing() {
        let settings = [("max_connections".to_owned(), "250".to_owned())].into();
        let argv = server(
            &settings,
            Some("host=127.0.0.1 passfile={directory}/passfile"),
        );
        let words = argv.to_string();
        for expected in [
            "listen_addresses=",
            "archive_mode=off",
            "restore_command=",
            "max_connections=250",
            "wal_receiver_create_temp_slot=on",
        ] {
            assert!(words.contains(expected), "{words}");
        }
        let alone = server(&settings, None).to_string();
        assert!(alone.contains("primary_conninfo= ") && alone.contains("temp_slot=off"));
    }
}
