//! `/api/v1/background-task`, and the operations that start one on an endpoint: recover, replay-missing, bulk-replay.

use super::status::MessageStatus;
use crate::Api;
use crate::auth::{Auth, LookAround, Manage, Resend};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::idempotency::{IdempotencyHeader, answer, respond};
use crate::page::{Asked, ListResponse, Written};
use crate::params::{OrderParams, PageParams};
use crate::path::Path;
use crate::query::Query;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use postrider_accept::{TaskDraft, Window};
use postrider_store::Ids;
use postrider_store::id::TaskId;
use postrider_store::task::{Only, OnlyState, Task, TaskKind, TaskStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(recover))
        .routes(routes!(replay_missing))
        .routes(routes!(bulk_replay))
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(cancel))
}

/// The messages of a time.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoverIn {
    #[schema(format = "date-time")]
    pub since: String,
    /// `null`: now.
    #[serde(default)]
    #[schema(format = "date-time")]
    pub until: Option<String>,
    /// Messages that are sent in a second; `null`: as fast as the endpoint takes them.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub per_second: Option<u32>,
}

/// The messages that a replay is about.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BulkReplayIn {
    #[schema(format = "date-time")]
    pub since: String,
    /// `null`: now.
    #[serde(default)]
    #[schema(format = "date-time")]
    pub until: Option<String>,
    #[serde(default)]
    #[schema(max_items = 100)]
    pub event_types: Option<Vec<String>>,
    #[serde(default)]
    pub channel: Option<String>,
    #[serde(default)]
    pub tag: Option<String>,
    /// How they stand: 0 delivered, 2 failed. What still waits is sent anyway.
    #[serde(default)]
    #[schema(value_type = Option<MessageStatus>)]
    pub status: Option<u8>,
    /// Of the last attempt: 0 for no response, else 100, 200, 300, 400 or 500.
    #[serde(default)]
    pub status_code_class: Option<u16>,
    #[serde(default)]
    pub order: Option<ReplayOrder>,
    /// Messages that are sent in a second; `null`: as fast as the endpoint takes them.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub per_second: Option<u32>,
}

/// With which end to begin.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReplayOrder {
    Oldest,
    Newest,
}

/// What kind of job.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub enum BackgroundTaskType {
    #[serde(rename = "endpoint.recover")]
    Recover,
    #[serde(rename = "endpoint.replay")]
    Replay,
    #[serde(rename = "endpoint.bulk-replay")]
    BulkReplay,
    #[serde(rename = "application.purge_content")]
    Purge,
    #[serde(rename = "application.stats")]
    Usage,
    #[serde(rename = "event-type.aggregate")]
    Subscriptions,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackgroundTaskStatus {
    /// Or paused, see its data.
    Running,
    Finished,
    /// Or cancelled: its data says why.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<String>,
    #[schema(format = "date-time")]
    pub since: String,
    #[schema(format = "date-time")]
    pub until: String,
    /// Messages that it has scheduled to be sent, or emptied.
    pub done: i64,
    /// Failures, or messages, that it has yet to look at; `null`: not counted yet.
    pub to_do: Option<i64>,
    /// The same as `done`, by the name that Svix gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_sent: Option<i64>,
    /// The same as `done`, where payloads are removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_purged: Option<i64>,
    /// It waits until somebody lets it go on.
    pub paused: bool,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it found, under the names that Svix gives it: `appStats`, `event_types`.
    #[serde(flatten)]
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
}

/// A job, and how far it has come.
#[derive(Debug, Serialize, ToSchema)]
pub struct BackgroundTaskOut {
    #[serde(flatten)]
    pub task: RecoverOut,
    pub data: BackgroundTaskData,
}

pub fn brief(ids: &Ids, task: &Task) -> RecoverOut {
    RecoverOut {
        id: ids.text(task.id),
        status: match task.status {
            TaskStatus::Running | TaskStatus::Paused => BackgroundTaskStatus::Running,
            TaskStatus::Finished => BackgroundTaskStatus::Finished,
            TaskStatus::Failed | TaskStatus::Cancelled => BackgroundTaskStatus::Failed,
        },
        task: match task.kind {
            TaskKind::Recover => BackgroundTaskType::Recover,
            TaskKind::Replay => BackgroundTaskType::Replay,
            TaskKind::BulkReplay => BackgroundTaskType::BulkReplay,
            TaskKind::Purge => BackgroundTaskType::Purge,
            TaskKind::Usage => BackgroundTaskType::Usage,
            TaskKind::Subscriptions => BackgroundTaskType::Subscriptions,
        },
        updated_at: timestamp::text(task.updated_ms),
    }
}

