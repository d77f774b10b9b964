//! The only room that knows SQL.
//!
//! A [`Store`] takes messages, changes of the configuration, and finished attempts; it commits what
//! has gathered in one transaction, tells delivery what was committed ([`Event`]), and answers. What
//! a provider set up is in memory too ([`Directory`]), as of the last commit.
//!
//! It never opens a connection to anyone, never decides what is due or what matches, and holds no
//! transaction while anyone waits for a network.

pub mod access;
mod backend;
mod batch;
mod change;
mod columns;
pub mod config;
pub mod directory;
pub mod doctor;
mod error;
mod event;
pub mod id;
mod json;
mod lease;
mod listing;
pub mod message;
mod metrics;
pub mod migrate;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod plans;
pub mod poll;
mod postgres;
pub mod query;
mod reads;
mod recent_keys;
mod retention;
mod secret;
mod sqlite;
pub mod task;
mod watermark;
mod writer;

pub use directory::{AppEntry, Directory};
pub use error::{AppendError, ChangeError, OpenError, StoreError};
pub use event::Event;
pub use id::{IdSource, Ids};
pub use metrics::StoreMetrics;
pub use postgres::PostgresOptions;
pub use retention::Retention;
pub use secret::Secret;

use backend::{Backend, Opened};
use batch::{ChangeRequest, Command, Parked, Report};
use bytes::Bytes;
use config::Change;
use crossbeam_channel::{Sender, TrySendError, bounded, unbounded};
use id::AppId;
use lease::Lease;
use message::{Appended, AttemptRecord, IdempotencyKey, NewMessage, Scheduled};
use postrider_clock::Clock;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use watermark::Watermark;
use writer::Writer;

/// Commands that may wait for the writer to take them.
const WAITING_COMMANDS: usize = 8_192;
/// Commits that delivery may be behind.
const WAITING_EVENTS: usize = 256;
/// How long whoever stops waits for what is on its way to the disk; what comes later is still written, if it can be.
const LONGEST_FLUSH: Duration = Duration::from_secs(5);

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    pub database: Database,
    /// Encrypts secrets and headers at rest.
    pub secret_key: [u8; 32],
    pub clock: Clock,
    pub metrics: StoreMetrics,
    pub retention: Retention,
}

/// Where the data lies.
#[derive(Clone, Debug)]
pub enum Database {
    /// In this directory; made when it isn't there.
    Embedded(PathBuf),
    Postgres(PostgresOptions),
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}

/// Counts how often this process became a new node: what was done under an earlier one counts no more.
pub type Tenure = u64;

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    Applied,
    /// The same request was answered before, with this.
    Repeat(RememberedAnswer),
}

/// The answer that is kept for an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedAnswer {
    pub status: u16,
    pub body: Bytes,
}

impl RememberedAnswer {
    /// For what is only not to be done twice: its answer is made anew.
    pub fn empty() -> RememberedAnswer {
        RememberedAnswer { status: 200, body: Bytes::new() }
    }
}

/// A handle to the store; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    commands: Sender<Command>,
    reports: Sender<Report>,
    readers: Readers,
    directory: Arc<Directory>,
    ids: Ids,
    source: Arc<IdSource>,
    clock: Clock,
    lease: Arc<Lease>,
    gate: Arc<AtomicBool>,
    /// Keeps other processes off the data while any handle lives.
    _lock: Arc<Option<File>>,
}

/// Where reads go.
#[derive(Clone, Debug)]
enum Readers {
    Sqlite(sqlite::Threads),
    Postgres(postgres::Reads),
}

/// What comes with an opened store: delivery's feed, and the end of the writer.
#[derive(Debug)]
pub struct Feed {
    pub events: mpsc::Receiver<Event>,
    /// Deliveries that a crash had left open and that are scheduled again.
    pub recovered: usize,
    /// Ends when every [`Store`] is dropped and all is on disk.
    pub writer: JoinHandle<()>,
}

impl Store {
    /// Opens the database, brings it to the newest schema, and recovers what a crash left; a large
    /// recovery takes seconds.
    pub async fn open(options: Options) -> Result<(Store, Feed), OpenError> {
        let (event_sender, events) = mpsc::channel(WAITING_EVENTS);
        match options.database.clone() {
            Database::Embedded(dir) => {
                let (clock, metrics) = (options.clock.clone(), options.metrics.clone());
                let opening = tokio::task::spawn_blocking(move || sqlite::open(&options, &dir));
                let opened = opening.await.map_err(|error| OpenError::Database(error.to_string()))??;
                Store::with(opened, clock, metrics, (event_sender, events))
            }
            Database::Postgres(postgres) => {
                let opened = postgres::open(&options, postgres, event_sender.clone()).await?;
                Store::with(opened, options.clock, options.metrics, (event_sender, events))
            }
        }
    }

