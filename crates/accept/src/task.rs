//! Jobs that send again: asked for here, worked on by `postrider_jobs`.

use crate::{Accept, Caller, FieldProblem, Idempotency, Made, Refusal, Render};
use postrider_store::config::Change;
use postrider_store::id::TaskId;
use postrider_store::query::{Page, TaskFilter};
use postrider_store::task::{Progress, Task, TaskInput, TaskKind, TaskStatus};

/// Jobs of one application that run at once.
const MOST: usize = 100;

/// The messages of a time, epoch ms.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub since_ms: i64,
    /// `None`: now.
    pub until_ms: Option<i64>,
}

impl Accept {
    /// Starts a job on one endpoint's messages. When this returns, it is on disk, and goes on until it is
    /// done.
    pub async fn start_task(
        &self,
        caller: Caller,
        (app, endpoint): (&str, &str),
        (kind, window): (TaskKind, Window),
        idempotency: Option<Idempotency>,
        render: Render<'_, Task>,
    ) -> Result<Made<Task>, Refusal> {
        let (entry, endpoint) = self.endpoint(caller, app, endpoint)?;
        let now_ms = self.clock.wall_ms();
        check_window(window, now_ms)?;
        if endpoint.settings.disabled {
            return Err(crate::message::disabled());
        }
        if self.store.running_tasks(Some(entry.app.id)).await?.len() >= MOST {
            let detail = format!("{MOST} jobs of this application are running; wait until some are done");
            return Err(Refusal::TooMany { code: "too_many_tasks", detail });
        }
        let input = TaskInput {
            endpoint: endpoint.id,
            since_ms: window.since_ms,
            // What is accepted in this very millisecond was before.
            until_ms: window.until_ms.unwrap_or(now_ms + 1).min(now_ms + 1),
        };
        let task = Task {
            id: TaskId(self.store.new_id()),
            env: caller.env,
            app: entry.app.id,
            kind,
            status: TaskStatus::Running,
            cursor: input.messages().0 - 1,
            input,
            progress: Progress::default(),
            updated_ms: now_ms,
        };
        let made = self.make(task.app, Change::CreateTask(task.clone()), task, idempotency, render).await?;
        self.task_bell.notify_one();
        Ok(made)
    }

    pub async fn task(&self, caller: Caller, id: &str) -> Result<Task, Refusal> {
        let id = self.store.ids().parse(id).ok_or(Refusal::NotFound("background task"))?;
        self.store.task(caller.env, id).await?.ok_or(Refusal::NotFound("background task"))
    }

    pub async fn tasks(
        &self,
        caller: Caller,
        kind: Option<TaskKind>,
        status: Option<TaskStatus>,
        page: Page,
    ) -> Result<Vec<Task>, Refusal> {
        Ok(self.store.tasks(TaskFilter { env: caller.env, kind, status }, page).await?)
    }

    /// Returns when a job was started, now or since the last call.
    pub async fn task_started(&self) {
        self.task_bell.notified().await;
    }
}

fn check_window(window: Window, now_ms: i64) -> Result<(), Refusal> {
    if window.since_ms > now_ms {
        return Err(FieldProblem::value("since", "is in the future; nothing has been sent since").into());
    }
    if window.until_ms.is_some_and(|until| until <= window.since_ms) {
        return Err(FieldProblem::value("until", "must be later than since").into());
    }
    Ok(())
}
