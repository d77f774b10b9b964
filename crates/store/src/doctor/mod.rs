//! What can be seen of a database without opening it as a server does: nothing is made, migrated or
//! written, and a server may run meanwhile.

mod deliveries;
mod embedded;
mod postgres;

pub use deliveries::{Fault, Violation};
pub use embedded::{Embedded, embedded, embedded_deliveries, library};
pub use postgres::{Node, Postgres, Settings, postgres, postgres_deliveries};

use crate::migrate::UNFINISHED;
use crate::secret::Sealer;

/// The version of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// 0: there are no tables yet.
    pub found: i64,
    /// The newest that this version makes.
    pub known: i64,
    /// The newest that this version can work with.
    pub newest: i64,
}

/// Whether a secret key is the one that the data was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFit {
    /// It is.
    Fits,
    /// The data was made with another.
    Other,
    /// There is no data yet: any key will do.
    Free,
    /// No key fits, because `postrider migrate` has not ended.
    Migrating,
    /// No key was given to compare.
    Unknown,
}

impl KeyFit {
    fn of(check: Option<&[u8]>, key: Option<&[u8; 32]>) -> KeyFit {
        match (check, key) {
            (None, _) => KeyFit::Free,
            (Some(UNFINISHED), _) => KeyFit::Migrating,
            (Some(_), None) => KeyFit::Unknown,
            (Some(check), Some(key)) if Sealer::new(key).is_checked_by(check) => KeyFit::Fits,
            (Some(_), Some(_)) => KeyFit::Other,
        }
    }
}
