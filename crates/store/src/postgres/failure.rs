//! What an error of the database means: for a commit, and for what is read.

use crate::backend::CommitError;
use crate::error::{StoreError, with_cause};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

pub fn commit_error(error: Error) -> CommitError {
    let Some(db) = error.as_db_error() else {
        // A value that can't be sent at all; everything else without a code is the connection.
        let unsendable = error.to_string().contains("serializing parameter");
        return if unsendable { CommitError::Rejected(with_cause(&error)) } else { CommitError::Unknown };
    };
    match db.code() {
        code if code.code() == "PR001" => CommitError::Lost,
        code if *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE => {
            CommitError::Again
        }
        code if *code == SqlState::DISK_FULL => CommitError::Full,
        // A statement timeout of the operator's, a lock timeout, no memory, an error of a disk.
        code if ["57014", "55P03", "53200", "53000", "58030"].contains(&code.code()) => CommitError::Again,
        code if is_away(code) => CommitError::Unknown,
        _ => CommitError::Rejected(with_cause(&error)),
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> StoreError {
        match error.as_db_error() {
            Some(db) if !is_away(db.code()) => StoreError::Database(with_cause(&error)),
            _ => StoreError::Unavailable,
        }
    }
}

/// 57P..: shutting down, starting up, crashed; 08...: the connection; 25P03: it took too long; 53300: too many
/// connections; 25006: a standby that took over for a moment.
fn is_away(code: &SqlState) -> bool {
    let code = code.code();
    ["57P", "08"].iter().any(|class| code.starts_with(class)) || ["25P03", "53300", "25006"].contains(&code)
}
