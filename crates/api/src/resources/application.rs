//! `/api/v1/app`: a provider's customers.

use super::{as_refusal, kept, or_default, patched};
use crate::Api;
use crate::alias::{either, renamed};
use crate::auth::{Auth, LookAround, LookIn, Manage};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::idempotency::{IdempotencyHeader, answer, respond};
use crate::page::{Asked, ListResponse, Written};
use crate::params::{OrderParams, PageParams};
use crate::path::Path;
use crate::query::Query;
use crate::text::Uid;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postrider_accept::is_operational;
use postrider_accept::{ApplicationDraft, Refusal};
use postrider_store::config::{Application, ApplicationSettings, Endpoint};
use postrider_store::id::AppId;
use postrider_store::{AppEntry, Ids};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, patch, delete))
}

/// An application as it is given.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationIn {
    #[schema(min_length = 1, max_length = 256)]
    pub name: String,
    /// The provider's own name for it, unique in the environment.
    #[serde(default)]
    #[schema(value_type = Option<Uid>)]
    pub uid: Option<String>,
    /// Messages a second to all its endpoints together.
    #[serde(default)]
    #[schema(minimum = 1, format = "uint16")]
    pub throttle_rate: Option<u16>,
    /// The same as `throttleRate`, by the name that older clients know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, format = "uint16")]
    pub rate_limit: Option<u16>,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: BTreeMap<String, String>,
    /// The contract of its endpoints that name none.
    #[serde(default)]
    pub contract: Option<String>,
    /// Who is told by mail when one of its endpoints fails.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub notify_emails: Option<Vec<String>>,
}

/// Fields to change; the others stay.
#[derive(ToSchema)]
#[schema(as = ApplicationPatch, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a body in the OpenAPI document; patches are merged as JSON")]
struct ApplicationPatch {
    #[schema(required = false, min_length = 1, max_length = 256)]
    name: String,
    #[schema(value_type = Option<Uid>)]
    uid: Option<String>,
    #[schema(minimum = 1, format = "uint16")]
    throttle_rate: Option<u16>,
    #[schema(minimum = 1, format = "uint16")]
    rate_limit: Option<u16>,
    metadata: Option<BTreeMap<String, String>>,
    contract: Option<String>,
    #[schema(max_items = 10)]
    notify_emails: Option<Vec<String>>,
}

/// An application as it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationOut {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, format = "uint16")]
    pub throttle_rate: Option<u16>,
    /// The same as `throttleRate`, by the name that older clients know.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, format = "uint16")]
    pub rate_limit: Option<u16>,
    pub metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify_emails: Vec<String>,
    #[schema(format = "date-time")]
    pub created_at: String,
    #[schema(format = "date-time")]
    pub updated_at: String,
}

impl TryFrom<ApplicationIn> for ApplicationDraft {
    type Error = ApiError;

    fn try_from(given: ApplicationIn) -> Result<ApplicationDraft, ApiError> {
        let settings = ApplicationSettings {
            name: given.name,
            contract: given.contract,
            throttle_rate: either(("throttleRate", given.throttle_rate), ("rateLimit", given.rate_limit))?,
            metadata: given.metadata,
            notify_emails: given.notify_emails.unwrap_or_default(),
            integrations: vec![],
        };
        Ok(ApplicationDraft { uid: given.uid, settings })
    }
}

impl From<&Application> for ApplicationIn {
    fn from(app: &Application) -> ApplicationIn {
        let settings = app.settings.clone();
        ApplicationIn {
            name: settings.name,
            uid: app.uid.clone(),
            throttle_rate: settings.throttle_rate,
            rate_limit: None,
            metadata: settings.metadata,
            contract: settings.contract,
            notify_emails: Some(settings.notify_emails).filter(|addresses| !addresses.is_empty()),
        }
    }
}

fn shown(ids: &Ids, app: &Application) -> ApplicationOut {
    let settings = app.settings.clone();
    ApplicationOut {
        id: ids.text(app.id),
        uid: app.uid.clone(),
        name: settings.name,
        throttle_rate: settings.throttle_rate,
        rate_limit: settings.throttle_rate,
        metadata: settings.metadata,
        contract: settings.contract,
        notify_emails: settings.notify_emails,
        created_at: timestamp::text(app.created_ms),
        updated_at: timestamp::text(app.updated_ms),
    }
}

/// Which applications a listing leaves out.
struct Wanted {
    no_endpoints: bool,
    disabled_endpoints: bool,
    play_endpoints: bool,
}

impl Wanted {
    fn from_query(query: &Query) -> Result<Wanted, ApiError> {
        let excludes = |name| Ok::<bool, ApiError>(query.flag(name)?.unwrap_or(false));
        Ok(Wanted {
            no_endpoints: excludes("exclude_apps_with_no_endpoints")?,
            disabled_endpoints: excludes("exclude_apps_with_disabled_endpoints")?,
            play_endpoints: excludes("exclude_apps_with_svix_play_endpoints")?,
        })
    }

    fn has(&self, entry: &AppEntry) -> bool {
        let mut endpoints = entry.endpoints.values();
        let is_play = |endpoint: &Endpoint| {
            let url = url::Url::parse(&endpoint.settings.url).ok();
            url.is_some_and(|url| url.host_str() == Some("play.svix.com"))
        };
        !(self.no_endpoints && entry.endpoints.is_empty()
            || self.disabled_endpoints && endpoints.clone().any(|endpoint| endpoint.settings.disabled)
            || self.play_endpoints && endpoints.any(|endpoint| is_play(endpoint)))
    }
}

