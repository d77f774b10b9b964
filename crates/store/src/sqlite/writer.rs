//! The single writer: one thread, one connection, one commit for whatever has gathered.
//!
//! There is no timer: a lone message commits at once, a crowd commits together while the previous
//! commit is on its way to disk. Acceptance and attempts have a share of each batch each, so that
//! neither starves the other, and within acceptance applications take turns.

use super::batch::{Batch, House, Item, Keep, Outcome, run};
use super::checkpoint::Checkpointer;
use crate::error::{AppendError, ChangeError, StoreError};
use crate::event::Event;
use crate::fair::FairQueue;
use crate::id::{AppId, MessageId};
use crate::message::{Appended, AttemptRecord, Message, NewMessage, Scheduled};
use crate::metrics::StoreMetrics;
use crate::recent_keys::RecentKey;
use crate::watermark::Watermark;
use crossbeam_channel::Receiver;
use postrider_clock::Clock;
use rusqlite::{Connection, ErrorCode};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Messages and changes that one application may have waiting; more are refused with `Busy`.
const WAITING_PER_APP: usize = 2_048;
const BATCH_ITEMS: usize = 512;
const BATCH_BYTES: usize = 16 << 20;
const BATCH_RECORDS: usize = 1_024;
/// How long attempts wait for messages to share a commit with. A crash in this time only means that
/// they are made again; a message never waits.
const REPORTS_WAIT: Duration = Duration::from_millis(5);
const TICK: Duration = Duration::from_secs(1);
/// How long to wait before writing again after the disk was full.
const FULL_PAUSE: Duration = Duration::from_millis(250);

/// What callers ask for.
pub enum Command {
    Append(NewMessage, oneshot::Sender<Result<Appended, AppendError>>),
    Change(Box<super::batch::ChangeRequest>, oneshot::Sender<Result<crate::Changed, ChangeError>>),
}

/// What delivery reports; never refused, in order.
pub enum Report {
    Attempts(Vec<AttemptRecord>),
    /// Deliveries that memory gives up to the schedule.
    Park(Vec<Scheduled>),
    /// Answered when all before it is on disk.
    Flush(oneshot::Sender<()>),
}

impl Report {
    fn can_wait(&self) -> bool {
        !matches!(self, Report::Flush(_))
    }
}

/// The parts that the writer thread owns.
pub struct Writer {
    pub conn: Connection,
    pub clock: Clock,
    pub house: House,
    pub commands: Receiver<Command>,
    pub reports: Receiver<Report>,
    pub events: mpsc::Sender<Event>,
    pub watermark: Watermark,
    pub checkpointer: Checkpointer,
    pub metrics: StoreMetrics,
}

/// What has been taken from the channels and not been committed yet.
struct Waiting {
    commands: FairQueue<AppId, Command>,
    reports: VecDeque<Report>,
}

impl Writer {
    /// Runs until every sender is gone and all they sent is committed.
    pub fn run(mut self) {
        let mut waiting = Waiting { commands: FairQueue::new(WAITING_PER_APP), reports: VecDeque::new() };
        let mut saved = self.marks();
        let mut saved_at = self.clock.steady_ms();
        loop {
            let open = self.gather(&mut waiting);
            let now = self.clock.steady_ms();
            let marks = self.marks();
            let marks = (marks != saved && (now - saved_at >= 1_000 || !open)).then_some(marks);
            if waiting.commands.is_empty() && waiting.reports.is_empty() && marks.is_none() {
                if !open {
                    return;
                }
                continue;
            }
            let keep = Keep { marks, keys: self.house.recent.slice() };
            let batch = pick(&mut waiting, keep);
            if self.commit(batch, &mut waiting)
                && let Some(marks) = marks
            {
                (saved, saved_at) = (marks, now);
            }
            self.checkpointer.between_batches(&self.conn);
        }
    }

    /// From where recovery reads, and up to where idempotency keys are in the index.
    fn marks(&self) -> (i64, i64) {
        (self.watermark.mark(), self.house.recent.mark(self.watermark.newest()))
    }

