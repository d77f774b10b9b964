//! `…/endpoint/{endpoint_id}/send-example`.

use super::message::{self, MessageOut};
use crate::Api;
use crate::auth::{Auth, Resend};
use crate::body::Raw;
use crate::error::{ApiError, Errors};
use crate::idempotency::IdempotencyHeader;
use crate::path::Path;
use axum::Json;
use axum::extract::State;
use postrider_accept::ExampleDraft;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(send))
}

/// Which example.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventExampleIn<'a> {
    pub event_type: String,
    /// Which of the examples in the event type's schema.
    #[serde(default)]
    pub example_index: Option<usize>,
    /// Sent instead.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Object>)]
    pub payload: Option<&'a RawValue>,
}

/// Send Event Type Example Message
///
/// Sends an example of an event to this endpoint, whatever it filters by: the one in the event type's schema,
/// or one made up from it.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/send-example", tag = "Endpoint",
    operation_id = "v1.endpoint.send-example",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = EventExampleIn, responses((status = 200, body = MessageOut), Errors))]
async fn send(
    State(api): State<Api>,
    auth: Auth<Resend>,
    Path((app, endpoint)): Path<(String, String)>,
    key: IdempotencyHeader,
    body: Raw,
) -> Result<Json<MessageOut>, ApiError> {
    let idempotency = key.with(auth.0, &body.bytes)?;
    let given: EventExampleIn<'_> = body.read()?;
    let draft = ExampleDraft {
        event_type: given.event_type,
        index: given.example_index.unwrap_or(0),
        payload: given.payload.map(|payload| body.bytes.slice_ref(payload.get().as_bytes())),
    };
    let (accepted, draft) = api.accept.send_example(auth.0, (&app, &endpoint), draft, idempotency).await?;
    Ok(Json(message::accepted(api.accept.store().ids(), accepted, draft, true)))
}
