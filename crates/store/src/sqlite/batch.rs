//! One batch: what it holds, and its transaction.

use super::append::{append, move_keys, remembered};
use super::change::change;
use super::record::{record, schedule};
use super::writer::{Command, Report, refuse};
use crate::config::Change;
use crate::directory::Directory;
use crate::error::{AppendError, ChangeError, StoreError};
use crate::id::{AppId, AttemptId, IdSource, MessageId};
use crate::message::{Appended, AttemptRecord, IdempotencyKey, NewMessage, Scheduled};
use crate::recent_keys::{RecentKey, RecentKeys};
use crate::secret::Sealer;
use crate::{Changed, RememberedAnswer};
use bytes::Bytes;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A change with the answer to keep for its idempotency key.
pub struct ChangeRequest {
    /// Whose turn it takes; 0 for changes outside applications.
    pub app: AppId,
    pub change: Change,
    pub idempotency: Option<(IdempotencyKey, RememberedAnswer)>,
    pub now_ms: i64,
}

pub enum Item {
    Append(NewMessage, oneshot::Sender<Result<Appended, AppendError>>),
    Change(Box<ChangeRequest>, oneshot::Sender<Result<Changed, ChangeError>>),
    Attempts(Vec<AttemptRecord>),
    Park(Vec<Scheduled>),
    Flush(oneshot::Sender<()>),
    /// The marks for recovery, and keys that move into the index.
    Keep(Keep),
}

/// What the writer itself keeps for the next start.
#[derive(Default)]
pub struct Keep {
    /// The watermark, and up to where idempotency keys are in the index.
    pub marks: Option<(i64, i64)>,
    pub keys: Vec<RecentKey>,
}

impl From<Command> for Item {
    fn from(command: Command) -> Item {
        match command {
            Command::Append(message, reply) => Item::Append(message, reply),
            Command::Change(request, reply) => Item::Change(request, reply),
        }
    }
}

impl From<Report> for Item {
    fn from(report: Report) -> Item {
        match report {
            Report::Attempts(records) => Item::Attempts(records),
            Report::Park(rows) => Item::Park(rows),
            Report::Flush(reply) => Item::Flush(reply),
        }
    }
}

/// An item's result, known before the commit and told after it.
pub enum Outcome {
    Appended(Result<Appended, AppendError>),
    Changed(Result<Changed, ChangeError>),
    Done,
}

#[derive(Default)]
pub struct Batch {
    pub items: Vec<Item>,
}

impl Batch {
    /// Rows, about.
    pub fn len(&self) -> usize {
        let rows = |item: &Item| match item {
            Item::Attempts(records) => records.len(),
            Item::Park(rows) => rows.len(),
            _ => 1,
        };
        self.items.iter().map(rows).sum()
    }

    /// Bytes in the log, about: what decides when to checkpoint.
    pub fn bytes(&self) -> usize {
        let bytes = |item: &Item| match item {
            Item::Append(message, _) => message.payload.len() + 1_000,
            Item::Attempts(records) => records.iter().map(|record| record.response.len() + 500).sum(),
            Item::Park(rows) => rows.len() * 200,
            Item::Keep(keep) => keep.keys.len() * 100,
            _ => 8_000,
        };
        self.items.iter().map(bytes).sum()
    }

    /// Each item in a batch of its own.
    pub fn split(self) -> impl Iterator<Item = Batch> {
        let singles = self.items.into_iter().flat_map(|item| match item {
            Item::Attempts(records) => records.into_iter().map(|record| Item::Attempts(vec![record])).collect(),
            item => vec![item],
        });
        singles.map(|item| Batch { items: vec![item] })
    }

