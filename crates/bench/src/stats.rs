//! Percentiles.

use serde::Serialize;

/// How long something took, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// The spread of durations in nanoseconds; `None` without any.
pub fn spread(mut ns: Vec<u64>) -> Option<Spread> {
    ns.sort_unstable();
    let at = |share: f64| {
        // The smallest value that at least this share does not exceed.
        let rank = (share * ns.len() as f64).ceil() as usize;
        ns.get(rank.max(1) - 1).map(|ns| rounded(*ns as f64 / 1e6, 3))
    };
    Some(Spread { p50_ms: at(0.5)?, p99_ms: at(0.99)?, max_ms: at(1.0)? })
}

/// `value` with so many digits behind the point: more would pretend to a precision that isn't there.
pub fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

/// A rate a second; 0 when no time passed.
pub fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { rounded(count as f64 / seconds, 1) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let ns = (1..=100).rev().map(|ms| ms * 1_000_000).collect();
        assert_eq!(spread(ns), Some(Spread { p50_ms: 50.0, p99_ms: 99.0, max_ms: 100.0 }));
        assert_eq!(spread(vec![2_000_000]).map(|spread| spread.p50_ms), Some(2.0));
        assert_eq!(spread(vec![]), None);
    }
}
