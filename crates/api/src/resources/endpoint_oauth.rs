//! `…/endpoint/{endpoint_id}/oauth`: where an endpoint's access tokens come from.

use crate::Api;
use crate::auth::{Auth, LookIn, ManageEndpoints};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::path::Path;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_store::Secret;
use postrider_store::config::{ClientAuthentication, OAuthClient};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get, put, delete))
}

/// How the client authenticates with the token server.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OAuthClientAuthentication {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
}

/// The client credentials grant of OAuth 2.0.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointOAuthIn {
    #[schema(format = "uri")]
    pub token_url: String,
    pub client_id: String,
    /// It is encrypted at rest and never shown. Without it, the one that is set stays.
    #[serde(default)]
    pub client_secret: Option<String>,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub audience: Option<String>,
    #[serde(default)]
    pub authentication: OAuthClientAuthentication,
}

/// Where tokens come from; the secret is not shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointOAuthOut {
    #[schema(format = "uri")]
    pub token_url: String,
    pub client_id: String,
    pub scopes: Vec<String>,
    pub audience: Option<String>,
    pub authentication: OAuthClientAuthentication,
}

fn shown(client: &OAuthClient) -> EndpointOAuthOut {
    EndpointOAuthOut {
        token_url: client.token_url.clone(),
        client_id: client.client_id.clone(),
        scopes: client.scopes.clone(),
        audience: client.audience.clone(),
        authentication: match client.authentication {
            ClientAuthentication::Basic => OAuthClientAuthentication::ClientSecretBasic,
            ClientAuthentication::Post => OAuthClientAuthentication::ClientSecretPost,
        },
    }
}

/// Get Endpoint OAuth
///
/// Where the access tokens for this endpoint come from; `null` if it needs none.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/oauth", tag = "Endpoint",
    operation_id = "v1.endpoint.get-oauth", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    responses((status = 200, body = Option<EndpointOAuthOut>), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint)): Path<(String, String)>,
) -> Result<Json<Option<EndpointOAuthOut>>, ApiError> {
    let (_, endpoint) = api.accept.endpoint(auth.0, &app, &endpoint)?;
    Ok(Json(endpoint.secrets.oauth.as_ref().map(shown)))
}

/// Update Endpoint OAuth
///
/// Requests to this endpoint carry `Authorization: Bearer` with an access token of this server.
#[utoipa::path(put, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/oauth", tag = "Endpoint",
    operation_id = "v1.endpoint.update-oauth", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    request_body = EndpointOAuthIn, responses((status = 200, body = EndpointOAuthOut), Errors))]
async fn put(
    State(api): State<Api>,
    auth: Auth<ManageEndpoints>,
    Path((app, endpoint)): Path<(String, String)>,
    body: Body<EndpointOAuthIn>,
) -> Result<Json<EndpointOAuthOut>, ApiError> {
    let given = body.value;
    let (_, row) = api.accept.endpoint(auth.0, &app, &endpoint)?;
    // A secret that was set for one server is not sent to another.
    let known = row
        .secrets
        .oauth
        .as_ref()
        .filter(|known| url::Url::parse(&given.token_url).is_ok_and(|url| url.as_str() == known.token_url));
    let secret = given.client_secret.map(Secret::new).or_else(|| known.map(|known| known.client_secret.clone()));
    let client = OAuthClient {
        client_secret: secret.ok_or_else(|| ApiError::field("clientSecret", "is missing"))?,
        token_url: given.token_url,
        client_id: given.client_id,
        scopes: given.scopes,
        audience: given.audience,
        authentication: match given.authentication {
            OAuthClientAuthentication::ClientSecretBasic => ClientAuthentication::Basic,
            OAuthClientAuthentication::ClientSecretPost => ClientAuthentication::Post,
        },
    };
    let row = api.accept.set_oauth(auth.0, &app, &endpoint, Some(client.clone())).await?;
    Ok(Json(shown(row.secrets.oauth.as_ref().unwrap_or(&client))))
}

/// Delete Endpoint OAuth
///
/// Requests to this endpoint carry no access token any more.
#[utoipa::path(delete, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/oauth", tag = "Endpoint",
    operation_id = "v1.endpoint.delete-oauth", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    responses((status = 204), Errors))]
async fn delete(
    State(api): State<Api>,
    auth: Auth<ManageEndpoints>,
    Path((app, endpoint)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    api.accept.set_oauth(auth.0, &app, &endpoint, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
