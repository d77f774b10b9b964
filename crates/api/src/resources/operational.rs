//! `/api/v1/operational-webhook/endpoint`: where the provider itself hears what happens to its customers'
//! endpoints. The same endpoints as any, of an application that nobody else finds.

use super::endpoint_headers::{self, EndpointHeadersIn, EndpointHeadersOut};
use super::endpoint_secret::{self, EndpointSecretOut, EndpointSecretRotateIn};
use super::or_default;
use crate::Api;
use crate::alias::{Older, either, filter};
use crate::auth::{Auth, Manage};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::idempotency::{IdempotencyHeader, answer, respond};
use crate::page::{Asked, ListResponse, Written};
use crate::params::{OrderParams, PageParams};
use crate::path::Path;
use crate::query::Query;
use crate::text::Uid;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postrider_accept::{Absent, Caller, EndpointDraft, OPERATIONAL, Refusal, Rotation};
use postrider_store::Ids;
use postrider_store::config::{Endpoint, EndpointSettings};
use postrider_store::id::EndpointId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(get_headers, put_headers))
        .routes(routes!(get_secret))
        .routes(routes!(rotate_secret))
}

/// Where to tell, and of what.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationalWebhookEndpointIn {
    #[schema(format = "uri")]
    pub url: String,
    #[serde(default)]
    #[schema(value_type = Option<Uid>)]
    pub uid: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    #[schema(max_length = 4096)]
    pub description: String,
    #[serde(default, deserialize_with = "or_default")]
    pub disabled: bool,
    /// `endpoint.disabled`, `message.attempt.exhausted`, …; `null`: everything.
    #[serde(default)]
    pub event_types: Option<Vec<String>>,
    /// The same as `eventTypes`, by the name that older clients know.
    #[serde(default)]
    pub filter_types: Option<Vec<String>>,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: BTreeMap<String, String>,
    /// Attempts a second.
    #[serde(default)]
    #[schema(minimum = 1, format = "uint16")]
    pub throttle_rate: Option<u16>,
    /// The same as `throttleRate`, by the name that older clients know.
    #[serde(default)]
    #[schema(minimum = 1, format = "uint16")]
    pub rate_limit: Option<u16>,
    /// At creation alone; `null`: one is made.
    #[serde(default)]
    pub secret: Option<String>,
    /// At creation alone; later by their own path.
    #[serde(default)]
    pub headers: Option<BTreeMap<String, String>>,
}

/// An operational webhook's endpoint as it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationalWebhookEndpointOut {
    pub id: String,
    #[schema(format = "uri")]
    pub url: String,
    pub uid: Option<String>,
    pub description: String,
    pub disabled: bool,
    pub event_types: Option<Vec<String>>,
    pub filter_types: Option<Vec<String>>,
    pub metadata: BTreeMap<String, String>,
    #[schema(minimum = 1, format = "uint16")]
    pub throttle_rate: Option<u16>,
    #[schema(minimum = 1, format = "uint16")]
    pub rate_limit: Option<u16>,
    #[schema(format = "date-time")]
    pub created_at: String,
    #[schema(format = "date-time")]
    pub updated_at: String,
}

fn shown(ids: &Ids, endpoint: &Endpoint) -> OperationalWebhookEndpointOut {
    let settings = endpoint.settings.clone();
    let event_types = (!settings.event_types.is_empty()).then_some(settings.event_types);
    OperationalWebhookEndpointOut {
        id: ids.text(endpoint.id),
        url: settings.url,
        uid: endpoint.uid.clone(),
        description: settings.description,
        disabled: settings.disabled,
        event_types: event_types.clone(),
        filter_types: event_types,
        metadata: settings.metadata,
        throttle_rate: settings.throttle_rate,
        rate_limit: settings.throttle_rate,
        created_at: timestamp::text(endpoint.created_ms),
        updated_at: timestamp::text(endpoint.updated_ms),
    }
}

impl OperationalWebhookEndpointIn {
    /// Which older names it has.
    fn older(&self) -> Older {
        Older {
            filter_types: self.filter_types.is_some() && self.event_types.is_none(),
            rate_limit: self.rate_limit.is_some() && self.throttle_rate.is_none(),
        }
    }
}

