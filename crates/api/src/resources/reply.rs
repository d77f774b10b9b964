//! `…/msg/{msg_id}/reply`: what endpoints' responses asked for.

use crate::Api;
use crate::auth::{Auth, LookIn};
use crate::error::{ApiError, Errors};
use crate::path::Path;
use axum::Json;
use axum::extract::State;
use postrider_store::Ids;
use postrider_store::message::Reply;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// What the responses to one message asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct RepliesOut {
    pub data: Vec<ReplyOut>,
}

/// What one response asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplyOut {
    pub endpoint_id: String,
    pub attempt_id: String,
    /// In the order they were asked for; each has a `type` and the fields that the contract gives it, defaults
    /// filled in.
    #[schema(value_type = Vec<Object>)]
    pub actions: Box<RawValue>,
    /// Why the response asked for nothing, though it seemed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the endpoint's actions wrote (`log_message`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

/// As it is stored.
#[derive(Deserialize)]
pub struct Stored {
    pub actions: Box<RawValue>,
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default)]
    pub log: Vec<String>,
}

impl Stored {
    /// Of what is none, that nothing was asked for.
    pub fn read(json: &str) -> Stored {
        let nothing = || RawValue::from_string("[]".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned());
        serde_json::from_str(json).unwrap_or_else(|_| Stored { actions: nothing(), error: None, log: vec![] })
    }
}

pub fn shown(ids: &Ids, reply: &Reply) -> ReplyOut {
    let Stored { actions, error, log } = Stored::read(&reply.json);
    ReplyOut { endpoint_id: ids.text(reply.endpoint), attempt_id: ids.text(reply.attempt), actions, error, log }
}

/// List Replies
///
/// What the responses to this message asked for, as its endpoints' contracts read them, the oldest first.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/msg/{msg_id}/reply", tag = "Message",
    operation_id = "v1.message.list-replies", params(("app_id" = String, Path), ("msg_id" = String, Path)),
    responses((status = 200, body = RepliesOut), Errors))]
async fn list(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, message)): Path<(String, String)>,
) -> Result<Json<RepliesOut>, ApiError> {
    let replies = api.accept.replies(auth.0, &app, &message).await?;
    Ok(Json(RepliesOut { data: replies.iter().map(|reply| shown(api.accept.store().ids(), reply)).collect() }))
}
