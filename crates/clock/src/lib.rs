//! Time as an argument.
//!
//! Everything that decides by time takes a [`Clock`]. The server runs on [`Clock::system`]; a test
//! makes a [`Clock::manual`] and moves it by hand, so that a week of retries passes in a second.
//!
//! Two times are told apart, because a wall clock can be set back and a schedule must not care:
//! *wall* is what people and receivers see (timestamps, signatures), *steady* only ever goes
//! forward (due times, holds). Both are milliseconds since the epoch, and at start they agree.

// This crate is the one place where the machine's clocks are read.
#![allow(clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// What a manual clock shows, epoch ms.
#[derive(Clone, Copy, Debug)]
struct Hands {
    wall: i64,
    steady: i64,
}

/// A source of time, cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { started_wall: i64, started: Instant },
    Manual(Arc<watch::Sender<Hands>>),
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Clock {
        Clock(Kind::System { started_wall: system_wall_ms(), started: Instant::now() })
    }

    /// A clock that stands still until [`Clock::advance`].
    pub fn manual(start_ms: i64) -> Clock {
        Clock(Kind::Manual(Arc::new(watch::Sender::new(Hands { wall: start_ms, steady: start_ms }))))
    }

    /// Whether it is the machine's own.
    pub fn is_system(&self) -> bool {
        matches!(self.0, Kind::System { .. })
    }

    /// Milliseconds since the epoch, as the machine's wall clock tells them now.
    pub fn wall_ms(&self) -> i64 {
        match &self.0 {
            Kind::System { .. } => system_wall_ms(),
            Kind::Manual(now) => now.borrow().wall,
        }
    }

    /// Milliseconds since the epoch by a clock that never goes back while the process lives.
    pub fn steady_ms(&self) -> i64 {
        match &self.0 {
            Kind::System { started_wall, started } => {
                started_wall + i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX / 2)
            }
            Kind::Manual(now) => now.borrow().steady,
        }
    }

    /// How far the wall clock is ahead of the steady one, ms: 0 at start, other when somebody set the wall clock or the
    /// machine was asleep.
    pub fn ahead_ms(&self) -> i64 {
        self.wall_ms() - self.steady_ms()
    }

    /// Returns once [`Clock::steady_ms`] has reached `at_ms`.
    pub async fn sleep_until(&self, at_ms: i64) {
        match &self.0 {
            Kind::System { .. } => {
                let wait = u64::try_from(at_ms - self.steady_ms()).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            Kind::Manual(now) => {
                let mut seen = now.subscribe();
                // The sender lives as long as this clock, so waiting can't fail.
                let _ = seen.wait_for(|now| now.steady >= at_ms).await;
            }
        }
    }

    /// Moves a manual clock forward; the system's clock can't be moved and ignores it.
    pub fn advance(&self, by: Duration) {
        if let Kind::Manual(now) = &self.0 {
            let by_ms = i64::try_from(by.as_millis()).unwrap_or(0);
            now.send_modify(|now| (now.wall, now.steady) = (now.wall + by_ms, now.steady + by_ms));
        }
    }

    /// Sets a manual clock's wall time, as people set a machine's clock; the steady time goes on.
    pub fn set_wall(&self, wall_ms: i64) {
        if let Kind::Manual(now) = &self.0 {
            now.send_modify(|now| now.wall = wall_ms);
        }
    }
}

fn system_wall_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_who_waits_for_a_time() {
        let clock = Clock::manual(1_000);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(61_000).await;
                clock.steady_ms()
            }
        });
        clock.advance(Duration::from_secs(30));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(30));
        assert_eq!(sleeper.await.unwrap(), 61_000);
    }
}
