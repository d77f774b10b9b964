//! Why a migration did not begin, or did not end.

use crate::error::{OpenError, with_cause};
use std::path::PathBuf;
use thiserror::Error;

/// Each says what to do.
#[derive(Debug, Error)]
pub enum MigrateError {
    #[error(
        "there is no database in {}; --from takes the data directory of `postrider serve`, the one with postrider.db in it",
        .0.display()
    )]
    NoSource(PathBuf),
    #[error("a server still runs on {}; stop it, and leave it off until the migration has ended", .0.display())]
    Running(PathBuf),
    #[error("can't open the source: {0}")]
    Source(OpenError),
    #[error("can't open the target: {0}")]
    Target(OpenError),
    #[error("can't read from the source: {0}")]
    Read(String),
    #[error("can't write to the target: {0}\nWhat was copied stays; run the same command again to go on")]
    Write(String),
    #[error(
        "the target is not empty: it holds {0} that are not from this migration. Make a new database (createdb) and migrate into that"
    )]
    NotEmpty(&'static str),
    #[error(
        "servers have run on the target since this migration ended: it has the data now, and what {} holds is old. To migrate again, make a new database (createdb)",
        .0.display()
    )]
    Used(PathBuf),
    #[error(
        "what {} holds has changed since the migration into this database began. Make a new database (createdb), begin again, and leave the server off until the migration has ended",
        .0.display()
    )]
    Changed(PathBuf),
    #[error("another run of this migration was still writing; run the same command again to go on")]
    Raced,
}

impl From<rusqlite::Error> for MigrateError {
    fn from(error: rusqlite::Error) -> MigrateError {
        MigrateError::Read(error.to_string())
    }
}

impl From<tokio_postgres::Error> for MigrateError {
    fn from(error: tokio_postgres::Error) -> MigrateError {
        MigrateError::Write(with_cause(&error))
    }
}
