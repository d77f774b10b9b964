//! `/api/v1/app/{app_id}/integration`: third parties that look after an application's endpoints.

use crate::Api;
use crate::auth::{Auth, LookAround, Manage};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::page::{Asked, ListResponse, Written};
use crate::params::{OrderParams, PageParams};
use crate::path::Path;
use crate::query::Query;
use crate::text::Flag;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_accept::IntegrationDraft;
use postrider_store::Ids;
use postrider_store::config::Integration;
use postrider_store::id::IntegrationId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(get_key))
        .routes(routes!(rotate_key))
}

/// An integration as it is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationIn {
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// Event types with one of these flags are shown to it, beside those without.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Flag>>, max_items = 100)]
    pub feature_flags: Option<Vec<String>>,
}

/// An integration as it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationOut {
    pub id: String,
    pub name: String,
    pub feature_flags: Vec<String>,
    #[schema(format = "date-time")]
    pub created_at: String,
    #[schema(format = "date-time")]
    pub updated_at: String,
}

/// A key, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct IntegrationKeyOut {
    pub key: String,
}

impl From<IntegrationIn> for IntegrationDraft {
    fn from(given: IntegrationIn) -> IntegrationDraft {
        IntegrationDraft { name: given.name, feature_flags: given.feature_flags.unwrap_or_default() }
    }
}

fn shown(ids: &Ids, row: &Integration) -> IntegrationOut {
    IntegrationOut {
        id: ids.text(row.id),
        name: row.name.clone(),
        feature_flags: row.feature_flags.clone(),
        created_at: timestamp::text(row.created_ms),
        updated_at: timestamp::text(row.updated_ms),
    }
}

/// List Integrations
#[utoipa::path(get, path = "/api/v1/app/{app_id}/integration", tag = "Integration", operation_id = "v1.integration.list",
    params(("app_id" = String, Path), PageParams, OrderParams),
    responses((status = 200, body = ListResponse<IntegrationOut>), Errors))]
async fn list(
    State(api): State<Api>,
    auth: Auth<LookAround>,
    Path(app): Path<String>,
    query: Query,
) -> Result<Json<Written>, ApiError> {
    let asked = Asked::from_query(&query, true)?;
    let ids = api.accept.store().ids();
    let mut rows: Vec<IntegrationOut> =
        api.accept.integrations(auth.0, &app)?.iter().map(|row| shown(ids, row)).collect();
    rows.sort_by(|one, other| one.id.cmp(&other.id));
    let asked = asked.by_id::<IntegrationId>(ids)?;
    Ok(Json(asked.slice(rows, |row: &IntegrationOut| row.id.clone(), |row| row)))
}

/// Create Integration
///
/// It has no key yet: rotate it to get one.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/integration", tag = "Integration",
    operation_id = "v1.integration.create",
    params(("app_id" = String, Path), ("idempotency-key" = Option<String>, Header)), request_body = IntegrationIn,
    responses((status = 200, body = IntegrationOut), Errors))]
async fn create(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(app): Path<String>,
    body: Body<IntegrationIn>,
) -> Result<Json<IntegrationOut>, ApiError> {
    let made = api.accept.create_integration(auth.0, &app, body.value.into()).await?;
    Ok(Json(shown(api.accept.store().ids(), &made)))
}

/// Get Integration
#[utoipa::path(get, path = "/api/v1/app/{app_id}/integration/{integ_id}", tag = "Integration",
    operation_id = "v1.integration.get", params(("app_id" = String, Path), ("integ_id" = String, Path)),
    responses((status = 200, body = IntegrationOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookAround>,
    Path((app, id)): Path<(String, String)>,
) -> Result<Json<IntegrationOut>, ApiError> {
    Ok(Json(shown(api.accept.store().ids(), &api.accept.integration(auth.0, &app, &id)?)))
}

/// Update Integration
///
/// The key that is in force sees what the flags say now.
#[utoipa::path(put, path = "/api/v1/app/{app_id}/integration/{integ_id}", tag = "Integration",
    operation_id = "v1.integration.update", params(("app_id" = String, Path), ("integ_id" = String, Path)),
    request_body = IntegrationIn, responses((status = 200, body = IntegrationOut), Errors))]
async fn update(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path((app, id)): Path<(String, String)>,
    body: Body<IntegrationIn>,
) -> Result<Json<IntegrationOut>, ApiError> {
    let changed = api.accept.update_integration(auth.0, (&app, &id), body.value.into()).await?;
    Ok(Json(shown(api.accept.store().ids(), &changed)))
}

/// Delete Integration
///
/// With its key.
#[utoipa::path(delete, path = "/api/v1/app/{app_id}/integration/{integ_id}", tag = "Integration",
    operation_id = "v1.integration.delete", params(("app_id" = String, Path), ("integ_id" = String, Path)),
    responses((status = 204), Errors))]
async fn delete(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path((app, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    api.accept.delete_integration(auth.0, (&app, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Get Integration Key
///
/// Keys are stored hashed, so none can be shown again: this answers 409 and says how to get a new one.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/integration/{integ_id}/key", tag = "Integration",
    operation_id = "v1.integration.get-key", params(("app_id" = String, Path), ("integ_id" = String, Path)),
    responses((status = 200, body = IntegrationKeyOut), Errors))]
async fn get_key(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path((app, id)): Path<(String, String)>,
) -> Result<Json<IntegrationKeyOut>, ApiError> {
    api.accept.integration(auth.0, &app, &id)?;
    let detail = "keys are stored hashed and shown once; POST …/key/rotate makes a new one";
    Err(ApiError::plain(StatusCode::CONFLICT, "shown_once", detail))
}

/// Rotate Integration Key
///
/// Makes a key with which the integration looks after the application's endpoints; the one before it is in force no
/// more.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/integration/{integ_id}/key/rotate", tag = "Integration",
    operation_id = "v1.integration.rotate-key",
    params(("app_id" = String, Path), ("integ_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 200, body = IntegrationKeyOut), Errors))]
async fn rotate_key(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path((app, id)): Path<(String, String)>,
) -> Result<Json<IntegrationKeyOut>, ApiError> {
    let made = api.accept.rotate_integration_key(auth.0, (&app, &id)).await?;
    Ok(Json(IntegrationKeyOut { key: made.key.reveal().to_owned() }))
}
