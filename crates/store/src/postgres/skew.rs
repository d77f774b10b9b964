//! One clock for the schedule of all nodes: the database's.
//!
//! Each machine's clock is a little off, and one that was paused may be off by minutes until somebody sets it right.
//! What one node puts in the schedule another takes out of it, so the times in there are the database's.

use super::adopt::get;
use crate::error::StoreError;
use deadpool_postgres::Pool;
use postrider_clock::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// How far the database's clock is ahead of this process's steady one, ms. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Skew(Arc<AtomicI64>);

impl Skew {
    /// Looks at both clocks. A clock that a test moves by hand counts as the database's own.
    pub async fn measure(&self, pool: &Pool, clock: &Clock) -> Result<(), StoreError> {
        if !clock.is_system() {
            return Ok(());
        }
        let client = get(pool).await?;
        let before = clock.steady_ms();
        let rows = client.query_typed("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", &[]).await?;
        let between = before + (clock.steady_ms() - before) / 2;
        if let Some(row) = rows.first() {
            self.0.store(row.get::<_, i64>(0) - between, Ordering::Relaxed);
        }
        Ok(())
    }

    pub fn to_database(&self, steady_ms: i64) -> i64 {
        steady_ms.saturating_add(self.0.load(Ordering::Relaxed))
    }

    pub fn to_local(&self, ms: i64) -> i64 {
        ms.saturating_sub(self.0.load(Ordering::Relaxed))
    }
}
