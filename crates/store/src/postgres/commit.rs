//! The writer's driver: a batch in one transaction, its statements sent together.
//!
//! Every commit carries the node's fence and a number. When the connection breaks in it, nobody knows
//! whether it happened: [`Backend::resolve`] raises the fence, so that it can't happen any more, and
//! reads the number.

use super::address::ADDRESS;
use super::append::{self, APPEND, FORGET};
use super::chain::NEXT;
use super::change::{change, log};
use super::connect::Connector;
use super::failure::commit_error;
use super::node::{Introduction, Node, leave, read_back, register};
use super::ordered::{ORDERED, POLLED};
use super::partition::Partitions;
use super::plan::plan;
use super::record::{RECORD, SCHEDULE, UNSCHEDULE, UNTOLD};
use super::refresh::Refresh;
use super::session::{Param, Session};
use super::setting::{SET, UNSET};
use super::skew::Skew;
use crate::backend::{Backend, CommitError, Committed};
use crate::batch::{Batch, ChangeRequest, Item, Outcome};
use crate::error::{AppendError, ChangeError, with_cause};
use crate::id::{IdSource, MessageId};
use crate::lease::Lease;
use crate::message::{Appended, NewMessage};
use crate::secret::Sealer;
use crate::{Changed, RememberedAnswer, Retention};
use bytes::Bytes;
use postrider_clock::Clock;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row};

/// After this a commit counts as lost, and is read back.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);
const BEGIN: &str = "SELECT postrider_begin($1, $2, $3, $4, $5, $6, $7)";
/// Tries of a commit that got into a deadlock with another node's.
const TRIES: usize = 5;

/// What the writer thread owns of the database.
pub struct Postgres {
    pub runtime: Arc<Runtime>,
    pub connector: Connector,
    pub session: Option<Session>,
    pub clock: Clock,
    pub sealer: Sealer,
    pub ids: Arc<IdSource>,
    pub lease: Arc<Lease>,
    pub who: Introduction,
    pub node: Node,
    /// The node's id for readers.
    pub node_id: Arc<AtomicI64>,
    pub partitions: Partitions,
    pub retention: Retention,
    pub refresh: Refresh,
    pub skew: Skew,
    /// What was sent and has not been answered.
    pub sent: Option<Sent>,
}

/// What must be remembered of a commit until it is answered.
pub struct Sent {
    /// The id of each message of the batch, in order.
    messages: Vec<i64>,
    /// The outcome of each change, in order.
    changes: Vec<Result<Changed, ChangeError>>,
}

impl Backend for Postgres {
    fn commit(&mut self, batch: &Batch, watermark: Option<i64>) -> Result<Committed, CommitError> {
        let runtime = self.runtime.clone();
        runtime.block_on(async {
            for _ in 1..TRIES {
                match self.commit_once(batch, watermark).await {
                    Err(CommitError::Again) => {}
                    result => return result,
                }
            }
            self.commit_once(batch, watermark).await
        })
    }

    fn rest(&mut self) -> Result<(), CommitError> {
        if self.lease.wants_renewal() { self.commit(&Batch::default(), None).map(|_| ()) } else { Ok(()) }
    }

    fn resolve(&mut self, batch: &Batch) -> Result<Option<Committed>, CommitError> {
        let runtime = self.runtime.clone();
        runtime.block_on(async {
            let session = self.connect().await?;
            let known = read_back(&session, &self.node).await.map_err(commit_error)?;
            match known.fence {
                Some(fence) => self.node.fence = fence,
                None => tracing::warn!("this node was given up by the others while the database was away"),
            }
            let committed = match &self.sent {
                Some(sent) if known.committed => {
                    let sql = "SELECT id FROM messages WHERE id = ANY($1)";
                    let rows = session.query(sql, &[(&sent.messages, Type::INT8_ARRAY)]).await;
                    Some(append::ids(&rows.map_err(commit_error)?))
                }
                _ => None,
            };
            self.session = Some(session);
            match committed {
                Some(inserted) => self.answer(batch, &inserted).await.map(Some),
                None => Ok(None),
            }
        })
    }

