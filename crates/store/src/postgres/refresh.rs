//! The directory of this node follows the configuration in the database.
//!
//! One task reads what changed: every so often, and at once for who asks ([`Refresh::now`]). Who asks
//! while it reads is answered by the next reading, together with all others who asked meanwhile.

use super::adopt::get;
use super::load::{self, Loaded, Wanted};
use crate::directory::Directory;
use crate::error::StoreError;
use crate::event::Event;
use crate::secret::Sealer;
use deadpool_postgres::Pool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

const EVERY: Duration = Duration::from_millis(500);
/// Who may wait for one reading.
const WAITING: usize = 1_024;

type Ask = oneshot::Sender<Result<(), StoreError>>;

/// A handle to the task, which ends with the last one.
#[derive(Clone, Debug)]
pub struct Refresh(mpsc::Sender<Ask>);

impl Refresh {
    pub fn start(follower: Follower) -> Refresh {
        let (asks, queue) = mpsc::channel(WAITING);
        tokio::spawn(follower.run(queue));
        Refresh(asks)
    }

    /// Returns when the directory shows every change that was committed before the call.
    pub async fn now(&self) -> Result<(), StoreError> {
        let (ask, answer) = oneshot::channel();
        self.0.try_send(ask).map_err(|_| StoreError::Busy)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// What the task owns.
pub struct Follower {
    pub pool: Pool,
    pub sealer: Sealer,
    pub directory: Arc<Directory>,
    pub events: mpsc::Sender<Event>,
    /// The version that the directory shows.
    pub known: i64,
}

impl Follower {
    async fn run(mut self, mut queue: mpsc::Receiver<Ask>) {
        let mut asking = Vec::new();
        loop {
            // Someone asks, or it is time; nobody is left who could ask.
            if let Ok(0) = tokio::time::timeout(EVERY, queue.recv_many(&mut asking, WAITING)).await {
                return;
            }
            let result = self.refresh().await;
            if let (Err(error), true) = (&result, asking.is_empty()) {
                tracing::debug!(%error, "could not read what changed; trying again");
            }
            for ask in asking.drain(..) {
                let answer = match &result {
                    Ok(()) => Ok(()),
                    Err(StoreError::Database(reason)) => Err(StoreError::Database(reason.clone())),
                    Err(_) => Err(StoreError::Unavailable),
                };
                drop(ask.send(answer));
            }
        }
    }

    /// Reads what changed since, all of it as it was at one moment, and shows it.
    pub async fn refresh(&mut self) -> Result<(), StoreError> {
        let mut connection = get(&self.pool).await?;
        let version = connection.query_typed("SELECT version FROM config", &[]).await?;
        let version: i64 = version.first().map_or(0, |row| row.get(0));
        if version == self.known {
            return Ok(());
        }
        let moment = load::moment(&mut connection).await?;
        let client = moment.client();
        let sql = "SELECT version, kind, id, scope, name FROM config_log WHERE version > $1 ORDER BY version";
        let log = client.query_typed(sql, &[(&self.known, tokio_postgres::types::Type::INT8)]).await?;
        let loaded = if log.first().is_some_and(|row| row.get::<_, i64>(0) == self.known + 1) {
            let mut wanted = Wanted::default();
            for row in &log {
                match row.get(1) {
                    "application" => drop(wanted.applications.insert(row.get(2))),
                    "endpoint" => {
                        wanted.endpoints.insert(row.get(2));
                        // For its routing, which the change of an endpoint changes too.
                        wanted.applications.insert(row.get(3));
                    }
                    "key" => drop(wanted.keys.insert(row.get(2))),
                    "tokens" => drop(wanted.tokens.insert(row.get(2))),
                    "old_tokens" => drop(wanted.old_tokens.insert(row.get(2))),
                    "expunged" => drop(wanted.expunged.insert(row.get(2))),
                    "environment" => drop(wanted.environments.insert(row.get(2))),
                    "event_type" => drop(wanted.event_types.insert((row.get(3), row.get(4)))),
                    // A newer node's kind of thing; this one does without.
                    kind => tracing::debug!(kind, "a change that this version does not know"),
                }
            }
            load::some(client, &self.sealer, wanted).await?
        } else {
            // The lines in between are gone: look at everything.
            let mut loaded = load::all(client, &self.sealer).await?;
            loaded.changes.splice(0..0, self.directory.missing_from(&loaded.changes));
            loaded
        };
        moment.commit().await?;
        self.show(loaded).await;
        self.known = log.last().map_or(version, |row| row.get::<_, i64>(0).max(version));
        Ok(())
    }

    async fn show(&self, loaded: Loaded) {
        self.directory.apply_all(&loaded.changes, &loaded.routings);
        for change in loaded.changes {
            if self.events.send(Event::Changed(Box::new(change))).await.is_err() {
                tracing::debug!("delivery has stopped");
            }
        }
    }
}
