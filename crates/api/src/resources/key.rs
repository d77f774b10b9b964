//! `/api/v1/key`: API keys of the environment.

use crate::Api;
use crate::auth::{Auth, LookAround, Manage};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::path::Path;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_store::Ids;
use postrider_store::access::Scope;
use postrider_store::config::ApiKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ApiKeyIn {
    /// What it is for.
    #[schema(min_length = 1, max_length = 256)]
    pub name: String,
    /// What it may do.
    #[serde(default)]
    pub scope: KeyScope,
}

/// What a key may do: everything; only look, at everything but secrets; only send messages.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyScope {
    #[default]
    All,
    Read,
    Send,
}

/// An API key; `key` is shown once, when it is made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyOut {
    pub id: String,
    pub name: String,
    pub scope: KeyScope,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[schema(format = "date-time")]
    pub created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    pub revoked_at: Option<String>,
}

/// All keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeysOut {
    pub data: Vec<ApiKeyOut>,
}

fn shown(ids: &Ids, row: &ApiKey, key: Option<&str>) -> ApiKeyOut {
    ApiKeyOut {
        id: ids.text(row.id),
        name: row.name.clone(),
        scope: match row.access.scope {
            Scope::All => KeyScope::All,
            Scope::Read => KeyScope::Read,
            Scope::Send => KeyScope::Send,
        },
        key: key.map(str::to_owned),
        created_at: timestamp::text(row.created_ms),
        revoked_at: row.revoked_ms.map(timestamp::text),
    }
}

/// List API Keys
#[utoipa::path(get, path = "/api/v1/key", tag = "API Key", operation_id = "v1.key.list",
    responses((status = 200, body = ApiKeysOut), Errors))]
async fn list(State(api): State<Api>, auth: Auth<LookAround>) -> Json<ApiKeysOut> {
    let store = api.accept.store();
    let keys = store.directory().keys(auth.0.env);
    Json(ApiKeysOut { data: keys.iter().map(|row| shown(store.ids(), row, None)).collect() })
}

/// Create API Key
#[utoipa::path(post, path = "/api/v1/key", tag = "API Key", operation_id = "v1.key.create", request_body = ApiKeyIn,
    responses((status = 201, body = ApiKeyOut), Errors))]
async fn create(
    State(api): State<Api>,
    auth: Auth<Manage>,
    body: Body<ApiKeyIn>,
) -> Result<(StatusCode, Json<ApiKeyOut>), ApiError> {
    let scope = match body.value.scope {
        KeyScope::All => Scope::All,
        KeyScope::Read => Scope::Read,
        KeyScope::Send => Scope::Send,
    };
    let made = api.accept.create_key(auth.0.env, &body.value.name, scope).await?;
    let key = shown(api.accept.store().ids(), &made.row, Some(made.key.reveal()));
    Ok((StatusCode::CREATED, Json(key)))
}

/// Revoke API Key
#[utoipa::path(delete, path = "/api/v1/key/{key_id}", tag = "API Key", operation_id = "v1.key.revoke",
    params(("key_id" = String, Path)), responses((status = 204), Errors))]
async fn revoke(State(api): State<Api>, auth: Auth<Manage>, Path(key): Path<String>) -> Result<StatusCode, ApiError> {
    api.accept.revoke_key(auth.0, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
