//! What ends a benchmark early.

use std::path::PathBuf;
use thiserror::Error;

/// Why there is no result.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{path}: {reason}", path = .path.display())]
    File { path: PathBuf, reason: std::io::Error },
    #[error("connection to {address}: {reason}")]
    Connection { address: String, reason: String },
    #[error("{what} was answered with {status}: {body}")]
    Refused { what: String, status: u16, body: String },
    #[error("{what}: {reason}")]
    Answer { what: String, reason: String },
    #[error("the server {what}; its last words:\n{log}")]
    Server { what: String, log: String },
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Http(#[from] http::Error),
}
