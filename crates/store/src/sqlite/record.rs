//! Finished attempts, and deliveries that are to wait, into the transaction of a batch.

use super::append::add_endpoint;
use crate::id::AttemptId;
use crate::message::{AttemptRecord, DeliveryKey, SKIPPED, Scheduled, Setting};
use rusqlite::{Result, Transaction, params};

/// Adds an attempt and what follows from it: on the happy path one insert, nothing else.
pub fn record(tx: &Transaction<'_>, id: AttemptId, attempt: &AttemptRecord) -> Result<()> {
    let (code, reason) = attempt.outcome.error.as_ref().map(|(code, reason)| (code, reason)).unzip();
    tx.prepare_cached("INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)")?.execute(
        params![
            id.0,
            attempt.delivery.message.0,
            attempt.delivery.endpoint.0,
            attempt.outcome.success,
            attempt.outcome.status,
            code,
            reason,
            attempt.url,
            attempt.started_ms,
            attempt.duration_ms,
            attempt.delivery.manual,
            &attempt.response[..],
            attempt.reply,
            attempt.retry.is_some(),
        ],
    )?;
    if attempt.reply.is_some() {
        tx.prepare_cached("INSERT INTO untold VALUES (?, ?)")?.execute([id.0, attempt.delivery.message.0])?;
    }
    attempt.settings.iter().try_for_each(|setting| set(tx, setting))?;
    if let Some(next) = &attempt.next {
        add_endpoint(tx, next.delivery.message, next.delivery.endpoint)?;
        schedule(tx, next)?;
    }
    match attempt.retry {
        Some(retry) => {
            schedule(tx, &Scheduled { delivery: attempt.delivery, due_ms: retry.due_ms, attempts: retry.attempts })
        }
        None if attempt.stored => unschedule(tx, attempt.delivery),
        None => Ok(()),
    }
}

fn set(tx: &Transaction<'_>, setting: &Setting) -> Result<()> {
    let endpoint = setting.endpoint.map_or(0, |endpoint| endpoint.0);
    match &setting.value {
        Some(value) => tx
            .prepare_cached(
                "INSERT INTO variables VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
                 ON CONFLICT DO UPDATE SET value = excluded.value, updated_ms = excluded.updated_ms",
            )?
            .execute(params![setting.app.0, endpoint, setting.subject, setting.name, value, setting.set_ms])?,
        None => tx
            .prepare_cached("DELETE FROM variables WHERE app = ? AND endpoint = ? AND subject = ? AND name = ?")?
            .execute(params![setting.app.0, endpoint, setting.subject, setting.name])?,
    };
    Ok(())
}

/// Puts a delivery in the schedule, or moves it there. One that was left out stays so.
pub fn schedule(tx: &Transaction<'_>, row: &Scheduled) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO schedule (endpoint, message, manual, due_ms, attempts) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET due_ms = excluded.due_ms, attempts = excluded.attempts WHERE schedule.attempts <> ?",
    )?
    .execute(params![
        row.delivery.endpoint.0,
        row.delivery.message.0,
        row.delivery.manual,
        row.due_ms,
        row.attempts,
        SKIPPED
    ])?;
    Ok(())
}

/// Takes a delivery out of the schedule. Where more than one request is wanted, one fewer is.
pub fn unschedule(tx: &Transaction<'_>, delivery: DeliveryKey) -> Result<()> {
    if delivery.manual {
        let sql = "UPDATE schedule SET more = more - 1 WHERE endpoint = ? AND message = ? AND manual AND more > 0";
        if tx.prepare_cached(sql)?.execute([delivery.endpoint.0, delivery.message.0])? > 0 {
            return Ok(());
        }
    }
    tx.prepare_cached("DELETE FROM schedule WHERE endpoint = ? AND message = ? AND manual = ?")?.execute(params![
        delivery.endpoint.0,
        delivery.message.0,
        delivery.manual
    ])?;
    Ok(())
}