    fn rejoin(&mut self) -> Result<i64, CommitError> {
        let runtime = self.runtime.clone();
        runtime.block_on(async {
            let session = self.connect().await?;
            let started = self.lease.now_ms();
            let node = register(&session, &self.who, &self.ids).await.map_err(commit_error)?;
            self.node = node.ok_or(CommitError::Full)?;
            self.node_id.store(self.node.id, Ordering::Relaxed);
            self.lease.renew(started);
            self.sent = None;
            self.session = Some(session);
            Ok(self.ids.newest())
        })
    }

    fn close(&mut self) {
        let runtime = self.runtime.clone();
        runtime.block_on(async {
            if let Some(session) = &self.session
                && let Err(error) = leave(session, &self.node).await
            {
                tracing::warn!(%error, "could not say goodbye; the others wait until the lease ends");
            }
        });
    }
}

impl Postgres {
    async fn connect(&self) -> Result<Session, CommitError> {
        let connected = tokio::time::timeout(COMMIT_TIMEOUT, Session::connect(&self.runtime, &self.connector)).await;
        match connected {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(commit_error(error)),
            Err(_) => Err(CommitError::Unknown),
        }
    }

    async fn commit_once(&mut self, batch: &Batch, watermark: Option<i64>) -> Result<Committed, CommitError> {
        self.sent = None;
        let started = self.lease.now_ms();
        let Some(session) = self.session.take() else { return Err(CommitError::Unknown) };
        match tokio::time::timeout(COMMIT_TIMEOUT, self.send(session, batch, watermark)).await {
            Ok(Ok(inserted)) => {
                self.lease.renew(started);
                self.answer(batch, &inserted).await
            }
            Ok(Err(error)) => Err(error),
            // The session is gone with the future that had it.
            Err(_) => Err(CommitError::Unknown),
        }
    }

    /// Commits, and returns the messages that were inserted. The session is kept only when it is sound.
    async fn send(
        &mut self,
        mut session: Session,
        batch: &Batch,
        watermark: Option<i64>,
    ) -> Result<HashSet<i64>, CommitError> {
        // Large, as it holds every column; it lives as long as the commit.
        let result = Box::pin(self.transaction(&mut session, batch, watermark)).await.map_err(commit_error);
        match &result {
            Err(CommitError::Unknown) => {}
            Err(error) => {
                if matches!(error, CommitError::Rejected(_)) {
                    // It may have been a partition that another node dropped.
                    self.partitions.forget();
                }
                // Nothing is left open, whichever statement failed.
                if session.batch("ROLLBACK").await.is_ok() {
                    self.session = Some(session);
                }
            }
            Ok(_) => self.session = Some(session),
        }
        result
    }

