//! What can be asked of the store: pages of messages and attempts.

use crate::id::{EndpointId, EnvId, MessageId, first_of_ms};
use crate::task::{TaskKind, TaskStatus};

/// How long an id may be younger than what it belongs to: a message or attempt gets it in its commit.
const LATE_MS: i64 = 600_000;
/// Rows that a filter looks at for one page; what it has not found then is on the next one.
pub(crate) const LOOKED_AT: usize = 5_000;
/// Bytes of content after which a page ends before its limit. A page has at least one row, however large.
pub const PAGE_BYTES: usize = 4 << 20;

/// A page of a listing by id. `after` is the id where the last page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub limit: usize,
    pub after: Option<i64>,
    /// Towards higher ids.
    pub ascending: bool,
    /// With payloads or responses.
    pub content: bool,
}

/// A page as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    pub rows: Vec<T>,
    /// The id up to which it was looked, where that ended before the page was full and more may follow: a filter looked
    /// at many rows, or the rows are large.
    pub looked_to: Option<i64>,
}

/// Which messages of an application.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    pub channel: Option<String>,
    pub tag: Option<String>,
    pub event_types: Vec<String>,
    pub before_ms: Option<i64>,
    pub after_ms: Option<i64>,
}

impl MessageFilter {
    /// Whether rows have to be looked at one by one.
    pub(crate) fn is_selective(&self) -> bool {
        self.channel.is_some() || self.tag.is_some() || !self.event_types.is_empty()
    }

    /// Every id is at least the first and less than the second, where there is one.
    pub(crate) fn ids(&self) -> (Option<i64>, Option<i64>) {
        let before = self.before_ms.map(|ms| first_of_ms(ms.saturating_add(LATE_MS)));
        (self.after_ms.map(first_of_ms), before)
    }
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
    /// Whether they ended without a request.
    pub cancelled: Option<bool>,
    /// Leaves out failures that somebody has done with.
    pub uncleared: bool,
    /// Only those that failed, or whose reply is kept.
    pub says_something: bool,
    /// 0 for those without a response, else 100, 200, ….
    pub status_class: Option<u16>,
    pub endpoint: Option<EndpointId>,
    pub messages: MessageFilter,
}

impl AttemptFilter {
    /// Failures have an index of their own.
    pub(crate) fn is_selective(&self) -> bool {
        self.success == Some(true)
            || self.cancelled.is_some()
            || self.uncleared
            || self.says_something
            || self.status_class.is_some()
            || self.messages.is_selective()
    }
}

/// Which jobs.
#[derive(Clone, Debug)]
pub struct TaskFilter {
    pub env: EnvId,
    pub kind: Option<TaskKind>,
    /// One of these; empty: any.
    pub statuses: Vec<TaskStatus>,
}
