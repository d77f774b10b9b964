//! The one clock that generator and receiver share.

use std::sync::LazyLock;
use std::time::Instant;

static ZERO: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds on a monotonic clock; never 0, so that 0 can mean "not yet".
pub fn now_ns() -> u64 {
    let since = ZERO.elapsed().as_nanos();
    u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)
}

/// Seconds from one reading to a later one.
pub fn seconds(from_ns: u64, to_ns: u64) -> f64 {
    to_ns.saturating_sub(from_ns) as f64 / 1e9
}
