//! Changes of what passes through (resends, jobs, removals) into the transaction of a batch.

use super::change::{Result, Touched, by_id, int, text};
use super::session::Session;
use crate::change::Change;
use crate::columns::deliver_ms;
use crate::error::ChangeError;
use crate::id::{EndpointId, MessageId};
use crate::json::json;
use crate::message::{Deliver, EXPUNGED, MORE_RESENDS, SKIPPED};
use crate::task::{Task, Work};
use tokio_postgres::Error;
use tokio_postgres::types::Type;

/// Schedules messages for an endpoint by hand, one after the other: those that are there, and have something to send.
/// From now on they go to the endpoint too.
const SEND: &str = "
WITH found AS (
  SELECT id, endpoints FROM messages WHERE id = ANY($1) AND length(payload) > 0
), added AS (
  UPDATE messages m SET endpoints = m.endpoints || $2 FROM found f
  WHERE m.id = f.id AND NOT EXISTS
    (SELECT 1 FROM generate_series(0, length(f.endpoints) / 8 - 1) n WHERE substring(f.endpoints FROM n * 8 + 1 FOR 8) = $2)
)
INSERT INTO schedule (endpoint, message, manual, due_ms, attempts, holder)
  SELECT $3, id, true, $4 - cardinality($1) + array_position($1, id), 0, $6 FROM found ORDER BY id
ON CONFLICT (endpoint, message, manual)
  DO UPDATE SET due_ms = excluded.due_ms, attempts = 0, more = schedule.more + $5, holder = excluded.holder
RETURNING 1";

/// Writes one change of node `node`, or says why not. What other nodes are to hear of is returned.
pub async fn change(session: &Session, node: i64, change: &Change) -> Result<Option<Touched>> {
    let rows = match change {
        Change::Resend { message, endpoint, due_ms, at_once } => {
            let sql = "SELECT 1 FROM schedule WHERE endpoint = $1 AND message = $2 AND manual AND more >= $3";
            let most = MORE_RESENDS.cast_signed();
            let full = session.query(sql, &[int(&endpoint.0), int(&message.0), (&most, Type::INT4)]).await?;
            if !full.is_empty() {
                return Ok(Err(ChangeError::TooManyResends));
            }
            let sending = Sending { endpoint: *endpoint, due_ms: *due_ms, more: 1, holder: at_once.then_some(node) };
            send(session, &[*message], sending).await?
        }
        Change::CreateTask(task) => return create(session, task).await.map(|()| Ok(None)),
        Change::AdvanceTask { row, based_on, work, due_ms } => {
            if !advance(session, row, *based_on).await? {
                return Ok(Err(ChangeError::Outdated));
            }
            match work {
                Work::Send(messages) => {
                    let sending = Sending { endpoint: row.input.endpoint, due_ms: *due_ms, more: 0, holder: None };
                    send(session, messages, sending).await?;
                }
                Work::Purge(messages) => purge(session, messages).await?,
                Work::Nothing => {}
            }
            return Ok(Ok(None));
        }
        Change::SetTaskStatus { env, task, status, now_ms } => {
            let sql = "UPDATE tasks SET status = $1, updated_ms = $2
                       WHERE id = $3 AND env = $4 AND status IN ('running', 'paused') RETURNING 1";
            let name = status.name();
            session.query(sql, &[text(&name), int(now_ms), int(&task.0), int(&env.0)]).await?.len()
        }
        Change::CancelMessage { message, due_ms, .. } => {
            let sql = "UPDATE schedule SET due_ms = $1, attempts = $2 WHERE message = $3";
            let skipped = SKIPPED.cast_signed();
            session.query(sql, &[int(due_ms), (&skipped as _, Type::INT4), int(&message.0)]).await?;
            let sql = "UPDATE messages SET deliver_ms = $1 WHERE id = $2 RETURNING 1";
            let cancelled = deliver_ms(Deliver::Cancelled);
            let found = !session.query(sql, &[(&cancelled, Type::INT8), int(&message.0)]).await?.is_empty();
            // The other nodes forget what they have of it, as of one whose payload was removed.
            return Ok(if found { Ok(Some(by_id("expunged", message.0))) } else { Err(ChangeError::NotFound) });
        }
        Change::ExpungeMessage { message } => {
            let sql = "UPDATE messages SET payload = '' WHERE id = $1 RETURNING 1";
            let found = !session.query(sql, &[int(&message.0)]).await?.is_empty();
            return Ok(if found { Ok(Some(by_id("expunged", message.0))) } else { Err(ChangeError::NotFound) });
        }
        Change::ClearAttempt { message, attempt } => {
            let sql = "UPDATE attempts SET cleared = true WHERE id = $1 AND message = $2 AND NOT cleared RETURNING 1";
            session.query(sql, &[int(&attempt.0), int(&message.0)]).await?.len()
        }
        Change::ExpungeAttempt { message, attempt } => {
            let sql = "UPDATE attempts SET response = $1, reply = NULL WHERE id = $2 AND message = $3 RETURNING 1";
            let response = EXPUNGED.as_bytes();
            session.query(sql, &[(&response, Type::BYTEA), int(&attempt.0), int(&message.0)]).await?.len()
        }
        Change::RepliesTold(attempts) => {
            let ids: Vec<i64> = attempts.iter().map(|attempt| attempt.0).collect();
            session.query("DELETE FROM untold WHERE attempt = ANY($1)", &[(&ids, Type::INT8_ARRAY)]).await?;
            return Ok(Ok(None));
        }
        Change::ClaimKey => return Ok(Ok(None)),
        Change::ForgetVariables { app, subject } => {
            let sql = "DELETE FROM variables WHERE app = $1 AND subject = $2";
            session.query(sql, &[int(&app.0), text(subject)]).await?;
            return Ok(Ok(None));
        }
        Change::SkipDelivery { message, endpoint, due_ms } => {
            let sql = "UPDATE schedule SET due_ms = $1, attempts = $2 WHERE endpoint = $3 AND message = $4
                       RETURNING 1";
            let skipped = SKIPPED.cast_signed();
            let params = [int(due_ms), (&skipped as _, Type::INT4), int(&endpoint.0), int(&message.0)];
            session.query(sql, &params).await?.len()
        }
        Change::MoveConsumer { endpoint, name, position, now_ms, most } => {
            let sql = "INSERT INTO consumers SELECT $1, $2, $3, $4
                       WHERE EXISTS (SELECT 1 FROM consumers WHERE endpoint = $1 AND name = $2)
                         OR (SELECT count(*) FROM consumers WHERE endpoint = $1) < $5
                       ON CONFLICT (endpoint, name) DO UPDATE SET position = excluded.position,
                         moved_ms = excluded.moved_ms RETURNING 1";
            let most = *most as i64;
            let params = [int(&endpoint.0), text(name), int(position), int(now_ms), int(&most)];
            let moved = session.query(sql, &params).await?;
            return Ok(if moved.is_empty() { Err(ChangeError::Outdated) } else { Ok(None) });
        }
        Change::ForgetPolled { before, limit } => {
            let sql = "DELETE FROM polled WHERE (endpoint, message) IN
                         (SELECT endpoint, message FROM polled WHERE message < $1 LIMIT $2) RETURNING 1";
            session.query(sql, &[int(&before.0), int(&(*limit as i64))]).await?.len()
        }
        Change::ForgetAddresses { before_ms, limit } => {
            let sql = "DELETE FROM addresses WHERE (app, object) IN
                         (SELECT app, object FROM addresses WHERE set_ms < $1 ORDER BY set_ms LIMIT $2) AND set_ms < $1
                       RETURNING 1";
            session.query(sql, &[int(before_ms), int(&(*limit as i64))]).await?.len()
        }
        Change::ClaimNotice { endpoint, now_ms, before_ms } => {
            let sql = "INSERT INTO notices SELECT id, $2 FROM endpoints WHERE id = $1
                       ON CONFLICT (endpoint) DO UPDATE SET told_ms = excluded.told_ms
                       WHERE notices.told_ms <= $3 RETURNING 1";
            let claimed = session.query(sql, &[int(&endpoint.0), int(now_ms), int(before_ms)]).await?;
            return Ok(if claimed.is_empty() { Err(ChangeError::Outdated) } else { Ok(None) });
        }
        // The others are about the configuration.
        _ => 0,
    };
    Ok(if rows == 0 { Err(ChangeError::NotFound) } else { Ok(None) })
}

