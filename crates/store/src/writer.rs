//! The single writer: one thread, one commit for whatever has gathered, whichever the database.
//!
//! A lone message commits at once, a crowd commits together while the previous commit is on its way to
//! disk. In a crowd the writer waits a third of a millisecond for more of it: a larger batch costs each
//! message less, and under that load they all gain by it. Acceptance and attempts have a share of each batch each, so that
//! neither starves the other, and within acceptance applications take turns.

use crate::Tenure;
use crate::backend::{Backend, CommitError, Committed};
use crate::batch::{Batch, Command, Item, Outcome, Parked, Report, refuse};
use crate::directory::Directory;
use crate::error::{AppendError, StoreError};
use crate::event::Event;
use crate::id::{AppId, IdSource, MessageId};
use crate::message::{Appended, AttemptRecord, Message, NewMessage, UNRECORDED};
use crate::metrics::StoreMetrics;
use crate::watermark::Watermark;
use crossbeam_channel::{Receiver, TryRecvError};
use postrider_clock::Clock;
use postrider_fair::FairQueue;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Messages and changes that one application may have waiting; more are refused with `Busy`.
const WAITING_PER_APP: usize = 2_048;
const BATCH_ITEMS: usize = 512;
const BATCH_BYTES: usize = 16 << 20;
const BATCH_RECORDS: usize = 1_024;
/// How long attempts wait for messages to share a commit with. A crash in this time only means that
/// they are made again; a message never waits.
const REPORTS_WAIT: Duration = Duration::from_millis(5);
/// Messages in one batch that are a crowd, and how long to wait for the next.
const CROWD: usize = 16;
const CROWD_WAIT: Duration = Duration::from_micros(300);
const TICK: Duration = Duration::from_secs(1);
/// How long to wait before writing again after the disk was full, or the database away.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the callers of a batch wait for a database that is away. Whoever is told to try again
/// does so with the same idempotency key, and nothing happens twice.
const AWAY_MS: i64 = 10_000;
/// When an outcome that the database refuses is tried again: the time doubles with each try.
const FIRST_REFUSED_MS: i64 = 1_000;
const REFUSED_TRIES: u32 = 5;
/// How often recovery's mark is written while messages come, and while nothing happens.
const MARK_MS: i64 = 1_000;
const IDLE_MARK_MS: i64 = 60_000;
/// Commits that may fail one after the other when nobody can send any more.
const LAST_TRIES: u32 = 8;

/// The parts that the writer thread owns.
pub struct Writer<B> {
    pub backend: B,
    pub clock: Clock,
    pub directory: Arc<Directory>,
    pub commands: Receiver<Command>,
    pub reports: Receiver<Report>,
    pub events: mpsc::Sender<Event>,
    pub watermark: Watermark,
    pub ids: Arc<IdSource>,
    pub metrics: StoreMetrics,
    /// Whether callers should try at all; not while the database is away.
    pub gate: Arc<AtomicBool>,
    /// Rises each time this process becomes a new node.
    pub tenure: Tenure,
}

/// The mark that recovery would begin at, as it was written last.
struct Kept {
    mark: i64,
    /// Steady clock.
    at_ms: i64,
}

/// What has been taken from the channels and not been committed yet.
struct Waiting {
    commands: FairQueue<AppId, Command>,
    reports: VecDeque<Report>,
    /// Parts of batches in which the database refuses something. They are committed one at a time between the other
    /// batches, so that finding what is refused holds nobody up.
    suspects: VecDeque<(Tenure, Batch)>,
    /// Bare outcomes that the database did not take, to be tried again.
    refused: VecDeque<Refused>,
}

/// An outcome that the database refuses even without a word that came from outside.
struct Refused {
    tenure: Tenure,
    record: AttemptRecord,
    tries: u32,
    /// When it is tried again, steady ms.
    at_ms: i64,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.reports.is_empty() && self.suspects.is_empty()
    }
}

