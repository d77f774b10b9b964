//! Warnings: what was accepted, but is probably not what the caller meant.
//!
//! An environment with `strict` refuses it instead.

use crate::refusal::FieldProblem;

/// One thing that was accepted and looks like a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// From the outside in: `["body", "filter_types"]`, `["query", "limt"]`.
    pub loc: Vec<String>,
    pub code: WarningCode,
    pub msg: String,
    /// The known name that was probably meant.
    pub nearest: Option<String>,
}

/// The type of a warning. Its text is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningCode {
    UnknownField,
    UnknownParameter,
    UnregisteredEventType,
    NoEndpoint,
    SchemaMismatch,
    /// There are more warnings than an answer lists.
    MoreWarnings,
}

impl WarningCode {
    pub fn as_str(self) -> &'static str {
        match self {
            WarningCode::UnknownField => "unknown_field",
            WarningCode::UnknownParameter => "unknown_parameter",
            WarningCode::UnregisteredEventType => "unregistered_event_type",
            WarningCode::NoEndpoint => "no_endpoint",
            WarningCode::SchemaMismatch => "schema_mismatch",
            WarningCode::MoreWarnings => "more_warnings",
        }
    }
}

impl From<Warning> for FieldProblem {
    fn from(warning: Warning) -> FieldProblem {
        FieldProblem { loc: warning.loc, msg: warning.msg, kind: warning.code.as_str() }
    }
}
