//! `…/endpoint/{endpoint_id}/preview`: a request as it would go out now.

use crate::Api;
use crate::auth::{Auth, SeeSecrets};
use crate::body::{Raw, parse};
use crate::error::{ApiError, Errors};
use crate::text::EventTypeName;
use axum::Json;
use axum::extract::{Path, State};
use postrider_delivery::{KeptError, Subject};
use postrider_store::config::Endpoint;
use postrider_store::id::MessageId;
use postrider_store::message::{Deliver, Message};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(preview))
}

/// Of what: a message, or an event type and a payload.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointPreviewIn<'a> {
    #[serde(default)]
    pub msg_id: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<EventTypeName>)]
    pub event_type: Option<String>,
    #[serde(borrow, default)]
    #[schema(value_type = Option<Object>)]
    pub payload: Option<&'a RawValue>,
}

/// A POST, signed as of now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointPreviewOut {
    #[schema(format = "uri")]
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// PEM: shown to a server that asks for a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
}

/// Preview Endpoint
///
/// The request that this endpoint would get, whatever it filters by: URL, headers and body. Nothing is sent.
/// It shows what the contract sends of the secret, so it takes the right to see that.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/preview", tag = "Endpoint",
    operation_id = "v1.endpoint.preview", params(("app_id" = String, Path), ("endpoint_id" = String, Path)),
    request_body = EndpointPreviewIn, responses((status = 200, body = EndpointPreviewOut), Errors))]
async fn preview(
    State(api): State<Api>,
    auth: Auth<SeeSecrets>,
    Path((app, endpoint)): Path<(String, String)>,
    body: Raw,
) -> Result<Json<EndpointPreviewOut>, ApiError> {
    let given: EndpointPreviewIn<'_> = parse(&body.bytes)?;
    let (entry, endpoint) = api.accept.endpoint(auth.0, &app, &endpoint)?;
    let message = match (&given.msg_id, given.payload) {
        (Some(id), _) => api.accept.message(auth.0, &app, id).await?,
        (None, Some(payload)) => Message {
            id: MessageId(api.accept.store().new_id()),
            app: entry.app.id,
            event_type: given.event_type.ok_or_else(|| ApiError::field("eventType", "is needed with a payload"))?,
            event_id: None,
            channels: vec![],
            tags: vec![],
            payload: body.bytes.slice_ref(payload.get().as_bytes()),
            endpoints: vec![endpoint.id],
            chain: vec![],
            ordered: vec![],
            deliver: Deliver::AtOnce,
            created_ms: api.accept.clock().wall_ms(),
        },
        (None, None) => {
            return Err(ApiError::field("msgId", "give the id of a message, or an eventType and a payload"));
        }
    };
    if message.payload.is_empty() {
        return Err(ApiError::field("msgId", "is of a message whose payload was removed"));
    }
    let now_ms = api.accept.clock().wall_ms();
    // What a query finds is shown to whoever asks, so it is asked for them.
    let mut endpoint = Endpoint::clone(&endpoint);
    endpoint.settings.query_as = api.accept.identity(auth.0);
    let makes_none = |reason: String| ApiError::field("payload", format!("makes no request: {reason}"));
    let kept = api.composer.renderer.kept(&entry, &endpoint, &message).await.map_err(|error| match error {
        KeptError::Contract(reason) => makes_none(reason),
        KeptError::Store(error) => error.into(),
    })?;
    let subject = Subject { app: &entry, endpoint: &endpoint, message: &message, kept: &kept, attempt: 1, now_ms };
    let request = api.composer.compose(subject).await;
    let request = request.map_err(|stopped| makes_none(stopped.to_string()))?;
    let mut headers: BTreeMap<String, String> = request.headers.into_iter().collect();
    if let Some(client) = &endpoint.secrets.oauth {
        headers.retain(|name, _| !name.eq_ignore_ascii_case("authorization"));
        headers.insert("Authorization".to_owned(), format!("Bearer <token of {}>", client.token_url));
    }
    Ok(Json(EndpointPreviewOut {
        url: endpoint.settings.url.clone(),
        headers,
        body: String::from_utf8_lossy(&request.body).into_owned(),
        client_certificate: endpoint.secrets.tls.clone().and_then(|tls| tls.client).map(|client| client.chain),
    }))
}
