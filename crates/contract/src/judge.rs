//! What a response means.

use std::time::{Duration, UNIX_EPOCH};

/// The longest `Retry-After` that is honoured for a message.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(86_400);
/// The same for all that an endpoint gets: after it, one attempt shows whether the endpoint still wants nothing.
const MAX_HOLD: Duration = Duration::from_secs(3_600);

/// What of a response counts.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header.
    pub retry_after: Option<&'a str>,
    /// The `webhook-delivery` header.
    pub delivery: Option<&'a str>,
    /// Wall clock, milliseconds since the epoch.
    pub now_ms: i64,
}

/// What it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Delivered, to be tried again, or failed.
    pub outcome: Outcome,
    /// The endpoint is to be disabled.
    pub disable: bool,
    /// The endpoint gets more than it can take.
    pub overloaded: bool,
    /// It asked to get nothing for so long.
    pub hold: Option<Duration>,
    /// The next try is not to come earlier.
    pub retry_after: Option<Duration>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered.
    Success,
    /// Failed, and worth another try.
    Retry,
    /// Failed for good.
    Fail,
}

/// A status or a class of them: `204`, `"2xx"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    One(u16),
    Class(u16),
}

impl Status {
    /// `2xx` and its like.
    pub fn class(text: &str) -> Option<Status> {
        let class = text.strip_suffix("xx")?.parse().ok()?;
        (1..=5).contains(&class).then_some(Status::Class(class))
    }
}

/// A contract's rules for responses.
#[derive(Clone, Debug)]
pub struct JudgeRules {
    pub success: Vec<Status>,
    /// `None`: everything that is no success.
    pub retry: Option<Vec<Status>>,
    pub disable: Vec<Status>,
    pub slow_down: Vec<Status>,
    pub retry_after: bool,
    /// Whether the receiver may say by the header `webhook-delivery` what becomes of its messages.
    pub delivery_control: bool,
}

impl JudgeRules {
    pub fn judge(&self, answer: &Answer<'_>) -> Judgement {
        let is = |statuses: &[Status]| statuses.iter().any(|status| status.holds(answer.status));
        let instructed = |word: &str| {
            let instructions = answer.delivery.filter(|_| self.delivery_control).unwrap_or_default();
            instructions.split(',').any(|instruction| instruction.trim().eq_ignore_ascii_case(word))
        };
        let disable = is(&self.disable) || instructed("disable");
        let outcome = if is(&self.success) {
            Outcome::Success
        } else if !disable && !instructed("abort-message") && self.retry.as_deref().is_none_or(is) {
            Outcome::Retry
        } else {
            Outcome::Fail
        };
        let asked = answer.retry_after.filter(|_| self.retry_after && outcome == Outcome::Retry);
        let retry_after = asked.and_then(|text| retry_after(text, answer.now_ms));
        let overloaded = is(&self.slow_down);
        let hold = retry_after.filter(|_| overloaded).map(|wait| wait.min(MAX_HOLD));
        Judgement { outcome, disable, overloaded, hold, retry_after }
    }
}

impl Status {
    fn holds(self, status: u16) -> bool {
        match self {
            Status::One(one) => one == status,
            Status::Class(class) => status / 100 == class,
        }
    }
}

/// Seconds, or a date in one of the three forms of HTTP (RFC 9110, section 5.6.7). Fractions of seconds are not allowed by
/// the standard, and are sent.
fn retry_after(text: &str, now_ms: i64) -> Option<Duration> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if is_number(whole) && is_number(fraction) {
        // More digits than fit are a long time. A started second is waited for.
        let started = u64::from(fraction.bytes().any(|digit| digit != b'0'));
        let seconds = whole.parse().unwrap_or(u64::MAX).saturating_add(started);
        return Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
    }
    let until = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
    Some(until.saturating_sub(now).min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_a_day() {
        let now_ms = 1_700_000_000_000;
        assert_eq!(retry_after("120", now_ms), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Tue, 14 Nov 2023 22:14:20 GMT", now_ms), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Tue Nov 14 22:14:20 2023", now_ms), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Tuesday, 14-Nov-23 22:14:20 GMT", now_ms), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("1.5", now_ms), Some(Duration::from_secs(2)));
        assert_eq!(retry_after(" 3.0 ", now_ms), Some(Duration::from_secs(3)));
        assert_eq!(retry_after("99999999999999999999999999", now_ms), Some(MAX_RETRY_AFTER));
        assert_eq!(retry_after("Tue, 14 Nov 2000 22:14:20 GMT", now_ms), Some(Duration::ZERO));
        assert_eq!(retry_after("99999999", now_ms), Some(MAX_RETRY_AFTER));
        for text in ["soon", "", "-5", "1.", ".5", "1e3"] {
            assert_eq!(retry_after(text, now_ms), None, "{text:?}");
        }
    }
}
