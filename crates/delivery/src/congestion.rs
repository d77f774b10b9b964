//! How fast an endpoint may be sent to, as it shows by its answers.
//!
//! An endpoint is sent to without a limit until it refuses: with 429, 502, 503 or 504, by not answering in time, or by
//! not being there. From then on it has a pace. Each refusal lowers the pace below what the endpoint took, and the pace
//! comes back along a cubic curve (as TCP CUBIC's window does): fast at first, slowly around the pace that was refused
//! last, then ever faster, until nothing limits it any more. An endpoint that refuses time after time is asked ever more
//! rarely, down to once a second; when it answers again, the pace starts from there and quadruples with each second.

use std::collections::VecDeque;

/// The pace of an endpoint that is down, in requests a second.
const SLOWEST: f64 = 1.0;
/// After a refusal the pace is this part of what was refused.
const AFTER_REFUSAL: f64 = 0.85;
/// How long the pace takes to come back to what was refused: at least so long, and so many requests.
const COMEBACK_MS: f64 = 5_000.0;
const COMEBACK_REQUESTS: f64 = 40.0;
/// After so many times the comeback without a refusal nothing limits the endpoint any more.
const FORGOTTEN_AFTER: f64 = 10.0;
/// The pause after a refusal doubles with each that follows.
const FIRST_PAUSE_MS: i64 = 40;
const LONGEST_PAUSE_MS: i64 = 1_000;
/// Refusals in a row after which the endpoint counts as down.
const DOWN_AFTER: u32 = 7;
/// What one success adds to the pace of an endpoint that was down.
const SLOW_START: f64 = 3.0;
/// After so long without a refusal its pace limits it no more.
const SLOW_START_MS: i64 = 60_000;
/// Successes are counted over so long.
const COUNTED_MS: i64 = 1_000;
/// How far behind an even pace may fall and catch up, µs.
const CATCH_UP_US: i64 = 10_000;

impl Pace {
    /// What was refused last, as far as it is known.
    fn refused(self) -> Option<f64> {
        match self {
            Pace::Unlimited => None,
            Pace::SlowStart { refused, .. } => refused,
            Pace::Cubic { refused, .. } => Some(refused),
        }
    }
}

/// See the module. Times are steady, epoch ms.
#[derive(Debug, Default)]
pub struct Congestion {
    pace: Pace,
    /// Refusals since the last success.
    in_a_row: u32,
    /// Requests that began before it say nothing new.
    refused_ms: i64,
    paused_until_ms: i64,
    /// When the next request may go by the pace, epoch µs.
    next_us: i64,
    /// When the last successes were.
    successes: VecDeque<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Pace {
    /// Nothing limits the endpoint.
    #[default]
    Unlimited,
    /// What it can take is not known: the pace grows with each success. If a pace was refused before the endpoint went
    /// down, it is approached as one that was refused.
    SlowStart { rate: f64, refused: Option<f64>, since_ms: i64 },
    /// So many requests a second were refused then.
    Cubic { refused: f64, since_ms: i64 },
}

impl Congestion {
    /// When the next request may go.
    pub fn ready_at(&self, now_ms: i64) -> i64 {
        let paced_ms = if self.rate(now_ms).is_some() { self.next_us / 1_000 } else { 0 };
        self.paused_until_ms.max(paced_ms)
    }

    /// Until then it is worth remembering: a new one would let more go.
    pub fn remembers_until(&self) -> i64 {
        match self.pace {
            Pace::Unlimited => self.paused_until_ms,
            Pace::SlowStart { since_ms, .. } => since_ms + SLOW_START_MS,
            Pace::Cubic { refused, since_ms } => since_ms + (comeback_ms(refused) * FORGOTTEN_AFTER) as i64,
        }
    }

    /// The endpoint refuses whatever it gets.
    pub fn is_down(&self) -> bool {
        self.in_a_row >= DOWN_AFTER
    }

    /// A request goes.
    pub fn started(&mut self, now_ms: i64) {
        match self.rate(now_ms) {
            Some(rate) => {
                let interval_us = (1_000_000.0 / rate) as i64;
                let behind_us = if interval_us < CATCH_UP_US { CATCH_UP_US } else { 0 };
                self.next_us = self.next_us.max(now_ms * 1_000 - behind_us) + interval_us;
            }
            None => self.pace = Pace::Unlimited,
        }
    }

