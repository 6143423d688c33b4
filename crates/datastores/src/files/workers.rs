//! A few threads that work off a queue, and tell how far they are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchback_engine::ports::{Context, Failure, Progress, Silent};
use switchback_engine::signal::{StopSignal, Urgency};

use crate::disk;

/// Looking at names and copying small files is waiting for the kernel: more threads than this only get in each
/// other's and the product's way.
const THREADS: usize = 4;
/// Threads that wait for the disk: so many writes become one.
const WAITING: usize = 32;
/// How often progress is told.
const TOLD: Duration = Duration::from_millis(250);
/// By how much work that can wait steps behind the product's own.
const GENTLE: i32 = 5;

/// Why work on files ended early.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The operator insisted.
    Stopped,
    /// The kernel said no.
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// A thing that a shadow cannot hold.
    Foreign {
        /// Which.
        path: PathBuf,
    },
}

/// What is tried with originals alone, which nothing is written to.
const READING: [&str; 3] = ["read", "look at", "compare"];

impl Trouble {
    /// For `map_err`.
    pub(super) fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        // That of a directory may end with a slash.
        let path = path.components().collect();
        move |error| Self::Io { doing, path, error }
    }

    /// As the engine tells it. `what` is a whole line.
    pub(super) fn failure(self, code: &str, what: String) -> Failure {
        match self {
            Self::Stopped => Failure::stopped(what),
            Self::Io { doing, path, error } => {
                let cause = format!("cannot {doing} {}", path.display());
                match READING.contains(&doing) {
                    true => disk::unreadable(what, &error),
                    false => disk::failure(code, what, &error),
                }
                .cause(cause)
            }
            Self::Foreign { path } => Failure::new("files-mounted", what)
                .cause(format!(
                    "{} is another filesystem or subvolume inside the directory",
                    path.display()
                ))
                .hint("choose backup = \"dump\" for it, or declare it as a datastore of its own"),
        }
    }
}

/// How work is done.
pub(super) struct Workers<'a> {
    progress: &'a dyn Progress,
    stop: StopSignal,
    gentle: bool,
    threads: usize,
}

/// What is left to do.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    done: AtomicU64,
    stop: StopSignal,
}

struct State<T> {
    tasks: Vec<T>,
    busy: usize,
    trouble: Option<Trouble>,
}

impl<T> Queue<T> {
    /// Adds a task.
    pub(super) fn push(&self, task: T) {
        self.lock().tasks.push(task);
        self.changed.notify_one();
    }

    /// Counts for the progress.
    pub(super) fn did(&self, count: u64) {
        self.done.fetch_add(count, Ordering::Relaxed);
    }

    /// Ends long work where the operator insists.
    pub(super) fn go_on(&self) -> Result<(), Trouble> {
        if self.stop.urgency() == Urgency::Now {
            return Err(Trouble::Stopped);
        }
        Ok(())
    }

    /// The next task, or `None` where nothing is left or work ended early.
    fn next(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.trouble.is_some() {
                return None;
            }
            if let Some(task) = state.tasks.pop() {
                state.busy += 1;
                return Some(task);
            }
            if state.busy == 0 {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finished(&self, result: Result<(), Trouble>) {
        let mut state = self.lock();
        state.busy -= 1;
        if let Err(trouble) = result {
            state.trouble.get_or_insert(trouble);
        }
        let over = state.trouble.is_some() || (state.busy == 0 && state.tasks.is_empty());
        drop(state);
        if over {
            self.changed.notify_all();
        }
    }

    fn is_over(&self, state: &State<T>) -> bool {
        state.busy == 0 && (state.tasks.is_empty() || state.trouble.is_some())
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Workers<'a> {
    /// As fast as it goes: users wait.
    pub(super) fn fast(cx: &Context<'a>) -> Self {
        Self {
            progress: cx.progress,
            stop: cx.stop.clone(),
            gentle: false,
            threads: threads(),
        }
    }

    /// The product comes first.
    pub(super) fn gentle(cx: &Context<'a>) -> Self {
        Self {
            gentle: true,
            ..Self::fast(cx)
        }
    }

    /// The same, for work that only waits for the disk.
    pub(super) fn waiting(&self) -> Workers<'a> {
        Workers {
            progress: self.progress,
            stop: self.stop.clone(),
            gentle: false,
            threads: WAITING,
        }
    }

    /// As fast as it goes, without anybody to tell.
    pub(super) fn unheard() -> Self {
        Self {
            progress: &Silent,
            stop: StopSignal::default(),
            gentle: false,
            threads: threads(),
        }
    }

    /// Tells progress from outside the threads.
    pub(super) fn tell(&self, doing: &str) {
        self.progress.report(doing, None, None, None);
    }

    /// Works off `tasks` and what they add to the queue. Each thread collects into a value of its own.
    pub(super) fn run<T: Send, L: Default + Send>(
        &self,
        telling: Telling,
        tasks: Vec<T>,
        work: impl Fn(T, &Queue<T>, &mut L) -> Result<(), Trouble> + Sync,
    ) -> Result<Vec<L>, Trouble> {
        let queue = Queue {
            state: Mutex::new(State {
                tasks,
                busy: 0,
                trouble: None,
            }),
            changed: Condvar::new(),
            done: AtomicU64::new(0),
            stop: self.stop.clone(),
        };
        let gentle = self.gentle;
        let collected = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads)
                .map(|_| scope.spawn(|| serve(&queue, &work, gentle)))
                .collect();
            self.watch(&telling, &queue);
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        });
        match queue
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .trouble
        {
            Some(trouble) => Err(trouble),
            None => Ok(collected),
        }
    }

    /// Tells progress until nothing is left to do.
    fn watch<T>(&self, telling: &Telling, queue: &Queue<T>) {
        let mut state = queue.lock();
        while !queue.is_over(&state) {
            let (woken, timeout) = queue
                .changed
                .wait_timeout(state, TOLD)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timeout.timed_out() {
                drop(state);
                let done = queue.done.load(Ordering::Relaxed);
                self.progress
                    .report(telling.doing, Some(done), telling.of, Some(telling.unit));
                state = queue.lock();
            }
        }
    }
}

/// What one thread does.
fn serve<T, L: Default>(
    queue: &Queue<T>,
    work: &(impl Fn(T, &Queue<T>, &mut L) -> Result<(), Trouble> + Sync),
    gentle: bool,
) -> L {
    if gentle {
        // Of this thread alone. Where it is not allowed, work is merely less polite.
        let _ = rustix::process::nice(GENTLE);
    }
    let mut collected = L::default();
    while let Some(task) = queue.next() {
        let result = queue
            .go_on()
            .and_then(|()| work(task, queue, &mut collected));
        queue.finished(result);
    }
    collected
}

fn threads() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS)
}

/// What progress says.
pub(super) struct Telling {
    /// What is done.
    pub(super) doing: &'static str,
    /// Of how many, where that is known.
    pub(super) of: Option<u64>,
    /// What is counted.
    pub(super) unit: &'static str,
}
