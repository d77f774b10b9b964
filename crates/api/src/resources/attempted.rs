//! Where deliveries stand: `…/msg/{msg_id}/endpoint` and `…/endpoint/{endpoint_id}/msg`.

use super::status::Status;
use super::{endpoint, message};
use crate::Api;
use crate::auth::{Auth, LookIn};
use crate::error::{ApiError, Errors};
use crate::page::{Asked, ListResponse, Written};
use crate::params::{MessageParams, PageParams, StatusParams};
use crate::path::Path;
use crate::query::Query;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use postrider_store::config::Endpoint;
use postrider_store::id::{AppId, EndpointId, MessageId};
use postrider_store::message::{DeliveryState, Message};
use postrider_store::query::{Found, MessageFilter, PAGE_BYTES, Page};
use postrider_store::{Store, StoreError};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Pages that one request looks through for deliveries of a status; what it has not found then is on the
/// next page.
const LOOKED_AT: usize = 8;
/// Messages that are looked at together.
const CHUNK: usize = 250;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(destinations)).routes(routes!(endpoint_messages))
}

/// An endpoint with how a message stands there.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageEndpointOut {
    #[serde(flatten)]
    pub endpoint: endpoint::EndpointOut,
    #[serde(flatten)]
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    pub next_attempt: Option<String>,
}

/// A message with how it stands at an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointMessageOut {
    #[serde(flatten)]
    pub message: message::MessageOut,
    #[serde(flatten)]
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    pub next_attempt: Option<String>,
}

fn next_attempt(state: &DeliveryState) -> Option<String> {
    match state {
        DeliveryState::Pending { next_ms } => next_ms.map(timestamp::text),
        DeliveryState::Success | DeliveryState::Fail => None,
    }
}

/// List Attempted Destinations
///
/// Every endpoint that the message goes to, and how it stands there.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/msg/{msg_id}/endpoint", tag = "Message Attempt",
    operation_id = "v1.message-attempt.list-attempted-destinations",
    params(("app_id" = String, Path), ("msg_id" = String, Path), PageParams),
    responses((status = 200, body = ListResponse<MessageEndpointOut>), Errors))]
async fn destinations(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, message)): Path<(String, String)>,
    query: Query,
) -> Result<Json<Written>, ApiError> {
    let asked = Asked::from_query(&query, true)?;
    let message = api.accept.message(auth.0, &app, &message).await?;
    let store = api.accept.store();
    let deliveries = message.endpoints.iter().map(|endpoint| (message.id, *endpoint)).collect();
    let states = store.states(deliveries).await?;
    let rows = message.endpoints.iter().zip(&states).filter_map(|(id, state)| {
        let (_, endpoint) = store.directory().endpoint(*id)?;
        Some((store.ids().text(*id), endpoint, state))
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let shown = |(_, endpoint, state): (String, Arc<Endpoint>, &DeliveryState)| MessageEndpointOut {
        endpoint: endpoint::shown(store.ids(), &endpoint),
        status: Status::of(state),
        next_attempt: next_attempt(state),
    };
    let asked = asked.by_id::<EndpointId>(store.ids())?;
    Ok(Json(asked.slice(rows, |(id, ..)| id.clone(), shown)))
}

/// List Attempted Messages
///
/// The messages that go to an endpoint, and how they stand there.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/msg", tag = "Message Attempt",
    operation_id = "v1.message-attempt.list-attempted-messages",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), PageParams, MessageParams,
        StatusParams),
    responses((status = 200, body = ListResponse<EndpointMessageOut>), Errors))]
async fn endpoint_messages(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint)): Path<(String, String)>,
    query: Query,
) -> Result<Json<Written>, ApiError> {
    let (entry, endpoint) = api.accept.endpoint(auth.0, &app, &endpoint)?;
    let asked = Asked::from_query(&query, false)?;
    let content = query.flag("with_content")?.unwrap_or(true);
    let status = query.number::<u8>("status")?;
    if status.is_some_and(|status| status > 4) {
        return Err(ApiError::query("status", "use 0, 1, 2 or 3"));
    }
    let store = api.accept.store();
    let wanted = Wanted { app: entry.app.id, endpoint: endpoint.id, filter: query.message_filter()?, status };
    let page = Page { content, ..asked.page::<MessageId>(store.ids())? };
    let _room = api.memory.room_for_page(auth.0).await?;
    let found = wanted.find(store, page).await?;
    let shown = |(row, state): (Message, DeliveryState)| EndpointMessageOut {
        message: message::shown(store.ids(), &row, content),
        status: Status::of(&state),
        next_attempt: next_attempt(&state),
    };
    Ok(Json(asked.respond_found::<MessageId, _, _>(store.ids(), found, |(row, _)| store.ids().text(row.id), shown)))
}

/// Which messages of an endpoint.
struct Wanted {
    app: AppId,
    endpoint: EndpointId,
    filter: MessageFilter,
    status: Option<u8>,
}

impl Wanted {
    /// A page of them, each with how it stands.
    async fn find(&self, store: &Store, page: Page) -> Result<Found<(Message, DeliveryState)>, StoreError> {
        if self.status.is_none() {
            return self.chunk(store, page).await;
        }
        let mut found = Found { rows: Vec::new(), looked_to: page.after };
        let mut bytes = 0;
        for _ in 0..LOOKED_AT {
            let asked = Page { limit: CHUNK, after: found.looked_to, ..page };
            let chunk = self.chunk(store, asked).await?;
            let full = chunk.rows.len() == CHUNK;
            let last = chunk.rows.last().map(|(message, _)| message.id.0);
            let right = chunk.rows.into_iter().filter(|(_, state)| Some(Status::of(state).status) == self.status);
            for row in right {
                bytes += row.0.payload.len();
                found.rows.push(row);
            }
            found.looked_to = chunk.looked_to.or(last.filter(|_| full));
            if found.rows.len() >= page.limit || bytes > PAGE_BYTES || found.looked_to.is_none() {
                break;
            }
        }
        if found.rows.len() >= page.limit {
            found.rows.truncate(page.limit);
            found.looked_to = None;
        }
        Ok(found)
    }

    async fn chunk(&self, store: &Store, page: Page) -> Result<Found<(Message, DeliveryState)>, StoreError> {
        let messages = store.messages(self.app, Some(self.endpoint), self.filter.clone(), page).await?;
        let deliveries = messages.rows.iter().map(|message| (message.id, self.endpoint)).collect();
        let states = store.states(deliveries).await?;
        Ok(Found { rows: messages.rows.into_iter().zip(states).collect(), looked_to: messages.looked_to })
    }
}
