//! Partitions by class of retention and by day, made when the first message of a day comes.

use crate::id::{day_of, ids_of_day};
use std::collections::HashSet;
use tokio_postgres::Error;

use super::session::Session;

/// The class of messages that ask for none.
pub const DEFAULT_CLASS: i16 = 0;

/// The partitions that are known to exist.
#[derive(Debug, Default)]
pub struct Partitions(HashSet<(i16, i64)>);

impl Partitions {
    /// Makes what is missing for messages with these ids. In a transaction of its own.
    pub async fn ensure(&mut self, session: &Session, class: i16, ids: &[i64]) -> Result<(), Error> {
        for day in ids.iter().map(|id| day_of(*id)).collect::<HashSet<_>>() {
            if !self.0.contains(&(class, day)) {
                session.batch(&create(class, day)).await?;
                self.0.insert((class, day));
            }
        }
        Ok(())
    }
}

/// Nodes may do this at once: the lock lets one in, the others find it done.
fn create(class: i16, day: i64) -> String {
    let (from, to) = ids_of_day(day);
    let mut sql = "BEGIN; SELECT pg_advisory_xact_lock(80710003);".to_owned();
    for (table, column) in [("messages", "id"), ("attempts", "message")] {
        sql.push_str(&format!(
            "CREATE TABLE IF NOT EXISTS {table}_{class} PARTITION OF {table} FOR VALUES IN ({class}) PARTITION BY RANGE ({column});
             CREATE TABLE IF NOT EXISTS {table}_{class}_{day} PARTITION OF {table}_{class} FOR VALUES FROM ({from}) TO ({to});"
        ));
    }
    sql.push_str("COMMIT;");
    sql
}
