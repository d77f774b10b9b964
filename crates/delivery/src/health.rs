//! Since when an endpoint fails, and when that is too long.

use postrider_contract::DisableRules;
use std::collections::VecDeque;

/// A failure is written down only when it lasts, or an endpoint that fails now and then would cost
/// a write at every turn.
const WRITE_AFTER_MS: i64 = 60_000;

/// What is remembered of an endpoint's answers.
#[derive(Debug, Default)]
pub struct Health {
    failing_since: Option<i64>,
    /// Whether the store knows.
    written: bool,
    /// Times of the last failures, for contracts that count them.
    errors: VecDeque<i64>,
}

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Nothing,
    /// The store should know since when it fails, or that it no longer does.
    Write(Option<i64>),
    /// Too many failures: disable it.
    Disable(&'static str),
}

impl Health {
    pub fn new(failing_since_ms: Option<i64>) -> Health {
        Health { failing_since: failing_since_ms, written: failing_since_ms.is_some(), errors: VecDeque::new() }
    }

    pub fn is_good(&self) -> bool {
        self.failing_since.is_none()
    }

    /// Since when it has done nothing but fail, epoch ms.
    pub fn failing_since(&self) -> Option<i64> {
        self.failing_since
    }

    /// Starts over, as when the endpoint was enabled again.
    pub fn reset(&mut self) -> Verdict {
        let written = self.written;
        *self = Health::default();
        if written { Verdict::Write(None) } else { Verdict::Nothing }
    }

    pub fn succeeded(&mut self) -> Verdict {
        if self.failing_since.is_none() {
            return Verdict::Nothing;
        }
        let errors = std::mem::take(&mut self.errors);
        let verdict = self.reset();
        self.errors = errors;
        verdict
    }

    /// `exhausted`: it was the last try of its delivery, after retries.
    pub fn failed(&mut self, rules: &DisableRules, exhausted: bool, now_ms: i64) -> Verdict {
        let since = *self.failing_since.get_or_insert(now_ms);
        if rules.on_exhausted && exhausted {
            return Verdict::Disable("every retry of a message failed");
        }
        if let Some(limit) = rules.failing_for
            && now_ms - since >= i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)
        {
            return Verdict::Disable("nothing but failures for too long");
        }
        if let Some((count, within)) = rules.errors_within {
            let window = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
            self.errors.push_back(now_ms);
            while self.errors.front().is_some_and(|first| now_ms - first > window) {
                self.errors.pop_front();
            }
            if self.errors.len() > count as usize {
                return Verdict::Disable("too many errors in a short time");
            }
        }
        if !self.written && now_ms - since >= WRITE_AFTER_MS {
            self.written = true;
            return Verdict::Write(Some(since));
        }
        Verdict::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const DAY: i64 = 86_400_000;

    fn rules(failing_for: Option<u64>, on_exhausted: bool, errors_within: Option<(u32, Duration)>) -> DisableRules {
        DisableRules { failing_for: failing_for.map(Duration::from_secs), on_exhausted, errors_within }
    }

    #[test]
    fn five_days_of_failure_disable_and_one_success_starts_over() {
        let rules = rules(Some(5 * 86_400), false, None);
        let mut health = Health::default();
        assert_eq!(health.failed(&rules, false, 0), Verdict::Nothing);
        assert_eq!(health.failed(&rules, false, DAY), Verdict::Write(Some(0)));
        assert_eq!(health.failed(&rules, false, 4 * DAY), Verdict::Nothing);
        assert_eq!(health.succeeded(), Verdict::Write(None));
        assert_eq!(health.failed(&rules, false, 5 * DAY), Verdict::Nothing);
        assert!(matches!(health.failed(&rules, false, 10 * DAY), Verdict::Disable(_)));
    }

    #[test]
    fn more_than_a_hundred_errors_in_an_hour_disable() {
        let rules = rules(None, false, Some((100, Duration::from_secs(3_600))));
        let mut health = Health::default();
        for second in 0..100 {
            assert!(!matches!(health.failed(&rules, false, second * 36_001), Verdict::Disable(_)));
        }
        for second in 0..100 {
            let at = 2 * DAY + second;
            let verdict = health.failed(&rules, false, at);
            assert!(!matches!(verdict, Verdict::Disable(_)), "error {second} of the new hour");
        }
        assert!(matches!(health.failed(&rules, false, 2 * DAY + 100), Verdict::Disable(_)));
    }
}
