//! One endpoint's queue, and how much of it may go out at once.
//!
//! The window adapts: it grows by one with each success and halves with each failure, so an endpoint that hangs soon
//! holds one connection, not all of its share. It shrinks, too, while the endpoint answers slowly. How fast requests
//! follow each other is for [`Congestion`] to say.

mod paging;

pub use paging::PageRequest;

use crate::attempt::Effect;
use crate::congestion::Congestion;
use crate::health::Health;
use crate::job::Job;
use crate::lane_settings::LaneSettings;
use crate::line::Line;
use crate::pace::Pace;
use paging::Loading;
use postrider_store::id::MessageId;
use postrider_store::message::{DeliveryKey, Retry, SKIPPED, Scheduled};
use std::collections::{HashMap, HashSet, VecDeque};

/// Deliveries that wait in memory for one endpoint; more wait in the store.
pub const READY_LIMIT: usize = 1_000;
const FIRST_WINDOW: u32 = 8;
/// A response that takes longer, and longer than twice the shortest, shows that requests wait at the endpoint.
const SLOW_MS: i64 = 2_000;
/// How often the front of a line that is held is read again, for what other nodes may have changed.
const LOOK_MS: i64 = 15_000;
/// How long an owned lane with limits is kept after its last attempt.
const KEEP_MS: i64 = 30_000;

/// See the module.
#[derive(Debug)]
pub struct Lane {
    pub settings: LaneSettings,
    pub ready: VecDeque<Job>,
    /// Resends: they go before all others, and though the endpoint is held back.
    by_hand: VecDeque<Job>,
    pub running: u32,
    pub health: Health,
    /// Waiting for its turn in the scheduler's queue.
    pub in_turn: bool,
    /// The wake-up that the scheduler holds for it, steady ms.
    pub timer: Option<i64>,
    /// Whether this node is the one that works on the endpoint's schedule.
    pub owned: bool,
    window: u32,
    congestion: Congestion,
    /// The shortest response time lately, ms.
    fastest_ms: i64,
    hold_until: i64,
    /// A proxy failed: nothing is sent until then, steady ms.
    paused_until: i64,
    pace: Pace,
    /// Until when an owned lane with limits is kept, so that the next message need not ask for it.
    keep_until: i64,
    /// Everything in memory: ready, running, or done and not yet recorded. One may be resent several times at once.
    known: HashMap<(MessageId, bool), u32>,
    /// The first due time of what may lie in the store.
    stored_due: Option<i64>,
    loading: Option<Loading>,
    line: Line,
    /// Left out by hand while they are in memory.
    skipped: HashSet<MessageId>,
    /// When the front of the line was looked at last, steady ms.
    looked_ms: i64,
}

impl Lane {
    pub fn new(settings: LaneSettings, failing_since_ms: Option<i64>) -> Lane {
        Lane {
            settings,
            ready: VecDeque::new(),
            by_hand: VecDeque::new(),
            running: 0,
            health: Health::new(failing_since_ms),
            in_turn: false,
            timer: None,
            owned: false,
            window: FIRST_WINDOW,
            congestion: Congestion::default(),
            fastest_ms: i64::MAX,
            hold_until: 0,
            paused_until: 0,
            pace: Pace::default(),
            keep_until: 0,
            known: HashMap::new(),
            stored_due: None,
            loading: None,
            line: Line::default(),
            skipped: HashSet::new(),
            looked_ms: 0,
        }
    }

    /// Takes a delivery into memory, or says that there are too many.
    pub fn push(&mut self, job: Job) -> Result<(), Job> {
        if self.ready.len() >= READY_LIMIT {
            return Err(job);
        }
        self.know(job.delivery);
        self.ready.push_back(job);
        Ok(())
    }

