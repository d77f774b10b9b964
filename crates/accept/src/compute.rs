//! Heavy computation, on threads of its own instead of those that serve requests, callers in turn.
//!
//! A job runs to its end. A caller with much to compute submits it in slices, and between two slices all other callers
//! have their turn. When all cores are busy, the threads that serve requests go first.

use crate::Refusal;
use crate::caller::Holder;
use postrider_fair::FairQueue;
use postrider_store::StoreError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Jobs of one holder in the queue; more are refused.
const WAITING: usize = 256;
/// Of the threads, as `nice` counts it: those that serve requests have 0.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// JSON of at least this size is heavy to parse.
pub const HEAVY_BYTES: usize = 1 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. Clones share them; the threads end with the last clone.
#[derive(Clone, Debug)]
pub struct Compute(Arc<Threads>);

#[derive(Debug)]
struct Threads(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    job_added: Condvar,
}

struct Waiting {
    jobs: FairQueue<Holder, Job>,
    closed: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Compute {
    /// Starts half as many threads as there are cores, so that the others serve requests.
    pub fn start() -> std::io::Result<Compute> {
        let waiting = Waiting { jobs: FairQueue::new(WAITING), closed: false };
        let shared = Arc::new(Shared { waiting: Mutex::new(waiting), job_added: Condvar::new() });
        let threads = Threads(shared.clone());
        let count = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        for n in 0..count {
            let shared = shared.clone();
            std::thread::Builder::new().name(format!("compute-{n}")).spawn(move || shared.work())?;
        }
        Ok(Compute(Arc::new(threads)))
    }

    /// Runs a job when it is its holder's turn.
    pub async fn run<T, J>(&self, holder: Holder, job: J) -> Result<T, Refusal>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move || drop(reply.send(job())));
        let queued = self.0.0.waiting().jobs.push(holder, job);
        queued.map_err(|_| Refusal::Unavailable(StoreError::Busy))?;
        self.0.0.job_added.notify_one();
        answer.await.map_err(|_| Refusal::Unavailable(StoreError::Closed))
    }

    /// Runs a job here if it is about few bytes, else as [`Compute::run`] does.
    pub async fn run_if_heavy<T, J>(&self, bytes: usize, holder: Holder, job: J) -> Result<T, Refusal>
    where
        T: Send + 'static,
        J: FnOnce() -> T + Send + 'static,
    {
        if bytes < HEAVY_BYTES { Ok(job()) } else { self.run(holder, job).await }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let waits = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.closed;
        let mut waiting = self.job_added.wait_while(self.waiting(), waits).unwrap_or_else(PoisonError::into_inner);
        waiting.jobs.pop()
    }

    fn work(&self) {
        give_way();
        while let Some(job) = self.next() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a computation ended with a panic");
            }
        }
    }
}

/// Lowers the priority of this thread, where a thread has one of its own.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "could not lower the priority of a compute thread");
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.waiting().closed = true;
        self.0.job_added.notify_all();
    }
}
