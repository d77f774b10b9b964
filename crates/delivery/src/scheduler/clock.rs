//! What the clock brings: turns that have come, lanes to be let go, and the attempts that start.

use super::{
    AT_ONCE, CLOCK_SET_MS, COUNT_MS, PARK_AFTER_MS, SHARED_SWEEP_MS, SWEEP_MS, Scheduler, TICK_MS, UNRECORDED,
};
use crate::attempt::attempt_or_give_up;
use crate::tasks::{News, sweep};
use postrider_store::id::EndpointId;
use postrider_store::message::Scheduled;
use rand::Rng;
use std::cmp::Reverse;

impl Scheduler {
    /// What the clock has reached.
    pub(super) fn wake(&mut self) {
        let now = self.clock.steady_ms();
        while let Some(Reverse((at, endpoint))) = self.timers.peek().copied()
            && at <= now
        {
            self.timers.pop();
            if let Some(lane) = self.lanes.get_mut(&endpoint) {
                lane.timer = lane.timer.filter(|timer| *timer != at);
                self.turn(endpoint, now);
            }
        }
        for endpoint in self.paces.due(now) {
            if let Some(lane) = self.lanes.get_mut(&endpoint) {
                lane.in_turn = false;
                self.turn(endpoint, now);
            }
        }
        if now >= self.next_tick {
            self.next_tick = now + TICK_MS;
            self.paces.tidy(now);
            self.park_old(now);
            self.release();
            self.metrics.running.set(self.slots.used() as i64);
            self.watch_wall_clock(now);
        }
        if now >= self.next_sweep && !self.draining {
            let every = if self.tools.store.is_shared() { SHARED_SWEEP_MS } else { SWEEP_MS };
            self.next_sweep = now + every;
            let counts = now >= self.next_count;
            if counts {
                self.next_count = now + COUNT_MS;
            }
            tokio::spawn(sweep(self.tools.clone(), self.news_sender.clone(), counts));
        }
    }

    /// When the wall clock is set, the store gives messages for a certain time other due times: they are looked at then.
    fn watch_wall_clock(&mut self, now: i64) {
        let ahead_ms = self.clock.ahead_ms();
        if (ahead_ms - self.ahead_ms).abs() > CLOCK_SET_MS {
            tracing::warn!(by_ms = ahead_ms - self.ahead_ms, "the clock was set, or the machine was asleep");
            self.ahead_ms = ahead_ms;
            self.next_sweep = self.next_sweep.min(now + 2 * TICK_MS);
        }
    }

    /// Lets go of lanes that are done, unless something came for them in the meantime.
    fn release(&mut self) {
        let mut done = std::mem::take(&mut self.done);
        done.retain(|endpoint| !self.lanes.contains_key(endpoint) && self.releasing.insert(*endpoint));
        if done.is_empty() {
            return;
        }
        let (tools, news) = (self.tools.clone(), self.news_sender.clone());
        tokio::spawn(async move {
            if let Err(error) = tools.store.release(done.clone()).await {
                tracing::debug!(%error, "could not let go of endpoints; their next use will");
            }
            let _ = news.send(News::Released(done));
        });
    }

    /// What has long been in memory alone gets a row, so that recovery need not look so far back.
    fn park_old(&mut self, now: i64) {
        let old: Vec<Scheduled> =
            self.lanes.values_mut().flat_map(|lane| lane.park_older_than(now - PARK_AFTER_MS, now)).collect();
        if !old.is_empty() {
            self.tools.store.park(self.tenure, old, true);
        }
    }

    /// Starts attempts, lane by lane in turn, as far as there is room. Whether there is more to start at once.
    pub(super) fn launch(&mut self) -> bool {
        let now = self.clock.steady_ms();
        for _ in 0..AT_ONCE {
            if self.draining || self.unrecorded >= UNRECORDED || !self.tools.store.may_send() {
                return false;
            }
            let Some(endpoint) = self.turns.pop() else { return false };
            self.start(endpoint, now);
        }
        true
    }

    /// Starts the next attempt of a lane whose turn it is, unless its application has no slot for it or no rate.
    fn start(&mut self, endpoint: EndpointId, now: i64) {
        let Some(lane) = self.lanes.get_mut(&endpoint) else { return };
        let (app, app_rate) = (lane.settings.app, lane.settings.app_rate.filter(|_| lane.may_start(now)));
        if lane.may_start(now) && !self.slots.admits(app, endpoint) {
            return;
        }
        if app_rate.is_some() && !self.paces.admits(app, endpoint, now) {
            return;
        }
        lane.in_turn = false;
        if let Some(job) = lane.start(now) {
            if let Some(rate) = app_rate {
                self.paces.sent(app, now, rate);
            }
            self.slots.started(app);
            let (tenure, random) = (self.tenure, rand::rng().random());
            let (tools, news) = (self.tools.clone(), self.news_sender.clone());
            tokio::spawn(async move {
                let finished = attempt_or_give_up(&tools, &job, random).await;
                let _ = news.send(News::Finished(tenure, app, finished.map(Box::new)));
            });
        }
        self.turn(endpoint, now);
    }
}
