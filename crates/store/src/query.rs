//! What can be asked of the store: pages of messages and attempts.

use crate::id::{AppId, EndpointId, MessageId};

/// A page of a listing by id. `after` is the id where the last page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub limit: usize,
    pub after: Option<i64>,
    /// Towards higher ids.
    pub ascending: bool,
}

/// Which messages of an application.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    pub channel: Option<String>,
    pub event_types: Vec<String>,
    pub before_ms: Option<i64>,
    pub after_ms: Option<i64>,
}

/// Whose attempts.
#[derive(Clone, Copy, Debug)]
pub enum AttemptsOf {
    Message(MessageId),
    Endpoint(EndpointId),
}

/// Which of them.
#[derive(Clone, Debug, Default)]
pub struct AttemptFilter {
    pub success: Option<bool>,
    /// 0 for those without a response, else 100, 200, ….
    pub status_class: Option<u16>,
    pub endpoint: Option<EndpointId>,
    pub messages: MessageFilter,
}

/// A message as it stands at one endpoint.
#[derive(Clone, Debug)]
pub struct MessageRef {
    pub app: AppId,
    pub message: MessageId,
}