    /// Takes a resend into memory. False: it must wait for its place in a line, or there are too many.
    pub fn push_by_hand(&mut self, row: Scheduled, now_ms: i64) -> bool {
        let takes = !self.is_in_line() && self.by_hand.len() < READY_LIMIT;
        if takes {
            self.know(row.delivery);
            self.by_hand.push_back(Job::from_store(row, self.settings.app, now_ms));
        }
        takes
    }

    /// The next delivery that may start now.
    pub fn start(&mut self, now_ms: i64) -> Option<Job> {
        let by_hand = self.may_start_by_hand(now_ms);
        let mut job = match by_hand {
            true => self.by_hand.pop_front()?,
            false if self.may_start_next(now_ms) => self.ready.pop_front()?,
            false => return None,
        };
        job.gone = self.settings.gone;
        if self.skipped.remove(&job.delivery.message) {
            job.attempts = SKIPPED;
        }
        self.running += 1;
        self.line.started(job.delivery);
        if self.settings.limited {
            self.keep_until = now_ms + KEEP_MS;
        }
        if !self.settings.gone {
            if !by_hand {
                self.congestion.started(now_ms);
            }
            if let Some(rate) = self.settings.rate {
                self.pace.take(now_ms, rate);
            }
        }
        Some(job)
    }

    pub fn may_start(&self, now_ms: i64) -> bool {
        self.may_start_by_hand(now_ms) || self.may_start_next(now_ms)
    }

    /// Only the limits that were set for the endpoint hold back a resend, not what the endpoint asked for or shows.
    fn may_start_by_hand(&self, now_ms: i64) -> bool {
        !self.by_hand.is_empty()
            && self.is_line_free()
            && (self.settings.gone || (self.running < self.settings.max_concurrency && now_ms >= self.paced_until()))
    }

    fn may_start_next(&self, now_ms: i64) -> bool {
        let window = self.window.min(self.settings.max_concurrency);
        !self.ready.is_empty()
            && self.is_line_free()
            && (self.settings.gone || (self.running < window && now_ms >= self.held_until(now_ms)))
    }

    fn is_line_free(&self) -> bool {
        !self.is_in_line() || self.line.is_free()
    }

