//! Looking before sending: whether anybody wants a message, and what a payload filter takes.

use crate::Api;
use crate::auth::{Auth, LookAround, SenderAuth};
use crate::body::{Json as Body, Raw};
use crate::error::{ApiError, Errors};
use crate::path::Path;
use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A filter may look at each byte so many times before that is heavy.
const TRIES_AT_LEAST: usize = 16;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(active)).routes(routes!(try_filter))
}

/// What would be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessagePrecheckIn<'a> {
    pub event_type: String,
    #[serde(default)]
    pub channels: Option<Vec<String>>,
    /// For endpoints that look into it; without it, those count as wanting the message.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Object>)]
    pub payload: Option<&'a RawValue>,
}

/// Whether anybody wants it.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessagePrecheckOut {
    pub active: bool,
}

/// Precheck Message
///
/// Whether any endpoint would get such a message, so that nobody need make one up for nobody.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/msg/precheck/active", tag = "Message",
    operation_id = "v1.message.precheck",
    params(("app_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = MessagePrecheckIn, responses((status = 200, body = MessagePrecheckOut), Errors))]
async fn active(
    State(api): State<Api>,
    auth: SenderAuth,
    Path(app): Path<String>,
    body: Raw,
) -> Result<Json<MessagePrecheckOut>, ApiError> {
    let given: MessagePrecheckIn<'_> = body.read()?;
    let payload = given.payload.map(|payload| Bytes::copy_from_slice(payload.get().as_bytes()));
    let channels = given.channels.unwrap_or_default();
    let active = api.accept.is_wanted(auth.0, &app, (&given.event_type, &channels), payload.as_ref()).await?;
    Ok(Json(MessagePrecheckOut { active }))
}

/// A filter and a payload to try it on.
#[derive(Debug, Deserialize, ToSchema)]
pub struct FilterTryIn {
    #[schema(value_type = Object)]
    pub filter: Value,
    #[schema(value_type = Object)]
    pub payload: Value,
}

/// Whether the filter takes it.
#[derive(Debug, Serialize, ToSchema)]
pub struct FilterTryOut {
    pub matches: bool,
}

/// Try Payload Filter
///
/// Whether an endpoint with this `payloadFilter` would get a message with this payload.
#[utoipa::path(post, path = "/api/v1/payload-filter/try", tag = "Endpoint", operation_id = "v1.payload-filter.try",
    request_body = FilterTryIn, responses((status = 200, body = FilterTryOut), Errors))]
async fn try_filter(
    State(api): State<Api>,
    auth: Auth<LookAround>,
    body: Body<FilterTryIn>,
) -> Result<Json<FilterTryOut>, ApiError> {
    let FilterTryIn { filter, payload } = body.value;
    let trying = move || postrider_accept::try_filter(&filter, &payload);
    let bytes = body.raw.bytes.len().saturating_mul(TRIES_AT_LEAST);
    let matches = api.accept.compute().run_if_heavy(bytes, auth.0.into(), trying).await??;
    Ok(Json(FilterTryOut { matches }))
}
