//! `/api/v1/schema`: the versions of an event type's schemas, and what differs between two.

use crate::Api;
use crate::auth::{Auth, LookIn};
use crate::error::{ApiError, Errors};
use crate::query::Query;
use axum::Json;
use axum::extract::State;
use postrider_accept::{Caller, schema_versions};
use postrider_schema::Difference;
use postrider_store::config::EventType;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(compare))
}

/// The schemas of an event type, the latest last.
#[derive(Debug, Serialize, ToSchema)]
pub struct SchemasOut {
    pub data: Vec<SchemaVersionOut>,
}

/// One version.
#[derive(Debug, Serialize, ToSchema)]
pub struct SchemaVersionOut {
    pub version: String,
    /// The one that messages are compared with that name none.
    pub latest: bool,
    #[schema(value_type = Object)]
    pub schema: Value,
}

/// What differs from one version to another.
#[derive(Debug, Serialize, ToSchema)]
pub struct SchemaDifferencesOut {
    pub from: String,
    pub to: String,
    /// Whether any of it breaks who reads the payloads.
    pub breaking: bool,
    pub data: Vec<SchemaDifferenceOut>,
}

/// One difference.
#[derive(Debug, Serialize, ToSchema)]
pub struct SchemaDifferenceOut {
    /// Where in the payload: `/user/email`, `/items/*`.
    pub path: String,
    /// A stable word.
    pub what: String,
    pub breaking: bool,
    pub text: String,
}

impl From<Difference> for SchemaDifferenceOut {
    fn from(difference: Difference) -> SchemaDifferenceOut {
        SchemaDifferenceOut {
            path: difference.path,
            what: difference.what.name().to_owned(),
            breaking: difference.breaking,
            text: difference.text,
        }
    }
}

fn event_type(api: &Api, caller: Caller, query: &Query) -> Result<Arc<EventType>, ApiError> {
    let name = query.text("eventType").ok_or_else(|| ApiError::query("eventType", "is needed"))?;
    Ok(api.accept.event_type(caller, name)?)
}

/// List Schemas
#[utoipa::path(get, path = "/api/v1/schema", tag = "Event Type", operation_id = "v1.schema.list",
    params(("eventType" = String, Query)), responses((status = 200, body = SchemasOut), Errors))]
async fn list(State(api): State<Api>, auth: Auth<LookIn>, query: Query) -> Result<Json<SchemasOut>, ApiError> {
    let row = event_type(&api, auth.0, &query)?;
    let versions = schema_versions(&row);
    let last = versions.len();
    let data = (1..).zip(versions).map(|(n, (version, schema))| SchemaVersionOut {
        version: version.clone(),
        latest: n == last,
        schema: schema.clone(),
    });
    Ok(Json(SchemasOut { data: data.collect() }))
}

/// Compare Schemas
///
/// What changes for receivers from one version to another; without `from`, from the last but one, and without `to`, to
/// the latest.
#[utoipa::path(get, path = "/api/v1/schema/compare", tag = "Event Type", operation_id = "v1.schema.compare",
    params(("eventType" = String, Query), ("from" = Option<String>, Query), ("to" = Option<String>, Query)),
    responses((status = 200, body = SchemaDifferencesOut), Errors))]
async fn compare(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    query: Query,
) -> Result<Json<SchemaDifferencesOut>, ApiError> {
    let row = event_type(&api, auth.0, &query)?;
    let versions = schema_versions(&row);
    let named = |field: &str, place: Option<usize>| {
        let found = match query.text(field) {
            Some(name) => versions.iter().find(|(version, _)| *version == name),
            None => place.and_then(|place| versions.get(place)),
        };
        let known = versions.iter().map(|(version, _)| version.as_str()).collect::<Vec<_>>().join(", ");
        found.copied().ok_or_else(|| ApiError::query(field, format!("is no version; there are {known}")))
    };
    let from = named("from", versions.len().checked_sub(2))?;
    let to = named("to", versions.len().checked_sub(1))?;
    let (one, other) = (from.1.clone(), to.1.clone());
    // Two large schemas take a while.
    let differences = tokio::task::spawn_blocking(move || postrider_schema::compare(&one, &other)).await;
    let differences = differences.map_err(|_| ApiError::query("from", "can't be compared with the other"))?;
    Ok(Json(SchemaDifferencesOut {
        from: from.0.clone(),
        to: to.0.clone(),
        breaking: differences.iter().any(|difference| difference.breaking),
        data: differences.into_iter().map(SchemaDifferenceOut::from).collect(),
    }))
}
