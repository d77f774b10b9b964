//! `…/endpoint/{endpoint_id}/order`: how the line before an ordered endpoint stands.

use crate::Api;
use crate::auth::{Auth, LookIn, Resend};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::path::Path;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_accept::HeldBy;
use postrider_store::Ids;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get)).routes(routes!(skip))
}

/// How an endpoint's line stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointOrderOut {
    pub ordered: bool,
    /// Deliveries that wait in the schedule, counted up to 10,000.
    pub waiting: i64,
    /// What all others wait for; `null`: nothing.
    pub held_by: Option<HeldByOut>,
}

/// A message that failed and is tried again before any other.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldByOut {
    pub msg_id: String,
    /// Its first try.
    #[schema(format = "date-time")]
    pub since: Option<String>,
    /// Tries so far.
    pub attempts: u32,
    #[schema(format = "date-time")]
    pub next_attempt: String,
}

fn shown(ids: &Ids, held: HeldBy) -> HeldByOut {
    HeldByOut {
        msg_id: ids.text(held.message),
        since: held.since_ms.map(timestamp::text),
        attempts: held.attempts,
        next_attempt: timestamp::text(held.next_ms),
    }
}

/// What to leave out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSkipIn {
    pub msg_id: String,
}

/// Get Endpoint Order
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/order", tag = "Endpoint",
    operation_id = "v1.endpoint.get-order", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    responses((status = 200, body = EndpointOrderOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint)): Path<(String, String)>,
) -> Result<Json<EndpointOrderOut>, ApiError> {
    let order = api.accept.order(auth.0, &app, &endpoint).await?;
    let ids = api.accept.store().ids();
    Ok(Json(EndpointOrderOut {
        ordered: order.ordered,
        waiting: order.waiting,
        held_by: order.held_by.map(|held| shown(ids, held)),
    }))
}

/// Skip Message
///
/// A message that waits for this endpoint is left out: its delivery ends, visibly, and those behind it go on.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/order/skip", tag = "Endpoint",
    operation_id = "v1.endpoint.skip", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    request_body = EndpointSkipIn, responses((status = 204), Errors))]
async fn skip(
    State(api): State<Api>,
    auth: Auth<Resend>,
    Path((app, endpoint)): Path<(String, String)>,
    body: Body<EndpointSkipIn>,
) -> Result<StatusCode, ApiError> {
    api.accept.skip(auth.0, (&app, &endpoint), &body.value.msg_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
