//! One delivery in memory.

use postrider_fair::{Pool, Taken};
use postrider_store::id::AppId;
use postrider_store::message::{DeliveryKey, Message, Scheduled};
use std::sync::Arc;

/// Payload bytes that waiting deliveries may keep in memory; beyond it they are read when sent.
const HELD_BYTES: usize = 96 << 20;

/// A delivery that is ready or under way.
#[derive(Debug)]
pub struct Job {
    pub delivery: DeliveryKey,
    /// Tries made so far.
    pub attempts: u32,
    /// Whether it has a row in the store's schedule.
    pub stored: bool,
    /// Its message, when it came straight from acceptance.
    pub message: Option<Arc<Held>>,
    /// Steady clock, epoch ms.
    pub since_ms: i64,
    /// Whose it is.
    pub app: AppId,
    /// It got its turn because its endpoint is disabled or deleted: it ends, whatever becomes of the endpoint meanwhile.
    pub gone: bool,
}

impl Job {
    pub fn from_store(row: Scheduled, app: AppId, now_ms: i64) -> Job {
        Job {
            delivery: row.delivery,
            attempts: row.attempts,
            stored: true,
            message: None,
            since_ms: now_ms,
            app,
            gone: false,
        }
    }
}

/// A message that came straight from acceptance, with the room that its payload takes while deliveries hold it.
#[derive(Debug)]
pub struct Held {
    pub message: Arc<Message>,
    _room: Taken<AppId>,
}

impl Held {
    /// The room for payloads of waiting deliveries.
    pub fn room() -> Pool<AppId> {
        Pool::new(HELD_BYTES)
    }

    /// Holds the message, unless its application holds too much already.
    pub fn new(message: Arc<Message>, room: &Pool<AppId>) -> Option<Arc<Held>> {
        let taken = room.try_take(message.app, message.payload.len())?;
        Some(Arc::new(Held { message, _room: taken }))
    }
}
