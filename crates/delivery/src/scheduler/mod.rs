//! The task that owns the schedule.
//!
//! Everything that happens comes to it as a message (commits, finished attempts, pages, the clock),
//! so nothing in here is locked or shared. Who may send next is decided in turn: by application,
//! then by endpoint.

mod changed;
mod clock;

use crate::app_pace::AppPaces;
use crate::attempt::{Finished, Tools};
use crate::circuit::{Circuit, Circuits, Question};
use crate::compose::Composer;
use crate::happening::{self, Happening, What};
use crate::health::Verdict;
use crate::job::{Held, Job};
use crate::lane::Lane;
use crate::lane_settings::lane_settings;
use crate::metrics::DeliveryMetrics;
use crate::notice::Notices;
use crate::oauth::Tokens;
use crate::payloads::Payloads;
use crate::slots::Slots;
use crate::tasks::{News, Page, disable, load};
use crate::tls::TlsProfiles;
use postrider_clock::Clock;
use postrider_contract::Book;
use postrider_egress::Egress;
use postrider_fair::{FairQueue, Pool};
use postrider_store::config::Change;
use postrider_store::id::{AppId, EndpointId};
use postrider_store::message::{DeliveryKey, Due, Message, Retry, Scheduled};
use postrider_store::{Event, Store, Tenure};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Attempts that are started before anything else is looked at.
const AT_ONCE: usize = 512;
/// Attempts that may wait to be recorded (a full disk): beyond it nothing more is sent.
const UNRECORDED: usize = 20_000;
/// How long a delivery may be in memory alone before the store gets a row for it.
const PARK_AFTER_MS: i64 = 5_000;
const TICK_MS: i64 = 1_000;
/// How often the store is asked for waiting deliveries that nobody in memory works on.
const SWEEP_MS: i64 = 15_000;
/// The same where other nodes write to the schedule too.
const SHARED_SWEEP_MS: i64 = 1_000;
/// By less than this no clock counts as set.
const CLOCK_SET_MS: i64 = 500;
/// How often the waiting deliveries are counted.
const COUNT_MS: i64 = 15_000;

/// What delivery is made of.
#[derive(Debug)]
pub struct Options {
    pub store: Store,
    /// Attempts that may be under way at once, over all endpoints.
    pub attempts: usize,
    pub events: mpsc::Receiver<Event>,
    pub egress: Egress,
    pub contracts: Arc<Book>,
    pub composer: Composer,
    /// `None`: nobody is told of failures.
    pub notices: Option<Notices>,
    /// Where the provider hears of what happens.
    pub happenings: mpsc::Sender<Happening>,
    pub clock: Clock,
    pub metrics: DeliveryMetrics,
}

/// The running task.
#[derive(Debug)]
pub struct Delivery {
    circuits: Circuits,
    stop: oneshot::Sender<Duration>,
    task: JoinHandle<()>,
}

impl Delivery {
    /// Starts delivering: first what the store holds, then what comes.
    pub fn start(options: Options) -> Delivery {
        let (stop, stopped) = oneshot::channel();
        let (circuits, questions) = Circuits::new();
        Delivery { circuits, stop, task: tokio::spawn(Scheduler::new(options, questions).run(stopped)) }
    }

    /// Where to ask how endpoints stand.
    pub fn circuits(&self) -> Circuits {
        self.circuits.clone()
    }

    /// Starts no more attempts, and returns when those under way are finished and recorded. Those that take longer than
    /// `within` are given up: they are made again at the next start.
    pub async fn drain(self, within: Duration) {
        let _ = self.stop.send(within);
        if self.task.await.is_err() {
            tracing::error!("delivery ended with a panic");
        }
    }
}

struct Scheduler {
    tools: Arc<Tools>,
    events: mpsc::Receiver<Event>,
    questions: mpsc::Receiver<Question>,
    metrics: DeliveryMetrics,
    notices: Option<Notices>,
    happenings: mpsc::Sender<Happening>,
    /// Told when their attempts are on disk.
    untold: HashMap<DeliveryKey, Vec<What>>,
    clock: Clock,
    lanes: HashMap<EndpointId, Lane>,
    turns: FairQueue<AppId, EndpointId>,
    /// Applications with a rate of their own; their endpoints wait there for their turn.
    paces: AppPaces,
    timers: BinaryHeap<Reverse<(i64, EndpointId)>>,
    slots: Slots,
    unrecorded: usize,
    held: Pool<AppId>,
    news: mpsc::UnboundedReceiver<News>,
    news_sender: mpsc::UnboundedSender<News>,
    next_tick: i64,
    next_sweep: i64,
    next_count: i64,
    /// How far the wall clock was ahead of the steady one.
    ahead_ms: i64,
    tenure: Tenure,
    /// Owned lanes that are done, to be let go with the next tick, and those on their way.
    done: Vec<EndpointId>,
    releasing: HashSet<EndpointId>,
    draining: bool,
}

