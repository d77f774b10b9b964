//! The schedule of the embedded database, and what becomes of it when the wall clock was set.
//!
//! Due times are in the steady time of the process that wrote them, which begins with the wall clock. So a process that
//! starts with an earlier wall clock than the last one had (a machine that has not asked for the time yet) would wait
//! too long for every retry: the whole schedule is moved back by the difference. Messages for a certain time
//! (`deliverAt`) are due by the wall clock; they are given their due time again whenever the two clocks part.

use super::commit::STEADY;
use rusqlite::{Connection, OptionalExtension, Result, Transaction, params};

/// Rows that are looked at in one transaction.
const SLICE: usize = 2_000;
/// The clocks may be so far apart before anything is done about it.
const TOLERATED_MS: i64 = 500;

/// Moves the schedule back by as much as the clock went back since the last run. Returns by how much.
pub fn restart(conn: &mut Connection, steady_ms: i64) -> Result<i64> {
    let tx = conn.transaction()?;
    let last: Option<i64> =
        tx.query_row("SELECT value FROM meta WHERE key = ?", [STEADY], |row| row.get(0)).optional()?;
    let back_ms = last.map_or(0, |last| last - steady_ms).max(0);
    if back_ms > TOLERATED_MS {
        tx.execute(
            "UPDATE schedule SET due_ms = due_ms - ? WHERE attempts > 0 OR manual OR NOT EXISTS
             (SELECT 1 FROM messages m WHERE m.id = schedule.message AND m.deliver_ms > 0)",
            [back_ms],
        )?;
    }
    tx.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", params![STEADY, steady_ms])?;
    tx.commit()?;
    Ok(back_ms)
}

/// Under this key the file has how far the wall clock was ahead of the steady one when the rows of all messages for a
/// certain time were right; it is missing while they are being put right.
const AHEAD: &str = "ahead_ms";

/// Gives messages for a certain time their due time again, slice by slice, when the wall clock has been set.
#[derive(Debug, Default)]
pub struct Retiming {
    ahead_ms: i64,
    /// The delivery that comes next, while rows are being put right.
    from: Option<Place>,
}

impl Retiming {
    /// At a start, when the two clocks agree: what the last run left may be by other clocks.
    pub fn open(conn: &Connection) -> Result<Retiming> {
        let known: Option<i64> =
            conn.query_row("SELECT value FROM meta WHERE key = ?", [AHEAD], |row| row.get(0)).optional()?;
        let is_right = known.is_some_and(|ahead_ms| ahead_ms.abs() <= TOLERATED_MS);
        Ok(if is_right { Retiming::default() } else { Retiming::anew(0) })
    }

    fn anew(ahead_ms: i64) -> Retiming {
        Retiming { ahead_ms, from: Some((i64::MIN, i64::MIN)) }
    }

    /// Whether there are rows to put right. `ahead_ms`: how far the wall clock is ahead of the steady one now.
    pub fn is_due(&mut self, ahead_ms: i64) -> bool {
        if (ahead_ms - self.ahead_ms).abs() > TOLERATED_MS {
            *self = Retiming::anew(ahead_ms);
        }
        self.from.is_some()
    }

    /// Puts one slice of the schedule right. Returns the rows that it changed.
    pub fn slice(&mut self, conn: &mut Connection) -> Result<usize> {
        let Some(from) = self.from else { return Ok(0) };
        let tx = conn.transaction()?;
        let (rows, last) = timed(&tx, from)?;
        for (endpoint, message, at_ms) in &rows {
            tx.prepare_cached("UPDATE schedule SET due_ms = ? WHERE endpoint = ? AND message = ? AND NOT manual")?
                .execute([at_ms - self.ahead_ms, *endpoint, *message])?;
        }
        match last {
            Some(_) => tx.execute("DELETE FROM meta WHERE key = ?", [AHEAD])?,
            None => tx.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", params![AHEAD, self.ahead_ms])?,
        };
        tx.commit()?;
        self.from = last;
        Ok(rows.len())
    }
}

/// A place in the schedule: endpoint and message.
type Place = (i64, i64);

/// A delivery of a message for a certain time: endpoint, message, and that time.
type Timed = (i64, i64, i64);

/// The deliveries of one slice that nobody has tried and that are for a certain time; and where the next slice begins.
fn timed(tx: &Transaction<'_>, (endpoint, message): Place) -> Result<(Vec<Timed>, Option<Place>)> {
    let mut select = tx.prepare_cached(
        "SELECT s.endpoint, s.message, m.deliver_ms, s.attempts = 0 AND NOT s.manual AND m.deliver_ms > 0
         FROM schedule s LEFT JOIN messages m ON m.id = s.message
         WHERE (s.endpoint, s.message) > (?, ?) ORDER BY s.endpoint, s.message, s.manual LIMIT ?",
    )?;
    let mut found = select.query(params![endpoint, message, SLICE as i64])?;
    let (mut rows, mut seen, mut last) = (Vec::new(), 0, None);
    while let Some(row) = found.next()? {
        seen += 1;
        last = Some((row.get(0)?, row.get(1)?));
        if row.get::<_, Option<bool>>(3)? == Some(true) {
            rows.push((row.get(0)?, row.get(1)?, row.get(2)?));
        }
    }
    Ok((rows, last.filter(|_| seen == SLICE)))
}
