//! Changes of what passes through (resends, jobs, removals) into the transaction of a batch.

use super::append::add_endpoint;
use super::record::schedule;
use crate::change::Change;
use crate::columns::deliver_ms;
use crate::error::ChangeError;
use crate::id::{EndpointId, MessageId};
use crate::json::json;
use crate::message::{Deliver, DeliveryKey, EXPUNGED, MORE_RESENDS, SKIPPED, Scheduled};
use crate::task::{Task, Work};
use rusqlite::{OptionalExtension, Transaction, params};

type Result<T> = rusqlite::Result<std::result::Result<T, ChangeError>>;

/// Writes one change, or says why not. `None`: it is about the configuration.
pub fn change(tx: &Transaction<'_>, change: &Change) -> rusqlite::Result<Option<std::result::Result<(), ChangeError>>> {
    let rows = match change {
        Change::Resend { message, endpoint, due_ms, .. } => {
            let more = waiting(tx, *message, *endpoint)?;
            if more.is_some_and(|more| more >= MORE_RESENDS) {
                return Ok(Some(Err(ChangeError::TooManyResends)));
            }
            let sent = send(tx, *message, *endpoint, *due_ms)?;
            if sent && more.is_some() {
                one_more(tx, *message, *endpoint)?;
            }
            usize::from(sent)
        }
        Change::CreateTask(task) => create(tx, task)?,
        Change::AdvanceTask { row, based_on, work, due_ms } => {
            return advance(tx, row, *based_on, (work, *due_ms)).map(Some);
        }
        Change::SetTaskStatus { env, task, status, now_ms } => tx
            .prepare_cached(
                "UPDATE tasks SET status = ?, updated_ms = ? WHERE id = ? AND env = ? AND status IN ('running', 'paused')",
            )?
            .execute(params![status.name(), now_ms, task.0, env.0])?,
        Change::CancelMessage { message, due_ms, .. } => {
            tx.prepare_cached("UPDATE schedule SET due_ms = ?, attempts = ? WHERE message = ?")?
                .execute(params![due_ms, SKIPPED, message.0])?;
            tx.prepare_cached("UPDATE messages SET deliver_ms = ? WHERE id = ?")?
                .execute(params![deliver_ms(Deliver::Cancelled), message.0])?
        }
        Change::ExpungeMessage { message } => expunge(tx, *message)?,
        Change::ClearAttempt { message, attempt } => tx
            .prepare_cached("UPDATE attempts SET cleared = 1 WHERE id = ? AND message = ? AND NOT cleared")?
            .execute(params![attempt.0, message.0])?,
        Change::ExpungeAttempt { message, attempt } => tx
            .prepare_cached("UPDATE attempts SET response = ?, reply = NULL WHERE id = ? AND message = ?")?
            .execute(params![EXPUNGED.as_bytes(), attempt.0, message.0])?,
        Change::RepliesTold(attempts) => {
            let mut delete = tx.prepare_cached("DELETE FROM untold WHERE attempt = ?")?;
            attempts.iter().try_for_each(|attempt| delete.execute([attempt.0]).map(drop))?;
            return Ok(Some(Ok(())));
        }
        Change::ClaimKey => return Ok(Some(Ok(()))),
        Change::ForgetVariables { app, subject } => {
            tx.prepare_cached("DELETE FROM variables WHERE app = ? AND subject = ?")?
                .execute(params![app.0, subject])?;
            return Ok(Some(Ok(())));
        }
        Change::SkipDelivery { message, endpoint, due_ms } => tx
            .prepare_cached(
                "UPDATE schedule SET due_ms = ?, attempts = ? WHERE endpoint = ? AND message = ?",
            )?
            .execute(params![due_ms, SKIPPED, endpoint.0, message.0])?,
        Change::MoveConsumer { endpoint, name, position, now_ms, most } => {
            let moved = tx
                .prepare_cached(
                    "INSERT INTO consumers SELECT ?1, ?2, ?3, ?4
                     WHERE EXISTS (SELECT 1 FROM consumers WHERE endpoint = ?1 AND name = ?2)
                       OR (SELECT count(*) FROM consumers WHERE endpoint = ?1) < ?5
                     ON CONFLICT DO UPDATE SET position = excluded.position, moved_ms = excluded.moved_ms",
                )?
                .execute(params![endpoint.0, name, position, now_ms, *most as i64])?;
            return Ok(Some(if moved == 0 { Err(ChangeError::Outdated) } else { Ok(()) }));
        }
        Change::ForgetPolled { before, limit } => tx
            .prepare_cached(
                "DELETE FROM polled WHERE (endpoint, message) IN
                   (SELECT endpoint, message FROM polled WHERE message < ? LIMIT ?)",
            )?
            .execute(params![before.0, *limit as i64])?,
        Change::ForgetAddresses { before_ms, limit } => tx
            .prepare_cached(
                "DELETE FROM addresses WHERE (app, object) IN
                   (SELECT app, object FROM addresses WHERE set_ms < ? ORDER BY set_ms LIMIT ?)",
            )?
            .execute(params![before_ms, *limit as i64])?,
        Change::ClaimNotice { endpoint, now_ms, before_ms } => {
            let claimed = tx
                .prepare_cached(
                    "INSERT INTO notices SELECT id, ?2 FROM endpoints WHERE id = ?1
                     ON CONFLICT DO UPDATE SET told_ms = excluded.told_ms WHERE told_ms <= ?3",
                )?
                .execute(params![endpoint.0, now_ms, before_ms])?;
            return Ok(Some(if claimed == 0 { Err(ChangeError::Outdated) } else { Ok(()) }));
        }
        _ => return Ok(None),
    };
    Ok(Some(if rows == 0 { Err(ChangeError::NotFound) } else { Ok(()) }))
}

