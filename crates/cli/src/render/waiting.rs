//! Says what a command is waiting for while it looks or plans: a spinner on a
//! terminal, a line every few seconds elsewhere. Never silent for long.

use std::io::Write as _;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use switchback_engine::ports::Progress;

use super::screen::Screen;
use super::style::{DIM, paint};
use super::{measure, wrap};

/// Quick answers come without a flicker.
const PATIENCE: Duration = Duration::from_millis(300);
/// How often the spinner turns.
const FRAME: Duration = Duration::from_millis(120);
/// How long it may be silent without a terminal.
const SILENCE: Duration = Duration::from_secs(4);
/// The spinner.
pub(crate) const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// Back to the start of the line, and erase it.
pub(crate) const ERASE: &str = "\r\u{1b}[2K";

/// Does `work`, saying `what` while it takes its time.
pub(crate) fn during<T>(screen: &Screen, what: &str, work: impl FnOnce() -> T) -> T {
    telling(screen, what, |_| work())
}

/// How far a piece of work is, as it says itself.
#[derive(Default)]
pub(crate) struct Told(Mutex<String>);

impl Progress for Told {
    fn report(&self, doing: &str, done: Option<u64>, of: Option<u64>, unit: Option<&str>) {
        let number = |value: u64| match unit {
            Some("B") => measure::bytes(value),
            _ => measure::count(value),
        };
        let far = match (done, of) {
            (Some(done), Some(of)) if of > 0 => format!(", {} of {}", number(done), number(of)),
            (Some(done), _) => format!(", {}", number(done)),
            _ => String::new(),
        };
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *told = format!(": {doing}{far}");
    }
}

/// As [`during`], for work that says how far it is.
pub(crate) fn telling<T>(screen: &Screen, what: &str, work: impl FnOnce(&Told) -> T) -> T {
    let told = Told::default();
    if screen.json() {
        return work(&told);
    }
    let (over, waiting) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let told = &told;
        scope.spawn(move || tell(screen, what, told, &waiting));
        let done = work(told);
        // The thread ends with the channel.
        drop(over);
        done
    })
}

fn tell(screen: &Screen, what: &str, told: &Told, waiting: &mpsc::Receiver<()>) {
    let began = Instant::now();
    let (first, then) = if screen.live {
        (PATIENCE, FRAME)
    } else {
        (SILENCE, SILENCE)
    };
    let mut pause = first;
    let mut frame = 0;
    while waiting.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let far = told
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let said = format!("{what}{far}  {}", measure::duration(took));
        if screen.live {
            let line = format!("{} {said}", FRAMES[frame % FRAMES.len()]);
            let line = wrap::cut(&line, screen.progress_width.saturating_sub(1));
            raw(&format!("{ERASE}{line}"));
        } else {
            screen.advice(&format!("{}\n", paint(DIM, format!("· {said}"))));
        }
        frame += 1;
        pause = then;
    }
    if frame > 0 && screen.live {
        raw(ERASE);
    }
}

/// Moves the cursor, which is no matter of colour: past the stream that strips colours.
pub(crate) fn raw(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes());
    let _ = err.flush();
}
