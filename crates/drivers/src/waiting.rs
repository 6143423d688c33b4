//! Waiting for health, from outside, as users see it: for as long as the service
//! gets anywhere. It ends when the service ends, restarts or stands still, never
//! because of the clock alone.

use std::time::{Duration, Instant};

use switchback_engine::ports::{Context, Failure};
use switchback_engine::signal::Urgency;
use switchback_model::ServiceName;
use switchback_model::event::Outcome;

use crate::http::{self, Call};

/// How often a wait asks.
const LOOK: Duration = Duration::from_secs(1);
/// Without a new log line and without processor time for this long, nothing is under way: even a server
/// that waits for its database writes a line or spins within this time.
const STANDSTILL: Duration = Duration::from_secs(90);
/// A server that answers, but not with 200, will not change its mind after this long; 503 says "wait".
const WRONG_ANSWER: Duration = Duration::from_secs(20);
/// Less processor time than this between two looks is an idle server's timers.
const IDLE: Duration = Duration::from_millis(10);

/// A service that is waited for.
pub(crate) trait Watched {
    /// Where it is reached from outside, without a final slash.
    fn base(&self) -> Result<String, Failure>;
    /// What it has done so far; a failure where it ended or was restarted.
    fn pulse(&mut self) -> Result<Pulse, Failure>;
    /// The last lines that it wrote, redacted.
    fn last_words(&self) -> Option<String>;
}

/// What a service has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pulse {
    /// Processor time used.
    pub(crate) processor: Duration,
    /// The last line of each log.
    pub(crate) last_lines: Vec<String>,
}

impl Pulse {
    fn is_beyond(&self, earlier: &Self) -> bool {
        self.last_lines != earlier.last_lines
            || self.processor.saturating_sub(earlier.processor) >= IDLE
    }
}

/// Waits until `GET path` answers 200.
pub(crate) fn healthy(
    cx: &Context<'_>,
    service: &ServiceName,
    path: &str,
    watched: &mut dyn Watched,
) -> Result<Outcome, Failure> {
    let begun = Instant::now();
    let (mut seen, mut alive_at) = (watched.pulse()?, Instant::now());
    let mut wrong_since: Option<Instant> = None;
    loop {
        let url = format!("{}{path}", watched.base()?);
        let answer = http::send(&Call {
            method: "GET",
            url: &url,
            token: None,
            body: None,
        });
        let said = match answer.map(|answer| answer.status) {
            Ok(200) => return Ok(healthy_after(begun, format!("GET {url} answers 200"))),
            // The server is up and wants a password, which is the operator's business.
            Ok(401) => {
                let said = format!("GET {url} answers 401: up, asks for a password");
                return Ok(healthy_after(begun, said));
            }
            Ok(503) => "answers 503".to_owned(),
            Ok(status) => {
                let since = *wrong_since.get_or_insert_with(Instant::now);
                if since.elapsed() > WRONG_ANSWER {
                    return Err(wrong_answer(service, &url, status));
                }
                format!("answers {status}")
            }
            Err(error) => {
                wrong_since = None;
                error
            }
        };
        let now = watched.pulse()?;
        if now.is_beyond(&seen) {
            (seen, alive_at) = (now, Instant::now());
        }
        let doing = format!("waiting for {service}: {said}");
        let seconds = begun.elapsed().as_secs();
        cx.progress.report(&doing, Some(seconds), None, Some("s"));
        if cx.stop.urgency() != Urgency::GoOn {
            let what = format!("stopped waiting for `{service}`");
            return Err(Failure::stopped(what)
                .state(service.as_str(), format!("runs; {said}"))
                .hint("switchback resume looks again"));
        }
        if alive_at.elapsed() > STANDSTILL {
            let mut failure = stands_still(service, &said);
            failure.output = watched.last_words();
            return Err(failure);
        }
        std::thread::sleep(LOOK);
    }
}

fn healthy_after(begun: Instant, said: String) -> Outcome {
    let seconds = begun.elapsed().as_secs();
    Outcome {
        summary: match seconds {
            0 => said,
            seconds => format!("{said} after {seconds} s"),
        },
        ..Outcome::default()
    }
}

fn wrong_answer(service: &ServiceName, url: &str, status: u16) -> Failure {
    let what = format!("GET {url} answers {status} in place of 200");
    Failure::new("unhealthy", what)
        .state(service.as_str(), "runs and answers")
        .hint(format!("see why in the log of {service}, then resume"))
}

fn stands_still(service: &ServiceName, said: &str) -> Failure {
    let seconds = STANDSTILL.as_secs();
    Failure::new("unhealthy", format!("`{service}` stands still: {said}"))
        .state(
            service.as_str(),
            format!("runs, without a log line or processor time for {seconds} s"),
        )
        .hint(format!("see why in the log of {service}, then resume"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_no_progress_and_a_line_is() {
        let pulse = |millis, line: &str| Pulse {
            processor: Duration::from_millis(millis),
            last_lines: vec![line.to_owned()],
        };
        assert!(!pulse(105, "a").is_beyond(&pulse(100, "a")));
        assert!(pulse(111, "a").is_beyond(&pulse(100, "a")));
        assert!(pulse(100, "b").is_beyond(&pulse(100, "a")));
    }
}
