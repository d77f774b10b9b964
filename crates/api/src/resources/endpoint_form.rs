//! An endpoint as it is given and shown.

use super::or_default;
use crate::alias::{Older, either, empty, filter};
use crate::error::ApiError;
use crate::text::{Channel, Uid};
use crate::timestamp;
use postrider_accept::EndpointDraft;
use postrider_store::Ids;
use postrider_store::config::{Action, Endpoint, EndpointSettings, Identity};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What of an endpoint can be given again and again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointUpdate {
    /// Needed unless messages are pulled.
    #[serde(default)]
    #[schema(format = "uri")]
    pub url: String,
    /// The provider's own name for it, unique in the application.
    #[serde(default)]
    #[schema(value_type = Option<Uid>)]
    pub uid: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    #[schema(max_length = 4096)]
    pub description: String,
    #[serde(default, deserialize_with = "or_default")]
    pub disabled: bool,
    /// Exact names, or patterns such as `user.*` where the contract allows them; `null`: every type.
    #[serde(default)]
    pub event_types: Option<Vec<String>>,
    /// The same as `eventTypes`, by the name that older clients know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_types: Option<Vec<String>>,
    /// `null`: messages of every channel.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Channel>>, max_items = 10)]
    pub channels: Option<Vec<String>>,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: BTreeMap<String, String>,
    /// Attempts a second.
    #[serde(default)]
    #[schema(minimum = 1, format = "uint16")]
    pub throttle_rate: Option<u16>,
    /// The same as `throttleRate`, by the name that older clients know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, format = "uint16")]
    pub rate_limit: Option<u16>,
    /// The wire format; `null`: the application's.
    #[serde(default)]
    pub contract: Option<String>,
    /// Which payloads to send: JSON with operators, such as `{"amount": {"$gt": 100}}`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub payload_filter: Option<Value>,
    /// Attempts at once.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    pub max_concurrency: Option<u16>,
    /// 1 to 30; `null`: as the contract says.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 30)]
    pub timeout_seconds: Option<u8>,
    /// Seconds between attempts; `[]`: no retry; `null`: as the contract says.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub retry_schedule: Option<Vec<u32>>,
    /// `application/json` or `application/xml`, where the contract offers both.
    #[serde(default)]
    pub content_type: Option<String>,
    /// A GraphQL query that runs at each attempt, with `$nodeId` and `$nodeType`; its result replaces the body.
    #[serde(default)]
    #[schema(max_length = 65536)]
    pub query: Option<String>,
    /// Liquid over the body's fields; its output, `true` or `false`, decides whether a message is sent.
    #[serde(default)]
    #[schema(max_length = 65536)]
    pub validation_template: Option<String>,
    /// Liquid over the body's fields; its output is the body.
    #[serde(default)]
    #[schema(max_length = 65536)]
    pub template: Option<String>,
    /// Liquid over `body` and `headers` of a successful response; output that is not blank makes it an error.
    #[serde(default)]
    #[schema(max_length = 65536)]
    pub error_template: Option<String>,
    /// Who is told by mail when it fails, beside those of its application.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub notify_emails: Option<Vec<String>>,
    /// Endpoints with a priority see a message one after the other, the lowest first, each only if those before let
    /// it pass on; `null`: it sees every message at once.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub priority: Option<u32>,
    /// It gets one message at a time, in the order in which they were accepted; one that fails holds the others back
    /// until it succeeds, is given up or left out.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(value_type = Option<bool>)]
    pub ordered: bool,
    /// Its messages are pulled (`…/poller/{endpoint_id}`) instead of sent; it has no URL.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(value_type = Option<bool>)]
    pub poll: bool,
    /// What is done with a message, in order: `notify_webhook`, the request, and lines for the log; `null`: the
    /// request alone.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub actions: Option<Vec<ActionIn>>,
}

/// One of the things that are done with a message.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ActionIn {
    /// The request to the endpoint's URL; exactly one of it.
    NotifyWebhook,
    /// A line of the endpoint's log; `[[name]]` stands for a variable that a response set, or a field of the payload.
    LogMessage {
        #[schema(max_length = 1000)]
        text: String,
    },
}

impl From<Action> for ActionIn {
    fn from(action: Action) -> ActionIn {
        match action {
            Action::NotifyWebhook => ActionIn::NotifyWebhook,
            Action::LogMessage { text } => ActionIn::LogMessage { text },
        }
    }
}

