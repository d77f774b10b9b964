//! `/api/v1/app/{app_id}/endpoint`: where an application's messages go.

pub use super::endpoint_form::{EndpointFirst, EndpointOut, EndpointUpdate, shown};

use super::endpoint_form::{EndpointIn, EndpointPatch, draft};
use super::{as_refusal, kept, patched};
use crate::Api;
use crate::alias::{Older, renamed};
use crate::auth::{Auth, LookIn, ManageEndpoints};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::idempotency::{IdempotencyHeader, answer, respond};
use crate::page::{Asked, ListResponse, Written};
use crate::params::{OrderParams, PageParams};
use crate::path::Path;
use crate::query::Query;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postrider_accept::{Absent, EndpointDraft, Refusal};
use postrider_store::config::Endpoint;
use postrider_store::id::EndpointId;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, patch, delete))
}

/// List Endpoints
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint", tag = "Endpoint", operation_id = "v1.endpoint.list",
    params(("app_id" = String, Path), PageParams, OrderParams,
        ("addressed" = Option<bool>, Query, description = "Those that stand for addresses, instead of the others.")),
    responses((status = 200, body = ListResponse<EndpointOut>), Errors))]
async fn list(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path(app): Path<String>,
    query: Query,
) -> Result<Json<Written>, ApiError> {
    let asked = Asked::from_query(&query, false)?;
    let entry = api.accept.application(auth.0, &app)?;
    let ids = api.accept.store().ids();
    let addressed = query.flag("addressed")?.unwrap_or(false) && auth.0.app.is_none();
    let wanted = entry.endpoints.values().filter(|endpoint| endpoint.settings.addressed == addressed);
    let asked = asked.by_id::<EndpointId>(ids)?;
    Ok(Json(asked.slice(wanted.collect(), |endpoint| ids.text(endpoint.id), |endpoint| shown(ids, endpoint))))
}

/// Create Endpoint
#[utoipa::path(post, path = "/api/v1/app/{app_id}/endpoint", tag = "Endpoint", operation_id = "v1.endpoint.create",
    params(("app_id" = String, Path), ("idempotency-key" = Option<String>, Header)), request_body = EndpointIn,
    responses((status = 201, body = EndpointOut), Errors))]
async fn create(
    State(api): State<Api>,
    auth: Auth<ManageEndpoints>,
    Path(app): Path<String>,
    idempotency: IdempotencyHeader,
    body: Body<EndpointUpdate>,
) -> Result<Response, ApiError> {
    let ids = api.accept.store().ids();
    let idempotency = idempotency.with(auth.0, &body.raw.bytes)?;
    // Read again instead of flattened, so that an error names its field.
    let EndpointFirst { secret, headers } = body.raw.read_more()?;
    let older = body.value.older();
    let draft = draft(body.value, headers.unwrap_or_default()).map_err(|error| older.named(error))?;
    let draft = EndpointDraft { secret, ..draft };
    let render = |endpoint: &Endpoint| answer(StatusCode::CREATED, &shown(ids, endpoint));
    let made = api.accept.create_endpoint(auth.0, &app, draft, idempotency, &render).await;
    Ok(respond(made.map_err(|refusal| older.named(refusal))?, render))
}

/// Get Endpoint
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}", tag = "Endpoint",
    operation_id = "v1.endpoint.get", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    responses((status = 200, body = EndpointOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint)): Path<(String, String)>,
) -> Result<Json<EndpointOut>, ApiError> {
    let (_, endpoint) = api.accept.endpoint(auth.0, &app, &endpoint)?;
    Ok(Json(shown(api.accept.store().ids(), &endpoint)))
}

/// Update Endpoint
#[utoipa::path(put, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}", tag = "Endpoint",
    operation_id = "v1.endpoint.update", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    request_body = EndpointUpdate,
    responses((status = 200, body = EndpointOut), (status = 201, body = EndpointOut), Errors))]
async fn update(
    State(api): State<Api>,
    auth: Auth<ManageEndpoints>,
    Path((app, endpoint)): Path<(String, String)>,
    body: Body<EndpointUpdate>,
) -> Result<Response, ApiError> {
    let ids = api.accept.store().ids();
    let older = body.value.older();
    // A contract that is left out stays: it was promised to the endpoint's owner.
    let edit = |row: &Endpoint| -> Result<EndpointDraft, Refusal> {
        let mut given = body.value.clone();
        given.contract.get_or_insert_with(|| row.settings.contract.clone());
        given.uid = kept(given.uid, row.uid.as_deref(), &endpoint);
        draft(given, row.headers.clone()).map_err(as_refusal)
    };
    match api.accept.update_endpoint(auth.0, &app, &endpoint, edit).await {
        Ok(row) => Ok(Json(shown(ids, &row)).into_response()),
        // A uid that nothing has yet: PUT makes it.
        Err(Refusal::NotFound(Absent { what: "endpoint", .. })) if !endpoint.starts_with("ep_") => {
            let mut draft = draft(body.value, BTreeMap::new()).map_err(|error| older.named(error))?;
            draft.uid.get_or_insert(endpoint);
            let render = |row: &Endpoint| answer(StatusCode::CREATED, &shown(ids, row));
            let made = api.accept.create_endpoint(auth.0, &app, draft, None, &render).await;
            Ok(respond(made.map_err(|refusal| older.named(refusal))?, render))
        }
        Err(refusal) => Err(older.named(refusal)),
    }
}

/// Patch Endpoint
#[utoipa::path(patch, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}", tag = "Endpoint",
    operation_id = "patch_endpoint", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    request_body = EndpointPatch, responses((status = 200, body = EndpointOut), Errors))]
async fn patch(
    State(api): State<Api>,
    auth: Auth<ManageEndpoints>,
    Path((app, endpoint)): Path<(String, String)>,
    body: Body<Map<String, Value>>,
) -> Result<Json<EndpointOut>, ApiError> {
    let patch = renamed(&body.value, &[("eventTypes", "filterTypes"), ("throttleRate", "rateLimit")])?;
    if patch.get("secret").is_some_and(|secret| !secret.is_null()) {
        let msg = "is changed by a rotation (POST …/secret/rotate), so that receivers have time to follow";
        return Err(ApiError::field("secret", msg));
    }
    let edit = |row: &Endpoint| -> Result<EndpointDraft, Refusal> {
        let whole: EndpointUpdate = patched(&EndpointUpdate::from(row), &patch).map_err(as_refusal)?;
        draft(whole, row.headers.clone()).map_err(as_refusal)
    };
    let row = api.accept.update_endpoint(auth.0, &app, &endpoint, edit).await;
    let row = row.map_err(|refusal| Older::of(&body.value).named(refusal))?;
    Ok(Json(shown(api.accept.store().ids(), &row)))
}

/// Delete Endpoint
#[utoipa::path(delete, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}", tag = "Endpoint",
    operation_id = "v1.endpoint.delete", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    responses((status = 204), Errors))]
async fn delete(
    State(api): State<Api>,
    auth: Auth<ManageEndpoints>,
    Path((app, endpoint)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    api.accept.delete_endpoint(auth.0, &app, &endpoint).await?;
    Ok(StatusCode::NO_CONTENT)
}
