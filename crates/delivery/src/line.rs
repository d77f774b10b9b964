//! The line before an endpoint that gets its messages in order: one delivery at a time, and the next when the outcome of
//! the last is on disk. One that is to be tried again holds all others until then.

use postrider_store::message::DeliveryKey;

/// See the module.
#[derive(Debug, Default)]
pub struct Line {
    /// Under way, or done and not yet recorded.
    under_way: Option<DeliveryKey>,
    /// The first one waits for its next try, steady ms.
    held_until: Option<i64>,
}

impl Line {
    pub fn started(&mut self, delivery: DeliveryKey) {
        self.under_way = Some(delivery);
    }

    pub fn recorded(&mut self, delivery: DeliveryKey) {
        if self.under_way == Some(delivery) {
            self.under_way = None;
        }
    }

    pub fn is_free(&self) -> bool {
        self.under_way.is_none()
    }

    pub fn hold(&mut self, until_ms: i64) {
        self.held_until = Some(until_ms);
    }

    pub fn release(&mut self) {
        self.held_until = None;
    }

    /// When something due then is worth a look: not while another holds it back.
    pub fn not_before(&self, due_ms: i64) -> i64 {
        self.held_until.map_or(due_ms, |held_until| due_ms.max(held_until))
    }
}
