//! `…/endpoint/{endpoint_id}/test`.

use crate::Api;
use crate::auth::{Auth, Resend};
use crate::body::Raw;
use crate::error::{ApiError, Errors};
use crate::idempotency::IdempotencyHeader;
use crate::path::Path;
use crate::text::EventTypeName;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_accept::TestDraft;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(test))
}

/// What to try the endpoint with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointTestIn<'a> {
    /// `null`: one of those that the endpoint gets.
    #[serde(default)]
    #[schema(value_type = Option<EventTypeName>)]
    pub event_type: Option<String>,
    /// Sent as a message of its own; `null`: that of the last message of the type.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Object>)]
    pub payload: Option<&'a RawValue>,
}

/// The message that was sent; what became of it is in its attempts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointTestOut {
    pub msg_id: String,
}

/// Test Endpoint
///
/// Sends a payload that is given, or the last message of a type, to this endpoint, whatever it filters by.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/test", tag = "Endpoint",
    operation_id = "v1.endpoint.test",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = EndpointTestIn, responses((status = 202, body = EndpointTestOut), Errors))]
async fn test(
    State(api): State<Api>,
    auth: Auth<Resend>,
    Path((app, endpoint)): Path<(String, String)>,
    key: IdempotencyHeader,
    body: Raw,
) -> Result<(StatusCode, Json<EndpointTestOut>), ApiError> {
    let idempotency = key.with(auth.0, &body.bytes)?;
    let given: EndpointTestIn<'_> = body.read()?;
    let draft = TestDraft {
        event_type: given.event_type,
        payload: given.payload.map(|payload| body.bytes.slice_ref(payload.get().as_bytes())),
    };
    let message = api.accept.test_endpoint(auth.0, (&app, &endpoint), draft, idempotency).await?;
    Ok((StatusCode::ACCEPTED, Json(EndpointTestOut { msg_id: api.accept.store().ids().text(message) })))
}