impl Scheduler {
    fn new(options: Options, questions: mpsc::Receiver<Question>) -> Scheduler {
        let (news_sender, news) = mpsc::unbounded_channel();
        let clock = options.clock.clone();
        let now = clock.steady_ms();
        Scheduler {
            tools: Arc::new(Tools {
                store: options.store,
                egress: options.egress,
                contracts: options.contracts,
                composer: options.composer,
                clock: options.clock,
                payloads: Payloads::new(),
                tls: TlsProfiles::default(),
                tokens: Tokens::new(),
                stopping: AtomicBool::new(false),
                give_up: watch::Sender::new(false),
            }),
            events: options.events,
            questions,
            metrics: options.metrics,
            notices: options.notices,
            happenings: options.happenings,
            untold: HashMap::new(),
            clock,
            lanes: HashMap::new(),
            turns: FairQueue::new(usize::MAX),
            paces: AppPaces::default(),
            timers: BinaryHeap::new(),
            slots: Slots::new(options.attempts),
            unrecorded: 0,
            held: Held::room(),
            news,
            news_sender,
            next_tick: now,
            next_sweep: now,
            next_count: now,
            ahead_ms: 0,
            tenure: 0,
            done: Vec::new(),
            releasing: HashSet::new(),
            draining: false,
        }
    }

    async fn run(mut self, mut stopped: oneshot::Receiver<Duration>) {
        let clock = self.clock.clone();
        let mut events = Vec::new();
        let mut news = Vec::new();
        let mut goes_on = false;
        while !(self.draining && self.slots.used() == 0) {
            let first = self.timers.peek().map(|Reverse((at, _))| *at);
            let wake = [first, self.paces.next_wake()].into_iter().flatten().fold(self.next_tick, i64::min);
            tokio::select! {
                biased;
                within = &mut stopped, if !self.draining => self.drain(within.unwrap_or_default()),
                Some(question) = self.questions.recv() => self.answer(question),
                n = self.news.recv_many(&mut news, 256) => if n == 0 { break },
                n = self.events.recv_many(&mut events, 16) => if n == 0 { break },
                () = std::future::ready(()), if goes_on => {}
                () = clock.sleep_until(wake) => {}
            }
            self.take_news(&mut news);
            events.drain(..).for_each(|event| self.event(event));
            self.wake();
            goes_on = self.launch();
            if goes_on {
                // What was started gets its turn before more is: otherwise a thousand starts hold up one response.
                tokio::task::yield_now().await;
            }
        }
        self.tools.store.flush().await;
    }

    fn drain(&mut self, within: Duration) {
        self.draining = true;
        self.tools.stopping.store(true, Ordering::Relaxed);
        // Not all of the tools: the store must not be held open by this.
        let give_up = self.tools.give_up.clone();
        tokio::spawn(async move {
            // By the machine's own clock, for somebody waits for the process to end.
            tokio::time::sleep(within).await;
            give_up.send_replace(true);
        });
    }

    fn take_news(&mut self, news: &mut Vec<News>) {
        let mut records = Vec::new();
        for news in news.drain(..) {
            match news {
                // Others do it again: what a node does after it was given up counts no more.
                News::Finished(tenure, app, _) if tenure != self.tenure => self.slot_is_free(app),
                // There is no other attempt in this process.
                News::Finished(_, app, None) => self.slot_is_free(app),
                News::Finished(_, app, Some(finished)) => {
                    self.slot_is_free(app);
                    self.metrics.finished(&finished);
                    if let Some(notices) = self.notices.as_ref() {
                        notices.failed(&finished.record);
                    }
                    let happened = happening::of(&finished);
                    if !happened.is_empty() {
                        self.untold.insert(finished.record.delivery, happened);
                    }
                    self.finished(&finished);
                    records.push(finished.record);
                }
                News::Page(tenure, page) => {
                    if tenure == self.tenure {
                        self.page(page);
                    }
                }
                News::Swept(waiting) => self.swept(waiting),
                News::Counted(rows) => self.counted(rows),
                News::Released(endpoints) => self.released(&endpoints),
            }
        }
        if !records.is_empty() {
            self.unrecorded += records.len();
            self.tools.store.record(self.tenure, records);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Accepted(messages) => self.accepted(messages),
            Event::Recorded(recorded) => self.recorded(recorded),
            Event::Parked(rows) => {
                for row in rows {
                    self.store_has(row.delivery, row.due_ms);
                }
            }
            Event::Changed(change) => self.changed(*change),
            Event::Reset(tenure) => self.reset(tenure),
        }
    }