impl<B: Backend> Writer<B> {
    /// Runs until every sender is gone and all they sent is committed, or can't be.
    pub fn run(mut self) {
        let mut waiting = Waiting {
            commands: FairQueue::new(WAITING_PER_APP),
            reports: VecDeque::new(),
            suspects: VecDeque::new(),
            refused: VecDeque::new(),
        };
        let mut kept = Kept { mark: self.watermark.mark(), at_ms: self.clock.steady_ms() };
        let mut crowd = false;
        let mut in_vain = 0;
        loop {
            if crowd && self.commands.len() < 2 * CROWD {
                std::thread::sleep(CROWD_WAIT);
            }
            let open = self.gather(&mut waiting);
            let now = self.clock.steady_ms();
            self.retry_refused(&mut waiting, now);
            let is_idle = waiting.is_empty();
            let mark = self.mark(&kept, is_idle, open);
            if is_idle && mark.is_none() {
                crowd = false;
                if !open {
                    self.backend.close();
                    return;
                }
            } else {
                let batch = self.pick(&mut waiting);
                crowd = batch.messages() >= CROWD;
                let has_work = !batch.items.is_empty() || mark.is_some();
                let committed = !has_work || self.commit(batch, mark, &mut waiting);
                if committed && let Some(mark) = mark {
                    kept = Kept { mark, at_ms: now };
                }
                self.commit_suspect(&mut waiting);
                in_vain = if committed || open { 0 } else { in_vain + 1 };
                if in_vain > LAST_TRIES {
                    tracing::warn!("stopping without the last outcomes: what they are of is sent again");
                    self.backend.close();
                    return;
                }
            }
            if let Err(error) = self.backend.rest() {
                self.failed(error, Batch::default(), &mut waiting);
            }
        }
    }

    /// The mark, when it is worth writing down. An idle writer does so too, now and then: others compare marks, and
    /// the embedded database keeps the time with it.
    fn mark(&mut self, kept: &Kept, is_idle: bool, open: bool) -> Option<i64> {
        let age_ms = self.clock.steady_ms() - kept.at_ms;
        if is_idle && age_ms >= IDLE_MARK_MS {
            self.watermark.passed(self.ids.next(self.clock.wall_ms()));
        }
        let mark = self.watermark.mark();
        let moved = mark != kept.mark;
        let every_ms = if is_idle && !moved { IDLE_MARK_MS } else { MARK_MS };
        (age_ms >= every_ms || (moved && !open)).then_some(mark)
    }

    /// Takes what is there, waiting for the first if nothing is. False when nobody can send any more.
    fn gather(&self, waiting: &mut Waiting) -> bool {
        if waiting.is_empty() {
            let mut select = crossbeam_channel::Select::new();
            select.recv(&self.commands);
            select.recv(&self.reports);
            // Ready, or a tick: both end in the drain below.
            let _ = select.ready_timeout(TICK);
        }
        waiting.reports.extend(self.reports.try_iter());
        let may_wait = waiting.suspects.is_empty() && waiting.reports.iter().all(Report::can_wait);
        if waiting.commands.is_empty() && self.commands.is_empty() && may_wait {
            let mut select = crossbeam_channel::Select::new();
            select.recv(&self.commands);
            let _ = select.ready_timeout(REPORTS_WAIT);
            waiting.reports.extend(self.reports.try_iter());
        }
        loop {
            match self.commands.try_recv() {
                Ok(command) => {
                    if let Err(refused) = waiting.commands.push(application(&command), command) {
                        refuse(refused, || StoreError::Busy);
                    }
                }
                // Every handle has both senders, so both channels close together.
                Err(error) => return !error.is_disconnected(),
            }
        }
    }

    /// Commits a batch and tells everyone. False when it was not committed.
    fn commit(&mut self, batch: Batch, watermark: Option<i64>, waiting: &mut Waiting) -> bool {
        let started = self.clock.steady_ms();
        match self.backend.commit(&batch, watermark) {
            Ok(committed) => {
                self.metrics.committed(batch.len(), self.clock.steady_ms() - started);
                self.publish(batch, committed);
                true
            }
            Err(error) => self.failed(error, batch, waiting),
        }
    }

