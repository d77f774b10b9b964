//! `/api/v1/app/{app_id}/variable`: what responses set and is kept for the next message.

use crate::Api;
use crate::auth::{Auth, LookIn, Manage};
use crate::error::{ApiError, Errors};
use crate::path::Path;
use crate::query::Query;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_store::Ids;
use postrider_store::message::Variable;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, delete))
}

/// What is kept of whoever messages are about.
#[derive(Debug, Serialize, ToSchema)]
pub struct VariablesOut {
    pub data: Vec<VariableOut>,
}

/// One variable.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VariableOut {
    pub name: String,
    #[schema(value_type = Object)]
    pub value: Box<RawValue>,
    /// The endpoint that it is kept for; `null`: all of the application.
    pub endpoint_id: Option<String>,
    /// Since when it has been there.
    #[schema(format = "date-time")]
    pub since: String,
}

fn shown(ids: &Ids, variable: Variable) -> VariableOut {
    VariableOut {
        name: variable.name,
        value: RawValue::from_string(variable.value).unwrap_or_else(|_| RawValue::NULL.to_owned()),
        endpoint_id: variable.endpoint.map(|endpoint| ids.text(endpoint)),
        since: timestamp::text(variable.created_ms),
    }
}

fn subject(query: &Query) -> Result<&str, ApiError> {
    query.text("subject").ok_or_else(|| ApiError::query("subject", "is needed: whoever the messages are about"))
}

/// List Variables
///
/// What responses set of a contact, or whatever the contract's messages are about.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/variable", tag = "Message", operation_id = "v1.message.list-variables",
    params(("app_id" = String, Path), ("subject" = String, Query)),
    responses((status = 200, body = VariablesOut), Errors))]
async fn list(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path(app): Path<String>,
    query: Query,
) -> Result<Json<VariablesOut>, ApiError> {
    let variables = api.accept.variables(auth.0, &app, subject(&query)?).await?;
    let ids = api.accept.store().ids();
    Ok(Json(VariablesOut { data: variables.into_iter().map(|variable| shown(ids, variable)).collect() }))
}

/// Delete Variables
///
/// Forgets all that was set of a contact: its conversations begin anew.
#[utoipa::path(delete, path = "/api/v1/app/{app_id}/variable", tag = "Message",
    operation_id = "v1.message.delete-variables", params(("app_id" = String, Path), ("subject" = String, Query)),
    responses((status = 204), Errors))]
async fn delete(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(app): Path<String>,
    query: Query,
) -> Result<StatusCode, ApiError> {
    api.accept.forget_variables(auth.0, &app, subject(&query)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
