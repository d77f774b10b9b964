//! `/api/v1/auth/…`: links into the consumer portal, and the end of them.

use super::application::ApplicationIn;
use crate::Api;
use crate::auth::{Anything, Auth, Manage};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::idempotency::IdempotencyHeader;
use crate::path::Path;
use crate::text::Flag;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use postrider_accept::{FieldProblem, TokenDraft};
use postrider_store::access::Capability;
use postrider_store::config::{ApiKey, Identity};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(access))
        .routes(routes!(dashboard))
        .routes(routes!(logout))
        .routes(routes!(expire_all))
}

/// What a portal link is to open.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppPortalAccessIn {
    /// Made first when the path names no application yet.
    #[serde(default)]
    pub application: Option<ApplicationIn>,
    /// What it may do; `null`: everything that a token may.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub capabilities: Option<Vec<String>>,
    /// Only look.
    #[serde(default)]
    pub read_only: Option<bool>,
    /// Event types with these flags are shown, beside those without flags.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Flag>>, max_items = 100)]
    pub feature_flags: Option<Vec<String>>,
    /// Seconds until it ends, 3600 (an hour) to 604800 (seven days, what `null` means).
    #[serde(default)]
    #[schema(minimum = 3600, maximum = 604_800)]
    pub expiry: Option<i64>,
    /// A name for what it is made for, by which it can be ended.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 256)]
    pub session_id: Option<String>,
    /// Whom it is for, in the provider's own name: payload queries of the endpoints that they make run as this user.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 256, pattern = "^[!-~]+$")]
    pub user: Option<String>,
    /// The same for their organization.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 256, pattern = "^[!-~]+$")]
    pub organization: Option<String>,
}

/// A portal link, and the token that it carries.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppPortalAccessOut {
    #[schema(format = "uri")]
    pub url: String,
    pub token: String,
}

/// Which tokens of an application are to end, and when.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationTokenExpireIn {
    /// Seconds until then, at most 604800; `null`: at once.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 604_800)]
    pub expiry: Option<i64>,
    /// Only those that were made with one of these.
    #[serde(default)]
    pub session_ids: Option<Vec<String>>,
}

/// What the portal reads from its link, as Svix's clients write and read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LinkKey<'a> {
    app_id: &'a str,
    token: &'a str,
    region: &'a str,
}

fn capabilities(names: Vec<String>) -> Result<Vec<Capability>, FieldProblem> {
    let read = |(n, name): (usize, &String)| {
        serde_json::from_value(serde_json::Value::String(name.clone())).map_err(|_| {
            let known: Vec<String> = Capability::ALL.iter().map(|known| format!("{known:?}")).collect();
            let msg = format!("{name:?} is not a capability; there are {}", known.join(", "));
            FieldProblem::value(&format!("capabilities.{n}"), msg)
        })
    };
    names.iter().enumerate().map(read).collect()
}

/// App Portal Access
///
/// A link for one customer: its token opens this application alone, for a time.
#[utoipa::path(post, path = "/api/v1/auth/app-portal-access/{app_id}", tag = "Authentication",
    operation_id = "v1.authentication.app-portal-access",
    params(("app_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = AppPortalAccessIn, responses((status = 200, body = AppPortalAccessOut), Errors))]
async fn access(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(app): Path<String>,
    headers: HeaderMap,
    body: Body<AppPortalAccessIn>,
) -> Result<Json<AppPortalAccessOut>, ApiError> {
    let given = body.value;
    let draft = TokenDraft {
        capabilities: given.capabilities.map(capabilities).transpose().map_err(postrider_accept::Refusal::from)?,
        read_only: given.read_only.unwrap_or(false),
        feature_flags: given.feature_flags.unwrap_or_default(),
        expiry: given.expiry,
        session: given.session_id,
        identity: Identity { user: given.user, organization: given.organization },
    };
    if let Some(application) = given.application {
        api.accept.ensure_application(auth.0, &app, application.try_into()?).await?;
    }
    let made = api.accept.create_token(auth.0, &app, draft).await?;
    Ok(Json(AppPortalAccessOut {
        url: link(&api, &headers, &made.row, made.key.reveal()),
        token: made.key.reveal().into(),
    }))
}

/// Dashboard Access
///
/// As App Portal Access for everything that a token may, as older clients ask for it.
#[utoipa::path(post, path = "/api/v1/auth/dashboard-access/{app_id}", tag = "Authentication",
    operation_id = "v1.authentication.dashboard-access",
    params(("app_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 200, body = AppPortalAccessOut), Errors))]
async fn dashboard(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Result<Json<AppPortalAccessOut>, ApiError> {
    let made = api.accept.create_token(auth.0, &app, TokenDraft::default()).await?;
    Ok(Json(AppPortalAccessOut {
        url: link(&api, &headers, &made.row, made.key.reveal()),
        token: made.key.reveal().into(),
    }))
}

fn link(api: &Api, headers: &HeaderMap, row: &ApiKey, token: &str) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let base = api.public_url.clone().unwrap_or_else(|| format!("http://{host}"));
    let app_id = row.app.map(|app| api.accept.store().ids().text(app)).unwrap_or_default();
    let key = LinkKey { app_id: &app_id, token, region: "self" };
    // Our own type, whose keys are strings: writing it as JSON can't fail.
    let key = BASE64_STANDARD.encode(serde_json::to_vec(&key).unwrap_or_default());
    format!("{}/portal#key={key}", base.trim_end_matches('/'))
}

/// Logout
///
/// Ends the token that the request comes with.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "Authentication",
    operation_id = "logout_api_v1_auth_logout__post", params(("idempotency-key" = Option<String>, Header)),
    responses((status = 204), Errors))]
async fn logout(State(api): State<Api>, auth: Auth<Anything>) -> Result<StatusCode, ApiError> {
    api.accept.log_out(auth.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Expire All
///
/// Ends an application's tokens.
#[utoipa::path(post, path = "/api/v1/auth/app/{app_id}/expire-all", tag = "Authentication",
    operation_id = "v1.authentication.expire-all",
    params(("app_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = ApplicationTokenExpireIn, responses((status = 204), Errors))]
async fn expire_all(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(app): Path<String>,
    _: IdempotencyHeader,
    body: Body<ApplicationTokenExpireIn>,
) -> Result<StatusCode, ApiError> {
    let sessions = body.value.session_ids.unwrap_or_default();
    api.accept.expire_tokens(auth.0, &app, body.value.expiry, sessions).await?;
    Ok(StatusCode::NO_CONTENT)
}