fn shown(ids: &Ids, task: &Task) -> BackgroundTaskOut {
    let progress = &task.progress;
    let cancelled = || (task.status == TaskStatus::Cancelled).then(|| "it was cancelled".to_owned());
    let data = BackgroundTaskData {
        app_id: (task.app.0 != 0).then(|| ids.text(task.app)),
        endpoint_id: (task.input.endpoint.0 != 0).then(|| ids.text(task.input.endpoint)),
        since: timestamp::text(task.input.since_ms),
        until: timestamp::text(task.input.until_ms),
        done: progress.done,
        to_do: progress.total.map(|total| (total - progress.looked_at).max(0)),
        messages_sent: task.kind.sends().then_some(progress.done),
        messages_purged: (task.kind == TaskKind::Purge).then_some(progress.done),
        paused: task.status == TaskStatus::Paused,
        reason: progress.reason.clone().or_else(cancelled),
        result: progress.result.clone(),
    };
    BackgroundTaskOut { task: brief(ids, task), data }
}

pub fn window(since: &str, until: Option<&str>) -> Result<Window, ApiError> {
    let time = |field: &str, text: &str| timestamp::parse(text).map_err(|msg| ApiError::field(field, msg));
    Ok(Window { since_ms: time("since", since)?, until_ms: until.map(|until| time("until", until)).transpose()? })
}

/// Starts a job for a request.
async fn start(
    api: &Api,
    auth: Auth<Resend>,
    (app, endpoint): (String, String),
    kind: TaskKind,
    (key, body): (IdempotencyHeader, Body<RecoverIn>),
) -> Result<Response, ApiError> {
    let draft = TaskDraft {
        kind,
        window: window(&body.value.since, body.value.until.as_deref())?,
        only: Only::default(),
        per_second: body.value.per_second,
        newest_first: false,
    };
    let idempotency = key.with(auth.0, &body.raw.bytes)?;
    let ids = api.accept.store().ids();
    let render = |task: &Task| answer(StatusCode::ACCEPTED, &brief(ids, task));
    let made = api.accept.start_task(auth.0, (&app, &endpoint), draft, idempotency, &render).await?;
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

/// Bulk Replay Messages
///
/// Sends again every message of the time that went to this endpoint and fits the filter, delivered or not, as a job
/// that keeps a pace, begins with the oldest or the newest, and survives a restart.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/bulk-replay", tag = "Endpoint",
    operation_id = "v1.endpoint.bulk-replay",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = BulkReplayIn, responses((status = 202, body = RecoverOut), Errors))]
async fn bulk_replay(
    State(api): State<Api>,
    auth: Auth<Resend>,
    Path((app, endpoint)): Path<(String, String)>,
    key: IdempotencyHeader,
    body: Body<BulkReplayIn>,
) -> Result<Response, ApiError> {
    let idempotency = key.with(auth.0, &body.raw.bytes)?;
    let given = body.value;
    let state = match given.status {
        None => None,
        Some(0) => Some(OnlyState::Success),
        Some(2) => Some(OnlyState::Fail),
        Some(_) => {
            return Err(ApiError::field("status", "use 0 (delivered) or 2 (failed); what still waits is sent anyway"));
        }
    };
    if given.status_code_class.is_some_and(|class| class % 100 != 0 || class > 500) {
        return Err(ApiError::field("statusCodeClass", "use 0, 100, 200, 300, 400 or 500"));
    }
    if given.event_types.as_ref().is_some_and(Vec::is_empty) {
        return Err(crate::alias::empty("eventTypes"));
    }
    if given.event_types.as_ref().is_some_and(|names| names.len() > 100) {
        return Err(ApiError::field("eventTypes", "has more than 100 entries"));
    }
    let draft = TaskDraft {
        kind: TaskKind::BulkReplay,
        window: window(&given.since, given.until.as_deref())?,
        only: Only {
            event_types: given.event_types.unwrap_or_default(),
            channel: given.channel,
            tag: given.tag,
            state,
            status_class: given.status_code_class,
        },
        per_second: given.per_second,
        newest_first: given.order == Some(ReplayOrder::Newest),
    };
    let ids = api.accept.store().ids();
    let render = |task: &Task| answer(StatusCode::ACCEPTED, &brief(ids, task));
    let made = api.accept.start_task(auth.0, (&app, &endpoint), draft, idempotency, &render).await?;
    Ok(respond(made, render))
}

