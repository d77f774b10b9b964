//! What passes through: messages, deliveries, attempts.

use crate::id::{AppId, AttemptId, EndpointId, KeyId, MessageId};
use bytes::Bytes;

/// A message as it was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub id: MessageId,
    pub app: AppId,
    pub event_type: String,
    /// The provider's own id, unique in the application.
    pub event_id: Option<String>,
    pub channels: Vec<String>,
    /// What it is labelled with, for whoever looks for it.
    pub tags: Vec<String>,
    /// JSON, byte for byte as it came; empty when it was expunged.
    pub payload: Bytes,
    /// The endpoints that matched at acceptance, and those it was sent to by hand since; recovery never
    /// matches again.
    pub endpoints: Vec<EndpointId>,
    /// The endpoints that it goes to one after the other, each only if those before let it pass on; those that it
    /// has come to are in `endpoints` too.
    pub chain: Vec<EndpointId>,
    /// Those of `endpoints` whose delivery has a row in the schedule since the message's own commit. Known right
    /// after it alone: it is not stored.
    pub ordered: Vec<EndpointId>,
    pub deliver: Deliver,
    pub created_ms: i64,
}

/// A message, unless its payload is larger than was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum UpTo {
    Whole(Box<Message>),
    /// So many bytes.
    Larger(usize),
}

/// The tag of a message that was sent to try an endpoint: validation templates don't see it.
pub const TEST_TAG: &str = "postrider:test";

/// When a message goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deliver {
    #[default]
    AtOnce,
    /// Not before this time, epoch ms.
    At(i64),
    /// Never: it was cancelled.
    Cancelled,
}

impl Deliver {
    /// When a delivery that nobody has begun with is due, by the wall clock, epoch ms.
    pub fn due_ms(self, now_ms: i64) -> i64 {
        match self {
            Deliver::At(at_ms) => at_ms.max(now_ms),
            Deliver::AtOnce | Deliver::Cancelled => now_ms,
        }
    }
}

/// A message to commit. It gets its id in the commit.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub app: AppId,
    pub event_type: String,
    pub event_id: Option<String>,
    pub channels: Vec<String>,
    pub tags: Vec<String>,
    pub payload: Bytes,
    pub endpoints: Vec<EndpointId>,
    /// As in [`Message::chain`].
    pub chain: Vec<EndpointId>,
    /// Those of `endpoints` whose deliveries go through the schedule, in the order of commits.
    pub ordered: Vec<EndpointId>,
    /// Endpoints that it is pulled from; it is not sent to them.
    pub polled: Vec<EndpointId>,
    /// From now on, messages about the object of this name go to the first of `endpoints`.
    pub object: Option<String>,
    pub deliver: Deliver,
    /// Days to keep it, one of the classes of [`crate::Retention`].
    pub class: u16,
    /// The routing that `endpoints` was computed from, see [`crate::directory`].
    pub routing: i64,
    pub created_ms: i64,
    /// From when on its ordered deliveries may go out, steady ms.
    pub due_ms: i64,
    pub idempotency: Option<IdempotencyKey>,
    /// The key it came with: it must be in force when the message commits. `None`: the house's own.
    pub credential: Option<KeyId>,
}

impl NewMessage {
    /// Bytes in the log, about.
    pub(crate) fn bytes(&self) -> usize {
        self.payload.len() + 1_000
    }
}

/// What a caller's `idempotency-key` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// A hash of credential, path and key.
    pub key: [u8; 16],
    /// A hash of the body that came with it.
    pub body: [u8; 16],
}

/// What became of a [`NewMessage`].
#[derive(Clone, Debug, PartialEq)]
pub enum Appended {
    /// It is on disk.
    New(MessageId),
    /// The same request was answered before, with this message.
    Repeat(MessageId),
}

/// Stands for a response that was removed by hand.
pub const EXPUNGED: &str = "EXPUNGED";

/// One try of a delivery, finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub id: AttemptId,
    pub message: MessageId,
    pub endpoint: EndpointId,
    pub outcome: AttemptOutcome,
    /// The URL it went to.
    pub url: String,
    /// The response body up to the cap, or why there was none; [`EXPUNGED`] in the place of one that was
    /// removed.
    pub response: Bytes,
    pub started_ms: i64,
    pub duration_ms: i64,
    pub manual: bool,
    /// As in [`AttemptRecord::reply`].
    pub reply: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptOutcome {
    pub success: bool,
    /// HTTP status, 0 when there was no response.
    pub status: u16,
    /// A stable code (`dns`, `timeout`, …) and the reason in words, of a failure; of a success, why not all of the
    /// response came (`incomplete_response`).
    pub error: Option<(String, String)>,
}

/// Which delivery: a message to an endpoint; a resend by hand is a delivery of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryKey {
    pub message: MessageId,
    pub endpoint: EndpointId,
    pub manual: bool,
}

/// An attempt to commit, with what follows from it.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    pub delivery: DeliveryKey,
    pub outcome: AttemptOutcome,
    pub url: String,
    pub response: Bytes,
    pub started_ms: i64,
    pub duration_ms: i64,
    /// When to try again, and how many tries that follows; `None`: the delivery is final.
    pub retry: Option<Retry>,
    /// Whether the delivery has a row in the schedule (see [`Scheduled`]).
    pub stored: bool,
    /// The delivery of the same message that begins now, because this one ended: to the next of its chain.
    pub next: Option<Scheduled>,
    /// What the response asked for, as JSON: `{"actions": […]}`, or `{"actions": [], "error": "…"}`.
    pub reply: Option<String>,
    /// What the response set for the next message.
    pub settings: Vec<Setting>,
}

