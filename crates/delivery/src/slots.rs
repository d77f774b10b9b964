//! How many attempts may be under way at once, and how many of them one application's.
//!
//! An attempt that waits for a response costs little but its slot, so there are many slots. No application may take more
//! than are still free, so the next application always finds some, whatever the endpoints of the others do. An endpoint
//! whose application has its share waits here for one of its attempts to end.

use postrider_fair::{FairQueue, Shares};
use postrider_store::id::{AppId, EndpointId};

/// See the module.
#[derive(Debug)]
pub struct Slots {
    shares: Shares<AppId>,
    waiting: FairQueue<AppId, EndpointId>,
}

impl Slots {
    pub fn new(total: usize) -> Slots {
        // Each endpoint waits once, so there need be no limit.
        Slots { shares: Shares::new(total), waiting: FairQueue::new(usize::MAX) }
    }

    /// Whether an endpoint's application may start one more attempt; if not, the endpoint waits here.
    pub fn admits(&mut self, app: AppId, endpoint: EndpointId) -> bool {
        let admits = self.shares.admits(app, 1);
        if !admits {
            let _ = self.waiting.push(app, endpoint);
        }
        admits
    }

    pub fn started(&mut self, app: AppId) {
        self.shares.take(app, 1);
    }

    /// An attempt of the application has ended.
    pub fn ended(&mut self, app: AppId) {
        self.shares.give_back(app, 1);
    }

    /// The next endpoint that waits and may start an attempt now.
    pub fn next(&mut self) -> Option<EndpointId> {
        self.waiting.pop_if(|app| self.shares.admits(*app, 1))
    }

    /// Nobody waits any more.
    pub fn forget_waiting(&mut self) {
        self.waiting = FairQueue::new(usize::MAX);
    }

    /// Attempts under way.
    pub fn used(&self) -> usize {
        self.shares.used()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_waits_for_its_own_attempts_and_not_for_others() {
        let (hog, quiet) = (AppId(1), AppId(2));
        let mut slots = Slots::new(100);
        let mut endpoints = (1..).map(EndpointId);
        while slots.admits(hog, endpoints.next().unwrap()) {
            slots.started(hog);
        }
        assert_eq!(slots.used(), 50);
        assert!(slots.admits(quiet, EndpointId(1_000)));
        slots.started(quiet);
        slots.ended(quiet);
        assert_eq!(slots.next(), None, "the hog still has its share");
        slots.ended(hog);
        assert_eq!((slots.next(), slots.next()), (Some(EndpointId(51)), None));
    }
}
