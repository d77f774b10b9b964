//! The writer's driver: a batch in one transaction.

use super::append::{append, move_keys, remembered};
use super::change::change;
use super::checkpoint::Checkpointer;
use super::expire::Expiry;
use super::record::{record, schedule, unschedule};
use super::time::Retiming;
use crate::backend::{Backend, CommitError, Committed};
use crate::batch::{Batch, ChangeRequest, Item, Outcome};
use crate::directory::Directory;
use crate::error::{AppendError, ChangeError};
use crate::id::{AppId, AttemptId, IdSource, MessageId, first_of_ms};
use crate::message::{Appended, IdempotencyKey, NewMessage};
use crate::recent_keys::{RecentKey, RecentKeys};
use crate::secret::Sealer;
use crate::{Changed, RememberedAnswer, Retention};
use bytes::Bytes;
use postrider_clock::Clock;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params};
use std::collections::HashMap;
use std::sync::Arc;

/// Under this key the file has the steady time of its last commit, about; see [`super::time`].
pub const STEADY: &str = "steady_ms";

/// What the writer thread owns of the file.
pub struct Sqlite {
    pub conn: Connection,
    pub clock: Clock,
    pub sealer: Sealer,
    pub directory: Arc<Directory>,
    pub ids: Arc<IdSource>,
    pub recent: RecentKeys,
    pub checkpointer: Checkpointer,
    pub retention: Retention,
    pub expiry: Expiry,
    pub retiming: Retiming,
}

impl Backend for Sqlite {
    fn commit(&mut self, batch: &Batch, watermark: Option<i64>) -> Result<Committed, CommitError> {
        let moving = self.recent.slice();
        let outcomes = self.run(batch, &moving, watermark).map_err(commit_error)?;
        self.checkpointer.wrote(batch.bytes() + moving.len() * 100);
        if !moving.is_empty() {
            self.recent.moved(moving.len());
        }
        let mut changes = Vec::new();
        for (item, outcome) in batch.items.iter().zip(&outcomes) {
            let results = match outcome {
                Outcome::Appended(result) => std::slice::from_ref(result),
                Outcome::AppendedMany(results) => results,
                Outcome::Changed(_) | Outcome::Done => &[],
            };
            for (message, result) in item.messages().iter().zip(results) {
                if let (Ok(Appended::New(id)), Some(key)) = (result, message.idempotency) {
                    self.recent.add(RecentKey { key, message: *id });
                }
            }
            if let (Item::Change(request, _), Outcome::Changed(Ok(Changed::Applied))) = (item, outcome) {
                changes.push(request.change.clone());
            }
        }
        Ok(Committed { outcomes, changes })
    }

    fn rest(&mut self) -> Result<(), CommitError> {
        let now_ms = self.clock.wall_ms();
        if self.expiry.is_due(now_ms) {
            let written = self.expiry.slice(&mut self.conn, &self.retention, now_ms).map_err(commit_error)?;
            self.checkpointer.wrote(written);
        }
        if self.retiming.is_due(self.clock.ahead_ms()) {
            let rows = self.retiming.slice(&mut self.conn).map_err(commit_error)?;
            self.checkpointer.wrote(rows * 200);
        }
        self.checkpointer.between_batches(&self.conn);
        Ok(())
    }
}

impl Sqlite {
    /// Runs a batch in one transaction and commits it.
    fn run(&mut self, batch: &Batch, moving: &[RecentKey], watermark: Option<i64>) -> rusqlite::Result<Vec<Outcome>> {
        let now_ms = self.clock.wall_ms();
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut scope = Scope {
            tx,
            sealer: &self.sealer,
            directory: &self.directory,
            ids: &self.ids,
            recent: &self.recent,
            now_ms,
            steady_ms: self.clock.steady_ms(),
            first_key_ms: self.retention.first_key_ms(now_ms),
            keys: HashMap::new(),
            rerouted: Vec::new(),
        };
        // Changes first: a message in the same batch sees them, or is routed again.
        let mut outcomes: Vec<Option<Outcome>> = Vec::new();
        outcomes.resize_with(batch.items.len(), || None);
        for (item, outcome) in batch.items.iter().zip(&mut outcomes) {
            if let Item::Change(request, _) = item {
                *outcome = Some(Outcome::Changed(scope.change(request)?));
            }
        }
        for (item, outcome) in batch.items.iter().zip(&mut outcomes) {
            if outcome.is_none() {
                *outcome = Some(scope.item(item)?);
            }
        }
        scope.keep(moving, watermark)?;
        scope.tx.commit()?;
        Ok(outcomes.into_iter().flatten().collect())
    }
}

fn commit_error(error: rusqlite::Error) -> CommitError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => CommitError::Full,
        // After a failed fsync nobody knows what is on disk.
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            CommitError::Broken(error.to_string())
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OutOfMemory | ErrorCode::CannotOpen) => {
            CommitError::Again
        }
        _ => CommitError::Rejected(error.to_string()),
    }
}

