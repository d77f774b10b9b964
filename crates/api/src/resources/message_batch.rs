//! `…/msg/batch`: many messages in one request.

use super::message::{MessageIn, MessageOut, accepted, draft};
use crate::Api;
use crate::auth::SenderAuth;
use crate::body::Raw;
use crate::error::{ApiError, Errors};
use crate::idempotency::IdempotencyHeader;
use crate::input::{Shape, WarningOut};
use crate::path::Path;
use crate::query::Query;
use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use postrider_accept::{Accepted, Caller, MessageDraft, Warning};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(create_batch))
}

/// Messages of one application.
#[derive(Debug, Deserialize, ToSchema)]
pub struct MessageBatchIn<'a> {
    #[serde(borrow)]
    #[schema(value_type = Vec<MessageIn>, min_items = 1, max_items = 1000)]
    pub messages: Vec<&'a RawValue>,
}

/// What became of each message, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageBatchOut {
    pub data: Vec<MessageBatchItemOut>,
}

/// The answer that a message would have had by itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageBatchItemOut {
    /// 202, or the status of the error.
    #[schema(minimum = 200, maximum = 599)]
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageOut>,
    /// As the body of that status.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub error: Option<Value>,
}

impl MessageBatchItemOut {
    fn refused(error: ApiError) -> MessageBatchItemOut {
        let (status, body) = error.parts();
        MessageBatchItemOut { status: status.as_u16(), message: None, error: Some(body) }
    }
}

/// A message of a batch, with warnings about its fields.
fn read(body: &Raw, shape: &Shape, item: &RawValue) -> Result<(MessageDraft, Vec<Warning>), ApiError> {
    let item = body.bytes.slice_ref(item.get().as_bytes());
    let (given, warnings) = body.input.read_part::<MessageIn<'_>>(&item, shape)?;
    if given.application.is_some() {
        return Err(ApiError::field("application", "is not taken in a batch; make the application first"));
    }
    Ok((draft(&item, given)?, warnings))
}

/// Create Messages
///
/// Accepts up to 1,000 messages in one commit. Each has an answer of its own: one that is refused leaves the others
/// alone. The same `idempotency-key` with the same body is answered with the same messages.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/msg/batch", tag = "Message",
    operation_id = "v1.message.create-batch",
    params(("app_id" = String, Path), ("with_content" = Option<bool>, Query),
        ("idempotency-key" = Option<String>, Header)),
    request_body = MessageBatchIn, responses((status = 202, body = MessageBatchOut), Errors))]
async fn create_batch(
    State(api): State<Api>,
    auth: SenderAuth,
    Path(app): Path<String>,
    query: Query,
    key: IdempotencyHeader,
    body: Raw,
) -> Result<(StatusCode, Json<MessageBatchOut>), ApiError> {
    let with_content = query.flag("with_content")?.unwrap_or(false);
    let size = body.bytes.len();
    let of_message = api.operations.get(&Method::POST, "/api/v1/app/{app_id}/msg");
    let of_message = of_message.and_then(|operation| operation.body.clone());
    let reading = move || {
        let idempotency = key.with(auth.0, &body.bytes)?;
        // Each message has an answer of its own, and its own warnings.
        let of_batch = body.input.shape().with_any("messages");
        let given: MessageBatchIn<'_> = body.input.read_as(&body.bytes, &of_batch)?;
        let shape = of_message.as_deref().unwrap_or(&Shape::Any);
        let read: Vec<_> = given.messages.iter().map(|item| read(&body, shape, item)).collect();
        Ok::<_, ApiError>((idempotency, read))
    };
    let (idempotency, read) = api.accept.compute().run_if_heavy(size, auth.0.into(), reading).await??;
    // What can't be read keeps its place, so that a batch sent again is numbered alike.
    let drafts: Vec<MessageDraft> = read
        .iter()
        .map(|read| read.as_ref().map_or_else(|_| MessageDraft::default(), |(draft, _)| draft.clone()))
        .collect();
    let results = api.accept.accept_many(auth.0, &app, &drafts, idempotency).await?;
    let mut data = Vec::new();
    for (read, result) in read.into_iter().zip(results) {
        data.push(match (read, result) {
            (Err(error), _) => MessageBatchItemOut::refused(error),
            (_, Err(refusal)) => MessageBatchItemOut::refused(refusal.into()),
            (Ok(given), Ok(answer)) => item(&api, auth.0, (given, answer), with_content).await?,
        });
    }
    Ok((StatusCode::ACCEPTED, Json(MessageBatchOut { data })))
}

async fn item(
    api: &Api,
    caller: Caller,
    ((draft, mut warnings), mut answer): ((MessageDraft, Vec<Warning>), Accepted),
    with_content: bool,
) -> Result<MessageBatchItemOut, ApiError> {
    warnings.extend(api.accept.schema_warnings(caller, &draft).await.unwrap_or_default());
    warnings.extend(answer.take_warnings());
    let bytes = if with_content { draft.payload.len() } else { 0 };
    let show = {
        let api = api.clone();
        move || accepted(api.accept.store().ids(), answer, draft, with_content)
    };
    let message = api.accept.compute().run_if_heavy(bytes, caller.into(), show).await?;
    let message = MessageOut { warnings: warnings.into_iter().map(WarningOut::from).collect(), ..message };
    Ok(MessageBatchItemOut { status: StatusCode::ACCEPTED.as_u16(), message: Some(message), error: None })
}