    /// Something may start sooner or later.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty() || !self.by_hand.is_empty()
    }

    /// Whether deliveries go one by one. What is cancelled needs no order.
    pub fn is_in_line(&self) -> bool {
        self.settings.ordered && !self.settings.gone
    }

    fn held_until(&self, now_ms: i64) -> i64 {
        self.hold_until.max(self.paused_until).max(self.paced_until()).max(self.congestion.ready_at(now_ms))
    }

    fn paced_until(&self) -> i64 {
        self.settings.rate.map_or(0, |_| self.pace.ready_at())
    }

    /// Until then a new lane would send earlier than this one.
    fn remembers_until(&self) -> i64 {
        let paced = self.settings.rate.map_or(0, |_| self.pace.remembers_until());
        self.hold_until.max(self.paused_until).max(paced).max(self.congestion.remembers_until())
    }

    /// An attempt came back, after `took_ms`.
    pub fn finished(&mut self, effect: &Effect, took_ms: i64, now_ms: i64) {
        self.running -= 1;
        if let Some(pause) = effect.elsewhere {
            self.pause(now_ms + i64::try_from(pause.as_millis()).unwrap_or(0));
            return;
        }
        if effect.success {
            let is_slow = effect.real && self.is_slow(took_ms);
            let window = if is_slow { self.window.saturating_sub(1).max(1) } else { self.window + 1 };
            self.window = window.min(self.settings.max_concurrency);
        } else {
            self.window = (self.window / 2).max(1);
        }
        if effect.refused {
            self.congestion.refused(now_ms - took_ms, now_ms);
        } else if effect.real {
            // Whatever it said, it took the request.
            self.congestion.succeeded(now_ms);
        }
    }

    /// Whether requests wait at the endpoint, by its response time beside the shortest.
    fn is_slow(&mut self, took_ms: i64) -> bool {
        // The shortest is forgotten by and by, for an endpoint may become slower for good.
        let faded = self.fastest_ms.saturating_add(self.fastest_ms / 100 + 1);
        self.fastest_ms = took_ms.min(faded);
        took_ms > SLOW_MS.max(self.fastest_ms.saturating_mul(2))
    }

    /// Sends nothing before `until_ms`.
    pub fn hold(&mut self, until_ms: i64) {
        self.hold_until = self.hold_until.max(until_ms);
    }

    /// Sends nothing before `until_ms`, for a reason that is not the endpoint's.
    fn pause(&mut self, until_ms: i64) {
        self.paused_until = self.paused_until.max(until_ms);
    }

    /// Until when the endpoint asked to get nothing, if it ever did.
    pub fn asked_to_wait_until(&self) -> Option<i64> {
        (self.hold_until > 0).then_some(self.hold_until)
    }

    /// Failure after failure has left it one attempt at a time.
    pub fn is_down_to_one(&self) -> bool {
        self.window == 1 || self.congestion.is_down()
    }

    /// The endpoint was changed: what was learned about the old one is no longer true.
    pub fn changed(&mut self, settings: LaneSettings) {
        if settings.app_rate.is_some() != self.settings.app_rate.is_some() {
            // It is another lane now, one that the endpoints of the application share, or its own again.
            self.owned = false;
        }
        let was_in_line = self.is_in_line();
        self.settings = settings;
        if was_in_line != self.is_in_line() {
            self.line.release();
        }
        self.hold_until = 0;
        self.paused_until = 0;
        self.congestion = Congestion::default();
        self.window = self.window.max(FIRST_WINDOW);
    }

    /// An attempt is on disk; a retry lies in the store now.
    pub fn recorded(&mut self, delivery: DeliveryKey, retry: Option<Retry>) {
        self.forget(delivery);
        if let Some(loading) = &mut self.loading {
            loading.recorded.insert(key(delivery));
        }
        self.line.recorded(delivery);
        let was_skipped = self.skipped.remove(&delivery.message);
        if let Some(retry) = retry {
            if was_skipped {
                // The store keeps that it is left out.
                self.line.release();
                self.stored_at(0);
            } else if delivery.manual {
                // What was sent by hand waits for nobody.
                self.due_at(retry.due_ms);
                return;
            } else if self.is_in_line() {
                // Nobody passes it: what is ready behind it is read again when its time has come.
                self.forget_ready();
                self.line.hold(retry.due_ms);
                self.stored_due = None;
                if let Some(loading) = &mut self.loading {
                    loading.outdated = true;
                }
            }
            self.stored_at(retry.due_ms);
        }
    }

    /// Looks at the front of the line anew, though it is held: something there has changed.
    pub fn look_again(&mut self) {
        self.line.release();
    }

    /// The same of what another node may have changed: now and then.
    pub fn look_again_sometimes(&mut self, now_ms: i64) {
        if now_ms - self.looked_ms >= LOOK_MS {
            self.line.release();
        }
    }

    /// A delivery is left out: it ends as soon as it gets its turn, or when its try that is under way has failed.
    pub fn skip(&mut self, message: MessageId) {
        for job in self.by_hand.iter_mut().filter(|job| job.delivery.message == message) {
            job.attempts = SKIPPED;
        }
        if self.known.contains_key(&(message, false)) || self.known.contains_key(&(message, true)) {
            self.skipped.insert(message);
        }
        self.line.release();
    }

    /// A delivery that is not in memory lies in the store, due at `due_ms`.
    pub fn stored_at(&mut self, due_ms: i64) {
        let due_ms = if self.is_in_line() { self.line.not_before(due_ms) } else { due_ms };
        self.due_at(due_ms);
    }

    fn due_at(&mut self, due_ms: i64) {
        self.stored_due = Some(self.stored_due.map_or(due_ms, |first| first.min(due_ms)));
    }

    /// Whether a new delivery must go through the schedule, for the node that owns the lane to find.
    pub fn is_anothers(&self) -> bool {
        self.settings.limited && !self.owned
    }

    fn know(&mut self, delivery: DeliveryKey) {
        *self.known.entry(key(delivery)).or_default() += 1;
    }

    fn forget(&mut self, delivery: DeliveryKey) {
        if let Some(times) = self.known.get_mut(&key(delivery)) {
            *times -= 1;
            if *times == 0 {
                self.known.remove(&key(delivery));
            }
        }
    }

    /// When to look at this lane again, steady ms.
    pub fn next_wake(&self, now_ms: i64) -> Option<i64> {
        let held = (!self.ready.is_empty()).then_some(self.held_until(now_ms));
        let by_hand = (!self.by_hand.is_empty()).then_some(self.paced_until());
        let due = self.stored_due.filter(|_| self.loading.is_none() && self.ready.len() < self.enough());
        let kept = (self.owned && self.keep_until > 0).then_some(self.keep_until);
        [held, by_hand, due, kept, Some(self.remembers_until())].into_iter().flatten().filter(|at| *at > now_ms).min()
    }

    /// Deliveries that have waited since before `before_ms` and are in memory alone; from now on
    /// they count as stored, for the caller puts them there.
    pub fn park_older_than(&mut self, before_ms: i64, now_ms: i64) -> Vec<Scheduled> {
        let old = self.ready.iter_mut().filter(|job| !job.stored && job.since_ms < before_ms);
        old.map(|job| {
            job.stored = true;
            // It is read again when it is sent: the room is for what goes out soon.
            job.message = None;
            Scheduled { delivery: job.delivery, due_ms: now_ms, attempts: job.attempts }
        })
        .collect()
    }

    /// Takes everything that is ready out of memory; what has no row in the store yet is for the caller to put there.
    pub fn clear(&mut self, now_ms: i64) -> Vec<Scheduled> {
        let unstored = self.ready.iter().filter(|job| !job.stored);
        let rows =
            unstored.map(|job| Scheduled { delivery: job.delivery, due_ms: now_ms, attempts: job.attempts }).collect();
        self.forget_ready();
        rows
    }

    /// Takes everything that is ready out of memory, for whoever owns the lane.
    pub fn give_up(&mut self, now_ms: i64) -> Vec<Scheduled> {
        let ready = std::mem::take(&mut self.ready);
        ready.iter().for_each(|job| self.forget(job.delivery));
        ready.iter().map(|job| Scheduled { delivery: job.delivery, due_ms: now_ms, attempts: job.attempts }).collect()
    }

    /// What is ready lies in the store, too.
    pub fn forget_ready(&mut self) {
        for job in std::mem::take(&mut self.ready) {
            self.forget(job.delivery);
        }
    }

    /// Reads the message's payload anew where it is in memory.
    pub fn forget_payload(&mut self, message: MessageId) {
        for job in self.ready.iter_mut().filter(|job| job.delivery.message == message) {
            job.message = None;
        }
    }

    /// Deliveries in memory that have no row in the store.
    pub fn unstored(&self) -> usize {
        self.ready.iter().filter(|job| !job.stored).count()
    }

    /// Nothing to do and nothing to remember.
    pub fn is_idle(&self, now_ms: i64) -> bool {
        self.known.is_empty()
            && self.running == 0
            && self.stored_due.is_none()
            && self.loading.is_none()
            && !(self.owned && now_ms < self.keep_until)
            && now_ms >= self.remembers_until()
            && self.health.is_good()
    }
}

