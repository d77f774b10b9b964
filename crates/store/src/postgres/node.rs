//! This process among the others: its place, its lease, its end.

use super::session::Session;
use crate::id::{IdSource, SLOTS};
use tokio_postgres::Error;
use tokio_postgres::types::Type;

/// Who this process is in the database until its lease is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub id: i64,
    /// Commits that carry an older one change nothing.
    pub fence: i64,
    /// The number of the last commit that was sent.
    pub seq: i64,
}

/// What a node says of itself when it registers.
#[derive(Clone, Debug)]
pub struct Introduction {
    pub name: String,
    pub lease_ms: i32,
}

/// What became of a commit whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadBack {
    pub committed: bool,
    /// The new fence; `None`: the others have given the node up.
    pub fence: Option<i64>,
}

/// Takes a free slot. `None`: there is none.
pub async fn register(session: &Session, who: &Introduction, ids: &IdSource) -> Result<Option<Node>, Error> {
    session.batch("BEGIN; SELECT pg_advisory_xact_lock(80710004)").await?;
    let registered = take_slot(session, who, ids).await;
    session.batch(if matches!(registered, Ok(Some(_))) { "COMMIT" } else { "ROLLBACK" }).await?;
    registered
}

async fn take_slot(session: &Session, who: &Introduction, ids: &IdSource) -> Result<Option<Node>, Error> {
    let free = session
        .query(
            "SELECT s, coalesce((SELECT max(last_id) FROM nodes WHERE slot = s), 0)
             FROM generate_series(1, $1 - 1) s
             WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE slot = s AND NOT dead) ORDER BY s LIMIT 1",
            &[(&SLOTS, Type::INT4)],
        )
        .await?;
    let Some(row) = free.first() else { return Ok(None) };
    let (slot, last): (i32, i64) = (row.get(0), row.get(1));
    ids.restart(slot, last);
    let newest = ids.newest();
    let rows = session
        .query(
            "INSERT INTO nodes (slot, name, version, lease_until, last_id, watermark)
             VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 millisecond', $5, $5) RETURNING id",
            &[
                (&slot, Type::INT4),
                (&who.name, Type::TEXT),
                (&env!("CARGO_PKG_VERSION"), Type::TEXT),
                (&who.lease_ms, Type::INT4),
                (&newest, Type::INT8),
            ],
        )
        .await?;
    Ok(rows.first().map(|row| Node { id: row.get(0), fence: 0, seq: 0 }))
}

/// Finds out whether the commit with number `node.seq` happened, and makes sure that it can't happen
/// any more: waits for it if it is under way, and raises the fence before it if it is yet to come.
pub async fn read_back(session: &Session, node: &Node) -> Result<ReadBack, Error> {
    let mine = [(&node.id as &(dyn tokio_postgres::types::ToSql + Sync), Type::INT8)];
    let raised = session
        .query("UPDATE nodes SET fence = fence + 1 WHERE id = $1 AND NOT dead RETURNING seq, fence", &mine)
        .await?;
    if let Some(row) = raised.first() {
        return Ok(ReadBack { committed: row.get::<_, i64>(0) == node.seq, fence: Some(row.get(1)) });
    }
    let given_up = session.query("SELECT seq FROM nodes WHERE id = $1", &mine).await?;
    Ok(ReadBack { committed: given_up.first().is_some_and(|row| row.get::<_, i64>(0) == node.seq), fence: None })
}

/// Gives everything up, so that the others need not wait for the lease to end.
pub async fn leave(session: &Session, node: &Node) -> Result<(), Error> {
    let sql = "UPDATE nodes SET dead = true, lease_until = clock_timestamp() WHERE id = $1";
    session.query(sql, &[(&node.id, Type::INT8)]).await.map(|_| ())
}
