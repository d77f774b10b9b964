//! `/api/v1/event-type`: the registry. Names may hold `/`, so a name is the rest of the path.

use super::{as_refusal, or_default, patched};
use crate::Api;
use crate::alias::either;
use crate::auth::{Auth, LookIn, Manage};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::idempotency::{IdempotencyHeader, answer, respond};
use crate::page::{Asked, ListResponse, Written};
use crate::params::{OrderParams, PageParams};
use crate::path::Path;
use crate::query::Query;
use crate::text::{EventTypeName, Flag};
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postrider_accept::EventTypeDraft;
use postrider_store::config::{EventType, EventTypeSettings, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, patch, delete)).route(
        "/api/v1/event-type/{event_type_name}/{*rest}",
        axum::routing::get(get_slashed).put(update_slashed).patch(patch_slashed).delete(delete_slashed),
    )
}

/// What of an event type can be given again and again.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventTypeUpdate {
    pub description: String,
    #[serde(default, deserialize_with = "or_default")]
    pub archived: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub deprecated: bool,
    /// Who has none of these flags doesn't see the type in a portal; empty: everybody does.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Flag>>, max_items = 100)]
    pub feature_flags: Option<Vec<String>>,
    /// A single flag, as older clients give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Flag>)]
    pub feature_flag: Option<String>,
    /// Types with the same are shown together.
    #[serde(default)]
    #[schema(value_type = Option<Flag>)]
    pub group_name: Option<String>,
    /// JSON Schemas by version.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub schemas: Option<Value>,
    /// What becomes of a payload that does not fit its schema, the latest or the one that the message names:
    /// `off` (the default), `warn`, `enforce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_validation: Option<PayloadValidation>,
}

/// What becomes of a payload that does not fit its schema.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PayloadValidation {
    /// It is not looked at.
    Off,
    /// It is accepted, and the answer has what is wrong in `warnings`.
    Warn,
    /// It is refused with 422.
    Enforce,
}

impl From<Validation> for PayloadValidation {
    fn from(validation: Validation) -> PayloadValidation {
        match validation {
            Validation::Off => PayloadValidation::Off,
            Validation::Warn => PayloadValidation::Warn,
            Validation::Enforce => PayloadValidation::Enforce,
        }
    }
}

impl From<PayloadValidation> for Validation {
    fn from(given: PayloadValidation) -> Validation {
        match given {
            PayloadValidation::Off => Validation::Off,
            PayloadValidation::Warn => Validation::Warn,
            PayloadValidation::Enforce => Validation::Enforce,
        }
    }
}

/// What of an event type is given at its creation alone.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct EventTypeFirst {
    #[schema(value_type = EventTypeName)]
    pub name: String,
}

/// An event type as it is given first.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a body in the OpenAPI document; its two halves are read one by one")]
struct EventTypeIn {
    #[serde(flatten)]
    first: EventTypeFirst,
    #[serde(flatten)]
    event_type: EventTypeUpdate,
}

/// Fields to change; the others stay.
#[derive(ToSchema)]
#[schema(as = EventTypePatch, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a body in the OpenAPI document; patches are merged as JSON")]
struct EventTypePatch {
    description: Option<String>,
    archived: Option<bool>,
    deprecated: Option<bool>,
    #[schema(value_type = Option<Vec<Flag>>, max_items = 100)]
    feature_flags: Option<Vec<String>>,
    #[schema(value_type = Option<Flag>)]
    feature_flag: Option<String>,
    #[schema(value_type = Option<Flag>)]
    group_name: Option<String>,
    #[schema(value_type = Option<Object>)]
    schemas: Option<Value>,
    payload_validation: Option<PayloadValidation>,
}

/// An event type as it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventTypeOut {
    pub name: String,
    pub description: String,
    pub archived: bool,
    pub deprecated: bool,
    pub feature_flags: Vec<String>,
    /// The first of `featureFlags`, for older clients.
    pub feature_flag: Option<String>,
    pub group_name: Option<String>,
    /// JSON Schemas by version; `null` in listings without `with_content`.
    #[schema(value_type = Option<Object>)]
    pub schemas: Option<Value>,
    pub payload_validation: PayloadValidation,
    #[schema(format = "date-time")]
    pub created_at: String,
    #[schema(format = "date-time")]
    pub updated_at: String,
}