impl From<ActionIn> for Action {
    fn from(action: ActionIn) -> Action {
        match action {
            ActionIn::NotifyWebhook => Action::NotifyWebhook,
            ActionIn::LogMessage { text } => Action::LogMessage { text },
        }
    }
}

/// What of an endpoint is given at creation alone.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct EndpointFirst {
    /// As the contract takes it; `null`: one is made.
    #[serde(default)]
    pub secret: Option<String>,
    /// Sent with each request, beside the contract's own.
    #[serde(default)]
    pub headers: Option<BTreeMap<String, String>>,
}

/// An endpoint as it is given first.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a body in the OpenAPI document; its two halves are read one by one")]
pub struct EndpointIn {
    #[serde(flatten)]
    endpoint: EndpointUpdate,
    #[serde(flatten)]
    first: EndpointFirst,
}

/// Fields to change; the others stay.
#[derive(ToSchema)]
#[schema(as = EndpointPatch, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a body in the OpenAPI document; patches are merged as JSON")]
pub struct EndpointPatch {
    #[schema(format = "uri")]
    url: Option<String>,
    #[schema(value_type = Option<Uid>)]
    uid: Option<String>,
    description: Option<String>,
    disabled: Option<bool>,
    event_types: Option<Vec<String>>,
    filter_types: Option<Vec<String>>,
    #[schema(value_type = Option<Vec<Channel>>, max_items = 10)]
    channels: Option<Vec<String>>,
    metadata: Option<BTreeMap<String, String>>,
    #[schema(minimum = 1, format = "uint16")]
    throttle_rate: Option<u16>,
    #[schema(minimum = 1, format = "uint16")]
    rate_limit: Option<u16>,
    contract: Option<String>,
    #[schema(value_type = Option<Object>)]
    payload_filter: Option<Value>,
    #[schema(minimum = 1, maximum = 1000)]
    max_concurrency: Option<u16>,
    #[schema(minimum = 1, maximum = 30)]
    timeout_seconds: Option<u8>,
    #[schema(max_items = 50)]
    retry_schedule: Option<Vec<u32>>,
    content_type: Option<String>,
    #[schema(max_length = 65536)]
    query: Option<String>,
    #[schema(max_length = 65536)]
    validation_template: Option<String>,
    #[schema(max_length = 65536)]
    template: Option<String>,
    #[schema(max_length = 65536)]
    error_template: Option<String>,
    #[schema(max_items = 10)]
    notify_emails: Option<Vec<String>>,
    #[schema(minimum = 0)]
    priority: Option<u32>,
    ordered: Option<bool>,
    poll: Option<bool>,
    #[schema(max_items = 20)]
    actions: Option<Vec<ActionIn>>,
}

/// An endpoint as it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointOut {
    pub id: String,
    #[schema(format = "uri")]
    pub url: String,
    pub uid: Option<String>,
    pub description: String,
    pub disabled: bool,
    pub event_types: Option<Vec<String>>,
    /// The same as `eventTypes`, by the name that older clients know.
    pub filter_types: Option<Vec<String>>,
    pub channels: Option<Vec<String>>,
    pub metadata: BTreeMap<String, String>,
    #[schema(minimum = 1, format = "uint16")]
    pub throttle_rate: Option<u16>,
    /// The same as `throttleRate`, by the name that older clients know.
    #[schema(minimum = 1, format = "uint16")]
    pub rate_limit: Option<u16>,
    /// Always 1: older clients need a number here.
    pub version: u16,
    pub contract: String,
    #[schema(value_type = Option<Object>)]
    pub payload_filter: Option<Value>,
    pub max_concurrency: Option<u16>,
    pub timeout_seconds: Option<u8>,
    pub retry_schedule: Option<Vec<u32>>,
    pub content_type: Option<String>,
    pub query: Option<String>,
    pub validation_template: Option<String>,
    pub template: Option<String>,
    pub error_template: Option<String>,
    pub notify_emails: Vec<String>,
    pub priority: Option<u32>,
    pub ordered: bool,
    pub poll: bool,
    pub actions: Option<Vec<ActionIn>>,
    /// Whether it stands for an address that messages named (`deliverTo`): no others go there.
    pub addressed: bool,
    #[schema(format = "date-time")]
    pub created_at: String,
    #[schema(format = "date-time")]
    pub updated_at: String,
}

impl EndpointUpdate {
    /// Which older names it has.
    pub fn older(&self) -> Older {
        Older {
            filter_types: self.filter_types.is_some() && self.event_types.is_none(),
            rate_limit: self.rate_limit.is_some() && self.throttle_rate.is_none(),
        }
    }
}

