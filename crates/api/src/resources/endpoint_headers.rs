//! `…/endpoint/{endpoint_id}/headers`: headers of the endpoint's own.

use crate::Api;
use crate::auth::{Auth, LookIn, ManageEndpoints};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::path::Path;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_accept::EndpointDraft;
use postrider_store::config::Endpoint;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Headers whose values are credentials: set, sent, and not shown again.
const SENSITIVE: &[&str] =
    &["authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-auth-token", "x-access-token"];

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get, put, patch))
}

/// All of an endpoint's headers.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct EndpointHeadersIn {
    pub headers: BTreeMap<String, String>,
}

/// Headers to set, or to remove with `null`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointHeadersPatchIn {
    pub headers: BTreeMap<String, Option<String>>,
    /// Names of headers to remove, as newer clients of Svix give them.
    #[serde(default)]
    pub delete_headers: Option<Vec<String>>,
}

/// An endpoint's headers; of those in `sensitive` the values are not shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EndpointHeadersOut {
    pub headers: BTreeMap<String, String>,
    pub sensitive: BTreeSet<String>,
}

pub fn shown(endpoint: &Endpoint) -> EndpointHeadersOut {
    let is_sensitive = |name: &String| SENSITIVE.contains(&name.to_ascii_lowercase().as_str());
    let (hidden, shown): (BTreeMap<_, _>, BTreeMap<_, _>) =
        endpoint.headers.clone().into_iter().partition(|(name, _)| is_sensitive(name));
    EndpointHeadersOut { headers: shown, sensitive: hidden.into_keys().collect() }
}

pub fn with_headers(row: &Endpoint, headers: BTreeMap<String, String>) -> EndpointDraft {
    EndpointDraft { uid: row.uid.clone(), settings: row.settings.clone(), headers, secret: None }
}

/// Get Endpoint Headers
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/headers", tag = "Endpoint",
    operation_id = "v1.endpoint.get-headers", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    responses((status = 200, body = EndpointHeadersOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint)): Path<(String, String)>,
) -> Result<Json<EndpointHeadersOut>, ApiError> {
    let (_, endpoint) = api.accept.endpoint(auth.0, &app, &endpoint)?;
    Ok(Json(shown(&endpoint)))
}

/// Update Endpoint Headers
#[utoipa::path(put, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/headers", tag = "Endpoint",
    operation_id = "v1.endpoint.update-headers", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    request_body = EndpointHeadersIn, responses((status = 204), Errors))]
async fn put(
    State(api): State<Api>,
    auth: Auth<ManageEndpoints>,
    Path((app, endpoint)): Path<(String, String)>,
    body: Body<EndpointHeadersIn>,
) -> Result<StatusCode, ApiError> {
    let edit = |row: &Endpoint| Ok(with_headers(row, body.value.headers.clone()));
    api.accept.update_endpoint(auth.0, &app, &endpoint, edit).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Patch Endpoint Headers
#[utoipa::path(patch, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/headers", tag = "Endpoint",
    operation_id = "v1.endpoint.patch-headers", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    request_body = EndpointHeadersPatchIn, responses((status = 204), Errors))]
async fn patch(
    State(api): State<Api>,
    auth: Auth<ManageEndpoints>,
    Path((app, endpoint)): Path<(String, String)>,
    body: Body<EndpointHeadersPatchIn>,
) -> Result<StatusCode, ApiError> {
    let edit = |row: &Endpoint| {
        let mut headers = row.headers.clone();
        let deleted = body.value.delete_headers.iter().flatten();
        deleted.for_each(|name| headers.retain(|known, _| !known.eq_ignore_ascii_case(name)));
        for (name, value) in body.value.headers.clone() {
            headers.retain(|known, _| !known.eq_ignore_ascii_case(&name));
            headers.extend(value.map(|value| (name, value)));
        }
        Ok(with_headers(row, headers))
    };
    api.accept.update_endpoint(auth.0, &app, &endpoint, edit).await?;
    Ok(StatusCode::NO_CONTENT)
}