/// List Applications
#[utoipa::path(get, path = "/api/v1/app", tag = "Application", operation_id = "v1.application.list",
    params(PageParams, OrderParams, ("exclude_apps_with_no_endpoints" = Option<bool>, Query),
        ("exclude_apps_with_disabled_endpoints" = Option<bool>, Query),
        ("exclude_apps_with_svix_play_endpoints" = Option<bool>, Query)),
    responses((status = 200, body = ListResponse<ApplicationOut>), Errors))]
async fn list(State(api): State<Api>, auth: Auth<LookAround>, query: Query) -> Result<Json<Written>, ApiError> {
    let asked = Asked::from_query(&query, false)?;
    let ids = api.accept.store().ids();
    let wanted = Wanted::from_query(&query)?;
    let apps = api.accept.store().directory().apps(auth.0.env);
    let apps = apps.into_iter().filter(|entry| !is_operational(entry) && wanted.has(entry)).collect();
    let asked = asked.by_id::<AppId>(ids)?;
    Ok(Json(asked.slice(apps, |entry| ids.text(entry.app.id), |entry| shown(ids, &entry.app))))
}

/// Create Application
#[utoipa::path(post, path = "/api/v1/app", tag = "Application", operation_id = "v1.application.create",
    params(("get_if_exists" = Option<bool>, Query), ("idempotency-key" = Option<String>, Header)),
    request_body = ApplicationIn,
    responses((status = 201, body = ApplicationOut), (status = 200, body = ApplicationOut), Errors))]
async fn create(
    State(api): State<Api>,
    auth: Auth<Manage>,
    query: Query,
    idempotency: IdempotencyHeader,
    body: Body<ApplicationIn>,
) -> Result<Response, ApiError> {
    let ids = api.accept.store().ids();
    let idempotency = idempotency.with(auth.0, &body.raw.bytes)?;
    let get_if_exists = query.flag("get_if_exists")? == Some(true);
    let uid = body.value.uid.clone();
    let render = |app: &Application| answer(StatusCode::CREATED, &shown(ids, app));
    match api.accept.create_application(auth.0, body.value.try_into()?, idempotency, &render).await {
        Ok(made) => Ok(respond(made, render)),
        Err(Refusal::Conflict { code: "conflict", .. }) if get_if_exists => {
            let entry = api.accept.application(auth.0, uid.as_deref().unwrap_or_default())?;
            Ok(Json(shown(ids, &entry.app)).into_response())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Get Application
#[utoipa::path(get, path = "/api/v1/app/{app_id}", tag = "Application", operation_id = "v1.application.get",
    params(("app_id" = String, Path, description = "The application's id or uid")),
    responses((status = 200, body = ApplicationOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path(app): Path<String>,
) -> Result<Json<ApplicationOut>, ApiError> {
    let entry = api.accept.application(auth.0, &app)?;
    Ok(Json(shown(api.accept.store().ids(), &entry.app)))
}

/// Update Application
#[utoipa::path(put, path = "/api/v1/app/{app_id}", tag = "Application", operation_id = "v1.application.update",
    params(("app_id" = String, Path, description = "The application's id or uid")), request_body = ApplicationIn,
    responses((status = 200, body = ApplicationOut), (status = 201, body = ApplicationOut), Errors))]
async fn update(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(app): Path<String>,
    body: Body<ApplicationIn>,
) -> Result<Response, ApiError> {
    let ids = api.accept.store().ids();
    let edit = |row: &Application| -> Result<ApplicationDraft, Refusal> {
        let mut draft = ApplicationDraft::try_from(body.value.clone()).map_err(as_refusal)?;
        draft.uid = kept(draft.uid, row.uid.as_deref(), &app);
        Ok(draft)
    };
    match api.accept.update_application(auth.0, &app, edit).await {
        Ok(app) => Ok(Json(shown(ids, &app)).into_response()),
        // A uid that nothing has yet: PUT makes it.
        Err(Refusal::NotFound(_)) if !app.starts_with("app_") => {
            let mut draft = ApplicationDraft::try_from(body.value)?;
            draft.uid.get_or_insert(app);
            let render = |app: &Application| answer(StatusCode::CREATED, &shown(ids, app));
            Ok(respond(api.accept.create_application(auth.0, draft, None, &render).await?, render))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Patch Application
#[utoipa::path(patch, path = "/api/v1/app/{app_id}", tag = "Application", operation_id = "patch_application",
    params(("app_id" = String, Path, description = "The application's id or uid")), request_body = ApplicationPatch,
    responses((status = 200, body = ApplicationOut), Errors))]
async fn patch(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(app): Path<String>,
    body: Body<Map<String, Value>>,
) -> Result<Json<ApplicationOut>, ApiError> {
    let patch = renamed(&body.value, &[("throttleRate", "rateLimit")])?;
    let edit = |app: &Application| -> Result<ApplicationDraft, Refusal> {
        patched(&ApplicationIn::from(app), &patch).and_then(ApplicationDraft::try_from).map_err(as_refusal)
    };
    let app = api.accept.update_application(auth.0, &app, edit).await?;
    Ok(Json(shown(api.accept.store().ids(), &app)))
}

/// Delete Application
#[utoipa::path(delete, path = "/api/v1/app/{app_id}", tag = "Application", operation_id = "v1.application.delete",
    params(("app_id" = String, Path, description = "The application's id or uid")),
    responses((status = 204), Errors))]
async fn delete(State(api): State<Api>, auth: Auth<Manage>, Path(app): Path<String>) -> Result<StatusCode, ApiError> {
    api.accept.delete_application(auth.0, &app).await?;
    Ok(StatusCode::NO_CONTENT)
}