    /// Shows what was committed: to the directory first, then to delivery, then to the callers.
    fn publish(&mut self, batch: Batch, committed: Committed) {
        for change in committed.changes {
            self.directory.apply(&change);
            self.send(Event::Changed(Box::new(change)));
        }
        let mut accepted = Vec::new();
        let mut recorded = Vec::new();
        let mut begun = Vec::new();
        let mut replies: Vec<Box<dyn FnOnce()>> = Vec::new();
        for (item, outcome) in batch.items.into_iter().zip(committed.outcomes) {
            match (item, outcome) {
                (Item::Append(message, reply), Outcome::Appended(result)) => {
                    accepted.extend(self.accepted(message, &result));
                    replies.push(Box::new(move || drop(reply.send(result))));
                }
                (Item::AppendMany(messages, reply), Outcome::AppendedMany(results)) => {
                    for (message, result) in messages.into_iter().zip(&results) {
                        accepted.extend(self.accepted(message, result));
                    }
                    replies.push(Box::new(move || drop(reply.send(results))));
                }
                (Item::Change(_, reply), Outcome::Changed(result)) => {
                    replies.push(Box::new(move || drop(reply.send(result))));
                }
                (Item::Attempts(records), _) => {
                    for record in records {
                        self.watermark.settled(record.delivery);
                        recorded.push((record.delivery, record.retry));
                        begun.extend(record.next);
                    }
                }
                (Item::Park(Parked { rows, held }), _) => {
                    rows.iter().for_each(|row| self.watermark.settled(row.delivery));
                    if !held {
                        self.send(Event::Parked(rows));
                    }
                }
                (Item::Forget(deliveries), _) => {
                    for delivery in deliveries {
                        self.watermark.settled(delivery);
                        recorded.push((delivery, None));
                    }
                }
                (Item::Flush(reply), _) => replies.push(Box::new(move || reply.send(()).unwrap_or_default())),
                (Item::Append(..) | Item::AppendMany(..) | Item::Change(..), _) => {}
            }
        }
        if !accepted.is_empty() {
            self.send(Event::Accepted(accepted));
        }
        if !recorded.is_empty() {
            self.send(Event::Recorded(recorded));
        }
        if !begun.is_empty() {
            self.send(Event::Parked(begun));
        }
        replies.into_iter().for_each(|reply| reply());
    }

    /// The message as delivery gets it, if it is a new one.
    fn accepted(&mut self, message: NewMessage, result: &Result<Appended, AppendError>) -> Option<Arc<Message>> {
        let Ok(Appended::New(id)) = result else { return None };
        // What is in the schedule already needs no looking after.
        let in_memory = message.endpoints.iter().filter(|endpoint| !message.ordered.contains(endpoint));
        self.watermark.committed(*id, in_memory.copied().collect());
        Some(Arc::new(stored(*id, message)))
    }

    /// Waits when delivery is behind: acceptance then slows down instead of memory filling up.
    fn send(&self, event: Event) {
        if self.events.blocking_send(event).is_err() {
            tracing::debug!("delivery has stopped; recovery will find what it left");
        }
    }

    /// Does what can be done about a batch that was not committed. True if it was in the end.
    fn failed(&mut self, error: CommitError, batch: Batch, waiting: &mut Waiting) -> bool {
        match error {
            CommitError::Full => {
                tracing::error!("the disk is full: refusing messages until there is room");
                self.metrics.disk_full.inc();
                for report in batch.refuse(self.tenure, || StoreError::DiskFull).into_iter().rev() {
                    waiting.reports.push_front(report);
                }
                std::thread::sleep(PAUSE);
                false
            }
            CommitError::Broken(reason) => {
                tracing::error!(reason, "the disk failed: stopping, so that nothing is answered that is not stored");
                std::process::exit(74);
            }
            CommitError::Unknown => self.resolve(batch, waiting),
            CommitError::Lost => self.rejoin(batch, waiting),
            CommitError::Rejected(_) | CommitError::Again if !batch.is_single() => {
                self.suspect(batch, waiting);
                false
            }
            error => {
                tracing::error!(%error, "one item could not be stored");
                let again = matches!(error, CommitError::Again);
                let why = || if again { StoreError::Busy } else { StoreError::Database(error.to_string()) };
                // Whatever it got in the way of is done by the next try; what is rejected stays rejected.
                for report in batch.refuse(self.tenure, why).into_iter().rev() {
                    match report {
                        report if again => waiting.reports.push_front(report),
                        Report::Attempts(_, records) => self.refused_attempts(&records, waiting),
                        Report::Park(_, parked) => self.refused_rows(&parked, waiting),
                        Report::Forget(..) | Report::Flush(_) => {}
                    }
                }
                false
            }
        }
    }

