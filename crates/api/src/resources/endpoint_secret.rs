//! `…/endpoint/{endpoint_id}/secret`: what receivers verify with.

use crate::Api;
use crate::auth::{Auth, RotateSecrets, SeeSecrets};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::idempotency::IdempotencyHeader;
use crate::path::Path;
use axum::Json;
use axum::extract::State;
use postrider_accept::Rotation;
use postrider_contract::for_receiver;
use postrider_store::config::Endpoint;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get)).routes(routes!(rotate))
}

/// What receivers verify with: the secret in force, or the public key (`whpk_…`) of a signing key. Empty
/// where the contract needs none and none was given.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointSecretOut {
    pub key: String,
}

/// A rotation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSecretRotateIn {
    /// `null`: one is made.
    #[serde(default)]
    pub key: Option<String>,
    /// How long the old secret stays valid, 0 to 604800; a day, where the contract signs with several.
    #[serde(default)]
    #[schema(maximum = 604_800, format = "uint32")]
    pub grace_period_seconds: Option<u32>,
}

pub fn shown(endpoint: &Endpoint) -> Json<EndpointSecretOut> {
    let key = endpoint.secrets.current.as_ref().map(|secret| for_receiver(secret.reveal()));
    Json(EndpointSecretOut { key: key.unwrap_or_default() })
}

/// Get Endpoint Secret
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret", tag = "Endpoint",
    operation_id = "v1.endpoint.get-secret", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    responses((status = 200, body = EndpointSecretOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<SeeSecrets>,
    Path((app, endpoint)): Path<(String, String)>,
) -> Result<Json<EndpointSecretOut>, ApiError> {
    let (_, endpoint) = api.accept.endpoint(auth.0, &app, &endpoint)?;
    Ok(shown(&endpoint))
}

/// Rotate Endpoint Secret
#[utoipa::path(post, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret/rotate", tag = "Endpoint",
    operation_id = "v1.endpoint.rotate-secret",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = EndpointSecretRotateIn, responses((status = 200, body = EndpointSecretOut), Errors))]
async fn rotate(
    State(api): State<Api>,
    auth: Auth<RotateSecrets>,
    Path((app, endpoint)): Path<(String, String)>,
    key: IdempotencyHeader,
    body: Body<EndpointSecretRotateIn>,
) -> Result<Json<EndpointSecretOut>, ApiError> {
    let rotation = Rotation { key: body.value.key, grace_seconds: body.value.grace_period_seconds };
    let idempotency = key.with(auth.0, &body.raw.bytes)?;
    Ok(shown(&api.accept.rotate_secret(auth.0, &app, &endpoint, rotation, idempotency).await?))
}
