//! Whether every delivery is accounted for: what must hold of a database at every instant, also after a crash.
//!
//! Below recovery's mark every delivery has an attempt or a row in the schedule. A delivery that is to be tried again has
//! a row, and one that has ended has none.

use crate::id::{EndpointId, MessageId};

/// A delivery for which that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub fault: Fault,
    pub message: MessageId,
    pub endpoint: EndpointId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It has neither an attempt nor a row, and recovery does not look there: it would never be sent.
    Lost,
    /// Its last attempt is to be followed by another, and there is no row: it would not be tried again.
    NotScheduled,
    /// It has ended with its last attempt, and there is a row: it would be sent once more.
    InTwoPlaces,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Fault::Lost => "has neither an attempt nor a row in the schedule",
            Fault::NotScheduled => "is to be tried again and is not in the schedule",
            Fault::InTwoPlaces => "has ended and is still in the schedule",
        })
    }
}

/// Violations that are reported; there may be more.
pub(super) const MOST: usize = 100;
/// Messages that are read at once.
pub(super) const CHUNK: usize = 5_000;

/// Deliveries whose last attempt and schedule say different things, in a dialect that both databases know:
/// message, endpoint, whether another attempt follows.
pub(super) const CONTRADICTIONS: &str = "
SELECT a.message, a.endpoint, a.retried FROM attempts a
WHERE a.retried IS NOT NULL AND NOT a.manual
  AND NOT EXISTS (SELECT 1 FROM attempts later
    WHERE later.message = a.message AND later.endpoint = a.endpoint AND NOT later.manual AND later.id > a.id)
  AND (a.retried <> EXISTS (SELECT 1 FROM schedule s
    WHERE s.message = a.message AND s.endpoint = a.endpoint AND NOT s.manual))
LIMIT 100";

pub(super) fn contradiction(message: i64, endpoint: i64, retried: bool) -> Violation {
    let fault = if retried { Fault::NotScheduled } else { Fault::InTwoPlaces };
    Violation { fault, message: MessageId(message), endpoint: EndpointId(endpoint) }
}