    /// Takes what is there, waiting for the first if nothing is. False when nobody can send any more.
    fn gather(&self, waiting: &mut Waiting) -> bool {
        if waiting.commands.is_empty() && waiting.reports.is_empty() {
            let mut select = crossbeam_channel::Select::new();
            select.recv(&self.commands);
            select.recv(&self.reports);
            // Ready, or a tick: both end in the drain below.
            let _ = select.ready_timeout(TICK);
        }
        waiting.reports.extend(self.reports.try_iter());
        if waiting.commands.is_empty() && self.commands.is_empty() && waiting.reports.iter().all(Report::can_wait) {
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
    fn commit(&mut self, batch: Batch, waiting: &mut Waiting) -> bool {
        let started = self.clock.steady_ms();
        let result = run(&mut self.conn, &self.house, self.clock.wall_ms(), &batch);
        match result {
            Ok(outcomes) => {
                self.metrics.committed(batch.len(), self.clock.steady_ms() - started);
                self.checkpointer.wrote(batch.bytes());
                self.publish(batch, outcomes);
                true
            }
            Err(error) => {
                self.failed(error, batch, waiting);
                false
            }
        }
    }

    /// Shows what was committed: to the directory first, then to delivery, then to the callers.
    fn publish(&mut self, batch: Batch, outcomes: Vec<Outcome>) {
        let mut accepted = Vec::new();
        let mut recorded = Vec::new();
        let mut replies: Vec<Box<dyn FnOnce()>> = Vec::new();
        for (item, outcome) in batch.items.into_iter().zip(outcomes) {
            match (item, outcome) {
                (Item::Append(message, reply), Outcome::Appended(result)) => {
                    if let Ok(Appended::New(id)) = result {
                        self.watermark.committed(id, message.endpoints.len());
                        if let Some(key) = message.idempotency {
                            self.house.recent.add(RecentKey { key, message: id });
                        }
                        accepted.push(Arc::new(stored(id, message)));
                    }
                    replies.push(Box::new(move || drop(reply.send(result))));
                }
                (Item::Change(request, reply), Outcome::Changed(result)) => {
                    if matches!(result, Ok(crate::Changed::Applied)) {
                        self.house.directory.apply(&request.change);
                        self.send(Event::Changed(Box::new(request.change)));
                    }
                    replies.push(Box::new(move || drop(reply.send(result))));
                }
                (Item::Attempts(records), _) => {
                    for record in records {
                        if !record.stored && !record.delivery.manual {
                            self.watermark.settled(record.delivery.message);
                        }
                        recorded.push((record.delivery, record.retry));
                    }
                }
                (Item::Park(rows), _) => {
                    rows.iter().for_each(|row| self.watermark.settled(row.delivery.message));
                    self.send(Event::Parked(rows));
                }
                (Item::Flush(reply), _) => replies.push(Box::new(move || reply.send(()).unwrap_or_default())),
                (Item::Keep(keep), _) if !keep.keys.is_empty() => self.house.recent.moved(keep.keys.len()),
                (Item::Keep(_) | Item::Append(..) | Item::Change(..), _) => {}
            }
        }
        if !accepted.is_empty() {
            self.send(Event::Accepted(accepted));
        }
        if !recorded.is_empty() {
            self.send(Event::Recorded(recorded));
        }
        replies.into_iter().for_each(|reply| reply());
    }

    /// Waits when delivery is behind: acceptance then slows down instead of memory filling up.
    fn send(&self, event: Event) {
        if self.events.blocking_send(event).is_err() {
            tracing::debug!("delivery has stopped; recovery will find what it left");
        }
    }

    fn failed(&mut self, error: rusqlite::Error, batch: Batch, waiting: &mut Waiting) {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                tracing::error!("the disk is full: refusing messages until there is room");
                self.metrics.disk_full.inc();
                for report in batch.refuse(|| StoreError::DiskFull).into_iter().rev() {
                    waiting.reports.push_front(report);
                }
                std::thread::sleep(FULL_PAUSE);
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                // After a failed fsync nobody knows what is on disk: stop, and let recovery read it.
                tracing::error!(%error, "the disk failed: stopping, so that nothing is answered that is not stored");
                std::process::exit(74);
            }
            _ if batch.items.len() > 1 => {
                for single in batch.split() {
                    self.commit(single, waiting);
                }
            }
            _ => {
                tracing::error!(%error, "one item could not be stored");
                let text = error.to_string();
                batch.refuse(|| StoreError::Database(text.clone()));
            }
        }
    }
}

/// A fair batch: all reports up to a share, then commands in turn.
fn pick(waiting: &mut Waiting, keep: Keep) -> Batch {
    let mut batch = Batch::default();
    let mut records = 0;
    while records < BATCH_RECORDS
        && let Some(report) = waiting.reports.pop_front()
    {
        records += match &report {
            Report::Attempts(attempts) => attempts.len(),
            Report::Park(rows) => rows.len(),
            Report::Flush(_) => 0,
        };
        batch.items.push(report.into());
    }
    let mut bytes = 0;
    for _ in 0..BATCH_ITEMS {
        let Some(command) = waiting.commands.pop() else { break };
        if let Command::Append(message, _) = &command {
            bytes += message.payload.len();
        }
        batch.items.push(command.into());
        if bytes >= BATCH_BYTES {
            break;
        }
    }
    if keep.marks.is_some() || !keep.keys.is_empty() {
        batch.items.push(Item::Keep(keep));
    }
    batch
}

fn application(command: &Command) -> AppId {
    match command {
        Command::Append(message, _) => message.app,
        Command::Change(request, _) => request.app,
    }
}

pub fn refuse(command: Command, why: impl Fn() -> StoreError) {
    match command {
        Command::Append(_, reply) => drop(reply.send(Err(AppendError::Store(why())))),
        Command::Change(_, reply) => drop(reply.send(Err(ChangeError::Store(why())))),
    }
}

fn stored(id: MessageId, message: NewMessage) -> Message {
    Message {
        id,
        app: message.app,
        event_type: message.event_type,
        event_id: message.event_id,
        channels: message.channels,
        payload: message.payload,
        endpoints: message.endpoints,
        created_ms: message.created_ms,
    }
}