impl TryFrom<EventTypeUpdate> for EventTypeSettings {
    type Error = ApiError;

    fn try_from(given: EventTypeUpdate) -> Result<EventTypeSettings, ApiError> {
        let single = given.feature_flag.map(|flag| vec![flag]);
        let flags = either(("featureFlags", given.feature_flags), ("featureFlag", single))?.unwrap_or_default();
        Ok(EventTypeSettings {
            description: given.description,
            archived: given.archived,
            deprecated: given.deprecated,
            feature_flag: flags.first().cloned(),
            feature_flags: flags,
            group_name: given.group_name,
            schemas: given.schemas,
            validation: given.payload_validation.map(Validation::from).unwrap_or_default(),
        })
    }
}

impl From<&EventType> for EventTypeUpdate {
    fn from(row: &EventType) -> EventTypeUpdate {
        let settings = row.settings.clone();
        EventTypeUpdate {
            feature_flags: Some(settings.flags()),
            feature_flag: None,
            description: settings.description,
            archived: settings.archived,
            deprecated: settings.deprecated,
            group_name: settings.group_name,
            schemas: settings.schemas,
            payload_validation: Some(settings.validation.into()),
        }
    }
}

pub fn shown(row: &EventType) -> EventTypeOut {
    let flags = row.settings.flags();
    let settings = row.settings.clone();
    EventTypeOut {
        name: row.name.clone(),
        description: settings.description,
        archived: settings.archived,
        deprecated: settings.deprecated,
        feature_flag: flags.first().cloned(),
        feature_flags: flags,
        group_name: settings.group_name,
        schemas: settings.schemas,
        payload_validation: settings.validation.into(),
        created_at: timestamp::text(row.created_ms),
        updated_at: timestamp::text(row.updated_ms),
    }
}

/// List Event Types
#[utoipa::path(get, path = "/api/v1/event-type", tag = "Event Type", operation_id = "v1.event-type.list",
    params(PageParams, OrderParams,
        ("include_archived" = Option<bool>, Query), ("with_content" = Option<bool>, Query)),
    responses((status = 200, body = ListResponse<EventTypeOut>), Errors))]
async fn list(State(api): State<Api>, auth: Auth<LookIn>, query: Query) -> Result<Json<Written>, ApiError> {
    let asked = Asked::from_query(&query, true)?;
    let archived = query.flag("include_archived")?.unwrap_or(false);
    let with_content = query.flag("with_content")?.unwrap_or(false);
    let mut rows = api.accept.event_types(auth.0);
    rows.retain(|row| archived || !row.settings.archived);
    let shown = |row: Arc<EventType>| {
        let row = shown(&row);
        EventTypeOut { schemas: row.schemas.filter(|_| with_content), ..row }
    };
    // Event types are identified by their name.
    let asked = asked.by_name()?;
    Ok(Json(asked.slice(rows, |row| row.name.clone(), shown)))
}

/// Create Event Type
///
/// One that was archived is taken up again.
#[utoipa::path(post, path = "/api/v1/event-type", tag = "Event Type", operation_id = "v1.event-type.create",
    params(("idempotency-key" = Option<String>, Header)), request_body = EventTypeIn,
    responses((status = 201, body = EventTypeOut), Errors))]
async fn create(
    State(api): State<Api>,
    auth: Auth<Manage>,
    idempotency: IdempotencyHeader,
    body: Body<EventTypeUpdate>,
) -> Result<Response, ApiError> {
    let idempotency = idempotency.with(auth.0, &body.raw.bytes)?;
    let first: EventTypeFirst = body.raw.read_more()?;
    let draft = EventTypeDraft { name: first.name, settings: body.value.try_into()? };
    let render = |row: &EventType| answer(StatusCode::CREATED, &shown(row));
    Ok(respond(api.accept.create_event_type(auth.0, draft, idempotency, &render).await?, render))
}

