//! Deliveries that wait in the schedule from their message's own commit, and what is there to be pulled, into the
//! transaction of a batch.

use super::session::Param;
use super::skew::Skew;
use crate::message::{Deliver, NewMessage};
use tokio_postgres::types::Type;

/// Rows in the schedule for the messages that were inserted, in their order.
pub const ORDERED: &str = "
INSERT INTO schedule (endpoint, message, manual, due_ms, attempts)
SELECT endpoint, message, false, due_ms, 0
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS g (message, endpoint, due_ms, n)
WHERE EXISTS (SELECT 1 FROM messages m WHERE m.id = g.message) ORDER BY n";

pub const POLLED: &str = "
INSERT INTO polled (endpoint, message)
SELECT endpoint, message FROM unnest($1::bigint[], $2::bigint[]) AS g (message, endpoint)
WHERE EXISTS (SELECT 1 FROM messages m WHERE m.id = g.message)";

/// What nodes may be wrong about their clocks: a message that was committed first must be due for whoever sees a later one.
const MARGIN_MS: i64 = 5_000;

/// The rows of a batch's messages.
#[derive(Default)]
pub struct OfMessages {
    messages: Vec<i64>,
    endpoints: Vec<i64>,
    due: Vec<i64>,
}

impl OfMessages {
    pub fn push_ordered(&mut self, id: i64, message: &NewMessage, skew: &Skew) {
        for endpoint in &message.ordered {
            self.messages.push(id);
            self.endpoints.push(endpoint.0);
            // One that is for later goes out no earlier.
            let margin_ms = if message.deliver == Deliver::AtOnce { MARGIN_MS } else { 0 };
            self.due.push(skew.to_database(message.due_ms) - margin_ms);
        }
    }

    pub fn push_polled(&mut self, id: i64, message: &NewMessage) {
        for endpoint in &message.polled {
            self.messages.push(id);
            self.endpoints.push(endpoint.0);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub fn params(&self) -> [Param<'_>; 3] {
        [(&self.messages, Type::INT8_ARRAY), (&self.endpoints, Type::INT8_ARRAY), (&self.due, Type::INT8_ARRAY)]
    }
}