async fn set(api: &Api, auth: Auth<Manage>, id: &str, status: TaskStatus) -> Result<Json<BackgroundTaskOut>, ApiError> {
    let task = api.accept.set_task(auth.0, id, status).await?;
    Ok(Json(shown(api.accept.store().ids(), &task)))
}

/// Pause Background Task
///
/// It stays where it is until it is resumed; what it has scheduled is delivered.
#[utoipa::path(post, path = "/api/v1/background-task/{task_id}/pause", tag = "Background Task",
    operation_id = "v1.background-task.pause", params(("task_id" = String, Path)),
    responses((status = 200, body = BackgroundTaskOut), Errors))]
async fn pause(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(id): Path<String>,
) -> Result<Json<BackgroundTaskOut>, ApiError> {
    set(&api, auth, &id, TaskStatus::Paused).await
}

/// Resume Background Task
#[utoipa::path(post, path = "/api/v1/background-task/{task_id}/resume", tag = "Background Task",
    operation_id = "v1.background-task.resume", params(("task_id" = String, Path)),
    responses((status = 200, body = BackgroundTaskOut), Errors))]
async fn resume(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(id): Path<String>,
) -> Result<Json<BackgroundTaskOut>, ApiError> {
    set(&api, auth, &id, TaskStatus::Running).await
}

/// Cancel Background Task
///
/// It ends where it is; what it has scheduled is delivered.
#[utoipa::path(post, path = "/api/v1/background-task/{task_id}/cancel", tag = "Background Task",
    operation_id = "v1.background-task.cancel", params(("task_id" = String, Path)),
    responses((status = 200, body = BackgroundTaskOut), Errors))]
async fn cancel(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(id): Path<String>,
) -> Result<Json<BackgroundTaskOut>, ApiError> {
    set(&api, auth, &id, TaskStatus::Cancelled).await
}

/// List Background Tasks
#[utoipa::path(get, path = "/api/v1/background-task", tag = "Background Task",
    operation_id = "v1.background-task.list",
    params(
        ("status" = Option<String>, Query, description = "`running` (paused ones too), `paused`, `finished`, \
            `failed` (cancelled ones too) or `cancelled`."),
        ("task" = Option<String>, Query), PageParams, OrderParams),
    responses((status = 200, body = ListResponse<BackgroundTaskOut>), Errors))]
async fn list(State(api): State<Api>, auth: Auth<LookAround>, query: Query) -> Result<Json<Written>, ApiError> {
    let unknown = |field: &str, text: &str, known: Vec<&str>| {
        ApiError::query(field, format!("{text:?} is not known; there are {}", known.join(", ")))
    };
    let statuses = query.text("status").map(|text| match TaskStatus::named(text) {
        // What is shown under a name is found under it.
        Some(TaskStatus::Running) => Ok(vec![TaskStatus::Running, TaskStatus::Paused]),
        Some(TaskStatus::Failed) => Ok(vec![TaskStatus::Failed, TaskStatus::Cancelled]),
        Some(status) => Ok(vec![status]),
        None => Err(unknown("status", text, TaskStatus::ALL.map(TaskStatus::name).to_vec())),
    });
    let kind = query.text("task").map(|text| {
        let known = || TaskKind::ALL.map(TaskKind::name).to_vec();
        TaskKind::named(text).ok_or_else(|| unknown("task", text, known()))
    });
    let (kind, statuses) = (kind.transpose()?, statuses.transpose()?.unwrap_or_default());
    let asked = Asked::from_query(&query, false)?;
    let ids = api.accept.store().ids();
    let found = api.accept.tasks(auth.0, kind, statuses, asked.page::<TaskId>(ids)?).await?;
    Ok(Json(asked.respond_found::<TaskId, _, _>(ids, found, |task| ids.text(task.id), |task| shown(ids, &task))))
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