/// Get Event Type
#[utoipa::path(get, path = "/api/v1/event-type/{event_type_name}", tag = "Event Type",
    operation_id = "v1.event-type.get", params(("event_type_name" = String, Path)),
    responses((status = 200, body = EventTypeOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path(name): Path<String>,
) -> Result<Json<EventTypeOut>, ApiError> {
    Ok(Json(shown(&*api.accept.event_type(auth.0, &name)?)))
}

/// Update Event Type
#[utoipa::path(put, path = "/api/v1/event-type/{event_type_name}", tag = "Event Type",
    operation_id = "v1.event-type.update", params(("event_type_name" = String, Path)), request_body = EventTypeUpdate,
    responses((status = 200, body = EventTypeOut), (status = 201, body = EventTypeOut), Errors))]
async fn update(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(name): Path<String>,
    body: Body<EventTypeUpdate>,
) -> Result<Response, ApiError> {
    // What clients of Svix don't know stays as it is.
    let edit = |before: Option<&EventType>| {
        let mut given = body.value.clone();
        given.payload_validation = given.payload_validation.or(before.map(|row| row.settings.validation.into()));
        given.try_into().map_err(as_refusal)
    };
    let put = api.accept.put_event_type(auth.0, &name, edit).await?;
    let status = if put.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(shown(&put.row))).into_response())
}

/// Patch Event Type
#[utoipa::path(patch, path = "/api/v1/event-type/{event_type_name}", tag = "Event Type",
    operation_id = "patch_event_type", params(("event_type_name" = String, Path)), request_body = EventTypePatch,
    responses((status = 200, body = EventTypeOut), Errors))]
async fn patch(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(name): Path<String>,
    body: Body<Map<String, Value>>,
) -> Result<Json<EventTypeOut>, ApiError> {
    api.accept.event_type(auth.0, &name)?;
    let patch = with_flags(&body.value);
    let edit = |before: Option<&EventType>| {
        let before = before.map(EventTypeUpdate::from).unwrap_or_default();
        patched(&before, &patch).and_then(EventTypeSettings::try_from).map_err(as_refusal)
    };
    Ok(Json(shown(&api.accept.put_event_type(auth.0, &name, edit).await?.row)))
}

/// A patch with a single flag as one with a list of them.
fn with_flags(patch: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = patch.clone();
    if let Some(flag) = patch.get("featureFlag").cloned()
        && !patch.contains_key("featureFlags")
    {
        let flags = if flag.is_null() { Value::Array(vec![]) } else { Value::Array(vec![flag]) };
        patch.insert("featureFlags".to_owned(), flags);
        patch.remove("featureFlag");
    }
    patch
}

/// Delete Event Type
///
/// Archives it, so that it can be taken up again; with `expunge=true` it is forgotten.
#[utoipa::path(delete, path = "/api/v1/event-type/{event_type_name}", tag = "Event Type",
    operation_id = "v1.event-type.delete",
    params(("event_type_name" = String, Path), ("expunge" = Option<bool>, Query)),
    responses((status = 204), Errors))]
async fn delete(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode, ApiError> {
    if query.flag("expunge")? == Some(true) {
        api.accept.delete_event_type(auth.0, &name).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    api.accept.event_type(auth.0, &name)?;
    let archive = |before: Option<&EventType>| {
        let before = before.map(|row| row.settings.clone()).unwrap_or_default();
        Ok(EventTypeSettings { archived: true, ..before })
    };
    api.accept.put_event_type(auth.0, &name, archive).await?;
    Ok(StatusCode::NO_CONTENT)
}

type Slashed = Path<(String, String)>;

fn joined(Path((first, rest)): Slashed) -> Path<String> {
    Path(format!("{first}/{rest}"))
}

async fn get_slashed(state: State<Api>, auth: Auth<LookIn>, name: Slashed) -> Result<Json<EventTypeOut>, ApiError> {
    get(state, auth, joined(name)).await
}

async fn update_slashed(
    state: State<Api>,
    auth: Auth<Manage>,
    name: Slashed,
    body: Body<EventTypeUpdate>,
) -> Result<Response, ApiError> {
    update(state, auth, joined(name), body).await
}

async fn patch_slashed(
    state: State<Api>,
    auth: Auth<Manage>,
    name: Slashed,
    body: Body<Map<String, Value>>,
) -> Result<Json<EventTypeOut>, ApiError> {
    patch(state, auth, joined(name), body).await
}

async fn delete_slashed(
    state: State<Api>,
    auth: Auth<Manage>,
    name: Slashed,
    query: Query,
) -> Result<StatusCode, ApiError> {
    delete(state, auth, joined(name), query).await
}
