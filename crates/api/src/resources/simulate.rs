//! `/api/v1/app/{app_id}/simulate`: what a test number produces.

use super::message::{DeliverToIn, MessageOut, accepted};
use crate::Api;
use crate::auth::SenderAuth;
use crate::body::Raw;
use crate::error::{ApiError, Errors};
use crate::idempotency::IdempotencyHeader;
use crate::path::Path;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_accept::{DeliverTo, SimulationDraft};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(simulate))
}

/// What was sent to a test number.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SimulationIn<'a> {
    #[serde(borrow)]
    #[schema(value_type = Object)]
    pub payload: &'a RawValue,
    /// Where the messages go, as of a message.
    #[serde(default)]
    pub deliver_to: Option<DeliverToIn>,
}

/// The messages that came of it, in turn.
#[derive(Debug, Serialize, ToSchema)]
pub struct SimulationOut {
    pub data: Vec<MessageOut>,
}

/// Simulate Messages
///
/// Accepts the messages that the application's contract has for a test number, a second apart, so that a receiver
/// can be tried without what they tell of.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/simulate", tag = "Message", operation_id = "v1.message.simulate",
    params(("app_id" = String, Path), ("idempotency-key" = Option<String>, Header)), request_body = SimulationIn,
    responses((status = 202, body = SimulationOut), Errors))]
async fn simulate(
    State(api): State<Api>,
    auth: SenderAuth,
    Path(app): Path<String>,
    key: IdempotencyHeader,
    body: Raw,
) -> Result<(StatusCode, Json<SimulationOut>), ApiError> {
    let given: SimulationIn<'_> = body.read()?;
    let draft = SimulationDraft {
        payload: body.bytes.slice_ref(given.payload.get().as_bytes()),
        deliver_to: given.deliver_to.map(DeliverTo::try_from).transpose()?,
    };
    let idempotency = key.with(auth.0, &body.bytes)?;
    let messages = api.accept.simulate(auth.0, &app, draft, idempotency).await?;
    let ids = api.accept.store().ids();
    let data = messages.into_iter().map(|(answer, draft)| accepted(ids, answer, draft, true));
    Ok((StatusCode::ACCEPTED, Json(SimulationOut { data: data.collect() })))
}