    /// This process is a new node: everything in memory belongs to whoever took over.
    fn reset(&mut self, tenure: Tenure) {
        self.tenure = tenure;
        self.lanes.clear();
        self.turns = FairQueue::new(usize::MAX);
        self.slots.forget_waiting();
        self.paces = AppPaces::default();
        self.timers.clear();
        self.done.clear();
        self.untold.clear();
        self.unrecorded = 0;
        self.next_sweep = self.clock.steady_ms();
    }

    /// Messages straight from their commit: into the lanes, or to the store when a lane is full, or their
    /// time has not come.
    fn accepted(&mut self, messages: Vec<Arc<Message>>) {
        let (now, ahead_ms) = (self.clock.steady_ms(), self.clock.ahead_ms());
        let mut later = Vec::new();
        for message in messages {
            let held = Held::new(message.clone(), &self.held);
            let app = message.app;
            let due_ms = message.deliver.due_ms(now + ahead_ms) - ahead_ms;
            for endpoint in &message.endpoints {
                let delivery = DeliveryKey { message: message.id, endpoint: *endpoint, manual: false };
                if message.ordered.contains(endpoint) {
                    self.store_has(delivery, due_ms);
                    continue;
                }
                if due_ms > now {
                    later.push(Scheduled { delivery, due_ms, attempts: 0 });
                    continue;
                }
                let job = Job {
                    delivery,
                    attempts: 0,
                    stored: false,
                    message: held.clone(),
                    since_ms: now,
                    app,
                    gone: false,
                };
                let lane = self.lane(*endpoint);
                if lane.is_anothers() || lane.push(job).is_err() {
                    later.push(Scheduled { delivery, due_ms: now, attempts: 0 });
                }
                self.turn(*endpoint, now);
            }
        }
        if !later.is_empty() {
            self.tools.store.park(self.tenure, later, false);
        }
    }

    fn answer(&self, (endpoint, answer): Question) {
        let now = self.clock.steady_ms();
        let circuit = self.lanes.get(&endpoint).map(|lane| Circuit::of(lane, now)).unwrap_or_default();
        // Whoever asked may have gone.
        let _ = answer.send(circuit);
    }

    fn recorded(&mut self, recorded: Vec<(DeliveryKey, Option<Retry>)>) {
        self.unrecorded = self.unrecorded.saturating_sub(recorded.len());
        let now = self.clock.steady_ms();
        for (delivery, retry) in recorded {
            for what in self.untold.remove(&delivery).unwrap_or_default() {
                self.happened(Happening { endpoint: delivery.endpoint, what });
            }
            self.lane(delivery.endpoint).recorded(delivery, retry);
            self.turn(delivery.endpoint, now);
        }
    }

    /// An attempt has ended: an endpoint that waits for a slot may go on.
    fn slot_is_free(&mut self, app: AppId) {
        let now = self.clock.steady_ms();
        self.slots.ended(app);
        while let Some(endpoint) = self.slots.next() {
            let Some(lane) = self.lanes.get_mut(&endpoint) else { continue };
            lane.in_turn = false;
            let starts = lane.may_start(now);
            self.turn(endpoint, now);
            if starts {
                return;
            }
        }
    }

    /// Never waits: what the provider hears must not hold up what it sends.
    fn happened(&self, happening: Happening) {
        if self.happenings.try_send(happening).is_err() {
            tracing::debug!(?happening, "too much happens to tell the provider of all");
        }
    }

    fn store_has(&mut self, delivery: DeliveryKey, due_ms: i64) {
        let lane = self.lane(delivery.endpoint);
        if delivery.manual {
            // What is sent by hand does not stand in line.
            lane.look_again();
        }
        lane.stored_at(due_ms);
        let now = self.clock.steady_ms();
        self.turn(delivery.endpoint, now);
    }

