//! When to try again.

use crate::expression::Compiled;
use minijinja::context;
use std::time::Duration;

/// The longest that one delay may be.
pub const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// A contract's schedule.
#[derive(Debug)]
pub struct RetryRules {
    pub delays: Delays,
    /// Part of a delay that is added at random, 0 to 1.
    pub jitter: f64,
}

#[derive(Debug)]
pub enum Delays {
    /// Seconds from and to, for each retry.
    List(Vec<(f64, f64)>),
    /// An expression over `n` (1 for the first retry) and `random` (0 to 1), for `count` retries.
    Formula { delay: Compiled, count: u32 },
}

impl RetryRules {
    /// The delay after `attempts` failed tries.
    pub fn delay(&self, schedule: Option<&[u32]>, attempts: u32, random: u64) -> Option<Duration> {
        let index = usize::try_from(attempts).ok()?.checked_sub(1)?;
        // 53 bits make every double between 0 and 1.
        let random = (random >> 11) as f64 / (1u64 << 53) as f64;
        let (seconds, jitter) = match (schedule, &self.delays) {
            (Some(schedule), _) => (f64::from(*schedule.get(index)?), self.jitter),
            (None, Delays::List(list)) => {
                let (from, to) = *list.get(index)?;
                (from + (to - from) * random, self.jitter)
            }
            (None, Delays::Formula { delay, count }) => {
                if attempts > *count {
                    return None;
                }
                // A formula that fails must not lose the delivery: an hour is a safe guess.
                let value = delay.eval(&context! { n => attempts, random => random }).ok();
                (value.and_then(|value| f64::try_from(value).ok()).unwrap_or(3_600.0), self.jitter)
            }
        };
        // A formula may go below zero or astray; the retry is made all the same, within its bounds.
        let seconds = seconds * (1.0 + jitter * random);
        Duration::try_from_secs_f64(seconds.clamp(0.0, LONGEST.as_secs_f64())).ok().or(Some(LONGEST))
    }
}
