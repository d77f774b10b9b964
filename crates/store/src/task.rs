//! Jobs in the background: what was asked for, and how far they have come.
//!
//! A job goes on in slices. Each slice is one commit of what it found to do together with the place up
//! to which it looked, and only from the place where the last one ended: so a job survives any crash,
//! and two that work on it at once do nothing twice.

use crate::id::{AppId, EndpointId, EnvId, MessageId, TaskId, first_of_ms};
use serde::{Deserialize, Serialize};

/// A job.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub id: TaskId,
    pub env: EnvId,
    pub app: AppId,
    pub kind: TaskKind,
    pub status: TaskStatus,
    pub input: TaskInput,
    pub progress: Progress,
    /// An id up to which everything has been looked at.
    pub cursor: i64,
    pub updated_ms: i64,
}

/// What kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// Sends again what failed.
    Recover,
    /// Sends what was never sent to the endpoint and that it would get today.
    Replay,
    /// Sends again what went to the endpoint and fits a filter.
    BulkReplay,
    /// Removes the payloads of an application's messages.
    Purge,
    /// Counts what applications sent.
    Usage,
    /// Lists which event types applications subscribed to.
    Subscriptions,
}

impl TaskKind {
    pub const ALL: [TaskKind; 6] = [
        TaskKind::Recover,
        TaskKind::Replay,
        TaskKind::BulkReplay,
        TaskKind::Purge,
        TaskKind::Usage,
        TaskKind::Subscriptions,
    ];

    /// A stable name, the one that Svix uses.
    pub fn name(self) -> &'static str {
        match self {
            TaskKind::Recover => "endpoint.recover",
            TaskKind::Replay => "endpoint.replay",
            TaskKind::BulkReplay => "endpoint.bulk-replay",
            TaskKind::Purge => "application.purge_content",
            TaskKind::Usage => "application.stats",
            TaskKind::Subscriptions => "event-type.aggregate",
        }
    }

    pub fn named(name: &str) -> Option<TaskKind> {
        TaskKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it sends messages to one endpoint.
    pub fn sends(self) -> bool {
        matches!(self, TaskKind::Recover | TaskKind::Replay | TaskKind::BulkReplay)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    Running,
    /// It waits until somebody lets it go on.
    Paused,
    Finished,
    /// It could not go on; its progress says why.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl TaskStatus {
    pub const ALL: [TaskStatus; 5] =
        [TaskStatus::Running, TaskStatus::Paused, TaskStatus::Finished, TaskStatus::Failed, TaskStatus::Cancelled];

    pub fn name(self) -> &'static str {
        match self {
            TaskStatus::Running => "running",
            TaskStatus::Paused => "paused",
            TaskStatus::Finished => "finished",
            TaskStatus::Failed => "failed",
            TaskStatus::Cancelled => "cancelled",
        }
    }

    pub fn named(name: &str) -> Option<TaskStatus> {
        TaskStatus::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// What a job is about: an endpoint (or 0), and the messages of a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInput {
    #[serde(with = "number")]
    pub endpoint: EndpointId,
    /// Epoch ms, inclusive.
    pub since_ms: i64,
    /// Epoch ms, exclusive.
    pub until_ms: i64,
    /// Which of them.
    #[serde(default)]
    pub only: Only,
    /// Messages that are sent in a second; `None`: as fast as the endpoint takes them.
    #[serde(default)]
    pub per_second: Option<u32>,
    /// From the newest to the oldest.
    #[serde(default)]
    pub newest_first: bool,
    /// The applications that a count is about; empty: all.
    #[serde(default)]
    pub apps: Vec<i64>,
}

/// Which messages a job is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Only {
    pub event_types: Vec<String>,
    pub channel: Option<String>,
    pub tag: Option<String>,
    /// How they stand at the endpoint.
    pub state: Option<OnlyState>,
    /// 0 for those whose last attempt had no response, else 100, 200, ….
    pub status_class: Option<u16>,
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnlyState {
    Success,
    Pending,
    Fail,
}

impl TaskInput {
    /// All messages of a time, for one endpoint.
    pub fn of(endpoint: EndpointId, since_ms: i64, until_ms: i64) -> TaskInput {
        TaskInput {
            endpoint,
            since_ms,
            until_ms,
            only: Only::default(),
            per_second: None,
            newest_first: false,
            apps: vec![],
        }
    }

    /// The ids that messages of this time have: from the first up to, not with, the second.
    pub fn messages(&self) -> (i64, i64) {
        (first_of_ms(self.since_ms), first_of_ms(self.until_ms))
    }
}

/// What a slice of a job does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Messages to send to its endpoint.
    Send(Vec<MessageId>),
    /// Messages whose payloads go.
    Purge(Vec<MessageId>),
    /// It only looked.
    Nothing,
}

impl Work {
    /// Messages that it is about.
    pub fn messages(&self) -> &[MessageId] {
        match self {
            Work::Send(messages) | Work::Purge(messages) => messages,
            Work::Nothing => &[],
        }
    }
}

/// What a look at an endpoint's failures found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failed {
    /// Messages to send again.
    pub messages: Vec<MessageId>,
    pub looked_at: usize,
    /// The last attempt that was looked at; 0 if there was none.
    pub cursor: i64,
}

/// How far a job has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Deliveries that it has scheduled.
    pub done: i64,
    /// Deliveries (or messages, where each has to be looked at) that were before it at its start; `None`:
    /// not counted yet.
    pub total: Option<i64>,
    /// Of those, looked at.
    pub looked_at: i64,
    /// Why it failed.
    pub reason: Option<String>,
    /// The next slice is not to come before this time, steady ms: it keeps a pace.
    pub not_before_ms: Option<i64>,
    /// What it found, for those that count and list.
    pub result: Option<serde_json::Value>,
}

mod number {
    use crate::id::EndpointId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(id: &EndpointId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(id.0)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EndpointId, D::Error> {
        i64::deserialize(deserializer).map(EndpointId)
    }
}
