//! A run while it happens. On a terminal the step in progress is one line that
//! is redrawn; elsewhere there is a line per step, and one every few seconds
//! while a step takes its time. For programs: one event per line.
//!
//! Whatever cannot be written (a closed terminal, a reader that left) is
//! dropped: showing a run must never end it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use switchback_engine::Listener;
use switchback_engine::signal::{StopSignal, Urgency};
use switchback_journal::Outputs;
use switchback_model::event::{Event, Stamped};
use switchback_model::plan::Plan;
use switchback_model::{Digest, StepNumber};

use super::run::Narrator;
use super::screen::Screen;
use super::style::{BANG, BOLD, DIM, TYPE, WARN, paint};
use super::waiting::{ERASE, FRAMES, raw};
use super::wrap;

/// Version of the JSON lines.
const FORMAT: u32 = 1;
/// How often the line in progress is redrawn.
const FRAME: Duration = Duration::from_millis(120);
/// Without a terminal, how long a step may be silent before it says how far it is.
const PATIENCE: Duration = Duration::from_secs(4);

/// Shows a run as it happens.
pub(crate) struct Live<'a> {
    screen: &'a Screen,
    outputs: Outputs,
    stop: StopSignal,
    now: Mutex<Now<'a>>,
    over: Condvar,
}

struct Now<'a> {
    narrator: Narrator<'a>,
    acting: Option<Acting>,
    drawn: bool,
    frame: usize,
    last_line: Instant,
    /// The wish to stop that was confirmed.
    confirmed: Urgency,
    over: bool,
}

struct Acting {
    step: StepNumber,
    since: Instant,
    progress: Option<Event>,
    /// How many lines of what its child prints were shown, none left out.
    streamed: u64,
}

/// An event as a line for programs.
#[derive(Serialize)]
struct Line<'a> {
    format: u32,
    #[serde(flatten)]
    stamped: &'a Stamped,
}

/// An event as one line of JSON.
pub(crate) fn json_line(stamped: &Stamped) -> String {
    let line = Line {
        format: FORMAT,
        stamped,
    };
    let mut text = serde_json::to_string(&line).unwrap_or_default();
    text.push('\n');
    text
}

impl<'a> Live<'a> {
    /// Shows runs of `plan`; `outputs` is where captured output is kept.
    pub(crate) fn new(
        screen: &'a Screen,
        plan: &'a Plan,
        outputs: Outputs,
        stop: StopSignal,
    ) -> Self {
        Self {
            screen,
            outputs,
            stop,
            now: Mutex::new(Now {
                narrator: Narrator::new(plan, screen.progress_width),
                acting: None,
                drawn: false,
                frame: 0,
                last_line: Instant::now(),
                confirmed: Urgency::GoOn,
                over: false,
            }),
            over: Condvar::new(),
        }
    }

