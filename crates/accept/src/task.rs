//! Jobs in the background: asked for here, worked on by `postrider_jobs`.

use crate::{Accept, Caller, FieldProblem, Idempotency, Made, Refusal, Render};
use postrider_store::ChangeError;
use postrider_store::config::Change;
use postrider_store::id::{AppId, EndpointId, TaskId};
use postrider_store::query::{Found, Page, TaskFilter};
use postrider_store::task::{Only, Progress, Task, TaskInput, TaskKind, TaskStatus};

/// Jobs of one application that run at once.
const MOST: usize = 100;

/// The messages of a time, epoch ms.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub since_ms: i64,
    /// `None`: now.
    pub until_ms: Option<i64>,
}

/// What a caller gives of a job that sends.
#[derive(Clone, Debug)]
pub struct TaskDraft {
    pub kind: TaskKind,
    pub window: Window,
    pub only: Only,
    /// Messages a second; `None`: as fast as the endpoint takes them.
    pub per_second: Option<u32>,
    pub newest_first: bool,
}

impl Accept {
    /// Starts a job on one endpoint's messages. When this returns, it is on disk, and goes on until it is
    /// done.
    pub async fn start_task(
        &self,
        caller: Caller,
        (app, endpoint): (&str, &str),
        draft: TaskDraft,
        idempotency: Option<Idempotency>,
        render: Render<'_, Task>,
    ) -> Result<Made<Task>, Refusal> {
        let (entry, endpoint) = self.endpoint(caller, app, endpoint)?;
        let now_ms = self.clock.wall_ms();
        check_window(draft.window, now_ms)?;
        check_pace(draft.per_second)?;
        if endpoint.settings.disabled {
            return Err(crate::message::disabled());
        }
        if endpoint.settings.poll {
            return Err(crate::message::polled());
        }
        // What is accepted in this very millisecond was before.
        let until_ms = draft.window.until_ms.unwrap_or(now_ms + 1).min(now_ms + 1);
        let input = TaskInput {
            only: draft.only,
            per_second: draft.per_second,
            newest_first: draft.newest_first,
            ..TaskInput::of(endpoint.id, draft.window.since_ms, until_ms)
        };
        self.start(caller, entry.app.id, (draft.kind, input), idempotency, render).await
    }

    /// Starts a job that removes the payloads of all messages of an application.
    pub async fn purge(
        &self,
        caller: Caller,
        app: &str,
        idempotency: Option<Idempotency>,
        render: Render<'_, Task>,
    ) -> Result<Made<Task>, Refusal> {
        let entry = self.application(caller, app)?;
        let input = TaskInput::of(EndpointId(0), 0, self.clock.wall_ms() + 1);
        self.start(caller, entry.app.id, (TaskKind::Purge, input), idempotency, render).await
    }

    /// Starts a job that counts what applications sent in a time; all of them, if none are named. Those that are not
    /// known are left out.
    pub async fn count_usage(
        &self,
        caller: Caller,
        (window, apps): (Window, &[String]),
        idempotency: Option<Idempotency>,
        render: Render<'_, Task>,
    ) -> Result<Made<Task>, Refusal> {
        let now_ms = self.clock.wall_ms();
        check_window(window, now_ms)?;
        let found = apps.iter().filter_map(|name| self.application(caller, name).ok());
        let known: Vec<i64> = found.map(|entry| entry.app.id.0).collect();
        if known.is_empty() && !apps.is_empty() {
            return Err(FieldProblem::value("appIds", "names no application of this environment").into());
        }
        let until_ms = window.until_ms.unwrap_or(now_ms + 1).min(now_ms + 1);
        let input = TaskInput { apps: known, ..TaskInput::of(EndpointId(0), window.since_ms, until_ms) };
        self.start(caller, AppId(0), (TaskKind::Usage, input), idempotency, render).await
    }

    /// Starts a job that lists which event types applications subscribed to.
    pub async fn list_subscriptions(&self, caller: Caller, render: Render<'_, Task>) -> Result<Made<Task>, Refusal> {
        let input = TaskInput::of(EndpointId(0), 0, self.clock.wall_ms() + 1);
        self.start(caller, AppId(0), (TaskKind::Subscriptions, input), None, render).await
    }

    async fn start(
        &self,
        caller: Caller,
        app: AppId,
        (kind, input): (TaskKind, TaskInput),
        idempotency: Option<Idempotency>,
        render: Render<'_, Task>,
    ) -> Result<Made<Task>, Refusal> {
        let running = self.store.running_tasks(Some(app)).await?;
        if running.iter().filter(|task| task.env == caller.env).count() >= MOST {
            let detail = format!("{MOST} jobs of this application are running; wait until some are done");
            return Err(Refusal::TooMany { code: "too_many_tasks", detail });
        }
        let (first, end) = input.messages();
        let task = Task {
            id: TaskId(self.store.new_id()),
            env: caller.env,
            app,
            kind,
            status: TaskStatus::Running,
            cursor: match kind {
                // Their places are those of applications.
                TaskKind::Usage | TaskKind::Subscriptions => 0,
                _ if input.newest_first => end,
                _ => first - 1,
            },
            input,
            progress: Progress::default(),
            updated_ms: self.clock.wall_ms(),
        };
        let made = self.make(task.app, Change::CreateTask(task.clone()), task, idempotency, render).await?;
        self.task_bell.notify_one();
        Ok(made)
    }

    /// Pauses a job, lets it go on, or ends it.
    pub async fn set_task(&self, caller: Caller, id: &str, status: TaskStatus) -> Result<Task, Refusal> {
        let task = self.task(caller, id).await?;
        let change = Change::SetTaskStatus { env: caller.env, task: task.id, status, now_ms: self.clock.wall_ms() };
        match self.store.change(task.app, change, None).await {
            Ok(_) => {}
            Err(ChangeError::NotFound) => {
                let detail =
                    format!("the job is {}; only one that runs or is paused can be changed", task.status.name());
                return Err(Refusal::Conflict { code: "ended", detail });
            }
            Err(error) => return Err(error.into()),
        }
        self.task_bell.notify_one();
        let task = self.task(caller, id).await?;
        if task.status == TaskStatus::Cancelled {
            self.tell_of_task(&task).await;
        }
        Ok(task)
    }

    pub async fn task(&self, caller: Caller, id: &str) -> Result<Task, Refusal> {
        let none = || Refusal::none("background task", id);
        let known = self.store.ids().parse(id).ok_or_else(none)?;
        self.store.task(caller.env, known).await?.ok_or_else(none)
    }

    pub async fn tasks(
        &self,
        caller: Caller,
        kind: Option<TaskKind>,
        statuses: Vec<TaskStatus>,
        page: Page,
    ) -> Result<Found<Task>, Refusal> {
        Ok(self.store.tasks(TaskFilter { env: caller.env, kind, statuses }, page).await?)
    }

    /// Returns when a job was started, now or since the last call.
    pub async fn task_started(&self) {
        self.task_bell.notified().await;
    }
}

fn check_pace(per_second: Option<u32>) -> Result<(), Refusal> {
    match per_second {
        Some(0) => Err(FieldProblem::value("perSecond", "0 would send nothing; use at least 1").into()),
        _ => Ok(()),
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