/// What is given, on top of what is there.
fn draft(given: OperationalWebhookEndpointIn, before: Option<&Endpoint>) -> Result<EndpointDraft, ApiError> {
    let event_types = filter(("eventTypes", given.event_types), ("filterTypes", given.filter_types))?;
    let settings = EndpointSettings {
        url: given.url,
        description: given.description,
        disabled: given.disabled,
        event_types: event_types.unwrap_or_default(),
        metadata: given.metadata,
        throttle_rate: either(("throttleRate", given.throttle_rate), ("rateLimit", given.rate_limit))?,
        ..before.map(|row| row.settings.clone()).unwrap_or_default()
    };
    let headers = before.map_or(given.headers.unwrap_or_default(), |row| row.headers.clone());
    Ok(EndpointDraft { uid: given.uid, settings, headers, secret: given.secret })
}

/// The caller as one who finds these endpoints.
async fn operations(api: &Api, caller: Caller) -> Result<Caller, ApiError> {
    Ok(api.accept.operations(caller).await?)
}

/// List Operational Webhook Endpoints
#[utoipa::path(get, path = "/api/v1/operational-webhook/endpoint", tag = "Operational Webhook Endpoint",
    operation_id = "v1.operational-webhook.endpoint.list", params(PageParams, OrderParams),
    responses((status = 200, body = ListResponse<OperationalWebhookEndpointOut>), Errors))]
async fn list(State(api): State<Api>, auth: Auth<Manage>, query: Query) -> Result<Json<Written>, ApiError> {
    let asked = Asked::from_query(&query, false)?;
    let caller = operations(&api, auth.0).await?;
    let entry = api.accept.application(caller, OPERATIONAL)?;
    let ids = api.accept.store().ids();
    let endpoints: Vec<_> = entry.endpoints.values().collect();
    let asked = asked.by_id::<EndpointId>(ids)?;
    Ok(Json(asked.slice(endpoints, |endpoint| ids.text(endpoint.id), |endpoint| shown(ids, endpoint))))
}

/// Create Operational Webhook Endpoint
#[utoipa::path(post, path = "/api/v1/operational-webhook/endpoint", tag = "Operational Webhook Endpoint",
    operation_id = "v1.operational-webhook.endpoint.create", params(("idempotency-key" = Option<String>, Header)),
    request_body = OperationalWebhookEndpointIn,
    responses((status = 201, body = OperationalWebhookEndpointOut), Errors))]
async fn create(
    State(api): State<Api>,
    auth: Auth<Manage>,
    key: IdempotencyHeader,
    body: Body<OperationalWebhookEndpointIn>,
) -> Result<Response, ApiError> {
    let ids = api.accept.store().ids();
    let idempotency = key.with(auth.0, &body.raw.bytes)?;
    let caller = operations(&api, auth.0).await?;
    let render = |row: &Endpoint| answer(StatusCode::CREATED, &shown(ids, row));
    let older = body.value.older();
    let draft = draft(body.value, None).map_err(|error| older.named(error))?;
    let made = api.accept.create_endpoint(caller, OPERATIONAL, draft, idempotency, &render).await;
    Ok(respond(made.map_err(|refusal| older.named(refusal))?, render))
}

/// Get Operational Webhook Endpoint
#[utoipa::path(get, path = "/api/v1/operational-webhook/endpoint/{endpoint_id}", tag = "Operational Webhook Endpoint",
    operation_id = "v1.operational-webhook.endpoint.get", params(("endpoint_id" = String, Path)),
    responses((status = 200, body = OperationalWebhookEndpointOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(endpoint): Path<String>,
) -> Result<Json<OperationalWebhookEndpointOut>, ApiError> {
    let caller = operations(&api, auth.0).await?;
    let (_, endpoint) = api.accept.endpoint(caller, OPERATIONAL, &endpoint)?;
    Ok(Json(shown(api.accept.store().ids(), &endpoint)))
}

/// Update Operational Webhook Endpoint
#[utoipa::path(put, path = "/api/v1/operational-webhook/endpoint/{endpoint_id}", tag = "Operational Webhook Endpoint",
    operation_id = "v1.operational-webhook.endpoint.update", params(("endpoint_id" = String, Path)),
    request_body = OperationalWebhookEndpointIn,
    responses((status = 200, body = OperationalWebhookEndpointOut),
        (status = 201, body = OperationalWebhookEndpointOut), Errors))]
