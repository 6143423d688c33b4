//! One moment of the original's history, opened as a snapshot on both sides.
//!
//! The original opens a snapshot first. Which transactions it sees is told by
//! their numbers: all below `next`, without the `pending` ones. Then the follower
//! replays until all of them have ended there, stops, and opens its own snapshot.
//! It is the same moment where none of those is missing (*behind*) and no other
//! one has been committed there (*ahead*). Commits become visible on the original
//! in nearly, not exactly, the order of its log, and the follower cannot be
//! stopped between any two records; so on a busy server a try often fails. A try
//! costs milliseconds: it is repeated with a new moment.
//!
//! Why a comparison of both is sound: each side reads one snapshot of its own, so
//! each reads one consistent state. Where the states are equal, the shadow holds
//! exactly what the original held at that moment, whatever was thought of
//! transactions before. Meeting the moment only keeps a comparison from failing
//! where nothing is wrong.

use std::time::{Duration, Instant};

use serde::Deserialize;
use switchback_engine::ports::{Context, Failure};
use switchback_model::amount;

use super::super::server::Server;
use super::control::Position;
use super::follower::stopped;
use super::sql::{self, Moment};
use crate::conversation::Conversation;

/// How long moments are tried by a follower that has caught up: thousands of times on a server that
/// commits all the time.
const TRY: Duration = Duration::from_secs(120);

#[derive(Deserialize)]
struct Met {
    position: String,
    behind: bool,
    ahead: bool,
}

/// Tries, until both conversations are in a snapshot of the same moment. The follower stands still when
/// this returns.
pub(super) fn open(
    server: &Server,
    cx: &Context<'_>,
    original: &mut Conversation,
    follower: &mut Conversation,
) -> Result<Moment, Failure> {
    let mut begun = Instant::now();
    let mut tries = 0_u64;
    loop {
        tries += 1;
        cx.progress.report(
            "finding a moment to compare",
            Some(tries),
            None,
            Some("tries"),
        );
        server.say(original, &sql::open_moment())?;
        let moment: Moment = server.hear(original)?;
        if moment.next.saturating_sub(moment.oldest) > sql::WINDOW {
            return Err(long_open(server, &moment));
        }
        let mut reached = Position::default();
        let met = loop {
            server.say(follower, &sql::meet(&moment))?;
            let met: Met = server.hear(follower)?;
            if !met.behind && !met.ahead {
                return Ok(moment);
            }
            server.say(follower, &format!("rollback;\n{}", sql::GO_ON))?;
            stopped(cx, "comparing")?;
            let at = Position::parse(&met.position).unwrap_or_default();
            if !met.behind || at <= reached {
                break met;
            }
            // It gets there: the moment does not run away, and the time for tries begins when it has.
            reached = at;
            begun = Instant::now();
            let lag = lag(&moment, &met);
            cx.progress.report(
                "waiting for the shadow to catch up",
                Some(lag),
                None,
                Some("B"),
            );
        };
        server.say(original, "rollback;\n")?;
        if begun.elapsed() > TRY {
            return Err(no_moment(server, &moment, &met, tries));
        }
    }
}

/// How many bytes of log the follower is behind.
fn lag(moment: &Moment, met: &Met) -> u64 {
    Position::parse(&moment.position)
        .zip(Position::parse(&met.position))
        .map_or(0, |(original, follower)| {
            original.0.saturating_sub(follower.0)
        })
}

fn long_open(server: &Server, moment: &Moment) -> Failure {
    Failure::new(
        "shadow-transaction-open",
        format!(
            "a transaction in the server of `{}` is open for so long that its shadow cannot be compared",
            server.name
        ),
    )
    .cause(format!(
        "{} transactions began since",
        moment.next - moment.oldest
    ))
    .state(server.name.to_string(), "up, and its shadow follows")
    .hint(format!(
        "end it: SELECT pid, usename, xact_start, query FROM pg_stat_activity WHERE backend_xid = '{}'; then resume",
        moment.oldest & 0xFFFF_FFFF
    ))
}

fn no_moment(server: &Server, moment: &Moment, met: &Met, tries: u64) -> Failure {
    let why = if met.behind {
        format!(
            "the shadow is {} behind, and does not get on",
            amount::bytes(lag(moment, met))
        )
    } else {
        "every moment was followed by another commit at once".to_owned()
    };
    Failure::new(
        "shadow-no-moment",
        format!(
            "found no moment in {tries} tries at which `{}` and its shadow can be compared",
            server.name
        ),
    )
    .cause(why)
    .state(server.name.to_string(), "up, and its shadow follows")
    .hint("resume when there is less to write")
}