/// The code of an outcome that the database did not take as it was.
pub const UNRECORDED: &str = "unrecorded";

impl AttemptRecord {
    /// What of it any database takes: how it ended and what follows, without a word that came from outside.
    pub(crate) fn bare(&self) -> AttemptRecord {
        let AttemptOutcome { success, status, .. } = self.outcome;
        let reason = "the outcome could not be stored in full".to_owned();
        AttemptRecord {
            outcome: AttemptOutcome { success, status, error: Some((UNRECORDED.to_owned(), reason)) },
            url: String::new(),
            response: Bytes::new(),
            reply: None,
            settings: vec![],
            ..self.clone()
        }
    }

    /// Of a delivery that can't wait in the schedule: it failed for good.
    pub(crate) fn unschedulable(delivery: DeliveryKey, now_ms: i64) -> AttemptRecord {
        let reason = "the delivery could not be stored".to_owned();
        AttemptRecord {
            delivery,
            outcome: AttemptOutcome { success: false, status: 0, error: Some((UNRECORDED.to_owned(), reason)) },
            url: String::new(),
            response: Bytes::new(),
            started_ms: now_ms,
            duration_ms: 0,
            retry: None,
            stored: false,
            next: None,
            reply: None,
            settings: vec![],
        }
    }
}

/// A variable that a response set, or took away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub app: AppId,
    /// `None`: it is all endpoints' of the application.
    pub endpoint: Option<EndpointId>,
    /// Whoever the message was about.
    pub subject: String,
    pub name: String,
    /// JSON; `None`: it is there no more.
    pub value: Option<String>,
    /// Epoch ms.
    pub set_ms: i64,
}

/// Variables that are read of one subject; an endpoint's own before those of its application.
pub(crate) const MOST_VARIABLES: usize = 1_000;

/// A variable that an earlier response set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// `None`: it is all endpoints' of the application.
    pub endpoint: Option<EndpointId>,
    pub name: String,
    /// JSON.
    pub value: String,
    /// Since when it has been there, epoch ms.
    pub created_ms: i64,
}

/// What a response asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub app: AppId,
    pub message: MessageId,
    pub endpoint: EndpointId,
    pub attempt: AttemptId,
    /// As in [`AttemptRecord::reply`].
    pub json: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Steady clock, epoch ms.
    pub due_ms: i64,
    /// Tries made so far.
    pub attempts: u32,
}

/// In the place of the tries made so far: somebody said that it is to be left out.
pub const SKIPPED: u32 = u32::MAX;

/// Resends of one message to one endpoint that may wait, beside the first.
pub const MORE_RESENDS: u32 = 20;

/// Deliveries that were sent by hand and come with one page of a line.
pub const BY_HAND: usize = 50;

/// A delivery that waits in the store: a retry, a resend, or one of a backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    pub delivery: DeliveryKey,
    pub due_ms: i64,
    /// Tries made so far.
    pub attempts: u32,
}

/// What of an endpoint's schedule is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    pub rows: Vec<Scheduled>,
    /// When the first one after that is due.
    pub next_ms: Option<i64>,
    /// Whether this node is the one that works on the endpoint's schedule; if not, there are no rows.
    pub owned: bool,
}

/// Where a delivery stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    Success,
    /// Not final: never tried yet, or to be tried again at `next_ms`.
    Pending {
        next_ms: Option<i64>,
    },
    Fail,
}

impl DeliveryState {
    /// The same by a clock that is so far ahead.
    pub(crate) fn ahead(self, ahead_ms: i64) -> DeliveryState {
        match self {
            DeliveryState::Pending { next_ms: Some(next_ms) } => {
                DeliveryState::Pending { next_ms: Some(next_ms + ahead_ms) }
            }
            state @ (DeliveryState::Pending { next_ms: None } | DeliveryState::Success | DeliveryState::Fail) => state,
        }
    }

    /// `last`: whether its last attempt succeeded; `next_ms`: when it is scheduled.
    pub(crate) fn of(last: Option<bool>, next_ms: Option<i64>) -> DeliveryState {
        match (last, next_ms) {
            (_, Some(next_ms)) if last != Some(true) => DeliveryState::Pending { next_ms: Some(next_ms) },
            (None, _) => DeliveryState::Pending { next_ms: None },
            (Some(true), _) => DeliveryState::Success,
            (Some(false), _) => DeliveryState::Fail,
        }
    }
}

/// How many deliveries of an endpoint stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub success: i64,
    pub pending: i64,
    pub fail: i64,
    /// Ended without a request, as the endpoint was disabled or deleted, or the message no longer there.
    pub cancelled: i64,
}

impl Standing {
    /// Counts deliveries by their last attempt, and whether another is to come.
    pub(crate) fn add(&mut self, success: bool, waits: bool, cancelled: bool, count: i64) {
        *match (success, waits, cancelled) {
            (true, ..) => &mut self.success,
            (false, true, _) => &mut self.pending,
            (false, false, true) => &mut self.cancelled,
            (false, false, false) => &mut self.fail,
        } += count;
    }
}