    fn finished(&mut self, finished: &Finished) {
        let now = self.clock.steady_ms();
        let endpoint = finished.record.delivery.endpoint;
        let effect = finished.effect;
        let rules = self.tools.store.directory().endpoint(endpoint).and_then(|(_, endpoint)| {
            self.tools.contracts.get(&endpoint.settings.contract).map(|contract| *contract.disable())
        });
        let lane = self.lane(endpoint);
        lane.finished(&effect, finished.record.duration_ms, now);
        if let Some(hold) = effect.hold {
            lane.hold(now + i64::try_from(hold.as_millis()).unwrap_or(0));
        }
        let mut verdict = match rules {
            Some(_) if effect.success && effect.real => lane.health.succeeded(),
            Some(rules) if effect.real => lane.health.failed(&rules, effect.exhausted, now),
            _ => Verdict::Nothing,
        };
        if effect.disable {
            verdict = Verdict::Disable("its response asked for no more messages");
        }
        let app = lane.settings.app;
        match verdict {
            Verdict::Nothing => {}
            Verdict::Write(since_ms) => self.write(app, Change::SetFailing { endpoint, since_ms }),
            Verdict::Disable(reason) => {
                self.metrics.endpoint_disabled();
                tokio::spawn(disable(self.tools.clone(), self.happenings.clone(), endpoint, reason));
            }
        }
        self.turn(endpoint, now);
    }

    fn write(&self, app: AppId, change: Change) {
        let tools = self.tools.clone();
        tokio::spawn(async move {
            if let Err(error) = tools.store.change(app, change, None).await {
                tracing::warn!(%error, "could not write since when an endpoint fails");
            }
        });
    }

    fn page(&mut self, page: Page) {
        let now = self.clock.steady_ms();
        let lane = self.lane(page.endpoint);
        match page.result {
            Ok(due) => lane.page(page.request, due, now),
            Err(error) => {
                tracing::debug!(%error, "could not read what is due; trying again");
                let later = Due { rows: vec![], next_ms: Some(now + TICK_MS), owned: lane.owned };
                lane.page(page.request, later, now);
            }
        }
        self.turn(page.endpoint, now);
    }

    fn swept(&mut self, waiting: Vec<(EndpointId, i64)>) {
        let now = self.clock.steady_ms();
        let oldest = waiting.iter().map(|(_, due)| now - due).max().unwrap_or(0).max(0);
        self.metrics.queue_age_ms.set(oldest);
        for (endpoint, due_ms) in waiting {
            let lane = self.lane(endpoint);
            if due_ms <= now {
                lane.look_again_sometimes(now);
            }
            lane.stored_at(due_ms);
            self.turn(endpoint, now);
        }
    }

    fn counted(&mut self, rows: i64) {
        let in_memory_only: i64 = self.lanes.values().map(|lane| lane.unstored() as i64).sum();
        self.metrics.queue_depth.set(rows + in_memory_only);
    }

    fn released(&mut self, endpoints: &[EndpointId]) {
        let now = self.clock.steady_ms();
        for endpoint in endpoints {
            self.releasing.remove(endpoint);
            self.turn(*endpoint, now);
        }
    }

    /// The endpoint's lane, made when it isn't there.
    fn lane(&mut self, endpoint: EndpointId) -> &mut Lane {
        let tools = &self.tools;
        self.lanes.entry(endpoint).or_insert_with(|| {
            let found = tools.store.directory().endpoint(endpoint);
            let failing = found.as_ref().and_then(|(_, endpoint)| endpoint.failing_since_ms);
            Lane::new(lane_settings(found.as_ref(), None, tools.store.is_shared()), failing)
        })
    }

    /// Looks after a lane in which something changed: its turn, its page, its timer, its end.
    fn turn(&mut self, endpoint: EndpointId, now: i64) {
        let Some(lane) = self.lanes.get_mut(&endpoint) else { return };
        if !lane.in_turn && lane.may_start(now) {
            lane.in_turn = true;
            // No limit was set on this queue, so it takes every lane.
            let _ = self.turns.push(lane.settings.app, endpoint);
        }
        if !self.draining
            && !self.releasing.contains(&endpoint)
            && let Some(request) = lane.wants_page(now)
        {
            tokio::spawn(load(self.tools.clone(), self.news_sender.clone(), self.tenure, endpoint, request));
        }
        match lane.next_wake(now) {
            Some(at) if lane.timer.is_none_or(|timer| at < timer) => {
                lane.timer = Some(at);
                self.timers.push(Reverse((at, endpoint)));
            }
            _ => {}
        }
        if lane.is_idle(now) && !lane.in_turn {
            if lane.owned && self.tools.store.is_shared() {
                self.done.push(endpoint);
            }
            self.lanes.remove(&endpoint);
        }
    }
}