    /// Queues two parts of a refused batch to be committed apart. A flush still waits for both. Callers wait for what they
    /// asked for, so it is apart from reports first, and goes before all reports that are refused.
    fn suspect(&self, mut batch: Batch, waiting: &mut Waiting) {
        waiting.reports.extend(batch.take_flushes().map(Report::Flush));
        let reports = batch.take_reports();
        if reports.items.is_empty() || batch.items.is_empty() {
            let whole = if batch.items.is_empty() { reports } else { batch };
            whole.halves().into_iter().rev().for_each(|half| self.queue_suspect(half, waiting));
        } else {
            [reports, batch].into_iter().for_each(|part| self.queue_suspect(part, waiting));
        }
    }

    fn queue_suspect(&self, part: Batch, waiting: &mut Waiting) {
        match part.items.first() {
            None => {}
            Some(item) if item.is_report() => waiting.suspects.push_back((self.tenure, part)),
            Some(_) => waiting.suspects.push_front((self.tenure, part)),
        }
    }

    /// Commits one part of a batch that was refused.
    fn commit_suspect(&mut self, waiting: &mut Waiting) {
        let Some((tenure, batch)) = waiting.suspects.pop_front() else { return };
        let batch = if tenure == self.tenure { batch } else { batch.without_reports() };
        if !batch.items.is_empty() {
            self.commit(batch, None, waiting);
        }
    }

    /// Outcomes that the database refuses are stored bare; where it refuses even that, they are tried again a few times.
    fn refused_attempts(&mut self, records: &[AttemptRecord], waiting: &mut Waiting) {
        for record in records {
            let is_bare = record.outcome.error.as_ref().is_some_and(|(code, _)| code == UNRECORDED);
            if is_bare {
                let at_ms = self.clock.steady_ms() + FIRST_REFUSED_MS;
                waiting.refused.push_back(Refused { tenure: self.tenure, record: record.clone(), tries: 1, at_ms });
            } else {
                self.commit(Batch { items: vec![Item::Attempts(vec![record.bare()])] }, None, waiting);
            }
        }
    }

    /// Tries an outcome again that the database refused. After the last try its delivery leaves the schedule, for it
    /// must not be repeated without end.
    fn retry_refused(&mut self, waiting: &mut Waiting, now_ms: i64) {
        let Some(place) = waiting.refused.iter().position(|refused| refused.at_ms <= now_ms) else { return };
        let Some(mut refused) = waiting.refused.remove(place) else { return };
        if refused.tenure != self.tenure {
            return;
        }
        if refused.tries > REFUSED_TRIES {
            let message = refused.record.delivery.message.0;
            tracing::error!(message, "the outcome of a delivery could not be stored");
            self.commit(Batch { items: vec![Item::Forget(vec![refused.record.delivery])] }, None, waiting);
            return;
        }
        let batch = Batch { items: vec![Item::Attempts(vec![refused.record.clone()])] };
        match self.backend.commit(&batch, None) {
            Ok(committed) => self.publish(batch, committed),
            Err(CommitError::Rejected(_)) => {
                refused.at_ms = now_ms + (FIRST_REFUSED_MS << refused.tries);
                refused.tries += 1;
                waiting.refused.push_back(refused);
            }
            Err(error) => drop(self.failed(error, batch, waiting)),
        }
    }

    /// Deliveries that the database does not take into the schedule end here, visibly.
    fn refused_rows(&mut self, parked: &Parked, waiting: &mut Waiting) {
        let now_ms = self.clock.wall_ms();
        let ended = parked.rows.iter().map(|row| AttemptRecord::unschedulable(row.delivery, now_ms));
        self.commit(Batch { items: vec![Item::Attempts(ended.collect())] }, None, waiting);
    }