    /// Starts the writer on an opened driver.
    fn with<B: Backend>(
        opened: Opened<B>,
        clock: Clock,
        metrics: StoreMetrics,
        (event_sender, events): (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    ) -> Result<(Store, Feed), OpenError> {
        let (commands, command_queue) = bounded(WAITING_COMMANDS);
        let (reports, report_queue) = unbounded();
        let gate = Arc::new(AtomicBool::new(true));
        let writer = Writer {
            backend: opened.backend,
            clock: clock.clone(),
            directory: opened.directory.clone(),
            commands: command_queue,
            reports: report_queue,
            events: event_sender,
            watermark: Watermark::after(opened.newest),
            ids: opened.source.clone(),
            metrics,
            gate: gate.clone(),
            tenure: 0,
        };
        let writer = std::thread::Builder::new().name("writer".into()).spawn(|| writer.run());
        let store = Store {
            commands,
            reports,
            readers: opened.readers,
            directory: opened.directory,
            ids: opened.ids,
            source: opened.source,
            clock,
            lease: opened.lease,
            gate,
            _lock: Arc::new(opened.lock),
        };
        let writer = writer.map_err(|error| OpenError::Database(error.to_string()))?;
        Ok((store, Feed { events, recovered: opened.recovered, writer }))
    }

    /// Whether there may be other nodes on the same database.
    pub fn is_shared(&self) -> bool {
        matches!(self.readers, Readers::Postgres(_))
    }

    /// Whether this process may begin to send something: not when others may have taken over.
    pub fn may_send(&self) -> bool {
        self.lease.is_held()
    }

    /// Returns when the directory shows everything that was committed before, on whichever node.
    pub async fn fresh(&self) -> Result<(), StoreError> {
        match &self.readers {
            Readers::Sqlite(_) => Ok(()),
            Readers::Postgres(reads) => reads.refresh.now().await,
        }
    }

    /// The configuration as of the last commit.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The public spelling of ids.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// A new id, for something made now.
    pub fn new_id(&self) -> i64 {
        self.source.next(self.clock.wall_ms())
    }

    /// Commits a message. Returns when it is on disk.
    pub async fn append(&self, message: NewMessage) -> Result<Appended, AppendError> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Append(message, reply))?;
        answer.await.unwrap_or(Err(AppendError::Store(StoreError::Closed)))
    }

    /// Commits messages of one application together. Returns when they are on disk, with what became of each; one
    /// that is refused leaves the others alone.
    pub async fn append_many(&self, messages: Vec<NewMessage>) -> Vec<Result<Appended, AppendError>> {
        let count = messages.len();
        let failed = |error: fn() -> StoreError| (0..count).map(|_| Err(AppendError::Store(error()))).collect();
        if messages.is_empty() {
            return vec![];
        }
        let (reply, answer) = oneshot::channel();
        match self.command(Command::AppendMany(messages, reply)) {
            Ok(()) => answer.await.unwrap_or_else(|_| failed(|| StoreError::Closed)),
            Err(StoreError::Busy) => failed(|| StoreError::Busy),
            Err(StoreError::Unavailable) => failed(|| StoreError::Unavailable),
            Err(_) => failed(|| StoreError::Closed),
        }
    }

    /// Commits a change, and the answer to keep for its idempotency key. When it returns, the
    /// directory shows it. `app` is whose turn it takes; `AppId(0)` outside applications.
    pub async fn change(
        &self,
        app: AppId,
        change: Change,
        idempotency: Option<(IdempotencyKey, RememberedAnswer)>,
    ) -> Result<Changed, ChangeError> {
        let (reply, answer) = oneshot::channel();
        let request = ChangeRequest { app, change, idempotency, now_ms: self.clock.wall_ms() };
        self.command(Command::Change(Box::new(request), reply))?;
        answer.await.unwrap_or(Err(ChangeError::Store(StoreError::Closed)))
    }

    fn command(&self, command: Command) -> Result<(), StoreError> {
        if !self.gate.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable);
        }
        self.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }

    /// Hands over attempts that were finished in this tenure. They are committed in order and come
    /// back as [`Event::Recorded`]; while the disk is full they wait.
    pub fn record(&self, tenure: Tenure, attempts: Vec<AttemptRecord>) {
        // The writer outlives every handle.
        let _ = self.reports.send(Report::Attempts(tenure, attempts));
    }

    /// Gives deliveries that were in memory alone a row in the schedule. `held`: memory keeps them
    /// and sends them; otherwise whoever works on the endpoint does, and [`Event::Parked`] says so.
    pub fn park(&self, tenure: Tenure, rows: Vec<Scheduled>, held: bool) {
        let _ = self.reports.send(Report::Park(tenure, Parked { rows, held }));
    }

    /// Returns when everything reported before is on disk, or when that has taken too long: the database is away, or the
    /// disk is full.
    pub async fn flush(&self) {
        let (reply, done) = oneshot::channel();
        let _ = self.reports.send(Report::Flush(reply));
        let _ = tokio::time::timeout(LONGEST_FLUSH, done).await;
    }
}
