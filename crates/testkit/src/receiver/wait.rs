//! Waiting for requests, and telling what came instead.

use super::{Received, Receiver};
use std::fmt::Write;
use std::time::Duration;
use tokio::time::timeout;

/// How long [`Receiver::wait_for`] waits: far beyond what a healthy test takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

impl Receiver {
    /// Returns as soon as `n` requests have come to `path` since the start: all that have come, in
    /// order. (A [counting](Receiver::counting) receiver waits as well, and returns none.)
    ///
    /// Panics after 20 seconds, and says what did come.
    pub async fn wait_for(&self, path: &str, n: usize) -> Vec<Received> {
        self.wait_for_within(path, n, PATIENCE).await
    }

    /// [`Receiver::wait_for`], with another patience.
    pub async fn wait_for_within(&self, path: &str, n: usize, patience: Duration) -> Vec<Received> {
        if !self.reaches(path, n, patience).await {
            panic!("waited {patience:?} for {n} requests to {path}; {}", self.story(path));
        }
        self.received(path)
    }

    /// Lets `duration` pass and panics as soon as another request comes to `path`.
    pub async fn expect_silence(&self, path: &str, duration: Duration) {
        let before = self.count(path);
        if self.reaches(path, before + 1, duration).await {
            panic!("expected no request to {path} after the first {before}; {}", self.story(path));
        }
    }

    /// Whether `n` requests come to `path` in time.
    async fn reaches(&self, path: &str, n: usize, patience: Duration) -> bool {
        // Subscribed before the first count, so that no arrival falls between the two.
        let mut arrivals = self.shared.arrivals.subscribe();
        let enough = async {
            while self.count(path) < n {
                arrivals.changed().await.unwrap();
            }
        };
        timeout(patience, enough).await.is_ok()
    }

    fn story(&self, path: &str) -> String {
        let state = self.shared.state.lock().unwrap();
        let mut story = format!("there were {}", state.paths.get(path).map_or(0, |record| record.count));
        let here: Vec<_> = state.all.iter().filter(|received| received.path == path).collect();
        for received in here.iter().rev().take(20).rev() {
            let _ = write!(story, "\n  {}", received.line());
        }
        for (other, record) in state.paths.iter().filter(|(other, record)| *other != path && record.count > 0) {
            let _ = write!(story, "\n  and {} to {other}", record.count);
        }
        story
    }
}
