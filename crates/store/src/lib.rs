//! The only room that knows SQL.
//!
//! A [`Store`] takes messages, changes of the configuration, and finished attempts; it commits what
//! has gathered in one transaction, tells delivery what was committed ([`Event`]), and answers. What
//! a provider set up is in memory too ([`Directory`]), as of the last commit.
//!
//! It never opens a connection to anyone, never decides what is due or what matches, and holds no
//! transaction while anyone waits for a network.

mod backend;
mod batch;
pub mod config;
pub mod directory;
mod error;
mod event;
pub mod fair;
pub mod id;
pub mod message;
mod metrics;
pub mod query;
mod recent_keys;
mod secret;
mod sqlite;
mod watermark;
mod writer;

pub use directory::{AppEntry, Directory};
pub use error::{AppendError, ChangeError, OpenError, StoreError};
pub use event::Event;
pub use id::{IdSource, Ids};
pub use metrics::StoreMetrics;
pub use secret::Secret;

use batch::{ChangeRequest, Command, Report};
use bytes::Bytes;
use config::Change;
use crossbeam_channel::{Sender, TrySendError};
use id::{AppId, AttemptId, EndpointId, MessageId};
use message::{Appended, Attempt, AttemptRecord, DeliveryState, IdempotencyKey, Message, NewMessage, Scheduled};
use postrider_clock::Clock;
use query::{AttemptFilter, AttemptsOf, MessageFilter, Page};
use sqlite::Readers;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    /// Where the file lies; made when it isn't there.
    pub dir: PathBuf,
    /// Encrypts secrets and headers at rest.
    pub secret_key: [u8; 32],
    pub clock: Clock,
    pub metrics: StoreMetrics,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("dir", &self.dir).finish_non_exhaustive()
    }
}

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
    /// Keeps other processes off the data while any handle lives.
    _lock: Arc<std::fs::File>,
}

/// What comes with an opened store: delivery's feed, and the end of the writer.
#[derive(Debug)]
pub struct Feed {
    pub events: mpsc::Receiver<Event>,
    /// Deliveries that a crash had left open and that are scheduled again.
    pub recovered: usize,
    /// Ends when every [`Store`] is dropped and all is on disk.
    pub writer: std::thread::JoinHandle<()>,
}

impl Store {
    /// Opens the data directory, brings it to the newest schema, and recovers what a crash left.
    /// Blocks; a large recovery takes seconds.
    pub fn open(options: Options) -> Result<(Store, Feed), OpenError> {
        let clock = options.clock.clone();
        let opened = sqlite::open(options)?;
        let store = Store {
            commands: opened.commands,
            reports: opened.reports,
            readers: opened.readers,
            directory: opened.directory,
            ids: opened.ids,
            source: opened.source,
            clock,
            _lock: Arc::new(opened.lock),
        };
        let feed = Feed { events: opened.events, recovered: opened.recovered, writer: opened.writer };
        Ok((store, feed))
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
        self.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }

    /// Hands over finished attempts. They are committed in order and come back as
    /// [`Event::Recorded`]; while the disk is full they wait.
    pub fn record(&self, attempts: Vec<AttemptRecord>) {
        // The writer outlives every handle.
        let _ = self.reports.send(Report::Attempts(attempts));
    }

    /// Gives deliveries that were in memory alone to the schedule.
    pub fn park(&self, rows: Vec<Scheduled>) {
        let _ = self.reports.send(Report::Park(rows));
    }

    /// Returns when everything reported before is on disk.
    pub async fn flush(&self) {
        let (reply, done) = oneshot::channel();
        let _ = self.reports.send(Report::Flush(reply));
        let _ = done.await;
    }

    pub async fn message(&self, app: AppId, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.readers.read(move |conn| sqlite::read::message(conn, app, id)).await
    }

    /// A message of whichever application, for a delivery that knows only its id.
    pub async fn message_by_id(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.readers.read(move |conn| sqlite::read::message_by_id(conn, id)).await
    }

    pub async fn messages(&self, app: AppId, filter: MessageFilter, page: Page) -> Result<Vec<Message>, StoreError> {
        self.readers.read(move |conn| sqlite::read::messages(conn, app, &filter, page)).await
    }

    /// The messages that matched an endpoint.
    pub async fn endpoint_messages(
        &self,
        app: AppId,
        endpoint: EndpointId,
        filter: MessageFilter,
        page: Page,
    ) -> Result<Vec<Message>, StoreError> {
        self.readers.read(move |conn| sqlite::read::endpoint_messages(conn, app, endpoint, &filter, page)).await
    }

    pub async fn attempts(
        &self,
        of: AttemptsOf,
        filter: AttemptFilter,
        page: Page,
    ) -> Result<Vec<Attempt>, StoreError> {
        self.readers.read(move |conn| sqlite::read::attempts(conn, of, &filter, page)).await
    }

    pub async fn attempt(&self, message: MessageId, id: AttemptId) -> Result<Option<Attempt>, StoreError> {
        self.readers.read(move |conn| sqlite::read::attempt(conn, message, id)).await
    }

    /// How a message stands at each of the endpoints, in their order.
    pub async fn states(
        &self,
        message: MessageId,
        endpoints: Vec<EndpointId>,
    ) -> Result<Vec<DeliveryState>, StoreError> {
        self.readers.read(move |conn| sqlite::read::states(conn, message, &endpoints)).await
    }

    /// Deliveries of an endpoint due by `until_ms`, at most `limit`, and when the first one after
    /// that is due.
    pub async fn due(
        &self,
        endpoint: EndpointId,
        until_ms: i64,
        limit: usize,
    ) -> Result<(Vec<Scheduled>, Option<i64>), StoreError> {
        self.readers
            .read(move |conn| {
                let rows = sqlite::read::due(conn, endpoint, until_ms, limit)?;
                Ok((rows, sqlite::read::next_due(conn, endpoint, until_ms)?))
            })
            .await
    }

    /// Deliveries in the schedule.
    pub async fn waiting_count(&self) -> Result<i64, StoreError> {
        self.readers.read(sqlite::read::waiting_count).await
    }

    /// Endpoints with waiting deliveries, and when the first of each is due.
    pub async fn waiting_endpoints(&self) -> Result<Vec<(EndpointId, i64)>, StoreError> {
        self.readers.read(sqlite::read::waiting_endpoints).await
    }
}
