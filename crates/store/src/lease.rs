//! How long this process may still send.
//!
//! The lease in the database ends by the database's clock; the node's own view of it began earlier,
//! before the renewal was sent, and ends a margin earlier, so a node stops before others take over,
//! also when it was paused or cut off and knows of nothing.

use postrider_clock::Clock;
use std::sync::atomic::{AtomicI64, Ordering};

/// See the module.
#[derive(Debug)]
pub struct Lease {
    clock: Clock,
    lasts_ms: i64,
    renewed_ms: AtomicI64,
}

impl Lease {
    /// A lease that lasts so long each time, by a clock of its own: it is about real time even where
    /// a test moves the schedule's.
    pub fn new(clock: Clock, lasts_ms: i64) -> Lease {
        Lease { clock, lasts_ms, renewed_ms: AtomicI64::new(i64::MIN / 2) }
    }

    /// The embedded database's: it never ends.
    pub fn endless() -> Lease {
        Lease { clock: Clock::system(), lasts_ms: i64::MAX / 4, renewed_ms: AtomicI64::new(0) }
    }

    pub fn now_ms(&self) -> i64 {
        self.clock.steady_ms()
    }

    /// It was renewed by a request that was sent at `sent_ms`.
    pub fn renew(&self, sent_ms: i64) {
        self.renewed_ms.fetch_max(sent_ms, Ordering::Relaxed);
    }

    /// Whether this node may begin to send something.
    pub fn is_held(&self) -> bool {
        self.age() < self.lasts_ms * 3 / 4
    }

    pub fn wants_renewal(&self) -> bool {
        self.age() >= self.lasts_ms / 4
    }

    fn age(&self) -> i64 {
        self.now_ms() - self.renewed_ms.load(Ordering::Relaxed)
    }
}
