//! Why a caller was refused, as types.

use postrider_store::message::MORE_RESENDS;
use postrider_store::{AppendError, ChangeError, StoreError};
use thiserror::Error;

/// Characters of a name that an error repeats.
const LONGEST_NAME: usize = 100;
/// The code of a conflict about a uid or a name.
pub(crate) const TAKEN: &str = "conflict";

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

/// Something that a request names and that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}{} not found", named(.name))]
pub struct Absent {
    pub what: &'static str,
    /// The id or uid; empty: none was given.
    pub name: String,
}

/// A name at a length that an answer can repeat.
fn named(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        _ if name.is_empty() => String::new(),
        Some((end, _)) => format!(" {:?}", format!("{}…", &name[..end])),
        None => format!(" {name:?}"),
    }
}

/// Why it was not done. Nothing was stored.
#[derive(Debug, Error)]
pub enum Refusal {
    #[error(transparent)]
    NotFound(Absent),
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
    /// Nothing of this kind has the id or uid `name`.
    pub fn none(what: &'static str, name: &str) -> Refusal {
        Refusal::NotFound(Absent { what, name: name.to_owned() })
    }

    /// The same, where a conflict names the field and the value that something else has.
    #[must_use]
    pub fn taken(self, what: &str, field: &str, value: Option<&str>) -> Refusal {
        match (self, value) {
            (Refusal::Conflict { code: TAKEN, .. }, Some(value)) => Refusal::Conflict {
                code: TAKEN,
                detail: format!(
                    "there is another {what} with the {field}{}; choose another {field}, or update that {what}",
                    named(value)
                ),
            },
            (refusal, _) => refusal,
        }
    }

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
            AppendError::NoApplication => Refusal::none("application", ""),
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
            ChangeError::NotFound => Refusal::none("entity", ""),
            ChangeError::TooManyResends => Refusal::Conflict {
                code: "too_many_resends",
                detail: format!(
                    "{} resends of the message to the endpoint are not done yet; resend it when they are",
                    MORE_RESENDS + 1
                ),
            },
            ChangeError::Taken => Refusal::Conflict {
                code: TAKEN,
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