fn key(delivery: DeliveryKey) -> (MessageId, bool) {
    (delivery.message, delivery.manual)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_store::id::{AppId, EndpointId};
    use postrider_store::message::Due;

    fn settings() -> LaneSettings {
        LaneSettings {
            app: AppId(1),
            max_concurrency: 64,
            rate: None,
            app_rate: None,
            gone: false,
            limited: false,
            ordered: false,
        }
    }

    fn job(n: i64) -> Job {
        let delivery = DeliveryKey { message: MessageId(n), endpoint: EndpointId(1), manual: false };
        Job { delivery, attempts: 0, stored: false, message: None, since_ms: 0, app: AppId(1), gone: false }
    }

    fn ended(success: bool) -> Effect {
        Effect { success, real: true, ..Effect::default() }
    }

    fn row(n: i64) -> Scheduled {
        Scheduled { delivery: job(n).delivery, due_ms: 5, attempts: 1 }
    }

    #[test]
    fn an_endpoint_that_fails_ends_up_with_one_attempt_at_a_time_and_recovers_step_by_step() {
        let mut lane = Lane::new(settings(), None);
        (0..100).for_each(|n| lane.push(job(n)).unwrap());
        let started = std::iter::from_fn(|| lane.start(0)).count();
        assert_eq!(started, FIRST_WINDOW as usize);
        (0..started).for_each(|_| lane.finished(&ended(false), 5, 0));
        assert_eq!(std::iter::from_fn(|| lane.start(0)).count(), 1);
        lane.finished(&ended(true), 5, 0);
        assert_eq!(std::iter::from_fn(|| lane.start(0)).count(), 2);
    }

    #[test]
    fn an_endpoint_that_answers_slowly_under_load_gets_fewer_at_once_and_one_that_always_does_as_many() {
        for (shortest_ms, wanted) in [(50, 1..30), (5_000, 64..65)] {
            let mut lane = Lane::new(settings(), None);
            (0..1_000).for_each(|n| lane.push(job(n)).unwrap());
            for _ in 0..300 {
                let under_way = std::iter::from_fn(|| lane.start(0)).count() as i64;
                // Requests wait for one another there, 100 ms each.
                (0..under_way.min(1))
                    .for_each(|_| lane.finished(&ended(true), shortest_ms + 100 * i64::from(lane.running), 0));
            }
            assert!(wanted.contains(&lane.window), "{}", lane.window);
        }
    }

    #[test]
    fn a_rate_spreads_attempts_over_the_second() {
        let mut lane = Lane::new(LaneSettings { rate: Some(10), ..settings() }, None);
        (0..100).for_each(|n| lane.push(job(n)).unwrap());
        let mut started = 0;
        for now in 0..1_000 {
            while lane.start(now).is_some() {
                started += 1;
                lane.finished(&ended(true), 0, now);
            }
        }
        assert_eq!(started, 10);
    }

    #[test]
    fn a_page_brings_nothing_that_is_in_memory_or_was_recorded_while_it_came() {
        let mut lane = Lane::new(settings(), None);
        lane.push(job(1)).unwrap();
        lane.push(job(2)).unwrap();
        lane.stored_at(0);
        let request = lane.wants_page(10).unwrap();
        assert_eq!(lane.wants_page(10), None, "one page at a time");
        lane.recorded(job(2).delivery, None);
        lane.page(request, Due { rows: vec![row(1), row(2), row(3)], next_ms: None, owned: true }, 10);
        let waiting: Vec<i64> = lane.ready.iter().map(|job| job.delivery.message.0).collect();
        assert_eq!(waiting, [1, 2, 3], "1 and 2 once, as they were");
        lane.recorded(job(1).delivery, Some(Retry { due_ms: 20, attempts: 1 }));
        assert_eq!((lane.wants_page(19), lane.wants_page(20).is_some()), (None, true));
    }

    #[test]
    fn a_deleted_endpoint_gives_up_what_is_not_due_yet() {
        let mut lane = Lane::new(settings(), None);
        lane.stored_at(1_000_000);
        assert_eq!(lane.wants_page(10), None);
        lane.changed(LaneSettings { gone: true, ..settings() });
        assert_eq!(lane.wants_page(10).map(|page| page.until_ms), Some(i64::MAX));
    }
}