    async fn transaction(
        &mut self,
        session: &mut Session,
        batch: &Batch,
        watermark: Option<i64>,
    ) -> Result<HashSet<i64>, Error> {
        let node = self.node.id;
        let now_ms = self.clock.wall_ms();
        let plan = plan(batch, &self.ids, &self.skew, (now_ms, node));
        self.partitions.ensure(session, &plan.partitions).await?;
        let first_key_ms = self.retention.first_key_ms(now_ms);
        self.node.seq += 1;
        let (lease_ms, newest) = (self.who.lease_ms, self.ids.newest());
        let exclusive = plan.changes.iter().any(|request| request.change.is_configuration());
        let begin = [
            (&node as _, Type::INT8),
            (&self.node.fence as _, Type::INT8),
            (&self.node.seq as _, Type::INT8),
            (&lease_ms as _, Type::INT4),
            (&newest as _, Type::INT8),
            (&watermark as _, Type::INT8),
            (&exclusive as _, Type::BOOL),
        ];
        let messages = plan.messages.params(&node, &first_key_ms);
        let forget = plan.messages.forget_params();
        let (attempts, untold) = (plan.attempts.params(), plan.attempts.untold());
        let (parked, retried, done) = (plan.parked.params(&node), plan.retried.params(&node), plan.done.keys());
        let (has_messages, forgets) = (!plan.messages.ids.is_empty(), plan.messages.forgets);
        let (has_attempts, has_parked) = (!plan.attempts.messages.is_empty(), !plan.parked.endpoints.is_empty());
        let (set, unset) = plan.settings.columns();
        let (sets, unsets) = (set.params(), unset.params());
        let (has_sets, has_unsets) = (!set.is_empty(), !unset.is_empty());
        let has_replies = !plan.attempts.untold.0.is_empty();
        let columns = plan.links.columns();
        let (addresses, links) = (plan.addresses.params(), columns.params());
        let (has_addresses, has_links) = (!plan.addresses.is_empty(), !plan.links.is_empty());
        let (ordered, polled) = (plan.ordered.params(), plan.polled.params());
        let (has_ordered, has_polled) = (!plan.ordered.is_empty(), !plan.polled.is_empty());
        let (has_retried, has_done) = (!plan.retried.endpoints.is_empty(), !plan.done.endpoints.is_empty());
        for (wanted, sql, params) in [
            (true, BEGIN, &begin[..]),
            (has_messages, APPEND, &messages[..]),
            (forgets, FORGET, &forget[..]),
            (has_addresses, ADDRESS, &addresses[..]),
            (has_ordered, ORDERED, &ordered[..]),
            (has_polled, POLLED, &polled[..2]),
            (has_attempts, RECORD, &attempts[..]),
            (has_replies, UNTOLD, &untold[..]),
            (has_sets, SET, &sets[..]),
            (has_unsets, UNSET, &unsets[..4]),
            (has_links, NEXT, &links[..]),
            (has_parked || has_retried, SCHEDULE, &parked[..]),
            (has_done, UNSCHEDULE, &done[..]),
        ] {
            if wanted {
                prepare(session, sql, params).await?;
            }
        }
        let mut sent = Sent { messages: plan.messages.ids.clone(), changes: Vec::new() };
        let session = &*session;
        let head = async {
            session.batch("BEGIN").await?;
            query(session, true, BEGIN, &begin).await
        };
        let tail = async {
            // Polled in this order, they are sent in this order, and each waits for no other's answer.
            tokio::try_join!(
                query(session, has_messages, APPEND, &messages),
                query(session, forgets, FORGET, &forget),
                query(session, has_addresses, ADDRESS, &addresses),
                query(session, has_ordered, ORDERED, &ordered),
                query(session, has_polled, POLLED, &polled[..2]),
                query(session, has_attempts, RECORD, &attempts),
                query(session, has_replies, UNTOLD, &untold),
                query(session, has_sets, SET, &sets),
                query(session, has_unsets, UNSET, &unsets[..4]),
                query(session, has_links, NEXT, &links),
                query(session, has_parked, SCHEDULE, &parked),
                query(session, has_retried, SCHEDULE, &retried),
                query(session, has_done, UNSCHEDULE, &done),
                session.batch("COMMIT"),
            )
        };
        let rows = if plan.changes.is_empty() {
            self.sent = Some(sent);
            let (begun, begin, rest) = tokio::join!(session.batch("BEGIN"), query(session, true, BEGIN, &begin), tail);
            // The first error is the reason; the later ones only say that the transaction is over.
            begun?;
            begin?;
            rest?
        } else {
            head.await?;
            for request in &plan.changes {
                sent.changes.push(self.change(session, request).await?);
            }
            self.sent = Some(sent);
            tail.await?
        };
        Ok(append::ids(&rows.0))
    }

