//! The rate that all endpoints of an application share: they take turns.

use crate::pace::Pace;
use postrider_store::id::{AppId, EndpointId};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

/// Endpoints of one application that are let go to try at once.
const AT_ONCE: usize = 64;

/// The applications that have a rate of their own.
#[derive(Debug, Default)]
pub struct AppPaces {
    apps: HashMap<AppId, Shared>,
    timers: BinaryHeap<Reverse<(i64, AppId)>>,
}

#[derive(Debug, Default)]
struct Shared {
    pace: Pace,
    /// Endpoints that have something to send.
    waiting: VecDeque<EndpointId>,
}

impl AppPaces {
    /// Whether the application may send one more now. If not, the endpoint waits here for its turn.
    pub fn admits(&mut self, app: AppId, endpoint: EndpointId, now_ms: i64) -> bool {
        let shared = self.apps.entry(app).or_default();
        if shared.pace.is_ready(now_ms) {
            return true;
        }
        if shared.waiting.is_empty() {
            self.timers.push(Reverse((shared.pace.ready_at(), app)));
        }
        shared.waiting.push_back(endpoint);
        false
    }

    /// The application sends one now, `rate` in a second.
    pub fn sent(&mut self, app: AppId, now_ms: i64, rate: u16) {
        self.apps.entry(app).or_default().pace.take(now_ms, rate);
    }

    /// When to look again, steady ms.
    pub fn next_wake(&self) -> Option<i64> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// Endpoints whose turn it may be now.
    pub fn due(&mut self, now_ms: i64) -> Vec<EndpointId> {
        let mut due = Vec::new();
        while let Some(Reverse((at, app))) = self.timers.peek().copied()
            && at <= now_ms
        {
            self.timers.pop();
            let Some(shared) = self.apps.get_mut(&app) else { continue };
            let turns = shared.waiting.len().min(AT_ONCE);
            due.extend(shared.waiting.drain(..turns));
            if !shared.waiting.is_empty() {
                // Those that go now push it further away.
                self.timers.push(Reverse((now_ms + 1, app)));
            }
        }
        due
    }

    /// Forgets applications that have not sent for a second.
    pub fn tidy(&mut self, now_ms: i64) {
        self.apps.retain(|_, shared| !shared.waiting.is_empty() || shared.pace.ready_at() > now_ms - 1_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_one_application_share_its_rate_in_turn() {
        let (mut paces, mut sent) = (AppPaces::default(), [0; 3]);
        let mut trying: Vec<EndpointId> = (0..3).map(EndpointId).collect();
        for now_ms in 5_000..6_000 {
            trying.extend(paces.due(now_ms));
            for endpoint in std::mem::take(&mut trying) {
                if paces.admits(AppId(9), endpoint, now_ms) {
                    paces.sent(AppId(9), now_ms, 30);
                    sent[endpoint.0 as usize] += 1;
                    trying.push(endpoint);
                }
            }
        }
        assert_eq!(sent.iter().sum::<i32>(), 30);
        assert!(sent.iter().all(|count| (9..=11).contains(count)), "{sent:?}");
        paces.tidy(10_000);
        assert!(paces.admits(AppId(9), EndpointId(0), 10_000));
    }
}
