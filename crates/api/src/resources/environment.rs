//! `/api/v1/environment`: a provider's top-level spaces.

use super::{as_refusal, or_default, patched};
use crate::Api;
use crate::auth::{Auth, LookAround, Manage};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::path::Path;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_accept::{EnvironmentDraft, Refusal, kept_proxy, masked_proxy};
use postrider_store::Ids;
use postrider_store::Secret;
use postrider_store::access::Scope;
use postrider_store::config::{Environment, EnvironmentProxy, EnvironmentSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, patch, delete))
}

/// An environment as it is given.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentIn {
    #[schema(min_length = 1, max_length = 256)]
    pub name: String,
    /// Days to keep messages that don't say it themselves; `null`: as the operator says.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub retention_days: Option<u16>,
    /// What messages are sent through; `null`: as the operator says.
    #[serde(default)]
    pub proxy: Option<EnvironmentProxyJson>,
    /// Whether requests that look like a mistake are errors instead of warnings: unknown fields and query parameters,
    /// messages of unregistered types, messages that no endpoint takes.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(value_type = Option<bool>)]
    pub strict: bool,
}

/// A proxy for deliveries.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EnvironmentProxy)]
pub struct EnvironmentProxyJson {
    /// `http://USER:PASSWORD@HOST:PORT`, `socks5://…` or `socks5h://…`. Shown with `***` for the password; given back as
    /// it was shown, it stays.
    pub url: String,
    /// What is sent to directly: host names with those below them, addresses, networks, `*`.
    #[serde(default)]
    pub no_proxy: Vec<String>,
}

/// Fields to change; the others stay.
#[derive(ToSchema)]
#[schema(as = EnvironmentPatch, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a body in the OpenAPI document; patches are merged as JSON")]
struct EnvironmentPatch {
    #[schema(required = false, min_length = 1, max_length = 256)]
    name: String,
    #[schema(minimum = 1)]
    retention_days: Option<u16>,
    proxy: Option<EnvironmentProxyJson>,
    strict: Option<bool>,
}

/// An environment as it is; `key` is its first API key, shown when it is made.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentOut {
    pub id: String,
    #[serde(flatten)]
    pub environment: EnvironmentIn,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[schema(format = "date-time")]
    pub created_at: String,
    #[schema(format = "date-time")]
    pub updated_at: String,
}

/// All environments that the key sees.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentsOut {
    pub data: Vec<EnvironmentOut>,
}

impl From<&Environment> for EnvironmentIn {
    fn from(row: &Environment) -> EnvironmentIn {
        let proxy = row.settings.proxy.as_ref().map(|proxy| EnvironmentProxyJson {
            url: masked_proxy(proxy.url.reveal()),
            no_proxy: proxy.no_proxy.clone(),
        });
        EnvironmentIn {
            name: row.name.clone(),
            retention_days: row.settings.retention_days,
            proxy,
            strict: row.settings.strict,
        }
    }
}

impl From<EnvironmentIn> for EnvironmentDraft {
    fn from(given: EnvironmentIn) -> EnvironmentDraft {
        let proxy = given.proxy.map(|proxy| EnvironmentProxy { url: Secret::new(proxy.url), no_proxy: proxy.no_proxy });
        let settings = EnvironmentSettings { retention_days: given.retention_days, proxy, strict: given.strict };
        EnvironmentDraft { name: given.name, settings }
    }
}

fn shown(ids: &Ids, row: &Environment, key: Option<String>) -> EnvironmentOut {
    EnvironmentOut {
        id: ids.text(row.id),
        environment: row.into(),
        key,
        created_at: timestamp::text(row.created_ms),
        updated_at: timestamp::text(row.updated_ms),
    }
}

/// List Environments
///
/// All of them with a key of the first environment, its own with a key of another.
#[utoipa::path(get, path = "/api/v1/environment", tag = "Environment", operation_id = "v1.environment.list",
    responses((status = 200, body = EnvironmentsOut), Errors))]
async fn list(State(api): State<Api>, auth: Auth<LookAround>) -> Json<EnvironmentsOut> {
    let ids = api.accept.store().ids();
    let rows = api.accept.environments(auth.0);
    Json(EnvironmentsOut { data: rows.iter().map(|row| shown(ids, row, None)).collect() })
}

/// Create Environment
///
/// With its first API key, which has the scope `all`. Takes a key of the first environment.
#[utoipa::path(post, path = "/api/v1/environment", tag = "Environment", operation_id = "v1.environment.create",
    request_body = EnvironmentIn, responses((status = 201, body = EnvironmentOut), Errors))]
async fn create(
    State(api): State<Api>,
    auth: Auth<Manage>,
    body: Body<EnvironmentIn>,
) -> Result<(StatusCode, Json<EnvironmentOut>), ApiError> {
    let row = api.accept.create_environment(auth.0, body.value.into()).await?;
    let key = api.accept.create_key(row.id, "first", Scope::All).await?;
    let shown = shown(api.accept.store().ids(), &row, Some(key.key.reveal().to_owned()));
    Ok((StatusCode::CREATED, Json(shown)))
}

/// Get Environment
#[utoipa::path(get, path = "/api/v1/environment/{environment_id}", tag = "Environment",
    operation_id = "v1.environment.get", params(("environment_id" = String, Path)),
    responses((status = 200, body = EnvironmentOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookAround>,
    Path(id): Path<String>,
) -> Result<Json<EnvironmentOut>, ApiError> {
    let row = api.accept.environment(auth.0, &id)?;
    Ok(Json(shown(api.accept.store().ids(), &row, None)))
}

/// Patch Environment
#[utoipa::path(patch, path = "/api/v1/environment/{environment_id}", tag = "Environment",
    operation_id = "v1.environment.patch", params(("environment_id" = String, Path)),
    request_body = EnvironmentPatch, responses((status = 200, body = EnvironmentOut), Errors))]
async fn patch(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(id): Path<String>,
    body: Body<Map<String, Value>>,
) -> Result<Json<EnvironmentOut>, ApiError> {
    let edit = |row: &Environment| -> Result<EnvironmentDraft, Refusal> {
        let given = patched(&EnvironmentIn::from(row), &body.value).map_err(as_refusal)?;
        let mut draft = EnvironmentDraft::from(given);
        draft.settings.proxy = draft.settings.proxy.map(|proxy| kept_proxy(proxy, row.settings.proxy.as_ref()));
        Ok(draft)
    };
    let row = api.accept.update_environment(auth.0, &id, edit).await?;
    Ok(Json(shown(api.accept.store().ids(), &row, None)))
}

/// Delete Environment
///
/// With its API keys and event types. Refused while it has applications.
#[utoipa::path(delete, path = "/api/v1/environment/{environment_id}", tag = "Environment",
    operation_id = "v1.environment.delete", params(("environment_id" = String, Path)),
    responses((status = 204), Errors))]
async fn delete(State(api): State<Api>, auth: Auth<Manage>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    api.accept.delete_environment(auth.0, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
