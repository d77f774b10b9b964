//! What can go wrong in the store, as types.

use thiserror::Error;

/// Why the store could not do it. `code` is stable; the words may change.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("the disk that holds the data is full; nothing was stored")]
    DiskFull,
    #[error("too much is waiting to be stored; try again in a moment")]
    Busy,
    #[error("the store is shutting down")]
    Closed,
    #[error("the database can't be reached at the moment; try again")]
    Unavailable,
    #[error("{0}")]
    Database(String),
}

impl StoreError {
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::DiskFull => "disk_full",
            StoreError::Busy => "busy",
            StoreError::Closed => "shutting_down",
            StoreError::Unavailable => "database_unavailable",
            StoreError::Database(_) => "database",
        }
    }
}

/// Why a message was not accepted.
#[derive(Debug, Error)]
pub enum AppendError {
    #[error("the application's endpoints changed since the message was routed")]
    StaleRouting,
    #[error("the application was deleted")]
    NoApplication,
    #[error("the idempotency key was used with another body")]
    IdempotencyMismatch,
    #[error("a message with this eventId exists in the application")]
    EventIdTaken,
    #[error("the caller's key was revoked")]
    Revoked,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a change of the configuration was not made.
#[derive(Debug, Error)]
pub enum ChangeError {
    #[error("the row was changed by someone else in the meantime")]
    Outdated,
    #[error("no such row")]
    NotFound,
    #[error("the uid or name is taken")]
    Taken,
    #[error("too many resends of it wait already")]
    TooManyResends,
    #[error("it still has applications")]
    NotEmpty,
    #[error("the idempotency key was used with another body")]
    IdempotencyMismatch,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(
        "the secret key does not fit the data: it was encrypted with another one. Start with the \
         POSTRIDER_SECRET_KEY (or the key file) it was created with"
    )]
    WrongSecretKey,
    #[error("the data was written by a newer Postrider (schema {found}, this one knows {known}); start that version")]
    TooNew { found: i64, known: i64 },
    #[error("another Postrider is running on this data directory; stop it first, or choose another with --data")]
    InUse,
    #[error("the database URL is wrong: {0}. It should look like postgres://user:password@host:5432/database")]
    DatabaseUrl(String),
    #[error("a migration into this database has not ended: run `postrider migrate` again, it goes on where it stopped")]
    MigrationUnfinished,
    #[error("all {0} places for nodes are taken; stop some, or wait until their leases end")]
    TooManyNodes(i32),
    #[error("the disk that holds the data is full, and the start needs some room: make some")]
    DiskFull,
    #[error("can't open the database: {0}")]
    Database(String),
}

impl OpenError {
    pub(crate) fn postgres(error: tokio_postgres::Error) -> OpenError {
        OpenError::Database(with_cause(&error))
    }
}

/// The error with what caused it: the driver's own words alone are "db error".
pub(crate) fn with_cause(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
