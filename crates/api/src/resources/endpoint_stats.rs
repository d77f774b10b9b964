//! `…/endpoint/{endpoint_id}/stats`: how its deliveries stand, and its attempts ended.

use crate::Api;
use crate::auth::{Auth, LookIn};
use crate::error::{ApiError, Errors};
use crate::path::Path;
use crate::query::Query;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(stats)).routes(routes!(attempt_stats))
}

/// Deliveries by how they stand.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointStats {
    pub success: i64,
    /// To be tried, or tried again.
    pub pending: i64,
    /// Always 0: what is being sent counts as pending.
    pub sending: i64,
    pub fail: i64,
    /// Ended without a request, as when the endpoint was disabled.
    pub canceled: i64,
}

/// Endpoint Stats
///
/// Counts the deliveries that were attempted in the time (the last 28 days, where nothing else is said), and
/// those of its messages that still wait for a first attempt.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/stats", tag = "Endpoint",
    operation_id = "v1.endpoint.get-stats",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), ("since" = Option<String>, Query, format = DateTime),
        ("until" = Option<String>, Query, format = DateTime)),
    responses((status = 200, body = EndpointStats), Errors))]
async fn stats(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint)): Path<(String, String)>,
    query: Query,
) -> Result<Json<EndpointStats>, ApiError> {
    let (since, until) = (query.time("since")?, query.time("until")?);
    let standing = api.accept.standing(auth.0, (&app, &endpoint), (since, until)).await?;
    Ok(Json(EndpointStats {
        success: standing.success,
        pending: standing.pending,
        sending: 0,
        fail: standing.fail,
        canceled: standing.cancelled,
    }))
}

/// Attempts by how they ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointAttemptStats {
    pub success: i64,
    pub fail: i64,
    /// Ended without a request.
    pub canceled: i64,
}

/// Endpoint Attempt Stats
///
/// Counts the attempts of the time (the last 28 days, where nothing else is said), each by itself.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/attempt-stats", tag = "Endpoint",
    operation_id = "v1.endpoint.get-attempt-stats",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), ("since" = Option<String>, Query, format = DateTime),
        ("until" = Option<String>, Query, format = DateTime)),
    responses((status = 200, body = EndpointAttemptStats), Errors))]
async fn attempt_stats(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint)): Path<(String, String)>,
    query: Query,
) -> Result<Json<EndpointAttemptStats>, ApiError> {
    let (since, until) = (query.time("since")?, query.time("until")?);
    let counted = api.accept.attempted(auth.0, (&app, &endpoint), (since, until)).await?;
    Ok(Json(EndpointAttemptStats { success: counted.success, fail: counted.fail, canceled: counted.cancelled }))
}
