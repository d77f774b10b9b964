//! How long things are kept.

use crate::id::first_of_ms;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How long a job that is done is shown.
pub const TASK_MS: i64 = 30 * DAY_MS;

/// Times for each kind of thing. Nothing goes before the last delivery of its message is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days that messages with their payloads may be kept: a message is in one of these classes.
    pub message_days: Vec<u16>,
    /// The class of messages that ask for none.
    pub default_days: u16,
    /// Days that attempts are kept, counted from their message: not less than any class.
    pub attempt_days: u16,
    /// Hours in which a request with the same idempotency key is answered as the first.
    pub key_hours: u16,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { message_days: vec![7, 30, 90], default_days: 90, attempt_days: 90, key_hours: 24 }
    }
}

impl Retention {
    /// The class for a message that is to be kept so many days: the shortest that is long enough.
    pub fn class(&self, days: Option<u16>) -> u16 {
        let wanted = days.unwrap_or(self.default_days);
        let enough = self.message_days.iter().filter(|class| **class >= wanted).min();
        *enough.or(self.message_days.iter().max()).unwrap_or(&wanted)
    }

    /// Messages of a class with lower ids are kept no longer.
    pub fn first_message(&self, class: u16, now_ms: i64) -> i64 {
        first_of_ms(now_ms - i64::from(class) * DAY_MS)
    }

    /// Attempts of messages with lower ids are kept no longer.
    pub fn first_attempted(&self, now_ms: i64) -> i64 {
        first_of_ms(now_ms - i64::from(self.attempt_days) * DAY_MS)
    }

    /// Idempotency keys that came before this stand for nothing.
    pub fn first_key_ms(&self, now_ms: i64) -> i64 {
        now_ms - i64::from(self.key_hours) * HOUR_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_gets_the_shortest_class_that_is_long_enough() {
        let retention = Retention::default();
        let classes = [None, Some(5), Some(7), Some(8), Some(90), Some(400)].map(|days| retention.class(days));
        assert_eq!(classes, [90, 7, 7, 30, 90, 90]);
    }
}
