//! `/api/v1/background-task`, and the operations that start one: recover, replay-missing.

use crate::Api;
use crate::auth::{Auth, LookAround, Resend};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::idempotency::{IdempotencyHeader, answer, respond};
use crate::page::{Asked, ListResponse};
use crate::params::{OrderParams, PageParams};
use crate::query::Query;
use crate::timestamp;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use postrider_accept::Window;
use postrider_store::Ids;
use postrider_store::id::TaskId;
use postrider_store::task::{Task, TaskKind, TaskStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(recover))
        .routes(routes!(replay_missing))
        .routes(routes!(list))
        .routes(routes!(get))
}

/// The messages of a time.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct RecoverIn {
    #[schema(format = "date-time")]
    pub since: String,
    /// `null`: now.
    #[serde(default)]
    #[schema(format = "date-time")]
    pub until: Option<String>,
}

/// What kind of job.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub enum BackgroundTaskType {
    #[serde(rename = "endpoint.recover")]
    Recover,
    #[serde(rename = "endpoint.replay")]
    Replay,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackgroundTaskStatus {
    Running,
    Finished,
    Failed,
}

/// A job that was started.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoverOut {
    pub id: String,
    pub status: BackgroundTaskStatus,
    pub task: BackgroundTaskType,
    #[schema(format = "date-time")]
    pub updated_at: String,
}

/// How far a job has come.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackgroundTaskData {
    pub app_id: String,
    pub endpoint_id: String,
    #[schema(format = "date-time")]
    pub since: String,
    #[schema(format = "date-time")]
    pub until: String,
    /// Messages that it has scheduled to be sent.
    pub done: i64,
    /// Failures, or messages, that it has yet to look at; `null`: not counted yet.
    pub to_do: Option<i64>,
    /// The same as `done`, by the name that Svix gives it.
    pub messages_sent: i64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A job, and how far it has come.
#[derive(Debug, Serialize, ToSchema)]
pub struct BackgroundTaskOut {
    #[serde(flatten)]
    pub task: RecoverOut,
    pub data: BackgroundTaskData,
}

fn brief(ids: &Ids, task: &Task) -> RecoverOut {
    RecoverOut {
        id: ids.text(task.id),
        status: match task.status {
            TaskStatus::Running => BackgroundTaskStatus::Running,
            TaskStatus::Finished => BackgroundTaskStatus::Finished,
            TaskStatus::Failed => BackgroundTaskStatus::Failed,
        },
        task: match task.kind {
            TaskKind::Recover => BackgroundTaskType::Recover,
            TaskKind::Replay => BackgroundTaskType::Replay,
        },
        updated_at: timestamp::text(task.updated_ms),
    }
}

fn shown(ids: &Ids, task: &Task) -> BackgroundTaskOut {
    let progress = &task.progress;
    let data = BackgroundTaskData {
        app_id: ids.text(task.app),
        endpoint_id: ids.text(task.input.endpoint),
        since: timestamp::text(task.input.since_ms),
        until: timestamp::text(task.input.until_ms),
        done: progress.done,
        to_do: progress.total.map(|total| (total - progress.looked_at).max(0)),
        messages_sent: progress.done,
        reason: progress.reason.clone(),
    };
    BackgroundTaskOut { task: brief(ids, task), data }
}

/// Starts a job for a request.
async fn start(
    api: &Api,
    auth: Auth<Resend>,
    (app, endpoint): (String, String),
    kind: TaskKind,
    (key, body): (IdempotencyHeader, Body<RecoverIn>),
) -> Result<Response, ApiError> {
    let time = |field: &str, text: &str| timestamp::parse(text).map_err(|msg| ApiError::field(field, msg));
    let window = Window {
        since_ms: time("since", &body.value.since)?,
        until_ms: body.value.until.as_deref().map(|until| time("until", until)).transpose()?,
    };
    let idempotency = key.with(auth.0, &body.raw.bytes)?;
    let ids = api.accept.store().ids();
    let render = |task: &Task| answer(StatusCode::ACCEPTED, &brief(ids, task));
    let made = api.accept.start_task(auth.0, (&app, &endpoint), (kind, window), idempotency, &render).await?;
    Ok(respond(made, render))
}

/// Recover Failed Webhooks
///
/// Sends again every message of the time whose last attempt at this endpoint failed and that waits for no
/// other, as a job that survives a restart. There is no limit to how many.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/recover", tag = "Endpoint",
    operation_id = "v1.endpoint.recover",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = RecoverIn, responses((status = 202, body = RecoverOut), Errors))]
async fn recover(
    State(api): State<Api>,
    auth: Auth<Resend>,
    Path(path): Path<(String, String)>,
    key: IdempotencyHeader,
    body: Body<RecoverIn>,
) -> Result<Response, ApiError> {
    start(&api, auth, path, TaskKind::Recover, (key, body)).await
}

/// Replay Missing Webhooks
///
/// Sends every message of the time that never went to this endpoint and that it would get today, as when it
/// was disabled or made later.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/replay-missing", tag = "Endpoint",
    operation_id = "v1.endpoint.replay-missing",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = RecoverIn, responses((status = 202, body = RecoverOut), Errors))]
async fn replay_missing(
    State(api): State<Api>,
    auth: Auth<Resend>,
    Path(path): Path<(String, String)>,
    key: IdempotencyHeader,
    body: Body<RecoverIn>,
) -> Result<Response, ApiError> {
    start(&api, auth, path, TaskKind::Replay, (key, body)).await
}

/// List Background Tasks
#[utoipa::path(get, path = "/api/v1/background-task", tag = "Background Task",
    operation_id = "v1.background-task.list",
    params(("status" = Option<String>, Query), ("task" = Option<String>, Query), PageParams, OrderParams),
    responses((status = 200, body = ListResponse<BackgroundTaskOut>), Errors))]
async fn list(
    State(api): State<Api>,
    auth: Auth<LookAround>,
    query: Query,
) -> Result<Json<ListResponse<BackgroundTaskOut>>, ApiError> {
    let unknown = |field: &str, text: &str, known: Vec<&str>| {
        ApiError::query(field, format!("{text:?} is not known; there are {}", known.join(", ")))
    };
    let status = query.text("status").map(|text| {
        let known = || TaskStatus::ALL.map(TaskStatus::name).to_vec();
        TaskStatus::named(text).ok_or_else(|| unknown("status", text, known()))
    });
    let kind = query.text("task").map(|text| {
        let known = || TaskKind::ALL.map(TaskKind::name).to_vec();
        TaskKind::named(text).ok_or_else(|| unknown("task", text, known()))
    });
    let (kind, status) = (kind.transpose()?, status.transpose()?);
    let asked = Asked::from_query(&query, false)?;
    let ids = api.accept.store().ids();
    let tasks = api.accept.tasks(auth.0, kind, status, asked.page::<TaskId>(ids)?).await?;
    let tasks = tasks.iter().map(|task| shown(ids, task)).collect();
    Ok(Json(asked.respond(tasks, |task: &BackgroundTaskOut| task.task.id.clone())))
}

/// Get Background Task
#[utoipa::path(get, path = "/api/v1/background-task/{task_id}", tag = "Background Task",
    operation_id = "v1.background-task.get", params(("task_id" = String, Path)),
    responses((status = 200, body = BackgroundTaskOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookAround>,
    Path(id): Path<String>,
) -> Result<Json<BackgroundTaskOut>, ApiError> {
    let task = api.accept.task(auth.0, &id).await?;
    Ok(Json(shown(api.accept.store().ids(), &task)))
}
