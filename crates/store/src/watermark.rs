//! Which messages recovery has to look at.
//!
//! A delivery that succeeds at once leaves no trace of having been pending, only its message and
//! its attempt. So that recovery need not read all of history, the store remembers a low-water
//! mark: every message below it has, for each endpoint, an attempt or a row in the schedule.

use crate::id::MessageId;
use std::collections::BTreeMap;

/// Messages whose first attempts are in memory alone, with how many of them.
#[derive(Debug, Default)]
pub struct Watermark {
    open: BTreeMap<MessageId, usize>,
    newest: i64,
}

impl Watermark {
    /// Starts where every message up to `newest` is settled.
    pub fn after(newest: i64) -> Watermark {
        Watermark { open: BTreeMap::new(), newest }
    }

    /// A message was committed and `deliveries` of it are in memory.
    pub fn committed(&mut self, message: MessageId, deliveries: usize) {
        self.newest = self.newest.max(message.0);
        if deliveries > 0 {
            self.open.insert(message, deliveries);
        }
    }

    /// One delivery of the message now has an attempt or a row.
    pub fn settled(&mut self, message: MessageId) {
        if let Some(left) = self.open.get_mut(&message) {
            *left -= 1;
            if *left == 0 {
                self.open.remove(&message);
            }
        }
    }

    /// Recovery starts at this message id.
    pub fn mark(&self) -> i64 {
        self.open.first_key_value().map_or(self.newest + 1, |(message, _)| message.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stays_at_the_oldest_message_with_an_unsettled_delivery() {
        let mut mark = Watermark::after(10);
        assert_eq!(mark.mark(), 11);
        mark.committed(MessageId(20), 2);
        mark.committed(MessageId(30), 1);
        mark.committed(MessageId(40), 0);
        mark.settled(MessageId(30));
        mark.settled(MessageId(20));
        assert_eq!(mark.mark(), 20);
        mark.settled(MessageId(20));
        assert_eq!(mark.mark(), 41);
    }
}
