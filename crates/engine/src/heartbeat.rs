//! Progress that never stays silent: passes on what the ports tell, and says
//! what is waited for, and for how long, when they tell nothing.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use switchback_model::event::{Event, Stamped};
use switchback_model::{RunId, StepNumber};

use crate::listener::Listener;
use crate::ports::Progress;
use crate::signal::{StopSignal, Urgency};

/// Silence beyond this reads as a hang; the promise is five seconds, so it speaks a little sooner.
const SILENCE: Duration = Duration::from_millis(4500);
/// How soon the wish to stop is confirmed.
const LOOK: Duration = Duration::from_millis(200);

/// Speaks for the step that acts now.
pub(crate) struct Heartbeat<'a> {
    listener: &'a dyn Listener,
    run: &'a RunId,
    stop: &'a StopSignal,
    silence: Duration,
    now: Mutex<Beat>,
    changed: Condvar,
}

#[derive(Default)]
struct Beat {
    over: bool,
    /// Place of the last journaled event.
    sequence: u64,
    acting: Option<Acting>,
    confirmed: Option<Urgency>,
}

struct Acting {
    step: StepNumber,
    doing: String,
    done: Option<u64>,
    of: Option<u64>,
    unit: Option<String>,
    /// Since when it does that.
    since: Instant,
    last_word: Instant,
}

impl<'a> Heartbeat<'a> {
    pub(crate) fn new(listener: &'a dyn Listener, run: &'a RunId, stop: &'a StopSignal) -> Self {
        Self {
            listener,
            run,
            stop,
            silence: SILENCE,
            now: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Runs `work` while a second thread keeps the listener informed.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            scope.spawn(|| self.beat());
            // Also when `work` unwinds: the scope waits for the thread.
            let _over = Over(self);
            work()
        })
    }

    /// Passes an event on, after it was journaled.
    pub(crate) fn tell(&self, stamped: &Stamped) {
        let mut now = self.lock();
        now.sequence = stamped.sequence;
        if let Some(acting) = &mut now.acting {
            acting.last_word = Instant::now();
        }
        self.listener.hear(stamped);
    }

    /// A step begins to act.
    pub(crate) fn begin(&self, step: StepNumber, doing: String) {
        let begun = Instant::now();
        self.lock().acting = Some(Acting {
            step,
            doing,
            done: None,
            of: None,
            unit: None,
            since: begun,
            last_word: begun,
        });
        self.changed.notify_all();
    }

    /// It no longer acts.
    pub(crate) fn end(&self) {
        self.lock().acting = None;
    }

    fn beat(&self) {
        let mut now = self.lock();
        while !now.over {
            now = if now.acting.is_none() {
                self.changed
                    .wait(now)
                    .unwrap_or_else(PoisonError::into_inner)
            } else {
                self.changed
                    .wait_timeout(now, LOOK)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            };
            self.confirm_stop(&mut now);
            let sequence = now.sequence;
            let Some(acting) = &mut now.acting else {
                continue;
            };
            if acting.last_word.elapsed() >= self.silence {
                acting.last_word = Instant::now();
                let doing = format!("{}, {}", acting.doing, for_so_long(acting.since.elapsed()));
                let event = progress(acting, doing);
                self.send(sequence, event);
            }
        }
    }

    fn confirm_stop(&self, now: &mut Beat) {
        let urgency = self.stop.urgency();
        if urgency == Urgency::GoOn || now.confirmed == Some(urgency) {
            return;
        }
        now.confirmed = Some(urgency);
        let sequence = now.sequence;
        if let Some(acting) = &now.acting {
            let doing = match urgency {
                Urgency::Now => "stopping at once: ending children",
                _ => "stopping before the next step; once more to stop at once",
            };
            let event = progress(acting, doing.to_owned());
            self.send(sequence, event);
        }
    }

    fn send(&self, sequence: u64, event: Event) {
        self.listener.hear(&Stamped {
            run: self.run.clone(),
            sequence,
            at: 0,
            event,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Heartbeat<'_> {
    fn report(&self, doing: &str, done: Option<u64>, of: Option<u64>, unit: Option<&str>) {
        let mut now = self.lock();
        let sequence = now.sequence;
        let Some(acting) = &mut now.acting else {
            return;
        };
        let told = Instant::now();
        if acting.doing != doing {
            acting.since = told;
            acting.doing = doing.to_owned();
        }
        acting.done = done;
        acting.of = of;
        acting.unit = unit.map(str::to_owned);
        acting.last_word = told;
        let event = progress(acting, acting.doing.clone());
        self.send(sequence, event);
    }
}

struct Over<'a, 'b>(&'a Heartbeat<'b>);

impl Drop for Over<'_, '_> {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.changed.notify_all();
    }
}

fn progress(acting: &Acting, doing: String) -> Event {
    Event::Progress {
        step: acting.step,
        doing,
        done: acting.done,
        of: acting.of,
        unit: acting.unit.clone(),
    }
}

fn for_so_long(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("for {s} s"),
        (0, m, s) => format!("for {m} min {s} s"),
        (h, m, _) => format!("for {h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::Recorder;

    fn words(recorder: &Recorder) -> Vec<String> {
        recorder
            .heard()
            .into_iter()
            .filter_map(|stamped| match stamped.event {
                Event::Progress { doing, .. } => Some(doing),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_silent_port_is_spoken_for_and_numbers_stay() {
        let recorder = Recorder::default();
        let (run, stop) = ("r-1".into(), StopSignal::default());
        let mut heartbeat = Heartbeat::new(&recorder, &run, &stop);
        heartbeat.silence = Duration::from_millis(300);
        heartbeat.during(|| {
            heartbeat.begin(StepNumber(3), "migrate is-db".to_owned());
            heartbeat.report("waiting for `postgres`", Some(2), Some(5), Some("tables"));
            thread::sleep(Duration::from_millis(1300));
            heartbeat.end();
        });
        let heard = words(&recorder);
        assert_eq!(heard[0], "waiting for `postgres`");
        assert!(heard.len() >= 3, "{heard:?}");
        assert!(
            heard[1].starts_with("waiting for `postgres`, for "),
            "{heard:?}"
        );
        assert!(matches!(
            recorder.heard().last().map(|stamped| &stamped.event),
            Some(Event::Progress {
                done: Some(2),
                of: Some(5),
                ..
            })
        ));
    }

    #[test]
    fn a_wish_to_stop_is_confirmed_once_and_says_what_a_second_one_does() {
        let recorder = Recorder::default();
        let (run, stop) = ("r-1".into(), StopSignal::default());
        let heartbeat = Heartbeat::new(&recorder, &run, &stop);
        heartbeat.during(|| {
            heartbeat.begin(StepNumber(1), "fetch".to_owned());
            stop.raise();
            thread::sleep(Duration::from_millis(900));
        });
        assert_eq!(
            words(&recorder),
            ["stopping before the next step; once more to stop at once"]
        );
    }

    #[test]
    fn work_that_unwinds_does_not_leave_the_thread_waiting() {
        let recorder = Recorder::default();
        let (run, stop) = ("r-1".into(), StopSignal::default());
        let heartbeat = Heartbeat::new(&recorder, &run, &stop);
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            heartbeat.during(|| std::panic::resume_unwind(Box::new("crash")))
        }));
        assert!(unwound.is_err());
    }
}