/// One batch's transaction.
struct Scope<'a> {
    tx: Transaction<'a>,
    sealer: &'a Sealer,
    directory: &'a Directory,
    ids: &'a IdSource,
    recent: &'a RecentKeys,
    now_ms: i64,
    /// The time that the schedule uses.
    steady_ms: i64,
    /// Idempotency keys that came before this stand for nothing.
    first_key_ms: i64,
    /// Keys of this very batch.
    keys: HashMap<[u8; 16], RecentKey>,
    /// Applications whose routing this very batch changes.
    rerouted: Vec<AppId>,
}

impl Scope<'_> {
    fn item(&mut self, item: &Item) -> rusqlite::Result<Outcome> {
        match item {
            Item::Append(message, _) => return Ok(Outcome::Appended(self.append(message)?)),
            Item::AppendMany(messages, _) => {
                let results = messages.iter().map(|message| self.append(message));
                return Ok(Outcome::AppendedMany(results.collect::<rusqlite::Result<_>>()?));
            }
            Item::Attempts(records) => {
                for attempt in records {
                    record(&self.tx, AttemptId(self.ids.next(self.now_ms)), attempt)?;
                }
            }
            Item::Park(parked) => parked.rows.iter().try_for_each(|row| schedule(&self.tx, row))?,
            Item::Forget(deliveries) => {
                deliveries.iter().try_for_each(|delivery| unschedule(&self.tx, *delivery))?;
            }
            Item::Change(..) | Item::Flush(_) => {}
        }
        Ok(Outcome::Done)
    }

    fn append(&mut self, message: &NewMessage) -> rusqlite::Result<Result<Appended, AppendError>> {
        let Some(entry) = self.directory.app(message.app) else {
            return Ok(Err(AppendError::NoApplication));
        };
        if message.credential.is_some_and(|key| self.directory.is_revoked(key)) {
            return Ok(Err(AppendError::Revoked));
        }
        if entry.routing != message.routing || self.rerouted.contains(&message.app) {
            return Ok(Err(AppendError::StaleRouting));
        }
        if let Some(key) = &message.idempotency
            && let Some((body, earlier)) = self.answered(key)?
        {
            return Ok(match earlier {
                Some(earlier) if body == key.body => Ok(Appended::Repeat(earlier)),
                _ => Err(AppendError::IdempotencyMismatch),
            });
        }
        let id = MessageId(self.ids.next(self.now_ms));
        let appended = append(&self.tx, id, message)?;
        if let (Ok(_), Some(key)) = (&appended, message.idempotency) {
            self.keys.insert(key.key, RecentKey { key, message: id });
        }
        Ok(appended)
    }

    /// The body that an idempotency key came with before, and the message it was answered with.
    fn answered(&self, key: &IdempotencyKey) -> rusqlite::Result<Option<(Vec<u8>, Option<MessageId>)>> {
        let known = self.keys.get(&key.key).copied().or_else(|| self.recent.get(&key.key));
        if let Some(known) = known.filter(|known| known.message.0 >= first_of_ms(self.first_key_ms)) {
            return Ok(Some((known.key.body.to_vec(), Some(known.message))));
        }
        let earlier = remembered(&self.tx, key, self.first_key_ms)?;
        Ok(earlier.map(|earlier| (earlier.body, earlier.message.map(MessageId))))
    }

    /// What the next start begins with: idempotency keys that move into the index, and the marks.
    fn keep(&self, moving: &[RecentKey], watermark: Option<i64>) -> rusqlite::Result<()> {
        move_keys(&self.tx, moving)?;
        if let Some(watermark) = watermark {
            let mut save = self.tx.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?, ?)")?;
            save.execute(params!["watermark", watermark])?;
            save.execute(params![STEADY, self.steady_ms])?;
            save.execute(params!["idempotency_mark", self.recent.mark().unwrap_or(watermark - 1)])?;
        }
        Ok(())
    }

    fn change(&mut self, request: &ChangeRequest) -> rusqlite::Result<Result<Changed, ChangeError>> {
        if let Some((key, _)) = &request.idempotency
            && let Some(earlier) = remembered(&self.tx, key, self.first_key_ms)?
        {
            return Ok(match (earlier.body == key.body, earlier.status, earlier.answer) {
                (true, Some(status), Some(answer)) => {
                    Ok(Changed::Repeat(RememberedAnswer { status, body: Bytes::from(answer) }))
                }
                _ => Err(ChangeError::IdempotencyMismatch),
            });
        }
        if let Err(refused) = change(&self.tx, self.sealer, &request.change)? {
            return Ok(Err(refused));
        }
        if let Some((key, answer)) = &request.idempotency {
            self.tx
                .prepare_cached("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, NULL, ?, ?)")?
                .execute(params![key.key, key.body, request.now_ms, answer.status, &answer.body[..]])?;
        }
        if request.change.reroutes() {
            self.rerouted.push(request.app);
        }
        Ok(Ok(Changed::Applied))
    }
}
