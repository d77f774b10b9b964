//! `/api/v1/event-type/import/openapi`: event types out of an OpenAPI document.

use crate::Api;
use crate::auth::{Auth, Manage};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_accept::EventTypeDraft;
use postrider_schema::{FromOpenApi, event_types, read};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(import))
}

/// A document, in one of two ways.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventTypeImportOpenApiIn {
    /// As JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub spec: Option<Value>,
    /// As a text of JSON or YAML.
    #[serde(default)]
    pub spec_raw: Option<String>,
    /// Only say what would change.
    #[serde(default)]
    pub dry_run: Option<bool>,
    /// Archive the event types that the document does not have.
    #[serde(default)]
    pub replace_all: Option<bool>,
}

/// What changed, or would.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventTypeImportOpenApiOut {
    pub data: EventTypeImportOpenApiOutData,
}

/// See above.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventTypeImportOpenApiOutData {
    /// The names of those that changed.
    pub modified: Vec<String>,
    /// With `dryRun`, those that would.
    pub to_modify: Option<Vec<EventTypeFromOpenApi>>,
}

/// An event type as it would be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventTypeFromOpenApi {
    pub name: String,
    pub description: String,
    /// By version.
    #[schema(value_type = Option<Object>)]
    pub schemas: Option<Value>,
    pub deprecated: bool,
    /// It would be archived, because the document does not have it.
    pub archived: bool,
    pub group_name: Option<String>,
    pub feature_flags: Option<Vec<String>>,
}

impl From<EventTypeDraft> for EventTypeFromOpenApi {
    fn from(draft: EventTypeDraft) -> EventTypeFromOpenApi {
        let settings = draft.settings;
        EventTypeFromOpenApi {
            name: draft.name,
            description: settings.description,
            schemas: settings.schemas,
            deprecated: settings.deprecated,
            archived: settings.archived,
            group_name: settings.group_name,
            feature_flags: (!settings.feature_flags.is_empty()).then_some(settings.feature_flags),
        }
    }
}

/// Reads the document. It may be large, so it is read beside what serves others.
async fn found(given: (Option<Value>, Option<String>)) -> Result<Vec<FromOpenApi>, ApiError> {
    let read = move || match given {
        (Some(spec), None) => event_types(&spec).map_err(|msg| ApiError::field("spec", msg)),
        (None, Some(text)) => {
            let spec = read(&text).and_then(|spec| event_types(&spec));
            spec.map_err(|msg| ApiError::field("specRaw", msg))
        }
        _ => {
            let detail = "give the document as spec (JSON) or as specRaw (a text of JSON or YAML), one of them";
            Err(ApiError::plain(StatusCode::BAD_REQUEST, "bad_request", detail))
        }
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.unwrap_or_else(|_| Err(ApiError::field("spec", "can't be read")))
}

/// Import From OpenAPI
///
/// Registers the event types that a document's `webhooks` (or `x-webhooks`) describe, and changes those that are there:
/// another schema is another version. One that was archived is taken up again.
#[utoipa::path(post, path = "/api/v1/event-type/import/openapi", tag = "Event Type",
    operation_id = "v1.event-type.import-openapi", params(("idempotency-key" = Option<String>, Header)),
    request_body = EventTypeImportOpenApiIn, responses((status = 200, body = EventTypeImportOpenApiOut), Errors))]
async fn import(
    State(api): State<Api>,
    auth: Auth<Manage>,
    body: Body<EventTypeImportOpenApiIn>,
) -> Result<Json<EventTypeImportOpenApiOut>, ApiError> {
    let given = body.value;
    let found = found((given.spec, given.spec_raw)).await?;
    let changes = api.accept.import_changes(auth.0, &found, given.replace_all == Some(true));
    let data = if given.dry_run == Some(true) {
        let changes = changes.into_iter().map(EventTypeFromOpenApi::from).collect();
        EventTypeImportOpenApiOutData { modified: vec![], to_modify: Some(changes) }
    } else {
        let place = |_: usize, name: &str| vec!["webhooks".to_owned(), name.to_owned()];
        api.accept.check_import(auth.0, &changes, place)?;
        api.accept.import_event_types(auth.0, &changes).await?;
        let names = changes.into_iter().map(|change| change.name).collect();
        EventTypeImportOpenApiOutData { modified: names, to_modify: None }
    };
    Ok(Json(EventTypeImportOpenApiOut { data }))
}
