//! One delivery in memory.

use postrider_store::message::{DeliveryKey, Message, Scheduled};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Payload bytes that waiting deliveries may keep in memory; beyond it they are read when sent.
const HELD_BYTES: usize = 48 << 20;

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
    /// It got its turn because its endpoint is disabled or deleted: it ends, whatever becomes of the endpoint meanwhile.
    pub gone: bool,
}

impl Job {
    pub fn from_store(row: Scheduled, now_ms: i64) -> Job {
        Job {
            delivery: row.delivery,
            attempts: row.attempts,
            stored: true,
            message: None,
            since_ms: now_ms,
            gone: false,
        }
    }
}

/// A message whose payload is counted while deliveries hold it.
#[derive(Debug)]
pub struct Held {
    pub message: Arc<Message>,
    bytes: Arc<AtomicUsize>,
}

impl Held {
    /// Counts the message, or refuses when too much is held already.
    pub fn new(message: Arc<Message>, bytes: &Arc<AtomicUsize>) -> Option<Arc<Held>> {
        let size = message.payload.len();
        if bytes.fetch_add(size, Ordering::Relaxed) + size > HELD_BYTES {
            bytes.fetch_sub(size, Ordering::Relaxed);
            return None;
        }
        Some(Arc::new(Held { message, bytes: bytes.clone() }))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.bytes.fetch_sub(self.message.payload.len(), Ordering::Relaxed);
    }
}
