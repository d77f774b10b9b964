//! So many a second, spread evenly.

/// How far behind an even pace may fall and catch up, where turns are closer than that; µs.
const CATCH_UP_US: i64 = 10_000;

/// When the next one may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Steady clock, epoch µs.
    next_us: i64,
}

impl Pace {
    /// When the next may go, steady ms.
    pub fn ready_at(&self) -> i64 {
        self.next_us / 1_000
    }

    /// Until then a new pace would let more go than this one, steady ms.
    pub fn remembers_until(&self) -> i64 {
        (self.next_us + CATCH_UP_US) / 1_000
    }

    pub fn is_ready(&self, now_ms: i64) -> bool {
        self.ready_at() <= now_ms
    }

    /// One goes now, `rate` in a second.
    pub fn take(&mut self, now_ms: i64, rate: u16) {
        let rate = i64::from(rate.max(1));
        let interval_us = (1_000_000 + rate - 1) / rate;
        let behind_us = if interval_us < CATCH_UP_US { CATCH_UP_US } else { 0 };
        self.next_us = self.next_us.max(now_ms * 1_000 - behind_us) + interval_us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_as_many_as_the_rate_says_however_often_one_looks() {
        for (rate, every_ms) in [(1, 1), (10, 1), (300, 1), (999, 3), (5_000, 5)] {
            let mut pace = Pace::default();
            let mut started = 0;
            for now_ms in (1_000_000..1_001_000).step_by(every_ms) {
                while pace.is_ready(now_ms) {
                    pace.take(now_ms, rate);
                    started += 1;
                }
            }
            let allowed = i64::from(rate)..=i64::from(rate) + i64::from(rate) / 50;
            assert!(allowed.contains(&started), "{started} at {rate} a second");
        }
    }
}