    /// A request was taken.
    pub fn succeeded(&mut self, now_ms: i64) {
        self.in_a_row = 0;
        self.forget_old(now_ms);
        self.successes.push_back(now_ms);
        if let Pace::SlowStart { rate, refused, since_ms } = self.pace {
            let rate = rate + SLOW_START;
            self.pace = match refused {
                // From here the curve leads on.
                Some(refused) if rate >= refused * AFTER_REFUSAL => Pace::Cubic { refused, since_ms: now_ms },
                _ => Pace::SlowStart { rate, refused, since_ms },
            };
            self.next_us = self.next_us.min(now_ms * 1_000 + (1_000_000.0 / rate) as i64);
        }
    }

    /// A request that began at `started_ms` was refused.
    pub fn refused(&mut self, started_ms: i64, now_ms: i64) {
        if started_ms < self.refused_ms {
            return;
        }
        self.in_a_row += 1;
        let pause_ms = FIRST_PAUSE_MS << self.in_a_row.min(8).saturating_sub(1);
        self.paused_until_ms = now_ms + pause_ms.min(LONGEST_PAUSE_MS);
        self.refused_ms = now_ms;
        self.forget_old(now_ms);
        let again = self.in_a_row > 1;
        self.pace = match self.pace {
            // What it took may be all that there was, so the pace grows from there until it is refused.
            Pace::Unlimited => {
                let taken = self.successes.len() as f64 * AFTER_REFUSAL;
                Pace::SlowStart { rate: taken.max(SLOWEST), refused: None, since_ms: now_ms }
            }
            _ if self.is_down() => Pace::SlowStart { rate: SLOWEST, refused: self.pace.refused(), since_ms: now_ms },
            // The first of them has lowered it, and a second may be the rest of a time that is used up. More of them
            // show that the pace was far too high.
            Pace::Cubic { refused, .. } if self.in_a_row == 3 => {
                Pace::Cubic { refused: self.at_most(refused), since_ms: now_ms }
            }
            Pace::Cubic { refused, .. } if again => Pace::Cubic { refused, since_ms: now_ms },
            Pace::SlowStart { .. } if again => self.pace,
            Pace::SlowStart { rate, .. } => Pace::Cubic { refused: rate, since_ms: now_ms },
            Pace::Cubic { refused, since_ms } => {
                Pace::Cubic { refused: cubic(refused, now_ms - since_ms), since_ms: now_ms }
            }
        };
    }

    /// A pace that was refused, but little more than what was taken in the last second.
    fn at_most(&self, rate: f64) -> f64 {
        rate.min(self.successes.len() as f64 * 1.1).max(SLOWEST)
    }

    /// Requests a second; `None`: as many as there are.
    fn rate(&self, now_ms: i64) -> Option<f64> {
        match self.pace {
            Pace::Unlimited => None,
            Pace::SlowStart { rate, since_ms, .. } => (now_ms - since_ms < SLOW_START_MS).then_some(rate),
            Pace::Cubic { refused, since_ms } => {
                let age_ms = now_ms - since_ms;
                let forgotten = age_ms as f64 >= comeback_ms(refused) * FORGOTTEN_AFTER;
                (!forgotten).then(|| cubic(refused, age_ms))
            }
        }
    }

