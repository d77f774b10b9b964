//! `/api/v1/environment/export` and `…/import`: what an environment is set up with, to be set up again elsewhere.

use super::as_refusal;
use super::event_type::{EventTypeFirst, EventTypeOut, EventTypeUpdate, shown};
use crate::Api;
use crate::auth::{Auth, LookAround, Manage};
use crate::body::Raw;
use crate::error::{ApiError, Errors};
use crate::input::{Input, Shape};
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use postrider_accept::{EnvironmentDraft, EventTypeDraft};
use postrider_store::config::{Environment, EventTypeSettings};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The form of what is exported.
const VERSION: i64 = 1;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(export)).routes(routes!(import))
}

/// What an environment has, beside its applications.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentExportOut {
    pub version: i64,
    #[schema(format = "date-time")]
    pub created_at: String,
    pub event_types: Vec<EventTypeOut>,
    pub settings: EnvironmentExportSettings,
    /// Always empty: there are none here.
    #[schema(value_type = Vec<Object>)]
    pub connectors: Vec<Value>,
}

/// What can be set of an environment.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentExportSettings {
    /// Days to keep messages that don't say it themselves.
    #[serde(default)]
    pub retention_days: Option<u16>,
}

/// What was exported.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentImportIn<'a> {
    /// As exported; not used.
    #[serde(default, rename = "version")]
    #[schema(value_type = Option<i64>)]
    pub _version: Option<IgnoredAny>,
    /// As exported; not used.
    #[serde(default, rename = "createdAt")]
    #[schema(value_type = Option<String>)]
    pub _created_at: Option<IgnoredAny>,
    #[serde(borrow, default)]
    #[schema(value_type = Option<Vec<EventTypeOut>>)]
    pub event_types: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    pub settings: Option<EnvironmentExportSettings>,
    /// Refused unless empty: there are none here.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub connectors: Option<Vec<Value>>,
}

/// Export Environment
///
/// Its event types with their schemas, and its settings; applications and keys stay.
#[utoipa::path(post, path = "/api/v1/environment/export", tag = "Environment", operation_id = "v1.environment.export",
    params(("idempotency-key" = Option<String>, Header)), responses((status = 200, body = EnvironmentExportOut), Errors))]
async fn export(State(api): State<Api>, auth: Auth<LookAround>) -> Result<Json<EnvironmentExportOut>, ApiError> {
    let environment = api.accept.own_environment(auth.0)?;
    Ok(Json(EnvironmentExportOut {
        version: VERSION,
        created_at: timestamp::text(api.accept.clock().wall_ms()),
        event_types: api.accept.event_types(auth.0).iter().map(|row| shown(row)).collect(),
        settings: EnvironmentExportSettings { retention_days: environment.settings.retention_days },
        connectors: vec![],
    }))
}

fn as_draft(input: &Input, shape: &Shape, item: &RawValue) -> Result<EventTypeDraft, ApiError> {
    let bytes = item.get().as_bytes();
    // Warnings about it were found with the whole.
    let EventTypeFirst { name } = input.read_quietly(bytes, shape)?;
    let given: EventTypeUpdate = input.read_quietly(bytes, shape)?;
    // An export names the flags by both names; the list is the whole.
    let single = given.feature_flag.filter(|_| given.feature_flags.is_none());
    let settings = EventTypeSettings::try_from(EventTypeUpdate { feature_flag: single, ..given })?;
    Ok(EventTypeDraft { name, settings })
}

/// Import Environment
///
/// Registers the event types of an export, or changes those that are there, and takes its settings. All of it is
/// checked before the first is changed.
#[utoipa::path(post, path = "/api/v1/environment/import", tag = "Environment", operation_id = "v1.environment.import",
    params(("idempotency-key" = Option<String>, Header)), request_body = EnvironmentImportIn,
    responses((status = 204), Errors))]
async fn import(State(api): State<Api>, auth: Auth<Manage>, body: Raw) -> Result<StatusCode, ApiError> {
    let given: EnvironmentImportIn<'_> = body.read()?;
    if given.connectors.is_some_and(|connectors| !connectors.is_empty()) {
        return Err(ApiError::field("connectors", "are not offered here; leave them out"));
    }
    let shape = api.operations.get(&Method::POST, "/api/v1/event-type").and_then(|operation| operation.body.clone());
    let shape = shape.as_deref().unwrap_or(&Shape::Any);
    let read = |(n, item): (usize, &RawValue)| {
        let within = |error| as_refusal(error).within(&["eventTypes".to_owned(), n.to_string()]);
        as_draft(&body.input, shape, item).map_err(within)
    };
    let types = given.event_types.unwrap_or_default().into_iter().enumerate().map(read);
    let types = types.collect::<Result<Vec<_>, _>>()?;
    let place = |n: usize, _: &str| vec!["eventTypes".to_owned(), n.to_string()];
    api.accept.check_import(auth.0, &types, place)?;
    if let Some(settings) = given.settings {
        let id = api.accept.store().ids().text(auth.0.env);
        let edit = |row: &Environment| {
            let mut draft = EnvironmentDraft { name: row.name.clone(), settings: row.settings.clone() };
            draft.settings.retention_days = settings.retention_days;
            Ok(draft)
        };
        api.accept
            .update_environment(auth.0, &id, edit)
            .await
            .map_err(|refusal| refusal.within(&["settings".to_owned()]))?;
    }
    api.accept.import_event_types(auth.0, &types).await?;
    Ok(StatusCode::NO_CONTENT)
}