    /// Refuses the callers, and gives back the reports, which must be kept.
    pub fn refuse(self, why: impl Fn() -> StoreError) -> Vec<Report> {
        let mut kept = Vec::new();
        for item in self.items {
            match item {
                Item::Append(message, reply) => refuse(Command::Append(message, reply), &why),
                Item::Change(request, reply) => refuse(Command::Change(request, reply), &why),
                Item::Attempts(records) => kept.push(Report::Attempts(records)),
                Item::Park(rows) => kept.push(Report::Park(rows)),
                Item::Flush(reply) => kept.push(Report::Flush(reply)),
                Item::Keep(_) => {}
            }
        }
        kept
    }
}

/// The parts of the store that every batch is checked against.
pub struct House {
    pub sealer: Sealer,
    pub directory: Arc<Directory>,
    pub ids: Arc<IdSource>,
    pub recent: RecentKeys,
}

/// One batch's transaction.
struct Scope<'a> {
    tx: Transaction<'a>,
    sealer: &'a Sealer,
    directory: &'a Directory,
    ids: &'a IdSource,
    recent: &'a RecentKeys,
    now_ms: i64,
    /// Keys of this very batch.
    keys: HashMap<[u8; 16], RecentKey>,
    /// Applications whose routing this very batch changes.
    rerouted: Vec<AppId>,
}

/// Runs a batch in one transaction and commits it.
pub fn run(conn: &mut Connection, house: &House, now_ms: i64, batch: &Batch) -> rusqlite::Result<Vec<Outcome>> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let House { sealer, directory, ids, recent } = house;
    let (keys, rerouted) = (HashMap::new(), Vec::new());
    let mut scope = Scope { tx, sealer, directory, ids, recent, now_ms, keys, rerouted };
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
    scope.tx.commit()?;
    Ok(outcomes.into_iter().flatten().collect())
}

impl Scope<'_> {
    fn item(&mut self, item: &Item) -> rusqlite::Result<Outcome> {
        match item {
            Item::Append(message, _) => return Ok(Outcome::Appended(self.append(message)?)),
            Item::Attempts(records) => {
                for attempt in records {
                    record(&self.tx, AttemptId(self.ids.next(self.now_ms)), attempt)?;
                }
            }
            Item::Park(rows) => rows.iter().try_for_each(|row| schedule(&self.tx, row))?,
            Item::Keep(keep) => self.keep(keep)?,
            Item::Change(..) | Item::Flush(_) => {}
        }
        Ok(Outcome::Done)
    }

    fn append(&mut self, message: &NewMessage) -> rusqlite::Result<Result<Appended, AppendError>> {
        let Some(entry) = self.directory.app(message.app) else {
            return Ok(Err(AppendError::NoApplication));
        };
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
        if let Some(known) = self.keys.get(&key.key).copied().or_else(|| self.recent.get(&key.key)) {
            return Ok(Some((known.key.body.to_vec(), Some(known.message))));
        }
        let earlier = remembered(&self.tx, key)?;
        Ok(earlier.map(|earlier| (earlier.body, earlier.message.map(MessageId))))
    }

    fn keep(&self, keep: &Keep) -> rusqlite::Result<()> {
        move_keys(&self.tx, &keep.keys, self.now_ms)?;
        if let Some((watermark, keys)) = keep.marks {
            let mut save = self.tx.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?, ?)")?;
            save.execute(params!["watermark", watermark])?;
            save.execute(params!["idempotency_mark", keys])?;
        }
        Ok(())
    }

    fn change(&mut self, request: &ChangeRequest) -> rusqlite::Result<Result<Changed, ChangeError>> {
        if let Some((key, _)) = &request.idempotency
            && let Some(earlier) = remembered(&self.tx, key)?
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
            self.tx.prepare_cached("INSERT INTO idempotency VALUES (?, ?, ?, NULL, ?, ?)")?.execute(params![
                key.key,
                key.body,
                request.now_ms,
                answer.status,
                &answer.body[..]
            ])?;
        }
        if !matches!(request.change, Change::SetFailing { .. } | Change::Resend { .. }) {
            self.rerouted.push(request.app);
        }
        Ok(Ok(Changed::Applied))
    }
}