    /// Runs `work` while the line in progress is kept moving.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        if !self.screen.live || self.screen.json() {
            return work();
        }
        thread::scope(|scope| {
            scope.spawn(|| self.animate());
            let _over = Over(self);
            work()
        })
    }

    fn animate(&self) {
        let mut now = self.lock();
        while !now.over {
            self.confirm_stop(&mut now);
            self.draw(&mut now);
            now = self
                .over
                .wait_timeout(now, FRAME)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        self.erase(&mut now);
    }

    /// Whoever wants to stop is told at once that it was heard, and what happens now.
    fn confirm_stop(&self, now: &mut Now<'_>) {
        let urgency = self.stop.urgency();
        if urgency == now.confirmed {
            return;
        }
        now.confirmed = urgency;
        let said = match urgency {
            Urgency::GoOn => return,
            Urgency::SafePlace => "stopping before the next step; once more to stop at once",
            Urgency::Now => "stopping at once",
        };
        let line = format!("  {} {said}\n", paint(WARN, BANG));
        self.print(now, &line);
    }

    fn draw(&self, now: &mut Now<'_>) {
        let Some(acting) = &now.acting else { return };
        let took = u64::try_from(acting.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let none = Event::RunFinished { downtime: 0 };
        let event = acting.progress.as_ref().unwrap_or(&none);
        let said = now.narrator.progress(acting.step, took, event);
        let spinner = FRAMES[now.frame % FRAMES.len()];
        now.frame += 1;
        // One column stays free: some terminals wrap when the last one is written to.
        let line = wrap::cut(
            &format!("  {spinner} {said}"),
            self.screen.progress_width.saturating_sub(1),
        );
        raw(&format!("{ERASE}{line}"));
        now.drawn = true;
    }

    fn erase(&self, now: &mut Now<'_>) {
        if now.drawn {
            raw(ERASE);
            now.drawn = false;
        }
    }

    fn print(&self, now: &mut Now<'_>, text: &str) {
        if !text.is_empty() {
            self.erase(now);
            self.screen.advice(text);
            now.last_line = Instant::now();
        }
    }

    fn progressed(&self, now: &mut Now<'_>, step: StepNumber, event: &Event) {
        let (took, news) = match &mut now.acting {
            Some(acting) if acting.step == step => {
                let line = printed(event).filter(|_| self.screen.verbose);
                if let Some((count, line)) = line {
                    let shown = acting.progress.as_ref().and_then(printed);
                    let new = shown.is_none_or(|(before, _)| before != count);
                    let line = paint(DIM, format!("       │ {line}")).to_string();
                    if count == acting.streamed + 1 {
                        acting.streamed = count;
                    }
                    acting.progress = Some(event.clone());
                    if new {
                        self.print(now, &format!("{line}\n"));
                    }
                    return;
                }
                let news = doing(acting.progress.as_ref()) != doing(Some(event));
                acting.progress = Some(event.clone());
                (acting.since.elapsed(), news)
            }
            _ => (Duration::ZERO, true),
        };
        let silent = !self.screen.live && now.last_line.elapsed() >= PATIENCE;
        if silent || (self.screen.verbose && news) {
            let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            let said = now.narrator.progress(step, took, event);
            let line = wrap::cut(&format!("  · {said}"), self.screen.progress_width);
            self.print(now, &format!("{}\n", paint(DIM, line)));
        }
    }

    /// The step no longer acts; what its child printed is shown where it was not while it was printed.
    fn ended(&self, now: &mut Now<'_>, output: Option<&Digest>) {
        let shown = now.acting.take().map_or(0, |acting| acting.streamed);
        self.show_output(now, output, shown);
    }

    fn show_output(&self, now: &mut Now<'_>, output: Option<&Digest>, shown: u64) {
        let Some(digest) = output.filter(|_| self.screen.verbose) else {
            return;
        };
        if let Ok(Some(output)) = self.outputs.read(digest) {
            let lines: String = output
                .lines()
                .skip(usize::try_from(shown).unwrap_or(usize::MAX))
                .map(|line| format!("{}\n", paint(DIM, format!("       │ {line}"))))
                .collect();
            self.print(now, &lines);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now<'a>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Live<'_> {
    fn hear(&self, stamped: &Stamped) {
        if self.screen.json() {
            self.screen.answer(&json_line(stamped));
            return;
        }
        let mut now = self.lock();
        self.confirm_stop(&mut now);
        if let Event::Progress { step, .. } = &stamped.event {
            self.progressed(&mut now, *step, &stamped.event);
            return;
        }
        match &stamped.event {
            Event::StepStarted { step, .. } => {
                now.acting = Some(Acting {
                    step: *step,
                    since: Instant::now(),
                    progress: None,
                    streamed: 0,
                });
            }
            Event::StepFinished { outcome, .. } => self.ended(&mut now, outcome.output.as_ref()),
            Event::AttemptFailed { output, .. } => self.ended(&mut now, output.as_ref()),
            Event::RunHalted { .. } | Event::RunFinished { .. } => now.acting = None,
            _ => {}
        }
        if let Some(begun) = begun(stamped) {
            self.erase(&mut now);
            self.screen.answer(&begun);
        }
        let text = match &stamped.event {
            // The answer says as much.
            Event::RunStarted { .. } | Event::RunFinished { .. } => String::new(),
            _ => now.narrator.lines(stamped),
        };
        self.print(&mut now, &text);
    }
}

struct Over<'a, 'b>(&'a Live<'b>);

impl Drop for Over<'_, '_> {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.over.notify_all();
    }
}

/// The first line of a changing command: the run's id, before anything is done.
fn begun(stamped: &Stamped) -> Option<String> {
    let word = match &stamped.event {
        Event::RunStarted { .. } => "started",
        Event::RunResumed { .. } => "goes on",
        _ => return None,
    };
    Some(format!(
        "Run {} {word}. Safe to interrupt: {} goes on\n",
        paint(BOLD, &stamped.run),
        paint(TYPE, "switchback resume"),
    ))
}

/// A line that a migration printed, with how many there were: drivers report each as
/// `MIGRATION: LINE`, counted in lines.
fn printed(event: &Event) -> Option<(u64, &str)> {
    match event {
        Event::Progress {
            doing,
            done: Some(count),
            unit: Some(unit),
            ..
        } if unit == "lines" && *count > 0 => Some((
            *count,
            doing
                .split_once(": ")
                .map_or(doing.as_str(), |(_, line)| line),
        )),
        _ => None,
    }
}

fn doing(event: Option<&Event>) -> Option<&str> {
    match event {
        Some(Event::Progress { doing, .. }) => Some(doing),
        _ => None,
    }
}
