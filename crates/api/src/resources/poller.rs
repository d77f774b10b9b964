//! `/api/v1/app/{app_id}/poller/{sink_id}`: endpoints that are pulled.

use super::message::{MessageOut, shown};
use crate::Api;
use crate::auth::{Auth, LookIn, Resend};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::path::Path;
use crate::query::Query;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use postrider_accept::{Caller, MOST_POLLED, Poll, Pulled};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const DEFAULT_LIMIT: usize = 50;
/// Seconds.
const LONGEST_WAIT: u64 = 30;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(poll)).routes(routes!(consumer_poll)).routes(routes!(consumer_seek))
}

/// Messages in the order in which they were committed.
#[derive(Debug, Serialize, ToSchema)]
pub struct PollingEndpointOut {
    pub data: Vec<PollingEndpointMessageOut>,
    /// Give it as `iterator` for the next page; a consumer says with it that it is done with this one.
    pub iterator: String,
    /// Nothing more is there at the moment.
    pub done: bool,
}

/// A message as it is pulled.
#[derive(Debug, Serialize, ToSchema)]
pub struct PollingEndpointMessageOut {
    #[serde(flatten)]
    pub message: MessageOut,
    /// The endpoint's own headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// Where a consumer is to go on.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PollingEndpointConsumerSeekIn {
    /// With what was accepted then, or later.
    #[schema(format = "date-time")]
    pub after: String,
}

/// Where a consumer goes on.
#[derive(Debug, Serialize, ToSchema)]
pub struct PollingEndpointConsumerSeekOut {
    pub iterator: String,
}

fn asked(query: &Query) -> Result<Poll, ApiError> {
    let iterator = query.text("iterator").map(|text| {
        let wrong = || ApiError::query("iterator", format!("{text:?} is not an iterator of this endpoint"));
        text.parse::<i64>().ok().filter(|iterator| *iterator >= 0).ok_or_else(wrong)
    });
    let wait = query.number::<u64>("wait")?.unwrap_or(0);
    if wait > LONGEST_WAIT {
        return Err(ApiError::query("wait", format!("is a number of seconds up to {LONGEST_WAIT}, not {wait}")));
    }
    Ok(Poll {
        iterator: iterator.transpose()?,
        limit: query.number::<usize>("limit")?.unwrap_or(DEFAULT_LIMIT).clamp(1, MOST_POLLED),
        event_type: query.text("event_type").map(str::to_owned),
        channel: query.text("channel").map(str::to_owned),
        after_ms: query.time("after")?,
        wait: Duration::from_secs(wait),
    })
}

async fn page(api: &Api, caller: Caller, pulled: Pulled) -> Result<Json<PollingEndpointOut>, ApiError> {
    let bytes = pulled.messages.iter().map(|message| message.payload.len()).sum();
    let show = {
        let api = api.clone();
        move || {
            let row = |message| PollingEndpointMessageOut {
                message: shown(api.accept.store().ids(), message, true),
                headers: pulled.endpoint.headers.clone(),
            };
            let data = pulled.messages.iter().map(row).collect();
            PollingEndpointOut { data, iterator: pulled.iterator.to_string(), done: pulled.done }
        }
    };
    Ok(Json(api.accept.compute().run_if_heavy(bytes, caller.into(), show).await?))
}

/// Poll
///
/// What came for this endpoint, in the order of commits; the caller keeps the iterator. A message that commits late
/// comes late, and is not skipped.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/poller/{sink_id}", tag = "Message Poller",
    operation_id = "v1.message.poller.poll",
    params(("app_id" = String, Path), ("sink_id" = String, Path),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 250,
            description = "Messages of a page; 50 where nothing is said."),
        ("iterator" = Option<String>, Query), ("event_type" = Option<String>, Query),
        ("channel" = Option<String>, Query), ("after" = Option<String>, Query),
        ("wait" = Option<u64>, Query, description = "Seconds to wait for a first message, up to 30.")),
    responses((status = 200, body = PollingEndpointOut), Errors))]
async fn poll(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint)): Path<(String, String)>,
    query: Query,
) -> Result<Json<PollingEndpointOut>, ApiError> {
    let pulled = api.accept.poll(auth.0, (&app, &endpoint), &asked(&query)?).await?;
    page(&api, auth.0, pulled).await
}

/// Poll As Consumer
///
/// As above, for a consumer whose place is kept here, under a name of its own. It goes on after the iterator that it
/// gives, and without one where it was: a page that it has not come back from it gets again.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/poller/{sink_id}/consumer/{consumer_id}", tag = "Message Poller",
    operation_id = "v1.message.poller.consumer-poll",
    params(("app_id" = String, Path), ("sink_id" = String, Path), ("consumer_id" = String, Path),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 250,
            description = "Messages of a page; 50 where nothing is said."),
        ("iterator" = Option<String>, Query),
        ("wait" = Option<u64>, Query, description = "Seconds to wait for a first message, up to 30.")),
    responses((status = 200, body = PollingEndpointOut), Errors))]
async fn consumer_poll(
    State(api): State<Api>,
    auth: Auth<Resend>,
    Path((app, endpoint, consumer)): Path<(String, String, String)>,
    query: Query,
) -> Result<Json<PollingEndpointOut>, ApiError> {
    for filter in ["event_type", "channel", "after"] {
        if query.text(filter).is_some() {
            let msg =
                "a consumer's place is one for all messages; poll without a consumer, or give each kind an endpoint";
            return Err(ApiError::query(filter, msg));
        }
    }
    let asked = asked(&query)?;
    let pulled = api.accept.poll_consumer(auth.0, (&app, &endpoint, &consumer), &asked).await?;
    page(&api, auth.0, pulled).await
}

/// Seek As Consumer
///
/// Moves a consumer to a time, forwards or back.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/poller/{sink_id}/consumer/{consumer_id}/seek", tag = "Message Poller",
    operation_id = "v1.message.poller.consumer-seek",
    params(("app_id" = String, Path), ("sink_id" = String, Path), ("consumer_id" = String, Path),
        ("idempotency-key" = Option<String>, Header)),
    request_body = PollingEndpointConsumerSeekIn,
    responses((status = 200, body = PollingEndpointConsumerSeekOut), Errors))]
async fn consumer_seek(
    State(api): State<Api>,
    auth: Auth<Resend>,
    Path((app, endpoint, consumer)): Path<(String, String, String)>,
    body: Body<PollingEndpointConsumerSeekIn>,
) -> Result<Json<PollingEndpointConsumerSeekOut>, ApiError> {
    let after_ms = timestamp::parse(&body.value.after).map_err(|msg| ApiError::field("after", msg))?;
    let iterator = api.accept.seek(auth.0, (&app, &endpoint, &consumer), after_ms).await?;
    Ok(Json(PollingEndpointConsumerSeekOut { iterator: iterator.to_string() }))
}