async fn update(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(endpoint): Path<String>,
    body: Body<OperationalWebhookEndpointIn>,
) -> Result<Response, ApiError> {
    let caller = operations(&api, auth.0).await?;
    let older = body.value.older();
    let edit = |row: &Endpoint| -> Result<EndpointDraft, Refusal> {
        let mut draft = draft(body.value.clone(), Some(row)).map_err(super::as_refusal)?;
        draft.uid = super::kept(draft.uid, row.uid.as_deref(), &endpoint);
        Ok(draft)
    };
    let ids = api.accept.store().ids();
    match api.accept.update_endpoint(caller, OPERATIONAL, &endpoint, edit).await {
        Ok(row) => Ok(Json(shown(ids, &row)).into_response()),
        // A uid that nothing has yet: PUT makes it.
        Err(Refusal::NotFound(Absent { what: "endpoint", .. })) if !endpoint.starts_with("ep_") => {
            let mut draft = draft(body.value, None).map_err(|error| older.named(error))?;
            draft.uid.get_or_insert(endpoint);
            let render = |row: &Endpoint| answer(StatusCode::CREATED, &shown(ids, row));
            let made = api.accept.create_endpoint(caller, OPERATIONAL, draft, None, &render).await;
            Ok(respond(made.map_err(|refusal| older.named(refusal))?, render))
        }
        Err(refusal) => Err(older.named(refusal)),
    }
}

/// Delete Operational Webhook Endpoint
#[utoipa::path(delete, path = "/api/v1/operational-webhook/endpoint/{endpoint_id}",
    tag = "Operational Webhook Endpoint", operation_id = "v1.operational-webhook.endpoint.delete",
    params(("endpoint_id" = String, Path)), responses((status = 204), Errors))]
async fn delete(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(endpoint): Path<String>,
) -> Result<StatusCode, ApiError> {
    let caller = operations(&api, auth.0).await?;
    api.accept.delete_endpoint(caller, OPERATIONAL, &endpoint).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Get Operational Webhook Endpoint Headers
#[utoipa::path(get, path = "/api/v1/operational-webhook/endpoint/{endpoint_id}/headers",
    tag = "Operational Webhook Endpoint", operation_id = "v1.operational-webhook.endpoint.get-headers",
    params(("endpoint_id" = String, Path)), responses((status = 200, body = EndpointHeadersOut), Errors))]
async fn get_headers(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(endpoint): Path<String>,
) -> Result<Json<EndpointHeadersOut>, ApiError> {
    let caller = operations(&api, auth.0).await?;
    let (_, endpoint) = api.accept.endpoint(caller, OPERATIONAL, &endpoint)?;
    Ok(Json(endpoint_headers::shown(&endpoint)))
}

/// Update Operational Webhook Endpoint Headers
#[utoipa::path(put, path = "/api/v1/operational-webhook/endpoint/{endpoint_id}/headers",
    tag = "Operational Webhook Endpoint", operation_id = "v1.operational-webhook.endpoint.update-headers",
    params(("endpoint_id" = String, Path)), request_body = EndpointHeadersIn,
    responses((status = 204), Errors))]
async fn put_headers(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(endpoint): Path<String>,
    body: Body<EndpointHeadersIn>,
) -> Result<StatusCode, ApiError> {
    let caller = operations(&api, auth.0).await?;
    let edit = |row: &Endpoint| Ok(endpoint_headers::with_headers(row, body.value.headers.clone()));
    api.accept.update_endpoint(caller, OPERATIONAL, &endpoint, edit).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Get Operational Webhook Endpoint Secret
#[utoipa::path(get, path = "/api/v1/operational-webhook/endpoint/{endpoint_id}/secret",
    tag = "Operational Webhook Endpoint", operation_id = "v1.operational-webhook.endpoint.get-secret",
    params(("endpoint_id" = String, Path)), responses((status = 200, body = EndpointSecretOut), Errors))]
async fn get_secret(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(endpoint): Path<String>,
) -> Result<Json<EndpointSecretOut>, ApiError> {
    let caller = operations(&api, auth.0).await?;
    let (_, endpoint) = api.accept.endpoint(caller, OPERATIONAL, &endpoint)?;
    Ok(endpoint_secret::shown(&endpoint))
}

/// Rotate Operational Webhook Endpoint Secret
#[utoipa::path(post, path = "/api/v1/operational-webhook/endpoint/{endpoint_id}/secret/rotate",
    tag = "Operational Webhook Endpoint", operation_id = "v1.operational-webhook.endpoint.rotate-secret",
    params(("endpoint_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = EndpointSecretRotateIn, responses((status = 200, body = EndpointSecretOut), Errors))]
async fn rotate_secret(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(endpoint): Path<String>,
    key: IdempotencyHeader,
    body: Body<EndpointSecretRotateIn>,
) -> Result<Json<EndpointSecretOut>, ApiError> {
    let rotation = Rotation { key: body.value.key, grace_seconds: body.value.grace_period_seconds };
    let idempotency = key.with(auth.0, &body.raw.bytes)?;
    let caller = operations(&api, auth.0).await?;
    let row = api.accept.rotate_secret(caller, OPERATIONAL, &endpoint, rotation, idempotency).await?;
    Ok(endpoint_secret::shown(&row))
}
