//! Which messages recovery has to look at.
//!
//! A delivery that succeeds at once leaves no trace of having been pending, only its message and its attempt. So that
//! recovery need not read all of history, the store remembers a low-water mark: every message below it has, for each
//! endpoint, an attempt or a row in the schedule.
//!
//! Settling is per delivery: to settle one twice changes nothing for the other deliveries of its message.

use crate::id::{EndpointId, MessageId};
use crate::message::DeliveryKey;
use std::collections::BTreeMap;

/// Messages with deliveries that are in memory alone, and to which endpoints these go.
#[derive(Debug, Default)]
pub struct Watermark {
    open: BTreeMap<MessageId, Vec<EndpointId>>,
    newest: i64,
}

impl Watermark {
    /// Starts where every message up to `newest` is settled.
    pub fn after(newest: i64) -> Watermark {
        Watermark { open: BTreeMap::new(), newest }
    }

    /// A message was committed, and its deliveries to `endpoints` are in memory.
    pub fn committed(&mut self, message: MessageId, endpoints: Vec<EndpointId>) {
        self.newest = self.newest.max(message.0);
        if !endpoints.is_empty() {
            self.open.insert(message, endpoints);
        }
    }

    /// The delivery has an attempt or a row. A resend is a delivery of its own, and is never in memory alone.
    pub fn settled(&mut self, delivery: DeliveryKey) {
        if delivery.manual {
            return;
        }
        if let Some(endpoints) = self.open.get_mut(&delivery.message) {
            if let Some(place) = endpoints.iter().position(|endpoint| *endpoint == delivery.endpoint) {
                endpoints.swap_remove(place);
            }
            if endpoints.is_empty() {
                self.open.remove(&delivery.message);
            }
        }
    }

    /// Every id that will be given out is greater than `id`.
    pub fn passed(&mut self, id: i64) {
        self.newest = self.newest.max(id);
    }

    /// Recovery starts at this message id.
    pub fn mark(&self) -> i64 {
        self.open.first_key_value().map_or(self.newest + 1, |(message, _)| message.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(message: i64, endpoint: i64) -> DeliveryKey {
        DeliveryKey { message: MessageId(message), endpoint: EndpointId(endpoint), manual: false }
    }

    #[test]
    fn the_mark_stays_at_the_oldest_message_with_an_unsettled_delivery() {
        let mut mark = Watermark::after(10);
        assert_eq!(mark.mark(), 11);
        mark.committed(MessageId(20), vec![EndpointId(1), EndpointId(2)]);
        mark.committed(MessageId(30), vec![EndpointId(1)]);
        mark.committed(MessageId(40), vec![]);
        mark.settled(delivery(30, 1));
        mark.settled(delivery(20, 1));
        mark.settled(delivery(20, 1));
        mark.settled(DeliveryKey { manual: true, ..delivery(20, 2) });
        assert_eq!(mark.mark(), 20, "neither the first delivery, settled twice, nor a resend settles the second");
        mark.settled(delivery(20, 2));
        assert_eq!(mark.mark(), 41);
        mark.passed(50);
        assert_eq!(mark.mark(), 51);
    }
}