    async fn change(&self, session: &Session, request: &ChangeRequest) -> Result<Result<Changed, ChangeError>, Error> {
        if let Some((key, _)) = &request.idempotency {
            let since = self.retention.first_key_ms(request.now_ms);
            let sql = "SELECT body, status, answer FROM idempotency WHERE key = $1 AND created_ms >= $2";
            let earlier = session.query(sql, &[(&&key.key[..], Type::BYTEA), (&since, Type::INT8)]).await?;
            if let Some(row) = earlier.first() {
                let same = row.get::<_, &[u8]>(0) == key.body;
                let (status, answer): (Option<i32>, Option<&[u8]>) = (row.get(1), row.get(2));
                return Ok(match (same, status.and_then(|status| u16::try_from(status).ok()), answer) {
                    (true, Some(status), Some(answer)) => {
                        Ok(Changed::Repeat(RememberedAnswer { status, body: Bytes::copy_from_slice(answer) }))
                    }
                    _ => Err(ChangeError::IdempotencyMismatch),
                });
            }
        }
        let in_database_time = request.change.due_at(|due_ms| self.skew.to_database(due_ms));
        match change(session, self.node.id, &self.sealer, &in_database_time).await? {
            Ok(Some(touched)) => log(session, &touched).await?,
            Ok(None) => {}
            Err(refused) => return Ok(Err(refused)),
        }
        if let Some((key, answer)) = &request.idempotency {
            let sql = "INSERT INTO idempotency (key, body, created_ms, status, answer) VALUES ($1, $2, $3, $4, $5)
                       ON CONFLICT (key) DO UPDATE SET body = excluded.body, created_ms = excluded.created_ms,
                       message = NULL, status = excluded.status, answer = excluded.answer";
            session
                .query(
                    sql,
                    &[
                        (&&key.key[..], Type::BYTEA),
                        (&&key.body[..], Type::BYTEA),
                        (&request.now_ms, Type::INT8),
                        (&i32::from(answer.status), Type::INT4),
                        (&&answer.body[..], Type::BYTEA),
                    ],
                )
                .await?;
        }
        Ok(Ok(Changed::Applied))
    }

    /// The outcome of each item of a batch that is committed.
    async fn answer(&mut self, batch: &Batch, inserted: &HashSet<i64>) -> Result<Committed, CommitError> {
        let sent = self.sent.take().unwrap_or(Sent { messages: vec![], changes: vec![] });
        let asked = batch.items.iter().flat_map(Item::messages);
        let refused: Vec<&NewMessage> =
            asked.zip(&sent.messages).filter(|(_, id)| !inserted.contains(id)).map(|(message, _)| message).collect();
        let mut reasons = self.reasons(&refused).await.into_iter();
        let stale = reasons.as_slice().iter().any(|reason| {
            matches!(reason, Err(AppendError::StaleRouting | AppendError::NoApplication | AppendError::Revoked))
        });
        if (stale || !sent.changes.is_empty())
            && let Err(error) = self.refresh.now().await
        {
            tracing::warn!(%error, "could not read what changed; it will be read later");
        }
        let (mut ids, mut changed) = (sent.messages.iter(), sent.changes.into_iter());
        let mut changes = Vec::new();
        let mut appended = || match ids.next().filter(|id| inserted.contains(id)) {
            Some(id) => Ok(Appended::New(MessageId(*id))),
            None => reasons.next().unwrap_or(Err(AppendError::StaleRouting)),
        };
        let outcomes = batch.items.iter().map(|item| match item {
            Item::Append(..) => Outcome::Appended(appended()),
            Item::AppendMany(messages, _) => Outcome::AppendedMany(messages.iter().map(|_| appended()).collect()),
            Item::Change(request, _) => {
                let result = changed.next().unwrap_or(Err(ChangeError::Outdated));
                // Everything else was read back from the database by the refresh.
                if !request.change.is_configuration() && matches!(result, Ok(Changed::Applied)) {
                    changes.push(request.change.clone());
                }
                Outcome::Changed(result)
            }
            Item::Attempts(_) | Item::Park(_) | Item::Forget(_) | Item::Flush(_) => Outcome::Done,
        });
        let outcomes = outcomes.collect();
        Ok(Committed { outcomes, changes })
    }

    /// Why messages were not taken. The batch is committed, so an error here refuses only them.
    async fn reasons(&mut self, refused: &[&NewMessage]) -> Vec<Result<Appended, AppendError>> {
        if refused.is_empty() {
            return vec![];
        }
        let explained = match &self.session {
            Some(session) => append::explain(session, refused).await.map_err(|error| with_cause(&error)),
            None => Err("no connection".to_owned()),
        };
        explained.unwrap_or_else(|reason| {
            tracing::warn!(reason, "could not find out why messages were not taken");
            refused.iter().map(|_| Err(AppendError::StaleRouting)).collect()
        })
    }
}

async fn prepare(session: &mut Session, sql: &'static str, params: &[Param<'_>]) -> Result<(), Error> {
    let types: Vec<Type> = params.iter().map(|(_, of)| of.clone()).collect();
    session.prepare(sql, &types).await
}

async fn query(session: &Session, wanted: bool, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
    if wanted { session.query(sql, params).await } else { Ok(vec![]) }
}