    fn forget_old(&mut self, now_ms: i64) {
        while self.successes.front().is_some_and(|at| *at <= now_ms - COUNTED_MS) {
            self.successes.pop_front();
        }
    }
}

/// How long the pace takes to come back to one that was refused.
fn comeback_ms(refused: f64) -> f64 {
    COMEBACK_MS.max(COMEBACK_REQUESTS / refused * 1_000.0)
}

/// The pace so long after `refused` requests a second were too many.
fn cubic(refused: f64, age_ms: i64) -> f64 {
    let distance = age_ms as f64 / comeback_ms(refused) - 1.0;
    (refused * (1.0 + (1.0 - AFTER_REFUSAL) * distance.powi(3))).max(SLOWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A receiver in a simulation: whether it takes a request that comes now.
    type Receiver<'a> = dyn FnMut(i64) -> bool + 'a;

    /// It takes so many in each second of the clock.
    fn by_the_second(capacity: u32) -> impl FnMut(i64) -> bool {
        let (mut second, mut left) = (0, capacity);
        move |now_ms| {
            if now_ms / 1_000 != second {
                (second, left) = (now_ms / 1_000, capacity);
            }
            let takes = left > 0;
            left -= u32::from(takes);
            takes
        }
    }

    /// It takes so many a second, spread evenly, and a tenth of them at once.
    fn evenly(capacity: u32) -> impl FnMut(i64) -> bool {
        let (mut tokens, mut last_ms) = (1.0_f64, 0);
        move |now_ms| {
            let rate = f64::from(capacity);
            tokens = (tokens + (now_ms - last_ms) as f64 * rate / 1_000.0).min((rate / 10.0).max(1.0));
            last_ms = now_ms;
            let takes = tokens >= 1.0;
            tokens -= f64::from(u8::from(takes));
            takes
        }
    }

    /// Sends as fast as it may for this time, each answered after 2 ms. What was taken, and what was refused.
    fn send(congestion: &mut Congestion, from_ms: i64, for_ms: i64, receiver: &mut Receiver<'_>) -> (u32, u32) {
        let (mut taken, mut refused) = (0, 0);
        let mut answers: VecDeque<(i64, i64, bool)> = VecDeque::new();
        for now_ms in from_ms..from_ms + for_ms {
            while answers.front().is_some_and(|(at, ..)| *at <= now_ms) {
                let (_, started_ms, takes) = answers.pop_front().unwrap();
                match takes {
                    true => congestion.succeeded(now_ms),
                    false => congestion.refused(started_ms, now_ms),
                }
            }
            while congestion.ready_at(now_ms) <= now_ms && answers.len() < 8 {
                congestion.started(now_ms);
                let takes = receiver(now_ms);
                (taken, refused) = (taken + u32::from(takes), refused + u32::from(!takes));
                answers.push_back((now_ms + 2, now_ms, takes));
            }
        }
        (taken, refused)
    }

    #[test]
    fn a_receiver_that_comes_back_gets_what_it_can_take_and_little_more() {
        for capacity in [5, 20, 200] {
            let receivers: [(&str, Box<Receiver<'_>>); 2] =
                [("by the second", Box::new(by_the_second(capacity))), ("evenly", Box::new(evenly(capacity)))];
            for (kind, mut receiver) in receivers {
                let mut congestion = Congestion::default();
                let (_, probes) = send(&mut congestion, 10_000, 60_000, &mut |_| false);
                assert!(probes < 80, "{probes} requests in a minute of outage");
                for (from_s, seconds) in [(70, 15), (85, 120)] {
                    let (taken, refused) = send(&mut congestion, from_s * 1_000, seconds * 1_000, &mut receiver);
                    let used = f64::from(taken) / (f64::from(capacity) * seconds as f64) * 100.0;
                    let share = f64::from(refused) / f64::from(taken + refused) * 100.0;
                    println!("{capacity} a second, {kind}, {seconds} s: {used:.0} % used, {share:.1} % refused");
                    let least = if seconds < 60 { 75.0 } else { 90.0 };
                    assert!(
                        used >= least && share < 10.0,
                        "{capacity} a second, {kind}: {used} % used, {share} % refused"
                    );
                }
            }
        }
    }

    #[test]
    fn one_refusal_costs_a_fast_receiver_little_and_is_forgotten() {
        let (mut congestion, mut sent) = (Congestion::default(), 0);
        let mut once = |_: i64| {
            sent += 1;
            sent != 5_000
        };
        let (taken, _) = send(&mut congestion, 10_000, 20_000, &mut once);
        let unlimited = send(&mut Congestion::default(), 10_000, 20_000, &mut |_| true).0;
        assert!(f64::from(taken) > 0.9 * f64::from(unlimited), "{taken} of {unlimited}");
        send(&mut congestion, 30_000, 60_000, &mut |_| true);
        assert_eq!(congestion.rate(90_000), None);
    }

    #[test]
    fn a_receiver_that_becomes_faster_is_found_out() {
        let mut congestion = Congestion::default();
        send(&mut congestion, 10_000, 60_000, &mut by_the_second(10));
        let (taken, refused) = send(&mut congestion, 70_000, 60_000, &mut by_the_second(1_000));
        assert!(taken > 20_000 && refused < taken / 20, "{taken} taken, {refused} refused");
    }
}
