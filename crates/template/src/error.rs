//! What may be wrong with a template.

use crate::LONGEST;
use thiserror::Error;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TemplateError {
    #[error("line {line}, column {column}: {reason}")]
    Syntax { line: usize, column: usize, reason: String },
    /// The text, in bytes.
    #[error("has {0} bytes; at most {LONGEST} are allowed")]
    TooLong(usize),
    #[error("line {line}: nested deeper than {limit} levels")]
    TooDeep { line: usize, limit: usize },
    /// The data that it is about, in bytes.
    #[error("the data has {size} bytes; templates take at most {limit}")]
    TooMuchData { size: usize, limit: usize },
    #[error("{0}")]
    Failed(String),
    /// It drew more than its budget of this.
    #[error("it needs more than {limit} {what}, and was stopped")]
    Exhausted { what: &'static str, limit: usize },
    #[error("it took longer than {0} ms, and was stopped")]
    TimedOut(u64),
    #[error("there is no room for more templates now")]
    Closed,
}
