//! Replica sets: everything is read from the primary and written to it, and nothing goes on before most members have
//! what was written. What one member has alone is lost as soon as another one is elected.

use std::time::{Duration, Instant};

use bson::doc;
use switchback_engine::ports::{Context, Failure};
use switchback_engine::signal::Urgency;
use switchback_model::DatastoreName;

use super::answers;
use super::client::Client;
use super::hello::Hello;
use super::names::Family;

/// How far most members may be behind. The product's own writes wait for them no longer either, where it asks for
/// that; a set that is further behind has members that are down.
const BEHIND: Duration = Duration::from_secs(300);
/// How long one question waits for them, in milliseconds: then it is told how long it has taken.
const ASKED: i64 = 5000;

impl Client<'_> {
    /// Waits until most members have all that was written until now: whichever of them is elected, it is there.
    pub(super) fn settle(&mut self, cx: &Context<'_>) -> Result<(), Failure> {
        let Some(set) = self.server.set.clone() else {
            return Ok(());
        };
        let mark = Family::prove(cx.run).of("settled");
        let begun = Instant::now();
        loop {
            // Members take writes in their order, so who has this one has all before it.
            let command = doc! {
                "insert": &mark,
                "documents": [{}],
                "writeConcern": { "w": "majority", "wtimeout": ASKED },
            };
            let failure = match self.ask_own(command) {
                Ok(_) => return self.remove(&mark),
                Err(failure) if failure.code == answers::UNCONFIRMED => failure,
                Err(failure) => return Err(failure),
            };
            if begun.elapsed() > BEHIND || cx.stop.urgency() == Urgency::Now {
                let _ = self.remove(&mark);
                return Err(behind(self.name, &set, failure, cx.stop.urgency()));
            }
            cx.progress.report(
                &format!("waiting until most members of `{set}` have what was written"),
                Some(begun.elapsed().as_secs()),
                None,
                Some("s"),
            );
        }
    }

    /// Refuses what was read where another member was elected meanwhile: it may never have had the last of that.
    pub(super) fn require_same_primary(&mut self) -> Result<(), Failure> {
        let Some(set) = self.server.set.clone() else {
            return Ok(());
        };
        let now = Hello::read(&self.ask("admin", doc! { "isMaster": 1 })?);
        if now.writable && now.election == self.server.election {
            return Ok(());
        }
        Err(Failure::new(
            "datastore-elected",
            format!(
                "the replica set `{set}` elected while `{}` was read",
                self.name
            ),
        )
        .state(self.name.to_string(), "not changed")
        .hint("once it has a primary (rs.status() in a shell), resume: it is read anew, from that one"))
    }
}

fn behind(name: &DatastoreName, set: &str, failure: Failure, urgency: Urgency) -> Failure {
    Failure {
        what: format!(
            "most members of the replica set `{set}` do not have what was written to `{name}`"
        ),
        stopped: urgency == Urgency::Now,
        ..failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_stay_behind_are_told_with_where_to_look() {
        let answer = doc! { "ok": 1, "writeConcernError": { "code": 64, "errmsg": "timed out" } };
        let answer = bson::raw::RawDocumentBuf::try_from(&answer).expect("a document");
        let name = "mongodb".into();
        let failure = answers::understood(&name, "st2", "insert", &answer).expect_err("too slow");
        let told = behind(&name, "rs0", failure, Urgency::GoOn);
        assert_eq!(
            told.what,
            "most members of the replica set `rs0` do not have what was written to `mongodb`"
        );
        assert_eq!(told.causes, ["timed out"]);
        assert_eq!(
            told.state[0].seen.as_deref(),
            Some("written on its primary alone")
        );
        assert_eq!(
            told.hints,
            ["see which members are down or behind, in a shell: rs.status(); then resume"]
        );
        assert!(!told.stopped);
    }
}