    /// Waits for the database, and finds out what became of the batch.
    fn resolve(&mut self, mut batch: Batch, waiting: &mut Waiting) -> bool {
        let since = self.close_gate();
        loop {
            match self.backend.resolve(&batch) {
                Ok(Some(committed)) => {
                    self.open_gate(since);
                    self.publish(batch, committed);
                    return true;
                }
                Ok(None) => {
                    self.open_gate(since);
                    return self.commit(batch, None, waiting);
                }
                Err(CommitError::Broken(reason)) => return self.failed(CommitError::Broken(reason), batch, waiting),
                Err(_) => {}
            }
            if self.clock.steady_ms() - since > AWAY_MS {
                batch.answer_unavailable();
            }
            if !self.wait_for_database(waiting) {
                return false;
            }
        }
    }

    /// Becomes a new node. Messages go on with it; what was reported by the old one no longer counts,
    /// for whoever took over does it again.
    fn rejoin(&mut self, batch: Batch, waiting: &mut Waiting) -> bool {
        let since = self.close_gate();
        tracing::warn!("the other nodes took over from this one; starting again as a new node");
        let newest = loop {
            match self.backend.rejoin() {
                Ok(newest) => break newest,
                Err(_) if !self.wait_for_database(waiting) => return false,
                Err(_) => {}
            }
        };
        self.open_gate(since);
        self.tenure += 1;
        self.watermark = Watermark::after(newest);
        self.send(Event::Reset(self.tenure));
        self.commit(batch.without_reports(), None, waiting)
    }

    fn close_gate(&self) -> i64 {
        self.gate.store(false, Ordering::Relaxed);
        self.clock.steady_ms()
    }

    fn open_gate(&self, since: i64) {
        self.gate.store(true, Ordering::Relaxed);
        tracing::info!(seconds = (self.clock.steady_ms() - since) / 1_000, "the database is there again");
    }

    /// Refuses who is waiting, and pauses. False when nobody is there any more to wait for.
    fn wait_for_database(&mut self, waiting: &mut Waiting) -> bool {
        while let Some(command) = waiting.commands.pop() {
            refuse(command, || StoreError::Unavailable);
        }
        loop {
            match self.commands.try_recv() {
                Ok(command) => refuse(command, || StoreError::Unavailable),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        std::thread::sleep(PAUSE);
        true
    }

    /// A fair batch: all reports up to a share, then commands in turn.
    fn pick(&self, waiting: &mut Waiting) -> Batch {
        let mut batch = Batch::default();
        let mut records = 0;
        while records < BATCH_RECORDS
            && let Some(report) = waiting.reports.pop_front()
        {
            if report.tenure().is_some_and(|tenure| tenure != self.tenure) {
                continue;
            }
            if !report.can_wait() && !waiting.suspects.is_empty() {
                waiting.reports.push_front(report);
                break;
            }
            records += report.rows();
            batch.items.push(report.into());
        }
        let mut bytes = 0;
        for _ in 0..BATCH_ITEMS {
            let Some(command) = waiting.commands.pop() else { break };
            let item = Item::from(command);
            bytes += item.messages().iter().map(NewMessage::bytes).sum::<usize>();
            batch.items.push(item);
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        batch
    }
}

fn application(command: &Command) -> AppId {
    match command {
        Command::Append(message, _) => message.app,
        Command::AppendMany(messages, _) => messages.first().map_or(AppId(0), |message| message.app),
        Command::Change(request, _) => request.app,
    }
}

fn stored(id: MessageId, message: NewMessage) -> Message {
    Message {
        id,
        app: message.app,
        event_type: message.event_type,
        event_id: message.event_id,
        channels: message.channels,
        tags: message.tags,
        payload: message.payload,
        endpoints: message.endpoints,
        chain: message.chain,
        ordered: message.ordered,
        deliver: message.deliver,
        created_ms: message.created_ms,
    }
}