fn expunge(tx: &Transaction<'_>, message: MessageId) -> rusqlite::Result<usize> {
    tx.prepare_cached("UPDATE messages SET payload = x'' WHERE id = ?")?.execute([message.0])
}

/// Schedules a delivery by hand. False when there is no such message, or nothing of it to send.
fn send(tx: &Transaction<'_>, message: MessageId, endpoint: EndpointId, due_ms: i64) -> rusqlite::Result<bool> {
    let found =
        tx.prepare_cached("SELECT 1 FROM messages WHERE id = ? AND length(payload) > 0")?.exists([message.0])?;
    if found {
        add_endpoint(tx, message, endpoint)?;
        schedule(tx, &Scheduled { delivery: DeliveryKey { message, endpoint, manual: true }, due_ms, attempts: 0 })?;
    }
    Ok(found)
}

/// How many more requests than one wait already; `None`: none waits.
fn waiting(tx: &Transaction<'_>, message: MessageId, endpoint: EndpointId) -> rusqlite::Result<Option<u32>> {
    let sql = "SELECT more FROM schedule WHERE endpoint = ? AND message = ? AND manual";
    tx.prepare_cached(sql)?.query_row(params![endpoint.0, message.0], |row| row.get(0)).optional()
}

/// A request that waits already does not stand for this one.
fn one_more(tx: &Transaction<'_>, message: MessageId, endpoint: EndpointId) -> rusqlite::Result<()> {
    let sql = "UPDATE schedule SET more = more + 1 WHERE endpoint = ? AND message = ? AND manual";
    tx.prepare_cached(sql)?.execute(params![endpoint.0, message.0]).map(drop)
}

fn create(tx: &Transaction<'_>, task: &Task) -> rusqlite::Result<usize> {
    tx.prepare_cached("INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        task.id.0,
        task.env.0,
        task.app.0,
        task.kind.name(),
        task.status.name(),
        json(&task.input),
        json(&task.progress),
        task.cursor,
        task.updated_ms
    ])
}

fn advance(tx: &Transaction<'_>, row: &Task, based_on: i64, (work, due_ms): (&Work, i64)) -> Result<()> {
    let updated = tx
        .prepare_cached(
            "UPDATE tasks SET status = ?, progress = ?, cursor = ?, updated_ms = ?
             WHERE id = ? AND cursor = ? AND status = 'running'",
        )?
        .execute(params![row.status.name(), json(&row.progress), row.cursor, row.updated_ms, row.id.0, based_on])?;
    if updated == 0 {
        return Ok(Err(ChangeError::Outdated));
    }
    match work {
        Work::Send(messages) => {
            // One after the other, as the job has them.
            for (message, behind) in messages.iter().zip((0..messages.len() as i64).rev()) {
                send(tx, *message, row.input.endpoint, due_ms - behind)?;
            }
        }
        Work::Purge(messages) => messages.iter().try_for_each(|message| expunge(tx, *message).map(drop))?,
        Work::Nothing => {}
    }
    Ok(Ok(()))
}
