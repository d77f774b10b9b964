//! Why a caller was refused, as types.

use postrider_store::{AppendError, ChangeError, StoreError};
use thiserror::Error;

/// One field that was wrong: where, what, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// From the outside in: `["body", "eventTypes", "0"]`.
    pub loc: Vec<String>,
    pub msg: String,
    /// A stable word for the kind of problem.
    pub kind: &'static str,
}

impl FieldProblem {
    /// A wrong value in a field of the body, named by its dotted path.
    pub fn value(field: &str, msg: impl Into<String>) -> FieldProblem {
        let loc = std::iter::once("body").chain(field.split('.').filter(|part| !part.is_empty()));
        FieldProblem { loc: loc.map(str::to_owned).collect(), msg: msg.into(), kind: "value_error" }
    }
}

/// Why it was not done. Nothing was stored.
#[derive(Debug, Error)]
pub enum Refusal {
    #[error("{0} not found")]
    NotFound(&'static str),
    #[error("{detail}")]
    Forbidden { code: &'static str, detail: String },
    #[error("{detail}")]
    Conflict { code: &'static str, detail: String },
    #[error("invalid: {}", .0.iter().map(|problem| problem.msg.as_str()).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldProblem>),
    #[error("{detail}")]
    TooMany { code: &'static str, detail: String },
    #[error("the API key was revoked")]
    Revoked,
    #[error(transparent)]
    Unavailable(StoreError),
}

impl Refusal {
    /// The same of something that lies further inside of the body.
    #[must_use]
    pub fn within(self, place: &[String]) -> Refusal {
        let Refusal::Invalid(mut problems) = self else { return self };
        for problem in &mut problems {
            let at = usize::from(problem.loc.first().is_some_and(|first| first == "body"));
            problem.loc.splice(at..at, place.iter().cloned());
        }
        Refusal::Invalid(problems)
    }
}

impl From<FieldProblem> for Refusal {
    fn from(problem: FieldProblem) -> Refusal {
        Refusal::Invalid(vec![problem])
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::Unavailable(error)
    }
}

fn idempotency_mismatch() -> Refusal {
    Refusal::Conflict {
        code: "idempotency_key_reused",
        detail: "this idempotency-key was used with another body; use a new key for a new request".into(),
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Refusal {
        match error {
            AppendError::NoApplication => Refusal::NotFound("application"),
            AppendError::IdempotencyMismatch => idempotency_mismatch(),
            AppendError::EventIdTaken => Refusal::Conflict {
                code: "event_exists",
                detail: "a message with this eventId was accepted before; it is unique per application".into(),
            },
            AppendError::Revoked => Refusal::Revoked,
            AppendError::StaleRouting => Refusal::Unavailable(StoreError::Busy),
            AppendError::Store(error) => Refusal::Unavailable(error),
        }
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Refusal {
        match error {
            ChangeError::NotFound => Refusal::NotFound("entity"),
            ChangeError::Taken => Refusal::Conflict {
                code: "conflict",
                detail: "the uid or name is taken; choose another, or update the one that has it".into(),
            },
            ChangeError::NotEmpty => Refusal::Conflict {
                code: "not_empty",
                detail: "the environment still has applications; delete those first".into(),
            },
            ChangeError::IdempotencyMismatch => idempotency_mismatch(),
            ChangeError::Outdated => Refusal::Unavailable(StoreError::Busy),
            ChangeError::Store(error) => Refusal::Unavailable(error),
        }
    }
}
