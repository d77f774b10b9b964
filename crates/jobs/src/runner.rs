//! The task that works on jobs, slice by slice, each job in turn.

use crate::slice;
use postrider_accept::Accept;
use postrider_store::config::Change;
use postrider_store::id::{AppId, TaskId};
use postrider_store::task::{Task, TaskStatus};
use postrider_store::{ChangeError, StoreError};
use std::collections::HashSet;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How often to look for jobs that nobody told us of: those of an earlier run, or of a node that is gone.
const LOOK_MS: i64 = 5_000;
/// A job of another node that has not moved for so long has nobody who works on it.
const LEFT_MS: i64 = 15_000;
/// How often tokens that are no longer in force are forgotten, and how long after their end.
const TIDY_MS: i64 = 3_600_000;
const KEEP_TOKENS_MS: i64 = 7 * 86_400_000;

/// The running task.
#[derive(Debug)]
pub struct Jobs {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Jobs {
    pub fn start(accept: Accept) -> Jobs {
        let (stop, stopped) = oneshot::channel();
        Jobs { stop, task: tokio::spawn(run(accept, stopped)) }
    }

    /// Ends after the slice that is under way; what is left of the jobs goes on at the next start.
    pub async fn drain(self) {
        let _ = self.stop.send(());
        if self.task.await.is_err() {
            tracing::error!("the jobs ended with a panic");
        }
    }
}

async fn run(accept: Accept, mut stopped: oneshot::Receiver<()>) {
    let mut runner = Runner { accept, mine: HashSet::new(), next_tidy_ms: 0, wake_ms: None };
    loop {
        let wait = tokio::select! {
            biased;
            _ = &mut stopped => return,
            wait = runner.turn() => wait,
        };
        if wait {
            let clock = runner.accept.clock().clone();
            let look_ms = clock.steady_ms() + LOOK_MS;
            tokio::select! {
                biased;
                _ = &mut stopped => return,
                () = runner.accept.task_started() => {}
                () = clock.sleep_until(look_ms.min(runner.wake_ms.unwrap_or(look_ms))) => {}
            }
        }
    }
}

struct Runner {
    accept: Accept,
    /// Jobs that this node has worked on.
    mine: HashSet<TaskId>,
    next_tidy_ms: i64,
    /// When the first of the jobs that keep a pace goes on, steady ms.
    wake_ms: Option<i64>,
}

impl Runner {
    /// A slice of each job. True when there is nothing to do for now.
    async fn turn(&mut self) -> bool {
        self.tidy().await;
        let tasks = match self.accept.store().running_tasks(None).await {
            Ok(tasks) => tasks,
            Err(error) => {
                tracing::debug!(%error, "could not look for jobs; trying again");
                return true;
            }
        };
        let mut idle = true;
        let now_ms = self.accept.clock().steady_ms();
        // A job that keeps a pace comes again in its time.
        let (tasks, later): (Vec<Task>, Vec<Task>) =
            tasks.into_iter().partition(|task| task.progress.not_before_ms.is_none_or(|at| at <= now_ms));
        self.wake_ms = later.iter().filter_map(|task| task.progress.not_before_ms).min();
        for task in tasks.iter().filter(|task| self.is_mine(task)).collect::<Vec<_>>() {
            match self.work(task).await {
                Ok(more) => idle &= !more,
                Err(error) => tracing::debug!(%error, "could not go on with a job; trying again"),
            }
        }
        idle
    }

    /// Alone, everything is ours. Among several nodes, a job belongs to the one that began with it, as long
    /// as it moves; should two think so, one of them is refused at its next slice.
    fn is_mine(&self, task: &Task) -> bool {
        let is_new = task.progress.total.is_none();
        let left = task.updated_ms < self.accept.clock().wall_ms() - LEFT_MS;
        !self.accept.store().is_shared() || self.mine.contains(&task.id) || is_new || left
    }

    /// One slice. True when there may be more.
    async fn work(&mut self, task: &Task) -> Result<bool, StoreError> {
        let mut slice = slice(&self.accept, task).await?;
        let (store, clock) = (self.accept.store(), self.accept.clock());
        slice.row.updated_ms = clock.wall_ms();
        slice.row.progress.not_before_ms = task.input.per_second.filter(|_| task.kind.sends()).map(|rate| {
            let sent = slice.work.messages().len() as i64;
            clock.steady_ms() + sent * 1_000 / i64::from(rate.max(1))
        });
        let status = slice.row.status;
        let row = slice.row.clone();
        let change =
            Change::AdvanceTask { row: slice.row, based_on: task.cursor, work: slice.work, due_ms: clock.steady_ms() };
        match store.change(task.app, change, None).await {
            Ok(_) if status == TaskStatus::Running => {
                self.mine.insert(task.id);
                Ok(true)
            }
            Ok(_) => {
                self.accept.tell_of_task(&row).await;
                self.mine.remove(&task.id);
                Ok(false)
            }
            // Another node was faster and goes on with it.
            Err(ChangeError::Outdated) => {
                self.mine.remove(&task.id);
                Ok(false)
            }
            Err(ChangeError::Store(error)) => Err(error),
            Err(error) => Err(StoreError::Database(error.to_string())),
        }
    }

    async fn tidy(&mut self) {
        let now_ms = self.accept.clock().steady_ms();
        if now_ms < self.next_tidy_ms {
            return;
        }
        self.next_tidy_ms = now_ms + TIDY_MS;
        if let Err(error) = self.accept.forget_addresses().await {
            tracing::debug!(%error, "could not forget old addresses; trying again");
        }
        if let Err(error) = self.accept.forget_polled().await {
            tracing::debug!(%error, "could not forget what is no longer kept to be pulled; trying again");
        }
        let before_ms = self.accept.clock().wall_ms() - KEEP_TOKENS_MS;
        if !self.accept.store().directory().has_tokens_ended_by(before_ms) {
            return;
        }
        let forgotten = self.accept.store().change(AppId(0), Change::ForgetTokens { before_ms }, None).await;
        if let Err(error) = forgotten {
            tracing::debug!(%error, "could not forget old tokens; trying again");
        }
    }
}
