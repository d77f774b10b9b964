//! `…/endpoint/{endpoint_id}/log`: what an endpoint's log says.

use super::reply::Stored;
use crate::Api;
use crate::auth::{Auth, LookIn};
use crate::error::{ApiError, Errors};
use crate::page::{Asked, ListResponse, Written};
use crate::params::PageParams;
use crate::path::Path;
use crate::query::Query;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use postrider_store::Ids;
use postrider_store::id::AttemptId;
use postrider_store::message::Attempt;
use postrider_store::query::{AttemptFilter, AttemptsOf, Page};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// An attempt that has something to say.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointLogOut {
    /// The attempt.
    pub id: String,
    pub msg_id: String,
    /// What the endpoint's actions wrote (`log_message`).
    pub lines: Vec<String>,
    /// Why it failed, or what was wrong with a response that was a success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many things the response asked for.
    pub actions: usize,
    #[schema(format = "date-time")]
    pub timestamp: String,
}

fn shown(ids: &Ids, attempt: &Attempt) -> EndpointLogOut {
    let Stored { actions, error, log } = Stored::read(attempt.reply.as_deref().unwrap_or_default());
    let failed = attempt.outcome.error.as_ref().map(|(_, reason)| reason.clone());
    let count = serde_json::from_str::<Vec<serde::de::IgnoredAny>>(actions.get()).map_or(0, |actions| actions.len());
    EndpointLogOut {
        id: ids.text(attempt.id),
        msg_id: ids.text(attempt.message),
        lines: log,
        error: failed.or(error),
        actions: count,
        timestamp: timestamp::text(attempt.started_ms),
    }
}

/// List Endpoint Log
///
/// Attempts that failed, wrote something (`log_message`), or whose response asked for something; the newest first.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/log", tag = "Endpoint",
    operation_id = "v1.endpoint.list-log",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), PageParams),
    responses((status = 200, body = ListResponse<EndpointLogOut>), Errors))]
async fn list(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint)): Path<(String, String)>,
    query: Query,
) -> Result<Json<Written>, ApiError> {
    let (_, endpoint) = api.accept.endpoint(auth.0, &app, &endpoint)?;
    let asked = Asked::from_query(&query, false)?;
    let store = api.accept.store();
    let ids = store.ids();
    let page = Page { content: false, ..asked.page::<AttemptId>(ids)? };
    let filter = AttemptFilter { says_something: true, ..AttemptFilter::default() };
    let found = store.attempts(AttemptsOf::Endpoint(endpoint.id), filter, page).await?;
    let id = |attempt: &Attempt| ids.text(attempt.id);
    Ok(Json(asked.respond_found::<AttemptId, _, _>(ids, found, id, |attempt| shown(ids, &attempt))))
}