/// What is sent by hand, and to whom.
struct Sending {
    endpoint: EndpointId,
    /// Database time, epoch ms.
    due_ms: i64,
    /// Requests that one which waits already does not stand for.
    more: i32,
    /// The node that sends it.
    holder: Option<i64>,
}

async fn send(
    session: &Session,
    messages: &[MessageId],
    Sending { endpoint, due_ms, more, holder }: Sending,
) -> std::result::Result<usize, Error> {
    let ids: Vec<i64> = messages.iter().map(|message| message.0).collect();
    let bytes = &endpoint.0.to_be_bytes()[..];
    let params = [(&ids as _, Type::INT8_ARRAY), (&bytes as _, Type::BYTEA), int(&endpoint.0), int(&due_ms)];
    let params = [&params[..], &[(&more as _, Type::INT4), (&holder as _, Type::INT8)]].concat();
    Ok(session.query(SEND, &params).await?.len())
}

/// What other nodes have of these in memory is sent within seconds, or read again.
async fn purge(session: &Session, messages: &[MessageId]) -> std::result::Result<(), Error> {
    let ids: Vec<i64> = messages.iter().map(|message| message.0).collect();
    session.query("UPDATE messages SET payload = '' WHERE id = ANY($1)", &[(&ids, Type::INT8_ARRAY)]).await.map(drop)
}

async fn create(session: &Session, task: &Task) -> std::result::Result<(), Error> {
    let sql = "INSERT INTO tasks (id, env, app, kind, status, input, progress, cursor, updated_ms)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let (input, progress) = (json(&task.input), json(&task.progress));
    let (kind, status) = (task.kind.name(), task.status.name());
    let params = [
        int(&task.id.0),
        int(&task.env.0),
        int(&task.app.0),
        text(&kind),
        text(&status),
        text(&input),
        text(&progress),
        int(&task.cursor),
        int(&task.updated_ms),
    ];
    session.query(sql, &params).await.map(|_| ())
}

/// False when another was faster.
async fn advance(session: &Session, row: &Task, based_on: i64) -> std::result::Result<bool, Error> {
    let sql = "UPDATE tasks SET status = $1, progress = $2, cursor = $3, updated_ms = $4
               WHERE id = $5 AND cursor = $6 AND status = 'running' RETURNING 1";
    let (status, progress) = (row.status.name(), json(&row.progress));
    let params =
        [text(&status), text(&progress), int(&row.cursor), int(&row.updated_ms), int(&row.id.0), int(&based_on)];
    Ok(!session.query(sql, &params).await?.is_empty())
}
