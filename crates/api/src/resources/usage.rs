//! `/api/v1/stats/usage`: what applications send and subscribed to, counted in the background.

use super::task::{RecoverOut, brief, window};
use crate::Api;
use crate::auth::{Auth, LookAround};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::idempotency::{IdempotencyHeader, answer, respond};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use postrider_store::task::Task;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Applications that one request may name.
const MOST: usize = 1_000;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(applications)).routes(routes!(event_types))
}

/// A time, and applications.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppUsageStatsIn {
    #[schema(format = "date-time")]
    pub since: String,
    #[schema(format = "date-time")]
    pub until: String,
    /// Ids or uids; `null` or none: all of them.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub app_ids: Option<Vec<String>>,
}

/// The job, and which applications are not known.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppUsageStatsOut {
    #[serde(flatten)]
    pub task: RecoverOut,
    pub unresolved_app_ids: Vec<String>,
}

/// Aggregate App Stats
///
/// Counts, for each application, to how many endpoints its messages of the time went. The result is in the job
/// (`appStats`), for up to 10,000 applications.
#[utoipa::path(post, path = "/api/v1/stats/usage/app", tag = "Statistics",
    operation_id = "v1.statistics.aggregate-app-stats", params(("idempotency-key" = Option<String>, Header)),
    request_body = AppUsageStatsIn, responses((status = 202, body = AppUsageStatsOut), Errors))]
async fn applications(
    State(api): State<Api>,
    auth: Auth<LookAround>,
    key: IdempotencyHeader,
    body: Body<AppUsageStatsIn>,
) -> Result<Response, ApiError> {
    let idempotency = key.with(auth.0, &body.raw.bytes)?;
    let given = body.value;
    let apps = given.app_ids.unwrap_or_default();
    if apps.len() > MOST {
        return Err(ApiError::field("appIds", format!("has {} entries; at most {MOST} are taken", apps.len())));
    }
    let window = window(&given.since, Some(&given.until))?;
    let ids = api.accept.store().ids();
    let unknown = apps.iter().filter(|app| api.accept.application(auth.0, app).is_err());
    let unknown: Vec<String> = unknown.cloned().collect();
    let render = |task: &Task| {
        let body = AppUsageStatsOut { task: brief(ids, task), unresolved_app_ids: unknown.clone() };
        answer(StatusCode::ACCEPTED, &body)
    };
    let made = api.accept.count_usage(auth.0, (window, &apps), idempotency, &render).await?;
    Ok(respond(made, render))
}

/// Aggregate Event Types
///
/// Lists, for each application, which event types its endpoints name, and whether one takes all. The result is in the
/// job (`event_types`), for up to 10,000 applications.
#[utoipa::path(put, path = "/api/v1/stats/usage/event-types", tag = "Statistics",
    operation_id = "v1.statistics.aggregate-event-types", responses((status = 202, body = RecoverOut), Errors))]
async fn event_types(State(api): State<Api>, auth: Auth<LookAround>) -> Result<Response, ApiError> {
    let ids = api.accept.store().ids();
    let render = |task: &Task| answer(StatusCode::ACCEPTED, &brief(ids, task));
    let made = api.accept.list_subscriptions(auth.0, &render).await?;
    Ok(respond(made, render))
}
