//! Partitions: messages by class of retention and day, attempts by their message's day, made when the
//! first of a day comes.

use super::session::Session;
use crate::id::{day_of, ids_of_day};
use std::collections::BTreeSet;
use tokio_postgres::Error;

/// A partition of one of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Partition {
    Messages { class: u16, day: i64 },
    Attempts { day: i64 },
}

impl Partition {
    /// The one for a message with this id.
    pub fn of_message(class: u16, id: i64) -> Partition {
        Partition::Messages { class, day: day_of(id) }
    }

    /// The one for an attempt of this message.
    pub fn of_attempt(message: i64) -> Partition {
        Partition::Attempts { day: day_of(message) }
    }

    /// The table's name.
    pub fn name(self) -> String {
        match self {
            Partition::Messages { class, day } => format!("messages_{class}_{day}"),
            Partition::Attempts { day } => format!("attempts_{day}"),
        }
    }

    /// What [`Partition::name`] names.
    pub fn named(name: &str) -> Option<Partition> {
        if let Some(day) = name.strip_prefix("attempts_") {
            return Some(Partition::Attempts { day: day.parse().ok()? });
        }
        let (class, day) = name.strip_prefix("messages_")?.split_once('_')?;
        Some(Partition::Messages { class: class.parse().ok()?, day: day.parse().ok()? })
    }

    /// The first message id in it, and the first after it.
    pub fn ids(self) -> (i64, i64) {
        match self {
            Partition::Messages { day, .. } | Partition::Attempts { day } => ids_of_day(day),
        }
    }

    /// Nodes may do this at once: the lock lets one in, the others find it done.
    pub fn create(self) -> String {
        let ((from, to), name) = (self.ids(), self.name());
        let range = format!("FOR VALUES FROM ({from}) TO ({to})");
        let tables = match self {
            Partition::Messages { class, .. } => format!(
                "CREATE TABLE IF NOT EXISTS messages_{class} PARTITION OF messages FOR VALUES IN ({class}) PARTITION BY RANGE (id);
                 CREATE TABLE IF NOT EXISTS {name} PARTITION OF messages_{class} {range};"
            ),
            Partition::Attempts { .. } => format!("CREATE TABLE IF NOT EXISTS {name} PARTITION OF attempts {range};"),
        };
        format!("BEGIN; SELECT pg_advisory_xact_lock(80710003); {tables} COMMIT;")
    }
}

/// The partitions that are known to exist.
#[derive(Debug, Default)]
pub struct Partitions(BTreeSet<Partition>);

impl Partitions {
    /// Makes what is missing, each in a transaction of its own.
    pub async fn ensure(&mut self, session: &Session, wanted: &BTreeSet<Partition>) -> Result<(), Error> {
        for partition in wanted {
            if !self.0.contains(partition) {
                session.batch(&partition.create()).await?;
                self.0.insert(*partition);
            }
        }
        Ok(())
    }

    /// Looks again, as another node may have dropped some.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_in_a_partition() {
        for partition in [Partition::Messages { class: 90, day: 2_500 }, Partition::Attempts { day: 7 }] {
            assert_eq!(Partition::named(&partition.name()), Some(partition));
        }
        assert_eq!(Partition::named("messages_90"), None);
    }
}
