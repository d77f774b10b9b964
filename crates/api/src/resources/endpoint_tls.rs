//! `…/endpoint/{endpoint_id}/tls`: certificates of an endpoint's own.

use crate::Api;
use crate::auth::{Auth, LookIn, ManageEndpoints};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use postrider_store::Secret;
use postrider_store::config::{ClientCertificate, Endpoint, EndpointTls};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get, put, delete))
}

/// How connections to an endpoint are secured, all in PEM form.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointTlsIn {
    /// Shown to a server that asks for a certificate; then the certificates that it was issued by.
    #[serde(default)]
    pub client_certificate: Option<String>,
    /// The private key of the first certificate. It is encrypted at rest and never shown.
    #[serde(default)]
    pub client_key: Option<String>,
    /// The authorities that the endpoint's certificate may come from, instead of the public ones.
    #[serde(default)]
    pub ca_certificates: Option<String>,
}

/// What an endpoint has of its own; the key is not shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointTlsOut {
    pub client_certificate: Option<String>,
    pub ca_certificates: Option<String>,
}

fn shown(endpoint: &Endpoint) -> EndpointTlsOut {
    let tls = endpoint.secrets.tls.clone().unwrap_or_default();
    EndpointTlsOut { client_certificate: tls.client.map(|client| client.chain), ca_certificates: tls.authorities }
}

/// Get Endpoint TLS
///
/// The certificates that connections to this endpoint use. The private key is never shown.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/tls", tag = "Endpoint",
    operation_id = "v1.endpoint.get-tls", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    responses((status = 200, body = EndpointTlsOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint)): Path<(String, String)>,
) -> Result<Json<EndpointTlsOut>, ApiError> {
    let (_, endpoint) = api.accept.endpoint(auth.0, &app, &endpoint)?;
    Ok(Json(shown(&endpoint)))
}

/// Update Endpoint TLS
///
/// Sets all of it: a client certificate with its key, authorities, or both.
#[utoipa::path(put, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/tls", tag = "Endpoint",
    operation_id = "v1.endpoint.update-tls", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    request_body = EndpointTlsIn, responses((status = 200, body = EndpointTlsOut), Errors))]
async fn put(
    State(api): State<Api>,
    auth: Auth<ManageEndpoints>,
    Path((app, endpoint)): Path<(String, String)>,
    body: Body<EndpointTlsIn>,
) -> Result<Json<EndpointTlsOut>, ApiError> {
    let given = body.value;
    let client = match (given.client_certificate, given.client_key) {
        (Some(chain), Some(key)) => Some(ClientCertificate { chain, key: Secret::new(key) }),
        (Some(_), None) => return Err(ApiError::field("clientKey", "is missing; give the key of clientCertificate")),
        (None, Some(_)) => {
            return Err(ApiError::field("clientCertificate", "is missing; give the certificate of clientKey"));
        }
        (None, None) => None,
    };
    let tls = EndpointTls { client, authorities: given.ca_certificates };
    if tls == EndpointTls::default() {
        let hint = "give clientCertificate and clientKey, caCertificates, or all three; to remove them, use DELETE";
        return Err(ApiError::field("", hint));
    }
    let endpoint = api.accept.set_tls(auth.0, &app, &endpoint, Some(tls)).await?;
    Ok(Json(shown(&endpoint)))
}

/// Delete Endpoint TLS
///
/// Connections use no client certificate and trust the public authorities again.
#[utoipa::path(delete, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/tls", tag = "Endpoint",
    operation_id = "v1.endpoint.delete-tls", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    responses((status = 204), Errors))]
async fn delete(
    State(api): State<Api>,
    auth: Auth<ManageEndpoints>,
    Path((app, endpoint)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    api.accept.set_tls(auth.0, &app, &endpoint, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
