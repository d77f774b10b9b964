//! What an error of the database means for a commit.

use crate::backend::CommitError;
use crate::error::with_cause;
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
            CommitError::Deadlock
        }
        code if *code == SqlState::DISK_FULL => CommitError::Full,
        // 57P..: shutting down, starting up, crashed; 08...: the connection; 25P03: it took too long;
        // 53300: too many connections; 25006: a standby that took over for a moment.
        code if ["57P", "08"].iter().any(|class| code.code().starts_with(class)) => CommitError::Unknown,
        code if ["25P03", "53300", "25006"].contains(&code.code()) => CommitError::Unknown,
        _ => CommitError::Rejected(with_cause(&error)),
    }
}
