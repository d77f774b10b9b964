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
}

impl TaskKind {
    pub const ALL: [TaskKind; 2] = [TaskKind::Recover, TaskKind::Replay];

    /// A stable name, the one that Svix uses.
    pub fn name(self) -> &'static str {
        match self {
            TaskKind::Recover => "endpoint.recover",
            TaskKind::Replay => "endpoint.replay",
        }
    }

    pub fn named(name: &str) -> Option<TaskKind> {
        TaskKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    Running,
    Finished,
    /// It could not go on; its progress says why.
    Failed,
}

impl TaskStatus {
    pub const ALL: [TaskStatus; 3] = [TaskStatus::Running, TaskStatus::Finished, TaskStatus::Failed];

    pub fn name(self) -> &'static str {
        match self {
            TaskStatus::Running => "running",
            TaskStatus::Finished => "finished",
            TaskStatus::Failed => "failed",
        }
    }

    pub fn named(name: &str) -> Option<TaskStatus> {
        TaskStatus::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// What a job is about: an endpoint, and the messages of a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInput {
    #[serde(with = "number")]
    pub endpoint: EndpointId,
    /// Epoch ms, inclusive.
    pub since_ms: i64,
    /// Epoch ms, exclusive.
    pub until_ms: i64,
}

impl TaskInput {
    /// The ids that messages of this time have: from the first up to, not with, the second.
    pub fn messages(&self) -> (i64, i64) {
        (first_of_ms(self.since_ms), first_of_ms(self.until_ms))
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