fn none_if_empty<T>(list: &[T]) -> Option<Vec<T>>
where
    T: Clone,
{
    (!list.is_empty()).then(|| list.to_vec())
}

impl From<&Endpoint> for EndpointUpdate {
    fn from(endpoint: &Endpoint) -> EndpointUpdate {
        let settings = endpoint.settings.clone();
        EndpointUpdate {
            url: settings.url,
            uid: endpoint.uid.clone(),
            description: settings.description,
            disabled: settings.disabled,
            event_types: none_if_empty(&settings.event_types),
            channels: none_if_empty(&settings.channels),
            metadata: settings.metadata,
            throttle_rate: settings.throttle_rate,
            filter_types: None,
            rate_limit: None,
            contract: Some(settings.contract),
            payload_filter: settings.payload_filter,
            max_concurrency: settings.max_concurrency,
            timeout_seconds: settings.timeout_seconds,
            retry_schedule: settings.retry_schedule,
            content_type: settings.content_type,
            query: settings.query,
            validation_template: settings.validation_template,
            template: settings.template,
            error_template: settings.error_template,
            notify_emails: none_if_empty(&settings.notify_emails),
            priority: settings.priority,
            ordered: settings.ordered,
            poll: settings.poll,
            actions: none_if_empty(&settings.actions).map(|list| list.into_iter().map(ActionIn::from).collect()),
        }
    }
}

/// The endpoint's settings, with the headers it is to have.
pub fn draft(given: EndpointUpdate, headers: BTreeMap<String, String>) -> Result<EndpointDraft, ApiError> {
    let event_types = filter(("eventTypes", given.event_types), ("filterTypes", given.filter_types))?;
    if given.channels.as_ref().is_some_and(Vec::is_empty) {
        return Err(empty("channels"));
    }
    let settings = EndpointSettings {
        url: given.url,
        description: given.description,
        event_types: event_types.unwrap_or_default(),
        channels: given.channels.unwrap_or_default(),
        metadata: given.metadata,
        throttle_rate: either(("throttleRate", given.throttle_rate), ("rateLimit", given.rate_limit))?,
        disabled: given.disabled,
        contract: given.contract.unwrap_or_default(),
        payload_filter: given.payload_filter,
        max_concurrency: given.max_concurrency,
        timeout_seconds: given.timeout_seconds,
        retry_schedule: given.retry_schedule,
        content_type: given.content_type,
        query: given.query.filter(|text| !text.is_empty()),
        // Whoever asks, see `accept`.
        query_as: Identity::default(),
        validation_template: given.validation_template.filter(|text| !text.is_empty()),
        template: given.template.filter(|text| !text.is_empty()),
        error_template: given.error_template.filter(|text| !text.is_empty()),
        notify_emails: given.notify_emails.unwrap_or_default(),
        priority: given.priority,
        ordered: given.ordered,
        poll: given.poll,
        actions: given.actions.unwrap_or_default().into_iter().map(Action::from).collect(),
        addressed: false,
    };
    Ok(EndpointDraft { uid: given.uid, settings, headers, secret: None })
}

pub fn shown(ids: &Ids, endpoint: &Endpoint) -> EndpointOut {
    let settings = EndpointUpdate::from(endpoint);
    EndpointOut {
        id: ids.text(endpoint.id),
        url: settings.url,
        // That of an address is made of its secret.
        uid: settings.uid.filter(|_| !endpoint.settings.addressed),
        description: settings.description,
        disabled: settings.disabled,
        filter_types: settings.event_types.clone(),
        event_types: settings.event_types,
        channels: settings.channels,
        metadata: settings.metadata,
        throttle_rate: settings.throttle_rate,
        rate_limit: settings.throttle_rate,
        version: 1,
        contract: endpoint.settings.contract.clone(),
        payload_filter: settings.payload_filter,
        max_concurrency: settings.max_concurrency,
        timeout_seconds: settings.timeout_seconds,
        retry_schedule: settings.retry_schedule,
        content_type: settings.content_type,
        query: settings.query,
        validation_template: settings.validation_template,
        template: settings.template,
        error_template: settings.error_template,
        notify_emails: settings.notify_emails.unwrap_or_default(),
        priority: settings.priority,
        ordered: settings.ordered,
        poll: settings.poll,
        actions: settings.actions,
        addressed: endpoint.settings.addressed,
        created_at: timestamp::text(endpoint.created_ms),
        updated_at: timestamp::text(endpoint.updated_ms),
    }
}
