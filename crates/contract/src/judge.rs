//! What a response means.

use std::time::Duration;
use time::format_description::well_known::Rfc2822;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// The longest `Retry-After` that is honoured.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);

/// What of a response counts.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header.
    pub retry_after: Option<&'a str>,
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
}

impl JudgeRules {
    pub fn judge(&self, answer: &Answer<'_>) -> Judgement {
        let is = |statuses: &[Status]| statuses.iter().any(|status| status.holds(answer.status));
        let disable = is(&self.disable);
        let outcome = if is(&self.success) {
            Outcome::Success
        } else if !disable && self.retry.as_deref().is_none_or(is) {
            Outcome::Retry
        } else {
            Outcome::Fail
        };
        let asked = answer.retry_after.filter(|_| self.retry_after && outcome == Outcome::Retry);
        let retry_after = asked.and_then(|text| retry_after(text, answer.now_ms));
        let overloaded = is(&self.slow_down);
        let hold = retry_after.filter(|_| overloaded);
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

/// Seconds, or a date.
fn retry_after(text: &str, now_ms: i64) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long time.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)).min(LONGEST_RETRY_AFTER));
    }
    let wait = http_date(text)?.unix_timestamp().saturating_mul(1_000).saturating_sub(now_ms);
    Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)).min(LONGEST_RETRY_AFTER))
}

/// A date as HTTP writes it, or as C's `asctime` does, which HTTP still allows.
fn http_date(text: &str) -> Option<OffsetDateTime> {
    let asctime = format_description!(
        "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
    );
    OffsetDateTime::parse(&text.replace("GMT", "+0000"), &Rfc2822)
        .or_else(|_| PrimitiveDateTime::parse(text, asctime).map(PrimitiveDateTime::assume_utc))
        .ok()
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
        assert_eq!(retry_after("99999999999999999999999999", now_ms), Some(LONGEST_RETRY_AFTER));
        assert_eq!(retry_after("Tue, 14 Nov 2000 22:14:20 GMT", now_ms), Some(Duration::ZERO));
        assert_eq!(retry_after("99999999", now_ms), Some(LONGEST_RETRY_AFTER));
        assert_eq!(retry_after("soon", now_ms), None);
    }
}
